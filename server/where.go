package server

import (
	"context"
	"errors"
	"runtime"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"portolan/engine"
	"portolan/engine/expr"
)

// searches are what questions of sets of assets share: the sets, so that a snapshot remembers what
// it was asked by them, and the processors, as a set of its own may keep all of them busy for tens
// of milliseconds.
type searches struct {
	sets     *lru.Cache[hostSetOf, *engine.HostSet]
	room     chan struct{}
	patience time.Duration
}

// hostSetOf is what a set of assets follows from. The second is that of one that depends on the
// time, else 0.
type hostSetOf struct {
	text, policy string
	second       int64
}

// So many sets are remembered, each of so many conditions: that of ports takes up to 48 KB.
const (
	maxHostSets  = 64
	maxKeptTerms = 16
)

// searchTime is how long a question of a set of assets may take, waiting for others included.
const searchTime = 10 * time.Second

func newSearches() *searches {
	sets, err := lru.New[hostSetOf, *engine.HostSet](maxHostSets)
	if err != nil {
		panic("server: " + err.Error()) // only a size below 1 is wrong
	}
	return &searches{sets, make(chan struct{}, runtime.GOMAXPROCS(0)), searchTime}
}

// where returns the set of assets in a parameter, nil if it is absent. Timely says that the answer
// depends on the time, so that nobody may keep it.
func (s *Server) where(a *asked, policy *engine.Policy) (set *engine.HostSet, timely bool, err error) {
	text, given := a.values["where"]
	if !given {
		return nil, false, nil
	}
	now := s.engine.Now().Truncate(time.Second)
	of := hostSetOf{text: text, policy: policy.Version()}
	if set, ok := s.searches.sets.Get(of); ok {
		return set, false, nil
	}
	of.second = now.Unix()
	if set, ok := s.searches.sets.Get(of); ok {
		return set, true, nil
	}
	where, err := expr.ParseWhere("where", text)
	if err != nil {
		return nil, false, err
	}
	if !where.Timely() {
		of.second = 0
	}
	set = where.Assets(policy, now)
	if where.Terms() <= maxKeptTerms {
		s.searches.sets.Add(of, set)
	}
	return set, where.Timely(), nil
}

// search asks a question, which may look at each asset: then at most as many at a time as there are
// processors, and not for long.
func (s *Server) search(ctx context.Context, searches bool, ask func(context.Context) error) error {
	if !searches {
		return ask(ctx)
	}
	within, cancel := context.WithTimeout(ctx, s.searches.patience)
	defer cancel()
	select {
	case s.searches.room <- struct{}{}:
	case <-within.Done():
		return tooLong(ctx, within.Err())
	}
	defer func() { <-s.searches.room }()
	return tooLong(ctx, ask(within))
}

// tooLong tells a question whose time is over from one that nobody waits for.
func tooLong(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return &failure{kind: dear, retry: retrySoon}
	}
	return err
}
