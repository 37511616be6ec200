package scanfile_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"portolan/engine"
	"portolan/engine/scanfile"
	"portolan/index"
)

func TestNDJSONAccepts(t *testing.T) {
	for in, want := range map[string]string{
		`{"asset":"h1","open":["123/udp"]}`:                                     `host h1 open=[123/udp] scope=none`,
		" { \"open\" : [ ] ,\t\"asset\":\"h1\" } ":                              `host h1 open=[] scope=none`,
		`{"asset":"h","open":["443/TCP","22/tcp6","443/tcp","00080/sctp"]}`:     `host h open=[22/tcp6 80/sctp 443/tcp] scope=none`,
		`{"asset":"\u0061\/\ud83d\ude00\"","open":[]}`:                          `host a/😀" open=[] scope=none`,
		`{"\u0061sset":"h","open":[],"name":"n","address":"a"}`:                 `host h open=[] scope=none name="n" address="a"`,
		`{"asset":"h","open":[],"project_id":"p1","enterprise_project_id":"e"}`: `host h open=[] scope=none ep="e"`,
		`{"asset":"h","open":[],"category":"container"}`:                        `container h open=[] scope=none`,
		`{"asset":"h","open":[],"scope":"all"}`:                                 `host h open=[] scope=all`,
		`{"asset":"h","open":[],"scope":"none"}`:                                `host h open=[] scope=none`,
		`{"asset":"h","open":[],"scope":[]}`:                                    `host h open=[] scope=none`,
		`{"asset":"h","open":[],"scope":["1-1024/tcp", "53/udp"]}`:              `host h open=[] scope=1-1024/tcp,53/udp`,
		`{"asset":"h","open":[],"seen":"2026-01-02T03:04:05.123456789+01:00"}`:  `host h open=[] scope=none seen=2026-01-02T02:04:05.123456Z`,
		`{"asset":"h","open":[],"seen":"2026-01-02t03:04:05z"}`:                 `host h open=[] scope=none seen=2026-01-02T03:04:05Z`,
		`{"asset":"h","open":[],"labels":{"env":"prod","a b":""}}`:              `host h open=[] scope=none label.a b="" label.env="prod"`,
		`{"asset":"h","open":[],"labels":{"\u0065nv":"\u00e9"}}`:                `host h open=[] scope=none label.env="é"`,
		`{"asset":"h","open":[],"labels":{}}`:                                   `host h open=[] scope=none`,
		`{"asset":"h","open":[],"seen":1790000000}`:                             `host h open=[] scope=none seen=2026-09-21T14:13:20Z`,
		`{"asset":"h","open":[],"seen":1790000000.1234567}`:                     `host h open=[] scope=none seen=2026-09-21T14:13:20.123456Z`,
		`{"asset":"h","open":[],"seen":1.79e9}`:                                 `host h open=[] scope=none seen=2026-09-21T14:13:20Z`,
		`{"asset":"h","open":[],"seen":0}`:                                      `host h open=[] scope=none seen=1970-01-01T00:00:00Z`,
		`{"asset":"h","open":[],"seen":"9999-12-31T23:59:59Z"}`:                 `host h open=[] scope=none seen=9999-12-31T23:59:59Z`,
	} {
		for _, end := range []string{"", "\n", "\r\n", "\n\n  \n"} {
			reports, sum := load(t, "\n"+in+end, formatted())
			if !sum.Complete || sum.Rejected != 0 {
				t.Errorf("%s: %v %v", in, sum.Errors, sum.Files)
				continue
			}
			same(t, lines(reports), want)
		}
	}
}

func formatted() *scanfile.Options {
	opts := options()
	opts.Format = "ndjson"
	return opts
}

