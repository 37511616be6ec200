package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"

	"portolan/engine"
	"portolan/engine/journal"
)

// Journal is a [journal.Log] in memory: the obvious one. It checks what it is given
// against what the interface promises.
type Journal struct {
	// Refuse, if it is set, is asked by Ready.
	Refuse func(removal bool) error
	// Before, if it is set, is called before a group is kept; its error refuses it.
	Before func(group []journal.Batch) error
	// Images says that images are kept, and loaded if they are of the last batch.
	Images bool

	mu     sync.Mutex // guards what follows
	seq    uint64
	assets map[home]kept
	marks  map[place]journal.Mark
	log    []journal.Change
	groups int
	wholes int // states written
	times  int // times written
	image  []byte
	imaged uint64 // the last batch in it
}

// home is where an asset is.
type home struct {
	place
	id string
}

// kept is an asset in its portable form.
type kept struct{ state, times []byte }

// NewJournal returns an empty journal.
func NewJournal() *Journal {
	return &Journal{assets: map[home]kept{}, marks: map[place]journal.Mark{}}
}

// Ready implements [journal.Log].
func (j *Journal) Ready(removal bool) error {
	if j.Refuse != nil {
		return j.Refuse(removal)
	}
	return nil
}

// Load implements [journal.Log].
func (j *Journal) Load(_ context.Context, into journal.Loader) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.Images && j.imaged == j.seq && j.seq > 0 {
		marks := slices.Collect(maps.Values(j.marks))
		return j.seq, into.Image(bytes.NewReader(j.image), int64(len(j.image)), marks)
	}
	fillings := make(map[place]journal.Filling)
	for at, mark := range j.marks {
		f, err := into.Inventory(mark)
		if err != nil {
			return 0, err
		}
		fillings[at] = f
	}
	// The order is another one than that in which the assets came.
	homes := slices.SortedFunc(maps.Keys(j.assets), func(a, b home) int { return bytes.Compare([]byte(b.id), []byte(a.id)) })
	for _, at := range homes {
		if err := fillings[at.place].Add(at.id, j.assets[at].state, j.assets[at].times); err != nil {
			return 0, err
		}
	}
	return j.seq, nil
}

// Commit implements [journal.Log].
func (j *Journal) Commit(_ context.Context, group []journal.Batch) error {
	if j.Before != nil {
		if err := j.Before(group); err != nil {
			return err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.groups++
	for i := range group {
		if err := j.keep(&group[i]); err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) keep(b *journal.Batch) error {
	if b.Seq != j.seq+1 {
		return fmt.Errorf("batch %d comes after %d", b.Seq, j.seq)
	}
	j.seq = b.Seq
	if b.Gone != "" {
		if len(b.Changed) > 0 || len(b.Marks) > 0 {
			return fmt.Errorf("batch %d removes a project and changes others", b.Seq)
		}
		maps.DeleteFunc(j.assets, func(at home, _ kept) bool { return at.project == b.Gone })
		maps.DeleteFunc(j.marks, func(at place, _ journal.Mark) bool { return at.project == b.Gone })
	}
	changed := map[home]bool{}
	for _, c := range b.Changed {
		c.State, c.Times = bytes.Clone(c.State), bytes.Clone(c.Times)
		j.log = append(j.log, c)
		at := home{place{c.Project, c.Category}, c.Asset}
		had, known := j.assets[at]
		switch {
		case changed[at]:
			return fmt.Errorf("batch %d changes %v twice", b.Seq, at)
		case c.State == nil && !known:
			return fmt.Errorf("batch %d changes the times of %v, which is not there, or removes it", b.Seq, at)
		case c.Times == nil:
			delete(j.assets, at)
		default:
			if c.State != nil {
				had.state = c.State
				j.wholes++
			}
			j.times++
			j.assets[at] = kept{had.state, c.Times}
		}
		changed[at] = true
	}
	for _, m := range b.Marks {
		at := place{m.Project, m.Category}
		if had := j.marks[at]; m.Version <= had.Version || m.Receipt < had.Receipt {
			return fmt.Errorf("batch %d has mark %+v after %+v", b.Seq, m, had)
		}
		j.marks[at] = m
	}
	return nil
}

// KeepImage implements [journal.ImageKeeper].
func (j *Journal) KeepImage(seq uint64, write func(io.Writer) error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var image bytes.Buffer
	if err := write(&image); err == nil && j.Images {
		j.image, j.imaged = image.Bytes(), seq
	}
}

// Log returns every change committed, in order.
func (j *Journal) Log() []journal.Change {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.log)
}

// Groups returns how many groups were committed.
func (j *Journal) Groups() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.groups
}

// Written returns how many states and times were committed.
func (j *Journal) Written() (states, times int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.wholes, j.times
}

// SameAs says where another journal keeps other assets, empty for nowhere.
func (j *Journal) SameAs(o *Journal) string {
	for at, a := range j.assets {
		if b := o.assets[at]; !bytes.Equal(a.state, b.state) || !bytes.Equal(a.times, b.times) {
			return fmt.Sprintf("%v: %x %x and %x %x", at, a.state, a.times, b.state, b.times)
		}
	}
	if len(j.assets) != len(o.assets) {
		return fmt.Sprintf("%d and %d assets", len(j.assets), len(o.assets))
	}
	return ""
}

// Journaled opens engines that commit to journals of their own.
func Journaled(t *testing.T) Open {
	return func(opts *engine.Options) Engine { return attached(t, opts, NewJournal()) }
}

// attached opens an engine on a journal.
func attached(t *testing.T, opts *engine.Options, j *Journal) Engine {
	t.Helper()
	e, err := engine.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Attach(context.Background(), j); err != nil {
		t.Fatal(err)
	}
	return e
}

// Restarted opens engines that are closed after every write and loaded again from what
// they had committed, or from images.
func Restarted(t *testing.T, images bool) Open {
	return Restarting(func() Open {
		j := NewJournal()
		j.Images = images
		return func(opts *engine.Options) Engine { return attached(t, opts, j) }
	})
}
