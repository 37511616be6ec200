package scanfile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"portolan/engine"
	"portolan/engine/scanfile"
)

const twoLines = `{"asset":"a","open":["1/tcp"]}` + "\n" + `{"asset":"b","open":[]}` + "\n"

func TestDetect(t *testing.T) {
	for head, want := range map[string]string{
		`{"asset":"h"`: "ndjson",
		"\xef\xbb\xbf \r\n{\"name\":\"x\",\"open\":[": "ndjson",
		`{"na`: "ndjson",
		`<?xml version="1.0"?><nmaprun scanner="nmap">`: "nmap-xml",
		`<nmaprun scanner="masscan" start="1"`:          "masscan-xml",
		`<!-- <nmaprun scanner="masscan"> --><nmaprun>`: "nmap-xml",
		`<host><status state="up"/>`:                    "nmap-xml",
		`<?xml version="1.0"?><!DOCTYPE nmaprun>`:       "nmap-xml",
		`<?xm`: "nmap-xml",
		"<\x00?\x00x\x00m\x00l\x00 \x00?\x00>\x00<\x00n\x00m\x00a\x00p\x00r\x00u\x00n\x00>\x00": "nmap-xml",
		"":                                    "",
		" \n":                                 "",
		"hello":                               "",
		`<html>`:                              "",
		`<?xml version="1.0"?><NessusClient>`: "",
		`{"ip":"192.0.2.1","port":1}`:         "",
		`{"columns":{"asset":1}}`:             "",
		`[{"asset":"h"}]`:                     "",
		"\x1f\x8b\x08":                        "",
		`<hosthint><status state="up"/>`:      "nmap-xml",
		`<hosts up="1"/>`:                     "",
	} {
		if got, ok := scanfile.Detect([]byte(head)); got != want || ok != (want != "") {
			t.Errorf("%q: got %q %v, want %q", head, got, ok, want)
		}
	}
}

func TestLoadUnknownFormatAppliesNothing(t *testing.T) {
	var sink fakeSink
	sum, err := scanfile.Load(t.Context(), &sink, []scanfile.Source{source(twoLines), {Name: "odd.txt", Reader: strings.NewReader("hello, world")}}, options())
	if !errors.Is(err, scanfile.ErrUnknownFormat) || !strings.Contains(err.Error(), `odd.txt: unknown format: it begins with "hello, world"; name one with --format`) {
		t.Errorf("error %v", err)
	}
	if len(sink.reports) != 0 || sum == nil || sum.Records != 0 {
		t.Errorf("applied %d, %+v", len(sink.reports), sum)
	}
}

// TestLoadNothing: an input that has records and gives none is an error, whose
// summary says why, and the inputs beside it count all the same.
func TestLoadNothing(t *testing.T) {
	const deadHost = `<nmaprun><host><status state="down"/></host><runstats><finished/></runstats></nmaprun>`
	for _, c := range []struct {
		name, format, text string
		nothing            bool
	}{
		{"every line rejected", "", `{"asset":"h1","open":["123"]}` + "\n", true},
		{"one line rejected", "", `{"asset":"h1","open":["123"]}` + "\n" + twoLines, false},
		{"one line, cut", "", `{"asset":"h1","op`, true},
		{"lines as XML", "nmap-xml", twoLines, true},
		{"another XML", "nmap-xml", `<?xml version="1.0"?><html><host/></html>`, true},
		{"text as XML", "masscan-xml", "22 is open", true},
		{"XML as lines", "ndjson", deadHost, true},
		{"no address", "", `<nmaprun><host><address addr="h1"/></host><runstats><finished/></runstats></nmaprun>`, true},
		{"declares entities", "", `<!DOCTYPE nmaprun [<!ENTITY a "b">]><nmaprun><host/></nmaprun>`, true},
		{"a host that is down", "", deadHost, false},
		{"no hosts", "", `<nmaprun><runstats><finished/></runstats></nmaprun>`, false},
		{"a scan killed at once", "", `<?xml version="1.0"?>` + "\n<!DOCTYPE nmaprun>", false},
		{"empty", "ndjson", " \n", false},
	} {
		for beside, text := range map[string]string{"alone": "", "first": twoLines, "last": twoLines} {
			sources := []scanfile.Source{{Name: "it", Reader: strings.NewReader(c.text)}}
			switch beside {
			case "first":
				sources = append(sources, scanfile.Source{Name: "other", Reader: strings.NewReader(text)})
			case "last":
				sources = append([]scanfile.Source{{Name: "other", Reader: strings.NewReader(text)}}, sources...)
			}
			opts := options()
			if opts.Format = c.format; c.format != "" && c.format != "ndjson" && beside != "alone" {
				continue // The other one would be nothing, too.
			}
			var sink fakeSink
			sum, err := scanfile.Load(t.Context(), &sink, sources, opts)
			if errors.Is(err, scanfile.ErrNothing) != c.nothing || c.nothing && !strings.HasPrefix(err.Error(), "it: nothing could be taken: ") {
				t.Errorf("%s, %s: error %v", c.name, beside, err)
			}
			if beside != "alone" && len(sink.reports) < 2 || len(sum.Files) != len(sources) {
				t.Errorf("%s, %s: %d reports, %+v", c.name, beside, len(sink.reports), sum)
			}
		}
	}
}

