//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// notified is the socket at which systemd would be told.
type notified struct {
	*net.UnixConn
	path string
}

func listenForStates(t *testing.T) *notified {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &notified{conn, path}
}

// await reads states until one has the text.
func (n *notified) await(t *testing.T, want string) {
	t.Helper()
	if err := n.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var all []string
	for b := make([]byte, 4096); ; {
		size, err := n.Read(b)
		if err != nil {
			t.Fatalf("no %s: %v, after %q", want, err, all)
		}
		state := string(b[:size])
		if all = append(all, state); strings.Contains(state, want) {
			return
		}
	}
}

// TestServeUnderSystemd: a service is given its socket, says when it is ready, reads files again,
// is alive and stops, and is asked for some time after it was told to end.
func TestServeUnderSystemd(t *testing.T) {
	states := listenForStates(t)
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	socket, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + l.Addr().String()
	l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stderr safeBuffer
	cmd := exec.CommandContext(ctx, "sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, os.Args[0], "serve", "--drain-delay", "2s", "--log-format", "json")
	cmd.Env = append(os.Environ(), childEnv+"=1", "PORTOLAN_TOKEN="+testToken, "NOTIFY_SOCKET="+states.path, "WATCHDOG_USEC=400000", "LISTEN_FDS=1")
	cmd.ExtraFiles, cmd.Stderr = []*os.File{socket}, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	socket.Close()
	states.await(t, "READY=1")
	if status, _ := fetch(t, base+"/readyz"); status != http.StatusOK {
		t.Errorf("when it says that it is ready: %d", status)
	}
	states.await(t, "WATCHDOG=1")
	for sig, want := range map[os.Signal][]string{syscall.SIGHUP: {"RELOADING=1\nMONOTONIC_USEC=", "READY=1"}} {
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		for _, state := range want {
			states.await(t, state)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	states.await(t, "STOPPING=1")
	if status, text := fetch(t, base+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(text, "stopping") {
		t.Errorf("when it was told to end: %d %s", status, text)
	}
	if status, _ := fetch(t, base+"/healthz"); status != http.StatusOK {
		t.Errorf("questions meanwhile: %d", status)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, stderr.String())
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still listens")
	}
	if text := stderr.String(); !strings.HasPrefix(text, `{"time":`) {
		t.Errorf("the log is %s", text)
	}
}

// TestAccessLogRotation: a log that was moved is opened anew on SIGHUP, and one to a pipe that
// nobody reads keeps no answer back.
func TestAccessLogRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	states := listenForStates(t)
	t.Setenv("NOTIFY_SOCKET", states.path)
	s := serve(t, nil, "--access-log", path)
	ask := func(path string) {
		if status, _ := fetch(t, s.url+path); status != http.StatusOK {
			t.Fatalf("%s: %d", path, status)
		}
	}
	written := func(path string, n int) func() bool {
		return func() bool {
			text, _ := os.ReadFile(path)
			return bytes.Count(text, []byte("\n")) == n
		}
	}
	ask("/healthz")
	eventually(t, "the first record", written(path, 1))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	ask("/healthz")
	eventually(t, "a record behind the move", written(path+".1", 2))
	states.await(t, "READY=1")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	states.await(t, "READY=1")
	ask("/healthz")
	eventually(t, "a record in the new file", written(path, 1))
}

func TestAccessLogToNobody(t *testing.T) {
	reads, writes, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reads.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.CommandContext(ctx, os.Args[0], "serve", "--listen", address, "--access-log", "-", "--drain-delay", "0")
	cmd.Env = append(os.Environ(), childEnv+"=1", "PORTOLAN_TOKEN="+testToken)
	cmd.Stdout = writes
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writes.Close()
	eventually(t, "it listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	for i := range 1000 {
		if status, _ := fetch(t, "http://"+address+"/healthz"); status != http.StatusOK {
			t.Fatalf("answer %d: %d", i, status)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(fmt.Errorf("stopping: %w", err))
	}
}
