package scanfile

import (
	"time"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
)

// closings collects the assets of an input whose records are no whole looks, so that each
// gets one report at the end that closes what the input did not find open. There are two
// kinds: records that name no scope, where the options give one; and records of several
// addresses that are one asset, whose scope is what was looked at on all of them.
type closings struct {
	in     *input
	given  *engine.Scope // by the options
	merged bool          // assets may have several addresses
	order  []string
	of     map[string]*closingOf
}

// closingOf is what the records of an asset say together.
type closingOf struct {
	first time.Time    // the earliest time
	scope engine.Scope // what all of them looked at
}

// closingSize is what is held of an asset, in bytes, but for its name.
const closingSize = 200

func newClosings(in *input) *closings {
	return &closings{in: in, given: in.Opts.Scope, merged: in.Opts.Identity != reader.ByAddress, of: map[string]*closingOf{}}
}

// wants says whether the records of the format are no whole looks.
func (c *closings) wants(f *reader.Format) bool {
	if f.Additive {
		return c.given != nil
	}
	return f.Scanner && c.merged
}

// note takes the scope of a record and leaves one that only adds. That of an additive
// format has the given one; one that says itself what was looked at, if it was nothing,
// has none.
func (c *closings) note(r *engine.Report, additive bool) {
	scope := r.Scope
	if additive && c.given != nil {
		scope = *c.given
	}
	r.Scope = engine.Scope{}
	known := c.of[r.Asset]
	if known == nil {
		c.in.W.Hold(closingSize + 2*len(r.Asset))
		c.order = append(c.order, r.Asset)
		c.of[r.Asset] = &closingOf{r.Seen, scope}
		return
	}
	if known.scope != scope {
		known.scope = known.scope.Intersect(scope)
	}
	if earlier(r.Seen, known.first) {
		known.first = r.Seen
	}
}

// earlier says whether a is before b, where the zero time is now.
func earlier(a, b time.Time) bool { return !a.IsZero() && (b.IsZero() || a.Before(b)) }

// report ends the input, if it was whole and nothing of it was refused, with the closing
// reports. Each is at the earliest time of its asset, where open wins, so it closes
// nothing that the input found open.
func (c *closings) report(in *input, out *reader.Output) {
	in.closing = true
	for _, asset := range c.order {
		known := c.of[asset]
		if known.scope.IsNone() {
			continue
		}
		r := in.Blank()
		r.Asset, r.Seen, r.Scope = asset, known.first, known.scope
		out.Report(&r, 0)
		if out.Done {
			return
		}
	}
}