func TestOptionsValidate(t *testing.T) {
	opts := &scanfile.Options{Format: "csv", Category: 9, MaxBytes: -1, MaxRecord: -1}
	_, err := scanfile.Load(t.Context(), &fakeSink{}, []scanfile.Source{source(twoLines)}, opts)
	var field *engine.FieldError
	if !errors.As(err, &field) || !errors.Is(err, engine.ErrInvalid) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{`format: "csv" is not allowed: want ndjson, masscan-xml, nmap-xml`, "project_id", "max_bytes", "max_record"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if _, err := scanfile.Load(t.Context(), &fakeSink{}, nil, nil); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("no project: %v", err)
	}
}

// TestLoadEmpty: an empty input is a warning, whatever the format.
func TestLoadEmpty(t *testing.T) {
	for _, text := range []string{"", " \n\n", "\ufeff"} {
		for _, format := range append(scanfile.Formats(), "") {
			opts := options()
			opts.Format = format
			reports, sum := load(t, text, opts)
			if len(reports) != 0 || sum.Complete || sum.Files[0].Problem == "" || sum.Rejected != 0 {
				t.Errorf("%q as %q: %+v", text, format, sum)
			}
		}
	}
	_, sum := load(t, "", options())
	if f := sum.Files[0]; f.Problem != "empty" || f.Format != "" {
		t.Errorf("%+v", f)
	}
}

func TestLoadBatchesAndRejects(t *testing.T) {
	var b strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&b, `{"asset":"a%d","open":["1/tcp"]}`+"\n", i)
		if i%1600 == 0 {
			b.WriteString("bad\n")
		}
	}
	sink := fakeSink{refuse: "a7"}
	var told []int64
	opts := options()
	opts.Progress = func(n int64) { told = append(told, n) }
	sum, err := scanfile.Load(t.Context(), &sink, []scanfile.Source{source(b.String()), source(twoLines)}, opts)
	if err != nil {
		t.Fatal(err)
	}
	if sink.batches != 3 || sum.Records != 40_001 || sum.Result.Applied != 40_001 || sum.Observations != 40_000 {
		t.Errorf("%d batches, %+v", sink.batches, sum)
	}
	if sum.Rejected != 26 || len(sum.Errors) != 2 || sum.Errors[0].Count != 25 || !sum.Complete || sum.Errors[1].Line != 9 {
		t.Errorf("rejected %d, %v", sum.Rejected, sum.Errors)
	}
	if n := int64(b.Len() + len(twoLines)); sum.Bytes != n || told[len(told)-1] != n {
		t.Errorf("bytes %d, progress %v", sum.Bytes, told)
	}
}

// sizedSink is a sink that has many assets.
type sizedSink struct{ fakeSink }

func (s *sizedSink) Assets(string, engine.Category) int { return 100_000 }

// TestLoadBatchesGrow: batches are larger where there are many assets.
func TestLoadBatchesGrow(t *testing.T) {
	text := strings.Repeat(`{"asset":"a","open":[]}`+"\n", 60_000)
	var sink sizedSink
	if _, err := scanfile.Load(t.Context(), &sink, []scanfile.Source{source(text)}, options()); err != nil || sink.batches != 3 {
		t.Errorf("%d batches, %v, want 3", sink.batches, err)
	}
}

