package engine

import (
	"context"
	"time"
)

// Opening is since when a port of an asset is open, as answers had it.
type Opening struct {
	// Since is when it was opened or found last, and Kind which of the two: one that is found may have been open before
	// anybody looked.
	Since time.Time
	Kind  ChangeKind
	// First is when it was opened or found first, of all that is kept.
	First time.Time
}

// Openings are those of the open ports of an asset.
type Openings struct {
	// Keys has those that were opened or found in the view and in what is kept; the others are open since before.
	Keys map[Key]Opening
	// Kept is after when all is kept; zero if that is all there ever was.
	Kept time.Time
}

// Openings returns since when the ports of an asset are open in a view, up to a batch, 0 for the last. It takes about as
// long as [Engine.Changes] of the asset. The error is that of Changes.
func (e *Engine) Openings(ctx context.Context, project string, category Category, view View, id string, through uint64) (Openings, error) {
	list, err := e.Changes(ctx, ChangeQuery{
		Project: project, Category: category, View: view, Asset: id, Through: through, Kinds: []ChangeKind{Opened, Found, Closed, Forgotten},
	})
	if err != nil {
		return Openings{}, err
	}
	o := Openings{Keys: map[Key]Opening{}, Kept: list.KeptSince()}
	firsts := map[Key]time.Time{}
	for c, err := range list.All(ctx, nil) {
		if err != nil {
			return Openings{}, err
		}
		k := c.Key()
		switch {
		case c.Port == 0: // the asset itself
		case c.Kind == Opened || c.Kind == Found:
			first, again := firsts[k]
			if !again {
				first = c.Time
				firsts[k] = first
			}
			o.Keys[k] = Opening{Since: c.Time, Kind: c.Kind, First: first}
		default:
			delete(o.Keys, k)
		}
	}
	return o, nil
}
