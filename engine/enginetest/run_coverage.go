package enginetest

import (
	"fmt"

	"portolan/engine"
)

// coverageCases are about what was looked at, and when.
func coverageCases() []suiteCase {
	return []suiteCase{
		{"what was looked at", coverageOfSample},
	}
}

func coverageOfSample(r *rig) {
	r.apply(sayAll(
		"a @1 [all] 22/tcp", "a @3 80/tcp", // what an agent says, and a scanner after it
		"b @2 [1-100/tcp] 80/tcp", // a scan of some ports
		"c @4 443/tcp",            // a port found, nothing looked for
		"d @5 name=silent group=e1", "e @1 22/tcp", "e @6 [22/tcp]")...)
	for _, c := range []struct {
		keys *engine.KeySet
		view engine.View
		want string
	}{
		{nil, engine.All(), "5 assets, 4 looked at, 3 open, 2 to 6"},
		{setOf("22/tcp"), engine.All(), "5 assets, 3 looked at, 1 open, 1 to 6"},
		{setOf("80/tcp"), engine.All(), "5 assets, 2 looked at, 2 open, 2 to 3"},
		{setOf("443/tcp"), engine.All(), "5 assets, 2 looked at, 1 open, 1 to 4"},
		{setOf("53/udp"), engine.All(), "5 assets, 1 looked at, 0 open, 1 to 1"},
		{setOf(), engine.All(), "5 assets, 0 looked at, 0 open"},
		{nil, engine.In("e1"), "1 assets, 0 looked at, 0 open"},
		{nil, engine.In(), "0 assets, 0 looked at, 0 open"},
	} {
		got, err := r.engine.Coverage(r.Context(), engine.CoverageQuery{Project: "p", View: c.view, Keys: c.keys})
		r.wantErr("Coverage", err, "")
		text := fmt.Sprintf("%d assets, %d looked at, %d open", got.Assets, got.Looked, got.Open)
		if got.Looked > 0 {
			text += fmt.Sprintf(", %d to %d", got.Oldest.Sub(smallStart).Microseconds(), got.Newest.Sub(smallStart).Microseconds())
		}
		r.want("coverage", text, c.want)
	}
	_, err := r.engine.Coverage(r.Context(), engine.CoverageQuery{Project: "nobody"})
	r.wantErr("Coverage", err, "no project")
}
