package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest"
)

// TestKeepExpiring: an asset is gone soon after its time, also where one attempt is refused.
func TestKeepExpiring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 72 * time.Hour
		e, err := engine.Open(&engine.Options{Expire: limit})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		var full atomic.Bool
		j := enginetest.NewJournal()
		j.Refuse = func(bool) error {
			if full.Load() {
				return errors.New("the disk is full")
			}
			return nil
		}
		if err := e.Attach(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Apply(t.Context(), []engine.Report{{Project: "p", Asset: "a"}}); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			keepExpiring(ctx, e, limit, slog.New(slog.NewTextHandler(&out, nil)))
			close(done)
		}()
		time.Sleep(limit)
		synctest.Wait()
		full.Store(true)
		time.Sleep(leastExpired)
		synctest.Wait()
		if s, err := e.Stats(); err != nil || s.Assets != 1 {
			t.Errorf("refused: %+v, %v", s, err)
		}
		full.Store(false)
		time.Sleep(leastExpired)
		synctest.Wait()
		if s, err := e.Stats(); err != nil || s.Assets != 0 || s.Expired != 1 {
			t.Errorf("a minute later: %+v, %v", s, err)
		}
		cancel()
		<-done
		if text := out.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "the disk is full") || !strings.Contains(text, "assets=1") {
			t.Errorf("log:\n%s", text)
		}
	})
}

func TestExpireEvery(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{
		time.Millisecond: time.Second, 30 * time.Second: 3 * time.Second, 720 * time.Hour: time.Minute,
	} {
		if got := expireEvery(limit); got != want {
			t.Errorf("every %v for %v, want %v", got, limit, want)
		}
	}
}

// TestServeExpire: a server forgets assets by itself, refuses what is older than that, and
// has forgotten them when it is started again, too.
func TestServeExpire(t *testing.T) {
	dir := t.TempDir()
	c := startServer(t, dir)
	load := func(body, want string) {
		t.Helper()
		status, answer, err := c.ask("POST", "/v1/projects/default/reports", body)
		if err != nil || status != 200 && status != 400 || !strings.Contains(string(answer), want) {
			t.Fatalf("%d %s, %v, want %s", status, answer, err, want)
		}
	}
	seen := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	load(fmt.Sprintf(`{"asset":"old","open":["22/tcp"],"seen":%q}`, seen), `"applied":1`)
	load(`{"asset":"young","open":["80/tcp"]}`, `"applied":1`)
	c.stop(t)

	c = startServer(t, dir, "--expire", "59m")
	if got := fmt.Sprint(c.ports(t)); got != "[{80 TCP 1}]" { // before the first answer
		t.Errorf("open ports %s", got)
	}
	load(fmt.Sprintf(`{"asset":"old","open":["22/tcp"],"seen":%q}`, seen), "as older ones have expired")
	c.stop(t)

	c = startServer(t, dir, "--expire", "1s")
	for len(c.ports(t)) > 0 { // go test ends this if it never does
		time.Sleep(50 * time.Millisecond)
	}
	c.stop(t)
}
