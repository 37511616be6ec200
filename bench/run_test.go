package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"
	"golang.org/x/perf/benchfmt"

	"portolan/engine/enginetest"
)

// clientVariable makes the test's binary the client of the http suite.
const clientVariable = "PORTOLAN_BENCH_TEST_CLIENT"

func TestMain(m *testing.M) {
	if os.Getenv(clientVariable) != "" {
		if err := Client(context.Background(), os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// TestRun: every suite has results, and none of them a figure that cannot be.
func TestRun(t *testing.T) {
	for _, profile := range Profiles() {
		suites := Suites()
		if profile != DefaultProfile {
			if !enginetest.Full() {
				continue
			}
			suites = []Suite{SuiteLibrary, SuiteLoad}
		}
		report, err := Run(t.Context(), &Config{Suites: suites, Hosts: 300, Profile: profile, For: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		found := map[Suite]int{}
		for _, r := range report.Results {
			found[r.Suite]++
			for _, v := range r.Values {
				if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) || v.Value < 0 {
					t.Errorf("%s: %s: %s: %g %s", profile, r.Suite, r.Name, v.Value, v.Unit)
				}
			}
			if r.Hosts < 1 || r.Samples < 1 || len(r.Values) == 0 {
				t.Errorf("%s: %+v", profile, r)
			}
		}
		for _, s := range suites {
			if found[s] == 0 {
				t.Errorf("%s: nothing of %s", profile, s)
			}
		}
		if report.Cut || report.Machine.Go == "" {
			t.Errorf("%s: %+v", profile, report)
		}
		checkFormats(t, report)
	}
}

// checkFormats holds that a report fits its schema, that benchfmt is read back, and
// that the table has a row for every result.
func checkFormats(t *testing.T, report *Report) {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Error(err)
	}
	var lines, table strings.Builder
	if err := report.WriteBenchfmt(&lines); err != nil {
		t.Fatal(err)
	}
	read := 0
	for r := benchfmt.NewReader(strings.NewReader(lines.String()), "report"); r.Scan(); {
		switch line := r.Result().(type) {
		case *benchfmt.Result:
			want := &report.Results[read]
			read++
			if len(line.Values) != len(want.Values) || int64(line.Iters) != want.Samples || line.GetConfig("profile") != report.Profile {
				t.Errorf("%s %d %v, want %+v", line.Name, line.Iters, line.Values, want)
			}
		case *benchfmt.SyntaxError:
			t.Error(line)
		}
	}
	if read != len(report.Results) {
		t.Errorf("%d benchmark lines of %d are read", read, len(report.Results))
	}
	if err := report.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for i := range report.Results {
		if r := &report.Results[i]; !strings.Contains(table.String(), "\n"+title(r)+"\n") || !strings.Contains(table.String(), "\n"+r.label()+" ") {
			t.Errorf("%s: %s is not in the table", title(r), r.label())
		}
		for _, mark := range report.Results[i].Marks {
			if !strings.Contains(table.String(), mark) {
				t.Errorf("mark %q is not in the table", mark)
			}
		}
	}
}

// TestGrowth: smaller fleets come first.
func TestGrowth(t *testing.T) {
	c := Config{Growth: true, Hosts: 2_000_000}
	if got := c.sizes(); !slices.Equal(got, []int{10_000, 100_000, 1_000_000, 2_000_000}) {
		t.Error(got)
	}
	for _, hosts := range []int{5, 10_000} {
		c.Hosts = hosts
		if got := c.sizes(); !slices.Equal(got, []int{hosts}) {
			t.Error(got)
		}
	}
	short, long := c.figureTime(10), c.figureTime(5_000_000)
	c.For = time.Hour
	if short != 50*time.Millisecond || long != 500*time.Millisecond || c.figureTime(10) != time.Hour {
		t.Errorf("%s, %s, %s", short, long, c.figureTime(10))
	}
}

// TestRunStops: a run that is interrupted has what was measured, and says so.
func TestRunStops(t *testing.T) {
	for _, suite := range Suites() {
		ctx, cancel := context.WithCancel(t.Context())
		steps := 0
		report, err := Run(ctx, &Config{Suites: []Suite{SuiteMemory, suite}, Hosts: 300, For: time.Minute, Progress: func(what string) {
			if steps++; steps > 2 && strings.HasPrefix(what, string(suite)) {
				cancel()
			}
		}})
		cancel()
		if suite == SuiteMemory { // It has one step, and had not begun.
			continue
		}
		if !errors.Is(err, context.Canceled) || !report.Cut || len(report.Results) == 0 {
			t.Errorf("%s: %v, %+v", suite, err, report)
			continue
		}
		checkFormats(t, report)
	}
}

// TestConfig: every value that is not allowed is named, with what is.
func TestConfig(t *testing.T) {
	report, err := Run(t.Context(), &Config{Suites: []Suite{"none"}, Hosts: -1, Profile: "zoo", For: -time.Second})
	for _, want := range []string{
		`Suites is "none": want only memory, library, facets, http, load`, "Hosts is -1: want 0 or more",
		`Profile is "zoo": want one of agents, internet, campus, containers`, "For is -1s: want 0 or more",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q in it", err, want)
		}
	}
	if len(report.Results) > 0 {
		t.Error("something was measured")
	}
}

// TestRoom: a fleet that does not fit is refused before it is made.
func TestRoom(t *testing.T) {
	c := (&Config{Hosts: 1_000_000_000}).resolved()
	for available, refused := range map[uint64]bool{0: false, 1 << 30: true, 1 << 60: false} {
		err := checkRoom(t.Context(), &c, available)
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "a fleet of 1000000000 agents needs some ") {
			t.Errorf("%d bytes: %v", available, err)
		}
	}
	status := "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS: x kB\n"
	for name, want := range map[string]uint64{"VmHWM": 2 << 20, "VmRSS": 0, "VmPeak": 0} {
		if got := kibibytes(strings.NewReader(status), name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

// TestWriterThatFallsBehindIsMarked.
func TestWriterThatFallsBehindIsMarked(t *testing.T) {
	c := (&Config{Hosts: 300, For: time.Millisecond}).resolved()
	timer, err := newTimer(t.Context(), systemClock())
	if err != nil {
		t.Fatal(err)
	}
	r := testRig(t, DefaultProfile)
	r.questions = r.questions[:1]
	for rate, marked := range map[int]bool{0: false, 100_000_000: true} {
		run := &run{c: &c, timer: timer, report: new(Report)}
		if err := run.besideWriter(t.Context(), r, rate); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(run.report.Results[0].Marks, "\n")
		if strings.Contains(text, "the writer reached") != marked {
			t.Errorf("%d reports/s: marks %q", rate, text)
		}
	}
	if err := r.e.Close(); err != nil {
		t.Fatal(err)
	}
	run := &run{c: &c, timer: timer, report: new(Report)}
	if err := run.besideWriter(t.Context(), r, 0); err == nil {
		t.Error("a closed engine was measured")
	}
}
