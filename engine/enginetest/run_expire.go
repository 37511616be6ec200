package enginetest

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portolan/engine"
)

// expiryCases are about assets that nobody reports on any more. Engines forget them after
// a day; the clock begins a day after the first small time.
func expiryCases() []suiteCase {
	return []suiteCase{
		{"nothing expires where nothing is said", neverExpires},
		{"an asset expires when its newest report is too old", expires},
		{"what has expired leaves no trace", expiredLeavesNoTrace},
		{"a report that is too old is refused", tooOldIsRefused},
		{"every inventory is looked at", everyInventoryExpires},
	}
}

// expire forgets what is too old and holds how much that is against a number.
func (r *rig) expire(want int) engine.Result {
	r.Helper()
	result, err := r.engine.Expire(r.Context())
	r.wantErr("Expire", err, "")
	r.want("expired", result.Removed, want)
	return result
}

func neverExpires(r *rig) {
	r.apply(sample...)
	r.clock.advance(1000 * day)
	r.want("Result", r.expire(0), engine.Result{})
	r.tell("x @1 [all] 22/tcp")
}

func expires(r *rig) {
	r.expiring()
	r.tell("x @1 [all] 22/tcp group=e1", "y @3 [all] 22/tcp 80/tcp", "x @2 80/tcp")
	version := r.ports(engine.PortQuery{Project: "p"}).Version
	r.clock.advance(2 * time.Microsecond) // x is just young enough
	r.want("sequence", r.expire(0).Sequence, uint64(0))
	r.want("version", r.ports(engine.PortQuery{Project: "p"}).Version, version)
	r.clock.advance(time.Microsecond)
	r.want("sequence", r.expire(1).Sequence, uint64(4))
	_, err := r.engine.Asset(r.Context(), "p", engine.Host, "x")
	r.wantErr("Asset", err, "no asset")
	r.wantPorts(engine.PortQuery{Project: "p"}, 2, "1 22/tcp danger", "1 80/tcp normal")
	r.wantPorts(engine.PortQuery{Project: "p", View: engine.In("e1")}, 0)
	r.want("hosts", hostLines(r.hosts(engine.HostQuery{Project: "p", Port: 22})), []string{"y 22/tcp"})
	r.want("Stats", r.stats(), engine.Stats{Projects: 1, Assets: 1, Observations: 2, Keys: 2, Expired: 1})
	r.clock.advance(day)
	r.expire(1)
	r.want("Stats", r.stats(), engine.Stats{Projects: 1, Expired: 2})
}

// expiredLeavesNoTrace adds an asset again, of which less is said than before.
func expiredLeavesNoTrace(r *rig) {
	r.expiring()
	r.tell("x @5 [all] 22/tcp name=old address=10.0.0.1 group=e1")
	r.clock.advance(day)
	r.expire(1)
	r.tell("x 443/tcp")
	got := r.asset(engine.Host, "x")
	got.LastSeen, got.Version = time.Time{}, 0
	r.want("asset", got, engine.Asset{ID: "x", EnterpriseProject: "0", Open: keysOf("443/tcp")})
	r.expire(0)
}

func tooOldIsRefused(r *rig) {
	r.expiring()
	r.clock.advance(3 * time.Microsecond)
	for line, kind := range map[string]string{"x @2 22/tcp": "field seen", "x @3 22/tcp": "", "x 22/tcp": "", "x @0": "field seen"} {
		_, err := r.engine.Apply(r.Context(), sayAll("y 80/tcp", line))
		r.wantErr(line, err, kind)
	}
}

func everyInventoryExpires(r *rig) {
	r.expiring()
	r.tell("x @1", "x @1 category=container", "x @1 project=q", "y @2 project=q", "x @1 project=z category=container")
	r.clock.advance(2 * time.Microsecond)
	r.want("sequence", r.expire(4).Sequence, uint64(9))
	r.want("projects", r.projects(), []string{"p", "q", "z"})
}

// ModelExpiring is [Model] with engines whose assets expire while the clock goes past the
// small times.
func ModelExpiring(t *testing.T, open Open) {
	defer shorten()()
	rapid.Check(t, func(rt *rapid.T) {
		m := newModel(open, func(o *engine.Options) { o.Expire = day })
		m.tick = 0
		defer m.engine.Close()
		rt.Repeat(map[string]func(*rapid.T){
			"":       m.check,
			"apply":  m.apply,
			"remove": m.remove,
			"expire": m.expire,
			"ask":    m.ask,
		})
	})
}

// expire lets up to a microsecond pass and has what is too old forgotten.
func (m *model) expire(t *rapid.T) {
	m.clock.advance(time.Duration(diceOf(t)(2)) * time.Microsecond)
	want, wantErr := m.want.Expire(context.Background())
	got, err := m.engine.Expire(context.Background())
	got.Durable = false
	if want != got || kindOf(wantErr) != kindOf(err) {
		t.Fatalf("Expire: %+v, error %v, want %+v, %v", got, err, want, wantErr)
	}
}
