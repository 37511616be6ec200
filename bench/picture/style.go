package picture

import (
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// palette is that of Okabe and Ito without yellow, which is too light for lines, in an
// order in which neighbours differ in lightness, too.
var palette = []color.Color{
	color.RGBA{0, 0, 0, 255},       // black
	color.RGBA{230, 159, 0, 255},   // orange
	color.RGBA{0, 114, 178, 255},   // blue
	color.RGBA{86, 180, 233, 255},  // sky blue
	color.RGBA{213, 94, 0, 255},    // vermilion
	color.RGBA{204, 121, 167, 255}, // reddish purple
	color.RGBA{0, 158, 115, 255},   // bluish green
}

// shades are greys and light colours for areas, from dark to light.
var shades = []color.Color{
	color.RGBA{0, 0, 0, 255},
	color.RGBA{0, 90, 140, 255},
	color.RGBA{213, 94, 0, 255},
	color.RGBA{86, 180, 233, 255},
	color.RGBA{240, 200, 80, 255},
	color.RGBA{235, 235, 235, 255},
}

var glyphs = []draw.GlyphDrawer{
	draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.CrossGlyph{}, draw.PlusGlyph{},
}

var dashes = [][]vg.Length{
	nil, {vg.Points(6), vg.Points(3)}, {vg.Points(2), vg.Points(2)}, {vg.Points(8), vg.Points(3), vg.Points(2), vg.Points(3)},
}

const textSize = 11

// newPlot returns a plot with readable text and a light grid.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.TextStyle.Font = sans(textSize + 2)
	p.Title.Padding = vg.Points(8)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font = sans(textSize)
		a.Tick.Label.Font = sans(textSize - 1)
		a.Padding = vg.Points(4)
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{225}, color.Gray{225}
	p.Add(grid)
	return p
}

func sans(size float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(size)}
}

// newLegend returns a legend that is filled from above.
func newLegend() plot.Legend {
	l := plot.NewLegend()
	l.TextStyle.Font = sans(textSize - 1)
	l.ThumbnailWidth = vg.Points(30)
	l.Padding = vg.Points(4)
	l.Top, l.Left = true, true
	return l
}

// logAxis makes an axis logarithmic, with labels at the powers of ten.
func logAxis(a *plot.Axis, label func(float64) string) {
	a.Scale = plot.LogScale{}
	a.Tick.Marker = decades(label)
}

// decades puts a labelled tick at every power of ten, and plain ones between.
type decades func(float64) string

// Ticks returns the ticks from low to high.
func (label decades) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for m := 1.0; m < 10; m++ {
			v := m * math.Pow(10, e)
			if v < low*0.999 || v > high*1.001 {
				continue
			}
			t := plot.Tick{Value: v}
			if m == 1 {
				t.Label = label(v)
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// labelled puts labels on the ticks that there are by default.
type labelled func(float64) string

// Ticks returns the ticks from low to high.
func (label labelled) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label = label(ticks[i].Value)
		}
	}
	return ticks
}

// widen makes room around an axis's values, so that a logarithmic one has at least a
// decade.
func widen(a *plot.Axis) {
	low, high := math.Log10(a.Min), math.Log10(a.Max)
	if missing := 1 - (high - low); missing > 0 {
		low, high = low-missing/2, high+missing/2
	}
	a.Min, a.Max = math.Pow(10, low-0.05), math.Pow(10, high+0.05)
}

// duration writes nanoseconds.
func duration(ns float64) string { return scaled(ns, []string{" ns", " µs", " ms", " s"}) }

// count writes a number with a decimal prefix.
func count(n float64) string { return scaled(n, []string{"", " k", " M", " G"}) }

func scaled(v float64, units []string) string {
	i := 0
	for ; i < len(units)-1 && v >= 1000; i++ {
		v /= 1000
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + units[i]
}

// series adds a line with glyphs, the i-th of the plot, and, where there is one, to the
// legend.
func series(p *plot.Plot, legend *plot.Legend, i int, name string, points plotter.XYs) error {
	line, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	line.Color, line.Width, line.Dashes = palette[i%len(palette)], vg.Points(1.5), dashes[i%len(dashes)]
	dots.GlyphStyle = glyph(i)
	p.Add(line, dots)
	if legend != nil {
		legend.Add(name, line, dots)
	}
	return nil
}

func glyph(i int) draw.GlyphStyle {
	return draw.GlyphStyle{Color: palette[i%len(palette)], Radius: vg.Points(4), Shape: glyphs[i%len(glyphs)]}
}
