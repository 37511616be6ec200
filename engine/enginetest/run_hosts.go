package enginetest

import (
	"portolan/engine"
	"portolan/index"
)

// askHostsOf is a case that asks the sample.
func askHostsOf(name string, q engine.HostQuery, want ...string) suiteCase {
	q.Project = "p"
	return suiteCase{name, func(r *rig) {
		r.apply(sample...)
		page := r.hosts(q)
		r.want("hosts", hostLines(page), append([]string{}, want...))
		r.want("total", page.Total, len(want))
	}}
}

// hostCases are about which assets have a port open, and which ports an asset.
func hostCases() []suiteCase {
	ask := askHostsOf
	return []suiteCase{
		ask("every type", engine.HostQuery{Port: 80}, "a 80/tcp", "b 80/tcp", "c 80/tcp", "b 80/tcp6", "d 80/udp"),
		ask("one type", engine.HostQuery{Port: 80, Type: engine.TCP}, "a 80/tcp", "b 80/tcp", "c 80/tcp"),
		ask("containers", engine.HostQuery{Port: 80, Category: engine.Container}, "a 80/tcp"),
		ask("one enterprise project", engine.HostQuery{Port: 80, View: engine.In("e1")}, "b 80/tcp", "c 80/tcp", "b 80/tcp6"),
		ask("several", engine.HostQuery{Port: 80, View: engine.In("0", "e2")}, "a 80/tcp", "d 80/udp"),
		ask("a stranger", engine.HostQuery{Port: 80, View: engine.In("nobody")}),
		ask("none", engine.HostQuery{Port: 80, View: engine.In()}),
		ask("a type that is open nowhere", engine.HostQuery{Port: 80, Type: engine.SCTP}),
		ask("a part of the name", engine.HostQuery{Port: 80, Name: "do"}, "b 80/tcp", "b 80/tcp6", "d 80/udp"),
		ask("a part of the name, letter case counts", engine.HostQuery{Port: 80, Name: "Do"}, "a 80/tcp"),
		ask("the whole name", engine.HostQuery{Port: 80, Name: "dora"}, "d 80/udp"),
		ask("more than the name", engine.HostQuery{Port: 80, Name: "doras"}),
		ask("a name is no pattern", engine.HostQuery{Port: 80, Name: "do*"}),
		ask("a part of the address", engine.HostQuery{Port: 80, Address: ".0.4"}, "b 80/tcp", "b 80/tcp6", "d 80/udp"),
		ask("the whole address", engine.HostQuery{Port: 80, Address: "10.0.0.40"}, "b 80/tcp", "b 80/tcp6"),
		ask("name and address", engine.HostQuery{Port: 80, Name: "-", Address: ".1"}, "a 80/tcp"),
		ask("name and another address", engine.HostQuery{Port: 80, Name: "a", Address: ".40"}),
		ask("name and enterprise projects", engine.HostQuery{Port: 80, Name: "o", View: engine.In("0", "e2")}, "a 80/tcp", "d 80/udp"),
		ask("name and type", engine.HostQuery{Port: 80, Name: "b", Type: engine.TCP6}, "b 80/tcp6"),
		ask("status", engine.HostQuery{Port: 80, Status: engine.Normal}, "a 80/tcp", "b 80/tcp", "c 80/tcp"),
		ask("status unknown", engine.HostQuery{Port: 80, Status: engine.Unknown}, "b 80/tcp6", "d 80/udp"),
		ask("status and another type", engine.HostQuery{Port: 80, Status: engine.Danger, Type: engine.TCP}),
		ask("an asset", engine.HostQuery{Asset: "d"}, "d 1/sctp", "d 80/udp", "d 65535/udp6"),
		ask("an asset in its order", engine.HostQuery{Asset: "b"}, "b 80/tcp", "b 80/tcp6", "b 123/udp", "b 8080/tcp"),
		ask("an asset of containers", engine.HostQuery{Asset: "a", Category: engine.Container}, "a 80/tcp", "a 5000/tcp"),
		ask("an asset with nothing open", engine.HostQuery{Asset: "e"}),
		ask("an asset that is not there", engine.HostQuery{Asset: "nobody"}),
		ask("an asset and a port", engine.HostQuery{Asset: "b", Port: 80}, "b 80/tcp", "b 80/tcp6"),
		ask("an asset and a port it has not open", engine.HostQuery{Asset: "b", Port: 443}),
		ask("an asset and no port", engine.HostQuery{Asset: "b", Port: -1}),
		ask("an asset and a type", engine.HostQuery{Asset: "b", Type: engine.UDP}, "b 123/udp"),
		ask("an asset and a status", engine.HostQuery{Asset: "a", Status: engine.Danger}, "a 22/tcp", "a 123/udp"),
		ask("an asset in its view", engine.HostQuery{Asset: "a", Port: 22, View: engine.In("0")}, "a 22/tcp"),
		ask("an asset in several", engine.HostQuery{Asset: "a", Port: 22, View: engine.In("0", "e1")}, "a 22/tcp"),
		ask("an asset outside the view", engine.HostQuery{Asset: "a", View: engine.In("e1")}),
		ask("an asset in the view of none", engine.HostQuery{Asset: "a", View: engine.In()}),
		ask("an asset and its name", engine.HostQuery{Asset: "a", Port: 22, Name: "Dora", Address: "10."}, "a 22/tcp"),
		ask("an asset and another's name", engine.HostQuery{Asset: "a", Name: "dora"}),
		ask("a port below the range", engine.HostQuery{Port: -80}),
		ask("a port above the range", engine.HostQuery{Port: 65536 + 80}),
		ask("a port that is open nowhere", engine.HostQuery{Port: 81}),
		{"a row is the asset's", hostRow},
		{"pages", pagesOfHosts},
	}
}

