package main

import (
	"context"
	"os"
	"testing"
)

// TestMain makes this program the client of the http suite where it is started as that, which it
// is by a test of itself.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == clientWord {
		os.Exit(client(context.Background(), os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}
