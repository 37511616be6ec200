package alert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"portolan/engine"
)

// progress is how far a rule has come with a receiver. It is kept as JSON:
//
//	{"through":17,"ahead":[{"project":"p","category":"host","position":"18.0.1"}]}
//
// Everything up to the end of batch through is told; of inventories that are listed, everything up to
// their position instead, which may be before that or after it.
type progress struct {
	through uint64
	at      map[engine.Inventory]engine.Position
}

// of returns how far an inventory is told.
func (p *progress) of(v engine.Inventory) engine.Position {
	if at, listed := p.at[v]; listed {
		return at
	}
	return engine.After(p.through)
}

// set says how far one is told.
func (p *progress) set(v engine.Inventory, at engine.Position) {
	if p.at == nil {
		p.at = map[engine.Inventory]engine.Position{}
	}
	p.at[v] = at
}

// pass says that everything up to the end of a batch was read, and told but for inventories that stay behind.
func (p *progress) pass(through uint64, behind func(engine.Inventory) bool) {
	p.through = max(p.through, through)
	for v, at := range p.at {
		if !behind(v) && at.Compare(engine.After(p.through)) <= 0 {
			delete(p.at, v)
		}
	}
}

// back says that what came after a batch is to be told again.
func (p *progress) back(through uint64) {
	p.through = min(p.through, through)
	for v, at := range p.at {
		if at.Compare(engine.After(p.through)) > 0 {
			delete(p.at, v)
		}
	}
}

type progressJSON struct {
	Through uint64         `json:"through"`
	Ahead   []positionJSON `json:"ahead,omitempty"`
}

type positionJSON struct {
	Project  string `json:"project"`
	Category string `json:"category"`
	Position string `json:"position"`
}

func (p *progress) bytes() ([]byte, error) {
	out := progressJSON{Through: p.through}
	for v, at := range p.at {
		out.Ahead = append(out.Ahead, positionJSON{v.Project, v.Category.String(), at.String()})
	}
	slices.SortFunc(out.Ahead, func(a, b positionJSON) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Category, b.Category))
	})
	return json.Marshal(out)
}

func parseProgress(data []byte) (p progress, err error) {
	var in progressJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return p, fmt.Errorf("how far alerts have come cannot be read: %w", err)
	}
	p.through = in.Through
	for _, a := range in.Ahead {
		c, err := engine.ParseCategory(a.Category)
		if err != nil {
			return p, err
		}
		at, err := engine.ParsePosition(a.Position)
		if err != nil {
			return p, err
		}
		p.set(engine.Inventory{Project: a.Project, Category: c}, at)
	}
	return p, nil
}

// known moves what was kept to batches that the engine has: it may have lost some since.
func (p *progress) known(e *engine.Engine) {
	p.through = e.Known(engine.After(p.through)).Sequence
	for v, at := range p.at {
		p.at[v] = e.Known(at)
	}
}
