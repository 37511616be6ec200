package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"portolan/engine/journal"
	"portolan/index"
)

// TrendBy is what the lines of a trend are of.
type TrendBy uint8

// The lines of a trend: a key each, a status, or an enterprise project.
const (
	ByKey TrendBy = iota
	ByKeyStatus
	ByEnterpriseProject
)

var trendByNames = []string{"port", "status", "enterprise_project_id"}

// String returns the word as the HTTP API writes it.
func (b TrendBy) String() string {
	if int(b) < len(trendByNames) {
		return trendByNames[b]
	}
	return "TrendBy(" + strconv.Itoa(int(b)) + ")"
}

// ParseTrendBy returns what a word means. The error is a [*FieldError].
func ParseTrendBy(word string) (TrendBy, error) {
	if n := slices.Index(trendByNames, word); n >= 0 {
		return TrendBy(n), nil
	}
	return 0, &FieldError{Field: "by", Value: word, Allowed: "port, status or enterprise_project_id"}
}

// Bounds of a trend.
const (
	MaxTrendSteps  = 10_000
	MaxTrendPoints = 100_000 // of all lines together
	// maxTrendChanges is how many points may change while one is made, also of lines that it does not have in the end.
	maxTrendChanges = 1 << 20
	// maxTrendMoves is how many keys may change of assets that moved.
	maxTrendMoves = 1 << 20
)

// TrendQuery asks how many assets had ports open in the course of time. The zero value of every field but Project, Since and
// Step means no restriction.
type TrendQuery struct {
	Project  string
	Category Category
	View     View
	// Keys, Type and Status restrict the keys. The status is that which the row of the key has in the view now.
	Keys   *KeySet
	Type   Type
	Status Status
	By     TrendBy
	// Since is when the first step begins, or within it: steps begin at multiples of Step since the year 1. Until is
	// when the last one ends, or within it; zero is now.
	Since, Until time.Time
	Step         time.Duration
}

// Trend is how many assets had ports open in the course of time.
type Trend struct {
	Start time.Time     // of the first step
	Step  time.Duration // of each
	Lines []TrendLine   // those that had any in one of the steps, by key, status or enterprise project in order
	// Resolution says how far apart the counts are that the least and the most are of: of sums of counts, where single
	// changes are not kept any more. Zero says that they are of all counts that there were.
	Resolution time.Duration

	Sequence uint64 // the last batch that it includes
}

// TrendLine is the counts of a key, a status or an enterprise project.
type TrendLine struct {
	Key               Key
	Status            Status // of the line, or that the key's row has in the view now
	EnterpriseProject string
	Points            []TrendPoint // by step
}

// TrendPoint is a count during a step, as answers were during it. Of a key it is how many assets had it open; of a status or an
// enterprise project how many pairs there were of an asset and an open key.
type TrendPoint struct {
	Least, Most int
	Last        int // at the end of the step, or now
}

// trendLine is a line in the making. Counts are relative to the one before the first step.
type trendLine struct {
	TrendLine
	now    int
	count  int
	delta  int // of the batch that is being read
	points []trendPoint
}

// trendPoint is a step in which the count changed.
type trendPoint struct {
	step              int
	least, most, last int
}

// lineKey says which line.
type lineKey struct {
	key    Key
	status Status
	group  string
}

// trending is a trend in the making.
type trending struct {
	*Changes
	q          *TrendQuery
	verdict    *verdict
	start      micros
	step       micros
	steps      int
	lines      map[lineKey]*trendLine
	touched    []*trendLine // by the batch that is being read
	at         journal.Point
	points     int
	resolution time.Duration
	movers     map[string]*mover
	grouped    bool   // it matters which enterprise project an asset is in
	id         string // of the asset that was read last
	fault      error
}

// mover is an asset that moved, whose keys went with it.
type mover struct {
	keys  []Key // before the batch that is read next
	moves []moverStep
	begun bool
}

// moverStep is what a batch changed of it, from its first move on: keys in order.
type moverStep struct {
	came, went []Key
}

