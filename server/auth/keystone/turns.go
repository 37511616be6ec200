package keystone

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// How many questions wait for their turn: of one network, of which the one that waits the
// longest gives up for a newer one, and in all.
const (
	maxWaitingOf = 256
	maxWaiting   = 1024
)

var errCrowded = errors.New("too many questions about unknown tokens wait")

// turns lets so many questions be under way at a time. Networks take turns, and one has at most
// three quarters of all under way. In the line of one the newest is first: who makes up tokens without end
// keeps the line full, and a client that comes in between is to be answered, not to stand at its
// end until everybody has given up.
type turns struct {
	mu      sync.Mutex
	free    int
	most    int // of one network
	waiting int
	lines   map[string]*line
	ring    []*line // that wait, in turn
}

// line is the questions of one network.
type line struct {
	of       string
	underWay int
	waiting  []chan bool // the newest last; told true when it is its turn, false to give up
}

func newTurns(n int) *turns {
	return &turns{free: n, most: max(1, n-max(1, n/4)), lines: map[string]*line{}}
}

// enter waits for the network's turn. Without an error, leave is called at the question's end.
func (t *turns) enter(ctx context.Context, of string) error {
	turn, err := t.join(of)
	if err != nil || turn == nil {
		return err
	}
	select {
	case mine := <-turn:
		if !mine {
			return errCrowded
		}
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.lines[of]; l != nil {
		if i := slices.Index(l.waiting, turn); i >= 0 {
			l.waiting = slices.Delete(l.waiting, i, i+1)
			t.waiting--
			t.tidyLocked(l)
			return ctx.Err()
		}
	}
	if <-turn { // it came just now
		t.leaveLocked(of)
	}
	return ctx.Err()
}

// join takes a turn at once, then it returns nil, or waits for one.
func (t *turns) join(of string) (turn chan bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines[of]
	if l == nil {
		l = &line{of: of}
		t.lines[of] = l
	}
	if t.free > 0 && l.underWay < t.most {
		t.free--
		l.underWay++
		return nil, nil
	}
	if len(l.waiting) == maxWaitingOf {
		l.waiting[0] <- false
		l.waiting = slices.Delete(l.waiting, 0, 1)
		t.waiting--
	}
	if t.waiting == maxWaiting {
		t.tidyLocked(l)
		return nil, errCrowded
	}
	turn = make(chan bool, 1)
	if t.waiting++; len(l.waiting) == 0 {
		t.ring = append(t.ring, l)
	}
	l.waiting = append(l.waiting, turn)
	return turn, nil
}

// leave ends a question of the network.
func (t *turns) leave(of string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leaveLocked(of)
}

func (t *turns) leaveLocked(of string) {
	l := t.lines[of]
	l.underWay--
	t.free++
	next := slices.IndexFunc(t.ring, func(l *line) bool { return l.underWay < t.most })
	if next >= 0 {
		t.nextLocked(t.ring[next])
	}
	t.tidyLocked(l)
}

// nextLocked gives a line its turn, which then stands behind the others.
func (t *turns) nextLocked(l *line) {
	last := len(l.waiting) - 1
	turn := l.waiting[last]
	l.waiting = l.waiting[:last]
	t.waiting--
	t.free--
	l.underWay++
	i := slices.Index(t.ring, l)
	t.ring = slices.Delete(t.ring, i, i+1)
	if last > 0 {
		t.ring = append(t.ring, l)
	}
	turn <- true
}

// tidyLocked forgets what a line is no more.
func (t *turns) tidyLocked(l *line) {
	if len(l.waiting) > 0 {
		return
	}
	if i := slices.Index(t.ring, l); i >= 0 {
		t.ring = slices.Delete(t.ring, i, i+1)
	}
	if l.underWay == 0 {
		delete(t.lines, l.of)
	}
}
