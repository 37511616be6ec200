package enginetest

import (
	"time"

	"portolan/engine"
)

// registerCases are about the texts of an asset.
func registerCases() []suiteCase {
	return []suiteCase{
		registerCase("none given", "||0", "x @1"),
		registerCase("the newest given stands", "new|2|e2",
			"x @1 name=old address=1 group=e1", "x @2 name=new address=2 group=e2"),
		registerCase("each has its own time", "b|1|e3",
			"x @1 name=a address=1 group=e1", "x @2 name=b", "x @3 group=e3"),
		registerCase("not given is not empty", "a|1|e1",
			"x @1 name=a address=1 group=e1", "x @2 [all] 22/tcp"),
		registerCase("at equal times the greater text stands", "b|9|e2",
			"x @1 name=a address=9 group=e2", "x @1 name=b address=10 group=e1"),
		registerCase("given late, for the first time", "a||e1",
			"x @5 [all] 22/tcp", "x @1 name=a group=e1"),
		registerCase("back to the default enterprise project", "||0",
			"x @1 group=e1", "x @2 group=0"),
	}
}

// registerCase tries the reports in every order.
func registerCase(name, texts string, lines ...string) suiteCase {
	return suiteCase{name, func(r *rig) {
		permute(sayAll(lines...), 0, func(reports []engine.Report) {
			for _, report := range reports {
				r.apply(report)
			}
			a := r.asset(engine.Host, "x")
			r.want("name|address|enterprise project", a.Name+"|"+a.Address+"|"+a.EnterpriseProject, texts)
			r.remove(engine.Host, "x")
		})
	}}
}

// timeCases are about when a report counts as seen.
func timeCases() []suiteCase {
	return []suiteCase{
		{"the time given counts", func(r *rig) {
			r.tell("x @3", "x @2")
			r.wantSeen("x", smallTime(3))
		}},
		{"times are microseconds", timesAreMicroseconds},
		{"reports without a time share their call's", reportsShareReceipt},
		{"a later call is later, though the clock stands", func(r *rig) {
			r.tell("x [all] 22/tcp", "x [all] 80/tcp", "x [all] 443/tcp")
			r.wantOpen("x", "443/tcp")
		}},
		{"a later call is later, though the clock runs back", func(r *rig) {
			r.tell("x [all] 22/tcp")
			r.clock.advance(-time.Hour)
			r.tell("x [all] 80/tcp")
			r.wantOpen("x", "80/tcp")
			if !r.asset(engine.Host, "x").LastSeen.After(r.clock.now().Add(time.Hour)) {
				r.Error("the second receipt time is not later than the first")
			}
		}},
		{"receipt times are a project's own", func(r *rig) {
			r.tell("x project=q", "x project=q", "x")
			r.wantSeen("x", r.clock.now())
		}},
		{"a receipt time is newer than a time given", func(r *rig) {
			r.tell("x [all] 22/tcp", "x @5 [all] 80/tcp")
			r.wantOpen("x", "22/tcp")
		}},
		{"a time ahead becomes the receipt time", timeAheadIsClamped},
		{"a time up to 24 h ahead is clamped", func(r *rig) {
			r.wantAhead(0, 0, "")
			r.wantAhead(time.Microsecond, 1, "")
			r.wantAhead(engine.MaxAhead, 1, "")
			r.wantAhead(engine.MaxAhead+time.Microsecond, 0, "field seen")
			r.wantAhead(1000*engine.MaxAhead, 0, "field seen")
		}},
		{"a time long ago is a time", func(r *rig) {
			report := say("x [all] 22/tcp")
			report.Seen = time.Unix(0, 0)
			r.apply(report)
			r.wantSeen("x", time.Unix(0, 0))
			r.tell("x @0 [all] 80/tcp")
			r.wantOpen("x", "80/tcp")
		}},
		{"a receipt time bounds no time that is given", func(r *rig) {
			r.clock.advance(time.Hour)
			r.tell("x [all] 22/tcp") // receipt times are ahead of the clock from here on
			r.clock.advance(-time.Hour)
			report := say("y [all] 80/tcp")
			report.Seen = r.clock.now().Add(time.Minute)
			r.want("Result", resultText(r.apply(report)), "applied 1 unchanged 0 stale 0 clamped 1")
			r.wantSeen("y", r.clock.now())
		}},
	}
}

func (r *rig) wantSeen(id string, want time.Time) {
	r.Helper()
	if got := r.asset(engine.Host, id).LastSeen; !got.Equal(want) {
		r.Errorf("LastSeen of %s: %v, want %v", id, got, want)
	}
}

// wantAhead applies a report from so far ahead to an asset of a new project.
func (r *rig) wantAhead(ahead time.Duration, clamped int, kind string) {
	r.Helper()
	report := say("x [all] 22/tcp")
	report.Project = "ahead " + ahead.String()
	report.Seen = r.clock.now().Add(ahead)
	result, err := r.engine.Apply(r.Context(), []engine.Report{report})
	r.wantErr(report.Project, err, kind)
	r.want(report.Project+": clamped", result.Clamped, clamped)
}

func timesAreMicroseconds(r *rig) {
	first, second := say("x [all] 22/tcp"), say("x [all] 80/tcp")
	first.Seen, second.Seen = smallTime(1).Add(100), smallTime(1).Add(900)
	r.apply(first)
	r.apply(second)
	r.wantOpen("x", "22/tcp 80/tcp")
	r.wantSeen("x", smallTime(1))
	r.clock.advance(time.Second + 999)
	r.tell("y")
	r.wantSeen("y", r.clock.now().Truncate(time.Microsecond))
}

func reportsShareReceipt(r *rig) {
	r.apply(sayAll("x [all] 22/tcp", "x [all] 80/tcp", "y [all] 22/tcp")...)
	r.wantOpen("x", "22/tcp 80/tcp")
	r.wantSeen("x", r.clock.now())
	r.wantSeen("y", r.clock.now())
}

func timeAheadIsClamped(r *rig) {
	ahead := say("x [all] 22/tcp")
	ahead.Seen = r.clock.now().Add(time.Hour)
	r.want("Result", resultText(r.apply(ahead, ahead, say("x [all] 80/tcp"))),
		"applied 2 unchanged 1 stale 0 clamped 2")
	r.wantOpen("x", "22/tcp 80/tcp")
	r.wantSeen("x", r.clock.now())
	r.clock.advance(time.Minute)
	r.tell("x [all] 443/tcp")
	r.wantOpen("x", "443/tcp")
}
