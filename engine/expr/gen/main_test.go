package main

import (
	"bytes"
	"os"
	"testing"
)

// TestTable: the table is the one that the registry gives.
func TestTable(t *testing.T) {
	var made bytes.Buffer
	if err := write(&made); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("../services.tsv")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made.Bytes(), table) {
		t.Error("services.tsv is another one; make it again")
	}
}
