package alert

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"portolan/engine"
	"portolan/engine/internal/yamlfile"
)

// Bounds of a file.
const (
	MaxRules     = 200
	MaxReceivers = 50
	MaxSilences  = 200
	maxName      = 128
)

// File is rules, where they are told, and when they are not.
type File struct {
	Receivers []*Receiver
	Rules     []*Rule
	Silences  []*Silence
}

// Error is what is wrong with a file. It matches [engine.ErrInvalid].
type Error = yamlfile.Error

// Open reads the file at a path. The error names the path, and as [Read] does the line and the rule.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	file, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return file, nil
}

// Read reads a file. It asks for no variables: see [File.Resolve]. The error is an [*Error], or that of the reader.
func Read(from io.Reader) (*File, error) {
	doc, err := yamlfile.Document(from, "rules and receivers")
	if err != nil {
		return nil, err
	}
	fields, err := yamlfile.Fields(doc, "receivers", "rules", "silences")
	if err != nil {
		return nil, err
	}
	if fields["rules"] == nil {
		return nil, yamlfile.Errorf(doc, "rules are missing: want a list of rules")
	}
	f := new(File)
	if f.Receivers, err = listOf(fields["receivers"], "receivers", "receiver", MaxReceivers, readReceiver); err != nil {
		return nil, err
	}
	if f.Rules, err = listOf(fields["rules"], "rules", "rule", MaxRules, f.readRule); err != nil {
		return nil, err
	}
	f.Silences, err = listOf(fields["silences"], "silences", "silence", MaxSilences, f.readSilence)
	return f, err
}

// listOf returns the items of a list, whose names must differ.
func listOf[T any](list *yaml.Node, of, item string, most int, read func(*yaml.Node) (T, string, error)) ([]T, error) {
	if list != nil && len(list.Content) > most {
		return nil, yamlfile.Errorf(list, "%s: %d are too many: want at most %d", of, len(list.Content), most)
	}
	var names []string
	return yamlfile.List(list, of, item, func(node *yaml.Node) (T, string, error) {
		one, name, err := read(node)
		switch {
		case err != nil:
		case name == "" || len(name) > maxName:
			err = yamlfile.Errorf(node, "name: %.64q is not allowed: want 1 to %d bytes", name, maxName)
		case slices.Contains(names, name):
			err = yamlfile.Errorf(node, "name: there is another %s with it: want one of its own", item)
		}
		names = append(names, name)
		return one, name, err
	})
}

// Resolve gives receivers what is in variables: their secrets, tokens and hidden URLs. The error joins one for each that
// is missing or wrong; the file must not be used then.
func (f *File) Resolve(getenv func(string) string) error {
	var errs []error
	for i, r := range f.Receivers {
		if err := r.resolve(getenv); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", yamlfile.ItemName("receiver", i+1, r.Name), err))
		}
	}
	return errors.Join(errs...)
}

// receiver returns the receiver with a name, nil for none.
func (f *File) receiver(name string) *Receiver {
	i := slices.IndexFunc(f.Receivers, func(r *Receiver) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return f.Receivers[i]
}

// known returns a list of names each of which must be known.
func known(node *yaml.Node, field, what string, has func(name string) bool) ([]string, error) {
	names, err := yamlfile.Names(node, field, what)
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, yamlfile.Errorf(node, "%s: %q is given twice", field, name)
		}
		if !has(name) {
			return nil, yamlfile.Errorf(node, "%s: there is none with the name %q: want %s of the file", field, name, what)
		}
	}
	return names, err
}

// spanOf returns a duration between two, the usual one of a field that is not there.
func spanOf(node *yaml.Node, field string, usual, least, most time.Duration) (time.Duration, error) {
	if node == nil {
		return usual, nil
	}
	text, err := yamlfile.Text(node, field)
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		return 0, yamlfile.Errorf(node, "%s: %q is not allowed: want %v to %v, such as 90s, 5m or 72h", field, text, least, most)
	}
	return d, nil
}

// numberOf returns a number between two, the usual one of a field that is not there.
func numberOf(node *yaml.Node, field string, usual, least, most int) (int, error) {
	if node == nil {
		return usual, nil
	}
	text, err := yamlfile.Text(node, field)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, yamlfile.Errorf(node, "%s: %q is not allowed: want %d to %d", field, text, least, most)
	}
	return n, nil
}

// checkURL says what is wrong with the address of a receiver, which is not repeated: it may be a secret.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return &engine.FieldError{Field: "url", Value: hideURL(text), Allowed: "http:// or https:// and a host"}
	}
	return nil
}

// hideURL is what may be shown of an address.
func hideURL(text string) string {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		return "…"
	}
	if _, after, credentials := strings.Cut(rest, "@"); credentials {
		rest = after
	}
	host, _, more := strings.Cut(rest, "/")
	if more {
		host += "/…"
	}
	return scheme + "://" + host
}
