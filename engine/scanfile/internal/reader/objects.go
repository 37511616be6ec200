package reader

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/go-json-experiment/json/jsontext"
)

// LeftLines is the reason for leaving out lines between JSON objects, such as those of a
// log.
const LeftLines = "other-line"

// objects cuts an input into JSON objects.
type objects struct {
	in   *Input
	out  *Output
	take func(object []byte, line int) error
}

// EachObject gives each JSON object of an input to take, whether there is one a line, as
// tools write them, or they are elements of a list, or they are written over several
// lines. Lines between them that are no JSON, such as those of a log, are left out. An
// error of take is one as for [EachLine]. An input that ends inside of a list is incomplete.
//
// An object that does not end is cut where the input ends; where another object begins at
// the start of a line inside of it, or a text holds the end of a line, it is damaged, and
// reading goes on there.
func EachObject(in *Input, out *Output, take func(object []byte, line int) error) {
	o := &objects{in, out, take}
	in.Bracket = 0
	blank := true
	for !out.Done {
		found, more := o.toObject()
		blank = blank && !found
		if !more {
			break
		}
		blank = false
		if o.object() {
			break
		}
	}
	in.emptyIf(blank, out)
	if in.Bracket == '[' && !in.Part && !out.Done {
		in.Incomplete("the list has no end")
	}
}

// toObject passes over what stands between objects, up to the next one. Found says that
// there was something, more that an object follows.
func (o *objects) toObject() (found, more bool) {
	w := o.in.W
	for !o.out.Done {
		rest := w.Rest()
		for i, c := range rest {
			switch c {
			case ' ', '\t', '\r', '\n', ',':
				continue
			case '[', ']':
				o.in.Bracket, found = c, true
				continue
			}
			w.Skip(i)
			if c == '{' {
				return found, true
			}
			found = true
			if o.line() {
				return found, false
			}
			rest = nil
			break
		}
		if w.Skip(len(rest)); len(w.Rest()) == 0 && !w.More() {
			return found, false
		}
	}
	return found, false
}

// line passes over a line that is no JSON. It says whether another format begins there.
func (o *objects) line() (switched bool) {
	n, at := o.in.W.LineNo(), o.in.W.Offset()
	text, _, tooLong, _ := o.in.W.NextLine()
	if tooLong {
		o.out.Reject(n, fmt.Sprintf("the line is longer than %d bytes", o.in.Opts.MaxRecord))
		return false
	}
	err := ErrNoise
	if member.Match(text) {
		err = errNoBrace
	}
	if o.in.strange(o.out, at, n, err) {
		return true
	}
	if errors.Is(err, ErrNoise) {
		o.in.LeaveOut(LeftLines, 1)
	}
	return false
}

// member is what objects have and logs have not: a name in quotes and a colon.
var member = regexp.MustCompile(`"[\w.-]+"\s*:`)

// object takes the object that begins here. It says whether another format begins there.
func (o *objects) object() (switched bool) {
	n, at := o.in.W.LineNo(), o.in.W.Offset()
	text, _, tooLong, _ := o.in.W.NextLine()
	if tooLong {
		o.out.Reject(n, fmt.Sprintf("the object is longer than %d bytes", o.in.Opts.MaxRecord))
		return false
	}
	err := errNoEnd
	if text = bytes.TrimRight(text, " \t\r,"); text[len(text)-1] == '}' {
		err = o.take(text, n)
	}
	if isGrammar(err) && o.in.W.back(at) {
		text, err = o.cut()
		if err == nil {
			err = o.take(text, n)
		}
	}
	switch {
	case err == nil:
		return false
	case errors.Is(err, errNoEnd):
		o.in.CutAt(n)
		return false
	}
	return o.in.strange(o.out, at, n, err)
}

// Errors of objects that are not whole.
var (
	errNoEnd   = errors.New("the object has no end")
	errNoBrace = errors.New("it has members of an object, but is none: a brace is missing")
	errDamaged = errors.New("the object is damaged: another one begins, or a line ends, inside of it")
)

// isGrammar says whether an error is about what is no JSON, or not all of it.
func isGrammar(err error) bool {
	_, ok := errors.AsType[*jsontext.SyntacticError](err)
	return ok || errors.Is(err, errNoEnd) || errors.Is(err, errTrailing) || errors.Is(err, io.ErrUnexpectedEOF)
}

