package server_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"portolan/server"
)

// sinkhole is a log that does as a test says.
type sinkhole struct {
	write func([]byte) (int, error)
}

func (s sinkhole) Write(p []byte) (int, error) { return s.write(p) }
func (s sinkhole) Close() error                { return nil }

func queue(t *testing.T, log io.Writer, write func([]byte) (int, error)) *server.LogQueue {
	t.Helper()
	q, err := server.NewLogQueue(func() (io.WriteCloser, error) { return sinkhole{write}, nil }, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestLogNobodyReads: a log that takes nothing keeps nobody waiting, and what it loses is counted.
func TestLogNobodyReads(t *testing.T) {
	reads, writes := io.Pipe()
	defer reads.Close()
	q := queue(t, io.Discard, writes.Write)
	const records = 100_000
	for i := range records {
		if n, err := fmt.Fprintf(q, "record %d\n", i); err != nil || n == 0 {
			t.Fatal(n, err)
		}
	}
	seen := prometheus.NewPedanticRegistry()
	seen.MustRegister(q.Metrics())
	if lost := gauge(t, exposed(t, seen), `portolan_access_log_lost_total{reason="dropped"}`); lost < records-20_000 || lost >= records {
		t.Errorf("%v records were dropped", lost)
	}
	if err := q.Close(); err == nil {
		t.Error("closing does not say that records are lost")
	}
}

// TestLogThatFails: what cannot be written is said once a minute, and counted.
func TestLogThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log safeBuffer
		q := queue(t, &log, func([]byte) (int, error) { return 0, errors.New("no space") })
		for range 150 { // seconds
			fmt.Fprintln(q, "record")
			time.Sleep(time.Second)
		}
		if n := strings.Count(log.String(), "no space"); n != 3 {
			t.Errorf("said %d times in two and a half minutes\n%s", n, &log)
		}
		seen := prometheus.NewPedanticRegistry()
		seen.MustRegister(q.Metrics())
		if lost := gauge(t, exposed(t, seen), `portolan_access_log_lost_total{reason="failed"}`); lost != 150 {
			t.Errorf("%v records failed", lost)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestLogReload: what is queued after a reload goes where that goes, whoever is faster.
func TestLogReload(t *testing.T) {
	opened := 0
	wrong := 0
	q, err := server.NewLogQueue(func() (io.WriteCloser, error) {
		mine := opened
		opened++
		return sinkhole{func(p []byte) (int, error) {
			for text := range strings.FieldsSeq(string(p)) {
				if n, err := strconv.Atoi(text); err != nil || n > mine {
					wrong++
				}
			}
			return len(p), nil
		}}, nil
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 3000; n++ {
		fmt.Fprintln(q, n-1)
		if err := q.Reload(); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(q, n)
		if n%100 == 0 { // the queue has its bounds
			time.Sleep(time.Millisecond)
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if wrong > 0 { // nobody writes any more
		t.Errorf("%d records went where it went before", wrong)
	}
}

// TestLogRotation: after its file was moved and it is reloaded, a log goes on in a new one, and no
// record is lost or twice.
func TestLogRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	open := func() (io.WriteCloser, error) {
		return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	}
	q, err := server.NewLogQueue(open, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for turn := range 3 {
		for i := range 1000 {
			line := fmt.Sprintf("%d-%d", turn, i)
			all = append(all, line)
			fmt.Fprintln(q, line)
		}
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, turn)); err != nil {
			t.Fatal(err)
		}
		if err := q.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintln(q, "last")
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range []string{path + ".0", path + ".1", path + ".2", path} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.Fields(string(text))...)
	}
	if strings.Join(got, " ") != strings.Join(append(all, "last"), " ") {
		t.Errorf("%d records of %d", len(got), len(all)+1)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if q.Reload() == nil {
		t.Error("a file that cannot be opened is no error")
	}
}
