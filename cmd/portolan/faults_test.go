//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFailingSync makes every sync of the log fail from the third of a thread on: what was
// acknowledged before is kept, nothing is acknowledged after, questions are answered, and
// the end is one line.
func TestFailingSync(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("PORTOLAN_REQUIRE_ALL") != "" {
			t.Fatal(err)
		}
		t.Skipf("needs strace: %v", err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	data := filepath.Join(t.TempDir(), "data")
	startServer(t, data).stop(t) // what is made first needs syncs, too
	server := startUnder(t, []string{strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=3+"}, data)
	server.writeUntilRefused(t, 200, 1)
	server.endsReadOnly(t, data, "input/output error")
	server.isKept(t, data)
}

// smallDisk mounts a disk of 20 MB.
func smallDisk(t *testing.T) string {
	t.Helper()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=20m"); err != nil {
		t.Skipf("needs the right to mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return disk
}

// TestFullDisk fills a real disk to its end. With the disk still full the server answers
// questions, and says why it takes no more; with more room everything is there.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t)
	defer http.DefaultClient.CloseIdleConnections()
	data := filepath.Join(disk, "data")
	server := startServer(t, data, "--min-free", "1")
	server.writeUntilRefused(t, 2000, 500)
	server.endsReadOnly(t, data, "no space left on device")
	// It starts for questions, however often, and takes nothing of what little is left.
	for range 3 {
		var before, after syscall.Statfs_t
		err := syscall.Statfs(disk, &before)
		again := startServer(t, data)
		status, answer, err2 := again.ask("POST", "/v1/projects/default/reports", `{"asset":"a","open":["22/tcp"]}`)
		if err := errors.Join(err, err2); err != nil || status != http.StatusServiceUnavailable {
			t.Errorf("%d %s %v", status, answer, err)
		}
		if got := len(again.ports(t)); got != server.acknowledged && got != server.acknowledged+1 {
			t.Errorf("%d calls are answered from, %d were acknowledged", got, server.acknowledged)
		}
		again.stop(t)
		if log := again.log.String(); !strings.Contains(log, "what is in logs") {
			t.Errorf("the log does not say why: %s", log)
		}
		if err := syscall.Statfs(disk, &after); err != nil || after.Bavail < before.Bavail {
			t.Errorf("%d blocks were free, then %d, %v", before.Bavail, after.Bavail, err)
		}
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=80m"); err != nil {
		t.Fatal(err)
	}
	server.isKept(t, data)
}

// TestFreeSpace: with the default floor a small disk takes nothing, and the log says why.
func TestFreeSpace(t *testing.T) {
	disk := smallDisk(t)
	defer http.DefaultClient.CloseIdleConnections()
	server := startServer(t, filepath.Join(disk, "data"))
	status, answer, err := server.ask("POST", "/v1/projects/default/reports", `{"asset":"a","open":["22/tcp"]}`)
	if err != nil || status != http.StatusServiceUnavailable || strings.Contains(string(answer), "MiB") {
		t.Errorf("%d %s %v", status, answer, err)
	}
	server.stop(t)
	if log := server.log.String(); !strings.Contains(log, "of which 256 MiB are kept free") {
		t.Errorf("the log does not say why: %s", log)
	}
}

// writeUntilRefused makes calls until one is refused.
func (c *child) writeUntilRefused(t *testing.T, mostCalls, perCall int) {
	t.Helper()
	for n := range mostCalls {
		var body strings.Builder
		for i := range perCall {
			fmt.Fprintf(&body, `{"asset":"a%d-%d","name":"%s","scope":"all","open":["%d/tcp"]}`+"\n", n, i, strings.Repeat(fmt.Sprintf("%x", n*7919+i), 16), 1+n)
		}
		status, answer, err := c.ask("POST", "/v1/projects/default/reports", body.String())
		if err != nil {
			t.Fatalf("call %d: %v", n, err)
		}
		if status == http.StatusOK {
			c.acknowledged = n + 1
			continue
		}
		if status != http.StatusServiceUnavailable || !bytes.Contains(answer, []byte("HSS.0010")) {
			t.Fatalf("call %d: %d %s", n, status, answer)
		}
		break
	}
	if c.acknowledged == 0 || c.acknowledged == mostCalls {
		t.Fatalf("%d of %d calls were acknowledged: the fault did not come in between", c.acknowledged, mostCalls)
	}
}

// removedAsset is one that [child.endsReadOnly] tries to remove.
const removedAsset = "a0-0"

// endsReadOnly holds a server whose disk has failed against what it owes.
func (c *child) endsReadOnly(t *testing.T, data, reason string) {
	t.Helper()
	if got := len(c.ports(t)); got != c.acknowledged {
		t.Errorf("%d calls are answered from, %d were acknowledged", got, c.acknowledged)
	}
	status, answer, err := c.ask("DELETE", "/v1/projects/default/assets/"+removedAsset, "")
	c.removed = status == http.StatusNoContent && reason == syscall.ENOSPC.Error() // there may be room by now
	if err != nil || status != http.StatusServiceUnavailable && !c.removed {
		t.Errorf("a removal: %d %s %v", status, answer, err)
	}
	if err := c.interrupt(); err != nil {
		t.Fatal(err)
	}
	err = c.Wait()
	log := c.log.String()
	if err == nil || !strings.Contains(log, "\nportolan: database: ") || !strings.Contains(log, reason) || strings.Contains(log, "goroutine ") {
		t.Errorf("the server ended with %v and\n%s", err, log)
	}
	if n := strings.Count(log, "database has ended"); n != 1 {
		t.Errorf("the end is told %d times:\n%s", n, log)
	}
	if r := call(t, nil, "verify", "--data", data); r.code != exitOK {
		t.Errorf("verify: %+v", r)
	}
}

// isKept holds what is there after a restart against what was acknowledged: of what was not,
// only the last may be there, as a whole. A removal that was acknowledged has happened.
func (c *child) isKept(t *testing.T, data string) {
	t.Helper()
	again := startServer(t, data, "--min-free", "1")
	if got := len(again.ports(t)); got != c.acknowledged && got != c.acknowledged+1 {
		t.Errorf("%d calls are there after a restart, %d were acknowledged", got, c.acknowledged)
	}
	want := http.StatusOK
	if c.removed {
		want = http.StatusNotFound
	}
	if status, _, err := again.ask("GET", "/v1/projects/default/hosts/"+removedAsset, ""); err != nil || status != want {
		t.Errorf("the asset: %d %v; it was removed: %t", status, err, c.removed)
	}
	again.stop(t)
}
