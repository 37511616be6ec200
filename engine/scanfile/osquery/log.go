package osquery

import (
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

// log is what the events of one host say so far.
type log struct {
	host    string
	line    int // of the first one
	seen    time.Time
	fresh   bool          // all that listens is known
	partial bool          // something was refused
	unsure  reader.KeySet // what was left out and may listen all the same

	begun   bool
	epoch   string
	counter int64 // -1 where none is given
	sockets map[identity]namespace
	touched map[index.Key]bool
	spaces  []string // the names of namespaces
	named   map[string]namespace
	held    int // bytes
}

// What a log and each of its sockets and namespaces take, in bytes.
const (
	logSize    = 1 << 10
	socketSize = 128
)

// hold asks for memory.
func (l *log) hold(in *reader.Input, n int) {
	l.held += n
	in.W.Hold(n)
}

// identity tells a socket of a host from its others: its key, and a hash of its row.
type identity struct {
	key  index.Key
	hash uint64
}

// namespace is the number of a network namespace in log.spaces.
type namespace uint16

// identity is that of the row that was read last. What was removed need not have all
// columns that were added.
func (o *osquery) identity() uint64 {
	h := xxhash.New()
	for i := range identifying {
		_, _ = h.Write(o.row.Text(i)) // never fails
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64()
}

// advance goes on to an event. It is false for one that was there before: an older one of
// the same epoch that is not of a later counter.
func (l *log) advance(at time.Time, epoch, counter []byte) bool {
	n, err := strconv.ParseInt(string(counter), 10, 64)
	if err != nil {
		n = -1
	}
	newEpoch := l.begun && string(epoch) != l.epoch
	if l.begun && n >= 0 && at.Before(l.seen) && (newEpoch || n <= l.counter) {
		return false
	}
	again := n == 0 && (!l.begun || l.counter != 0 || at.After(l.seen))
	if newEpoch || again {
		l.fresh = false
		clear(l.sockets)
		clear(l.touched)
	}
	l.fresh = l.fresh || again
	l.begun, l.counter = true, n
	if newEpoch || l.epoch == "" {
		l.epoch = string(epoch)
	}
	if at.After(l.seen) {
		l.seen = at
	}
	return true
}

func (l *log) add(hash uint64, key index.Key, space []byte) {
	if l.sockets == nil {
		l.sockets, l.touched, l.named = map[identity]namespace{}, map[index.Key]bool{}, map[string]namespace{}
	}
	l.sockets[identity{key, hash}] = l.space(string(space))
	l.touched[key] = true
}

// space returns the number of a namespace.
func (l *log) space(name string) namespace {
	if known, ok := l.named[name]; ok {
		return known
	}
	n := len(l.spaces)
	if n == 1<<16-1 {
		return namespace(n - 1) // no host has so many
	}
	l.spaces = append(l.spaces, name)
	l.named[name] = namespace(n)
	return namespace(n)
}

// remove says whether the socket was there.
func (l *log) remove(hash uint64, key index.Key) bool {
	id := identity{key, hash}
	_, known := l.sockets[id]
	delete(l.sockets, id)
	return known
}

// open returns the keys of the sockets of the host itself, and how many sockets are of
// other namespaces, those of containers. The host's is made first, and so has the lowest
// number.
func (l *log) open() (keys []index.Key, elsewhere int) {
	own := l.ownSpace()
	for id, space := range l.sockets {
		if space != own && l.spaces[space] != "" {
			elsewhere++
			continue
		}
		keys = append(keys, id.key)
	}
	return keys, elsewhere
}

func (l *log) ownSpace() (own namespace) {
	lowest := uint64(1<<64 - 1)
	for i, name := range l.spaces {
		if n, err := strconv.ParseUint(name, 10, 64); err == nil && n < lowest && n > 0 {
			lowest, own = n, namespace(i)
		}
	}
	return own
}

// mentioned is the scope of all keys that events named, apart from those of containers.
func (l *log) mentioned() engine.Scope {
	elsewhere := map[index.Key]bool{}
	own := l.ownSpace()
	for id, space := range l.sockets {
		if space != own && l.spaces[space] != "" {
			elsewhere[id.key] = true
		}
	}
	var ranges []index.Range
	for key := range l.touched {
		if !elsewhere[key] {
			ranges = append(ranges, index.Range{Type: key.Type(), Lo: key.Port(), Hi: key.Port()})
		}
	}
	return engine.ScopeOf(ranges...)
}
