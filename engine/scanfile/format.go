package scanfile

import (
	"portolan/engine/scanfile/ansible"
	"portolan/engine/scanfile/internal/reader"
	"portolan/engine/scanfile/masscan"
	"portolan/engine/scanfile/naabu"
	"portolan/engine/scanfile/ndjson"
	"portolan/engine/scanfile/netstat"
	"portolan/engine/scanfile/nmap"
	"portolan/engine/scanfile/osquery"
	"portolan/engine/scanfile/procnet"
	"portolan/engine/scanfile/rustscan"
	"portolan/engine/scanfile/shodan"
	"portolan/engine/scanfile/ss"
	"portolan/engine/scanfile/zgrab2"
	"portolan/engine/scanfile/zmap"
)

// formats are tried in this order; adding one is adding a folder with its reader and a
// row here. It is a function, not a variable, so that nothing can add to it at run time.
func formats() []reader.Format {
	return []reader.Format{
		{Name: "ndjson", Detect: ndjson.Detect, Read: ndjson.Read, Split: reader.SplitLines},
		scanner("masscan-xml", nmap.DetectMasscanXML, nmap.ReadXML),
		{Name: "nmap-xml", Detect: nmap.DetectXML, Read: nmap.ReadXML, Scanner: true},
		{Name: "masscan-binary", Detect: masscan.DetectBinary, Read: masscan.ReadBinary, Additive: true, Scanner: true, Binary: true},
		scanner("masscan-json", masscan.DetectJSON, masscan.ReadJSON),
		split(scanner("masscan-ndjson", masscan.DetectNDJSON, masscan.ReadNDJSON), reader.SplitObjects),
		scanner("masscan-list", masscan.DetectList, masscan.ReadList),
		scanner("masscan-grepable", masscan.DetectGrepable, nmap.ReadGrepable),
		scanner("nmap-grepable", nmap.DetectGrepable, nmap.ReadGrepable),
		split(scanner("shodan", shodan.Detect, shodan.Read), reader.SplitObjects),
		split(scanner("zgrab2", zgrab2.Detect, zgrab2.Read), reader.SplitObjects),
		split(scanner("zmap-json", zmap.DetectJSON, zmap.ReadJSON), reader.SplitObjects),
		scanner("zmap-csv", zmap.DetectCSV, zmap.ReadCSV),
		split(scanner("naabu-json", naabu.DetectJSON, naabu.ReadJSON), reader.SplitObjects),
		scanner("naabu-csv", naabu.DetectCSV, naabu.ReadCSV),
		scanner("naabu", naabu.DetectPlain, naabu.ReadPlain), // its lines are so short that apart they take longer
		{Name: "osquery", Detect: osquery.Detect, Read: osquery.Read},
		{Name: "ansible", Detect: ansible.Detect, Read: ansible.Read},
		{Name: "ss", Detect: ss.Detect, Within: ss.Within, Read: ss.Read},
		{Name: "netstat", Detect: netstat.Detect, Within: netstat.Within, Read: netstat.Read},
		{Name: "proc-net", Detect: procnet.Detect, Read: procnet.Read},
		{Name: "rustscan", Detect: rustscan.Detect, Within: rustscan.Within, Read: rustscan.Read, Additive: true, Scanner: true},
		{Name: "nmap-normal", Detect: nmap.DetectNormal, Within: nmap.NormalWithin, Read: nmap.ReadNormal, Scanner: true},
		{Name: "masscan-terminal", Detect: masscan.DetectTerminal, Within: masscan.TerminalWithin, Read: masscan.ReadTerminal, Additive: true, Scanner: true},
	}
}

// scanner is a format of a scanner whose reports only add.
func scanner(name string, detect func([]byte, bool) bool, read func(*reader.Input, *reader.Output)) reader.Format {
	return reader.Format{Name: name, Detect: detect, Read: read, Additive: true, Scanner: true}
}

// split is a format whose input can be read in parts.
func split(f reader.Format, at func(piece []byte) int) reader.Format {
	f.Split = at
	return f
}

// Formats returns the names of the known formats.
func Formats() []string {
	table := formats()
	names := make([]string, len(table))
	for i, f := range table {
		names[i] = f.Name
	}
	return names
}

// Detect returns the name of the format that an input with these first bytes
// has, and false if it is none of the known ones. 64 KiB are always enough.
func Detect(head []byte) (name string, ok bool) {
	if f := detect(head, true); f != nil {
		return f.Name, true
	}
	return "", false
}

func formatNamed(name string) *reader.Format {
	for _, f := range formats() {
		if f.Name == name {
			return &f
		}
	}
	return nil
}

func detect(head []byte, whole bool) *reader.Format {
	head = reader.PlainHead(head)
	if len(head) == 0 {
		return nil
	}
	table := formats()
	for i := range table {
		if table[i].Detect(head, whole) {
			return &table[i]
		}
	}
	for i := range table {
		if whole && table[i].Within != nil && table[i].Within(head) {
			return &table[i]
		}
	}
	return nil
}
