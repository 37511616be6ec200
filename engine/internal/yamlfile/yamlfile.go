// Package yamlfile reads the fields of a YAML document that people write, and says of what is wrong the line and the item.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"portolan/engine"
)

// MaxBytes is the greatest file that is read.
const MaxBytes = 1 << 20

// Error is what is wrong with a file. It matches [engine.ErrInvalid].
type Error struct {
	Line int    // from 1; 0 where there is none
	Item string // which item of a list it is in, such as rule 2 "jump hosts", or expected 1; empty where it is in none
	Err  error
}

// Error returns the line, the item and what is wrong, those that are known.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Item != "" {
		b.WriteString(e.Item + ": ")
	}
	return b.String() + e.Err.Error()
}

// Unwrap returns what is wrong with the field.
func (e *Error) Unwrap() error { return e.Err }

// Is makes every Error match [engine.ErrInvalid].
func (e *Error) Is(target error) bool { return target == engine.ErrInvalid }

// Errorf returns what is wrong at a node.
func Errorf(node *yaml.Node, format string, args ...any) error {
	return &Error{Line: node.Line, Err: fmt.Errorf(format, args...)}
}

// Document reads the one document of a text. The error is an [*Error], or that of the reader. Of one that is
// empty it says what was wanted.
func Document(from io.Reader, wanted string) (*yaml.Node, error) {
	text, err := io.ReadAll(io.LimitReader(from, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxBytes {
		return nil, &Error{Err: fmt.Errorf("it has more than %d bytes", MaxBytes)}
	}
	var root yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(text))
	switch err := in.Decode(&root); {
	case errors.Is(err, io.EOF):
		return nil, &Error{Err: fmt.Errorf("it is empty: want %s", wanted)}
	case err != nil:
		return nil, &Error{Err: err} // which has the line
	}
	if err := in.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &Error{Err: errors.New("it goes on behind its first document: want one")}
	}
	return root.Content[0], nil
}

// List returns the items of a list, none of one that is not there: what is read of each, and its name. The
// list has a name, as has an item of it.
func List[T any](list *yaml.Node, of, item string, read func(*yaml.Node) (item T, name string, err error)) ([]T, error) {
	if list == nil {
		return nil, nil
	}
	if list.Kind != yaml.SequenceNode {
		return nil, Errorf(list, "%s: want a list of %s", of, of)
	}
	items := make([]T, 0, len(list.Content))
	for i, node := range list.Content {
		one, name, err := read(Resolved(node))
		if err != nil {
			wrong := (*Error)(nil)
			if errors.As(err, &wrong) {
				wrong.Item = ItemName(item, i+1, name)
			}
			return nil, err
		}
		items = append(items, one)
	}
	return items, nil
}

// ItemName is how an item of a list is called.
func ItemName(what string, number int, name string) string {
	text := what + " " + strconv.Itoa(number)
	if name != "" {
		text += " " + strconv.Quote(name)
	}
	return text
}

// Fields returns the values of a mapping by name.
func Fields(node *yaml.Node, known ...string) (map[string]*yaml.Node, error) {
	if node.Kind != yaml.MappingNode {
		return nil, Errorf(node, "want fields: %s", strings.Join(known, ", "))
	}
	fields := make(map[string]*yaml.Node, len(known))
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		if !slices.Contains(known, name.Value) {
			return nil, &Error{Line: name.Line, Err: &engine.FieldError{Field: "field", Value: name.Value, Allowed: strings.Join(known, ", ")}}
		}
		if fields[name.Value] != nil {
			return nil, Errorf(name, "field %q is given twice", name.Value)
		}
		fields[name.Value] = Resolved(value)
	}
	return fields, nil
}

// Texts returns the values of a mapping by name, and those that are texts.
func Texts(node *yaml.Node, wanted []string, known ...string) (fields map[string]*yaml.Node, texts map[string]string, err error) {
	if fields, err = Fields(node, known...); err != nil {
		return nil, nil, err
	}
	texts = map[string]string{}
	for _, field := range wanted {
		if value := fields[field]; value != nil {
			if texts[field], err = Text(value, field); err != nil {
				return fields, texts, err
			}
		}
	}
	return fields, texts, nil
}

// Resolved returns what a node stands for.
func Resolved(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// Text returns a value that is a text, or a number, as a port alone is one.
func Text(node *yaml.Node, field string) (string, error) {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		return "", Errorf(node, "%s: want a text", field)
	}
	return node.Value, nil
}

// Names returns a list of texts that are not empty, nil where there is none. What says what they are.
func Names(node *yaml.Node, field, what string) ([]string, error) {
	if node == nil {
		return nil, nil
	}
	if node.Kind != yaml.SequenceNode || len(node.Content) == 0 {
		return nil, Errorf(node, "%s: want a list of %s, not empty", field, what)
	}
	names := make([]string, 0, len(node.Content))
	for _, one := range node.Content {
		name, err := Text(Resolved(one), field)
		if err == nil && name == "" {
			err = Errorf(one, "%s: want %s that are not empty", field, what)
		}
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}
