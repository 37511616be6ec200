package enginetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	gocmp "github.com/google/go-cmp/cmp"

	"portolan/engine"
	"portolan/engine/enginetest/oracle"
	"portolan/index"
)

// diffPorts is the most ports of an inventory that Diff asks the hosts of.
const diffPorts = 16

// Diff asks both engines about everything that the Reference knows, in every
// way there is to ask, and returns where the answers differ, or "" where they
// do not. Versions and the order of hosts within a key are the engine's own
// and are not compared. Both must be at rest.
func Diff(ctx context.Context, want *oracle.Reference, got Engine) string {
	return compare(ctx, questionsAbout(ctx, want), want, got)
}

// question is one call that two engines must answer alike.
type question struct {
	text string
	ask  func(context.Context, Engine) any
}

// answer is what a call returned; err is the error's kind.
type answer struct {
	Value any
	Err   string
}

// compare puts the questions to both engines.
func compare(ctx context.Context, questions []question, want, got Engine) string {
	wants, gots := map[string]any{}, map[string]any{}
	for _, q := range questions {
		w, g := q.ask(ctx, want), q.ask(ctx, got)
		if !reflect.DeepEqual(w, g) && !gocmp.Equal(w, g) { // the first is fast, the second fair to times
			wants[q.text], gots[q.text] = w, g
		}
	}
	if len(wants) == 0 {
		return ""
	}
	return "(-want +got)\n" + gocmp.Diff(wants, gots)
}

// questionsAbout returns one question of each kind about everything that the reference has.
func questionsAbout(ctx context.Context, r *oracle.Reference) []question {
	list := make([]question, 0, 100)
	list = append(list, askProjects(), askStats())
	projects, _ := r.Projects() // none, if it is closed
	for _, project := range projects {
		for _, category := range []engine.Category{engine.Host, engine.Container} {
			page, _ := r.Assets(ctx, engine.AssetQuery{Project: project, Category: category})
			list = askAll(list, r, place{project, category}, page.Rows)
		}
	}
	return list
}

// place says which inventory something is about.
type place struct {
	project  string
	category engine.Category
}

// askAll appends questions about an inventory with the assets to the list.
func askAll(list []question, r *oracle.Reference, at place, assets []engine.Asset) []question {
	groups, labels, open := map[string]bool{}, map[string]bool{}, map[index.Key]bool{}
	list = append(list, askGroups(at.project))
	for i := range assets {
		a := &assets[i]
		list = append(list, askAsset(at, a.ID), askHosts(engine.HostQuery{Project: at.project, Category: at.category, Asset: a.ID}))
		if !r.Joins(at.project, at.category, a.ID) {
			list = append(list, askAssetPorts(at, a.ID))
		}
		groups[a.EnterpriseProject] = true
		for name := range a.Labels {
			labels[name] = true
		}
		for _, k := range a.Open {
			open[k] = true
		}
	}
	views := viewsOf(slices.Sorted(maps.Keys(groups)))
	labels[""] = true
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		for _, view := range views {
			list = append(list, askValues(engine.GroupQuery{Project: at.project, Category: at.category, View: view, Label: label}))
		}
	}
	for _, view := range views {
		list = append(list, askView(at, view)...)
		for _, prefix := range []string{"", "1", "a"} {
			list = append(list, askAssets(engine.AssetQuery{Project: at.project, Category: at.category, View: view, Prefix: prefix}))
		}
	}
	for _, port := range somePorts(open) {
		for _, view := range views {
			list = append(list, askHolders(at, view, port)...)
		}
	}
	return list
}

// askHolders returns questions for the assets of a view that have a port open,
// one per kind of filter.
func askHolders(at place, view engine.View, port int) []question {
	base := engine.HostQuery{Project: at.project, Category: at.category, View: view, Port: port}
	restrictions := []func(*engine.HostQuery){
		func(*engine.HostQuery) {},
		func(q *engine.HostQuery) { q.Name = "1" },
		func(q *engine.HostQuery) { q.Address = "2" },
		func(q *engine.HostQuery) { q.Status, q.Type = engine.Unknown, engine.TCP },
	}
	list := make([]question, len(restrictions))
	for i, restrict := range restrictions {
		q := base
		restrict(&q)
		list[i] = askHosts(q)
	}
	return list
}

// viewsOf returns the whole, each group, and all groups but the first together.
func viewsOf(groups []string) []engine.View {
	views := make([]engine.View, 0, 2+len(groups))
	views = append(views, engine.All(), engine.In(groups[min(1, len(groups)):]...))
	for _, g := range groups {
		views = append(views, engine.In(g))
	}
	return views
}

