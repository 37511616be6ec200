package engine

import (
	"container/list"
	"slices"
	"sync"

	"portolan/engine/journal"
)

// history is the newest of what batches changed, of all inventories. What is older, a journal may have.
type history struct {
	past journal.Historian // nil: nobody has it
	most int               // bytes; less than 0: nothing is recorded

	mu    sync.Mutex // guards what follows
	bytes int
	logs  []*changeLog             // that have any
	last  list.List                // of *changeLog, those that changed last first
	gone  map[string]journal.Point // projects that were removed, and when
}

// changeLog is that of one inventory.
type changeLog struct {
	first journal.Point // when a project of the same name was removed before; it is set before readers come
	of    Inventory     // likewise
	place *list.Element // among those that changed; the history's lock guards it

	mu     sync.Mutex     // guards what follows
	begins journal.Point  // of batches after it, everything is in lists
	lists  []journal.Past // readers may hold them: they are appended to, and not changed
	newest uint64         // the last batch that changed anything, kept or not
	bytes  int
	listed bool // it is one of the history's
}

// listBytes is what a list takes besides its data.
const listBytes = 64

// goneAt returns when the project of a name was removed, the zero Point for never.
func (h *history) goneAt(project string) journal.Point {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.gone[project]
}

// add adds what a batch that is being shown changed. What is not kept yet, batches after one, stays.
func (h *history) add(b *batch, kept uint64) {
	if h.most < 0 || len(b.Told) == 0 && b.Gone == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if b.Gone != "" {
		h.gone[b.Gone] = journal.Point{Seq: b.Seq, Time: b.Time}
		return
	}
	told := b.Told
	for i := range b.parts {
		p, n := &b.parts[i], 0
		for n < len(told) && told[n].Project == p.name && told[n].Category == p.category {
			n++
		}
		if n > 0 {
			h.append(&p.v.changes, journal.Point{Seq: b.Seq, Time: b.Time}, told[:n])
			told = told[n:]
		}
	}
	if h.past == nil {
		kept = b.Seq
	}
	h.giveUp(kept)
}

// append adds what a batch changed of one inventory. The lock is held.
func (h *history) append(l *changeLog, at journal.Point, told []journal.Told) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.listed {
		l.listed = true
		h.logs = append(h.logs, l)
	}
	l.newest = at.Seq
	if l.place == nil {
		l.place = h.last.PushFront(l)
	} else {
		h.last.MoveToFront(l.place)
	}
	for i := range told {
		l.lists = append(l.lists, journal.Past{Point: at, Part: told[i].Part})
		n := len(told[i].Data) + listBytes
		l.bytes += n
		h.bytes += n
	}
}

// giveUp lets go of the oldest of the log that has the most, until there is room: a little more at a time, so
// that it is not for every batch, but not more than half of what that log has. The lock is held.
func (h *history) giveUp(kept uint64) {
	for h.bytes > h.most {
		largest := slices.MaxFunc(h.logs, func(a, b *changeLog) int { return a.bytes - b.bytes })
		n := largest.giveUp(min(h.bytes-h.most+h.most/16, largest.bytes/2+1), kept)
		if n == 0 {
			return
		}
		h.bytes -= n
		h.logs = slices.DeleteFunc(h.logs, func(l *changeLog) bool { return !l.listed })
	}
}

// giveUp lets go of the oldest batches, so many bytes at least, or all, and returns how many.
func (l *changeLog) giveUp(least int, kept uint64) (bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < len(l.lists) && l.lists[n].Seq <= kept && (bytes < least || n > 0 && l.lists[n].Seq == l.lists[n-1].Seq) {
		bytes += len(l.lists[n].Data) + listBytes
		n++
	}
	if n == 0 {
		return 0
	}
	l.begins = l.lists[n-1].Point
	l.lists = slices.Clone(l.lists[n:]) // readers may hold the others
	l.bytes -= bytes
	l.listed = len(l.lists) > 0
	return bytes
}

// read returns what there is of batches up to one.
func (l *changeLog) read(to uint64) (begins journal.Point, lists []journal.Past) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.lists)
	for n > 0 && l.lists[n-1].Seq > to {
		n--
	}
	return l.begins, l.lists[:n:n]
}

// after says whether a batch after one changed anything, of those up to another.
func (l *changeLog) after(seq, to uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest > seq && seq < to
}

// forget lets go of the logs of a project that was removed.
func (h *history) forget(p *project) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range p.inventories {
		v := p.inventories[i].Load()
		if v == nil {
			continue
		}
		l := &v.changes
		if l.place != nil {
			h.last.Remove(l.place)
			l.place = nil
		}
		if !l.listed {
			continue
		}
		l.mu.Lock()
		h.bytes -= l.bytes
		l.lists, l.bytes, l.listed = nil, 0, false
		l.mu.Unlock()
	}
	h.logs = slices.DeleteFunc(h.logs, func(l *changeLog) bool { return !l.listed })
}

// changedSince returns the inventories that a batch after one has changed, and is told of.
func (h *history) changedSince(after uint64) (all []Inventory) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for e := h.last.Front(); e != nil; e = e.Next() {
		l, _ := e.Value.(*changeLog)
		if !l.changedAfter(after) {
			break
		}
		all = append(all, l.of)
	}
	return all
}
