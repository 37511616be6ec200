package enginetest

import (
	"slices"
	"strconv"

	"portolan/engine"
	"portolan/engine/enginetest/oracle"
	"portolan/index"
)

// ruleCases are the report rule: what is open after some reports about host x.
// Each case is tried in every order of its reports.
func ruleCases() []suiteCase {
	return append([]suiteCase{
		ruleCase("a full report replaces", "22/tcp",
			"x @1 [all] 22/tcp 80/tcp", "x @2 [all] 22/tcp"),
		ruleCase("a full report of nothing closes all", "",
			"x @1 [all] 22/tcp 80/udp6 1/sctp", "x @2 [all]"),
		ruleCase("a range closes only what it looked at", "22/tcp 80/udp 2000/tcp",
			"x @1 [all] 22/tcp 80/tcp 80/udp 1024/tcp 2000/tcp", "x @2 [1-1024/tcp] 22/tcp"),
		ruleCase("a range's edges are inside", "63/tcp 66/tcp",
			"x @1 63/tcp 64/tcp 65/tcp 66/tcp", "x @2 [64-65/tcp]"),
		ruleCase("a range of every port has both ends", "1/udp 65535/udp",
			"x @1 1/tcp 65535/tcp 1/udp 65535/udp", "x @2 [1-65535/tcp]"),
		ruleCase("a type is not its IPv6 sibling", "80/tcp6",
			"x @1 80/tcp 80/tcp6", "x @2 [80/tcp]"),
		ruleCase("an additive report closes nothing", "22/tcp 53/udp 80/tcp",
			"x @1 [all] 22/tcp 80/tcp", "x @2 53/udp"),
		ruleCase("an additive report of nothing is a look", "",
			"x @1"),
		ruleCase("a key may be open outside the scope", "22/tcp 53/udp",
			"x @1 [1-1024/tcp] 22/tcp 53/udp"),
		ruleCase("at equal times open wins", "22/tcp 80/tcp",
			"x @1 [all] 22/tcp", "x @1 [all] 80/tcp"),
		ruleCase("at equal times open wins over a look at nothing", "22/tcp",
			"x @1 22/tcp", "x @1 [all]"),
		ruleCase("closing and opening again", "22/tcp",
			"x @1 22/tcp", "x @2 [all]", "x @3 22/tcp"),
		ruleCase("a key between two looks stays closed", "",
			"x @1 [all]", "x @2 22/tcp", "x @3 [all]"),
		ruleCase("a confirmed key outlives an older look", "22/tcp",
			"x @1 [all] 22/tcp", "x @3 22/tcp", "x @2 [all]"),
		ruleCase("a look at part is newer than a look at all", "80/tcp",
			"x @2 [1-64/tcp]", "x @1 [all] 22/tcp 80/tcp"),
		ruleCase("each key has its own newest evidence", "22/tcp 100/tcp",
			"x @1 [1-100/tcp] 22/tcp 50/tcp", "x @2 [40-60/tcp]", "x @3 100/tcp 22/tcp", "x @2 [90-200/tcp] 150/tcp", "x @4 [150/tcp]"),
		ruleCase("keys at the ends of words and of the range", "1/tcp 63/tcp 64/tcp 65/tcp 1023/tcp 1024/tcp 65535/tcp",
			"x @1 [all] 1/tcp 63/tcp 64/tcp 65/tcp 1023/tcp 1024/tcp 65535/tcp"),
		ruleCase("a key named twice is open once", "22/tcp",
			"x @1 [all] 22/tcp 22/tcp"),
	}, manyLooks(), keepsNoSlices(), resultCases())
}

// ruleCase tries the reports in every order, each on a project of its own.
func ruleCase(name, open string, lines ...string) suiteCase {
	return suiteCase{name, func(r *rig) {
		n := 0
		permute(sayAll(lines...), 0, func(reports []engine.Report) {
			project := "p" + strconv.Itoa(n)
			n++
			for _, report := range reports {
				report.Project = project
				r.apply(report)
			}
			a, err := r.engine.Asset(r.Context(), project, engine.Host, "x")
			if got := keysText(a.Open); got != open || err != nil {
				r.Errorf("order %d: open keys %q (error %v), want %q", n, got, err, open)
			}
		})
	}}
}

// permute visits every order of the list's elements from i on.
func permute[T any](list []T, i int, visit func([]T)) {
	if i >= len(list) {
		visit(list)
		return
	}
	for j := i; j < len(list); j++ {
		list[i], list[j] = list[j], list[i]
		permute(list, i+1, visit)
		list[i], list[j] = list[j], list[i]
	}
}

