package reader

import "bytes"

// StripANSI returns a line of a terminal without the sequences that set its colours and
// move its cursor (ECMA-48, section 5.4), and of text that was overwritten after a
// carriage return what was written last. It changes the line.
func StripANSI(line []byte) []byte {
	line = bytes.TrimRight(line, "\r ")
	if bytes.IndexByte(line, '\r') >= 0 {
		line = line[bytes.LastIndexByte(line, '\r')+1:]
	}
	if bytes.IndexByte(line, '\x1b') < 0 {
		return line
	}
	kept := line[:0]
	for i := 0; i < len(line); i++ {
		if line[i] != '\x1b' {
			kept = append(kept, line[i])
			continue
		}
		if i+1 < len(line) && line[i+1] == '[' {
			i++
			for i+1 < len(line) && (line[i+1] < '@' || line[i+1] > '~') {
				i++
			}
		}
		i++ // the final byte
	}
	return kept
}
