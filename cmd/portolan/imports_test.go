package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestLinksNoTests: the binary that is shipped links nothing that is for tests.
func TestLinksNoTests(t *testing.T) {
	deps := func(pkg string) []string {
		out, err := exec.Command("go", "list", "-deps", pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	binary, suites := deps("portolan/cmd/portolan"), deps("portolan/engine/enginetest")
	for _, name := range []string{"testing", "pgregory.net/rapid", "github.com/google/go-cmp/cmp"} {
		if slices.Contains(binary, name) {
			t.Errorf("portolan links %s", name)
		}
		if !slices.Contains(suites, name) {
			t.Errorf("the suites do not link %s: the test looks for the wrong name", name)
		}
	}
}
