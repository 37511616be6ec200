package scanfile

import (
	"time"

	"portolan/engine"
)

// closings collects the assets of an input whose records name no scope, so that
// each gets one report that closes what the input did not find open.
type closings struct {
	order []string
	first map[string]time.Time // the earliest time of the asset's records
}

// closeAtEnd reads the input and, if it was whole and nothing was refused, ends
// it with the closing reports. Each is at the earliest time of its asset, where
// open wins, so it closes nothing that the input found open.
func closeAtEnd(f *format, in *input, out *output) {
	c := closings{first: map[string]time.Time{}}
	yield := out.yield
	out.yield = func(r engine.Report, err error) bool {
		if err == nil {
			c.note(&r)
		}
		return yield(r, err)
	}
	f.read(in, out)
	out.yield = yield
	if in.problem == "" && in.refused == 0 && in.fault() == nil {
		in.closing = true
		c.report(in, out)
	}
}

func (c *closings) note(r *engine.Report) {
	first, known := c.first[r.Asset]
	if !known {
		c.order = append(c.order, r.Asset)
	}
	if !known || earlier(r.Seen, first) {
		c.first[r.Asset] = r.Seen
	}
}

// earlier says whether a is before b, where the zero time is now.
func earlier(a, b time.Time) bool { return !a.IsZero() && (b.IsZero() || a.Before(b)) }

func (c *closings) report(in *input, out *output) {
	for _, asset := range c.order {
		r := in.blank()
		r.Asset, r.Seen, r.Scope = asset, c.first[asset], *in.opts.Scope
		out.report(&r, 0)
		if out.done {
			return
		}
	}
}
