package engine

import (
	"context"
	"encoding/binary"
	"errors"

	"portolan/engine/journal"
	"portolan/index"
)

// copyAtOnce is how many assets are committed together.
const copyAtOnce = 4096

// Copy commits all that readers see, at one time, to a journal that has nothing: so what is
// in memory is kept where the engine's own journal has come to its end. The batches have
// numbers of their own. Writes wait only until it is settled what is copied.
//
// The journal is the caller's, and after an error of no use.
func (e *Engine) Copy(ctx context.Context, to journal.Log) error {
	l := &loader{projects: make(map[string]*project)}
	if seq, err := to.Load(ctx, l); err != nil {
		return err
	} else if seq != 0 || len(l.fillings) > 0 {
		return errors.New("the journal has something already: a copy goes to an empty one")
	}
	list, err := e.pin(ctx)
	if err != nil {
		return err
	}
	c := copying{to: to}
	for i := range list {
		if err := c.inventory(ctx, &list[i]); err != nil {
			return err
		}
	}
	return nil
}

// pinned is one inventory as readers see it, and its mark.
type pinned struct {
	s    *index.Snapshot
	mark journal.Mark
}

// pin returns all inventories as readers see them after one and the same batch.
func (e *Engine) pin(ctx context.Context) ([]pinned, error) {
	e.writers.Lock()
	defer e.writers.Unlock()
	if err := e.ready(ctx); err != nil {
		return nil, err
	}
	e.pipeline.rest()
	var list []pinned
	e.tenants.shown.Load().Scan(func(name string, p *project) bool {
		for c := range Category(numCategories) {
			if s := p.snapshot(c); s.Version() > 0 {
				list = append(list, pinned{s, journal.Mark{Project: name, Category: c, Version: s.Version(), Assets: s.Assets(), Receipt: p.receipts.newest()}})
			}
		}
		return true
	})
	return list, nil
}

// copying is a copy on its way.
type copying struct {
	to    journal.Log
	batch journal.Batch
	data  []byte // of the changes of the batch
	e     evidence
	room  []micros
}

// inventory copies the assets of one inventory, and with the last of them its mark.
func (c *copying) inventory(ctx context.Context, p *pinned) error {
	for o := range p.s.View(index.Groups{}).Assets().From(0) {
		if len(c.batch.Changed) == copyAtOnce {
			if err := c.commit(ctx); err != nil {
				return err
			}
		}
		c.asset(p, o)
	}
	c.batch.Marks = append(c.batch.Marks, p.mark)
	return c.commit(ctx)
}

func (c *copying) commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.batch.Seq++
	err := c.to.Commit(ctx, []journal.Batch{c.batch})
	c.batch.Changed, c.batch.Marks, c.data = c.batch.Changed[:0], c.batch.Marks[:0], c.data[:0]
	return err
}

// asset adds an asset to the batch. What changes had keep the arrays that the data grows out of.
func (c *copying) asset(p *pinned, o index.Ordinal) {
	a := p.s.Who(o)
	note := p.s.Note(o)
	c.e.decodeNote(note, -1)
	start := len(c.data)
	c.data = appendWho(c.data, [...]string{a.Name, a.Address, a.Group}, note, p.s.Interned)
	c.data = binary.AppendUvarint(c.data, uint64(len(c.e.looks)))
	for _, l := range c.e.looks {
		c.data = appendLook(c.data, l.ref, p.s.Interned)
	}
	c.data = p.s.AppendKeysOf(c.data, o)
	mid := len(c.data)
	c.data = c.times(c.data, p.s, o, note)
	c.batch.Changed = append(c.batch.Changed, journal.Change{
		Project: p.mark.Project, Category: p.mark.Category, Asset: a.ID,
		State: c.data[start:mid:mid], Times: c.data[mid:len(c.data):len(c.data)],
	})
}

// times appends the Times of an asset.
func (c *copying) times(dst []byte, s *index.Snapshot, o index.Ordinal, note []byte) []byte {
	dst = append(dst, versionOfTimes(note))
	if !hasRefs(note) {
		return append(dst, note...)
	}
	a, _ := s.Asset(o)
	c.e.decodeNote(note, len(a.Keys))
	return c.e.append(dst, false, &c.room)
}
