package scanfile_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"portolan/engine/enginetest"
	"portolan/engine/scanfile"
)

// compressedLines is what bzip2 makes of plainLines: Go has no writer.
const (
	plainLines      = `{"asset":"h1","open":["22/tcp"]}` + "\n" + `{"asset":"h2","open":["80/tcp"]}` + "\n"
	compressedLines = "QlpoOTFBWSZTWfvWfXMAAB9bgAAQEATwUAAKKkHMCiAAQFVTQDQA2UKNGQNGmRpLPTZD1ZLpu3c16svxXZqGyqWCFEJYpZIQl+LuSKcKEh96z65g"
)

// writers compress what is written to them.
func writers() map[string]func(w io.Writer) (io.WriteCloser, error) {
	return map[string]func(w io.Writer) (io.WriteCloser, error){
		"gzip": func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
		"zstd": func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
		"xz":   func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) },
	}
}

func compress(t testing.TB, name, text string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := writers()[name](&b)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestLoadCompressed: what is compressed counts as what it was before, whether it comes in
// one piece, byte by byte or from a file, is strict or not, and with a format given.
func TestLoadCompressed(t *testing.T) {
	bz, err := base64.StdEncoding.DecodeString(compressedLines)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"bzip2": string(bz)}
	for name := range writers() {
		all[name] = compress(t, name, plainLines)
	}
	all["gzip, two members"] = compress(t, "gzip", plainLines[:40]) + compress(t, "gzip", plainLines[40:])
	want, _ := load(t, plainLines, options())
	for name, text := range all {
		for _, format := range []string{"", "ndjson"} {
			for _, strict := range []bool{false, true} {
				opts := options()
				opts.Format, opts.Strict, opts.TempDir = format, strict, t.TempDir()
				for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
					var sink fakeSink
					var read int64
					opts.Progress = func(n int64) { read = n }
					sum, err := scanfile.Load(t.Context(), &sink, []scanfile.Source{{Name: "in", Reader: r}}, opts)
					if err != nil || lines(sink.reports) != lines(want) || !sum.Complete || sum.Bytes != int64(len(plainLines)) {
						t.Errorf("%s, format %q, strict %v: %v, %+v", name, format, strict, err, sum)
					}
					if file := sum.Files[0]; !strict && !strings.HasPrefix(name, file.Compression) || file.Format != "ndjson" {
						t.Errorf("%s: %+v", name, file)
					}
					if !strict && read != int64(len(text)) {
						t.Errorf("%s: progress ends at %d of %d", name, read, len(text))
					}
				}
			}
		}
	}
	for format, c := range formatTexts {
		reports, _ := load(t, c.text, options())
		packed, sum := load(t, compress(t, "gzip", c.text), options())
		if lines(packed) != lines(reports) || sum.Files[0].Format != format {
			t.Errorf("%s: %+v", format, sum)
		}
	}
}

// TestLoadCutCompressed: of what is cut, what is whole counts; nothing is closed.
func TestLoadCutCompressed(t *testing.T) {
	text := strings.Repeat(plainLines, 2000)
	whole, _ := load(t, text, options())
	for name := range writers() {
		packed := compress(t, name, text)
		for n := 8; n < len(packed); n += 1 + len(packed)/50 {
			reports, sum := load(t, packed[:n], options())
			if sum.Complete || len(reports) > len(whole) || lines(reports) != lines(whole[:len(reports)]) || sum.Files[0].Problem == "" {
				t.Errorf("%s, cut at %d: %d reports, %+v", name, n, len(reports), sum)
			}
		}
		damaged := []byte(packed)
		damaged[len(damaged)-len(damaged)/3] ^= 0x55
		if reports, sum := load(t, string(damaged), options()); sum.Complete || len(reports) > len(whole) {
			t.Errorf("%s, damaged: %d reports, %+v", name, len(reports), sum)
		}
	}
	inventory := compress(t, "gzip", formatTexts["ss"].text)
	if reports, _ := load(t, inventory[:len(inventory)-8], options()); len(reports) == 1 && !reports[0].Scope.IsNone() {
		t.Errorf("a cut inventory closes: %s", lines(reports))
	}
}

// TestLoadBombs: an input that inflates without end is too large, not a way to use up the
// memory, and neither is one that asks for a large dictionary.
func TestLoadBombs(t *testing.T) {
	zeros := strings.Repeat("\n", 4<<20)
	for name := range writers() {
		opts := options()
		opts.Format, opts.MaxBytes = "ndjson", 1<<20
		_, err := scanfile.Load(t.Context(), &fakeSink{}, []scanfile.Source{source(compress(t, name, zeros))}, opts)
		if !errors.Is(err, scanfile.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !enginetest.Full() {
		return // making one with a large dictionary takes seconds
	}
	var b bytes.Buffer
	w, err := xz.WriterConfig{DictCap: 1 << 30}.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, plainLines)
	w.Close()
	reports, sum := load(t, b.String(), options())
	if len(reports) > 0 || !strings.Contains(sum.Files[0].Problem, "dictionary") {
		t.Errorf("a dictionary of 1 GiB: %+v", sum)
	}
}
