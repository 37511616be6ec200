package ndjson

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

// Read reads Portolan's own format; the package comment describes it.
func Read(in *reader.Input, out *reader.Output) {
	p := parser{base: in.Blank()}
	if in.Opts.Scope != nil {
		p.base.Scope = *in.Opts.Scope
	}
	reader.EachLine(in, out, func(line reader.Line) error {
		if !line.Ended && !jsontext.Value(line.Text).IsValid(jsonGrammar) {
			in.CutAt(line.No)
			return nil
		}
		return p.take(in, out, line)
	})
}

// fields of a line, as bits of what was seen.
const (
	fieldAsset = 1 << iota
	fieldOpen
	fieldName
	fieldAddress
	fieldProject
	fieldEnterprise
	fieldCategory
	fieldSeen
	fieldScope
	fieldLabels
)

// parser turns lines into reports. Its slices are used again for each line.
type parser struct {
	line []byte // being read
	src  bytes.Buffer
	json jsontext.Decoder
	esc  []byte // decoded texts of the line that had escapes

	base   engine.Report
	report engine.Report // of the line being read
	fields uint16        // seen in the line

	asset, name, address []byte
	open                 []index.Key
	slab                 reader.KeySlab
	text                 []byte

	lastEnterprise string
	scopeText      []byte // of the last scope list, and what it means
	scope          engine.Scope
	labelText      []byte // of the last labels, and what they mean
	labels         map[string]string
}

// jsonGrammar leaves names given twice to the parser, which knows the few there are.
var jsonGrammar = jsontext.AllowDuplicateNames(true)

// take yields the report of one line.
func (p *parser) take(in *reader.Input, out *reader.Output, line reader.Line) error {
	repeats, err := p.parse(line.Text)
	if err != nil {
		return err
	}
	in.Duplicates += repeats
	out.Report(&p.report, line.No)
	return nil
}

func (p *parser) parse(line []byte) (repeats int, err error) {
	p.line, p.esc = line, p.esc[:0]
	p.src = *bytes.NewBuffer(line) // of which the decoder reads without a copy
	p.json.Reset(&p.src, jsonGrammar)
	p.report, p.fields = p.base, 0
	p.asset, p.name, p.address, p.open = nil, nil, nil, p.open[:0]
	if err := p.object(); err != nil {
		return 0, err
	}
	if p.fields&fieldAsset == 0 {
		return 0, &engine.FieldError{Field: "asset", Allowed: "the asset's id, which is required"}
	}
	if p.fields&fieldOpen == 0 {
		return 0, &engine.FieldError{Field: "open", Allowed: "an array of open ports, which is required"}
	}
	p.takeTexts()
	p.report.Open, repeats = p.slab.Own(p.open)
	return repeats, nil
}

// takeTexts gives the report its texts: parts of one new string.
func (p *parser) takeTexts() {
	p.text = append(append(append(p.text[:0], p.asset...), p.name...), p.address...)
	text, a, n := string(p.text), len(p.asset), len(p.name)
	p.report.Asset, p.report.Name, p.report.Address = text[:a], text[a:a+n], text[a+n:]
}

// object reads the object that the line is.
func (p *parser) object() error {
	if err := p.begin('{', "an object"); err != nil {
		return err
	}
	for p.json.PeekKind() == '"' {
		if err := p.field(); err != nil {
			return err
		}
	}
	if err := p.end(); err != nil {
		return err
	}
	if rest := p.line[p.json.InputOffset():]; !reader.IsBlank(rest) {
		r, _ := utf8.DecodeRune(bytes.TrimSpace(rest))
		return fmt.Errorf("byte %d: %q is not allowed: want the end of the line", len(p.line)-len(rest)+1, r)
	}
	return nil
}

func (p *parser) field() error {
	name, err := p.str()
	if err != nil {
		return err
	}
	bit := fieldNamed(name)
	if bit == 0 {
		return &engine.FieldError{
			Field: "field", Value: string(name),
			Allowed: "asset, open, name, address, project_id, enterprise_project_id, category, labels, seen or scope",
		}
	}
	if p.fields&bit != 0 {
		return fmt.Errorf("field %q is given twice", name)
	}
	p.fields |= bit
	if err := p.value(bit); err != nil {
		if field := (*engine.FieldError)(nil); errors.As(err, &field) {
			return err
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func fieldNamed(name []byte) uint16 {
	switch string(name) {
	case "asset":
		return fieldAsset
	case "open":
		return fieldOpen
	case "name":
		return fieldName
	case "address":
		return fieldAddress
	case "project_id":
		return fieldProject
	case "enterprise_project_id":
		return fieldEnterprise
	case "category":
		return fieldCategory
	case "seen":
		return fieldSeen
	case "scope":
		return fieldScope
	case "labels":
		return fieldLabels
	}
	return 0
}