// setCases are about sets of keys and of assets.
func setCases() []suiteCase {
	ask := askHostsOf
	return []suiteCase{
		ask("a set of keys", engine.HostQuery{Keys: setOf("80-443/tcp", "18080/udp")}, "a 80/tcp", "b 80/tcp", "c 80/tcp", "c 443/tcp", "c 18080/udp"),
		ask("a set of keys and a status", engine.HostQuery{Keys: setOf("80-443/tcp", "18080/udp"), Status: engine.Unknown}, "c 18080/udp"),
		ask("a set of keys and a port", engine.HostQuery{Keys: setOf("80-443/tcp"), Port: 443}, "c 443/tcp"),
		ask("a set of keys and a name", engine.HostQuery{Keys: setOf("80-443/tcp"), Name: "door"}, "b 80/tcp"),
		ask("a set of keys, a name and an address", engine.HostQuery{Keys: setOf("1-65535/tcp"), Name: "o", Address: ".0.4"}, "b 80/tcp", "b 8080/tcp"),
		ask("a set of keys, a name and a set of assets", engine.HostQuery{Keys: setOf("1-65535/udp"), Name: "o", Where: smallWheres[5]}, "d 80/udp", "a 123/udp", "b 123/udp"),
		ask("a set of keys of an asset", engine.HostQuery{Keys: setOf("80-443/tcp"), Asset: "c"}, "c 80/tcp", "c 443/tcp"),
		ask("no key", engine.HostQuery{Keys: new(engine.KeySet)}),
		ask("a set of assets", engine.HostQuery{Where: smallWheres[5], Type: engine.UDP}, "d 80/udp", "a 123/udp", "b 123/udp", "c 18080/udp"),
		ask("a set of assets and a port", engine.HostQuery{Where: with443, Port: 80}, "c 80/tcp"),
		ask("a set of assets and one of them", engine.HostQuery{Where: with443, Asset: "c"}, "c 80/tcp", "c 443/tcp", "c 18080/udp"),
		ask("a set of assets and another", engine.HostQuery{Where: with443, Asset: "a"}),
	}
}

// hostLines returns the rows, those of one type in the order of their assets.
func hostLines(page engine.HostPage) []string {
	lines := make([]string, len(page.Rows))
	for i, row := range sortHosts(page.Rows) {
		lines[i] = row.Asset + " " + index.MakeKey(row.Port, row.Type).String()
	}
	return lines
}

func hostRow(r *rig) {
	r.apply(sample...)
	page := r.hosts(engine.HostQuery{Project: "p", Port: 80, Type: engine.UDP})
	key := keysOf("80/udp")[0]
	r.want("rows", page.Rows, []engine.HostPort{{
		Asset: "d", Name: "dora", Address: "10.0.0.4", EnterpriseProject: "e2",
		Port: key.Port(), Type: key.Type(), Status: engine.Unknown,
	}})
}

// pagesOfHosts puts pages of every size together and wants the whole.
func pagesOfHosts(r *rig) {
	r.apply(sample...)
	questions := make([]engine.HostQuery, 0, 16)
	for _, view := range []engine.View{engine.All(), engine.In("e1"), engine.In("0", "e1"), engine.In("0", "e1", "e2")} {
		questions = append(questions, engine.HostQuery{Port: 80, View: view}, engine.HostQuery{Port: 80, View: view, Name: "b"},
			engine.HostQuery{Asset: "b", View: view}, engine.HostQuery{Keys: setOf("80-8080/tcp"), View: view}, engine.HostQuery{Port: 80, View: view, Address: "10", Status: engine.Unknown})
	}
	for _, q := range questions {
		q.Project = "p"
		whole := r.hosts(q)
		r.want("total", whole.Total, len(whole.Rows))
		for limit := 1; limit <= len(whole.Rows)+1; limit++ {
			if err := pagesAreWhole(r.Context(), r.engine, q, limit); err != nil {
				r.Error(err)
			}
		}
		q.Offset = len(whole.Rows) + 1
		r.want("a page past the end", len(r.hosts(q).Rows), 0)
		r.want("its total", r.hosts(q).Total, whole.Total)
		const most = int(^uint(0) >> 1)
		q.Offset, q.Limit = most, most
		r.want("the total of a page far past the end", r.hosts(q).Total, whole.Total)
	}
}
