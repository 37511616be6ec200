package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest"
	"portolan/index"
)

// TestRenameIsKept: whatever a second call changes, and whatever else it repeats, on the way
// to another value and back, too, an engine that is loaded again answers as before.
func TestRenameIsKept(t *testing.T) {
	type field struct {
		name string
		set  func(r *engine.Report, n int)
	}
	fields := []field{
		{"name", func(r *engine.Report, n int) { r.Name = fmt.Sprint("name", n) }},
		{"address", func(r *engine.Report, n int) { r.Address = fmt.Sprint("10.0.0.", n) }},
		{"enterprise project", func(r *engine.Report, n int) { r.EnterpriseProject = fmt.Sprint("e", n) }},
		{"open", func(r *engine.Report, n int) { r.Open = []engine.Key{engine.MakeKey(uint16(n), engine.TCP)} }},
		{"scope", func(r *engine.Report, n int) {
			r.Scope = engine.ScopeOf(index.Range{Type: engine.UDP, Lo: uint16(n), Hi: uint16(n)})
		}},
		{"seen", func(r *engine.Report, n int) { r.Seen = someDay.Add(time.Duration(n) * time.Hour) }},
	}
	const scope = 4
	for bits := range 1 << (2*len(fields) + 1) {
		full := bits&1 == 1                       // both list everything that is open
		given := bits >> 1 & (1<<len(fields) - 1) // by the second report
		changed := bits >> (1 + len(fields))      // of those
		if changed&^given != 0 || full && given>>scope&1 == 1 {
			continue
		}
		first, second, detour := engine.Report{Project: "p", Asset: "a"}, engine.Report{Project: "p", Asset: "a"}, engine.Report{Project: "p", Asset: "a"}
		var says []string
		for i, f := range fields {
			if f.set(&first, 1); i == scope && full {
				first.Scope, second.Scope = engine.ScopeAll(), engine.ScopeAll()
			}
			if given>>i&1 == 1 {
				n := 1 + changed>>i&1
				f.set(&second, n)
				f.set(&detour, 3)
				says = append(says, fmt.Sprint(f.name, n))
			}
		}
		if second.Seen.IsZero() {
			second.Seen = someDay.Add(time.Hour)
		}
		detour.Seen = second.Seen.Add(-time.Second)
		for _, calls := range [][][]engine.Report{{{first}, {second}}, {{first}, {detour, second}}} {
			j := enginetest.NewJournal()
			e := attach(t, j)
			for _, reports := range calls {
				if _, err := e.Apply(t.Context(), reports); err != nil {
					t.Fatal(err)
				}
			}
			was, err := e.Asset(t.Context(), "p", engine.Host, "a")
			is, err2 := attach(t, j).Asset(t.Context(), "p", engine.Host, "a")
			if got, want := fmt.Sprint(is, err2), fmt.Sprint(was, err); got != want {
				t.Fatalf("%s, in a call of %d: %s, want %s", strings.Join(says, ", "), len(calls[1]), got, want)
			}
		}
	}
}

// TestDurableIsSaid: with a time to lag a write is durable when it is committed, and not
// before; what was committed before it does not count.
func TestDurableIsSaid(t *testing.T) {
	e := mustOpen(t, &engine.Options{DurableWithin: time.Hour})
	if err := e.Attach(t.Context(), enginetest.NewJournal()); err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		result, err := e.Apply(t.Context(), []engine.Report{seenOn(fmt.Sprint(n), someDay, 22)})
		if err != nil || result.Durable {
			t.Fatalf("write %d: %+v, %v", n, result, err)
		}
		if err := e.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSequenceIsIncluded: what a snapshot says that it includes, it does, while others write.
func TestSequenceIsIncluded(t *testing.T) {
	for name, opts := range map[string]*engine.Options{"in memory": nil, "with a journal": {}, "lagging": {DurableWithin: time.Millisecond}} {
		e := mustOpen(t, opts)
		if opts != nil {
			if err := e.Attach(t.Context(), enginetest.NewJournal()); err != nil {
				t.Fatal(err)
			}
		}
		done := make(chan error, 1)
		go func() {
			for n := range 20_000 {
				if _, err := e.Apply(t.Context(), []engine.Report{{Project: "p", Asset: fmt.Sprint(n)}}); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		for ended := false; !ended; {
			select {
			case err := <-done:
				if ended = true; err != nil {
					t.Fatal(err)
				}
			default:
			}
			s, _ := e.Snapshot("p", engine.Host) // at first there is no project
			if n := s.NumAssets(); uint64(n) < s.Sequence() {
				t.Fatalf("%s: a snapshot that includes batch %d has %d of them", name, s.Sequence(), n)
			}
		}
	}
}
