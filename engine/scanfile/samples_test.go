package scanfile_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portolan/engine/scanfile"
)

const samples = "../../../shared/samples"

// truth is what an independent script counted in a sample.
type truth struct {
	HostsPerPort   map[string]int `json:"hosts_per_port"`
	Finished       bool           `json:"runstats_finished"`
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
	for _, file := range sampleFiles(t, "local/nmap_xml/*", "local/masscan_xml/*") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := truthOf(t, file)
			reports, sum := load(t, string(text), options())
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
			if sum.Complete != want.Finished {
				t.Errorf("complete %v, want %v: %+v", sum.Complete, want.Finished, sum.Files)
			}
			if got := sum.LeftOut["open|filtered"]; got != want.States["open|filtered"]-want.OpenFilteredIP["2/ip"] {
				t.Errorf("left out %d open|filtered, want %d", got, want.States["open|filtered"])
			}
			if sum.LeftOut["ip-protocol"] != want.Protocols["ip"] {
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
	name := strings.Replace(strings.ReplaceAll(filepath.ToSlash(rel), "/", "_"), "xml_", "xml__", 1) + ".json"
	text, err := os.ReadFile(filepath.Join(samples, "truth", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	return want
}

// TestSamplesAreDetected finds the format of every XML sample by content, and
// shows with -v what is read of it.
func TestSamplesAreDetected(t *testing.T) {
	for _, file := range sampleFiles(t, "local/nmap_xml/*", "local/masscan_xml/*", "made/nmap*.xml", "made/masscan*.xml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, ok := scanfile.Detect(text)
		want := "nmap-xml"
		if strings.Contains(file, "masscan") {
			want = "masscan-xml"
		}
		if !ok || name != want {
			t.Errorf("%s: detected %q, want %q", file, name, want)
		}
		reports, sum := load(t, string(text), options())
		t.Logf("%s: complete=%v hosts=%d left=%v dup=%d rej=%v problem=%q\n%s", filepath.Base(file), sum.Complete, sum.Hosts, sum.LeftOut, sum.Duplicates, sum.Errors, sum.Files[0].Problem, lines(reports))
	}
}
