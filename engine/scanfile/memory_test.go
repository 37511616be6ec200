package scanfile_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"portolan/engine"
	"portolan/engine/scanfile"
)

// errNone is what somebody says who has no more memory.
var errNone = errors.New("no more to give")

// grants gives so much, and no more.
type grants struct{ left, least int64 }

func granting(n int64) *grants { return &grants{n, n} }

func (g *grants) ask(n int64) error {
	if n > g.left {
		return errNone
	}
	g.left -= n
	g.least = min(g.least, g.left)
	return nil
}

// many writes a text again and again with a number in it.
func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestMemoryIsAsked: whatever of an input grows in memory is asked for, and without it the input
// ends with that error and keeps what was whole.
func TestMemoryIsAsked(t *testing.T) {
	all := engine.ScopeAll()
	bz, err := base64.StdEncoding.DecodeString(compressedLines)
	if err != nil {
		t.Fatal(err)
	}
	event := `{"name":"listening_ports","hostIdentifier":"h%d","unixTime":1700000000,"columns":{"port":"22","protocol":"6","family":"2","address":"0.0.0.0"},"action":"added"}` + "\n"
	socket := `{"name":"listening_ports","hostIdentifier":"h","unixTime":1700000000,"columns":{"port":"22","protocol":"6","family":"2","address":"0.0.0.0","socket":"%d"},"action":"added"}` + "\n"
	space := `{"name":"listening_ports","hostIdentifier":"h","unixTime":1700000000,"columns":{"port":"22","protocol":"6","family":"2","address":"0.0.0.0","net_namespace":"` + strings.Repeat("9", 500) + `%d"},"action":"added"}` + "\n"
	type input struct {
		text, format string
		scope        *engine.Scope
	}
	inputs := map[string]input{
		"assets to close":         {many(20_000, "open tcp 80 fe80::%x 1700000000\n"), "masscan-list", &all},
		"hosts of a log":          {many(4_000, event), "osquery", nil},
		"sockets of a log":        {many(20_000, socket), "osquery", nil},
		"namespaces of a log":     {many(4_000, space), "osquery", nil},
		"a report of many ports":  {`{"asset":"h1","open":["1/tcp"` + many(65_000, `,"%d/tcp"`)[len(`,"0/tcp"`):] + "]}\n", "", nil},
		"bzip2":                   {string(bz), "", nil},
		"a tag of XML":            {`<?xml version="1.0"?>` + "\n<nmaprun scanner=\"nmap\"><host a=\"" + strings.Repeat("x", 4<<20), "nmap-xml", nil},
		"text of another charset": {"\xff\xfe" + strings.Repeat("x\x00", 1<<20), "ndjson", nil},
	}
	for _, name := range scanfile.Formats() {
		if name == "masscan-binary" || name == "nmap-xml" || name == "masscan-xml" {
			continue // they have no lines
		}
		inputs["a line of "+name] = input{formatTexts[name].text + "\n" + strings.Repeat("x", 4<<20), name, nil}
	}
	for name := range writers() {
		if name != "gzip" {
			inputs[name] = input{text: compress(t, name, plainLines)}
		}
	}
	for name, in := range inputs {
		t.Run(name, func(t *testing.T) {
			for _, much := range []int64{0, 100_000, 1 << 30} {
				opts := options()
				opts.Format, opts.Scope, opts.Workers = in.format, in.scope, 4
				g := granting(much)
				opts.Memory = g.ask
				_, err := scanfile.Load(t.Context(), &fakeSink{}, []scanfile.Source{source(in.text)}, opts)
				if short := much < 1<<30; errors.Is(err, errNone) != short {
					t.Errorf("with %d bytes to give: %v", much, err)
				}
				if much == 1<<30 && g.least == much {
					t.Error("nothing was asked for")
				}
			}
		})
	}
}

// TestLittleMemory: a batch takes what there is, and snapshots give back what they took.
func TestLittleMemory(t *testing.T) {
	snapshot := `{"name":"listening_ports","hostIdentifier":"h%d","unixTime":1700000000,"action":"snapshot","snapshot":[{"port":"22","protocol":"6","family":"2","address":"0.0.0.0"}]}` + "\n"
	for name, text := range map[string]string{
		"lines":     many(20_000, `{"asset":"h%d","open":["1/tcp"]}`+"\n"),
		"snapshots": many(20_000, snapshot),
	} {
		opts := options()
		opts.Memory = granting(4_000).ask
		sink := &fakeSink{}
		sum, err := scanfile.Load(t.Context(), sink, []scanfile.Source{source(text)}, opts)
		if err != nil || sum.Result.Applied != 20_000 || !sum.Complete || sink.batches < 10 {
			t.Errorf("%s: %v, %d batches, %+v", name, err, sink.batches, sum)
		}
	}
}

// TestDiskIsAsked: strict keeps no more of an input than it may.
func TestDiskIsAsked(t *testing.T) {
	text := many(1000, `{"asset":"h%d","open":["1/tcp"]}`+"\n")
	for much, want := range map[int64]error{1000: errNone, 100_000: nil} {
		opts := options()
		opts.Strict, opts.TempDir, opts.Disk = true, t.TempDir(), granting(much).ask
		sink := &fakeSink{}
		_, err := scanfile.Load(t.Context(), sink, []scanfile.Source{{Name: "in", Reader: &endlessText{text: text, left: int64(len(text))}}}, opts)
		if !errors.Is(err, want) || want != nil && len(sink.reports) > 0 {
			t.Errorf("with %d bytes of disk: %v, %d reports", much, err, len(sink.reports))
		}
	}
}
