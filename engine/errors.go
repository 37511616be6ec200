package engine

import (
	"errors"
	"fmt"
)

// Errors about the state of the engine.
var (
	// ErrClosed is returned by every call made after [Engine.Close].
	ErrClosed = errors.New("engine is closed")
	// ErrNotFound is returned when a call names an asset that is not there.
	ErrNotFound = errors.New("asset not found")
)

// ErrInvalid is matched by every error about a value that the caller gave.
var ErrInvalid = errors.New("invalid value")

// FieldError says which field has a value that is not allowed, and what is.
// It matches [ErrInvalid].
type FieldError struct {
	Field   string // as the HTTP API names it
	Value   string // what was given
	Allowed string // what would have been accepted
}

// Error names the field, the value (at most 64 bytes of it) and what is allowed.
func (e *FieldError) Error() string {
	v := e.Value
	if len(v) > 64 {
		v = v[:64] + "…"
	}
	return fmt.Sprintf("%s: %q is not allowed: want %s", e.Field, v, e.Allowed)
}

// Is makes every FieldError match [ErrInvalid].
func (e *FieldError) Is(target error) bool { return target == ErrInvalid }