func TestNDJSONRejects(t *testing.T) {
	for in, reason := range map[string]string{
		`[]`:                                  `[] is not allowed: want an object`,
		`{}`:                                  `asset: "" is not allowed`,
		`{"asset":"h"}`:                       `open: "" is not allowed: want an array`,
		`{"asset":"h","open":[],"labels":[]}`: `labels: [] is not allowed: want an object`,
		`{"asset":"h","open":[],"labels":{"a":1}}`:                            `labels: "{\"a\":1}" is not allowed: want an object of strings, each name once`,
		`{"asset":"h","open":[],"labels":{"b":"","a":null}}`:                  `labels: "{\"b\":\"\",\"a\":null}" is not allowed: want an object of strings, each name once`,
		`{"asset":"h","open":[],"labels":{"a":"1","a":"2"}}`:                  `labels: "{\"a\":\"1\",\"a\":\"2\"}" is not allowed: want an object of strings, each name once`,
		`{"asset":"h","open":[],"labels":{"a=b":"1"}}`:                        `labels: "a=b" is not allowed`,
		`{"asset":"h","open":[],"labels":{"":"1"}}`:                           `labels: "" is not allowed`,
		`{"asset":"h","open":[],"labels":{"a":"1"},"labels":{}}`:              `field "labels" is given twice`,
		`{"asset":"","open":[]}`:                                              `asset: "" is not allowed: want 1 to 256 characters`,
		`{"open":[]}`:                                                         `asset: `,
		`{"asset":"h","open":[],"x":1}`:                                       `field: "x" is not allowed: want asset, open`,
		`{"Asset":"h","open":[]}`:                                             `field: "Asset"`,
		`{"asset":"h","open":[],"asset":"h"}`:                                 `field "asset" is given twice`,
		`{"asset":"h","open":[],"\u0061sset":"h"}`:                            `given twice`,
		`{"asset":1,"open":[]}`:                                               `asset: 1 is not allowed: want a string`,
		`{"asset":null,"open":[]}`:                                            `asset: null is not allowed: want a string`,
		`{"asset":"h","open":null}`:                                           `open: null is not allowed: want an array`,
		`{"asset":"h","open":"1/tcp"}`:                                        `open: "1/tcp" is not allowed: want an array`,
		`{"asset":"h","open":[1]}`:                                            `open: 1 is not allowed: want a string`,
		`{"asset":"h","open":["0/tcp"]}`:                                      `open: "0/tcp" is not allowed`,
		`{"asset":"h","open":["65536/tcp"]}`:                                  `open: "65536/tcp" is not allowed`,
		`{"asset":"h","open":["1/icmp"]}`:                                     `open: "1/icmp" is not allowed`,
		`{"asset":"h","open":["1"]}`:                                          `open: "1" is not allowed`,
		`{"asset":"h","open":["1/tcp",]}`:                                     `open: byte`,
		`{"asset":"h","open":["1/tcp"}`:                                       `open: byte`,
		`{"asset":"h","open":[],}`:                                            `byte 23: invalid character ','`,
		`{"asset":"h","open":[]} {}`:                                          `the end of the line`,
		`{"asset":"h","open":[]}x`:                                            `the end of the line`,
		`{"asset":"h","open":[]`:                                              `ends inside the object`,
		`{"asset":"h","open":[],"category":"vm"}`:                             `category: "vm" is not allowed`,
		`{"asset":"h","open":[],"category":""}`:                               `category: `,
		`{"asset":"h","open":[],"project_id":"p2"}`:                           `project_id: "p2" is not allowed`,
		`{"asset":"h","open":[],"scope":[1]}`:                                 `scope: "[1]" is not allowed: want an array of strings`,
		`{"asset":"h","open":[],"scope":[null]}`:                              `scope: `,
		`{"asset":"h","open":[],"scope":{}}`:                                  `scope: {} is not allowed`,
		`{"asset":"h","open":{}}`:                                             `open: {} is not allowed: want an array`,
		`{"asset":"h" "open":[]}`:                                             `byte 14: invalid character '"'`,
		`{"asset":"h","open":[],"name":"` + strings.Repeat("x", 100) + `\z"}`: `name: byte 132: invalid escape`,
		`[` + strings.Repeat("1,", 100) + `1]`:                                `… is not allowed: want an object`,
		`{"asset":"h","open":[],"scope":"some"}`:                              `scope: "some" is not allowed`,
		`{"asset":"h","open":[],"scope":["all"]}`:                             `scope: "all" is not allowed`,
		`{"asset":"h","open":[],"scope":null}`:                                `scope: null is not allowed`,
		`{"asset":"h","open":[],"scope":["5-1/tcp"]}`:                         `scope: "5-1/tcp" is not allowed`,
		`{"asset":"h","open":[],"seen":"yesterday"}`:                          `seen: "yesterday" is not allowed`,
		`{"asset":"h","open":[],"seen":""}`:                                   `seen: "" is not allowed`,
		`{"asset":"h","open":[],"seen":"0000-01-01T00:00:00Z"}`:               `seen: `,
		`{"asset":"h","open":[],"seen":1e400}`:                                `seen: "1e400" is not allowed`,
		`{"asset":"h","open":[],"seen":253402300800}`:                         `seen: `,
		`{"asset":"h","open":[],"seen":-0.5}`:                                 `seen: "-0.5" is not allowed: want an RFC 3339 time or Unix seconds, of the years 1970 to 9999`,
		`{"asset":"h","open":[],"seen":"0001-01-01T00:00:00Z"}`:               `seen: `,
		`{"asset":"h","open":[],"seen":"1969-12-31T23:59:59Z"}`:               `seen: `,
		`{"asset":"h","open":[],"seen":-62135596801}`:                         `seen: `,
		`{"asset":"h","open":[],"seen":99999999999999999999999}`:              `seen: `,
		`{"asset":"h","open":[],"seen":01}`:                                   `byte 32: invalid character '1'`,
		`{"asset":"h","open":[],"seen":1.}`:                                   `seen: byte`,
		`{"asset":"h","open":[],"seen":1e}`:                                   `seen: byte`,
		`{"asset":"h","open":[],"seen":NaN}`:                                  `seen: byte`,
		`{"asset":"h","open":[],"seen":true}`:                                 `seen: true is not allowed: want a string or a number`,
		`{"asset":"h","open":[],"seen":null}`:                                 `seen: null is not allowed`,
		"{\"asset\":\"h\x01\",\"open\":[]}":                                   `asset: byte 12: invalid character`,
		"{\"asset\":\"h\xff\",\"open\":[]}":                                   `asset: byte 12: invalid UTF-8`,
		`{"asset":"\ud800","open":[]}`:                                        `surrogate`,
		`{"asset":"\ud800\u0041","open":[]}`:                                  `surrogate`,
		`{"asset":"\q","open":[]}`:                                            `asset: byte 11: invalid escape sequence`,
		`{"asset":"\u00g0","open":[]}`:                                        `asset: byte 11: invalid escape sequence`,
		"{\"asset\":\"h\",\"open\":[]}\x00":                                   `the end of the line`,
		`{"asset":"` + strings.Repeat("x", 257) + `","open":[]}`:              `1 to 256 characters`,
	} {
		reports, sum := load(t, in+"\n"+`{"asset":"next","open":[]}`, formatted())
		if len(reports) != 1 || reports[0].Asset != "next" || sum.Rejected != 1 {
			t.Errorf("%s: is not refused alone: %s%v", in, lines(reports), sum.Errors)
			continue
		}
		if e := sum.Errors[0]; e.Line != 1 || e.File != "in" || !strings.Contains(e.Reason, reason) {
			t.Errorf("%s: %v, want %q", in, &e, reason)
		}
	}
}

