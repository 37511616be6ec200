package engine

import (
	"errors"

	"portolan/engine/journal"
	"portolan/index"
)

// The words of package index that reports and questions are made of.
type (
	// Key is a port and a type, such as 443/tcp.
	Key = index.Key
	// Type is the protocol of a port together with the address family.
	Type = index.Type
	// Range is the keys of one type whose ports lie from Lo to Hi, both included.
	Range = index.Range
	// KeySet is an immutable set of keys, made by a [KeySetBuilder].
	KeySet = index.KeySet
	// KeySetBuilder collects keys for a [KeySet].
	KeySetBuilder = index.KeySetBuilder
)

// Category says what kind of assets an inventory holds. A project has one
// inventory per category; host "x" and container "x" are two assets.
type Category = journal.Category

// The categories.
const (
	Host      = journal.Host
	Container = journal.Container

	numCategories = journal.Categories
)

// KeysOf returns the keys of ranges; one that is not valid has none.
func KeysOf(ranges ...Range) *KeySet {
	var keys KeySetBuilder
	for _, r := range ranges {
		keys.AddRange(r)
	}
	return keys.Build()
}

// The types, in the order of their names. AnyType is the zero value: in a query
// it is no restriction, and no key has it.
const (
	AnyType = index.AnyType
	SCTP    = index.SCTP
	SCTP6   = index.SCTP6
	TCP     = index.TCP
	TCP6    = index.TCP6
	UDP     = index.UDP
	UDP6    = index.UDP6
)

// MakeKey returns the key of a port and a type; of a type that is none, a key that is none.
func MakeKey(port uint16, t Type) Key { return index.MakeKey(port, t) }

// typesAllowed is what a type may be called.
const typesAllowed = "tcp, tcp6, udp, udp6, sctp or sctp6"

// ParseType returns the type of that name, in any letter case. The error is a
// [*FieldError].
func ParseType(name string) (Type, error) {
	t, err := index.ParseType(name)
	if err != nil {
		return AnyType, &FieldError{Field: "type", Value: name, Allowed: typesAllowed}
	}
	return t, nil
}

// checkType refuses a type that no key can have.
func checkType(t Type) error {
	if t == AnyType || t.Valid() {
		return nil
	}
	return &FieldError{Field: "type", Value: t.String(), Allowed: "AnyType or a type such as TCP"}
}

// ParseKeys returns the keys of texts such as 443/tcp, in the order given; the
// type's letter case does not matter. The error joins a [*FieldError] for each
// text that is none.
func ParseKeys(texts ...string) ([]Key, error) {
	keys := make([]Key, len(texts))
	var errs []error
	for i, text := range texts {
		var err error
		if keys[i], err = index.ParseKey(text); err != nil {
			errs = append(errs, &FieldError{Field: "open", Value: text, Allowed: "PORT/TYPE such as 443/tcp (" + err.Error() + ")"})
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return keys, nil
}
