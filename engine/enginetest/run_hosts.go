package enginetest

import (
	"portolan/engine"
	"portolan/index"
)

// hostCases are about which assets have a port open.
func hostCases() []suiteCase {
	ask := func(name string, q engine.HostQuery, want ...string) suiteCase {
		q.Project = "p"
		return suiteCase{name, func(r *rig) {
			r.apply(sample...)
			page := r.hosts(q)
			r.want("hosts", hostLines(page), append([]string{}, want...))
			r.want("total", page.Total, len(want))
		}}
	}
	return []suiteCase{
		ask("every type", engine.HostQuery{Port: 80}, "a 80/tcp", "b 80/tcp", "c 80/tcp", "b 80/tcp6", "d 80/udp"),
		ask("one type", engine.HostQuery{Port: 80, Type: "TCP"}, "a 80/tcp", "b 80/tcp", "c 80/tcp"),
		ask("containers", engine.HostQuery{Port: 80, Category: engine.Container}, "a 80/tcp"),
		ask("one enterprise project", engine.HostQuery{Port: 80, View: engine.In("e1")}, "b 80/tcp", "c 80/tcp", "b 80/tcp6"),
		ask("several", engine.HostQuery{Port: 80, View: engine.In("0", "e2")}, "a 80/tcp", "d 80/udp"),
		ask("a stranger", engine.HostQuery{Port: 80, View: engine.In("nobody")}),
		ask("none", engine.HostQuery{Port: 80, View: engine.In()}),
		ask("a type in small letters", engine.HostQuery{Port: 80, Type: "tcp"}),
		ask("a type that is open nowhere", engine.HostQuery{Port: 80, Type: "SCTP"}),
		ask("no port", engine.HostQuery{}),
		ask("a port below the range", engine.HostQuery{Port: -80}),
		ask("a port above the range", engine.HostQuery{Port: 65536 + 80}),
		ask("a port that is open nowhere", engine.HostQuery{Port: 81}),
		{"a row is the asset's", hostRow},
		{"pages", pagesOfHosts},
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
	page := r.hosts(engine.HostQuery{Project: "p", Port: 80, Type: "UDP"})
	key := keysOf("80/udp")[0]
	r.want("rows", page.Rows, []engine.HostPort{{
		Asset: "d", Name: "dora", Address: "10.0.0.4", EnterpriseProject: "e2",
		Port: key.Port(), Type: key.Type(), Status: engine.Unknown,
	}})
}

// pagesOfHosts puts pages of every size together and wants the whole.
func pagesOfHosts(r *rig) {
	r.apply(sample...)
	for _, view := range []engine.View{engine.All, engine.In("e1"), engine.In("0", "e1")} {
		q := engine.HostQuery{Project: "p", Port: 80, View: view}
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
	}
}
