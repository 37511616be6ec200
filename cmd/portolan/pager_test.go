package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// portPage is an answer to the ports command.
type portPage = page[portRow]

// fakeServer answers statistics for a fleet whose n-th row is port n+1.
type fakeServer struct {
	mu      sync.Mutex
	rows    int
	version int
	changes int // how many times the data still changes, each after a second page
	asked   []string
	groups  []string // the enterprise projects asked for last
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := r.URL.Query()
	f.asked = append(f.asked, q.Get("offset")+"+"+q.Get("limit"))
	f.groups = q["enterprise_project_id"]
	offset, limit := atoi(q.Get("offset")), atoi(q.Get("limit"))
	if limit < 1 || limit > maxPage || offset > maxOffset {
		http.Error(w, `{"error_code":"HSS.0001","error_msg":"out of bounds"}`, http.StatusBadRequest)
		return
	}
	page := portPage{Total: f.rows, Rows: []portRow{}}
	for i := offset; i < min(offset+limit, f.rows); i++ {
		page.Rows = append(page.Rows, portRow{Num: f.version + 1, Port: uint16(i + 1), Type: "TCP", Status: "unknown"})
	}
	w.Header().Set(versionHeader, strconv.Itoa(f.version))
	json.NewEncoder(w).Encode(page)
	if f.changes > 0 && offset > 0 {
		f.changes--
		f.version++
	}
}

func atoi(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// ask runs the ports command against the fake with the flags given.
func (f *fakeServer) ask(t *testing.T, flags string) result {
	t.Helper()
	srv := httptest.NewServer(f)
	defer srv.Close()
	e := env{"PORTOLAN_TOKEN": testToken}
	return call(t, e, strings.Fields("ports -o ndjson --server "+srv.URL+" "+flags)...)
}

func TestPagerBounds(t *testing.T) {
	for _, c := range []struct {
		flags       string
		asked       string
		rows, first int
	}{
		{"", "0+10", 10, 1},
		{"--limit 3", "0+3", 3, 1},
		{"--limit 10005 --offset 7", "7+10000 10007+5", 10005, 8},
		{"--limit 20000", "0+10000 10000+10000", 20000, 1},
		{"--limit 0", "0+10000 10000+10000 20000+10000", 25000, 1},
		{"--limit 0 --offset 24990", "24990+10000", 10, 24991},
		{"--offset 25000", "25000+10", 0, 0},
		{"--offset 9000000", "2000000+10", 0, 0},
	} {
		t.Run(c.flags, func(t *testing.T) {
			f := &fakeServer{rows: 25000}
			r := f.ask(t, c.flags)
			if r.code != exitOK {
				t.Fatalf("exit %d: %s", r.code, r.stderr)
			}
			if got := strings.Join(f.asked, " "); got != c.asked {
				t.Errorf("asked for %s, want %s", got, c.asked)
			}
			if got := strings.Count(r.stdout, "\n"); got != c.rows {
				t.Errorf("%d rows, want %d", got, c.rows)
			}
			if first := fmt.Sprintf(`{"num":1,"port":%d,`, c.first); c.rows > 0 && !strings.HasPrefix(r.stdout, first) {
				t.Errorf("begins with %.40s, want %s", r.stdout, first)
			}
		})
	}
}

// When the data changes between pages, all rows are read again.
func TestPagerStartsOver(t *testing.T) {
	f := &fakeServer{rows: 25000, changes: 2}
	r := f.ask(t, "--limit 0")
	if r.code != exitOK {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	if got := strings.Count(r.stdout, `{"num":3,`); got != 25000 {
		t.Errorf("%d rows of the last version, want 25000", got)
	}
}

func TestPagerGivesUp(t *testing.T) {
	version := 0
	p := pager[portRow]{get: func(_ context.Context, offset, _ int) (*portPage, error) {
		version++
		return &portPage{Total: 450, Rows: make([]portRow, min(200, 450-offset)), version: strconv.Itoa(version)}, nil
	}}
	if _, _, err := p.read(t.Context(), 0, 0); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("got %v, want an error about change", err)
	}
}

func TestServerEnterpriseProjects(t *testing.T) {
	f := &fakeServer{rows: 1}
	for flag, want := range map[string]string{"a,b": "a b", "a": "a", "all_granted_eps": ""} {
		if r := f.ask(t, "--enterprise-project "+flag); r.code != exitOK || strings.Join(f.groups, " ") != want {
			t.Errorf("%s: exit %d, asked for %q: %s", flag, r.code, f.groups, r.stderr)
		}
	}
}

// The hosts command pages and starts over as the ports command does: the rows of
// the fake, whatever they are called, count.
func TestHostsPager(t *testing.T) {
	f := &fakeServer{rows: 25000, changes: 1}
	srv := httptest.NewServer(f)
	defer srv.Close()
	r := mustCall(t, env{"PORTOLAN_TOKEN": testToken}, "hosts", "--port", "1", "--limit", "20005", "--offset", "7", "-o", "ndjson", "--server", srv.URL)
	if got := strings.Count(r.stdout, "\n"); got != 20005 || !strings.HasPrefix(r.stdout, `{"asset":"","enterprise_project_id":"","port":8,`) {
		t.Errorf("%d rows, want 20005: %.60s", got, r.stdout)
	}
	if got := strings.Join(f.asked, " "); got != "7+10000 10007+10000 7+10000 10007+10000 20007+5" {
		t.Errorf("asked for %s", got)
	}
}

// TestReadByID: rows by id are read by cursors, whatever is written between two pages.
func TestReadByID(t *testing.T) {
	e := env{"PORTOLAN_TOKEN": testToken}
	var log safeBuffer
	s := serveTo(t, &log, e)
	var lines strings.Builder
	for i := range 10_050 { // more than a page
		fmt.Fprintf(&lines, `{"asset":"h%05d","open":["22/tcp"]}`+"\n", i*7919%10_050)
	}
	if r := callWith(t, e, lines.String(), "import", "-", "--server", s.url); r.code != exitOK {
		t.Fatal(r.stderr)
	}
	r := call(t, e, "assets", "--server", s.url, "--sort", "id", "--limit", "0", "-o", "csv")
	rows := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if r.code != exitOK || len(rows) != 10_051 || !slices.IsSorted(rows[1:]) {
		t.Errorf("exit %d, %d rows, %s", r.code, len(rows), r.stderr)
	}
	if r := call(t, e, "hosts", "--port", "22", "--server", s.url, "--sort", "id", "--limit", "3", "--offset", "10045", "-o", "csv"); strings.Count(r.stdout, "\nh100") != 3 {
		t.Errorf("exit %d, %s%s", r.code, r.stdout, r.stderr)
	}
}
