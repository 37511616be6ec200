package enginetest

import (
	"strings"
	"time"

	"portolan/engine"
	"portolan/index"
)

// refusalCases are reports and questions that are not allowed.
func refusalCases() []suiteCase {
	return []suiteCase{
		refusal("no project", "project_id", func(r *engine.Report) { r.Project = "" }),
		refusal("a long project", "project_id", func(r *engine.Report) { r.Project = strings.Repeat("p", 257) }),
		refusal("no asset", "asset", func(r *engine.Report) { r.Asset = "" }),
		refusal("a long asset", "asset", func(r *engine.Report) { r.Asset = strings.Repeat("é", 257) }),
		refusal("an asset that is not UTF-8", "asset", func(r *engine.Report) { r.Asset = "\xff" }),
		refusal("a long name", "name", func(r *engine.Report) { r.Name = strings.Repeat("n", 257) }),
		refusal("a long address", "address", func(r *engine.Report) { r.Address = strings.Repeat("1", 257) }),
		refusal("every enterprise project", "enterprise_project_id", func(r *engine.Report) { r.EnterpriseProject = engine.AllEnterpriseProjects }),
		refusal("a long enterprise project", "enterprise_project_id", func(r *engine.Report) { r.EnterpriseProject = strings.Repeat("e", 129) }),
		refusal("an unknown category", "category", func(r *engine.Report) { r.Category = 7 }),
		refusal("port 0", "open", func(r *engine.Report) { r.Open = append(r.Open, index.MakeKey(0, index.TCP)) }),
		refusal("an unknown type", "open", func(r *engine.Report) { r.Open = append(r.Open, index.MakeKey(80, index.NumTypes)) }),
		refusal("a time too far ahead", "seen", func(r *engine.Report) { r.Seen = smallStart.Add(100 * day) }),
		{"the longest texts are allowed", longestTexts},
		{"a refused call leaves what was", refusedLeavesState},
		{"questions that are not allowed", badQuestions},
	}
}

// refusal puts one spoilt report in the middle of good ones: none may count.
func refusal(name, field string, spoil func(*engine.Report)) suiteCase {
	return suiteCase{name, func(r *rig) {
		reports := sayAll("x @1 [all] 22/tcp", "y @1 [all] 22/tcp", "z @1 [all] 22/tcp project=q")
		spoil(&reports[1])
		result, err := r.engine.Apply(r.Context(), reports)
		r.wantErr("Apply", err, "field "+field)
		r.want("Result", result, engine.Result{})
		r.want("Stats", r.engine.Stats(), engine.Stats{})
		r.want("number of projects", len(r.engine.Projects()), 0)
		_, err = r.engine.Asset(r.Context(), "p", engine.Host, "x")
		r.wantErr("Asset", err, "not found")
	}}
}

func longestTexts(r *rig) {
	report := engine.Report{
		Project: strings.Repeat("é", 256), Asset: strings.Repeat("é", 256), Name: strings.Repeat("é", 256),
		Address: strings.Repeat("é", 256), EnterpriseProject: strings.Repeat("é", 128),
	}
	r.apply(report)
	_, err := r.engine.Asset(r.Context(), report.Project, engine.Host, report.Asset)
	r.wantErr("Asset", err, "")
}

func refusedLeavesState(r *rig) {
	want := NewReference(r.options())
	good := sayAll("x @3 [all] 22/tcp name=a group=e1", "y @3 80/tcp")
	r.apply(good...)
	_, err := want.Apply(r.Context(), good)
	r.wantErr("Apply", err, "")
	bad := sayAll("x @5 [all] 443/tcp name=b group=e2", "new @5 1/tcp", "y @5 [all]")
	bad[2].Seen = r.clock.now().Add(2 * engine.MaxAhead)
	_, err = r.engine.Apply(r.Context(), bad)
	r.wantErr("Apply", err, "field seen")
	r.clock.advance(time.Second)
	if diff := Diff(r.Context(), want, r.engine); diff != "" {
		r.Error(diff)
	}
	r.want("what a report in between becomes", r.tell("x @4 name=a"), []string{"applied 0 unchanged 1 stale 0 clamped 0"})
}

func badQuestions(r *rig) {
	r.tell("x @1 [all] 22/tcp")
	for _, c := range []struct {
		q    engine.PortQuery
		want string
	}{
		{engine.PortQuery{}, "field project_id"},
		{engine.PortQuery{Project: "p", Offset: -1}, "field offset"},
		{engine.PortQuery{Project: "p", Limit: -1}, "field limit"},
		{engine.PortQuery{Project: "p", Status: "DANGER"}, "field status"},
		{engine.PortQuery{Project: "nobody", Status: "bad"}, "field status"},
		{engine.PortQuery{Project: "p", Port: 99999, Status: "bad"}, "field status"},
	} {
		_, err := r.engine.Ports(r.Context(), c.q)
		r.wantErr(describePorts(c.q), err, c.want)
	}
	for _, c := range []struct {
		q    engine.HostQuery
		want string
	}{
		{engine.HostQuery{Port: 22}, "field project_id"},
		{engine.HostQuery{Project: "p", Port: 22, Offset: -1}, "field offset"},
		{engine.HostQuery{Project: "p", Port: 22, Limit: -1}, "field limit"},
		{engine.HostQuery{Project: "p", Port: 22, Status: "DANGER"}, "field status"},
		{engine.HostQuery{Project: "p", Asset: "x", Status: "bad"}, "field status"},
		{engine.HostQuery{Project: "nobody", Port: 99999, Status: "bad"}, "field status"},
		{engine.HostQuery{Asset: "x"}, "field project_id"},
	} {
		_, err := r.engine.Hosts(r.Context(), c.q)
		r.wantErr("hosts "+describeHosts(c.q), err, c.want)
	}
}
