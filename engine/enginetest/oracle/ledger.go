package oracle

import (
	"math"

	"portolan/engine"
	"portolan/index"
)

// never is the time before all others, in microseconds.
const never = math.MinInt64

// keys is a set of keys.
type keys map[index.Key]bool

// evidence is what one report says about the keys of one asset: each key of
// scope and of open was open if it is in open, else closed.
type evidence struct {
	at    int64 // microseconds
	scope engine.Scope
	open  keys
}

// ledger holds the evidence about one asset, in whatever way.
type ledger interface {
	add(evidence)
	open() keys
	since(k index.Key) int64 // of an open key: when the newest evidence about it is from
}

// evidenceLog is the ledger by the definition: every report there was.
type evidenceLog struct {
	all []evidence
}

func (l *evidenceLog) add(e evidence) { l.all = append(l.all, e) }

// open returns the keys that are open. Only a key that some report found open
// can be.
func (l *evidenceLog) open() keys {
	open := keys{}
	for _, e := range l.all {
		for k := range e.open {
			if l.isOpen(k) {
				open[k] = true
			}
		}
	}
	return open
}

func (l *evidenceLog) since(k index.Key) int64 {
	newest, _ := l.newest(k)
	return newest
}

func (l *evidenceLog) isOpen(k index.Key) bool {
	_, open := l.newest(k)
	return open
}

// newest is the report rule: the newest evidence counts, at equal times open wins.
func (l *evidenceLog) newest(k index.Key) (newest int64, open bool) {
	newest = never
	for _, e := range l.all {
		switch {
		case !e.open[k] && !e.scope.Contains(k):
			// No evidence about this key.
		case e.at > newest:
			newest, open = e.at, e.open[k]
		case e.at == newest:
			open = open || e.open[k]
		}
	}
	return newest, open
}

// register is a text that the newest report that gives it sets.
type register struct {
	text string
	at   int64
}

// give offers a text; the empty one is not given. At equal times the greater
// text stands.
func (g *register) give(text string, at int64) {
	if text == "" || at < g.at || at == g.at && text <= g.text {
		return
	}
	*g = register{text, at}
}
