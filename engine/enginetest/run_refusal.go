package enginetest

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest/oracle"
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
		refusal("too many labels", "labels", func(r *engine.Report) {
			r.Labels = map[string]string{}
			for i := range engine.MaxLabels + 1 {
				r.Labels[strconv.Itoa(i)] = "v"
			}
		}),
		refusal("a label without a name", "labels", func(r *engine.Report) { r.Labels = map[string]string{"": "v"} }),
		refusal("a label with a long name", "labels", func(r *engine.Report) { r.Labels = map[string]string{strings.Repeat("n", 129): "v"} }),
		refusal("a label with a name of two", "labels", func(r *engine.Report) { r.Labels = map[string]string{"a": "v", "b=c": "d"} }),
		refusal("a label with a control character", "labels", func(r *engine.Report) { r.Labels = map[string]string{"a\x00": "v"} }),
		refusal("a label with a long value", "labels", func(r *engine.Report) { r.Labels = map[string]string{"n": strings.Repeat("é", 257)} }),
		refusal("a label that is not UTF-8", "labels", func(r *engine.Report) { r.Labels = map[string]string{"n": "\xff"} }),
		refusal("an unknown category", "category", func(r *engine.Report) { r.Category = 7 }),
		refusal("port 0", "open", func(r *engine.Report) { r.Open = append(r.Open, index.MakeKey(0, index.TCP)) }),
		refusal("an unknown type", "open", func(r *engine.Report) { r.Open = append(r.Open, index.MakeKey(80, index.UDP6+1)) }),
		refusal("a time before 1970", "seen", func(r *engine.Report) { r.Seen = time.Unix(0, -1) }),
		refusal("a time after 9999", "seen", func(r *engine.Report) { r.Seen = time.Unix(253402300800, 0) }),
		refusal("a time that overflows", "seen", func(r *engine.Report) { r.Seen = time.Unix(1<<60, 0) }),
		refusal("the last time there is", "seen", func(r *engine.Report) { r.Seen = time.Unix(math.MaxInt64, 999_999_999) }),
		refusal("the first time there is", "seen", func(r *engine.Report) { r.Seen = time.Unix(math.MinInt64, 0) }),
		refusal("a time too far ahead", "seen", func(r *engine.Report) { r.Seen = smallStart.Add(100 * day) }),
		{"the longest texts are allowed", longestTexts},
		{"a refused call leaves what was", refusedLeavesState},
		{"a refused call names its report", refusedNamesReport},
		{"too many assets", tooManyAssets},
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
		r.want("Stats", r.stats(), engine.Stats{})
		r.want("number of projects", len(r.projects()), 0)
		_, err = r.engine.Asset(r.Context(), "p", engine.Host, "x")
		r.wantErr("Asset", err, "no project")
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
	want := oracle.NewReference(r.options())
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

func refusedNamesReport(r *rig) {
	reports := sayAll("x @1 22/tcp", "y @1 22/tcp", "z @1 22/tcp category=container")
	for i := range reports {
		bad := slices.Clone(reports)
		bad[i].Asset = ""
		_, err := r.engine.Apply(r.Context(), bad)
		if fault := (*engine.ReportError)(nil); !errors.As(err, &fault) || fault.Index != i {
			r.Errorf("report %d: %v", i, err)
		}
	}
}

// tooManyAssets: an inventory that is full takes no part of a call, and neither
// does any other one; what it has it goes on with.
func tooManyAssets(r *rig) {
	opts := r.options()
	opts.MaxAssets = 3
	r.engine = r.open(opts)
	defer r.engine.Close()
	r.tell("a @1 22/tcp", "b @1 22/tcp")
	before := r.stats()
	for _, lines := range [][]string{
		{"c @1 1/tcp", "d @1 1/tcp"},
		{"n @1 1/tcp project=new", "m @1 1/tcp project=new category=container", "c @1 1/tcp", "d @1 1/tcp"},
		{"n @1 1/tcp project=a", "c @1 1/tcp", "d @1 1/tcp", "a @2 [all]", "m @1 project=z"},
		{"a @1 project=new", "b @1 project=new", "c @1 project=new", "d @1 project=new"},
	} {
		result, err := r.engine.Apply(r.Context(), sayAll(lines...))
		r.wantErr(strings.Join(lines, ", "), err, "full")
		r.want("Result", result, engine.Result{})
		r.want("Stats", r.stats(), before)
		r.want("projects", r.projects(), []string{"p"})
	}
	r.wantPorts(engine.PortQuery{Project: "p"}, 1, "2 22/tcp danger")
	r.apply(sayAll("a @2 [all]", "c @1 1/tcp", "c @2 2/tcp", "c @3 3/tcp", "b @2", "x @1 category=container", "n @1 project=new")...)
	r.want("Stats", r.stats(), engine.Stats{Projects: 2, Assets: 5, Observations: 4, Keys: 4})
	r.remove(engine.Host, "a")
	r.tell("d @1 1/tcp")
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
		{engine.PortQuery{Project: "p", Status: 9}, "field status"},
		{engine.PortQuery{Project: "nobody", Status: 9}, "no project"},
		{engine.PortQuery{Project: "p", Port: 99999, Status: 9}, "field status"},
		{engine.PortQuery{Project: "p", Type: 9}, "field type"},
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
		{engine.HostQuery{Project: "p", Port: 22, Status: 9}, "field status"},
		{engine.HostQuery{Project: "p", Asset: "x", Status: 9}, "field status"},
		{engine.HostQuery{Project: "nobody", Port: 99999, Status: 9}, "no project"},
		{engine.HostQuery{Asset: "x"}, "field project_id"},
		{engine.HostQuery{Project: "p", Port: 22, Type: 9}, "field type"},
		{engine.HostQuery{Project: "p", Name: "x", Type: engine.TCP}, "field port"},
	} {
		_, err := r.engine.Hosts(r.Context(), c.q)
		r.wantErr("hosts "+describeHosts(c.q), err, c.want)
	}
}