// TestNDJSONOptions: the line beats the options, the options beat the defaults.
func TestNDJSONOptions(t *testing.T) {
	scope := engine.ScopeAll()
	opts := options()
	opts.EnterpriseProject, opts.Category, opts.Scope = "e1", engine.Container, &scope
	reports, _ := load(t, `{"asset":"a","open":[]}
{"asset":"b","open":[],"enterprise_project_id":"e2","category":"host","scope":"none"}
`, opts)
	same(t, lines(reports), `
container a open=[] scope=all ep="e1"
host b open=[] scope=none ep="e2"`)
}

func TestNDJSONCutAnywhere(t *testing.T) {
	const first = `{"asset":"h1","open":["123/udp"],"seen":1790000000}` + "\n"
	const second = `{"asset":"h2","open":["1/tcp"],"scope":["1-9/tcp"]}`
	for cut := 1; cut <= len(first+second); cut++ {
		var sink fakeSink
		sum, err := scanfile.Load(t.Context(), &sink, []scanfile.Source{source((first + second)[:cut])}, options())
		reports := sink.reports
		if (err != nil) != (len(reports) == 0) || err != nil && !errors.Is(err, scanfile.ErrNothing) {
			t.Errorf("cut at %d: %v", cut, err)
		}
		whole := 0
		if cut >= len(first)-1 {
			whole = 1
		}
		if cut == len(first+second) {
			whole = 2
		}
		atEnd := cut == len(first)-1 || cut == len(first) || whole == 2
		if len(reports) != whole || sum.Complete != atEnd || sum.Rejected != 0 {
			t.Errorf("cut at %d: %d reports, complete %v, %v", cut, len(reports), sum.Complete, sum.Errors)
		}
	}
}

func TestNDJSONLongLine(t *testing.T) {
	opts := formatted()
	opts.MaxRecord = 1000
	long := `{"asset":"` + strings.Repeat("x", 1<<20) + `","open":[]}`
	text := "\ufeff" + `{"asset":"a","open":[]}` + "\n" + long + "\n" + `{"asset":"b","open":[]}` + "\n" + long
	reports, sum := load(t, text, opts)
	if len(reports) != 2 || sum.Rejected != 2 || len(sum.Errors) != 1 || sum.Errors[0].Line != 2 || sum.Errors[0].Count != 2 {
		t.Errorf("%d reports, %v", len(reports), sum.Errors)
	}
}

