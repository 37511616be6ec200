package scanfile_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"portolan/engine/enginetest"
	"portolan/engine/scanfile"
)

// splittable are the formats whose inputs are read in parts.
var splittable = []string{"ndjson", "masscan-ndjson", "shodan", "zgrab2", "zmap-json", "naabu-json"}

// textOf is a small input of a format.
func textOf(format string) string {
	if format == "ndjson" {
		return plainLines
	}
	return formatTexts[format].text
}

// all is everything that a load gives, as text.
func all(t *testing.T, text string, workers int, change func(*scanfile.Options)) string {
	t.Helper()
	opts := options()
	opts.Workers, opts.MaxRecord = workers, 64<<10
	if change != nil {
		change(opts)
	}
	var sink fakeSink
	sum, err := scanfile.Load(t.Context(), &sink, []scanfile.Source{source(text)}, opts)
	sum.Elapsed = 0
	return fmt.Sprintf("%s%v\n%+v", lines(sink.reports), err, *sum)
}

// TestParts: an input that is read in parts gives what one that is read in order does,
// wherever it is cut, whatever is wrong with it and whatever follows.
func TestParts(t *testing.T) {
	size := 128 << 10
	if enginetest.Full() {
		size = 512 << 10
	}
	for _, name := range splittable {
		text := textOf(name)
		long := strings.Repeat(text, size/len(text))
		half := long[:len(long)/2]
		half = half[:strings.LastIndexByte(half, '\n')+1]
		for what, text := range map[string]string{
			"whole": long, "cut": long[:len(long)-7], "CRLF": strings.ReplaceAll(long, "\n", "\r\n"), "blank": strings.Repeat("\n", size),
			"over several lines": strings.ReplaceAll(long, `":`, "\":\n  "),
			"a log between":      half + strings.Repeat("a line of a log\n", 1000) + half,
			"damage":             half + "{\"ip\":\"192.0.2.1\",\"x\n{\n{\"\n{}\n" + `{"asset":"h3","ip":"x","open":["bad"]}` + "\n" + half,
			"a long record":      half + `{"data":"` + strings.Repeat("x", 512<<10) + "\"}\n" + half,
			"a list":             "[\n" + half + "]\n" + half,
			"a list, open":       half + "[\n" + half,
			"another format":     half + formatTexts["rustscan"].text[strings.IndexByte(formatTexts["rustscan"].text, '\n')+1:] + half + formatTexts["masscan-list"].text,
			"XML behind":         half + half + "<?xml version=\"1.0\"?>\n" + scan(1000, ""),
			"another at a part":  strings.Repeat(half, 2) + textOf(splittable[3]) + half,
		} {
			want, got := all(t, text, 1, nil), all(t, text, 3, nil)
			if got != want {
				i := 0
				for i < min(len(got), len(want)) && got[i] == want[i] {
					i++
				}
				t.Errorf("%s, %s: in parts …%.600s\nin order …%.600s", name, what, got[max(i-200, 0):], want[max(i-200, 0):])
			}
			byOption := func(o *scanfile.Options) { o.Format = name }
			if want, got := all(t, text, 1, byOption), all(t, text, 4, byOption); got != want {
				t.Errorf("%s, %s, with --format: they differ", name, what)
			}
		}
	}
}

// TestPartsEnd: a load that ends early stops all that reads.
func TestPartsEnd(t *testing.T) {
	text := strings.Repeat(plainLines, 1<<16)
	for range 5 {
		opts := options()
		opts.Workers = 4
		n := 0
		for _, err := range scanfile.Read(source(text), opts) {
			if n++; err != nil || n == 10_000 {
				break
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := scanfile.Load(ctx, &fakeSink{}, []scanfile.Source{source(text)}, opts); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		broken := errors.New("broken")
		failing := scanfile.Source{Name: "in", Reader: iotest.TimeoutReader(strings.NewReader(text))}
		if sum, err := scanfile.Load(t.Context(), &fakeSink{}, []scanfile.Source{failing}, opts); !errors.Is(err, iotest.ErrTimeout) || sum.Complete {
			t.Errorf("a source that fails: %v", err)
		}
		if _, err := scanfile.Load(t.Context(), &fakeSink{err: broken}, []scanfile.Source{source(text)}, opts); !errors.Is(err, broken) {
			t.Errorf("a sink that fails: %v", err)
		}
	}
}
