// Package picture draws what package bench measures.
//
// # Basics
//
// [Save] draws the pictures that a report has figures for, [SaveComparison] one of
// several programs beside each other. Each is written as SVG and as PNG. Series differ
// in colour (the palette of Okabe and Ito, https://jfly.uni-koeln.de/color/), in dash
// and in glyph, so that they can be told apart without seeing colours.
package picture

import (
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"portolan/bench"
)

// Check makes the folder if it is not there and says whether pictures can be written
// to it.
func Check(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // Pictures are no secrets.
		return err
	}
	f, err := os.CreateTemp(dir, ".check-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Save draws the report and returns the files that it wrote. A report without figures
// for a picture goes without it.
func Save(dir string, r *bench.Report) ([]string, error) {
	if err := Check(dir); err != nil {
		return nil, err
	}
	var files []string
	for _, d := range []struct {
		name string
		draw func(*bench.Report) *sheet
	}{{"latency", latency}, {"memory", memory}, {"http", endpoint}} {
		s := d.draw(r)
		if s == nil {
			continue
		}
		written, err := s.save(dir, d.name)
		files = append(files, written...)
		if err != nil {
			return files, err
		}
	}
	return files, nil
}

// sheet is one picture: plots in a row, and the legend of all of them beside.
type sheet struct {
	width, height vg.Length
	plots         []*plot.Plot
	legend        plot.Legend
	legendWidth   vg.Length
}

// save writes the picture as SVG and PNG.
func (s *sheet) save(dir, name string) ([]string, error) {
	var files []string
	for _, format := range []string{"svg", "png"} {
		file := filepath.Join(dir, name+"."+format)
		if err := s.write(file, format); err != nil {
			return files, fmt.Errorf("picture %s: %w", file, err)
		}
		files = append(files, file)
	}
	return files, nil
}

func (s *sheet) write(file, format string) (err error) {
	c, err := draw.NewFormattedCanvas(s.width, s.height, format)
	if err != nil {
		return err
	}
	area := draw.New(c)
	area.SetColor(color.White)
	area.Fill(area.Path())
	margin := vg.Points(10)
	area = draw.Crop(area, margin, -margin, margin, -margin)
	s.legend.Draw(draw.Crop(area, area.Size().X-s.legendWidth+margin, 0, 0, -vg.Points(24)))
	area = draw.Crop(area, 0, -s.legendWidth, 0, 0)
	tiles := draw.Tiles{Rows: 1, Cols: len(s.plots), PadX: vg.Points(16)}
	for i, canvas := range plot.Align([][]*plot.Plot{s.plots}, tiles, area)[0] {
		s.plots[i].Draw(canvas)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = c.WriteTo(f)
	return err
}
