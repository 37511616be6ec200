package reader

import (
	"slices"

	"portolan/index"
)

// MaxScratch is when a record's keys are stripped of repeats early, so that a
// record that repeats them without end needs no more memory.
const MaxScratch = 1 << 19

// slabKeys is how many keys are allocated at once for records with few.
const slabKeys = 512

// KeySlab hands out slices for the keys of reports. Those of small records are
// parts of one allocation, and do not overlap.
type KeySlab struct{ free []index.Key }

// Own returns the keys in order and once each, in a slice of their own, and how
// many were repeats. It reorders the argument.
func (s *KeySlab) Own(keys []index.Key) (own []index.Key, repeats int) {
	sorted := SortedOnce(keys)
	n, repeats := len(sorted), len(keys)-len(sorted)
	if n > slabKeys/8 {
		return slices.Clone(sorted), repeats
	}
	if n > len(s.free) {
		s.free = make([]index.Key, slabKeys)
	}
	own, s.free = s.free[:n:n], s.free[n:]
	copy(own, sorted)
	return own, repeats
}

// SortedOnce orders the keys in place and drops repeats.
func SortedOnce(keys []index.Key) []index.Key {
	for i := 1; i < len(keys); i++ {
		if keys[i] <= keys[i-1] {
			slices.Sort(keys)
			return slices.Compact(keys)
		}
	}
	return keys
}

// ParseKey is [index.ParseKey] without making a string of what is well formed.
func ParseKey(text []byte) (index.Key, error) {
	port, i := 0, 0
	for i < len(text) && i < 5 && text[i]-'0' <= 9 {
		port = port*10 + int(text[i]-'0')
		i++
	}
	if port >= 1 && port <= index.MaxPort && i < len(text) && text[i] == '/' {
		if t, ok := typeNamed(text[i+1:]); ok {
			return index.MakeKey(uint16(port), t), nil
		}
	}
	return index.ParseKey(string(text))
}

func typeNamed(name []byte) (index.Type, bool) {
	switch string(name) {
	case "tcp":
		return index.TCP, true
	case "udp":
		return index.UDP, true
	case "tcp6":
		return index.TCP6, true
	case "udp6":
		return index.UDP6, true
	case "sctp":
		return index.SCTP, true
	case "sctp6":
		return index.SCTP6, true
	}
	return 0, false
}

// KeySet is a set of keys. It takes memory for those in it, however often they are added.
type KeySet struct {
	keys []index.Key
	once int // keys that are in order and without repeats
}

// Add adds a key.
func (s *KeySet) Add(k index.Key) {
	if s.keys = append(s.keys, k); len(s.keys) >= max(2*s.once, 1<<10) {
		s.keys = SortedOnce(s.keys)
		s.once = len(s.keys)
	}
}

// Ranges returns a range for each key, in any order.
func (s *KeySet) Ranges() []index.Range {
	ranges := make([]index.Range, len(s.keys))
	for i, k := range s.keys {
		ranges[i] = index.Range{Type: k.Type(), Lo: k.Port(), Hi: k.Port()}
	}
	return ranges
}
