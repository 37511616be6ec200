package alert

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"portolan/engine"
)

// noticeKind is what a notice tells of.
type noticeKind uint8

const (
	noticeChange noticeKind = iota
	noticeDigest
	noticeLost // changes that are not kept any more
	noticeTest
)

// notice is what a receiver is told.
type notice struct {
	kind   noticeKind
	id     string // the same each time it is told
	rule   *Rule
	of     engine.Inventory
	time   time.Time       // of the change, or the first one
	at     engine.Position // after it
	change *engine.Change
	ends   bool // the change ends what was told, and is not told of itself
	digest *digest
	lost   *engine.TooOldError
}

// row is a change as every surface has it.
type row struct {
	Sequence          uint64     `json:"sequence"`
	Time              time.Time  `json:"time"`
	Seen              *time.Time `json:"seen,omitempty"`
	Asset             string     `json:"asset,omitempty"`
	Name              string     `json:"name,omitempty"`
	Address           string     `json:"address,omitempty"`
	EnterpriseProject string     `json:"enterprise_project_id,omitempty"`
	From              string     `json:"from_enterprise_project_id,omitempty"`
	Change            string     `json:"change,omitempty"`
	Port              uint16     `json:"port,omitempty"`
	Type              string     `json:"type,omitempty"`
	Status            string     `json:"status,omitempty"`
}

func rowOf(c *engine.Change) row {
	r := row{
		Sequence: c.At.Sequence, Time: c.Time, Asset: c.Asset, Name: c.Name, Address: c.Address,
		EnterpriseProject: c.EnterpriseProject, From: c.From, Change: c.Kind.String(),
	}
	if !c.Seen.IsZero() {
		r.Seen = &c.Seen
	}
	if c.Port > 0 {
		r.Port, r.Type, r.Status = c.Port, c.Type.String(), c.Status.String()
	}
	return r
}

// digest is the changes of some time in one.
type digest struct {
	from  engine.Position // they come after it
	last  engine.Position // of the last one
	since time.Time       // of the first
	until time.Time       // before which they are
	total int
	kinds map[engine.ChangeKind]int
	first []engine.Change
}

// begin begins a digest with the changes after a position.
func begin(from engine.Position, since time.Time, lasts time.Duration) *digest {
	return &digest{from: from, since: since, until: since.Add(lasts), kinds: map[engine.ChangeKind]int{}}
}

func (d *digest) add(c *engine.Change, first int) {
	d.total++
	d.kinds[c.Kind]++
	d.last = c.At
	if len(d.first) < first {
		d.first = append(d.first, *c)
	}
}

// digestData is a digest as JSON.
type digestData struct {
	Total   int            `json:"total"`
	Kinds   map[string]int `json:"kinds"`
	Since   time.Time      `json:"since"`
	Until   time.Time      `json:"until"`
	After   string         `json:"after"`   // where the changes begin, as a cursor of the HTTP API
	Through uint64         `json:"through"` // the last batch
	Changes []row          `json:"changes"`
}

func (d *digest) data() digestData {
	data := digestData{
		Total: d.total, Kinds: make(map[string]int, len(d.kinds)), Since: d.since, Until: d.until,
		After: d.from.String(), Through: d.last.Sequence, Changes: make([]row, len(d.first)),
	}
	for k, n := range d.kinds {
		data.Kinds[k.String()] = n
	}
	for i := range d.first {
		data.Changes[i] = rowOf(&d.first[i])
	}
	return data
}

// lostData is what is said of changes that are not kept any more.
type lostData struct {
	After     string    `json:"after"`      // what came after it is lost
	Through   uint64    `json:"through"`    // up to this batch
	KeptSince time.Time `json:"kept_since"` // its time
}

// data is what the notice tells, as JSON.
func (n *notice) data() any {
	switch n.kind {
	case noticeDigest:
		return n.digest.data()
	case noticeLost:
		return lostData{n.at.String(), n.lost.Sequence, n.lost.Time}
	case noticeTest:
		return map[string]string{"message": testText}
	default:
		return rowOf(n.change)
	}
}

const testText = "This is a test: alerts of Portolan come here."

// subject is the asset that the notice is about, or none.
func (n *notice) subject() string {
	if n.kind == noticeChange {
		return n.change.Asset
	}
	return ""
}

// summary is the notice for people.
func (n *notice) summary() string {
	switch n.kind {
	case noticeDigest:
		return fmt.Sprintf("%d changes of %s from %s to %s", n.digest.total, inventoryName(n.of),
			n.digest.since.Format(time.RFC3339), n.digest.until.Format(time.RFC3339))
	case noticeLost:
		return fmt.Sprintf("changes of %s after %s and up to batch %d are lost: they are not kept any more", inventoryName(n.of), n.at, n.lost.Sequence)
	case noticeTest:
		return testText
	default:
		return lineOf(n.change)
	}
}

func inventoryName(v engine.Inventory) string {
	return fmt.Sprintf("the %ss of %s", strings.ToLower(v.Category.String()), v.Project)
}

// lineOf is a change for people.
func lineOf(c *engine.Change) string {
	var b strings.Builder
	b.WriteString(c.Asset)
	if c.Name != "" && c.Name != c.Asset {
		b.WriteString(" (" + c.Name + ")")
	}
	if c.Address != "" && c.Address != c.Asset {
		b.WriteString(" " + c.Address)
	}
	b.WriteString(": ")
	if c.Port > 0 {
		b.WriteString(strconv.Itoa(int(c.Port)) + "/" + strings.ToLower(c.Type.String()) + " ")
	}
	b.WriteString(c.Kind.String())
	if c.Port > 0 {
		b.WriteString(", " + c.Status.String())
	}
	if c.Kind == engine.Moved {
		b.WriteString(" from " + c.From + " to " + c.EnterpriseProject)
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, b.String())
}
