package reader

import "testing"

// TestProbes: looks are spent, and bytes of input make more of them.
func TestProbes(t *testing.T) {
	var p probes
	taken := 0
	for at := range int64(10 * probeEvery) { // a strange line in each byte
		if p.spend(at) {
			taken++
		}
	}
	if taken < maxProbes || taken > maxProbes+10 {
		t.Errorf("%d looks", taken)
	}
	if !p.spend(1 << 30) {
		t.Error("no look after very much input")
	}
}
