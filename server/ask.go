package server

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"

	"portolan/engine"
	"portolan/engine/expr"
	"portolan/index"
	"portolan/server/auth"
)

// Bounds of a page of the calls of our own that ask.
const (
	maxRows     = 10_000
	defaultRows = 100
)

// asked is the query of a call of our own. Unlike a published call, it is refused where anything
// in it is not known or makes no sense: it is never answered as something else.
type asked struct {
	values map[string]string
	groups []string // the enterprise projects, each given once
	turn   turn
}

// groupParam may be given several times, every other parameter once.
const groupParam = "enterprise_project_id"

// readAsked reads a query whose parameters are the known ones, in the order in which errors name
// them.
func readAsked(query string, known ...string) (*asked, error) {
	a := &asked{values: map[string]string{}}
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		value, errValue := url.QueryUnescape(rawValue)
		switch {
		case err != nil || !slices.Contains(known, name):
			return nil, &engine.FieldError{Field: "query", Value: rawName, Allowed: "one of " + strings.Join(known, ", ")}
		case errValue != nil:
			return nil, &engine.FieldError{Field: name, Value: rawValue, Allowed: "escapes such as %20"}
		case name == groupParam:
			a.groups = append(a.groups, value)
			continue
		}
		if was, given := a.values[name]; given {
			return nil, &engine.FieldError{Field: name, Value: value, Allowed: "it once; it is " + strconv.Quote(was) + " already"}
		}
		a.values[name] = value
	}
	return a, nil
}

// number returns a whole number within bounds, both allowed.
func (a *asked) number(field string, absent, low, high int) (int, error) {
	text, given := a.values[field]
	if !given {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, &engine.FieldError{Field: field, Value: text, Allowed: "an integer from " + decimal(low) + " to " + decimal(high)}
	}
	return n, nil
}

// has says whether the parameter is given.
func (a *asked) has(field string) bool {
	_, given := a.values[field]
	return given
}

// truth returns a yes or no; absent is no.
func (a *asked) truth(field string) (bool, error) {
	text, given := a.values[field]
	if !given {
		return false, nil
	}
	return (&param{text: text}).truth(field)
}

// window returns which page is asked for.
func (a *asked) window() (offset, limit int, err error) {
	if offset, err = a.number("offset", 0, 0, maxOffset); err != nil {
		return 0, 0, err
	}
	limit, err = a.number("limit", defaultRows, 1, maxRows)
	return offset, limit, err
}

// of parses a text with what reads it; absent is the zero value.
func of[T any](a *asked, field string, parse func(string) (T, error)) (value T, err error) {
	if text, given := a.values[field]; given {
		value, err = parse(text)
	}
	return value, err
}

// view returns what is asked of: all that the caller is granted, or the enterprise projects named,
// each of which must be granted.
func (a *asked) view(granted auth.Grant) (engine.View, error) {
	if len(a.groups) == 0 || slices.Contains(a.groups, allGranted) {
		return granted.View(), nil
	}
	for _, name := range a.groups {
		if err := checkLength(groupParam, name, maxGroupText); err != nil {
			return engine.View{}, err
		}
		if name == "" {
			return engine.View{}, &engine.FieldError{Field: groupParam, Allowed: "an id, or " + allGranted}
		}
		if !granted.Has(name) {
			return engine.View{}, errForbidden
		}
	}
	return engine.In(a.groups...), nil
}

// digits returns the digits that a port's decimal text is to contain.
func (a *asked) digits(field string) (string, error) {
	text, given := a.values[field]
	if _, ok := index.ParseDigits(text); given && !ok {
		return "", &engine.FieldError{Field: field, Value: text, Allowed: "one to five digits"}
	}
	return text, nil
}

// keySets remembers the sets of keys of selectors, so that a snapshot remembers what it was asked
// by them.
type keySets = lru.Cache[keySetOf, *engine.KeySet]

// keySetOf is what the keys of a selector follow from.
type keySetOf struct{ text, policy string }

// maxKeySets bounds the memory: a set takes 48 KB at most.
const maxKeySets = 64

func newKeySets() *keySets {
	sets, err := lru.New[keySetOf, *engine.KeySet](maxKeySets)
	if err != nil {
		panic("server: " + err.Error()) // only a size below 1 is wrong
	}
	return sets
}

// keys returns the keys that the selector has under a policy, nil if it is absent.
func (s *Server) keys(a *asked, policy *engine.Policy) (*engine.KeySet, error) {
	const field = "ports"
	text, given := a.values[field]
	if !given {
		return nil, nil
	}
	if keys, ok := s.keySets.Get(keySetOf{text, policy.Version()}); ok {
		return keys, nil
	}
	ports, err := expr.ParsePorts(field, text)
	if err != nil {
		return nil, err
	}
	return s.keysOf(ports, policy), nil
}

// portFilters returns what a question asks of ports: a selector, a type and a status.
func (s *Server) portFilters(l *asking) (keys *engine.KeySet, t engine.Type, status engine.Status, err error) {
	if keys, err = s.keys(l.asked, l.snapshot.Policy()); err != nil {
		return nil, 0, 0, err
	}
	if t, err = of(l.asked, "type", engine.ParseType); err != nil {
		return nil, 0, 0, err
	}
	status, err = of(l.asked, "status", engine.ParseStatus)
	return keys, t, status, err
}

// keysOf returns the keys that a selector has under a policy.
func (s *Server) keysOf(ports expr.Ports, policy *engine.Policy) *engine.KeySet {
	of := keySetOf{ports.String(), policy.Version()}
	if keys, ok := s.keySets.Get(of); ok {
		return keys
	}
	keys := ports.Keys(policy)
	s.keySets.Add(of, keys)
	return keys
}
