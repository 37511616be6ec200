package enginetest

import (
	"fmt"

	"portolan/engine"
)

// sample is what most questions are about.
var sample = sayAll(
	"a @1 [all] 22/tcp 80/tcp 123/udp name=Dora-a address=10.0.0.1",
	"b @1 [all] 80/tcp 80/tcp6 123/udp 8080/tcp group=e1 name=door-b address=10.0.0.40",
	"c @1 [all] 80/tcp 443/tcp 18080/udp group=e1",
	"d @1 [all] 80/udp 1/sctp 65535/udp6 group=e2 name=dora address=10.0.0.4",
	"e @1 [all]",
	"a @1 [all] 80/tcp 5000/tcp category=container group=e1",
)

// sampleRows are all rows about the sample's hosts.
var sampleRows = []string{
	"1 1/sctp unknown", "1 22/tcp danger", "3 80/tcp normal", "1 80/tcp6 unknown", "1 80/udp unknown",
	"2 123/udp danger", "1 443/tcp normal", "1 8080/tcp unknown", "1 18080/udp unknown", "1 65535/udp6 unknown",
}

// askPortsOf is a case that asks the sample.
func askPortsOf(name string, q engine.PortQuery, want ...string) suiteCase {
	q.Project = "p"
	return suiteCase{name, func(r *rig) {
		r.apply(sample...)
		r.wantPorts(q, len(want), want...)
	}}
}

// portCases are the filters and the paging of Ports.
func portCases() []suiteCase {
	ask := askPortsOf
	return []suiteCase{
		{"the seed's example", seedExample},
		{"a project that is not there", func(r *rig) {
			_, err := r.engine.Ports(r.Context(), engine.PortQuery{Project: "p"})
			r.wantErr("Ports", err, "no project")
			_, err = r.engine.Hosts(r.Context(), engine.HostQuery{Project: "p", Port: 22})
			r.wantErr("Hosts", err, "no project")
			_, err = r.engine.Assets(r.Context(), engine.AssetQuery{Project: "p"})
			r.wantErr("Assets", err, "no project")
			r.tell("x @1")
			r.wantPorts(engine.PortQuery{Project: "p"}, 0)
		}},
		ask("no filter", engine.PortQuery{}, sampleRows...),
		ask("containers", engine.PortQuery{Category: engine.Container}, "1 80/tcp normal", "1 5000/tcp unknown"),
		ask("port", engine.PortQuery{Port: 80}, "3 80/tcp normal", "1 80/tcp6 unknown", "1 80/udp unknown"),
		ask("port, the last", engine.PortQuery{Port: 65535}, "1 65535/udp6 unknown"),
		ask("port, open nowhere", engine.PortQuery{Port: 81}),
		ask("port above the range", engine.PortQuery{Port: 65536 + 80}),
		ask("port below the range", engine.PortQuery{Port: -80}),
		ask("port string", engine.PortQuery{PortString: "80"},
			"3 80/tcp normal", "1 80/tcp6 unknown", "1 80/udp unknown", "1 8080/tcp unknown", "1 18080/udp unknown"),
		ask("port string of a digit", engine.PortQuery{PortString: "3"}, "2 123/udp danger", "1 443/tcp normal", "1 65535/udp6 unknown"),
		ask("port string with a nought in front", engine.PortQuery{PortString: "080"}, "1 8080/tcp unknown", "1 18080/udp unknown"),
		ask("port string, a whole port", engine.PortQuery{PortString: "65535"}, "1 65535/udp6 unknown"),
		ask("port string in no port", engine.PortQuery{PortString: "99999"}),
		ask("port string that is no number", engine.PortQuery{PortString: "8_"}),
		ask("port string that is very long", engine.PortQuery{PortString: "1234567890123456789012345"}),
		ask("type", engine.PortQuery{Type: engine.UDP}, "1 80/udp unknown", "2 123/udp danger", "1 18080/udp unknown"),
		ask("type, IPv6", engine.PortQuery{Type: engine.TCP6}, "1 80/tcp6 unknown"),
		ask("type, open nowhere", engine.PortQuery{Type: engine.SCTP6}),
		ask("status danger", engine.PortQuery{Status: engine.Danger}, "1 22/tcp danger", "2 123/udp danger"),
		ask("status normal", engine.PortQuery{Status: engine.Normal}, "3 80/tcp normal", "1 443/tcp normal"),
		ask("status unknown and type", engine.PortQuery{Status: engine.Unknown, Type: engine.TCP}, "1 8080/tcp unknown"),
		ask("port and port string", engine.PortQuery{Port: 8080, PortString: "08"}, "1 8080/tcp unknown"),
		ask("port and another port string", engine.PortQuery{Port: 8080, PortString: "9"}),
		ask("all filters", engine.PortQuery{Port: 123, PortString: "12", Type: engine.UDP, Status: engine.Danger, View: engine.In("0")}, "1 123/udp danger"),
		{"pages", pagesOfPorts},
		{"rows go into the caller's slice", rowsGoInto},
	}
}

