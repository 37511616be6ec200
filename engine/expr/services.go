package expr

import (
	_ "embed" // for the tables
	"maps"
	"strings"
	"sync"

	"portolan/index"
)

// The tables have a service a row: its name, its ports and a letter for each transport, t, u and
// s. The first is made by gen of IANA's registry; the other, ours, has what people call services,
// and what they really listen on, and goes first.
var (
	//go:embed services.tsv
	registered string
	//go:embed aliases.tsv
	aliases string
)

// services has for every name the ranges of its ports, in both address families.
var services = sync.OnceValue(func() map[string][]index.Range {
	known := readServices(registered)
	maps.Copy(known, readServices(aliases))
	return known
})

// transports are the types of a letter.
var transports = map[rune][]index.Type{'t': {index.TCP, index.TCP6}, 'u': {index.UDP, index.UDP6}, 's': {index.SCTP, index.SCTP6}}

// readServices reads a table; a test holds that every row is whole.
func readServices(table string) map[string][]index.Range {
	known := make(map[string][]index.Range, strings.Count(table, "\n"))
	_, rows, _ := strings.Cut(table, "\n") // the heading
	for row := range strings.Lines(rows) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(row, "\n"), "\t")
		ports, letters, _ := strings.Cut(rest, "\t")
		for part := range strings.SplitSeq(ports, ",") {
			lo, hi, _ := portRange(part)
			for _, letter := range letters {
				for _, t := range transports[letter] {
					known[name] = append(known[name], index.Range{Type: t, Lo: lo, Hi: hi})
				}
			}
		}
	}
	return known
}
