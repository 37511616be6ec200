package engine

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"

	"portolan/engine/journal"
	"portolan/index"
)

// A Counter sums up what changed of the counts of an inventory: of each key how many more or fewer assets of each enterprise
// project have it open, and the least and the most that had it in between. The zero value has seen nothing. It is
// for one goroutine.
type Counter struct {
	numbers map[string]uint32 // of enterprise projects, from 1
	names   []string          // of them, by number less 1
	lines   map[countLine]*counted
	touched []*counted // by the batch that is read
	seq     uint64     // of it
	asset   changedAsset
}

// countLine is a key in an enterprise project; number 0 is all of them.
type countLine struct {
	key   Key
	group uint32
}

// counted is what became of a count, relative to what it was before.
type counted struct {
	least, last, most int
	delta             int // of the batch that is read
}

// then adds what became of it after that.
func (c *counted) then(next counted) {
	c.least, c.most = min(c.least, c.last+next.least), max(c.most, c.last+next.most)
	c.last += next.last
}

// errUntold is returned for a list of an earlier version that does not say which keys went with an asset that moved.
var errUntold = errors.New("which keys an asset had that moved is not told")

// deltas calls f with what changed of the count of each key in each enterprise project, of which keys there may be several. The
// error is errUntold, or about damage.
func (a *changedAsset) deltas(f func(k Key, group string, n int)) error {
	if !a.moved {
		for i := range a.keys {
			f(a.keys[i].key, a.group, signOf(a.keys[i].kind))
		}
		return nil
	}
	if a.untold {
		return errUntold
	}
	had, err := index.ParseKeys(nil, a.had)
	if err != nil {
		return fmt.Errorf("%w changes: %w", errDamaged, err)
	}
	for _, k := range had {
		f(k, a.left, -1)
	}
	step := stepOf(a.keys)
	for _, k := range step.apply(had) {
		f(k, a.group, 1)
	}
	return nil
}

// Batch adds what a batch changed, or the next part of that. Batches come in order. After an error the counter is not to be
// used.
func (c *Counter) Batch(p *journal.Past) error {
	if p.Seq != c.seq {
		c.flush()
		c.seq = p.Seq
	}
	l, err := readList(p.Data)
	for err == nil {
		var ok bool
		if ok, err = l.next(&c.asset); !ok {
			break
		}
		err = c.asset.deltas(c.add)
	}
	if err != nil {
		return fmt.Errorf("batch %d: %w", p.Seq, err)
	}
	return nil
}

func (c *Counter) add(k Key, group string, n int) {
	for _, number := range [2]uint32{0, c.number(group)} {
		l := c.line(countLine{k, number})
		if l.delta == 0 {
			c.touched = append(c.touched, l)
		}
		l.delta += n
	}
}

// number returns the number of an enterprise project.
func (c *Counter) number(group string) uint32 {
	n, known := c.numbers[group]
	if !known {
		if c.numbers == nil {
			c.numbers = map[string]uint32{}
		}
		c.names = append(c.names, group)
		n = uint32(len(c.names))
		c.numbers[group] = n
	}
	return n
}

func (c *Counter) line(at countLine) *counted {
	l := c.lines[at]
	if l == nil {
		if c.lines == nil {
			c.lines = map[countLine]*counted{}
		}
		l = new(counted)
		c.lines[at] = l
	}
	return l
}

// flush ends a batch: answers changed with all of it.
func (c *Counter) flush() {
	for _, l := range c.touched {
		n := l.delta // 0 also where it was touched twice
		l.delta = 0
		l.then(counted{min(n, 0), n, max(n, 0), 0})
	}
	c.touched = c.touched[:0]
}

// Counts adds what parts of an earlier counter say, which come in the order of time.
func (c *Counter) Counts(data []byte) error {
	r, err := readCounts(data)
	if err != nil {
		return err
	}
	for r.next() {
		number := uint32(0)
		if !r.all {
			number = c.number(r.group)
		}
		c.line(countLine{r.key, number}).then(r.counted)
	}
	return r.damage()
}

// Parts returns what the counter has seen, in order of their places, and has it begin anew. Of nothing there are none.
func (c *Counter) Parts() []journal.Counts {
	c.flush()
	lines := c.places()
	w := countWriter{names: c.names}
	for i := range lines {
		w.line(&lines[i])
	}
	w.end()
	*c = Counter{}
	return w.parts
}

// placedLine is a line and its place.
type placedLine struct {
	journal.CountsPlace
	group uint32
	*counted
}

// places returns the lines that have changed, in order.
func (c *Counter) places() (lines []placedLine) {
	sections := make([]uint16, 1+len(c.names))
	for i, name := range c.names {
		sections[1+i] = sectionOf(name)
	}
	for at, l := range c.lines {
		if *l != (counted{}) {
			lines = append(lines, placedLine{journal.CountsPlace{Section: sections[at.group], First: at.key}, at.group, l})
		}
	}
	slices.SortFunc(lines, func(a, b placedLine) int {
		return cmp.Or(cmp.Compare(a.Section, b.Section), cmp.Compare(a.First, b.First), cmp.Compare(c.nameOf(a.group), c.nameOf(b.group)))
	})
	return lines
}

func (c *Counter) nameOf(group uint32) string {
	if group == 0 {
		return ""
	}
	return c.names[group-1]
}

// sectionOf returns where counts of an enterprise project are. Several may be in one section.
func sectionOf(enterpriseProject string) uint16 {
	return uint16(1 + xxhash.Sum64String(enterpriseProject)%math.MaxUint16)
}
