package scanfile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"portolan/engine"
	"portolan/engine/scanfile"
	"portolan/index"
)

// readFuzzed reads anything and holds what every reader promises: reports are
// valid and in order, refused records say where, the same bytes in other pieces
// give the same.
func readFuzzed(t *testing.T, format string, data []byte) []engine.Report {
	t.Helper()
	opts := &scanfile.Options{Project: project, Format: format, MaxRecord: 1 << 12, MaxBytes: 1 << 20}
	reports, last := drain(t, bytes.NewReader(data), opts)
	again, lastAgain := drain(t, iotest.OneByteReader(bytes.NewReader(data)), opts)
	if lines(reports) != lines(again) || (last == nil) != (lastAgain == nil) {
		t.Fatalf("in one piece\n%s%v\nin many\n%s%v", lines(reports), last, lines(again), lastAgain)
	}
	return reports
}

func drain(t *testing.T, r interface{ Read([]byte) (int, error) }, opts *scanfile.Options) (reports []engine.Report, last error) {
	t.Helper()
	for r, err := range scanfile.Read(scanfile.Source{Name: "in", Reader: r}, opts) {
		if last != nil {
			t.Fatalf("the stream goes on after %v", last)
		}
		var refused *scanfile.RecordError
		switch {
		case errors.As(err, &refused):
			if refused.Line < 1 || refused.Reason == "" {
				t.Fatalf("refused without line or reason: %v", refused)
			}
		case err != nil:
			last = err
		default:
			checkReport(t, &r)
			reports = append(reports, r)
		}
	}
	return reports, last
}

func checkReport(t *testing.T, r *engine.Report) {
	t.Helper()
	if err := r.Validate(); err != nil || r.Project != project {
		t.Fatalf("%+v: %v", r, err)
	}
	for i := 1; i < len(r.Open); i++ {
		if r.Open[i] <= r.Open[i-1] {
			t.Fatalf("open is not in order: %v", r.Open)
		}
	}
	if !r.Seen.IsZero() && (r.Seen.Year() < 1970 || r.Seen.Year() > 9999 || r.Seen.Nanosecond()%1000 != 0) {
		t.Fatalf("seen %v", r.Seen)
	}
}

func FuzzNmapXML(f *testing.F) {
	for _, file := range nmapFiles(f) {
		text := readFile(f, file)
		f.Add([]byte(text))
		f.Add([]byte(text[:len(text)*2/3]))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		readFuzzed(t, "nmap-xml", data)
		scanfile.Detect(data)
	})
}

func FuzzNDJSON(f *testing.F) {
	for _, line := range []string{
		twoLines, `{"asset":"h1","open":["123/udp"]}`, `{"asset":"\u0061\ud83d\ude00\n","open":[],"seen":-1.5e3,"scope":["1-9/tcp6"]}`,
		`{"asset":"h","open":["1/tcp","1/tcp"],"category":"container","project_id":"p1","enterprise_project_id":"e","scope":"all","seen":"2026-01-02T03:04:05.5Z"}`,
		"\ufeff\r\n" + `{"open":["65535/sctp6"],"name":"n","address":"::1","asset":"x"}` + "\r\n",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, r := range readFuzzed(t, "ndjson", data) {
			got := readFuzzed(t, "ndjson", scanfile.AppendNDJSON(nil, &r))
			if lines(got) != lines([]engine.Report{r}) {
				t.Fatalf("got\n%s\nwant\n%s", lines(got), lines([]engine.Report{r}))
			}
		}
		scanfile.Detect(data)
		compareWithEncodingJSON(t, data)
	})
}

// compareWithEncodingJSON holds the purpose-built scanner against the library:
// what we take it takes, too, and means the same texts.
func compareWithEncodingJSON(t *testing.T, data []byte) {
	t.Helper()
	line, _, _ := bytes.Cut(data, []byte("\n"))
	reports, _ := drain(t, bytes.NewReader(append(slices.Clip(line), '\n')), &scanfile.Options{Project: project, Format: "ndjson"})
	if len(reports) != 1 {
		return
	}
	var want struct{ Asset, Name, Address string }
	if err := json.Unmarshal(bytes.TrimPrefix(line, []byte("\ufeff")), &want); err != nil {
		t.Fatalf("%q is taken, but %v", line, err)
	}
	if r := reports[0]; r.Asset != want.Asset || r.Name != want.Name || r.Address != want.Address {
		t.Fatalf("%q: %+v, want %+v", line, r, want)
	}
}

// FuzzAppendNDJSON: any report that is valid survives the way through a line.
func FuzzAppendNDJSON(f *testing.F) {
	f.Add("a", "n", "192.0.2.1", "e", int64(1790000000123456), uint64(0x0123456789abcdef), true)
	f.Add("\"\\\x00\u2028é", "", "", "", int64(0), uint64(1), false)
	f.Fuzz(func(t *testing.T, asset, name, address, ep string, micros int64, bits uint64, container bool) {
		r := engine.Report{Project: project, Asset: asset, Name: name, Address: address, EnterpriseProject: ep}
		if bits%3 == 0 {
			r.Labels = map[string]string{name: address, "l": ep}
		}
		if micros != 0 {
			r.Seen = time.UnixMicro(micros % 253402300799000000)
		}
		if container {
			r.Category = engine.Container
		}
		for i := range 4 {
			port := uint16(bits>>(16*i)) | 1
			r.Open = append(r.Open, index.MakeKey(port, index.Types()[int(port)%len(index.Types())]))
			r.Scope = r.Scope.Union(engine.ScopeOf(index.Range{Type: index.UDP, Lo: max(port/2, 1), Hi: port}))
		}
		if r.Validate() != nil {
			return
		}
		line := string(scanfile.AppendNDJSON(nil, &r))
		if !utf8.ValidString(line) || strings.Count(line, "\n") != 1 {
			t.Fatalf("%q", line)
		}
		reports := readFuzzed(t, "ndjson", []byte(line))
		again := scanfile.AppendNDJSON(nil, &reports[0])
		reports[0].Open, r.Open = nil, nil // In order in the one, in any in the other.
		if lines(reports) != lines([]engine.Report{r}) {
			t.Fatalf("got\n%s\nwant\n%s", lines(reports), lines([]engine.Report{r}))
		}
		if second := readFuzzed(t, "ndjson", again); !bytes.Equal(scanfile.AppendNDJSON(nil, &second[0]), again) {
			t.Fatal("a second way changes the line")
		}
	})
}
