package engine

import (
	"context"
	"fmt"
	"time"
)

// OpenPort is one open port of an asset.
type OpenPort struct {
	Port   uint16
	Type   Type
	Status Status
	// Rule and Reason are the name of the policy's rule that gives it that status, and why; empty where
	// there is none, or it does not say.
	Rule, Reason string
	// Seen is when the newest report that tells anything about the port was made: it was open then. It
	// is zero in a state of the past.
	Seen time.Time
}

// Key returns the port and type as a key.
func (p OpenPort) Key() Key { return MakeKey(p.Port, p.Type) }

// AssetPorts is an asset with its open ports, by port, then type name. Asset.Open has their keys.
type AssetPorts struct {
	Asset
	Ports []OpenPort
}

// AssetPorts returns one asset of the newest snapshot with its open ports; the error is
// [ErrNoProject] or [ErrNoAsset] if it is not there.
func (e *Engine) AssetPorts(ctx context.Context, project string, category Category, id string) (AssetPorts, error) {
	if err := ctx.Err(); err != nil {
		return AssetPorts{}, err
	}
	s, err := e.Snapshot(project, category)
	if err != nil {
		return AssetPorts{}, err
	}
	return s.AssetPorts(ctx, All(), id)
}

// AssetPorts returns one asset of the view with its open ports; the error is [ErrNoAsset] if it is
// not there.
func (s Snapshot) AssetPorts(ctx context.Context, view View, id string) (AssetPorts, error) {
	if s.s == nil {
		return AssetPorts{}, fmt.Errorf("%w: %q", ErrNoAsset, id)
	}
	o, ok := s.s.Find(id)
	if !ok || !s.inView(view, o) {
		return AssetPorts{}, fmt.Errorf("%w: %q", ErrNoAsset, id)
	}
	a := AssetPorts{Asset: s.asset(o)}
	var known evidence
	known.decodeNote(s.s.Note(o), len(a.Open))
	var looked cover
	looked.reset()
	for _, l := range known.looks {
		scope := ScopeAll()
		if l.ref != refAll {
			scope = decodeScope(s.s.Interned(l.ref - 1))
		}
		looked.add(scope, l.time)
	}
	looked.prepare(len(a.Open))
	j, err := s.judges(ctx)
	if err != nil {
		return AssetPorts{}, err
	}
	a.Ports = make([]OpenPort, len(a.Open))
	for i, k := range a.Open {
		p := &a.Ports[i]
		p.Port, p.Type = k.Port(), k.Type()
		if !s.past {
			p.Seen = time.UnixMicro(max(looked.at(k), known.ownOf(i))).UTC()
		}
		var rule *Rule
		if p.Status, rule = j.explain(o, k); rule != nil {
			p.Rule, p.Reason = rule.Name, rule.Reason
		}
	}
	return a, nil
}
