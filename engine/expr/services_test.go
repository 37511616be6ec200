package expr

import (
	"slices"
	"strings"
	"testing"

	"portolan/index"
)

// TestServices: every row of the tables is whole, in order and there once, a selector can name
// each, and it names the ports that the row has.
func TestServices(t *testing.T) {
	for name, table := range map[string]string{"services.tsv": registered, "aliases.tsv": aliases} {
		rows := slices.Collect(strings.Lines(table))
		if rows[0] != "service\tports\ttransports\n" || len(rows) < 100 {
			t.Fatalf("%s: %d rows, the first is %q", name, len(rows), rows[0])
		}
		if !slices.IsSorted(rows[1:]) || len(slices.Compact(slices.Clone(rows))) != len(rows) {
			t.Errorf("%s: rows are not in order, or repeat", name)
		}
		for _, row := range rows[1:] {
			f := strings.Split(strings.TrimSuffix(row, "\n"), "\t")
			if len(f) != 3 || f[2] == "" || strings.Trim(f[2], "tus") != "" {
				t.Errorf("%s: %q", name, row)
				continue
			}
			for part := range strings.SplitSeq(f[1], ",") {
				if lo, hi, ok := portRange(part); !ok || lo == 0 || lo > hi {
					t.Errorf("%s: %q: ports %q", name, row, part)
				}
			}
			ports, err := ParsePorts("ports", f[0])
			if err != nil || len(ports.lists[0].in[0].ranges) == 0 {
				t.Errorf("%s: %q: %v", name, row, err)
			}
		}
	}
	for name, key := range map[string]index.Key{
		"rdp": index.MakeKey(3389, index.TCP6), "redis": index.MakeKey(6379, index.TCP), "https": index.MakeKey(443, index.UDP),
		"nfs": index.MakeKey(2049, index.TCP), "x11": index.MakeKey(6005, index.TCP), "ssh": index.MakeKey(22, index.SCTP),
	} {
		if !slices.ContainsFunc(services()[name], func(r index.Range) bool { return r.Contains(key) }) {
			t.Errorf("%s has not %v", name, key)
		}
	}
}
