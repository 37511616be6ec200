package enginetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portolan/engine"
	"portolan/engine/enginetest/oracle"
	"portolan/index"
)

// clock is a clock that moves only when told to.
type clock struct {
	at atomic.Int64 // nanoseconds since 1970
}

func newClock() *clock {
	c := new(clock)
	c.at.Store(smallStart.Add(day).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// rig is one engine under test, the clock it reads and the test it is for.
type rig struct {
	*testing.T
	open   Open
	engine Engine
	clock  *clock
}

// testPolicy makes the statuses of the suites' keys independent of the default policy. Those of keys
// that the sample does not have depend on the assets, and some on the project.
var testPolicy = must(engine.NewPolicy([]engine.Rule{
	{Keys: setOf("22/tcp"), Status: engine.Danger},
	{Keys: setOf("123/udp"), Status: engine.Danger, Name: "ntp", Reason: "amplifies"},
	{Keys: setOf("64-443/tcp"), Status: engine.Normal},
	{Keys: setOf("1-2/tcp", "2-65/sctp", "2-63/udp6"), Status: engine.Danger, Name: "low"},
	{Keys: setOf("2/tcp", "1023-1024/tcp", "63-64/sctp", "2-65/udp", "63/udp6"), Status: engine.Normal, Where: inProd, WhereText: "label(env) = prod", Reason: "expected"},
	{Keys: setOf("1024/tcp", "63-65/udp", "64/sctp", "63/udp6"), Status: engine.Danger, Where: manyOpen, WhereText: "ports > 2", Name: "many"},
	{Keys: setOf("64/udp"), Status: engine.Unknown},
	{Keys: setOf("65/udp", "1023/tcp"), Status: engine.Danger, Projects: []string{"q"}},
	{Keys: setOf("1/tcp", "65/udp"), Status: engine.Normal, Where: inProd, WhereText: "label(env) = prod", Projects: []string{"q", "other"}},
}))

var (
	inProd   = oracle.Means(engine.HasLabel("env", func(value string) bool { return value == "prod" }), func(a engine.Asset) bool { return a.Labels["env"] == "prod" })
	manyOpen = oracle.Means(engine.HasOpenCount(func(n int) bool { return n > 2 }), func(a engine.Asset) bool { return len(a.Open) > 2 })
)

// newRig opens an engine and, when the test ends, checks and closes it.
func newRig(t *testing.T, open Open) *rig {
	r := &rig{T: t, open: open, clock: newClock()}
	r.engine = r.another()
	return r
}

// another opens one more engine with the same options.
func (r *rig) another() Engine { return r.start(r.options()) }

func (r *rig) start(opts *engine.Options) Engine {
	e := r.open(opts)
	r.Cleanup(func() {
		ctx := context.Background() // the test's own has ended
		if err := e.Check(ctx); err != nil && !errors.Is(err, engine.ErrClosed) {
			r.Errorf("Check: %v", err)
		}
		if err := e.Close(); err != nil && !errors.Is(err, engine.ErrClosed) {
			r.Errorf("Close: %v", err)
		}
	})
	return e
}

// expiring makes the engine one whose assets expire after a day.
func (r *rig) expiring() {
	opts := r.options()
	opts.Expire = day
	r.engine = r.start(opts)
}

func (r *rig) options() *engine.Options {
	return &engine.Options{Policy: testPolicy, Now: r.clock.now}
}

// apply applies the reports in one call.
func (r *rig) apply(reports ...engine.Report) engine.Result {
	r.Helper()
	result, err := r.engine.Apply(r.Context(), reports)
	if err != nil {
		r.Fatalf("Apply: %v", err)
	}
	return result
}

// tell applies one report per line, one call each, and returns what became of each.
func (r *rig) tell(lines ...string) []string {
	r.Helper()
	became := make([]string, len(lines))
	for i, line := range lines {
		became[i] = resultText(r.apply(say(line)))
	}
	return became
}

func (r *rig) remove(category engine.Category, id string) {
	r.Helper()
	r.removeOf("p", category, 1, "", id)
}

// removeOf removes assets and holds what becomes of that against a number and a
// kind of error.
func (r *rig) removeOf(project string, category engine.Category, want int, kind string, ids ...string) {
	r.Helper()
	result, err := r.engine.Remove(r.Context(), project, category, ids...)
	if result.Removed != want || kindOf(err) != kind {
		r.Fatalf("Remove(%s %q): %d, %v, want %d, %s", category, ids, result.Removed, err, want, kind)
	}
}

func (r *rig) stats() engine.Stats {
	r.Helper()
	s, err := r.engine.Stats()
	r.wantErr("Stats", err, "")
	return s
}

func (r *rig) projects() []string {
	r.Helper()
	names, err := r.engine.Projects()
	r.wantErr("Projects", err, "")
	return names
}

func (r *rig) asset(category engine.Category, id string) engine.Asset {
	r.Helper()
	a, err := r.engine.Asset(r.Context(), "p", category, id)
	if err != nil {
		r.Fatalf("Asset(%s %s): %v", category, id, err)
	}
	return a
}

func (r *rig) ports(q engine.PortQuery) engine.PortPage {
	r.Helper()
	page, err := r.engine.Ports(r.Context(), q)
	if err != nil {
		r.Fatalf("Ports(%s): %v", describePorts(q), err)
	}
	return page
}

func (r *rig) hosts(q engine.HostQuery) engine.HostPage {
	r.Helper()
	page, err := r.engine.Hosts(r.Context(), q)
	if err != nil {
		r.Fatalf("Hosts(%s): %v", describeHosts(q), err)
	}
	return page
}

// wantOpen holds a host's open keys against a list such as "22/tcp 80/tcp".
func (r *rig) wantOpen(id, want string) {
	r.Helper()
	r.want("open keys of "+id, keysText(r.asset(engine.Host, id).Open), want)
}

// wantPorts holds a page against lines such as "2 80/tcp normal".
func (r *rig) wantPorts(q engine.PortQuery, total int, want ...string) {
	r.Helper()
	page := r.ports(q)
	if diff := cmp.Diff(append([]string{}, want...), portLines(page)); diff != "" || page.Total != total {
		r.Errorf("Ports(%s): total %d, want %d; rows (-want +got):\n%s", describePorts(q), page.Total, total, diff)
	}
}

// want compares two values.
func (r *rig) want(what string, got, want any) {
	r.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		r.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// wantErr holds an error against its kind, such as "no asset" or "field seen".
func (r *rig) wantErr(what string, err error, kind string) {
	r.Helper()
	if got := kindOf(err); got != kind {
		r.Errorf("%s: error %v, want %s", what, err, kind)
	}
}

func portLines(page engine.PortPage) []string {
	lines := make([]string, len(page.Rows))
	for i, row := range page.Rows {
		lines[i] = fmt.Sprintf("%d %s %s", row.Num, row.Key(), row.Status)
	}
	return lines
}

func keysText(list []index.Key) string {
	texts := make([]string, len(list))
	for i, k := range list {
		texts[i] = k.String()
	}
	return strings.Join(texts, " ")
}

func resultText(r engine.Result) string {
	return fmt.Sprintf("applied %d unchanged %d stale %d clamped %d", r.Applied, r.Unchanged, r.Stale, r.Clamped)
}

// say reads a report such as
//
//	x @5 [1-1024/tcp] 80/tcp 22/tcp name=web
//
// An asset x of project p was seen at the fifth microsecond; the scope is in
// brackets and is [none] if left out; without @ the report has no time. There
// are project=, category=, name=, address=, group= and label.NAME=, too.
func say(line string) engine.Report {
	words := strings.Fields(line)
	r := engine.Report{Project: "p", Asset: words[0]}
	for _, word := range words[1:] {
		field, value, isField := strings.Cut(word, "=")
		switch {
		case isField:
			setField(&r, field, value)
		case word[0] == '@':
			r.Seen = smallTime(must(strconv.Atoi(word[1:])))
		case word[0] == '[':
			r.Scope = must(engine.ParseScope(strings.Trim(word, "[]")))
		default:
			r.Open = append(r.Open, must(index.ParseKey(word)))
		}
	}
	return r
}

func setField(r *engine.Report, field, value string) {
	switch field {
	case "project":
		r.Project = value
	case "category":
		r.Category = must(engine.ParseCategory(value))
	case "name":
		r.Name = value
	case "address":
		r.Address = value
	case "group":
		r.EnterpriseProject = value
	default:
		name, isLabel := strings.CutPrefix(field, "label.")
		if !isLabel {
			panic("enginetest: no field " + field)
		}
		if r.Labels == nil {
			r.Labels = map[string]string{}
		}
		r.Labels[name] = value
	}
}

// sayAll reads one report per line.
func sayAll(lines ...string) []engine.Report {
	reports := make([]engine.Report, len(lines))
	for i, line := range lines {
		reports[i] = say(line)
	}
	return reports
}
