package scanfile

import (
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"portolan/engine"
)

// AppendNDJSON appends the report as one line of Portolan NDJSON, its newline
// included, and returns the extended buffer. Reading the line back gives the
// same report, with Seen in microseconds and Open in order, whatever the options
// are, save that an enterprise project or a label that is not given may then be
// given by the options. Text that is not UTF-8 is replaced.
func AppendNDJSON(dst []byte, r *engine.Report) []byte {
	dst = append(dst, '{')
	if r.Project != "" {
		dst = appendField(dst, "project_id", r.Project)
	}
	if r.EnterpriseProject != "" {
		dst = appendField(dst, "enterprise_project_id", r.EnterpriseProject)
	}
	dst = appendField(dst, "category", r.Category.String())
	dst = appendField(dst, "asset", r.Asset)
	if r.Name != "" {
		dst = appendField(dst, "name", r.Name)
	}
	if r.Address != "" {
		dst = appendField(dst, "address", r.Address)
	}
	if len(r.Labels) > 0 {
		dst = appendLabels(dst, r.Labels)
	}
	if !r.Seen.IsZero() {
		dst = append(dst, `"seen":"`...)
		dst = r.Seen.UTC().Truncate(time.Microsecond).AppendFormat(dst, time.RFC3339Nano)
		dst = append(dst, `",`...)
	}
	dst = appendScope(dst, r.Scope)
	return appendOpen(dst, r)
}

func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	return append(appendString(dst, value), ',')
}

func appendLabels(dst []byte, labels map[string]string) []byte {
	dst = append(dst, `"labels":`...)
	sep := byte('{')
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		dst = append(appendString(append(dst, sep), name), ':')
		dst = appendString(dst, labels[name])
		sep = ','
	}
	return append(dst, "},"...)
}

func appendScope(dst []byte, s engine.Scope) []byte {
	dst = append(dst, `"scope":`...)
	switch {
	case s.IsAll():
		return append(dst, `"all",`...)
	case s.IsNone():
		return append(dst, `"none",`...)
	}
	sep := byte('[')
	for _, r := range s.Ranges() {
		dst = append(dst, sep, '"')
		dst = append(dst, r.String()...)
		dst = append(dst, '"')
		sep = ','
	}
	return append(dst, "],"...)
}

func appendOpen(dst []byte, r *engine.Report) []byte {
	dst = append(dst, `"open":[`...)
	for i, k := range r.Open {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(k.Append(append(dst, '"')), '"')
	}
	return append(dst, "]}\n"...)
}

// appendString appends the text as a JSON string.
func appendString(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		case r < utf8.RuneSelf:
			dst = append(dst, s[i])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
