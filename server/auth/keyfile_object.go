package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"portolan/engine"
)

// secretFields hold what no error may show.
var secretFields = []string{"secret_key", "sha256", "token", "secret", "password"}

// object is one JSON object whose fields are taken by name: each at most once,
// in the letter case of its name, as a repeated field could grant what the eye
// passes over. The first fault stays in err and makes the other calls idle.
type object struct {
	fields map[string]json.RawMessage
	asked  []string
	name   string // for errors
	err    error
}

func newObject(raw json.RawMessage) *object {
	o := &object{fields: make(map[string]json.RawMessage)}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		o.err = errors.New("want an object: {…}")
		return o
	}
	for d.More() {
		var value json.RawMessage
		key, err := d.Token()
		if err == nil {
			err = d.Decode(&value)
		}
		field, _ := key.(string) // the raw text is valid JSON, whose keys are strings
		if _, again := o.fields[field]; again && err == nil {
			err = fmt.Errorf("%s: given twice", field)
		}
		if err != nil {
			o.err = err
			return o
		}
		o.fields[field] = value
	}
	return o
}

// label names the entry for people, if it has a name.
func (o *object) label() string {
	if o.name == "" {
		return ""
	}
	return fmt.Sprintf(" (%.64q)", o.name)
}

// take decodes a field into v; a field that is absent or null leaves v alone.
func (o *object) take(field, allowed string, v any) {
	o.asked = append(o.asked, field)
	raw, ok := o.fields[field]
	if !ok || o.err != nil {
		return
	}
	if json.Unmarshal(raw, v) != nil {
		o.err = &engine.FieldError{Field: field, Value: shown(field, raw), Allowed: allowed}
	}
}

// shown is a value as an error may show it.
func shown(field string, raw json.RawMessage) string {
	if slices.Contains(secretFields, field) {
		return "…"
	}
	return string(raw)
}

func (o *object) text(field string) (v string) {
	o.take(field, "a string", &v)
	return v
}

func (o *object) truth(field string) (v bool) {
	o.take(field, "true or false", &v)
	return v
}

func (o *object) list(field string) (v []string) {
	o.take(field, `a list of strings, such as ["*"]`, &v)
	if slices.Contains(v, "") && o.err == nil {
		o.err = &engine.FieldError{Field: field, Value: "", Allowed: "names, or * for all"}
	}
	return v
}

func (o *object) time(field string) (v time.Time) {
	const allowed = "an RFC 3339 time such as 2030-01-31T12:00:00Z"
	o.take(field, allowed, &v)
	if raw, ok := o.fields[field]; ok && o.err == nil && v.IsZero() && string(raw) != "null" {
		o.err = &engine.FieldError{Field: field, Value: string(raw), Allowed: allowed} // zero would be never
	}
	return v
}

// done returns the first fault; a field that nobody asked for is one.
func (o *object) done() error {
	if o.err != nil {
		return o.err
	}
	for _, field := range slices.Sorted(maps.Keys(o.fields)) {
		if slices.Contains(o.asked, field) {
			continue
		}
		if field == "token" {
			return errors.New("token: a token is not kept as it is: " +
				"give the SHA-256 of its text as sha256, such as `printf %s \"$TOKEN\" | sha256sum` prints, or use portolan token create")
		}
		return fmt.Errorf("%.64q is no field: want %s", field, strings.Join(o.asked, ", "))
	}
	return nil
}
