package enginetest

import (
	"slices"
	"strings"

	"portolan/engine"
)

// lifecycleCases are about assets that come and go, and about the end.
func lifecycleCases() []suiteCase {
	return []suiteCase{
		{"an asset", oneAsset},
		{"an asset that is not there", missingAsset},
		{"host x and container x are two", hostAndContainer},
		{"an asset with nothing open exists", func(r *rig) {
			r.tell("x @1 [all]")
			r.wantOpen("x", "")
			r.want("Stats", r.stats(), engine.Stats{Projects: 1, Assets: 1})
		}},
		{"a removed asset is gone", removedIsGone},
		{"a removed asset leaves no trace", removedLeavesNoTrace},
		{"assets removed together", removedTogether},
		{"a list of assets", listOfAssets},
		{"a list of enterprise projects", listOfGroups},
		{"a removed asset's place is taken", placeIsTaken},
		{"stats and projects", statsAndProjects},
		{"a removed project is gone", removedProject},
		{"after Close", afterClose},
	}
}

func oneAsset(r *rig) {
	r.tell("x @4 [all] 443/tcp 22/tcp 22/tcp6 name=web address=10.0.0.1 group=e1", "x @2 443/tcp")
	got := r.asset(engine.Host, "x")
	got.LastSeen, got.Version = got.LastSeen.UTC(), 0
	r.want("asset", got, engine.Asset{
		ID: "x", Name: "web", Address: "10.0.0.1", EnterpriseProject: "e1",
		LastSeen: smallTime(4), Open: keysOf("22/tcp", "22/tcp6", "443/tcp"),
	})
}

// removedProject: a project that is removed is one that never was, and the others are as they
// were.
func removedProject(r *rig) {
	r.tell("x @5 [all] 22/tcp name=old group=e1", "y @1 [all] 80/tcp", "x project=q @1 [all] 22/tcp", "x category=container @5 [all] 443/tcp")
	result, err := r.engine.RemoveProject(r.Context(), "p")
	r.wantErr("RemoveProject", err, "")
	r.want("removed", result.Removed, 3)
	r.want("projects", r.projects(), []string{"q"})
	r.want("stats", r.stats(), engine.Stats{Projects: 1, Assets: 1, Observations: 1, Keys: 1})
	_, err = r.engine.Asset(r.Context(), "p", engine.Host, "x")
	r.wantErr("Asset", err, "no project")
	_, err = r.engine.RemoveProject(r.Context(), "p")
	r.wantErr("RemoveProject of what is gone", err, "no project")
	_, err = r.engine.RemoveProject(r.Context(), "")
	r.wantErr("RemoveProject of nothing", err, "field project_id")
	r.tell("x @2 53/udp") // later than nothing that is remembered
	got := r.asset(engine.Host, "x")
	r.want("name", got.Name, "")
	r.wantOpen("x", "53/udp")
}

func missingAsset(r *rig) {
	r.tell("x @1 [all] 22/tcp")
	for _, c := range []struct {
		project  string
		category engine.Category
		id, kind string
	}{
		{"p", engine.Host, "y", "no asset"},
		{"p", engine.Host, "", "no asset"},
		{"p", engine.Container, "x", "no asset"},
		{"q", engine.Host, "x", "no project"},
		{"", engine.Host, "x", "field project_id"},
	} {
		_, err := r.engine.Asset(r.Context(), c.project, c.category, c.id)
		r.wantErr("Asset", err, c.kind)
		r.removeOf(c.project, c.category, 0, c.kind, c.id)
	}
	r.want("projects", r.projects(), []string{"p"})
}

func hostAndContainer(r *rig) {
	r.tell("x @1 [all] 22/tcp name=h", "x @2 [all] 80/tcp category=container group=e1")
	r.wantOpen("x", "22/tcp")
	r.want("container's keys", keysText(r.asset(engine.Container, "x").Open), "80/tcp")
	r.want("container's name", r.asset(engine.Container, "x").Name, "")
	r.want("category", r.asset(engine.Container, "x").Category, engine.Container)
	r.remove(engine.Container, "x")
	r.wantOpen("x", "22/tcp")
	r.wantPorts(engine.PortQuery{Project: "p", Category: engine.Container}, 0)
}

