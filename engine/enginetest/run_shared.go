package enginetest

import (
	"fmt"
	"strings"

	"portolan/engine"
)

// sharedCases are about addresses that several assets have.
func sharedCases() []suiteCase {
	ask := func(name string, q engine.SharedQuery, want string) suiteCase {
		q.Project = "p"
		return suiteCase{name, func(r *rig) {
			r.apply(sayAll(
				"agent address=192.0.2.1 22/tcp", "192.0.2.1 22/tcp", // an agent and a scanner
				"other address=::ffff:192.0.2.1 group=e1", "192.0.2.2", "alone address=192.0.2.3",
				"b address=2001:db8::1 group=e1", "a address=2001:DB8:0::1 group=e1",
				"l1 address=127.0.0.1", "l2 address=127.0.0.1", "z1 address=fe80::1", "z2 address=fe80::1", "o1 address=0.0.0.0", "o2 address=0.0.0.0",
				"n1 address=jump", "n2 address=jump", "e1", "e2",
				"192.0.2.9 address=192.0.2.3", "box category=container address=192.0.2.2")...)
			page, err := r.engine.Shared(r.Context(), q)
			r.wantErr("Shared", err, "")
			r.want("rows", sharedText(page), want)
		}}
	}
	return []suiteCase{
		ask("all", engine.SharedQuery{}, "3 of 7: 192.0.2.1 3 192.0.2.1 agent other, 192.0.2.3 2 192.0.2.9 alone, 2001:db8::1 2 a b"),
		ask("a page", engine.SharedQuery{Offset: 1, Limit: 1}, "3 of 7: 192.0.2.3 2 192.0.2.9 alone"),
		ask("past the end", engine.SharedQuery{Offset: 9}, "3 of 7: "),
		ask("in an enterprise project", engine.SharedQuery{View: engine.In("e1")}, "1 of 2: 2001:db8::1 2 a b"),
		ask("containers", engine.SharedQuery{Category: engine.Container}, "0 of 0: "),
		{"many", func(r *rig) {
			lines := make([]string, 0, 30)
			for i := range 30 {
				lines = append(lines, fmt.Sprintf("h%02d address=192.0.2.1", 29-i))
			}
			r.apply(sayAll(lines...)...)
			page, err := r.engine.Shared(r.Context(), engine.SharedQuery{Project: "p"})
			r.wantErr("Shared", err, "")
			r.want("rows", sharedText(page), "1 of 30: 192.0.2.1 30 h00 h01 h02 h03 h04 h05 h06 h07 h08 h09")
			_, err = r.engine.Shared(r.Context(), engine.SharedQuery{Project: "nobody"})
			r.wantErr("no project", err, "no project")
			_, err = r.engine.Shared(r.Context(), engine.SharedQuery{Project: "p", Offset: -1})
			r.wantErr("a negative offset", err, "field offset")
		}},
	}
}

func sharedText(page engine.SharedPage) string {
	rows := make([]string, len(page.Rows))
	for i, row := range page.Rows {
		rows[i] = fmt.Sprintf("%s %d %s", row.Address, row.Num, strings.Join(row.Assets, " "))
	}
	return fmt.Sprintf("%d of %d: %s", page.Total, page.Assets, strings.Join(rows, ", "))
}
