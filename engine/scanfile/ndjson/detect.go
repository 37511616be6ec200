// Package ndjson reads Portolan's own format, one JSON object a line; the documentation of
// package scanfile describes it.
package ndjson

import (
	"bytes"

	"portolan/engine/scanfile/internal/reader"
)

// Detect looks for a key that only our lines have: asset or open.
func Detect(head []byte, whole bool) bool {
	if head[0] != '{' {
		return false
	}
	keys, _ := reader.TopKeys(head)
	for _, k := range keys {
		if string(k) == "asset" || string(k) == "open" {
			return true
		}
	}
	// A line that was cut inside its first key could be any; ours says what is wrong.
	return whole && len(keys) == 0 && !bytes.ContainsAny(head, "\n}:")
}
