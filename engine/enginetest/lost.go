package enginetest

import (
	"fmt"

	"portolan/engine"
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

// lostQuestions are to include the batches around the last gap.
func (r *Reference) lostQuestions() (questions []question) {
	if len(r.gaps) == 0 {
		return nil
	}
	g := r.gaps[len(r.gaps)-1]
	for _, seq := range []uint64{g[0], g[0] + 1, g[1] - 1, g[1]} {
		for _, project := range smallProjects {
			questions = append(questions,
				askPorts(engine.PortQuery{Project: project, AtLeast: seq}),
				askHosts(engine.HostQuery{Project: project, Port: 80, AtLeast: seq}),
				askAssets(engine.AssetQuery{Project: project, AtLeast: seq}))
		}
	}
	return questions
}
