package enginetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"portolan/engine"
	"portolan/engine/enginetest/oracle"
)

// labelCases are about labels: what reports make of them, and counts by them.
func labelCases() []suiteCase {
	return []suiteCase{
		labelRule("the newest value stands", "env=b", "x @1 label.env=c", "x @2 label.env=b"),
		labelRule("at equal times the greater value", "env=c", "x @1 label.env=c", "x @1 label.env=b"),
		labelRule("each label is for itself", "env=a rack=1", "x @1 label.env=a", "x @2 label.rack=1"),
		labelRule("a report without labels says nothing of them", "env=a", "x @1 label.env=a", "x @2 [all] 22/tcp"),
		labelRule("one that is taken away", "rack=1", "x @1 label.env=a label.rack=1", "x @2 label.env="),
		labelRule("one that is given again", "env=a", "x @1 label.env=a", "x @2 label.env=", "x @3 label.env=a"),
		labelRule("one that was taken away later", "", "x @2 label.env=", "x @1 label.env=a"),
		labelRule("at equal times it is not taken away", "env=a", "x @1 label.env=", "x @1 label.env=a"),
		labelRule("one that nobody gave is taken away", "", "x @1 label.env="),
		labelRule("beside keys, times and texts", "env=b rack=1", "x @1 [all] 22/tcp label.env=a name=n", "x @3 [1-100/tcp] label.env=b 80/tcp", "x @2 label.rack=1 443/tcp group=e1"),
		{"what becomes of labels", labelResults},
		{"an asset with labels is replaced and removed", labelledLife},
		{"more labels than are kept", manyLabels},
		{"counts by value", countsByValue},
		{"values in pages", valuesInPages},
		{"the engine keeps no maps", keepsNoMaps},
	}
}

// labelRule tries reports about host x in every order, each on a project of its own.
func labelRule(name, want string, lines ...string) suiteCase {
	return suiteCase{name, func(r *rig) {
		n := 0
		permute(sayAll(lines...), 0, func(reports []engine.Report) {
			one, together := fmt.Sprint("one", n), fmt.Sprint("together", n)
			n++
			all := make([]engine.Report, 0, len(reports))
			for _, report := range reports {
				report.Project = one
				r.apply(report)
				report.Project = together
				all = append(all, report)
			}
			r.apply(all...)
			for _, project := range []string{one, together} {
				a, err := r.engine.Asset(r.Context(), project, engine.Host, "x")
				if got := labelsText(a.Labels); got != want || err != nil {
					r.Errorf("%s: labels %q (error %v), want %q", project, got, err, want)
				}
			}
		})
	}}
}

func labelsText(labels map[string]string) string {
	words := make([]string, 0, len(labels))
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, name+"="+labels[name])
	}
	return strings.Join(words, " ")
}

func labelResults(r *rig) {
	const (
		applied   = "applied 1 unchanged 0 stale 0 clamped 0"
		unchanged = "applied 0 unchanged 1 stale 0 clamped 0"
		stale     = "applied 0 unchanged 0 stale 1 clamped 0"
	)
	for i, step := range []struct{ line, want string }{
		{"x @5", applied},
		{"x @5 label.env=a", applied},
		{"x @5 label.env=a", unchanged},
		{"x @6 label.env=a", unchanged},
		{"x @5 label.env=b", stale},
		{"x @6 label.env=b", applied},
		{"x @4 label.rack=1", applied}, // late, but the first
		{"x @4 label.rack=1", stale},
		{"x @5 label.rack=1", unchanged}, // late, but it moves a time
		{"x @5 label.env=z label.rack=2", applied},
		{"x @7 label.env=", applied},
		{"x @8 label.env=", unchanged},
		{"x @7 label.env=a", stale},
		{"x @8 label.none=", unchanged},
		{"x @7 label.none=a", stale},
		{"y @1 [all] 22/tcp", applied},
		{"y @2 [all] 22/tcp label.none=", unchanged}, // though it is more than a time
		{"y @3 [all] 22/tcp label.none= label.env=a", applied},
		{"y @4 [all] 22/tcp label.none= label.rack=", unchanged},
		{"y @5 [all] 22/tcp label.env=", applied},
		{"y @6 [all] 22/tcp name=n label.env=", applied},
		{"y @7 [all] 22/tcp name=n label.env=", unchanged},
	} {
		if got := resultText(r.apply(say(step.line))); got != step.want {
			r.Errorf("step %d, %s: %s, want %s", i+1, step.line, got, step.want)
		}
	}
}

// labelledLife is one asset that full reports follow each other about, and one that goes.
func labelledLife(r *rig) {
	want := oracle.NewReference(r.options())
	tell := func(lines ...string) {
		r.Helper()
		r.apply(sayAll(lines...)...)
		_, err := want.Apply(r.Context(), sayAll(lines...))
		r.wantErr("Apply", err, "")
		if diff := Diff(r.Context(), want, r.engine); diff != "" {
			r.Errorf("after %q: %s", lines, diff)
		}
		r.wantErr("Check", r.engine.Check(r.Context()), "")
	}
	tell("x @1 [all] 22/tcp label.env=a label.rack=1", "y @1 [all] 22/tcp label.env=a label.rack=1")
	tell("x @2 [all] 22/tcp 80/tcp")
	tell("x @3 [all] 22/tcp label.env=a label.rack=1")
	tell("x @4 [all] 22/tcp label.env=b")
	tell("x @5 [all] 443/tcp label.rack= name=n")
	tell("x @2 [all] 443/tcp label.rack=7 label.late=1")
	tell("y @6 label.env=b", "y @7 label.env=a", "x @7 label.env=c", "x @8 label.env=b")
	for _, id := range []string{"y", "x"} {
		r.remove(engine.Host, id)
		_, err := want.Remove(r.Context(), "p", engine.Host, id)
		r.wantErr("Remove", err, "")
		tell()
	}
	tell("x @1 [all] 22/tcp label.env=a")
}

