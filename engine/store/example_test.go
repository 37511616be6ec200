package store_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"portolan/engine"
	"portolan/engine/store"
)

// A collector: what machines report about themselves is durable when Apply returns, and there
// again when the program starts again.
func Example() {
	dir, err := os.MkdirTemp("", "collector-")
	if err != nil {
		log.Fatal(err)
	}
	for _, host := range []string{"h1", "h2"} {
		if err := collect(dir, host); err != nil {
			log.Fatal(err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		log.Fatal(err)
	}
	// Output:
	// h1 durable: true
	// 22/tcp is open on 1
	// h2 durable: true
	// 22/tcp is open on 2
}

// collect is one life of the program, in which one report arrives.
func collect(dir, host string) (err error) {
	ctx := context.Background()
	kept, err := store.Open(dir, nil)
	if err != nil {
		return err
	}
	e, err := engine.Open(nil)
	if err != nil {
		return errors.Join(err, kept.Close())
	}
	defer func() { err = errors.Join(err, e.Close(), kept.Close()) }() // the engine first
	if err := e.Attach(ctx, kept); err != nil {
		return err
	}

	ssh, err := engine.ParseKeys("22/tcp")
	if err != nil {
		return err
	}
	report := engine.Report{Project: "acme", Asset: host, Seen: time.Now(), Scope: engine.ScopeAll(), Open: ssh}
	result, err := e.Apply(ctx, []engine.Report{report})
	if err != nil {
		return err
	}
	fmt.Println(host, "durable:", result.Durable)

	page, err := e.Ports(ctx, engine.PortQuery{Project: "acme", Port: 22})
	for _, row := range page.Rows {
		fmt.Println(row.Key(), "is open on", row.Num)
	}
	return err
}
