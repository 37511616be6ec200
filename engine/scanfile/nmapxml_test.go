package scanfile_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"portolan/engine"
	"portolan/engine/scanfile"
)

var update = flag.Bool("update", false, "write what was read into testdata")

func nmapFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/nmapxml/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	return files
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestNmapXML reads each file of testdata and holds the reports and the summary
// against the text beside it.
func TestNmapXML(t *testing.T) {
	for _, file := range nmapFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			reports, sum := load(t, readFile(t, file), options())
			sum.Elapsed = 0 // and no bytes_per_second
			summary, err := json.MarshalIndent(sum, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			got := lines(reports) + "\n" + string(summary) + "\n"
			golden := strings.TrimSuffix(file, ".xml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			same(t, got, readFile(t, golden))
		})
	}
}

// TestNmapXMLCutAnywhere: a file that is cut gives what the whole file gives, up
// to the cut; of the host that is cut only what only adds; and says so.
func TestNmapXMLCutAnywhere(t *testing.T) {
	for _, name := range []string{"states", "extraports", "masscan", "rows"} {
		text := readFile(t, "testdata/nmapxml/"+name+".xml")
		whole, sum := load(t, text, options())
		if !sum.Complete {
			t.Fatalf("%s is not whole", name)
		}
		for cut := range strings.LastIndex(text, "</nmaprun>") + len("</nmaprun") {
			reports, sum := load(t, text[:cut], options())
			if sum.Complete || sum.Files[0].Problem == "" {
				t.Fatalf("%s cut at %d is complete", name, cut)
			}
			checkPrefix(t, fmt.Sprintf("%s cut at %d", name, cut), reports, whole)
		}
	}
}

func checkPrefix(t *testing.T, what string, got, whole []engine.Report) {
	t.Helper()
	if len(got) > len(whole) {
		t.Fatalf("%s: %d reports, the whole has %d", what, len(got), len(whole))
	}
	for i := range got {
		if lines(got[i:i+1]) == lines(whole[i:i+1]) {
			continue
		}
		all := map[string]bool{}
		for _, k := range whole[i].Open {
			all[k.String()] = true
		}
		for _, k := range got[i].Open {
			if !all[k.String()] {
				t.Fatalf("%s: %v is not open in the whole", what, k)
			}
		}
		if i < len(got)-1 || !got[i].Scope.IsNone() || got[i].Asset != whole[i].Asset {
			t.Fatalf("%s: report %d is\n%s, in the whole\n%s", what, i, lines(got[i:i+1]), lines(whole[i:i+1]))
		}
	}
}

// TestNmapXMLAppendedAnywhere: whatever a killed run left, the run appended to
// it is read whole.
func TestNmapXMLAppendedAnywhere(t *testing.T) {
	text := readFile(t, "testdata/nmapxml/extraports.xml")
	second := strings.ReplaceAll(readFile(t, "testdata/nmapxml/masscan.xml"), "\r", "")
	whole, _ := load(t, text, options())
	appended, _ := load(t, second, options())
	for cut := 1; cut < len(text); cut++ {
		opts := options()
		opts.Format = "nmap-xml"
		reports, _ := load(t, text[:cut]+second, opts)
		what := fmt.Sprintf("cut at %d", cut)
		if len(reports) < len(appended) {
			t.Fatalf("%s: %d reports", what, len(reports))
		}
		n := len(reports) - len(appended)
		checkPrefix(t, what, reports[:n], whole)
		if got, want := lines(reports[n:]), lines(appended); got != want {
			t.Fatalf("%s: got\n%s\nwant\n%s", what, got, want)
		}
	}
}

func TestNmapXMLEncodings(t *testing.T) {
	const text = `<?xml version="1.0" encoding="ENC"?>
<nmaprun scanner="nmap"><host endtime="1790000000"><status state="up"/><address addr="192.0.2.1" addrtype="ipv4"/><hostnames><hostname name="käse" type="PTR"/></hostnames></host><runstats><finished/></runstats></nmaprun>`
	named := func(enc string) string { return strings.Replace(text, "ENC", enc, 1) }
	latin := strings.Replace(named("iso-8859-1"), "ä", "\xe4", 1)
	wide := func(big bool, bom, text string) string {
		b := []byte(bom)
		for _, u := range utf16.Encode([]rune(text)) {
			if big {
				b = append(b, byte(u>>8), byte(u))
			} else {
				b = append(b, byte(u), byte(u>>8))
			}
		}
		return string(b)
	}
	for name, in := range map[string]string{
		"utf-8": named("UTF-8"), "bom": "\xef\xbb\xbf" + named("utf-8"), "latin": latin,
		"utf-16 le": wide(false, "\xff\xfe", named("UTF-16")), "utf-16 be": wide(true, "\xfe\xff", named("UTF-16")),
		"utf-16 no bom": wide(false, "", named("UTF-16")), "false utf-16": named("UTF-16"), "unknown": named("x-none"),
	} {
		reports, sum := load(t, in, options())
		if len(reports) != 1 || reports[0].Name != "käse" || !sum.Complete {
			t.Errorf("%s: %s%+v", name, lines(reports), sum.Files)
		}
	}
	for name, in := range map[string]string{
		"utf-8": strings.Replace(named("UTF-8"), "ä", "\xe4", 1), "shift_jis": strings.Replace(named("shift_jis"), "ä", "\xa0", 1),
		"utf-16": strings.Replace(wide(false, "\xff\xfe", named("UTF-16")), "\xe4\x00", "\x00\xd8", 1),
	} {
		reports, sum := load(t, in, options())
		if len(reports) != 1 || reports[0].Name != "" || sum.Rejected != 1 || !strings.Contains(sum.Errors[0].Reason, `hostname: "k`) {
			t.Errorf("%s that is none: %s%+v", name, lines(reports), sum)
		}
	}
}