// manyLooks gives an asset more looks than an engine may want to keep, in
// order, so that nothing may be noticed.
func manyLooks() suiteCase {
	return suiteCase{"many looks in order", func(r *rig) {
		want := oracle.NewReference(r.options())
		for i := range 150 {
			low := uint16(1 + i*37%200)
			report := engine.Report{
				Project: "p", Asset: "x", Seen: smallTime(i),
				Scope: engine.ScopeOf(index.Range{Type: index.TCP, Lo: low, Hi: low + uint16(i%9)}),
				Open:  []index.Key{index.MakeKey(low+uint16(i%4), index.TCP), index.MakeKey(uint16(1+i*53%211), index.TCP)},
			}
			r.apply(report)
			_, err := want.Apply(r.Context(), []engine.Report{report})
			r.wantErr("Apply", err, "")
		}
		if diff := Diff(r.Context(), want, r.engine); diff != "" {
			r.Error(diff)
		}
	}}
}

// keepsNoSlices changes what was handed in after the call.
func keepsNoSlices() suiteCase {
	return suiteCase{"the engine keeps no slices", func(r *rig) {
		reports := sayAll("x @1 [all] 22/tcp 80/tcp", "y @1 443/tcp")
		r.apply(reports...)
		for i := range reports {
			for j := range reports[i].Open {
				reports[i].Open[j] = index.MakeKey(9, index.UDP)
			}
		}
		slices.Reverse(reports)
		r.wantOpen("x", "22/tcp 80/tcp")
		r.wantPorts(engine.PortQuery{Project: "p"}, 3, "1 22/tcp danger", "1 80/tcp normal", "1 443/tcp normal")
	}}
}

// resultCases say what becomes of each report, in order.
func resultCases() suiteCase {
	const (
		applied   = "applied 1 unchanged 0 stale 0 clamped 0"
		unchanged = "applied 0 unchanged 1 stale 0 clamped 0"
		stale     = "applied 0 unchanged 0 stale 1 clamped 0"
	)
	steps := []struct{ line, want string }{
		{"x @5 [all]", applied}, // a new asset
		{"x @5 [all]", unchanged},
		{"x @5 22/tcp", applied}, // open wins
		{"x @5 [all]", unchanged},
		{"x @6 [all] 22/tcp", unchanged},
		{"x @5 [all] 22/tcp 80/tcp", stale},
		{"x @5 name=old", applied}, // late, but the first name
		{"x @4 name=older", stale},
		{"x @5 name=new", stale}, // the lesser text
		{"x @6 name=new", applied},
		{"x @6 name=new group=0", unchanged}, // where it already was
		{"x @5 group=e1", stale},
		{"x @6 group=e1", applied}, // the greater text
		{"x @6 address=10.0.0.1", applied},
		{"x @7", unchanged},
		{"x @6 [1-100/tcp]", stale},
		{"x @7 [1-100/tcp]", applied}, // closes
		{"x @3", stale},
		{"y @3", applied},
		{"x @3 category=container", applied},
		{"x @3 project=q", applied},
		{"w @5 22/tcp", applied},
		{"w @3 [80/tcp]", unchanged}, // late, but a look that a later report may meet
		{"w @3 [80/tcp]", stale},
		{"w @2 80/tcp", stale},
		{"w @2 [79-80/tcp]", unchanged},
		{"w @3 [79/tcp]", unchanged}, // lies inside none that is as new
		{"w @3 [79/tcp]", stale},
		{"w @4 80/tcp", applied},
		{"w @4 80/tcp", stale},
		{"w @2 name=n", applied},
		{"w @3 name=n", unchanged}, // a name given between the two no longer counts
		{"w @3 name=n", stale},
		{"w @2 name=z", stale},
		{"w @3 [100/tcp] 443/tcp", applied},
		{"w @4 443/tcp", unchanged}, // a look between the two no longer closes it
		{"w @4 443/tcp", stale},
		{"w @1 group=0", unchanged},
		{"w @1 group=0", stale},
	}
	return suiteCase{"what becomes of reports", func(r *rig) {
		for i, step := range steps {
			if got := resultText(r.apply(say(step.line))); got != step.want {
				r.Errorf("step %d, %s: %s, want %s", i+1, step.line, got, step.want)
			}
		}
		r.want("one call", resultText(r.apply(sayAll("z @5 22/tcp", "z @5 22/tcp", "z @4", "z @6 80/tcp")...)),
			"applied 2 unchanged 1 stale 1 clamped 0")
		r.want("no reports", resultText(r.apply()), "applied 0 unchanged 0 stale 0 clamped 0")
	}}
}