func TestNDJSONDuplicates(t *testing.T) {
	reports, sum := load(t, `{"asset":"a","open":["2/tcp","1/tcp","2/TCP","2/tcp"]}`, options())
	same(t, lines(reports), "host a open=[1/tcp 2/tcp] scope=none")
	if sum.Duplicates != 2 || sum.Observations != 2 {
		t.Errorf("duplicates %d, observations %d", sum.Duplicates, sum.Observations)
	}
}

// TestReportsAreTheConsumers: what was yielded does not change when reading goes on.
func TestReportsAreTheConsumers(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, `{"asset":"a%d","name":"n\u0041%d","open":["%d/tcp","%d/udp"],"scope":["1-%d/tcp"]}`+"\n", i, i, i+1, i+2, i+3)
	}
	var reports []engine.Report
	slow := scanfile.Source{Name: "in", Reader: iotest.HalfReader(strings.NewReader(b.String()))}
	for r, err := range scanfile.Read(slow, options()) {
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
	}
	for i, r := range reports {
		want := fmt.Sprintf("host a%d open=[%d/tcp %d/udp] scope=1-%d/tcp name=\"nA%d\"\n", i, i+1, i+2, i+3, i)
		if got := lines([]engine.Report{r}); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	if len(reports) != 5000 {
		t.Fatalf("%d reports", len(reports))
	}
}

func TestAppendNDJSON(t *testing.T) {
	r := engine.Report{
		Project: project, EnterpriseProject: "e\"1", Category: engine.Container, Asset: "a\\\n\x01é", Name: "n", Address: "192.0.2.1",
		Labels: map[string]string{"z": "", "a\"": "é\n"},
		Seen:   time.Unix(1790000000, 123456789), Scope: engine.ScopeOf(index.Range{Type: index.UDP, Lo: 1, Hi: math.MaxUint16}),
		Open: []index.Key{index.MakeKey(53, index.UDP), index.MakeKey(65535, index.SCTP6)},
	}
	line := string(scanfile.AppendNDJSON([]byte("x"), &r))
	const want = `x{"project_id":"p1","enterprise_project_id":"e\"1","category":"container","asset":"a\\\u000a\u0001é","name":"n","address":"192.0.2.1","labels":{"a\"":"é\u000a","z":""},"seen":"2026-09-21T14:13:20.123456Z","scope":["1-65535/udp"],"open":["53/udp","65535/sctp6"]}` + "\n"
	if line != want {
		t.Errorf("got %s\nwant %s", line, want)
	}
	reports, sum := load(t, line[1:], options())
	if len(reports) != 1 {
		t.Fatal(sum.Errors)
	}
	same(t, lines(reports), lines([]engine.Report{{
		Category: r.Category, Asset: r.Asset, Name: r.Name, Address: r.Address, EnterpriseProject: r.EnterpriseProject,
		Labels: r.Labels, Seen: r.Seen.Truncate(time.Microsecond), Scope: r.Scope, Open: r.Open,
	}}))
}

// TestLabelsOfOptions: every report gets them, of any format, and what a line gives comes first.
func TestLabelsOfOptions(t *testing.T) {
	opts := options()
	opts.Labels = map[string]string{"env": "prod", "site": "a"}
	reports, _ := load(t, `{"asset":"x","open":[],"labels":{"env":"test"}}`+"\n"+`{"asset":"y","open":[]}`+"\n", opts)
	same(t, lines(reports), "host x open=[] scope=none label.env=\"test\" label.site=\"a\"\nhost y open=[] scope=none label.env=\"prod\" label.site=\"a\"")
	reports, _ = load(t, "Host: 192.0.2.1 ()\tPorts: 22/open/tcp//ssh///\n", opts)
	if len(reports) != 1 || reports[0].Labels["env"] != "prod" {
		t.Errorf("%+v", reports)
	}
	opts.Labels = map[string]string{"": "a"}
	if err := opts.Validate(); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("%v", err)
	}
	for text, want := range map[string]string{"env": `label: "env" is not allowed: want NAME=VALUE`, "=a": "labels:", "site=b": "it is \"a\" already"} {
		if _, err := scanfile.AddLabel(map[string]string{"site": "a"}, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