// TestLoadFaults: whole records stay, nothing of the cut one, and the error says
// what happened.
func TestLoadFaults(t *testing.T) {
	cut := readFile(t, "testdata/nmapxml/states.xml")
	cut, _, _ = strings.Cut(cut, `portid="161"`)
	timeout := errors.New("timeout")
	for name, c := range map[string]struct {
		reader io.Reader
		max    int64
		want   error
		assets int
	}{
		"cut body":       {io.MultiReader(strings.NewReader(twoLines+`{"asset":"c","open":[]}`), iotest.ErrReader(io.ErrUnexpectedEOF)), 0, io.ErrUnexpectedEOF, 2},
		"timeout":        {io.MultiReader(strings.NewReader(twoLines[:35]), iotest.ErrReader(timeout)), 0, timeout, 1},
		"at once":        {iotest.ErrReader(timeout), 0, timeout, 0},
		"too large":      {strings.NewReader(twoLines), 40, scanfile.ErrTooLarge, 1},
		"just fits":      {strings.NewReader(twoLines), int64(len(twoLines)), nil, 2},
		"xml":            {io.MultiReader(strings.NewReader(cut), iotest.ErrReader(timeout)), 0, timeout, 0},
		"no progress":    {io.MultiReader(strings.NewReader(twoLines), stuck{}), 0, io.ErrNoProgress, 2},
		"error with eof": {iotest.DataErrReader(strings.NewReader(twoLines)), 0, nil, 2},
	} {
		var sink fakeSink
		opts := options()
		opts.MaxBytes = c.max
		sum, err := scanfile.Load(t.Context(), &sink, []scanfile.Source{{Name: "one", Reader: c.reader}, source(twoLines)}, opts)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || err != nil && !strings.HasPrefix(err.Error(), "one: ") && c.max == 0 {
			t.Errorf("%s: error %v", name, err)
		}
		if c.max == 40 {
			c.assets++ // The second source is as large.
		} else {
			c.assets += 2
		}
		if len(sink.reports) != c.assets || sum.Complete != (c.want == nil) || sum.Files[0].Complete != (c.want == nil) {
			t.Errorf("%s: %d reports, %+v", name, len(sink.reports), sum.Files)
		}
	}
}

// stuck never gives a byte nor an error.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestLoadSinkAndContext(t *testing.T) {
	broken := errors.New("disk full")
	sum, err := scanfile.Load(t.Context(), &fakeSink{err: broken}, []scanfile.Source{source(twoLines)}, options())
	if !errors.Is(err, broken) || sum.Records != 2 || sum.Result.Applied != 0 {
		t.Errorf("error %v, %+v", err, sum)
	}
	ctx, cancel := context.WithCancel(t.Context())
	endless := io.MultiReader(strings.NewReader(twoLines), &repeat{text: twoLines, at: 100, do: cancel})
	sum, err = scanfile.Load(ctx, &fakeSink{}, []scanfile.Source{{Name: "in", Reader: endless}, source(twoLines)}, options())
	if !errors.Is(err, context.Canceled) || sum.Complete || len(sum.Files) != 1 {
		t.Errorf("error %v, %+v", err, sum)
	}
}

// repeat gives a text for ever, and does something at one time.
type repeat struct {
	text string
	at   int
	do   func()
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.at--; r.at == 0 {
		r.do()
	}
	return copy(p, r.text), nil
}

func TestStrict(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.ndjson")
	if err := os.WriteFile(file, []byte("skip\n"+twoLines), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"good":       {twoLines, nil},
		"rejected":   {twoLines + "bad\n", scanfile.ErrStrict},
		"cut":        {twoLines + `{"asset`, scanfile.ErrStrict},
		"empty":      {"", scanfile.ErrStrict},
		"refused":    {twoLines + `{"asset":"no","open":[]}`, scanfile.ErrStrict},
		"too large":  {twoLines + strings.Repeat(" ", 5000), scanfile.ErrStrict},
		"cut xml":    {`<nmaprun scanner="nmap"><host><address addr="192.0.2.1"/></host>`, scanfile.ErrStrict},
		"no problem": {`<nmaprun><host><status state="down"/></host><runstats><finished/></runstats></nmaprun>`, nil},
	} {
		for kind, reader := range map[string]io.Reader{
			"file": strings.NewReader(c.text), "pipe": onlyReader{strings.NewReader(c.text)}, "liar": liar{strings.NewReader(c.text)},
		} {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Seek(5, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			sink := fakeSink{refuse: "no"}
			opts := options()
			opts.Strict, opts.TempDir, opts.MaxBytes = true, dir, 4096
			sum, err := scanfile.Load(t.Context(), &sink, []scanfile.Source{{Name: "f", Reader: f}, {Name: "in", Reader: reader}}, opts)
			f.Close()
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("%s %s: error %v", name, kind, err)
			}
			if c.want != nil && (len(sink.reports) != 0 || sum.Result.Applied != 0 || len(sum.Files) != 2) {
				t.Errorf("%s %s: applied %d, %+v", name, kind, len(sink.reports), sum)
			}
			if c.want == nil && (len(sink.reports) < 2 || sum.Result.Applied != len(sink.reports) || !sum.Complete) {
				t.Errorf("%s %s: applied %d, %+v", name, kind, len(sink.reports), sum)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "portolan-*")); len(left) != 0 {
		t.Errorf("temporary files stay: %v", left)
	}
	_, err := scanfile.Load(t.Context(), &fakeSink{}, []scanfile.Source{{Name: "in", Reader: onlyReader{strings.NewReader(twoLines)}}},
		&scanfile.Options{Project: project, Strict: true, TempDir: filepath.Join(dir, "none")})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a folder for the copy: %v", err)
	}
}