// orderCases are sets of keys, bounds and orders of Ports.
func orderCases() []suiteCase {
	ask := askPortsOf
	return []suiteCase{
		ask("a set of keys", engine.PortQuery{Keys: setOf("1-1023/tcp", "18080/udp")}, "1 22/tcp danger", "3 80/tcp normal", "1 443/tcp normal", "1 18080/udp unknown"),
		ask("a set of keys and a status", engine.PortQuery{Keys: setOf("1-1023/tcp", "18080/udp"), Status: engine.Unknown}, "1 18080/udp unknown"),
		ask("a set of keys, a status and a port string", engine.PortQuery{Keys: setOf("1-1023/tcp", "18080/udp"), Status: engine.Normal, PortString: "4"}, "1 443/tcp normal"),
		ask("no key", engine.PortQuery{Keys: new(engine.KeySet)}),
		ask("most first", engine.PortQuery{Order: engine.ByNum, Descending: true},
			"3 80/tcp normal", "2 123/udp danger", "1 1/sctp unknown", "1 22/tcp danger", "1 80/tcp6 unknown", "1 80/udp unknown",
			"1 443/tcp normal", "1 8080/tcp unknown", "1 18080/udp unknown", "1 65535/udp6 unknown"),
		ask("least first", engine.PortQuery{Order: engine.ByNum, Keys: setOf("1-1023/tcp", "18080/udp")},
			"1 22/tcp danger", "1 443/tcp normal", "1 18080/udp unknown", "3 80/tcp normal"),
		ask("by type", engine.PortQuery{Order: engine.ByType, PortString: "80"},
			"3 80/tcp normal", "1 8080/tcp unknown", "1 80/tcp6 unknown", "1 80/udp unknown", "1 18080/udp unknown"),
		ask("by type, the other way", engine.PortQuery{Order: engine.ByType, PortString: "80", Descending: true},
			"1 80/udp unknown", "1 18080/udp unknown", "1 80/tcp6 unknown", "3 80/tcp normal", "1 8080/tcp unknown"),
		ask("by status", engine.PortQuery{Order: engine.ByStatus, Keys: setOf("1-1023/tcp", "1-1023/udp")},
			"1 22/tcp danger", "2 123/udp danger", "3 80/tcp normal", "1 443/tcp normal", "1 80/udp unknown"),
		ask("at least so many", engine.PortQuery{MinNum: 2}, "3 80/tcp normal", "2 123/udp danger"),
		ask("so many, in an order", engine.PortQuery{MinNum: 2, MaxNum: 2, Order: engine.ByNum}, "2 123/udp danger"),
		ask("at most so many, the reverse", engine.PortQuery{MaxNum: 1, Type: engine.TCP, Descending: true}, "1 8080/tcp unknown", "1 443/tcp normal", "1 22/tcp danger"),
		{"pages in every order", pagesInOrder},
	}
}

// seedExample is the published example under the default policy.
func seedExample(r *rig) {
	r.engine = r.open(nil)
	defer r.engine.Close()
	for i := range 4 {
		r.tell(fmt.Sprintf("host-%d @1 [all] 123/udp", i))
	}
	r.wantPorts(engine.PortQuery{Project: "p", Port: 123}, 1, "4 123/udp danger")
	r.wantPorts(engine.PortQuery{Project: "p", Category: engine.Container}, 0)
}

// pagesOfPorts reads the sample by every offset and limit, both ways round.
func pagesOfPorts(r *rig) {
	r.apply(sample...)
	n := len(sampleRows)
	for _, descending := range []bool{false, true} {
		rows := append([]string{}, sampleRows...)
		for i := range n {
			if descending {
				rows[i] = sampleRows[n-1-i]
			}
		}
		for offset := range n + 3 {
			for limit := range n + 3 {
				q := engine.PortQuery{Project: "p", Descending: descending, Offset: offset, Limit: limit}
				page := rows[min(offset, n):]
				if limit > 0 {
					page = page[:min(limit, len(page))]
				}
				r.wantPorts(q, n, page...)
			}
		}
	}
	const most = int(^uint(0) >> 1)
	r.wantPorts(engine.PortQuery{Project: "p", Offset: most, Limit: most}, n)
	r.wantPorts(engine.PortQuery{Project: "p", Offset: 1, Limit: most}, n, sampleRows[1:]...)
}

// pagesInOrder puts pages of every size together and wants the whole, in every order, with and
// without bounds, whatever was asked before.
func pagesInOrder(r *rig) {
	r.apply(sample...)
	for _, order := range []engine.Order{engine.ByPort, engine.ByNum, engine.ByType, engine.ByStatus} {
		for _, descending := range []bool{false, true} {
			for _, least := range []int{0, 2} {
				q := engine.PortQuery{Project: "p", Order: order, Descending: descending, MinNum: least}
				for limit := 1; limit < len(sampleRows)+2; limit++ {
					page := q
					var together []string
					for page.Limit = limit; ; page.Offset += limit {
						some := portLines(r.ports(page))
						if len(some) == 0 {
							break
						}
						together = append(together, some...)
					}
					r.want(fmt.Sprintf("%s in pages of %d", describePorts(q), limit), together, portLines(r.ports(q)))
				}
			}
		}
	}
}

