package server

import (
	"encoding/json"
	"strconv"
)

// appendTotal begins a page: its total and its list, whose rows end in commas.
func appendTotal(b []byte, total int) []byte { return appendRest(append(b, '{'), total) }

// appendRest is appendTotal of a page that has begun, with fields of which each has a comma.
func appendRest(b []byte, total int) []byte {
	b = append(b, `"total_num":`...)
	b = strconv.AppendInt(b, int64(total), 10)
	return append(b, `,"data_list":[`...)
}

// appendEnd ends a page.
func appendEnd(b []byte) []byte {
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, `]}`...)
}

// appendField appends a field and a comma, nothing for the empty text, which is
// what is not known.
func appendField(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":`...)
	b = appendText(b, text)
	return append(b, ',')
}

// appendText appends a text as a JSON string. Whoever was scanned may have chosen
// it, so what means something in HTML is escaped, too.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			escaped, err := json.Marshal(text)
			if err != nil {
				panic("server: " + err.Error()) // every text can be encoded
			}
			return append(b, escaped...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}
