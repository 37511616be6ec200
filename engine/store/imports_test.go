package store

import (
	"os/exec"
	"strings"
	"testing"
)

// TestOnlyStoreLinksPebble: who embeds an engine in memory, or the server, links no database.
func TestOnlyStoreLinksPebble(t *testing.T) {
	deps := func(packages ...string) string {
		out, err := exec.Command("go", append([]string{"list", "-deps"}, packages...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	const pebble = "github.com/cockroachdb/"
	if list := deps("portolan/index", "portolan/engine", "portolan/engine/scanfile", "portolan/engine/enginetest", "portolan/server"); strings.Contains(list, pebble) {
		t.Error("a package besides the store links Pebble")
	}
	if list := deps("portolan/engine/store"); !strings.Contains(list, pebble) {
		t.Error("the store does not link Pebble: the test looks for the wrong name")
	}
}
