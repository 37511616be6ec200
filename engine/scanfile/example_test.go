package scanfile_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"portolan/engine"
	"portolan/engine/scanfile"
	"portolan/engine/store"
)

// A nightly import: every file of a folder goes into a data directory, as one import each,
// and what was damaged is said.
func Example() {
	if err := nightly(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// monday.list: 3 records, complete: true
	// tuesday.ndjson: 2 records, complete: true
	//   line 2 is passed over
	// 22/tcp 2
	// 80/tcp 1
	// 443/tcp 2
}

func nightly() error {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "nightly-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	kept, err := store.Open(filepath.Join(dir, "data"), nil)
	if err != nil {
		return err
	}
	defer kept.Close()
	e, err := engine.Open(nil)
	if err != nil {
		return err
	}
	defer e.Close() // before the store
	if err := e.Attach(ctx, kept); err != nil {
		return err
	}

	files, err := filepath.Glob("testdata/example/*")
	if err != nil {
		return err
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		var sum *scanfile.Summary
		err = e.Import(engine.All(), func(to *engine.Import) (err error) {
			sum, err = scanfile.Load(ctx, to, []scanfile.Source{{Name: filepath.Base(name), Reader: f}}, &scanfile.Options{Project: "acme"})
			return err
		})
		_ = f.Close() // it was only read
		if err != nil {
			return err
		}
		fmt.Printf("%s: %d records, complete: %t\n", filepath.Base(name), sum.Records, sum.Complete)
		for _, bad := range sum.Errors {
			fmt.Printf("  line %d is passed over\n", bad.Line)
		}
	}
	page, err := e.Ports(ctx, engine.PortQuery{Project: "acme"})
	if err != nil {
		return err
	}
	for _, row := range page.Rows {
		fmt.Println(row.Key(), row.Num)
	}
	return nil
}
