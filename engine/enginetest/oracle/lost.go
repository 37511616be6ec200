package oracle

import (
	"fmt"
)

// Resume goes on at a sequence number, after that of the last batch where some may have been
// lost. The error is of one before it.
func (r *Reference) Resume(from uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if from < r.sequence {
		return fmt.Errorf("it goes on at %d, after batch %d", from, r.sequence)
	}
	if from > r.sequence {
		r.gaps = append(r.gaps, [2]uint64{r.sequence, from})
		r.sequence = from
	}
	return nil
}

// isLost says whether a number was passed over.
func (r *Reference) isLost(seq uint64) bool {
	for _, g := range r.gaps {
		if seq > g[0] && seq < g[1] {
			return true
		}
	}
	return false
}

// Sequence returns the number of the last batch, or the one that it went on at.
func (r *Reference) Sequence() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.sequence
}

// LastGap returns the numbers between which the last ones were passed over, before 0 if none
// were.
func (r *Reference) LastGap() (after, before uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.gaps) == 0 {
		return 0, 0
	}
	g := r.gaps[len(r.gaps)-1]
	return g[0], g[1]
}