// askView returns questions for the ports of a view, one per kind of filter.
func askView(at place, view engine.View) []question {
	base := engine.PortQuery{Project: at.project, Category: at.category, View: view}
	restrictions := []func(*engine.PortQuery){
		func(*engine.PortQuery) {},
		func(q *engine.PortQuery) { q.Descending, q.Offset, q.Limit = true, 1, 7 },
		func(q *engine.PortQuery) { q.PortString = "6" },
		func(q *engine.PortQuery) { q.Type = engine.UDP },
		func(q *engine.PortQuery) { q.Status = engine.Danger },
		func(q *engine.PortQuery) { q.Port = 80 },
		func(q *engine.PortQuery) { q.Order, q.Descending, q.Offset, q.Limit = engine.ByNum, true, 2, 5 },
		func(q *engine.PortQuery) { q.Order = engine.ByNum },
		func(q *engine.PortQuery) { q.Order, q.MinNum = engine.ByType, 2 },
		func(q *engine.PortQuery) { q.Order, q.Keys = engine.ByStatus, smallSets[1] },
	}
	list := make([]question, len(restrictions))
	for i, restrict := range restrictions {
		q := base
		restrict(&q)
		list[i] = askPorts(q)
	}
	return list
}

// somePorts returns the first, the last and some other open ports.
func somePorts(open map[index.Key]bool) []int {
	var ports []int
	for k := range open {
		ports = append(ports, int(k.Port()))
	}
	slices.Sort(ports)
	ports = slices.Compact(ports)
	if len(ports) <= diffPorts {
		return ports
	}
	return append(ports[:diffPorts-1:diffPorts-1], ports[len(ports)-1])
}

func askProjects() question {
	return question{"projects", func(_ context.Context, e Engine) any {
		names, err := e.Projects()
		return answer{append([]string{}, names...), kindOf(err)}
	}}
}

func askStats() question {
	return question{"stats", func(_ context.Context, e Engine) any {
		stats, err := e.Stats()
		return answer{stats, kindOf(err)}
	}}
}

func askPorts(q engine.PortQuery) question {
	return question{"ports " + describePorts(q), func(ctx context.Context, e Engine) any {
		page, err := e.Ports(ctx, q)
		page.Version, page.Rows = 0, append([]engine.PortCount{}, page.Rows...)
		return answer{page, kindOf(err)}
	}}
}

// askHosts asks for a whole list of hosts: a part of it is the engine's choice.
func askHosts(q engine.HostQuery) question {
	return question{"hosts " + describeHosts(q), func(ctx context.Context, e Engine) any {
		page, err := e.Hosts(ctx, q)
		page.Version = 0
		if q.ByID {
			page.Rows = append([]engine.HostPort{}, page.Rows...)
		} else {
			page.Rows = sortHosts(page.Rows)
		}
		return answer{page, kindOf(err)}
	}}
}

func askAsset(at place, id string) question {
	return question{fmt.Sprintf("asset %s %s %s", at.project, at.category, id), func(ctx context.Context, e Engine) any {
		a, err := e.Asset(ctx, at.project, at.category, id)
		return answer{plain(a), kindOf(err)}
	}}
}

func askAssetPorts(at place, id string) question {
	return question{fmt.Sprintf("open ports of %s %s %s", at.project, at.category, id), func(ctx context.Context, e Engine) any {
		a, err := e.AssetPorts(ctx, at.project, at.category, id)
		a.Asset = plain(a.Asset)
		return answer{a, kindOf(err)}
	}}
}

// plain returns the asset without what engines may differ in.
func plain(a engine.Asset) engine.Asset {
	a.Version, a.LastSeen = 0, a.LastSeen.UTC()
	a.Open = append([]index.Key{}, a.Open...)
	return a
}

// askAssets asks for a whole list of assets: a part of it is the engine's choice.
func askAssets(q engine.AssetQuery) question {
	return question{"assets " + describeAssets(q), func(ctx context.Context, e Engine) any {
		page, err := e.Assets(ctx, q)
		rows := make([]engine.Asset, len(page.Rows))
		for i, a := range page.Rows {
			rows[i] = plain(a)
		}
		if !q.ByID {
			slices.SortFunc(rows, func(a, b engine.Asset) int { return cmp.Compare(a.ID, b.ID) })
		}
		page.Version, page.Rows = 0, rows
		return answer{page, kindOf(err)}
	}}
}

func askCoverage(q engine.CoverageQuery) question {
	text := fmt.Sprintf("coverage of %q %s in %s %s: keys %s", q.Project, q.Category, describeView(q.View), describeWhere(q.Where), describeKeys(q.Keys))
	return question{text, func(ctx context.Context, e Engine) any {
		c, err := e.Coverage(ctx, q)
		c.Version = 0
		return answer{c, kindOf(err)}
	}}
}

