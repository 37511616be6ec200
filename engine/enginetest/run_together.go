package enginetest

import (
	"fmt"
	"strings"

	"portolan/engine"
)

// togetherCases are about what is open together.
func togetherCases() []suiteCase {
	ask := func(name string, q engine.TogetherQuery, want string) suiteCase {
		q.Project = "p"
		return suiteCase{name, func(r *rig) {
			r.apply(sample...)
			page, err := r.engine.Together(r.Context(), q)
			r.wantErr("Together", err, "")
			r.want("rows", togetherText(page), want)
		}}
	}
	return []suiteCase{
		ask("with one port", engine.TogetherQuery{Open: setOf("123/udp")},
			"4 of 2 of 5: 80/tcp 2 of 3 1.67 normal, 22/tcp 1 of 1 2.50 danger, 80/tcp6 1 of 1 2.50 unknown, 8080/tcp 1 of 1 2.50 unknown"),
		ask("by lift", engine.TogetherQuery{Open: setOf("80/tcp"), ByLift: true, Limit: 2}, "6 of 3 of 5: 123/udp 2 of 2 1.67 danger, 22/tcp 1 of 1 1.67 danger"),
		ask("a page", engine.TogetherQuery{Open: setOf("80/tcp"), Offset: 1, Limit: 1}, "6 of 3 of 5: 22/tcp 1 of 1 1.67 danger"),
		ask("at least so many", engine.TogetherQuery{Open: setOf("80/tcp"), MinNum: 2}, "1 of 3 of 5: 123/udp 2 of 2 1.67 danger"),
		ask("in an enterprise project", engine.TogetherQuery{Open: setOf("443/tcp"), View: engine.In("e1")}, "2 of 1 of 2: 80/tcp 1 of 2 1.00 normal, 18080/udp 1 of 1 2.00 unknown"),
		ask("of a set", engine.TogetherQuery{Open: setOf("80/tcp"), Where: with443}, "2 of 1 of 1: 443/tcp 1 of 1 1.00 normal, 18080/udp 1 of 1 1.00 unknown"),
		ask("with what nobody has open", engine.TogetherQuery{Open: setOf("9/tcp")}, "0 of 0 of 5: "),
		ask("with no port", engine.TogetherQuery{Open: setOf()}, "0 of 0 of 5: "),
		{"refused", func(r *rig) {
			r.apply(sample...)
			_, err := r.engine.Together(r.Context(), engine.TogetherQuery{Project: "p"})
			r.wantErr("no keys", err, "field open")
			_, err = r.engine.Together(r.Context(), engine.TogetherQuery{Project: "p", Open: setOf("9/tcp"), MinNum: -1})
			r.wantErr("a negative number", err, "field min_num")
			_, err = r.engine.Together(r.Context(), engine.TogetherQuery{Project: "nobody", Open: setOf("9/tcp")})
			r.wantErr("no project", err, "no project")
		}},
	}
}

func togetherText(page engine.TogetherPage) string {
	rows := make([]string, len(page.Rows))
	for i, row := range page.Rows {
		rows[i] = fmt.Sprintf("%s %d of %d %.2f %s", engine.MakeKey(row.Port, row.Type), row.Num, row.Of, row.Lift, row.Status)
	}
	return fmt.Sprintf("%d of %d of %d: %s", page.Total, page.Holders, page.Assets, strings.Join(rows, ", "))
}
