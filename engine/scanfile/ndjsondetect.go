package scanfile

import "bytes"

// detectNDJSON looks for a key that only our lines have: asset or open.
func detectNDJSON(head []byte, whole bool) bool {
	if head[0] != '{' {
		return false
	}
	keys := topKeys(head)
	for _, k := range keys {
		if string(k) == "asset" || string(k) == "open" {
			return true
		}
	}
	// A line that was cut inside its first key could be any; ours says what is wrong.
	return whole && len(keys) == 0 && !bytes.ContainsAny(head, "\n}:")
}

// topKeys returns the keys of the first JSON object, as far as the bytes go.
// What is no JSON gives keys up to there, or none.
func topKeys(head []byte) (keys [][]byte) {
	depth := 0
	var last []byte // the last string at the top
	for i := 0; i < len(head); i++ {
		switch head[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return keys
			}
		case ':':
			if depth == 1 && last != nil {
				keys, last = append(keys, last), nil
			}
		case '"':
			end := stringEnd(head, i+1)
			if end < 0 {
				return keys
			}
			if last = nil; depth == 1 {
				last = head[i+1 : end]
			}
			i = end
		}
	}
	return keys
}

// stringEnd returns where the string that begins at i has its closing quote, or -1.
func stringEnd(b []byte, i int) int {
	for ; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}
