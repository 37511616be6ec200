package picture

import (
	"cmp"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"portolan/bench"
)

// drawnQuestions are those of the library suite that a picture has room for.
var drawnQuestions = []string{
	"first page", "exact port", "2 digits, new", "5 digits, new", "status", "three enterprise projects", "random combinations", "hosts of a port",
}

// figures returns a figure of one result of a suite, at rest, over the size of the
// fleet.
func figures(r *bench.Report, suite bench.Suite, name, unit string) plotter.XYs {
	var points plotter.XYs
	for i := range r.Results {
		x := &r.Results[i]
		if x.Suite != suite || x.Name != name || x.Subject != "" || x.Beside != "" {
			continue
		}
		if v, ok := x.Value(unit); ok {
			points = append(points, plotter.XY{X: float64(x.Hosts), Y: v})
		}
	}
	return points
}

// latency draws what questions take over the size of the fleet: half of them, and
// ninety-nine of a hundred.
func latency(r *bench.Report) *sheet {
	s := &sheet{width: 12 * vg.Inch, height: 4.5 * vg.Inch, legend: newLegend(), legendWidth: 190}
	for _, of := range []struct{ title, unit string }{{"median", "p50-ns"}, {"99th percentile", "p99-ns"}} {
		p := newPlot("Questions at rest, "+of.title, "hosts", "latency")
		logAxis(&p.X, count)
		logAxis(&p.Y, duration)
		legend := &s.legend
		if len(s.plots) > 0 {
			legend = nil // one serves both
		}
		n := 0
		for _, name := range drawnQuestions {
			points := figures(r, bench.SuiteLibrary, name, of.unit)
			for i := range points {
				points[i].Y = max(points[i].Y, 1) // a logarithm has no zero
			}
			if len(points) > 0 && series(p, legend, n, name, points) == nil {
				n++
			}
		}
		if n == 0 {
			return nil
		}
		widen(&p.X)
		widen(&p.Y)
		s.plots = append(s.plots, p)
	}
	sameRange(&s.plots[0].Y, &s.plots[1].Y)
	return s
}

// sameRange gives both axes the range of both.
func sameRange(a, b *plot.Axis) {
	low, high := min(a.Min, b.Min), max(a.Max, b.Max)
	a.Min, a.Max, b.Min, b.Max = low, high, low, high
}

// memoryParts are stacked from below.
var memoryParts = []string{"postings", "counts", "assets", "dictionary", "interned", "other"}

// memory draws the live heap per observation over the size of the fleet, by part.
func memory(r *bench.Report) *sheet {
	p := newPlot("Live heap, by part", "hosts", "bytes per open port of a host")
	legend := newLegend()
	var below *plotter.BarChart
	var names []string
	for i, part := range memoryParts {
		points := figures(r, bench.SuiteMemory, part, "B/obs")
		if len(points) == 0 {
			return nil
		}
		values := make(plotter.Values, len(points))
		names = names[:0]
		for j, xy := range points {
			values[j] = xy.Y
			names = append(names, count(xy.X))
		}
		bars, err := plotter.NewBarChart(values, vg.Points(48))
		if err != nil {
			return nil
		}
		bars.Color, bars.Width = shades[i], vg.Points(48)
		bars.LineStyle.Width = vg.Points(0.75)
		if below != nil {
			bars.StackOn(below)
		}
		below = bars
		p.Add(bars)
		legend.Add(part, bars)
	}
	p.NominalX(names...)
	p.Y.Min = 0
	p.Y.Max *= 1.1
	return &sheet{width: 7.5 * vg.Inch, height: 4.5 * vg.Inch, plots: []*plot.Plot{p}, legend: legend, legendWidth: 110}
}

// endpoint draws ours and the bare handler over the rate of requests: how many are
// answered, and the 99th percentile of what one waits.
func endpoint(r *bench.Report) *sheet {
	rate := newPlot("Answered", "requests/s offered", "requests/s")
	wait := newPlot("99th percentile, from when a request was due", "requests/s offered", "latency")
	logAxis(&wait.Y, duration)
	legend, largest := newLegend(), 0
	for i := range r.Results {
		largest = max(largest, r.Results[i].Hosts)
	}
	for i, subject := range []string{bench.Ours, bench.Bare} {
		answered, latencies := openLoop(r, subject, largest)
		if len(answered) == 0 {
			return nil
		}
		if series(rate, &legend, i, subject, answered) != nil || series(wait, nil, i, subject, latencies) != nil {
			return nil
		}
	}
	for _, a := range []*plot.Axis{&rate.X, &rate.Y, &wait.X} {
		a.Min = 0
		a.Max *= 1.05
		a.Tick.Marker = labelled(count)
	}
	widen(&wait.Y)
	return &sheet{width: 12 * vg.Inch, height: 4.5 * vg.Inch, plots: []*plot.Plot{rate, wait}, legend: legend, legendWidth: 190}
}

// openLoop returns what a server answered and its latencies over the rates offered.
func openLoop(r *bench.Report, subject string, hosts int) (answered, latencies plotter.XYs) {
	for i := range r.Results {
		x := &r.Results[i]
		if x.Suite != bench.SuiteHTTP || x.Beside != bench.OpenLoop || x.Subject != subject || x.Hosts != hosts {
			continue
		}
		offered, _ := x.Value("offered-req/s")
		got, _ := x.Value("req/s")
		p99, _ := x.Value("p99-ns")
		answered = append(answered, plotter.XY{X: offered, Y: got})
		latencies = append(latencies, plotter.XY{X: offered, Y: max(p99, 1)})
	}
	for _, list := range []plotter.XYs{answered, latencies} {
		slices.SortFunc(list, func(a, b plotter.XY) int { return cmp.Compare(a.X, b.X) })
	}
	return answered, latencies
}
