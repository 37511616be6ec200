package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"portolan/engine"
	"portolan/engine/enginetest"
)

// expects are the expectations of the test, and what their sets mean.
func expects(t *testing.T) ([]engine.Expectation, []func(engine.Asset) bool) {
	t.Helper()
	keys := func(texts ...string) *engine.KeySet {
		var ranges []engine.Range
		for _, text := range texts {
			ranges = append(ranges, rangeOf(t, text))
		}
		return engine.KeysOf(ranges...)
	}
	env := func(value string) *engine.HostSet {
		return engine.HasLabel("env", func(v string) bool { return v == value })
	}
	list := []engine.Expectation{
		{Name: "prod", Keys: keys("80/tcp", "80/udp", "1/sctp"), Allowed: keys("1-65/tcp"), Where: env("prod"), WhereText: "prod"},
		{Keys: keys("1023-1024/tcp"), KeysText: "1023-1024/tcp", Where: env("test"), WhereText: "test"},
		{Name: "e1", Allowed: keys("1-65535/udp", "80/tcp"), Where: engine.InEnterpriseProject("e1"), WhereText: "e1"},
		{Name: "q only", Keys: keys("2/tcp"), Projects: []string{"q"}},
	}
	return list, []func(engine.Asset) bool{
		func(a engine.Asset) bool { return a.Labels["env"] == "prod" },
		func(a engine.Asset) bool { return a.Labels["env"] == "test" },
		func(a engine.Asset) bool { return a.EnterpriseProject == "e1" },
		func(engine.Asset) bool { return true },
	}
}

// unit is one port that is expected, as the test knows it.
type unit struct {
	line   string
	keys   *engine.KeySet
	looked map[string]bool // the assets that were looked at for it
}

// unitsOf returns the ports of an expectation.
func unitsOf(t *testing.T, s engine.Snapshot, x *engine.Expectation) []unit {
	t.Helper()
	if x.Keys == nil {
		return nil
	}
	byPort := map[uint16]*engine.KeySetBuilder{}
	for r := range x.Keys.Ranges() {
		for port := r.Lo; port <= r.Hi; port++ {
			if byPort[port] == nil {
				byPort[port] = new(engine.KeySetBuilder)
			}
			byPort[port].AddRange(engine.Range{Type: r.Type, Lo: port, Hi: port})
		}
	}
	var units []unit
	for port, b := range byPort {
		u := unit{fmt.Sprintf("closed %d %s%s", port, x.Name, x.KeysText), b.Build(), map[string]bool{}}
		page, err := s.Assets(t.Context(), engine.AssetQuery{Where: engine.LookedAt(u.keys)})
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Rows {
			u.looked[page.Rows[i].ID] = true
		}
		units = append(units, u)
	}
	return units
}

// wantFindings says what there is to find, asset by asset.
func wantFindings(t *testing.T, s engine.Snapshot, project string, assets []engine.Asset) (lines []string, unexpected, missing map[string]bool) {
	t.Helper()
	list, means := expects(t)
	counts, unseen := map[string]int{}, map[string]int{}
	unexpected, missing = map[string]bool{}, map[string]bool{}
	units := make([][]unit, len(list))
	for i := range list {
		units[i] = unitsOf(t, s, &list[i])
	}
	for _, a := range assets {
		var allowed []*engine.KeySet
		covered := false
		for i, x := range list {
			if !means[i](a) || len(x.Projects) > 0 && !slices.Contains(x.Projects, project) {
				continue
			}
			covered = true
			for _, keys := range []*engine.KeySet{x.Keys, x.Allowed} {
				if keys != nil {
					allowed = append(allowed, keys)
				}
			}
			for _, u := range units[i] {
				switch {
				case slices.ContainsFunc(a.Open, u.keys.Contains):
				case u.looked[a.ID]:
					counts[u.line]++
					missing[a.ID] = true
				default:
					unseen[u.line]++
				}
			}
		}
		for _, k := range a.Open {
			if covered && !slices.ContainsFunc(allowed, func(keys *engine.KeySet) bool { return keys.Contains(k) }) {
				counts[fmt.Sprintf("unexpected %v", k)]++
				unexpected[a.ID] = true
			}
		}
	}
	for line := range unseen {
		counts[line] += 0
	}
	for line, n := range counts {
		lines = append(lines, fmt.Sprintf("%s: %d, %d unseen", line, n, unseen[line]))
	}
	slices.Sort(lines)
	return lines, unexpected, missing
}

// TestExpected holds findings and the sets by them against a look at each asset.
func TestExpected(t *testing.T) {
	list, _ := expects(t)
	policy, err := engine.NewPolicy(nil, list...)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(2) {
		e, err := engine.Open(&engine.Options{Policy: policy})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Apply(t.Context(), enginetest.Small(seed, 60)); err != nil {
			t.Fatal(err)
		}
		for _, project := range []string{"p", "q"} {
			s, err := e.Snapshot(project, engine.Host)
			if err != nil {
				t.Fatal(err)
			}
			compareFindings(t, s, project)
		}
		e.Close()
	}
}