// Trend returns how many assets had ports open in the course of time: exactly, as the log of changes has it, or, further
// back and in steps of whole hours or days, a journal that keeps counts: see [Trend].Resolution. Of keys in one enterprise
// project or in all, in such steps, it takes about as long as reading the counts of each step, a few milliseconds for some
// thousand; else as long as reading the log, a second for some ten million changes. The error is [ErrNoProject], a
// [*TooOldError], [ErrNoChanges], a [*FieldError], or that of the context.
func (e *Engine) Trend(ctx context.Context, q TrendQuery) (Trend, error) {
	for {
		t, err := e.trend(ctx, q)
		if !errors.Is(err, errThinned) {
			return t, err
		}
	}
}

func (e *Engine) trend(ctx context.Context, q TrendQuery) (Trend, error) {
	now := e.now()                 // before the state, which includes what was by then
	kept, err := e.keptCounts(ctx) // likewise
	if err != nil {
		return Trend{}, err
	}
	c, _, err := e.changesAll(ctx, q.Project, q.Category)
	if err != nil {
		return Trend{}, err
	}
	t := &trending{Changes: c, q: &q, lines: map[lineKey]*trendLine{}, movers: map[string]*mover{}}
	t.grouped = !q.View.IsAll() || q.By == ByEnterpriseProject
	if err := t.window(now); err != nil {
		return Trend{}, err
	}
	if c.s.s == nil {
		c.s.s = nothing
	}
	if c.filter, _, err = newFilter(0, q.Type, q.Status, q.Keys); err != nil {
		return Trend{}, err
	}
	if t.verdict, err = c.s.judge(ctx, c.s.s.View(q.View.groups)); err != nil {
		return Trend{}, err
	}
	if q.Status != AnyStatus {
		c.filter.Also = t.verdict.sets[q.Status]
	}
	c.findKept()
	if err := t.fromCounts(ctx, kept); err != nil {
		return Trend{}, err
	}
	if err := c.locate(ctx); err != nil {
		return Trend{}, kept.older(c, err)
	}
	if err := t.read(ctx); err != nil {
		return Trend{}, err
	}
	return t.whole()
}

// window finds the steps.
func (t *trending) window(now time.Time) error {
	q := t.q
	if q.Step < time.Second || q.Step%time.Microsecond != 0 {
		return &FieldError{Field: "step", Value: q.Step.String(), Allowed: "1s or more, in whole microseconds"}
	}
	if q.By > ByEnterpriseProject {
		return &FieldError{Field: "by", Value: q.By.String(), Allowed: "ByKey to ByEnterpriseProject"}
	}
	until := q.Until
	if until.IsZero() || until.After(now) {
		until = now
	}
	if !q.Since.Before(until) {
		return &FieldError{Field: "since", Value: q.Since.Format(time.RFC3339Nano), Allowed: "a time before " + until.Format(time.RFC3339Nano)}
	}
	start := q.Since.Truncate(q.Step)
	steps := (until.Sub(start) + q.Step - 1) / q.Step
	if steps > MaxTrendSteps {
		return &FieldError{Field: "step", Value: q.Step.String(), Allowed: fmt.Sprintf("a longer one: there are at most %d of them", MaxTrendSteps)}
	}
	t.start, t.step, t.steps = start.UnixMicro(), q.Step.Microseconds(), int(steps)
	t.since = t.start
	return nil
}

// read reads what changed, and what there is now.
func (t *trending) read(ctx context.Context) error {
	if t.grouped {
		if err := t.findMovers(ctx); err != nil {
			return err
		}
	}
	err := t.each(ctx, func(at journal.Point, _ uint32, a *changedAsset) bool {
		if at.Seq != t.at.Seq {
			t.flush()
			t.at = at
		}
		t.take(a)
		return t.points <= maxTrendChanges && t.fault == nil
	})
	t.flush()
	switch {
	case cmp.Or(err, t.fault) != nil:
		return cmp.Or(err, t.fault)
	case t.points > maxTrendChanges:
		return t.tooMany()
	}
	return t.countNow(ctx)
}

