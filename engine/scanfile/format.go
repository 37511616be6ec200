package scanfile

import "bytes"

// A format is one row of the table of known formats: adding one is adding a
// file with its reader and a row here.
type format struct {
	name string
	// detect says whether the input begins like this format. The first bytes
	// come as UTF-8 without byte order mark and leading white space; whole says
	// that nothing follows them.
	detect func(head []byte, whole bool) bool
	// read yields the input's reports and refused records through out. It
	// returns when the input ends or out is done.
	read func(in *input, out *output)
	// additive reports name no scope of their own, so Options.Scope gives every
	// asset one closing report at the end.
	additive bool
}

// formats are tried in this order. It is a function, not a variable, so that
// nothing can add to it at run time.
func formats() []format {
	return []format{
		{name: "ndjson", detect: detectNDJSON, read: readNDJSON},
		{name: "masscan-xml", detect: detectMasscanXML, read: readNmapXML, additive: true},
		{name: "nmap-xml", detect: detectNmapXML, read: readNmapXML},
	}
}

// Formats returns the names of the known formats.
func Formats() []string {
	table := formats()
	names := make([]string, len(table))
	for i, f := range table {
		names[i] = f.name
	}
	return names
}

// Detect returns the name of the format that an input with these first bytes
// has, and false if it is none of the known ones. 64 KiB are always enough.
func Detect(head []byte) (name string, ok bool) {
	if f := detect(head, true); f != nil {
		return f.name, true
	}
	return "", false
}

func formatNamed(name string) *format {
	for _, f := range formats() {
		if f.name == name {
			return &f
		}
	}
	return nil
}

func detect(head []byte, whole bool) *format {
	head = plainHead(head)
	if len(head) == 0 {
		return nil
	}
	for _, f := range formats() {
		if f.detect(head, whole) {
			return &f
		}
	}
	return nil
}

// plainHead returns the first bytes as UTF-8 without byte order mark and
// leading white space.
func plainHead(head []byte) []byte {
	if utf16 := utf16Of(head); utf16 != nil {
		if decoded, err := utf16.NewDecoder().Bytes(head); err == nil {
			head = decoded
		}
	}
	return bytes.TrimLeft(bytes.TrimPrefix(head, utf8BOM), " \t\r\n")
}
