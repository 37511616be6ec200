package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest"
)

// moment is a state and when it came to be.
type moment struct {
	at    time.Time
	state engine.Snapshot
}

// TestTrend holds trends against the states that there were: of any keys and enterprise projects, with assets that move,
// are removed and come again, each count at the end of a step and the least and the most in it.
func TestTrend(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 31))
		now := time.Now().Truncate(time.Hour)
		e := mustOpen(t, &engine.Options{Now: func() time.Time { return now }})
		var past []moment
		begin := now
		for reports := enginetest.Small(seed, 150); len(reports) > 0; {
			now = now.Add(time.Duration(rng.IntN(90)) * time.Second)
			n := min(1+rng.IntN(10), len(reports))
			if _, err := e.Apply(t.Context(), reports[:n]); err != nil {
				t.Fatal(err)
			}
			keep := func() {
				s, err := e.Snapshot("p", engine.Host)
				if err != nil && !errors.Is(err, engine.ErrNoProject) {
					t.Fatal(err)
				}
				past = append(past, moment{now, s})
			}
			keep()
			if reports = reports[n:]; rng.IntN(5) == 0 {
				_, err := e.Remove(t.Context(), "p", engine.Host, []string{"a", "b", "c", "d"}[rng.IntN(4)])
				if err != nil && !errors.Is(err, engine.ErrNotFound) {
					t.Fatal(err)
				}
				keep()
			}
		}
		now = now.Add(time.Duration(rng.IntN(100)) * time.Second)
		for range 12 {
			q := engine.TrendQuery{
				Project: "p", Since: begin.Add(time.Duration(rng.IntN(600)) * time.Second), By: engine.TrendBy(rng.IntN(3)),
				Step: []time.Duration{time.Second, 7 * time.Second, time.Minute, time.Hour}[rng.IntN(4)],
				View: []engine.View{engine.All(), engine.In("e1"), engine.In("0", "e2"), engine.In()}[rng.IntN(4)],
				Type: []engine.Type{engine.AnyType, engine.TCP}[rng.IntN(2)], Status: []engine.Status{engine.AnyStatus, engine.Danger}[rng.IntN(2)],
			}
			if rng.IntN(2) == 0 {
				q.Until = q.Since.Add(time.Duration(1+rng.IntN(300)) * time.Second)
			}
			if rng.IntN(2) == 0 {
				q.Keys = engine.KeysOf(engine.Range{Type: engine.TCP, Lo: 1, Hi: uint16(20 + rng.IntN(500))})
			}
			got, err := e.Trend(t.Context(), q)
			if err != nil {
				t.Fatalf("seed %d: %+v: %v", seed, q, err)
			}
			if text, want := trendText(got), wantTrend(t, past, &q, got, now); text != want {
				t.Fatalf("seed %d: %+v: got\n%s\nwant\n%s", seed, q, text, want)
			}
		}
	}
}

func lineName(q *engine.TrendQuery, k engine.Key, status engine.Status, group string) string {
	switch q.By {
	case engine.ByKeyStatus:
		return status.String()
	case engine.ByEnterpriseProject:
		return group
	default:
		return k.String() + " " + status.String()
	}
}

func trendText(got engine.Trend) string {
	var b strings.Builder
	for i := range got.Lines {
		l := &got.Lines[i]
		name := l.EnterpriseProject
		if l.Key != 0 {
			name = l.Key.String() + " " + l.Status.String()
		} else if name == "" {
			name = l.Status.String()
		}
		fmt.Fprintln(&b, name, l.Points)
	}
	return sortedLines(b.String())
}

func sortedLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines { // few of them
		for j := i; j > 0 && lines[j] < lines[j-1]; j-- {
			lines[j], lines[j-1] = lines[j-1], lines[j]
		}
	}
	return strings.Join(lines, "\n")
}

// wantTrend is the trend by the states.
func wantTrend(t *testing.T, past []moment, q *engine.TrendQuery, got engine.Trend, now time.Time) string {
	t.Helper()
	last := past[len(past)-1].state
	status := map[engine.Key]engine.Status{}
	page, err := last.Ports(t.Context(), engine.PortQuery{View: q.View})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range page.Rows {
		status[row.Key()] = row.Status
	}
	counts := func(s engine.Snapshot) map[string]int {
		sums := map[string]int{}
		groups := q.View.Names()
		if q.By == engine.ByEnterpriseProject || q.View.IsAll() {
			groups = nil
			for group := range s.EnterpriseProjects() {
				if q.View.Has(group) {
					groups = append(groups, group)
				}
			}
		}
		for _, group := range groups {
			page, err := s.Ports(t.Context(), engine.PortQuery{View: engine.In(group), Keys: q.Keys, Type: q.Type})
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range page.Rows {
				is, known := status[row.Key()]
				if !known {
					is = last.Policy().Status(row.Key())
				}
				if q.Status == engine.AnyStatus || q.Status == is {
					sums[lineName(q, row.Key(), is, group)] += row.Num
				}
			}
		}
		return sums
	}
	until := q.Until
	if until.IsZero() || until.After(now) {
		until = now
	}
	states := make([]map[string]int, len(past))
	names := map[string]bool{}
	for i := range past {
		states[i] = counts(past[i].state)
	}
	start := q.Since.Truncate(q.Step)
	steps := 0
	for at := start; at.Before(until); at = at.Add(q.Step) {
		steps++
	}
	if len(got.Lines) > 0 && len(got.Lines[0].Points) != steps || !got.Start.Equal(start) {
		t.Fatalf("%d steps from %v, want %d from %v", len(got.Lines[0].Points), got.Start, steps, start)
	}
	current := map[string]int{}
	next := 0
	for ; next < len(past) && past[next].at.Before(start); next++ {
		current = states[next]
	}
	for _, s := range append(states[next:], current) {
		for name := range s {
			names[name] = true
		}
	}
	lines := map[string][]engine.TrendPoint{}
	for i := range steps {
		points := map[string]engine.TrendPoint{}
		for name := range names {
			points[name] = engine.TrendPoint{Least: current[name], Most: current[name], Last: current[name]}
		}
		for ; next < len(past) && past[next].at.Before(start.Add(time.Duration(i+1)*q.Step)); next++ {
			current = states[next]
			for name, p := range points {
				n := current[name]
				points[name] = engine.TrendPoint{Least: min(p.Least, n), Most: max(p.Most, n), Last: n}
			}
		}
		for name, p := range points {
			lines[name] = append(lines[name], p)
		}
	}
	var b strings.Builder
	for name, points := range lines {
		if !slices.ContainsFunc(points, func(p engine.TrendPoint) bool { return p.Most > 0 }) {
			continue
		}
		fmt.Fprintln(&b, name, points)
	}
	return sortedLines(b.String())
}