func removedIsGone(r *rig) {
	r.apply(sample...)
	r.remove(engine.Host, "c")
	r.removeOf("p", engine.Host, 0, "no asset", "c")
	_, err := r.engine.Asset(r.Context(), "p", engine.Host, "c")
	r.wantErr("Asset", err, "no asset")
	r.wantPorts(engine.PortQuery{Project: "p", View: engine.In("e1")}, 4,
		"1 80/tcp normal", "1 80/tcp6 unknown", "1 123/udp danger", "1 8080/tcp unknown")
	r.want("hosts", hostLines(r.hosts(engine.HostQuery{Project: "p", Port: 80, Type: engine.TCP})), []string{"a 80/tcp", "b 80/tcp"})
	for _, id := range []string{"a", "b", "d", "e"} {
		r.remove(engine.Host, id)
	}
	r.remove(engine.Container, "a")
	r.wantPorts(engine.PortQuery{Project: "p"}, 0)
	r.want("Stats", r.stats(), engine.Stats{Projects: 1})
	r.want("projects", r.projects(), []string{"p"})
}

// removedLeavesNoTrace adds the asset again with older reports than before.
func removedLeavesNoTrace(r *rig) {
	r.tell("x @5 [all] 22/tcp 80/tcp name=old address=10.0.0.1 group=e1")
	r.remove(engine.Host, "x")
	r.want("the first report again", r.tell("x @1 22/tcp"), []string{"applied 1 unchanged 0 stale 0 clamped 0"})
	r.tell("x @2 443/tcp name=new")
	got := r.asset(engine.Host, "x")
	got.LastSeen, got.Version = got.LastSeen.UTC(), 0
	r.want("asset", got, engine.Asset{
		ID: "x", Name: "new", EnterpriseProject: "0", LastSeen: smallTime(2), Open: keysOf("22/tcp", "443/tcp"),
	})
	r.wantPorts(engine.PortQuery{Project: "p", View: engine.In("e1")}, 0)
}

// placeIsTaken adds another asset after a removal; it may get the old one's number.
func placeIsTaken(r *rig) {
	r.tell("x @5 [all] 22/tcp group=e1 name=old", "y @5 [all] 80/tcp")
	r.remove(engine.Host, "x")
	r.tell("z @1 443/tcp")
	r.want("name", r.asset(engine.Host, "z").Name, "")
	r.wantOpen("z", "443/tcp")
	r.wantPorts(engine.PortQuery{Project: "p"}, 2, "1 80/tcp normal", "1 443/tcp normal")
	r.wantPorts(engine.PortQuery{Project: "p", View: engine.In("0")}, 2, "1 80/tcp normal", "1 443/tcp normal")
	r.tell("x @1 7/tcp")
	r.wantOpen("x", "7/tcp")
}

func statsAndProjects(r *rig) {
	r.want("number of projects", len(r.projects()), 0)
	r.want("Stats", r.stats(), engine.Stats{})
	r.apply(sample...)
	r.tell("x @1 80/tcp project=z", "x @1 80/tcp project=b", "y @1 project=b category=container")
	r.want("projects", r.projects(), []string{"b", "p", "z"})
	r.want("Stats", r.stats(), engine.Stats{Projects: 3, Assets: 9, Observations: 17, Keys: 14})
}

