package engine

import (
	"context"
	"time"
)

// Options configures an [Engine]. Nil and the zero value are the defaults.
type Options struct {
	// Policy gives keys their status; nil is [DefaultPolicy].
	Policy *Policy
	// Now is the clock that receipt times come from; nil is [time.Now].
	Now func() time.Time
}

// Engine holds the inventories of any number of projects in memory.
// All methods may be called concurrently; readers never wait for a writer.
type Engine struct{}

// Open returns an empty engine. A nil opts is legal.
func Open(opts *Options) (*Engine, error) { panic("todo") }

// Close makes every later call return [ErrClosed].
func (e *Engine) Close() error { panic("todo") }

// Apply applies reports as one stream and returns when readers see them. It is
// all or nothing: one invalid report refuses them all with a [*FieldError].
func (e *Engine) Apply(ctx context.Context, reports []Report) (Result, error) { panic("todo") }

// NewStream starts a stream: reports without a time get the stream's receipt
// time, one per project, strictly later than any given before in the project.
func (e *Engine) NewStream() *Stream { panic("todo") }

// Stream applies reports that arrived together, in any number of calls.
// A Stream is for one goroutine at a time.
type Stream struct{}

// Check says whether Apply would accept the report; the error is a [*FieldError].
func (s *Stream) Check(r *Report) error { panic("todo") }

// Apply is [Engine.Apply] with the stream's receipt time.
func (s *Stream) Apply(ctx context.Context, reports []Report) (Result, error) { panic("todo") }

// Ports answers the query from the newest snapshot. A project or enterprise
// project without data gives an empty page.
func (e *Engine) Ports(ctx context.Context, q PortQuery) (PortPage, error) { panic("todo") }

// Hosts returns the assets that have a port open.
func (e *Engine) Hosts(ctx context.Context, q HostQuery) (HostPage, error) { panic("todo") }

// Asset returns one asset; the error is [ErrNotFound] if it is not there.
func (e *Engine) Asset(ctx context.Context, project string, category Category, id string) (Asset, error) {
	panic("todo")
}

// Remove forgets an asset and its times; the error is [ErrNotFound] if it is not there.
func (e *Engine) Remove(ctx context.Context, project string, category Category, id string) error {
	panic("todo")
}

// Projects returns the names of the projects that hold or held assets, in order.
func (e *Engine) Projects() []string { panic("todo") }

// Stats returns the engine's totals.
func (e *Engine) Stats() Stats { panic("todo") }

// Check recomputes every inventory from its postings and reports every broken
// invariant, joined; it may run beside readers and writers.
func (e *Engine) Check(ctx context.Context) error { panic("todo") }