func rowsGoInto(r *rig) {
	r.apply(sample...)
	into := make([]engine.PortCount, 3, 20)
	page := r.ports(engine.PortQuery{Project: "p", Into: into})
	r.want("rows", portLines(page), sampleRows)
	if len(page.Rows) > 0 && &page.Rows[0] != &into[0] {
		r.Error("the rows are elsewhere although they fit")
	}
	page = r.ports(engine.PortQuery{Project: "p", Into: into[:0:1]})
	r.want("rows that do not fit", portLines(page), sampleRows)
}

// viewCases are about enterprise projects.
func viewCases() []suiteCase {
	ask := func(name string, view engine.View, want ...string) suiteCase {
		return suiteCase{name, func(r *rig) {
			r.apply(sample...)
			r.wantPorts(engine.PortQuery{Project: "p", View: view}, len(want), want...)
		}}
	}
	two := []string{
		"1 22/tcp danger", "3 80/tcp normal", "1 80/tcp6 unknown", "2 123/udp danger",
		"1 443/tcp normal", "1 8080/tcp unknown", "1 18080/udp unknown",
	}
	return []suiteCase{
		ask("all", engine.All(), sampleRows...),
		ask("the default one", engine.In("0"), "1 22/tcp danger", "1 80/tcp normal", "1 123/udp danger"),
		ask("one", engine.In("e2"), "1 1/sctp unknown", "1 80/udp unknown", "1 65535/udp6 unknown"),
		ask("several", engine.In("0", "e1"), two...),
		ask("several with repeats and strangers", engine.In("e1", "0", "e1", "nobody"), two...),
		ask("every one", engine.In("0", "e1", "e2"), sampleRows...),
		ask("a stranger", engine.In("nobody")),
		ask("none", engine.In()),
		{"an asset moves", assetMoves},
		{"an asset moves and its keys change at once", movesAndChanges},
		{"counts add up", countsAddUp},
	}
}

func assetMoves(r *rig) {
	r.apply(sample...)
	r.tell("c @2 group=e2")
	r.wantPorts(engine.PortQuery{Project: "p", View: engine.In("e1"), Type: engine.TCP}, 2, "1 80/tcp normal", "1 8080/tcp unknown")
	r.wantPorts(engine.PortQuery{Project: "p", View: engine.In("e2"), Type: engine.TCP}, 2, "1 80/tcp normal", "1 443/tcp normal")
	r.wantPorts(engine.PortQuery{Project: "p"}, len(sampleRows), sampleRows...)
	r.tell("c @1 group=e1") // late
	r.want("enterprise project", r.asset(engine.Host, "c").EnterpriseProject, "e2")
	r.tell("b @3 group=e2", "c @3 group=e3")
	r.wantPorts(engine.PortQuery{Project: "p", View: engine.In("e1")}, 0)
	r.wantPorts(engine.PortQuery{Project: "p", View: engine.In("e1"), Category: engine.Container}, 2, "1 80/tcp normal", "1 5000/tcp unknown")
}

func movesAndChanges(r *rig) {
	r.apply(sample...)
	r.tell("d @2 [all] 1/sctp 7/tcp group=e1")
	r.wantPorts(engine.PortQuery{Project: "p", View: engine.In("e2")}, 0)
	r.wantPorts(engine.PortQuery{Project: "p", View: engine.In("e1", "e2"), PortString: "7"}, 1, "1 7/tcp unknown")
	r.wantPorts(engine.PortQuery{Project: "p", View: engine.In("e1"), Port: 1}, 1, "1 1/sctp unknown")
}

// countsAddUp needs no oracle: the parts of a whole make the whole.
func countsAddUp(r *rig) {
	r.apply(Small(1, 300)...)
	for _, category := range []engine.Category{engine.Host, engine.Container} {
		whole := engine.PortQuery{Project: "p", Category: category}
		sum, total := r.sums(whole)
		var parts int
		for _, group := range smallGroups {
			q := whole
			q.View = engine.In(group)
			n, _ := r.sums(q)
			parts += n
		}
		r.want("counts by enterprise project", parts, sum)
		parts = 0
		for _, status := range []engine.Status{engine.Danger, engine.Normal, engine.Unknown} {
			q := whole
			q.Status = status
			parts += r.ports(q).Total
		}
		r.want("totals by status", parts, total)
	}
}

// sums returns the sum of a page's counts and its total.
func (r *rig) sums(q engine.PortQuery) (sum, total int) {
	page := r.ports(q)
	for _, row := range page.Rows {
		sum += row.Num
	}
	return sum, page.Total
}
