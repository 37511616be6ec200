package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"portolan/bench"
	"portolan/engine"
	"portolan/engine/enginetest/fleet"
	"portolan/engine/enginetest/oracle"
)

// opened returns a new peer; one that is not available here skips the test.
func opened(t *testing.T, who contender) peer {
	t.Helper()
	p, err := who.open()
	// Also with PORTOLAN_REQUIRE_ALL: a library of half a gigabyte is nobody's duty.
	if missing, ok := errors.AsType[unavailableError](err); ok {
		t.Skip(missing)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// TestPeers: every peer answers every question rightly, about every kind of fleet.
// TestFasthttp: the endpoint is compared with fasthttp, too, which answers the same.
func TestFasthttp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := start(t.Context(), []string{"--http", "--hosts", "200", "--for", "1ms", "-o", "benchfmt"}, &stdout, &stderr)
	if code != 0 || !strings.Contains(stdout.String(), "fasthttp") || !strings.Contains(stdout.String(), "one_connection") {
		t.Errorf("exit %d\n%s%s", code, stdout.String(), stderr.String())
	}
}

func TestPeers(t *testing.T) {
	for _, who := range contenders("") {
		for _, w := range fleet.Workloads() {
			t.Run(who.name+"/"+w.Name, func(t *testing.T) {
				c := &config{hosts: 200, workload: w, seed: 3}
				if err := c.check(t.Context(), opened(t, who)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestPeersAndReference: what peers are held against is what the reference engine says.
func TestPeersAndReference(t *testing.T) {
	c := &config{hosts: 300, workload: fleet.Workloads()[0], seed: 3}
	reference := oracle.NewReference(nil)
	for a := range c.assets(c.hosts) {
		report := engine.Report{Project: "p", Asset: numbers([]engine.Key{engine.Key(a.host)}), EnterpriseProject: groupName(a.group), Open: a.open}
		if _, err := reference.Apply(t.Context(), []engine.Report{report}); err != nil {
			t.Fatal(err)
		}
	}
	tally := c.tally(c.hosts)
	list, err := kinds(t.Context(), tally)
	if err != nil {
		t.Fatal(err)
	}
	p := opened(t, contenders("")[0])
	if err := p.load(t.Context(), c.assets(c.hosts)); err != nil {
		t.Fatal(err)
	}
	for i := range list {
		k := &list[i]
		got, distinct, err := c.want(t.Context(), tally, k, c.hosts)
		if err != nil {
			t.Fatal(err)
		}
		want := page{}
		n := 0
		if k.q == nil {
			hosts := map[string]bool{}
			for _, key := range k.keys {
				page, err := reference.Hosts(t.Context(), engine.HostQuery{Project: "p", Port: int(key.Port()), Type: key.Type()})
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range page.Rows {
					hosts[r.Asset] = true
				}
			}
			n = len(hosts)
		} else {
			view := engine.All()
			if k.q.groups != nil {
				view = p.(*ours).view(k.q.groups)
			}
			answer, err := reference.Ports(t.Context(), engine.PortQuery{Project: "p", View: view, Port: int(k.q.port), PortString: k.q.digits, Order: orderOf(k.q), Descending: k.q.byCount, Offset: k.q.offset, Limit: k.q.limit, Where: meant(p.(*ours).where(k.q), k.q)})
			if err != nil {
				t.Fatal(err)
			}
			want.total = answer.Total
			for _, r := range answer.Rows {
				want.rows = append(want.rows, row{r.Key(), r.Num})
			}
		}
		if distinct != n || got.total != want.total || len(got.rows) != len(want.rows) {
			t.Errorf("%s: %d, %+v: want %d, %+v", k.name, distinct, got, n, want)
		}
		if err := verify(t.Context(), p, k, want, n); err != nil {
			t.Error(err)
		}
	}
}

// faulty is a peer with one wrong answer.
type faulty struct {
	peer
	total, count, distinctBy int
	slow                     time.Duration
}

func (f faulty) load(ctx context.Context, assets iter.Seq[asset]) error {
	if err := f.peer.load(ctx, assets); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(f.slow):
		return nil
	}
}

func (f faulty) ports(ctx context.Context, q *question) (page, error) {
	p, err := f.peer.ports(ctx, q)
	p.total += f.total
	if len(p.rows) > 0 {
		p.rows[0].n += f.count
	}
	return p, err
}

func (f faulty) distinct(ctx context.Context, keys []engine.Key) (int, error) {
	n, err := f.peer.distinct(ctx, keys)
	return n + f.distinctBy, err
}

// TestWrongPeers: a peer that answers wrongly is an error and has no figures; one that
// loads too long, or is not there, has a mark.
func TestWrongPeers(t *testing.T) {
	c := &config{hosts: 100, workload: fleet.Workloads()[0], seed: 1, figure: time.Millisecond, loading: 100 * time.Millisecond, progress: func(string) {}}
	for name, f := range map[string]faulty{"a total": {total: 1}, "a count": {count: -1}, "distinct": {distinctBy: 1}} {
		report := new(bench.Report)
		who := contender{name: name, open: func() (peer, error) {
			p, err := openMaps()
			f.peer = p
			return f, err
		}}
		if err := c.run(t.Context(), []contender{who}, report); !errors.Is(err, errWrong) || len(report.Results) > 0 {
			t.Errorf("%s: %v, %+v", name, err, report.Results)
		}
	}
	opens := 0
	for name, open := range map[string]func() (peer, error){
		"did not load": func() (peer, error) {
			opens++
			p, err := openMaps()
			return faulty{peer: p, slow: map[bool]time.Duration{true: time.Hour}[opens > 1]}, err // the first is the small fleet
		},
		"not here": func() (peer, error) { return nil, unavailableError{"not here"} },
	} {
		report := new(bench.Report)
		if err := c.run(t.Context(), []contender{{name: "x", open: open}}, report); err != nil || len(report.Results) != 1 || !strings.Contains(report.Results[0].Marks[0], name) {
			t.Errorf("%s: %v, %+v", name, err, report.Results)
		}
	}
}

// TestStart: the program as it is called.
func TestStart(t *testing.T) {
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	code := start(t.Context(), []string{"--hosts", "200", "--for", "1ms", "--only", "portolan;maps;sqlite, counts", "--pictures", dir, "-o", "json"}, &stdout, &stderr)
	var report bench.Report
	if err := json.Unmarshal(stdout.Bytes(), &report); code != 0 || err != nil {
		t.Fatalf("exit code %d, %v: %s", code, err, stderr.String())
	}
	if strings.Contains(stdout.String(), "null") {
		t.Errorf("there is a null in %s", stdout.String())
	}
	figures, left := 0, 0
	for _, r := range report.Results {
		if len(r.Values) > 0 {
			figures++
		} else {
			left++
		}
	}
	if figures != 3*14-1-5 || left != 1+5 {
		t.Errorf("%d results have figures, %d have none", figures, left)
	}
	for _, file := range []string{"peers.svg", "peers.png"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
	for says, args := range map[string][]string{
		`--profile is "zoo": want one of agents`:              {"--profile", "zoo"},
		`--hosts is 0: want 1 or more`:                        {"--hosts", "0"},
		`--for and --loading: want more than 0`:               {"--for", "0s"},
		`-o is "xml": want table, json or benchfmt`:           {"-o", "xml"},
		`--only has "oracle": want some of portolan; roaring`: {"--only", "oracle"},
		`unexpected argument "more"`:                          {"more"},
		`invalid value "x" for flag -hosts`:                   {"--hosts", "x"},
	} {
		stdout.Reset()
		stderr.Reset()
		if code := start(t.Context(), args, &stdout, &stderr); code != 2 || !strings.Contains(stderr.String(), says) || stdout.Len() > 0 {
			t.Errorf("%q: exit code %d: %s", args, code, stderr.String())
		}
	}
	stderr.Reset()
	if code := start(t.Context(), []string{"--help"}, &stdout, &stderr); code != 0 || !strings.Contains(stderr.String(), "duckdb: a row per open port") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := start(ctx, []string{"--hosts", "200"}, &stdout, &stderr); code != 1 {
		t.Errorf("interrupted: exit code %d", code)
	}
}

// meant returns the set of a question, of which the reference knows what it means.
func meant(set *engine.HostSet, q *question) *engine.HostSet {
	if set == nil {
		return nil
	}
	return oracle.Means(set, func(a engine.Asset) bool { return slices.Contains(a.Open, q.has) != q.hasNot })
}