func (t *trending) tooMany() error {
	return &FieldError{Field: "step", Value: t.q.Step.String(), Allowed: "a longer one, or fewer ports: there are too many counts that change"}
}

// take adds what a batch changed of an asset.
func (t *trending) take(a *changedAsset) {
	if t.grouped && len(t.movers) > 0 {
		if m := t.moverOf(a); m != nil && (a.moved || m.begun) {
			t.move(m, a)
			return
		}
	}
	if !t.q.View.Has(a.group) {
		return
	}
	for i := range a.keys {
		k := &a.keys[i]
		t.add(k.key, a.group, signOf(k.kind))
	}
}

// signOf is what a change does to the count of its key.
func signOf(k ChangeKind) int {
	if k == Opened || k == Found {
		return 1
	}
	return -1
}

// move adds what a batch changed of an asset that moves, or has moved: what it took with it, too.
func (t *trending) move(m *mover, a *changedAsset) {
	m.begun = true
	left := a.group
	if a.moved {
		left = a.left
	}
	if t.q.View.Has(left) {
		for _, k := range m.keys {
			t.add(k, left, -1)
		}
	}
	m.keys = m.moves[0].apply(m.keys)
	m.moves = m.moves[1:]
	if t.q.View.Has(a.group) && a.what != assetForgotten {
		for _, k := range m.keys {
			t.add(k, a.group, 1)
		}
	}
}

func stepOf(keys []keyChange) (s moverStep) {
	for i := range keys {
		if k := &keys[i]; signOf(k.kind) > 0 {
			s.came = append(s.came, k.key)
		} else {
			s.went = append(s.went, k.key)
		}
	}
	return s
}

// apply returns keys after a batch, in order as they are.
func (s *moverStep) apply(keys []Key) []Key {
	came, went := s.came, s.went
	after := make([]Key, 0, max(len(keys)+len(came)-len(went), 0))
	for _, k := range keys {
		for len(came) > 0 && came[0] < k {
			after, came = append(after, came[0]), came[1:]
		}
		for len(went) > 0 && went[0] < k {
			went = went[1:]
		}
		if len(went) == 0 || went[0] != k {
			after = append(after, k)
		}
	}
	return append(after, came...)
}

// back returns keys before a batch.
func (s *moverStep) back(keys []Key) []Key {
	return (&moverStep{came: s.went, went: s.came}).apply(keys)
}

// findMovers finds the assets that moved, and what keys they had before.
func (t *trending) findMovers(ctx context.Context) error {
	size := 0
	err := t.each(ctx, func(_ journal.Point, _ uint32, a *changedAsset) bool {
		if !a.moved && len(t.movers) == 0 {
			return true
		}
		m := t.moverOf(a)
		switch {
		case m == nil && !a.moved:
			return true
		case m == nil:
			m = new(mover)
			t.movers[t.id] = m
		}
		m.moves = append(m.moves, stepOf(a.keys))
		if size += 1 + len(a.keys); size > maxTrendMoves {
			t.fault = &FieldError{Field: "since", Value: t.q.Since.Format(time.RFC3339Nano), Allowed: fmt.Sprintf("a later one, or all enterprise projects: more than %d things changed of assets that moved", maxTrendMoves)}
		}
		return t.fault == nil
	})
	if err := cmp.Or(err, t.fault); err != nil {
		return err
	}
	for id, m := range t.movers {
		if o, there := t.s.s.Find(id); there {
			m.keys = t.s.s.AppendKeys(nil, o)
		}
		for _, s := range slices.Backward(m.moves) {
			m.keys = s.back(m.keys)
		}
	}
	return nil
}

// moverOf returns the asset, if it is one that moved, and leaves its id in t.
func (t *trending) moverOf(a *changedAsset) *mover {
	var err error
	if t.id, _, _, err = index.ParseNames(a.names); err != nil {
		t.fault = fmt.Errorf("%w changes: %w", errDamaged, err)
	}
	return t.movers[t.id]
}

