package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"portolan/engine/journal"
	"portolan/index"
)

// Attach loads everything that the journal has, and commits every later write to it
// before readers see it. The engine must be empty. Readers see all of it at once when
// Attach returns; writes wait for it. After an error the engine is empty and without a
// journal.
//
// The journal is the caller's, who closes it after the engine.
func (e *Engine) Attach(ctx context.Context, j journal.Log) error {
	if j == nil {
		return errors.New("journal is nil: want one, or none attached")
	}
	if err := e.ready(ctx); err != nil {
		return err
	}
	e.writers.Lock()
	defer e.writers.Unlock()
	if err := e.ready(ctx); err != nil { // it may have been closed in the meantime
		return err
	}
	if e.pipeline.journal != nil || e.tenants.shown.Load().Len() > 0 {
		return errors.New("engine has a journal or assets: a journal is attached to an empty engine")
	}
	l := &loader{projects: make(map[string]*project), lagging: e.pipeline.lag > 0}
	seq, err := j.Load(ctx, l)
	if err != nil {
		return err
	}
	shown := e.tenants.shown.Load().Copy()
	for name, p := range l.projects {
		shown.Set(name, p)
	}
	for _, f := range l.fillings {
		if n := f.v.x.Assets(); n != f.mark.Assets {
			return fmt.Errorf("project %q: %d %vs were loaded, but there were %d", f.mark.Project, n, f.mark.Category, f.mark.Assets)
		}
	}
	last := journal.Point{Seq: seq, Time: e.now().UnixMicro()}
	if h, ok := j.(journal.Historian); ok {
		last.Time = h.Newest()
		e.pipeline.history.past = h
		e.pipeline.history.most = min(e.pipeline.history.most, DefaultChangesBytes/8)
	}
	for _, f := range l.fillings {
		f.v.x.Publish()
		f.v.changes.begins, f.v.changes.of = last, Inventory{f.mark.Project, f.mark.Category}
		f.v.w = nil
	}
	e.tenants.shown.Store(shown) // before the number, which says that it is
	e.pipeline.attach(j, last, l.gaps)
	return nil
}

// loader is a [journal.Loader].
type loader struct {
	lagging bool

	mu       sync.Mutex // guards what follows
	gaps     gaps
	projects map[string]*project
	fillings []*filling
}

// Lagging implements [journal.Loader].
func (l *loader) Lagging() bool { return l.lagging }

// Gap implements [journal.Loader].
func (l *loader) Gap(after, before uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gaps = append(l.gaps, struct{ after, before uint64 }{after, before})
}

// Inventory implements [journal.Loader].
func (l *loader) Inventory(m journal.Mark) (journal.Filling, error) {
	f, err := l.begin(m)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// begin begins the inventory of a mark.
func (l *loader) begin(m journal.Mark) (*filling, error) {
	if err := cmp.Or(checkText("project_id", m.Project, 1, MaxProjectLen), checkCategory(m.Category)); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.project(&m)
	if p.inventories[m.Category].Load() != nil {
		return nil, fmt.Errorf("project %q has its %vs twice", m.Project, m.Category)
	}
	f := &filling{v: p.inventory(m.Category, true, 0, journal.Point{}), mark: m}
	f.v.w = new(work)
	f.v.x.Resume(m.Version)
	f.v.x.Reserve(m.Assets)
	l.fillings = append(l.fillings, f)
	return f, nil
}

// project returns the project of a mark. The lock is held.
func (l *loader) project(m *journal.Mark) *project {
	p := l.projects[m.Project]
	if p == nil {
		p = &project{name: m.Project}
		l.projects[m.Project] = p
	}
	p.receipts.last = max(p.receipts.last, m.Receipt)
	return p
}

// filling is a [journal.Filling].
type filling struct {
	v    *inventory
	mark journal.Mark
}

// Add adds an asset from its portable form, which it keeps nothing of. The error says
// which asset it is and what is wrong with it.
func (f *filling) Add(asset string, state, times []byte) error {
	if err := f.add(asset, state, times); err != nil {
		return fmt.Errorf("project %q, %v %q: %w", f.mark.Project, f.mark.Category, asset, err)
	}
	return nil
}

func (f *filling) add(asset string, state, times []byte) error {
	w := f.v.w
	if err := checkText("asset", asset, 1, MaxAssetLen); err != nil {
		return err
	}
	if len(state) == 0 || state[0] != stateVersion && state[0] != labelledState {
		return fmt.Errorf("%w state: %d bytes, version %d", errDamaged, len(state), first(state))
	}
	r := index.Reader{Rest: state[1:]}
	a := index.Asset{ID: asset, Name: r.Text(), Address: r.Text(), Group: r.Text()}
	labels := 0
	var set []byte
	if state[0] == labelledState {
		set, labels = readLabels(&r)
	}
	w.now.looks = f.looks(&r, w.now.looks[:0])
	if r.Bad || a.Group == "" {
		return fmt.Errorf("%w state: %x", errDamaged, clip(state))
	}
	keys, err := index.ParseKeys(w.keys[:0], r.Rest)
	if err != nil {
		return err
	}
	w.keys = keys
	if err := w.now.decodeTimes(times, len(keys), labels); err != nil {
		return err
	}
	if _, twice := f.v.x.Find(asset); twice {
		return errors.New("it is there twice")
	}
	if labels > 0 {
		w.now.labels.set = f.v.x.Intern(set)
	}
	w.note = w.now.appendNote(w.note[:0], &w.sample)
	a.Note, a.Keys = w.note, keys
	f.v.newest.note(noteNewest(w.note))
	o, err := f.v.x.Add(&a)
	if err == nil && labels > 0 {
		f.v.label(o, appendRegisters(nil, set, &w.now.labels))
	}
	return err
}

// looks reads the scopes of an asset's looks.
func (f *filling) looks(r *index.Reader, looks []look) []look {
	for range r.Uint(maxLooks) {
		s := readScope(r)
		if r.Bad {
			break
		}
		looks = append(looks, look{ref: f.v.intern(s)})
	}
	return looks
}