func TestNmapXMLHostile(t *testing.T) {
	const host = `<host><status state="up"/><address addr="192.0.2.1" addrtype="ipv4"/><ports><port protocol="tcp" portid="1"><state state="open"/></port></ports></host>`
	begin, end := `<nmaprun scanner="nmap" start="1790000000">`+host, host+`<runstats><finished/></runstats></nmaprun>`
	for name, c := range map[string]struct {
		middle  string
		hosts   int
		problem string
		reject  bool
	}{
		"plain":             {"", 2, "", false},
		"deep":              {strings.Repeat("<a>", 1000) + strings.Repeat("</a>", 1000), 2, "deep", false},
		"long attribute":    {`<a b="` + strings.Repeat("x", 5000) + `"/>`, 2, "longer than", true},
		"long comment":      {`<!--` + strings.Repeat("x", 5000) + `-->`, 2, "longer than", true},
		"long text":         {strings.Repeat("x", 5000), 2, "", false},
		"many attributes":   {`<a ` + strings.Repeat(`b="" `, 5000) + `/>`, 2, "longer than", true},
		"no quotes":         {`<a b=c/>`, 2, "quotes", false},
		"no value":          {`<a b/>`, 2, "without name or value", false},
		"no name":           {`< a/>`, 2, "no name", false},
		"wrong end":         {`</b>`, 2, "ends nothing", false},
		"greater in value":  {`<a b=">"/>`, 2, "", false},
		"cdata":             {`<a><![CDATA[</host><x]]></a>`, 2, "", false},
		"instruction":       {`<?x <host> ?>`, 2, "", false},
		"late entities":     {`<!DOCTYPE x [<!ENTITY a "b">]>`, 1, "refused", false},
		"external entities": {`<!DOCTYPE x SYSTEM "http://192.0.2.1/x.dtd">`, 2, "", false},
	} {
		opts := options()
		opts.MaxRecord = 2048
		reports, sum := load(t, begin+c.middle+end, opts)
		got := sum.Files[0].Problem
		if len(reports) != c.hosts || !strings.Contains(got, c.problem) || (c.problem == "") != (got == "") || c.reject != (sum.Rejected > 0) {
			t.Errorf("%s: %d hosts, problem %q, errors %v", name, len(reports), got, sum.Errors)
		}
	}
}

// TestNmapXMLManyPorts: a host with every port open, and one that repeats a port
// without end.
func TestNmapXMLManyPorts(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`<nmaprun scanner="nmap"><scaninfo protocol="tcp" services="0-65535"/><host endtime="1790000000"><status state="up"/><address addr="192.0.2.1" addrtype="ipv4"/><ports>`)
	for p := 65535; p >= 1; p-- {
		fmt.Fprintf(&b, `<port protocol="tcp" portid="%d"><state state="open"/></port>`, p)
	}
	b.WriteString(`</ports></host><host endtime="1790000000"><status state="up"/><address addr="192.0.2.2" addrtype="ipv4"/><ports>`)
	const repeats = 600_000
	b.WriteString(strings.Repeat(`<port protocol="tcp" portid="7"><state state="open"/></port>`, repeats))
	b.WriteString(`</ports></host><runstats><finished/></runstats></nmaprun>`)
	reports, sum := load(t, b.String(), options())
	if len(reports) != 2 || len(reports[0].Open) != 65535 || len(reports[1].Open) != 1 || !sum.Complete {
		t.Fatalf("%d reports: %+v", len(reports), sum.Files)
	}
	if sum.Duplicates != repeats-1 || sum.Observations != 65536 || reports[0].Scope.String() != "1-65535/tcp" {
		t.Errorf("duplicates %d, observations %d, scope %v", sum.Duplicates, sum.Observations, reports[0].Scope)
	}
}

// TestMasscanScope: with a scope given every asset is closed once, at its
// earliest time, but only by a whole input.
func TestMasscanScope(t *testing.T) {
	text := readFile(t, "testdata/nmapxml/masscan.xml")
	scope := engine.ScopeAll()
	opts := options()
	opts.Scope = &scope
	reports, sum := load(t, text, opts)
	same(t, lines(reports[sum.Records:]), `
host 192.0.2.90 open=[] scope=all seen=2026-09-21T14:13:21Z
host 2001:db8::90 open=[] scope=all seen=2026-09-21T14:13:23Z`)
	if reports, sum := load(t, text[:len(text)-20], opts); len(reports) != sum.Records {
		t.Errorf("a cut input closes: %s", lines(reports))
	}
	bad := strings.Replace(text, `portid="22"`, `portid="x"`, 1)
	if reports, sum := load(t, bad, opts); len(reports) != sum.Records {
		t.Errorf("an input with a refused record closes: %s", lines(reports))
	}
}

func TestReadStops(t *testing.T) {
	text := readFile(t, "testdata/nmapxml/rows.xml")
	for stop := range 8 {
		n := 0
		for range scanfile.Read(source(text), options()) {
			if n++; n > stop {
				break
			}
		}
	}
}