func compareFindings(t *testing.T, s engine.Snapshot, project string) {
	t.Helper()
	all := engine.KeysOf(engine.Range{Type: engine.TCP, Lo: 1, Hi: 65535}, engine.Range{Type: engine.UDP, Lo: 1, Hi: 65535}, engine.Range{Type: engine.SCTP, Lo: 1, Hi: 65535}, engine.Range{Type: engine.UDP6, Lo: 1, Hi: 65535})
	for _, view := range []engine.View{engine.All(), engine.In("e1"), engine.In("0", "e2"), engine.In()} {
		for _, where := range []*engine.HostSet{nil, engine.HasOpenCount(func(n int) bool { return n > 1 })} {
			assets, err := s.Assets(t.Context(), engine.AssetQuery{View: view, Where: where})
			if err != nil {
				t.Fatal(err)
			}
			want, unexpected, missing := wantFindings(t, s, project, assets.Rows)
			page, err := s.Findings(t.Context(), engine.FindingQuery{View: view, Where: where})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, row := range page.Rows {
				line := fmt.Sprintf("closed %d %s", row.Port, row.Expectation)
				if row.Finding == engine.UnexpectedOpen {
					line = fmt.Sprintf("unexpected %v", engine.MakeKey(row.Port, row.Type))
				}
				got = append(got, fmt.Sprintf("%s: %d, %d unseen", line, row.Num, row.Unseen))
			}
			slices.Sort(got)
			if !slices.Equal(got, want) || page.Total != len(want) {
				t.Fatalf("project %s: got\n%s\nwant\n%s", project, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			for set, ids := range map[*engine.HostSet]map[string]bool{s.Policy().Unexpected(all): unexpected, s.Policy().Missing(all): missing} {
				if where != nil {
					set = engine.AllOf(where, set)
				}
				found, err := s.Assets(t.Context(), engine.AssetQuery{View: view, Where: set})
				if err != nil || found.Total != len(ids) {
					t.Fatalf("project %s: %d assets are in the set, %v, want %d", project, found.Total, err, len(ids))
				}
			}
			for offset := range page.Rows { // in pages of one
				one, err := s.Findings(t.Context(), engine.FindingQuery{View: view, Where: where, Offset: offset, Limit: 1})
				if err != nil || one.Total != page.Total || len(one.Rows) != 1 || one.Rows[0] != page.Rows[offset] {
					t.Fatalf("row %d: %+v, %v, want %+v", offset, one, err, page.Rows[offset])
				}
			}
		}
	}
}

// TestExpectedRefused: what is wrong is named by number; a policy that expects nothing finds nothing.
func TestExpectedRefused(t *testing.T) {
	few, many := engine.KeysOf(rangeOf(t, "22/tcp")), engine.KeysOf(rangeOf(t, "1-257/tcp"))
	for want, list := range map[string][]engine.Expectation{
		"expected 2: \"no keys\"": {{Keys: few}, {Name: "n"}},
		"expected 1: \"x\"":       {{Keys: few, WhereText: "x"}},
		"expected 1: \"many\"":    {{Keys: many, KeysText: "many"}},
		"expected 65":             slices.Repeat([]engine.Expectation{{Allowed: few}}, 65),
	} {
		if _, err := engine.NewPolicy(nil, list...); !errors.Is(err, engine.ErrInvalid) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	a, err := engine.NewPolicy(nil, engine.Expectation{Keys: few})
	b, errB := engine.NewPolicy(nil, engine.Expectation{Allowed: few})
	none, errNone := engine.NewPolicy(nil)
	if err != nil || errB != nil || errNone != nil || a.Version() == b.Version() || a.Version() == none.Version() {
		t.Errorf("%v, %v, %v: versions %s, %s, %s", err, errB, errNone, a.Version(), b.Version(), none.Version())
	}
	e, err := engine.Open(&engine.Options{Policy: none})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Apply(t.Context(), enginetest.Small(1, 50)); err != nil {
		t.Fatal(err)
	}
	if page, err := e.Findings(t.Context(), engine.FindingQuery{Project: "p"}); err != nil || page.Total != 0 {
		t.Errorf("%+v, %v", page, err)
	}
	for _, set := range []*engine.HostSet{none.Unexpected(many), none.Missing(many)} {
		if page, err := e.Assets(t.Context(), engine.AssetQuery{Project: "p", Where: set}); err != nil || page.Total != 0 {
			t.Errorf("%+v, %v", page, err)
		}
	}
}