func askTogether(q engine.TogetherQuery) question {
	text := fmt.Sprintf("together with %s of %q %s in %s %s: num %d, by lift %t, offset %d, limit %d",
		describeKeys(q.Open), q.Project, q.Category, describeView(q.View), describeWhere(q.Where), q.MinNum, q.ByLift, q.Offset, q.Limit)
	return question{text, func(ctx context.Context, e Engine) any {
		page, err := e.Together(ctx, q)
		page.Version, page.Rows = 0, append([]engine.TogetherCount{}, page.Rows...)
		return answer{page, kindOf(err)}
	}}
}

func askShared(q engine.SharedQuery) question {
	text := fmt.Sprintf("shared addresses of %q %s in %s %s: offset %d, limit %d", q.Project, q.Category, describeView(q.View), describeWhere(q.Where), q.Offset, q.Limit)
	return question{text, func(ctx context.Context, e Engine) any {
		page, err := e.Shared(ctx, q)
		page.Version, page.Rows = 0, append([]engine.SharedAddress{}, page.Rows...)
		return answer{page, kindOf(err)}
	}}
}

func askValues(q engine.GroupQuery) question {
	text := fmt.Sprintf("groups of %q %s in %s %s: by %q, by number %t, descending %t, offset %d, limit %d",
		q.Project, q.Category, describeView(q.View), describeWhere(q.Where), q.Label, q.ByNum, q.Descending, q.Offset, q.Limit)
	return question{text, func(ctx context.Context, e Engine) any {
		page, err := e.Groups(ctx, q)
		page.Version, page.Rows = 0, append([]engine.GroupCount{}, page.Rows...)
		return answer{page, kindOf(err)}
	}}
}

func askGroups(project string) question {
	return question{"enterprise projects of " + project, func(ctx context.Context, e Engine) any {
		list, err := e.EnterpriseProjects(ctx, project)
		return answer{append([]engine.EnterpriseProject{}, list...), kindOf(err)}
	}}
}

// sortHosts puts the hosts of each key in the order of their ids and leaves the
// keys as they are, so that a wrong order of keys still shows.
func sortHosts(rows []engine.HostPort) []engine.HostPort {
	out := append([]engine.HostPort{}, rows...)
	for from := 0; from < len(out); {
		to := from
		for to < len(out) && out[to].Port == out[from].Port && out[to].Type == out[from].Type {
			to++
		}
		slices.SortFunc(out[from:to], func(a, b engine.HostPort) int { return cmp.Compare(a.Asset, b.Asset) })
		from = to
	}
	return out
}

// kindOf says what an error is, without the words it uses.
func kindOf(err error) string {
	var field *engine.FieldError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, engine.ErrClosed):
		return "closed"
	case errors.Is(err, engine.ErrNoProject):
		return "no project"
	case errors.Is(err, engine.ErrNoAsset):
		return "no asset"
	case errors.Is(err, engine.ErrFull):
		return "full"
	case errors.Is(err, engine.ErrBehind):
		return "behind"
	case errors.As(err, &field):
		return "field " + field.Field
	}
	return "other: " + err.Error()
}

func describeView(v engine.View) string {
	if v.IsAll() {
		return "all"
	}
	return fmt.Sprintf("%q", v.Names())
}

func describeAssets(q engine.AssetQuery) string {
	return fmt.Sprintf("%q %s in %s %s: prefix %q, by id %t after %q, offset %d, limit %d", q.Project, q.Category, describeView(q.View), describeWhere(q.Where), q.Prefix, q.ByID, q.After, q.Offset, q.Limit)
}

func describePorts(q engine.PortQuery) string {
	return fmt.Sprintf("%q %s in %s %s: keys %s, port %d, string %q, type %s, status %s, num %d to %d, by %s, descending %t, offset %d, limit %d",
		q.Project, q.Category, describeView(q.View), describeWhere(q.Where), describeKeys(q.Keys), q.Port, q.PortString, q.Type, q.Status, q.MinNum, q.MaxNum, q.Order, q.Descending, q.Offset, q.Limit)
}

func describeHosts(q engine.HostQuery) string {
	return fmt.Sprintf("%q %s in %s %s: asset %q, name %q, address %q, keys %s, port %d, type %s, status %s, by id %t after %v, offset %d, limit %d",
		q.Project, q.Category, describeView(q.View), describeWhere(q.Where), q.Asset, q.Name, q.Address, describeKeys(q.Keys), q.Port, q.Type, q.Status, q.ByID, q.After, q.Offset, q.Limit)
}
