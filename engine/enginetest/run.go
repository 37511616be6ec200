package enginetest

import (
	"testing"
)

// Run is the conformance suite: it opens engines with open and holds their
// answers against the rules, case by case, in named subtests. Where a case is
// random its name has the seed, so that -run repeats it. Every engine is
// checked and closed when its case ends.
func Run(t *testing.T, open Open) {
	for _, group := range []struct {
		name  string
		cases []suiteCase
	}{
		{"rule", ruleCases()},
		{"registers", registerCases()},
		{"time", timeCases()},
		{"refusal", refusalCases()},
		{"ports", portCases()},
		{"orders", orderCases()},
		{"views", viewCases()},
		{"hosts", hostCases()},
		{"sets", setCases()},
		{"labels", labelCases()},
		{"coverage", coverageCases()},
		{"together", togetherCases()},
		{"shared addresses", sharedCases()},
		{"lifecycle", lifecycleCases()},
		{"isolation", isolationCases()},
		{"sequence", sequenceCases()},
		{"expiry", expiryCases()},
		{"same", sameCases()},
		{"concurrency", concurrencyCases()},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) { c.test(newRig(t, open)) })
			}
		})
	}
}

// suiteCase is one case of the suite; it gets an engine of its own.
type suiteCase struct {
	name string
	test func(r *rig)
}