// manyLabels gives an asset more labels than it keeps, at many times and in several orders.
func manyLabels(r *rig) {
	const n = 3 * engine.MaxLabels
	rng := newRand(1, "labels")
	reports := make([]engine.Report, 0, n)
	for i := range n {
		name := fmt.Sprintf("n%03d", rng.IntN(n))
		reports = append(reports, say(fmt.Sprintf("x @%d label.%s=%s label.%s2=%d", rng.IntN(smallTimes*4), name, []string{"", "v", "w"}[i%3], name, i%2)))
	}
	want := ""
	for round := range 4 {
		r.engine = r.another()
		some := shuffled(rng, reports)
		if round > 1 {
			some = repeated(rng, some)
		}
		ref := oracle.NewReference(r.options())
		for len(some) > 0 {
			k := min(len(some), 1+rng.IntN(9))
			if round == 3 {
				k = len(some)
			}
			got := r.apply(some[:k]...)
			result, err := ref.Apply(r.Context(), some[:k])
			r.wantErr("Apply", err, "")
			r.want("what became of them", resultText(got), resultText(result))
			some = some[k:]
		}
		if diff := Diff(r.Context(), ref, r.engine); diff != "" {
			r.Fatal(diff)
		}
		got := labelsText(r.asset(engine.Host, "x").Labels)
		if round > 0 && got != want {
			r.Errorf("round %d: labels %s, want %s", round, got, want)
		}
		want = got
	}
}

func countsByValue(r *rig) {
	r.apply(sayAll(
		"a @1 [all] 22/tcp label.env=prod label.rack=1", "b @1 [all] 22/tcp 80/tcp label.env=prod group=e1",
		"c @1 [all] 443/tcp label.env=test group=e1", "d @1 [all]", "a @1 category=container label.env=dev")...)
	for _, c := range []struct {
		q    engine.GroupQuery
		want string
	}{
		{engine.GroupQuery{Label: "env"}, "2 of 4, 1 without: prod 2, test 1"},
		{engine.GroupQuery{Label: "env", Descending: true}, "2 of 4, 1 without: test 1, prod 2"},
		{engine.GroupQuery{Label: "env", ByNum: true}, "2 of 4, 1 without: test 1, prod 2"},
		{engine.GroupQuery{Label: "env", View: engine.In("e1")}, "2 of 2, 0 without: prod 1, test 1"},
		{engine.GroupQuery{Label: "env", View: engine.In("0")}, "1 of 2, 1 without: prod 1"},
		{engine.GroupQuery{Label: "env", Where: with443}, "1 of 1, 0 without: test 1"},
		{engine.GroupQuery{Label: "env", Category: engine.Container}, "1 of 1, 0 without: dev 1"},
		{engine.GroupQuery{Label: "rack"}, "1 of 4, 3 without: 1 1"},
		{engine.GroupQuery{Label: "none"}, "0 of 4, 4 without: "},
		{engine.GroupQuery{}, "2 of 4, 0 without: 0 2, e1 2"},
		{engine.GroupQuery{View: engine.In("e1")}, "1 of 2, 0 without: e1 2"},
		{engine.GroupQuery{Where: with443}, "1 of 1, 0 without: e1 1"},
		{engine.GroupQuery{View: engine.In()}, "0 of 0, 0 without: "},
	} {
		c.q.Project = "p"
		page, err := r.engine.Groups(r.Context(), c.q)
		r.wantErr("Groups", err, "")
		r.want(fmt.Sprintf("groups by %q", c.q.Label), groupsText(page), c.want)
	}
}

func groupsText(page engine.GroupPage) string {
	rows := make([]string, len(page.Rows))
	for i, row := range page.Rows {
		rows[i] = fmt.Sprint(row.Value, " ", row.Num)
	}
	return fmt.Sprintf("%d of %d, %d without: %s", page.Total, page.Assets, page.Without, strings.Join(rows, ", "))
}

// valuesInPages puts pages of every size together and wants the whole, in every order.
func valuesInPages(r *rig) {
	for i := range 9 {
		r.tell(fmt.Sprintf("x%d @1 label.n=%d", i, i*i%7))
	}
	for _, byNum := range []bool{false, true} {
		for _, descending := range []bool{false, true} {
			q := engine.GroupQuery{Project: "p", Label: "n", ByNum: byNum, Descending: descending}
			whole, err := r.engine.Groups(r.Context(), q)
			r.wantErr("Groups", err, "")
			for q.Limit = 1; q.Limit < 6; q.Limit++ {
				var together []engine.GroupCount
				for q.Offset = 0; ; q.Offset += q.Limit {
					page, err := r.engine.Groups(r.Context(), q)
					r.wantErr("Groups", err, "")
					r.want("total", page.Total, whole.Total)
					if len(page.Rows) == 0 {
						break
					}
					together = append(together, page.Rows...)
				}
				r.want("pages", together, whole.Rows)
			}
		}
	}
}

// keepsNoMaps changes what was handed in after the call.
func keepsNoMaps(r *rig) {
	report := say("x @1 label.env=a")
	r.apply(report)
	report.Labels["env"] = "b"
	a := r.asset(engine.Host, "x")
	r.want("labels", labelsText(a.Labels), "env=a")
	a.Labels["env"] = "c"
	r.want("labels again", labelsText(r.asset(engine.Host, "x").Labels), "env=a")
}
