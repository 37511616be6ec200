package reader

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// lenient is how objects of other tools are read: names may be given twice, and banners
// hold whatever was sent.
var lenient = jsontext.AllowInvalidUTF8(true)

// errTrailing is returned for an object that something follows.
var errTrailing = errors.New("more follows the object")

// Object reads JSON objects of which only some fields are wanted. The last one of a name
// counts.
type Object struct {
	names  []string
	values [][]byte
	only   map[string]bool // names that the object may have; nil: any
	others bool            // it has others
	text   []byte          // of the object
	src    bytes.Buffer
	dec    jsontext.Decoder
}

// NewObject returns a reader of objects with the wanted fields.
func NewObject(names ...string) *Object {
	return &Object{names: names, values: make([][]byte, len(names))}
}

// Only says which names objects have, and returns the reader.
func (o *Object) Only(names ...string) *Object {
	o.only = make(map[string]bool, len(names))
	for _, name := range names {
		o.only[name] = true
	}
	return o
}

// HasOthers says whether the object that was read last has names that it may not have.
func (o *Object) HasOthers() bool { return o.others }

// Read reads an object, whose text it keeps. An error is one of JSON's grammar.
func (o *Object) Read(text []byte) error {
	clear(o.values)
	o.others = false
	return o.Each(text, func(name, value []byte) {
		o.others = o.others || o.only != nil && !o.only[string(name)]
		for i, wanted := range o.names {
			if string(name) == wanted {
				o.values[i] = value
				return
			}
		}
	})
}

// Each calls found with each field of an object: its name, which must hold no escapes, and
// its value as it stands.
func (o *Object) Each(text []byte, found func(name, value []byte)) error {
	o.text, o.src = text, *bytes.NewBuffer(text) // of which the decoder reads without a copy
	o.dec.Reset(&o.src, jsontext.AllowDuplicateNames(true), lenient)
	if _, err := o.dec.ReadToken(); err != nil {
		return err
	}
	for o.dec.PeekKind() == '"' {
		name, err := o.value()
		if err != nil {
			return err
		}
		value, err := o.value()
		if err != nil {
			return err
		}
		found(name[1:len(name)-1], value)
	}
	if _, err := o.dec.ReadToken(); err != nil {
		return err
	}
	if !IsBlank(text[o.dec.InputOffset():]) {
		return errTrailing
	}
	return nil
}

// value reads a value as it stands in the text.
func (o *Object) value() ([]byte, error) {
	value, err := o.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	end := o.dec.InputOffset()
	return o.text[end-int64(len(value)) : end], nil
}

// Raw returns the value of the i-th wanted field as it stands in the object, nil if it has
// none or null.
func (o *Object) Raw(i int) []byte {
	if v := o.values[i]; len(v) > 0 && v[0] != 'n' {
		return v
	}
	return nil
}

// Text returns what the value of the i-th wanted field says: see [Text].
func (o *Object) Text(i int) []byte { return Text(o.values[i]) }

// Elements calls found with each element of a JSON list that was read, until it returns
// false.
func (o *Object) Elements(list []byte, found func(element []byte) bool) error {
	o.text, o.src = list, *bytes.NewBuffer(list)
	o.dec.Reset(&o.src, jsontext.AllowDuplicateNames(true), lenient)
	if _, err := o.dec.ReadToken(); err != nil {
		return err
	}
	for k := o.dec.PeekKind(); k != ']' && k != 0; k = o.dec.PeekKind() {
		element, err := o.value()
		if err != nil {
			return err
		}
		if !found(element) {
			return nil
		}
	}
	return nil
}