// add adds to the count of a key in an enterprise project.
func (t *trending) add(k Key, group string, n int) {
	if !lets(&t.filter, k) {
		return
	}
	l := t.line(k, group)
	if l.delta == 0 {
		t.touched = append(t.touched, l)
	}
	l.delta += n
}

// line returns the line of a key in an enterprise project.
func (t *trending) line(k Key, group string) *trendLine {
	var of lineKey
	switch t.q.By {
	case ByKeyStatus:
		of.status = t.verdict.status(k)
	case ByEnterpriseProject:
		of.group = group
	default:
		of.key = k
	}
	l := t.lines[of]
	if l == nil {
		l = &trendLine{TrendLine: TrendLine{Key: of.key, Status: of.status, EnterpriseProject: of.group}}
		if t.q.By == ByKey {
			l.Status = t.verdict.status(k)
		}
		t.lines[of] = l
	}
	return l
}

// flush ends a batch: answers changed with all of it.
func (t *trending) flush() {
	for _, l := range t.touched {
		if n := l.delta; n != 0 {
			l.delta = 0
			t.change(l, counted{least: min(n, 0), last: n, most: max(n, 0)})
		}
	}
	t.touched = t.touched[:0]
}

// change changes the count of a line, at the time of what is read.
func (t *trending) change(l *trendLine, c counted) {
	step, before := int((t.at.Time-t.start)/t.step), l.count
	l.count += c.last
	if step >= t.steps {
		return
	}
	if n := len(l.points); n == 0 || l.points[n-1].step != step {
		l.points = append(l.points, trendPoint{step, before, before, before})
		t.points++
	}
	p := &l.points[len(l.points)-1]
	p.least, p.most, p.last = min(p.least, before+c.least), max(p.most, before+c.most), l.count
}

// countNow finds what there is now.
func (t *trending) countNow(ctx context.Context) error {
	if t.q.By != ByEnterpriseProject {
		t.countIn(t.s.s.View(t.q.View.groups), "")
		return ctx.Err()
	}
	for name := range t.s.EnterpriseProjects() {
		if t.q.View.Has(name) {
			t.countIn(t.s.s.View(In(name).groups), name)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (t *trending) countIn(view index.View, group string) {
	c := view.Select(t.filter)
	for c.Seek(0, false); c.Next(); {
		t.line(c.Key(), group).now += c.Count()
	}
}

// whole returns the trend with every step of it.
func (t *trending) whole() (Trend, error) {
	out := Trend{Start: time.UnixMicro(t.start).UTC(), Step: t.q.Step, Resolution: t.resolution, Sequence: t.s.sequence}
	lines := slices.SortedFunc(maps.Values(t.lines), func(a, b *trendLine) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(b.Status, a.Status), cmp.Compare(a.EnterpriseProject, b.EnterpriseProject))
	})
	lines = slices.DeleteFunc(lines, func(l *trendLine) bool {
		return l.now == l.count && !slices.ContainsFunc(l.points, func(p trendPoint) bool { return p.most > 0 })
	})
	if len(lines)*t.steps > MaxTrendPoints {
		return out, &FieldError{Field: "ports", Value: fmt.Sprintf("%d lines of %d steps", len(lines), t.steps), Allowed: fmt.Sprintf("fewer ports, longer steps, or lines by status: at most %d counts", MaxTrendPoints)}
	}
	for _, l := range lines {
		count := l.now - l.count // before the first step
		l.Points = make([]TrendPoint, t.steps)
		base, points := count, l.points
		for i := range l.Points {
			p := TrendPoint{count, count, count}
			if len(points) > 0 && points[0].step == i {
				p = TrendPoint{base + points[0].least, base + points[0].most, base + points[0].last}
				points = points[1:]
			}
			l.Points[i], count = p, p.Last
		}
		out.Lines = append(out.Lines, l.TrendLine)
	}
	return out, nil
}