type onlyReader struct{ io.Reader }

// liar is a pipe that claims to seek.
type liar struct{ *strings.Reader }

func (liar) Seek(int64, int) (int64, error) { return 0, nil }

// TestStrictGrowingFile: what is appended between the passes is not looked at.
func TestStrictGrowingFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.ndjson")
	if err := os.WriteFile(file, []byte(twoLines), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	opts := options()
	opts.Strict = true
	grown := false
	opts.Progress = func(int64) {
		if !grown {
			grown = true
			if _, err := f.WriteAt([]byte("bad\n"), int64(len(twoLines))); err != nil {
				t.Error(err)
			}
		}
	}
	var sink fakeSink
	sum, err := scanfile.Load(t.Context(), &sink, []scanfile.Source{{Name: "f", Reader: f}}, opts)
	if err != nil || len(sink.reports) != 2 || sum.Rejected != 0 {
		t.Errorf("error %v, %d reports, %+v", err, len(sink.reports), sum)
	}
}

func TestReadErrors(t *testing.T) {
	for text, want := range map[string]error{
		"hello":                  scanfile.ErrUnknownFormat,
		"":                       scanfile.ErrIncomplete,
		twoLines + `{"asset":`:   scanfile.ErrIncomplete,
		twoLines:                 nil,
		twoLines + "bad\n":       nil,
		strings.Repeat(" ", 999): scanfile.ErrTooLarge,
	} {
		opts := options()
		opts.MaxBytes = 500
		if strings.HasPrefix(text, "  ") {
			opts.Format = "ndjson"
		}
		var last error
		for _, err := range scanfile.Read(source(text), opts) {
			if refused := (*scanfile.RecordError)(nil); errors.As(err, &refused) {
				err = nil
			}
			last = err
		}
		if !errors.Is(last, want) || (last == nil) != (want == nil) {
			t.Errorf("%.20q: %v, want %v", text, last, want)
		}
	}
}

func TestSummaryJSON(t *testing.T) {
	got, err := json.Marshal(new(scanfile.Summary))
	const want = `{"complete":false,"applied":0,"unchanged":0,"stale":0,"clamped":0,"rejected":0,"records":0,"observations":0,"duplicates":0,"left_out":{},"errors":[],"files":[],"bytes":0,"bytes_per_second":0}`
	if err != nil || string(got) != want {
		t.Errorf("%s %v", got, err)
	}
	sum := scanfile.Summary{
		Files: []scanfile.FileSummary{{Name: "f", Format: "ndjson", Problem: "line 3 is cut"}}, Records: 2, Observations: 3, Duplicates: 1,
		Result: engine.Result{Applied: 1, Unchanged: 1, Clamped: 1}, LeftOut: map[string]int{"b": 2, "a": 1}, Rejected: 2, Elapsed: 2 * time.Second,
		Errors: []scanfile.RecordError{{File: "f", Line: 1, Reason: "r"}}, Bytes: 9,
	}
	if got, err = json.Marshal(&sum); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"bytes":9,"bytes_per_second":4}`, `"left_out":{"a":1,"b":2}`, `"errors":[{"file":"f","line":1,"reason":"r"}]`,
		`"files":[{"name":"f","format":"ndjson","complete":false,"problem":"line 3 is cut"}]`,
	} {
		if !bytes.Contains(got, []byte(part)) {
			t.Errorf("%s lacks %s", got, part)
		}
	}
	var b strings.Builder
	if err := sum.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	same(t, b.String(), `2 records, 3 open ports read: 1 applied, 1 unchanged, 0 stale, 2 rejected
1 had a time ahead of the clock, taken as now
1 ports were given more than once
left out: 1 a
left out: 2 b
warning: f is incomplete: line 3 is cut
rejected: f:1: r
rejected: 1 more`)
}
