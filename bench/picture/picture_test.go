package picture

import (
	"encoding/xml"
	"errors"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portolan/bench"
)

// madeUp is a report with figures for every picture.
func madeUp(sizes ...int) *bench.Report {
	r := &bench.Report{}
	add := func(x bench.Result, values ...bench.Value) {
		x.Values = values
		r.Results = append(r.Results, x)
	}
	for i, hosts := range sizes {
		for j, q := range drawnQuestions {
			ns := math.Pow(10, float64(j)*0.7) * float64(i+1)
			add(bench.Result{Suite: bench.SuiteLibrary, Name: q, Hosts: hosts}, bench.Value{Unit: "p50-ns", Value: ns}, bench.Value{Unit: "p99-ns", Value: 3 * ns})
		}
		for j, part := range memoryParts {
			add(bench.Result{Suite: bench.SuiteMemory, Name: part, Hosts: hosts}, bench.Value{Unit: "B/obs", Value: float64(1+j) / float64(i+1)})
		}
		for _, subject := range []string{bench.Ours, bench.Bare} {
			for _, rate := range []float64{3e4, 1e4, 2e4} {
				add(bench.Result{Suite: bench.SuiteHTTP, Name: "some", Subject: subject, Beside: bench.OpenLoop, Hosts: hosts},
					bench.Value{Unit: "offered-req/s", Value: rate}, bench.Value{Unit: "req/s", Value: rate * 0.9}, bench.Value{Unit: "p99-ns", Value: rate * 100})
			}
		}
	}
	return r
}

// check decodes a picture and wants it to show something: a PNG at least some colours,
// an SVG the texts.
func check(t *testing.T, file string, texts ...string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if strings.HasSuffix(file, ".png") {
		img, err := png.Decode(f)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		pixels, area := map[color.Color]int{}, img.Bounds().Dx()*img.Bounds().Dy()
		for y := range img.Bounds().Dy() {
			for x := range img.Bounds().Dx() {
				pixels[img.At(x, y)]++
			}
		}
		for c, n := range pixels {
			if n > area*99/100 {
				t.Errorf("%s: %d of %d pixels are %v", file, n, area, c)
			}
		}
		if len(pixels) < 16 {
			t.Errorf("%s has %d colours", file, len(pixels))
		}
		return
	}
	var shown strings.Builder
	for d := xml.NewDecoder(f); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if text, ok := token.(xml.CharData); ok {
			shown.Write(text)
			shown.WriteByte('\n')
		}
	}
	for _, text := range texts {
		if !strings.Contains(shown.String(), text) {
			t.Errorf("%s does not show %q", file, text)
		}
	}
}

// TestSave: every picture is drawn twice, with its axes, its units and its legend.
func TestSave(t *testing.T) {
	for _, sizes := range [][]int{{10_000, 100_000, 1_000_000}, {5000}} {
		dir := filepath.Join(t.TempDir(), "new", "folder")
		files, err := Save(dir, madeUp(sizes...))
		if err != nil || len(files) != 6 {
			t.Fatalf("%q, %v", files, err)
		}
		check(t, filepath.Join(dir, "latency.svg"), append(slices.Clone(drawnQuestions), "hosts", "1 µs", "10 k", "median", "99th percentile")...)
		check(t, filepath.Join(dir, "memory.svg"), append(slices.Clone(memoryParts), "hosts", "bytes per open port of a host")...)
		check(t, filepath.Join(dir, "http.svg"), bench.Ours, bench.Bare, "requests/s offered", "10 k", "ms")
		for _, name := range []string{"latency.png", "memory.png", "http.png"} {
			check(t, filepath.Join(dir, name))
		}
	}
}

// TestSaveWhatThereIs: a report without figures for a picture goes without it.
func TestSaveWhatThereIs(t *testing.T) {
	for keep, want := range map[bench.Suite]string{bench.SuiteLibrary: "latency", bench.SuiteMemory: "memory", bench.SuiteHTTP: "http", bench.SuiteLoad: ""} {
		r := madeUp(10_000)
		r.Results = slices.DeleteFunc(r.Results, func(x bench.Result) bool { return x.Suite != keep })
		files, err := Save(t.TempDir(), r)
		if err != nil || len(files) != 2*min(len(want), 1) {
			t.Errorf("%s: %q, %v", keep, files, err)
		}
		for _, file := range files {
			if !strings.HasPrefix(filepath.Base(file), want+".") {
				t.Errorf("%s: %s", keep, file)
			}
		}
	}
}

// TestRefuses: a folder that cannot be written is an error, before anything is drawn.
func TestRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if err := Check(dir); err == nil {
			t.Errorf("%s can be written", dir)
		}
		if _, err := Save(dir, madeUp(1000)); err == nil {
			t.Errorf("%s was written", dir)
		}
		if _, err := SaveComparison(dir, "peers", &Comparison{}); err == nil {
			t.Errorf("%s was written", dir)
		}
	}
	if _, err := SaveComparison(t.TempDir(), "peers", &Comparison{Questions: []string{"a"}, Subjects: []string{"b"}, Latency: [][]float64{{math.NaN()}}}); err == nil {
		t.Error("a comparison of nothing was drawn")
	}
}

func TestSaveComparison(t *testing.T) {
	dir := t.TempDir()
	files, err := SaveComparison(dir, "peers", &Comparison{
		Title: "Side by side", Questions: []string{"first page", "deep page"}, Subjects: []string{"portolan", "another", "neither"},
		Latency: [][]float64{{250, 300}, {1e6, math.NaN()}, {math.NaN(), math.NaN()}},
	})
	if err != nil || len(files) != 2 {
		t.Fatalf("%q, %v", files, err)
	}
	check(t, filepath.Join(dir, "peers.svg"), "Side by side", "first page", "deep page", "portolan", "another", "1 µs", "1 ms")
	check(t, filepath.Join(dir, "peers.png"))
}
