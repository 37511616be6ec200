package scanfile_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portolan/engine"
	"portolan/engine/scanfile"
)

const samples = "../../../shared/samples"

// truth is what an independent script counted in a sample.
type truth struct {
	HostsPerPort   map[string]int `json:"hosts_per_port"`
	Finished       bool           `json:"runstats_finished"`
	Done           bool           `json:"done_line"`
	Protocols      map[string]int `json:"port_protocols"`
	States         map[string]int `json:"port_states"`
	OpenFilteredIP map[string]int `json:"open_filtered_hosts_per_port"`
}

func sampleFiles(t *testing.T, patterns ...string) []string {
	t.Helper()
	var files []string
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(samples, p))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Skip("the shared samples are not beside the repository")
	}
	return files
}

// TestSamplesAgainstTruth holds what is read of the tools' own output against
// counts made by an independent script.
func TestSamplesAgainstTruth(t *testing.T) {
	for _, file := range sampleFiles(t, "local/*/*") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := truthOf(t, file)
			opts := options()
			opts.AssetID, opts.IncludeLoopback = "h1", true
			reports, sum := load(t, string(text), opts)
			got := map[string]map[string]bool{}
			for _, r := range reports {
				for _, k := range r.Open {
					// The scripts count TCP on IPv6 as tcp.
					name := strings.TrimSuffix(k.String(), "6")
					if !strings.HasSuffix(k.Type().String(), "6") {
						name = k.String()
					}
					if got[name] == nil {
						got[name] = map[string]bool{}
					}
					got[name][r.Asset] = true
				}
			}
			for port, hosts := range want.HostsPerPort {
				if strings.HasSuffix(port, "/ip") || strings.HasSuffix(port, "/icmp") {
					continue
				}
				if len(got[port]) != hosts {
					t.Errorf("%s: %d hosts, want %d", port, len(got[port]), hosts)
				}
				delete(got, port)
			}
			if len(got) > 0 {
				t.Errorf("ports that are not open: %v", got)
			}
			if filepath.Base(filepath.Dir(file)) == "nmap_gnmap" {
				want.Finished = want.Done // and nothing else is counted of it
			}
			if kind := filepath.Base(filepath.Dir(file)); !strings.HasSuffix(kind, "_xml") && kind != "nmap_gnmap" {
				return
			}
			if sum.Complete != want.Finished {
				t.Errorf("complete %v, want %v: %+v", sum.Complete, want.Finished, sum.Files)
			}
			if got := sum.LeftOut["open|filtered"]; got != want.States["open|filtered"]-want.OpenFilteredIP["2/ip"] {
				t.Errorf("left out %d open|filtered, want %d", got, want.States["open|filtered"])
			}
			if strings.HasSuffix(file, ".xml") && sum.LeftOut["ip-protocol"] != want.Protocols["ip"] {
				t.Errorf("left out %v, want %d ip", sum.LeftOut, want.Protocols["ip"])
			}
		})
	}
}

func truthOf(t *testing.T, file string) (want truth) {
	t.Helper()
	rel, err := filepath.Rel(samples, file)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(filepath.ToSlash(rel), "/")
	name := parts[0] + "_" + parts[1] + "__" + parts[2] + ".json"
	text, err := os.ReadFile(filepath.Join(samples, "truth", name))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("nobody counted it")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	return want
}

// TestSamplesAreDetected finds the format of every sample by content.
func TestSamplesAreDetected(t *testing.T) {
	for _, file := range sampleFiles(t, "local/*/*", "made/*") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, known := formatOfSample(file)
		if !known || len(text) == 0 {
			continue
		}
		if name, ok := scanfile.Detect(text); name != want || ok != (want != "") {
			t.Errorf("%s: detected %q, want %q", file, name, want)
		}
		if want == "" {
			continue
		}
		opts := options()
		opts.AssetID = "h1"
		reports, sum := load(t, string(text), opts)
		if sum.Rejected > 0 || sum.Files[0].Format != want {
			t.Errorf("%s: %+v", file, sum)
		}
		t.Logf("%s: complete=%v hosts=%d left=%v dup=%d problem=%q\n%s", filepath.Base(file), sum.Complete, sum.Records, sum.LeftOut, sum.Duplicates, sum.Files[0].Problem, lines(reports))
	}
}

// formatOfSample is what a sample is by the folder that it lies in, or by its name.
func formatOfSample(file string) (format string, known bool) {
	name := filepath.Base(file)
	of := map[string]string{
		"nmap_xml": "nmap-xml", "nmap_gnmap": "nmap-grepable", "nmap_normal": "nmap-normal", "masscan_xml": "masscan-xml",
		"masscan_json": "masscan-json", "masscan_ndjson": "masscan-ndjson", "masscan_list": "masscan-list",
		"masscan_grepable": "masscan-grepable", "masscan_binary": "masscan-binary", "masscan_stdout": "masscan-terminal", "zmap": "zmap-csv",
		"scriptkiddie.oS": "nmap-normal", "killed_sigint.nmap": "nmap-grepable", // only the comment that both have
		"masscan_1.3.2.xml": "masscan-xml", "masscan_1.3.2.json": "masscan-json", "masscan_old_trailing_comma.json": "masscan-json",
		"masscan_1.3.2.ndjson": "masscan-ndjson", "masscan_1.3.2.list": "masscan-list", "masscan_1.3.2.gnmap": "masscan-grepable", "masscan.bin": "masscan-binary",
		"shodan.jsonl": "shodan", "zgrab2.jsonl": "zgrab2", "rustscan_greppable.txt": "rustscan",
		"ss": "ss", "netstat": "netstat", "proc": "proc-net", "ansible_listen_ports_facts.json": "ansible", "osquery_event.jsonl": "osquery", "osquery_snapshot.jsonl": "osquery",
		"naabu_A_flat_noproto.jsonl": "naabu-json", "naabu_B_nested.jsonl": "naabu-json", "naabu_C_flat.jsonl": "naabu-json",
	}
	if format, known = of[name]; known {
		return format, true
	}
	if format, known = of[filepath.Base(filepath.Dir(file))]; known {
		return format, true
	}
	switch {
	case strings.HasPrefix(name, "nmap") && strings.HasSuffix(name, ".xml"):
		return "nmap-xml", true
	case strings.HasPrefix(name, "nmap") && strings.HasSuffix(name, ".gnmap"):
		return "nmap-grepable", true
	}
	return "", false
}

// TestSamplesAgree: one scan says the same in each of nmap's formats.
func TestSamplesAgree(t *testing.T) {
	compared := 0
	for _, file := range sampleFiles(t, "local/nmap_xml/*.xml") {
		name := strings.TrimSuffix(filepath.Base(file), ".xml")
		want := openOf(t, file)
		for _, other := range []string{"nmap_gnmap/" + name + ".gnmap", "nmap_normal/" + name + ".nmap"} {
			path := filepath.Join(samples, "local", other)
			if _, err := os.Stat(path); err != nil {
				continue
			}
			compared++
			if got := openOf(t, path); got != want {
				t.Errorf("%s: got\n%s\nwant\n%s", other, got, want)
			}
		}
	}
	if compared < 25 {
		t.Errorf("only %d files were compared", compared)
	}
}

// openOf returns what a file finds open, by host.
func openOf(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	reports, _ := load(t, string(text), options())
	return strings.Join(openPorts(reports), "\n")
}

// openPorts returns the open ports of reports in order, each once.
func openPorts(reports []engine.Report) []string {
	var all []string
	for i := range reports {
		for _, k := range reports[i].Open {
			all = append(all, reports[i].Asset+" "+k.String())
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
