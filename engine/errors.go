package engine

import (
	"errors"
	"fmt"

	"portolan/index"
)

// Errors about the state of the engine.
var (
	// ErrClosed is returned by every call made after [Engine.Close].
	ErrClosed = errors.New("engine is closed")
	// ErrFull is returned when a call would add more assets to a project's hosts
	// or containers than [Options].MaxAssets; nothing of it was applied.
	ErrFull = index.ErrFull
	// ErrRefused is returned by a write that the journal does not accept at present.
	// Nothing of it was applied, and it may be tried again. The error that it comes
	// with says why.
	ErrRefused = errors.New("engine accepts no writes at present")
	// ErrReadOnly is returned by every write after one that could not be committed, or when
	// the journal takes no more for good. Nothing of that one is visible; questions are
	// answered from what was before it.
	// The error that it comes with says why.
	ErrReadOnly = errors.New("engine is read-only")
	// ErrUnknown is returned by a write whose context ends while it is being committed: it
	// will be applied, unless the commit fails. [Engine.Await] with the number that the
	// result has waits on.
	ErrUnknown = errors.New("outcome is unknown")
	// ErrBehind is returned for a question that is to include a batch which the engine, or
	// the snapshot that is asked, has not got.
	ErrBehind = errors.New("data is behind what is asked for")
)

// Errors about what is not there.
var (
	// ErrNotFound is matched by ErrNoProject and ErrNoAsset.
	ErrNotFound = errors.New("not found")
	// ErrNoProject is returned when a call names a project that never had an asset.
	ErrNoProject = fmt.Errorf("project %w", ErrNotFound)
	// ErrNoAsset is returned when a call names an asset that is not there.
	ErrNoAsset = fmt.Errorf("asset %w", ErrNotFound)
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

// ReportError says which report of a call is at fault.
type ReportError struct {
	Index int   // of the report, counted from 0
	Err   error // why, mostly a [*FieldError]
}

// Error names the report and the reason.
func (e *ReportError) Error() string { return fmt.Sprintf("reports[%d]: %v", e.Index, e.Err) }

// Unwrap returns the reason.
func (e *ReportError) Unwrap() error { return e.Err }
