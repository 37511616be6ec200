package oracle

import (
	"portolan/engine"
	"portolan/index"
)

// NewLastWriterReference returns a Reference that keeps its evidence in another
// way, so that the two can be held against each other.
func NewLastWriterReference(opts *engine.Options) *Reference {
	return newReference(opts, func() ledger { return &lastWriters{keys: map[index.Key]verdict{}} })
}

// lastWriters is the ledger that keeps one verdict per key that was ever open,
// and the looks for keys that are yet to come.
type lastWriters struct {
	keys  map[index.Key]verdict
	looks []look
}

type verdict struct {
	at   int64
	open bool
}

func (l *lastWriters) add(e evidence) {
	for k := range e.open {
		if _, known := l.keys[k]; !known {
			l.keys[k] = verdict{l.lookedAt(k), false}
		}
	}
	for k, v := range l.keys {
		isOpen := e.open[k]
		if !isOpen && !e.scope.Contains(k) {
			continue
		}
		if e.at > v.at || e.at == v.at && isOpen {
			l.keys[k] = verdict{e.at, isOpen}
		}
	}
	l.looks = append(l.looks, look{e.scope, e.at})
}

// lookedAt returns when the key, never open, was last looked at.
func (l *lastWriters) lookedAt(k index.Key) int64 {
	newest := int64(never)
	for _, look := range l.looks {
		if look.scope.Contains(k) {
			newest = max(newest, look.at)
		}
	}
	return newest
}

func (l *lastWriters) since(k index.Key) int64 { return l.keys[k].at }

func (l *lastWriters) open() keys {
	open := keys{}
	for k, v := range l.keys {
		if v.open {
			open[k] = true
		}
	}
	return open
}
