// Package nmap reads what nmap writes: XML (-oX), which masscan writes, too, grepable lines
// (-oG), likewise, and what it shows on a terminal (-oN).
package nmap

import (
	"bytes"
	"strings"

	"portolan/engine/scanfile/internal/reader"
)

// DetectXML takes XML whose first element is nmap's, or that ends before it
// has one: what a scan that was killed at once leaves.
func DetectXML(head []byte, whole bool) bool {
	if head[0] != '<' {
		return false
	}
	switch root, _ := xmlRoot(head, whole); root {
	case "nmaprun", "host", "hosthint":
		return true
	case "":
		return whole && isXML(head)
	}
	return false
}

// DetectMasscanXML takes XML whose first element says that masscan wrote it.
func DetectMasscanXML(head []byte, whole bool) bool {
	if head[0] != '<' {
		return false
	}
	root, scanner := xmlRoot(head, whole)
	return root == "nmaprun" && scanner == "masscan"
}

// xmlRoot returns the name of the first element and what its attribute scanner
// says; both are empty while more may come and the element is not whole.
func xmlRoot(head []byte, whole bool) (name, scanner string) {
	x := xmlScan{w: reader.NewWindow(bytes.NewReader(head), len(head))}
	for {
		token, err := x.next()
		if err != nil && !whole {
			return "", ""
		}
		if err != nil {
			return cutRoot(x.w.Rest())
		}
		if token == xmlStart {
			return string(x.name), string(x.attr("scanner"))
		}
	}
}

// cutRoot does the same for an element that is cut, such as one with very many
// targets in its attributes.
func cutRoot(b []byte) (name, scanner string) {
	end := nameEnd(b, min(1, len(b)))
	if end >= len(b) || end < 2 {
		return "", ""
	}
	if bytes.Contains(b, []byte(`scanner="masscan"`)) {
		scanner = "masscan"
	}
	return string(b[1:end]), scanner
}

// isXML says whether the bytes, which hold no element, begin like XML, or are
// too few to tell.
func isXML(head []byte) bool {
	text := string(head[:min(len(head), len("<!DOCTYPE"))])
	for _, begin := range []string{"<?xml", "<!--", "<!DOCTYPE", "<nmaprun", "<host"} {
		if strings.HasPrefix(text, begin) || strings.HasPrefix(begin, text) {
			return true
		}
	}
	return false
}