func afterClose(r *rig) {
	ctx := r.Context()
	r.apply(sample...)
	r.wantErr("Close", r.engine.Close(), "")
	_, err := r.engine.Apply(ctx, sample)
	r.wantErr("Apply", err, "closed")
	_, err = r.engine.Apply(ctx, nil)
	r.wantErr("Apply of nothing", err, "closed")
	_, err = r.engine.Ports(ctx, engine.PortQuery{Project: "p"})
	r.wantErr("Ports", err, "closed")
	_, err = r.engine.Hosts(ctx, engine.HostQuery{Project: "p", Port: 80})
	r.wantErr("Hosts", err, "closed")
	_, err = r.engine.Asset(ctx, "p", engine.Host, "a")
	r.wantErr("Asset", err, "closed")
	r.removeOf("p", engine.Host, 0, "closed", "a")
	_, err = r.engine.Expire(ctx)
	r.wantErr("Expire", err, "closed")
	r.wantErr("Check", r.engine.Check(ctx), "closed")
	_, err = r.engine.Assets(ctx, engine.AssetQuery{Project: "p"})
	r.wantErr("Assets", err, "closed")
	_, err = r.engine.EnterpriseProjects(ctx, "p")
	r.wantErr("EnterpriseProjects", err, "closed")
	_, err = r.engine.Projects()
	r.wantErr("Projects", err, "closed")
	_, err = r.engine.Stats()
	r.wantErr("Stats", err, "closed")
	r.wantErr("Close again", r.engine.Close(), "closed")
}

// removedTogether removes many assets in one call; those that are not there keep
// none of the others.
func removedTogether(r *rig) {
	r.apply(sample...)
	before := r.ports(engine.PortQuery{Project: "p"}).Version
	r.removeOf("p", engine.Host, 2, "no asset", "a", "nobody", "b", "a")
	r.want("versions", r.ports(engine.PortQuery{Project: "p"}).Version, before+1)
	r.removeOf("p", engine.Host, 0, "no asset", "a", "b")
	r.removeOf("p", engine.Host, 0, "")
	r.want("versions after nothing", r.ports(engine.PortQuery{Project: "p"}).Version, before+1)
	r.wantPorts(engine.PortQuery{Project: "p", Port: 80}, 2, "1 80/tcp normal", "1 80/udp unknown")
	r.removeOf("p", engine.Host, 3, "", "c", "d", "e")
	r.wantPorts(engine.PortQuery{Project: "p"}, 0)
}

// listOfAssets pages through the assets of the sample.
func listOfAssets(r *rig) {
	r.apply(sample...)
	for prefix, want := range map[string]string{"": "a b c d e", "a": "a", "x": "", "ab": ""} {
		page, err := r.engine.Assets(r.Context(), engine.AssetQuery{Project: "p", Prefix: prefix})
		r.wantErr("Assets", err, "")
		ids := make([]string, len(page.Rows))
		for i, a := range page.Rows {
			ids[i] = a.ID
		}
		slices.Sort(ids)
		r.want("ids with "+prefix, strings.Join(ids, " "), want)
		r.want("total with "+prefix, page.Total, len(ids))
	}
	q := engine.AssetQuery{Project: "p", View: engine.In("e1", "e2")}
	for limit := 1; limit < 6; limit++ {
		if err := assetPagesAreWhole(r.Context(), r.engine, q, limit); err != nil {
			r.Error(err)
		}
	}
	q.Offset = 99
	page, err := r.engine.Assets(r.Context(), q)
	r.wantErr("past the end", err, "")
	r.want("total past the end", page.Total, 3)
}

// listOfGroups counts hosts and containers by enterprise project.
func listOfGroups(r *rig) {
	r.apply(sample...)
	r.tell("k @1 category=container group=e0", "k @2 category=container group=e3")
	list, err := r.engine.EnterpriseProjects(r.Context(), "p")
	r.wantErr("EnterpriseProjects", err, "")
	r.want("enterprise projects", list, []engine.EnterpriseProject{
		{ID: "0", Hosts: 2}, {ID: "e1", Hosts: 2, Containers: 1}, {ID: "e2", Hosts: 1}, {ID: "e3", Containers: 1},
	})
	_, err = r.engine.EnterpriseProjects(r.Context(), "nobody")
	r.wantErr("of nobody", err, "no project")
}
