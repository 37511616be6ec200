package picture

import (
	"errors"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// Comparison is several programs beside each other.
type Comparison struct {
	Title     string
	Questions []string // from above
	Subjects  []string
	// Latency is in nanoseconds, by subject and question; NaN is none.
	Latency [][]float64
}

// SaveComparison draws a comparison: a row for each question, and in it a glyph for
// each subject, on a logarithmic axis. It returns the files that it wrote.
func SaveComparison(dir, name string, c *Comparison) ([]string, error) {
	if err := Check(dir); err != nil {
		return nil, err
	}
	p := newPlot(c.Title, "latency of one question, median", "")
	logAxis(&p.X, duration)
	legend, rows := newLegend(), len(c.Questions)
	drawn := 0
	for i, subject := range c.Subjects {
		var points plotter.XYs
		for q, ns := range c.Latency[i] {
			if !math.IsNaN(ns) && ns > 0 {
				points = append(points, plotter.XY{X: ns, Y: float64(rows - 1 - q)})
			}
		}
		if len(points) == 0 {
			continue
		}
		dots, err := plotter.NewScatter(points)
		if err != nil {
			return nil, err
		}
		dots.GlyphStyle = glyph(i)
		dots.Radius = vg.Points(5)
		p.Add(dots)
		legend.Add(subject, dots)
		drawn += len(points)
	}
	if drawn == 0 {
		return nil, errors.New("picture: a comparison of nothing")
	}
	names := make([]string, rows)
	for q, question := range c.Questions {
		names[rows-1-q] = question
	}
	p.NominalY(names...)
	p.Y.Min, p.Y.Max = -0.5, float64(rows)-0.5
	widen(&p.X)
	s := &sheet{width: 10 * vg.Inch, height: vg.Length(rows)*0.42*vg.Inch + 1.6*vg.Inch, plots: []*plot.Plot{p}, legend: legend, legendWidth: 170}
	return s.save(dir, name)
}
