// Command gen writes services.tsv: which ports IANA has registered for which service, as far as
// package layers of gopacket has it, a name for each port and transport. It is run in this folder:
//
//	go run . > ../services.tsv
//
// The registry is IANA's "Service Name and Transport Protocol Port Number Registry" (RFC 6335).
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gopacket/gopacket/layers"
)

// transports are the registries, by the letter that a row has for them.
var transports = []struct {
	letter string
	name   func(port uint16) (string, bool)
}{
	{"t", func(p uint16) (string, bool) { return layers.TCPPortNames(layers.TCPPort(p)) }},
	{"u", func(p uint16) (string, bool) { return layers.UDPPortNames(layers.UDPPort(p)) }},
	{"s", func(p uint16) (string, bool) { return layers.SCTPPortNames(layers.SCTPPort(p)) }},
}

// word is what a selector of ports can hold.
var word = regexp.MustCompile(`^[0-9a-z_.+*-]*[a-z][0-9a-z_.+*-]*$`)

func main() {
	if err := write(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(w io.Writer) error {
	// ports has for every name and transport the ports.
	ports := map[string]map[string][]int{}
	for _, t := range transports {
		for p := 1; p <= 65535; p++ {
			name, ok := t.name(uint16(p))
			if name = strings.ToLower(name); !ok || !word.MatchString(name) {
				continue
			}
			if ports[name] == nil {
				ports[name] = map[string][]int{}
			}
			ports[name][t.letter] = append(ports[name][t.letter], p)
		}
	}
	rows := make([]string, 0, len(ports))
	for name, by := range ports {
		same := map[string]string{} // ports to the letters that have them
		for _, t := range transports {
			if list := by[t.letter]; list != nil {
				same[ranges(list)] += t.letter
			}
		}
		for list, letters := range same {
			rows = append(rows, name+"\t"+list+"\t"+letters)
		}
	}
	slices.Sort(rows)
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "service\tports\ttransports")
	for _, row := range rows {
		fmt.Fprintln(out, row)
	}
	return out.Flush()
}

// ranges writes ports, which are in order, such as 20-21,80.
func ranges(ports []int) string {
	var parts []string
	for i := 0; i < len(ports); {
		j := i
		for j+1 < len(ports) && ports[j+1] == ports[j]+1 {
			j++
		}
		part := strconv.Itoa(ports[i])
		if j > i {
			part += "-" + strconv.Itoa(ports[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}