// TestTrendRefused: what is wrong with a question names the field, and what is not kept is said.
func TestTrendRefused(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	e := mustOpen(t, &engine.Options{Now: clock})
	var open []engine.Key
	for port := range uint16(3000) {
		open = append(open, engine.MakeKey(port+1, engine.TCP))
	}
	if _, err := e.Apply(t.Context(), []engine.Report{{Project: "p", Asset: "a", Open: open}}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	for field, q := range map[string]engine.TrendQuery{
		"step":       {Since: now.Add(-time.Hour)},
		"since":      {Since: now, Step: time.Hour},
		"by":         {Since: now.Add(-time.Hour), Step: time.Hour, By: 7},
		"type":       {Since: now.Add(-time.Hour), Step: time.Hour, Type: 99},
		"ports":      {Since: now.Add(-time.Hour), Step: time.Minute},
		"project_id": {Project: "-", Since: now.Add(-time.Hour), Step: time.Minute},
	} {
		if q.Project == "" {
			q.Project = "p"
		} else {
			q.Project = ""
		}
		_, err := e.Trend(t.Context(), q)
		if wrong, ok := errors.AsType[*engine.FieldError](err); !ok || wrong.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	got, err := e.Trend(t.Context(), engine.TrendQuery{Project: "p", Since: now.Add(-time.Hour), Step: time.Minute, By: engine.ByKeyStatus})
	if err != nil || len(got.Lines) != 1+1 || got.Lines[1].Points[59].Last+got.Lines[0].Points[59].Last != 3000 {
		t.Errorf("%d lines, %v", len(got.Lines), err)
	}
	if _, err := e.Trend(t.Context(), engine.TrendQuery{Project: "none", Since: now.Add(-time.Hour), Step: time.Minute}); !errors.Is(err, engine.ErrNoProject) {
		t.Error(err)
	}
	small := mustOpen(t, &engine.Options{Now: clock, ChangesBytes: 1})
	if _, err := small.Apply(t.Context(), []engine.Report{{Project: "p", Asset: "a", Open: open}}); err != nil {
		t.Fatal(err)
	}
	if _, err := small.Trend(t.Context(), engine.TrendQuery{Project: "p", Since: now.Add(-time.Hour), Step: time.Minute, By: engine.ByKeyStatus}); !errors.Is(err, engine.ErrTooOld) {
		t.Error(err)
	}
	none := mustOpen(t, &engine.Options{ChangesBytes: -1})
	if _, err := none.Trend(t.Context(), engine.TrendQuery{Project: "p", Since: now.Add(-time.Hour), Step: time.Minute}); !errors.Is(err, engine.ErrNoChanges) {
		t.Error(err)
	}
}

// BenchmarkTrend asks for a day by the minute of a fleet of 100,000 hosts, of which each changed ten times.
func BenchmarkTrend(b *testing.B) {
	now := time.Now().Add(-24 * time.Hour)
	e := mustOpen(b, &engine.Options{Now: func() time.Time { return now }, ChangesBytes: 1 << 30})
	const hosts, rounds = 100_000, 10
	for round := range rounds {
		for from := 0; from < hosts; from += 1000 {
			reports := make([]engine.Report, 1000)
			for i := range reports {
				reports[i] = engine.Report{Project: "p", Asset: fmt.Sprintf("h%d", from+i), Scope: engine.ScopeAll(), Open: []engine.Key{engine.MakeKey(22, engine.TCP), engine.MakeKey(uint16(1000+round), engine.TCP)}}
			}
			if _, err := e.Apply(b.Context(), reports); err != nil {
				b.Fatal(err)
			}
			now = now.Add(80 * time.Second)
		}
	}
	for _, by := range []engine.TrendBy{engine.ByKey, engine.ByEnterpriseProject} {
		b.Run(by.String(), func(b *testing.B) {
			for b.Loop() {
				got, err := e.Trend(b.Context(), engine.TrendQuery{Project: "p", Since: now.Add(-23 * time.Hour), Step: time.Minute, By: by})
				if err != nil || len(got.Lines) == 0 {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("one asset", func(b *testing.B) {
		for b.Loop() {
			list, err := e.Changes(b.Context(), engine.ChangeQuery{Project: "p", Asset: "h77777"})
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for _, err := range list.All(b.Context(), nil) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != 1+2+2*(rounds-1) {
				b.Fatal(n)
			}
		}
	})
}
