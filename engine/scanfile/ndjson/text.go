package ndjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"portolan/engine/scanfile/internal/reader"
)

// errShort is returned when a line ends inside its object.
var errShort = errors.New("the line ends inside the object")

// raw reads a value of the kind as it stands in the line. It is valid as long as
// the line is.
func (p *parser) raw(kind jsontext.Kind, want string) ([]byte, error) {
	have := p.json.PeekKind()
	value, err := p.json.ReadValue()
	if err != nil {
		return nil, p.syntax(err)
	}
	if have != kind {
		return nil, &kindError{value: reader.Clip(value), want: want}
	}
	end := p.json.InputOffset()
	return p.line[end-int64(len(value)) : end], nil
}

// str reads a string. It is valid until the next line.
func (p *parser) str() ([]byte, error) {
	value, err := p.raw('"', "a string")
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], nil
	}
	from := len(p.esc)
	p.esc, err = jsontext.AppendUnquote(p.esc, value)
	return p.esc[from:], err
}

// begin enters an object or an array.
func (p *parser) begin(kind jsontext.Kind, want string) error {
	if p.json.PeekKind() != kind {
		_, err := p.raw(kind, want)
		return err
	}
	_, err := p.json.ReadToken()
	return p.syntax(err)
}

// more says whether the array has another element that can be read.
func (p *parser) more() bool {
	k := p.json.PeekKind()
	return k != ']' && k != 0
}

// end leaves the object or array, whose end is next, or says what is there.
func (p *parser) end() error {
	_, err := p.json.ReadToken()
	return p.syntax(err)
}

// syntax says where in the line the grammar is broken.
func (p *parser) syntax(err error) error {
	broken, ok := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errShort
	case ok:
		return fmt.Errorf("byte %d: %w", broken.ByteOffset+1, broken.Err)
	}
	return err
}

// kindError is a value of another JSON type than the one wanted.
type kindError struct{ value, want string }

func (e *kindError) Error() string { return e.value + " is not allowed: want " + e.want }
