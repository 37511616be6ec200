package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portolan/bench"
)

// TestBench: every suite by name, in every format, its client in a process of its own.
func TestBench(t *testing.T) {
	for suite, format := range map[string]string{"memory": asTable, "library": asBenchfmt, "facets": asTable, "http": asJSON, "load": asTable} {
		r := mustCall(t, nil, "bench", suite, "--hosts", "300", "--for", "1ms", "-o", format)
		switch format {
		case asJSON:
			var report bench.Report
			if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || len(report.Results) == 0 {
				t.Fatalf("%s: %v:\n%s", suite, err, r.stdout)
			}
			for _, result := range report.Results {
				for _, mark := range result.Marks {
					if strings.Contains(mark, "the server's process") {
						t.Errorf("%s: %s", result.Name, mark)
					}
				}
			}
		case asBenchfmt:
			if !strings.Contains(r.stdout, "\nBenchmarkLibrary/first_page/hosts=300") {
				t.Errorf("%s:\n%s", suite, r.stdout)
			}
		default:
			if !strings.Contains(r.stdout, "\n"+suite+", 300 hosts\n") {
				t.Errorf("%s:\n%s", suite, r.stdout)
			}
		}
		if r.stderr != "" {
			t.Errorf("%s: %s", suite, r.stderr)
		}
	}
}

// TestBenchStrict: figures that may mislead make the exit code 1, and are printed.
func TestBenchStrict(t *testing.T) {
	r := call(t, nil, "bench", "library", "--hosts", "300", "--for", "1ns", "--strict")
	if r.code != exitFailed || !strings.Contains(r.stderr, "results are marked") || !strings.Contains(r.stdout, "too few samples") {
		t.Errorf("exit code %d: %s\n%s", r.code, r.stderr, r.stdout)
	}
}

// TestBenchInterrupted: what was measured until then is printed, and the exit code is 1.
func TestBenchInterrupted(t *testing.T) {
	for after := 2 * time.Second; ; after *= 2 { // a slow machine has nothing to show as early
		ctx, cancel := context.WithTimeout(t.Context(), after)
		var stdout, stderr strings.Builder
		code := run(ctx, []string{"bench", "--hosts", "300", "--for", "5m"}, env{}.vars(), strings.NewReader(""), &stdout, &stderr)
		cancel()
		if code != exitFailed {
			t.Fatalf("exit code %d: %s\n%s", code, stderr.String(), stdout.String())
		}
		if strings.Contains(stdout.String(), "The run was interrupted") && strings.Contains(stdout.String(), "live heap") {
			return
		}
		if after > time.Minute {
			t.Fatalf("after %v: %s\n%s", after, stderr.String(), stdout.String())
		}
	}
}

// TestBenchPictures: pictures go where they are asked for, and a folder that cannot be
// written is said before anything is measured.
func TestBenchPictures(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pictures")
	mustCall(t, nil, "bench", "memory", "--hosts", "300", "--for", "1ms", "--pictures", dir)
	files, err := filepath.Glob(filepath.Join(dir, "memory.*"))
	if err != nil || len(files) != 2 {
		t.Errorf("%q, %v", files, err)
	}
	r := call(t, nil, "bench", "--hosts", "100000000", "--pictures", filepath.Join(files[0], "below"))
	if r.code != exitFailed || !strings.Contains(r.stderr, "portolan: --pictures: mkdir") || r.stdout != "" {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
}
