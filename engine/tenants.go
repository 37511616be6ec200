package engine

import (
	"slices"
	"sync"
	"sync/atomic"
)

// tenants are the projects: those that readers find, and those whose first batch is
// still on its way.
type tenants struct {
	shown  atomic.Pointer[projectTree]
	least  uint64     // data versions of new inventories are higher; set while nobody writes
	mu     sync.Mutex // guards storing to shown, and coming
	coming map[string]*newcomer
}

// newcomer is a project that readers do not find yet.
type newcomer struct {
	project *project
	writes  int // on their way that may make it visible
}

// find returns a project, nil if readers do not see it.
func (t *tenants) find(name string) *project {
	p, _ := t.shown.Load().Get(name)
	return p
}

// forWriting returns a project, which it makes if it is not there; new says that
// readers do not find it: the caller shows or drops it.
func (t *tenants) forWriting(name string) (p *project, isNew bool) {
	if p := t.find(name); p != nil {
		return p, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.find(name); p != nil {
		return p, false
	}
	c := t.coming[name]
	if c == nil {
		c = &newcomer{project: &project{name: name}}
		t.coming[name] = c
	}
	c.writes++
	return c.project, true
}

// show makes the projects of a batch visible.
func (t *tenants) show(parts []part) {
	if !slices.ContainsFunc(parts, func(p part) bool { return p.isNew }) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	grown := t.shown.Load().Copy()
	for i := range parts {
		if p := &parts[i]; p.isNew {
			grown.Set(p.name, p.project)
			delete(t.coming, p.name)
		}
	}
	t.shown.Store(grown)
}

// forget makes a project one that readers do not find. Nobody writes to it.
func (t *tenants) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := t.shown.Load().Copy()
	left.Delete(name)
	t.shown.Store(left)
}

// drop lets go of the projects of a write that was refused.
func (t *tenants) drop(parts []part) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range parts {
		c := t.coming[parts[i].name]
		if !parts[i].isNew || c == nil {
			continue
		}
		if c.writes--; c.writes == 0 {
			delete(t.coming, parts[i].name)
		}
	}
}
