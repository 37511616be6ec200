package enginetest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"portolan/engine"
)

// concurrencyCases run readers and writers at once. Under the race detector
// they show more.
func concurrencyCases() []suiteCase {
	return []suiteCase{
		{"readers see whole snapshots", readersSeeWhole},
		{"writers do not lose reports", writersLoseNothing},
		{"closing while in use", closeInUse},
	}
}

// The fleet of readersSeeWhole is in one of two states, and every call turns
// all of it into the other.
const (
	flipAssets = 40
	flipTurns  = 80
)

// flipReports returns reports that put every asset into the turn's state:
// 80/tcp open in e1, or 443/tcp and 8443/tcp open in e2.
func flipReports(turn int) []engine.Report {
	state := "80/tcp group=e1"
	if turn%2 == 1 {
		state = "443/tcp 8443/tcp group=e2"
	}
	reports := make([]engine.Report, flipAssets)
	for i := range reports {
		reports[i] = say(fmt.Sprintf("x%d @%d [all] %s", i, turn, state))
	}
	return reports
}

func readersSeeWhole(r *rig) {
	r.apply(flipReports(0)...)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for _, read := range []func(context.Context, Engine) error{readPorts, readOneView, readAPage, readHosts, readAsset, readCheck} {
		readers.Go(func() {
			if err := readUntil(done, func() error { return read(r.Context(), r.engine) }); err != nil {
				r.Error(err)
			}
		})
	}
	for turn := 1; turn <= flipTurns; turn++ {
		r.apply(flipReports(turn)...)
	}
	close(done)
	readers.Wait()
}

// readUntil reads again and again until done, and at least once.
func readUntil(done <-chan struct{}, read func() error) error {
	for {
		if err := read(); err != nil {
			return err
		}
		select {
		case <-done:
			return nil
		default:
		}
	}
}

// isState says whether the lines are those of one of the two states.
func isState(lines []string) bool {
	even := []string{fmt.Sprintf("%d 80/tcp normal", flipAssets)}
	odd := []string{fmt.Sprintf("%d 443/tcp normal", flipAssets), fmt.Sprintf("%d 8443/tcp unknown", flipAssets)}
	return slices.Equal(lines, even) || slices.Equal(lines, odd)
}

func readPorts(ctx context.Context, e Engine) error {
	for _, view := range []engine.View{engine.All(), engine.In("e1", "e2")} {
		page, err := e.Ports(ctx, engine.PortQuery{Project: "p", View: view})
		if err != nil || !isState(portLines(page)) || page.Total != len(page.Rows) {
			return fmt.Errorf("view %s: total %d, rows %q, error %w", describeView(view), page.Total, portLines(page), err)
		}
	}
	return nil
}

func readOneView(ctx context.Context, e Engine) error {
	page, err := e.Ports(ctx, engine.PortQuery{Project: "p", View: engine.In("e2")})
	if err != nil || page.Total != len(page.Rows) || page.Total != 0 && !isState(portLines(page)) {
		return fmt.Errorf("e2: total %d, rows %q, error %w", page.Total, portLines(page), err)
	}
	return nil
}

func readAPage(ctx context.Context, e Engine) error {
	page, err := e.Ports(ctx, engine.PortQuery{Project: "p", Limit: 1, Descending: true})
	if err != nil || len(page.Rows) != 1 || page.Rows[0].Num != flipAssets {
		return fmt.Errorf("page of one: rows %q, error %w", portLines(page), err)
	}
	if total := map[uint16]int{80: 1, 8443: 2}[page.Rows[0].Port]; page.Total != total {
		return fmt.Errorf("page of one: total %d, rows %q", page.Total, portLines(page))
	}
	return nil
}

func readHosts(ctx context.Context, e Engine) error {
	page, err := e.Hosts(ctx, engine.HostQuery{Project: "p", Port: 80})
	if err != nil || page.Total != len(page.Rows) || page.Total != 0 && page.Total != flipAssets {
		return fmt.Errorf("hosts of 80: total %d and %d rows, error %w", page.Total, len(page.Rows), err)
	}
	for _, row := range page.Rows {
		if row.EnterpriseProject != "e1" {
			return fmt.Errorf("hosts of 80: %s is in %s", row.Asset, row.EnterpriseProject)
		}
	}
	return nil
}

func readAsset(ctx context.Context, e Engine) error {
	a, err := e.Asset(ctx, "p", engine.Host, "x7")
	state := keysText(a.Open) + " in " + a.EnterpriseProject
	if err != nil || state != "80/tcp in e1" && state != "443/tcp 8443/tcp in e2" {
		return fmt.Errorf("x7: %s, error %w", state, err)
	}
	return nil
}

func readCheck(ctx context.Context, e Engine) error {
	stats, err := e.Stats()
	if err != nil || stats.Assets != flipAssets || stats.Observations != stats.Keys*flipAssets {
		return fmt.Errorf("stats: %+v, error %w", stats, err)
	}
	if projects, err := e.Projects(); err != nil || !slices.Equal(projects, []string{"p"}) {
		return fmt.Errorf("projects: %q, error %w", projects, err)
	}
	return e.Check(ctx)
}

// writersLoseNothing applies reports about the same assets from several
// goroutines; their order is any, so the state is known.
func writersLoseNothing(r *rig) {
	var writers sync.WaitGroup
	var all []engine.Report
	for seed := range uint64(4) {
		reports := Small(100+seed, 80)
		all = append(all, reports...)
		writers.Go(func() {
			for batch := range slices.Chunk(reports, 7) {
				if _, err := r.engine.Apply(r.Context(), batch); err != nil {
					r.Errorf("seed %d: %v", 100+seed, err)
				}
			}
		})
	}
	writers.Wait()
	r.wantSame(all)
}

// closeInUse closes under a reader and a writer: each call works or says closed.
func closeInUse(r *rig) {
	r.apply(flipReports(0)...)
	started := make(chan struct{}, 2)
	var users sync.WaitGroup
	for _, use := range []func() error{
		func() error { return readPorts(r.Context(), r.engine) },
		func() error { _, err := r.engine.Apply(r.Context(), flipReports(2)); return err },
	} {
		users.Go(func() {
			started <- struct{}{}
			if err := readUntil(nil, use); kindOf(err) != "closed" {
				r.Error(err)
			}
		})
	}
	<-started
	<-started
	r.wantErr("Close", r.engine.Close(), "")
	users.Wait()
}