// cut uses the object that begins here, or, if it is damaged, what lies before the place
// where reading can go on.
func (o *objects) cut() ([]byte, error) {
	w := o.in.W
	s := objectScan{}
	for {
		rest := w.Rest()
		switch s.scan(rest) {
		case scanWhole:
			w.Skip(s.at)
			return rest[:s.at], nil
		case scanDamaged:
			w.Skip(s.at)
			return nil, errDamaged
		}
		if w.Full() {
			w.Skip(len(rest))
			w.skipLine()
			return nil, fmt.Errorf("the object is longer than %d bytes", o.in.Opts.MaxRecord)
		}
		if !w.More() {
			w.Skip(len(w.Rest()))
			if o.in.Followed {
				return nil, errDamaged
			}
			return nil, errNoEnd
		}
	}
}

// objectScan looks for the end of an object.
type objectScan struct {
	at     int // how far it has looked
	depth  int
	text   bool // inside a string
	escape bool // behind a backslash
	begin  bool // at the start of a line
}

const (
	scanMore = iota
	scanWhole
	scanDamaged
)

// scan looks on; at is then where the object ends, or where it is damaged.
func (s *objectScan) scan(b []byte) int {
	for ; s.at < len(b); s.at++ {
		c := b[s.at]
		begin := s.begin
		s.begin = c == '\n'
		switch {
		case s.escape:
			s.escape = false
		case c == '\n' && s.text, c == '{' && begin:
			return scanDamaged
		case s.text && c == '\\':
			s.escape = true
		case c == '"':
			s.text = !s.text
		case s.text:
		case c == '{':
			s.depth++
		case c == '}':
			if s.depth--; s.depth == 0 {
				s.at++
				return scanWhole
			}
		}
	}
	return scanMore
}

// TopKeys returns the keys of the first JSON object, as far as the bytes go, and whether
// they hold all of it. What is no JSON gives keys up to there, or none.
func TopKeys(head []byte) (keys [][]byte, all bool) {
	depth := 0
	var last []byte // the last string at the top
	for i := 0; i < len(head); i++ {
		switch head[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return keys, true
			}
		case ':':
			if depth == 1 && last != nil {
				keys, last = append(keys, last), nil
			}
		case '"':
			end := stringEnd(head, i+1)
			if end < 0 {
				return keys, false
			}
			if last = nil; depth == 1 {
				last = head[i+1 : end]
			}
			i = end
		}
	}
	return keys, false
}

// stringEnd returns where the string that begins at i has its closing quote, or -1.
func stringEnd(b []byte, i int) int {
	for ; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// Keys is the keys of the first object of an input.
type Keys [][]byte

// FirstKeys returns the keys of the first object, which may be the first of a list; none
// if the bytes begin with neither.
func FirstKeys(head []byte) Keys {
	keys, _ := firstKeys(head)
	return keys
}

func firstKeys(head []byte) (keys Keys, all bool) {
	if head[0] == '[' {
		head = bytes.TrimLeft(head[1:], " \t\r\n")
	}
	if len(head) == 0 || head[0] != '{' {
		return nil, false
	}
	return TopKeys(head)
}

// AllKeys is FirstKeys where all of them are known; none while more may come. It is for
// formats that others have the keys of, too.
func AllKeys(head []byte, whole bool) Keys {
	keys, all := firstKeys(head)
	if !all && !whole {
		return nil
	}
	return keys
}

// Has says whether all of the names are among the keys.
func (k Keys) Has(names ...string) bool {
	for _, name := range names {
		found := false
		for _, key := range k {
			found = found || string(key) == name
		}
		if !found {
			return false
		}
	}
	return true
}

// Text returns what a JSON string says, and every other value as it stands; nothing for
// null. It may be part of the value.
func Text(v []byte) []byte {
	switch {
	case len(v) == 0 || v[0] == 'n':
		return nil
	case v[0] != '"':
		return v
	case bytes.IndexByte(v, '\\') < 0:
		return v[1 : len(v)-1]
	}
	text, err := jsontext.AppendUnquote(nil, v)
	if err != nil && len(text) == 0 { // text that is not UTF-8 comes with an error and is replaced
		return v
	}
	return text
}
