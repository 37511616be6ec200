// Package zmap reads what ZMap writes: CSV with a header, and JSON lines. Its reports only
// add.
//
// The port that answered is the source port of the answer, sport. An answer is one of an
// open port if it is a success: a SYN-ACK, or a payload by UDP. ZMap writes no other ones
// unless it is told to.
package zmap

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

// answer is what ZMap says of one answer, in either form.
type answer struct {
	address, port, classification, success, repeat, seconds, micros, text []byte
}

// columns are the names of what an answer has.
var columns = []string{"saddr", "sport", "classification", "success", "repeat", "timestamp-ts", "timestamp-us", "timestamp-str", "response-type"}

// answerOf makes an answer of the values of the columns.
func answerOf(value func(i int) []byte) answer {
	a := answer{value(0), value(1), value(2), value(3), value(4), value(5), value(6), value(7)}
	if len(a.classification) == 0 {
		a.classification = value(8) // as ZMap 1.0 calls it
	}
	return a
}

type zmap struct {
	reader.Finder
	record *reader.Object
	table  reader.Table
}

// DetectCSV takes a table with ZMap's columns.
func DetectCSV(head []byte, whole bool) bool { return reader.HeaderOf(head, whole).Has("saddr") }

// DetectJSON takes lines with ZMap's fields.
func DetectJSON(head []byte, _ bool) bool { return reader.FirstKeys(head).Has("saddr") }

// ReadJSON reads JSON lines.
func ReadJSON(in *reader.Input, out *reader.Output) {
	z := &zmap{Finder: reader.Finder{In: in, Out: out}, record: reader.NewObject(columns...)}
	reader.EachObject(in, out, z.object)
}

func (z *zmap) object(object []byte, line int) error {
	if err := z.record.Read(object); err != nil {
		return err
	}
	return z.take(answerOf(z.record.Text), line)
}

// ReadCSV reads a table.
func ReadCSV(in *reader.Input, out *reader.Output) {
	z := &zmap{Finder: reader.Finder{In: in, Out: out}}
	reader.EachLine(in, out, z.row)
}

func (z *zmap) row(line reader.Line) error {
	if !line.Ended {
		z.In.CutAt(line.No)
		return nil
	}
	t := &z.table
	if !t.Has("saddr") || bytes.HasPrefix(line.Text, []byte("saddr,")) {
		if err := t.Header(line.Text); err != nil {
			return err
		}
		if !t.Has("saddr") || !t.Has("sport") {
			return fmt.Errorf("%q is not allowed: want a header with the columns saddr and sport", reader.Clip(line.Text))
		}
		return nil
	}
	if err := t.Row(line.Text); err != nil {
		return err
	}
	return z.take(answerOf(func(i int) []byte { return t.Cell(columns[i]) }), line.No)
}

// take yields the port of an answer, whose values are plain texts.
func (z *zmap) take(a answer, line int) (err error) {
	found := reader.Found{Seen: a.seen(), Type: index.TCP}
	switch string(a.success) {
	case "", "1", "true":
	case "0", "false":
		z.In.LeaveOut("no-success", 1)
		return nil
	default:
		return &engine.FieldError{Field: "success", Value: reader.Clip(a.success), Allowed: "0 or 1"}
	}
	switch string(a.classification) {
	case "", "synack":
	case "udp":
		found.Type = index.UDP
	case "rst":
		z.In.LeaveOut("closed", 1)
		return nil
	default: // ICMP's answers, of which none is of a port
		if !isICMP(string(a.classification)) {
			return &engine.FieldError{Field: "classification", Value: reader.Clip(a.classification), Allowed: "synack, udp, rst or an answer of ICMP"}
		}
		z.In.LeaveOut("icmp-protocol", 1)
		return nil
	}
	if found.Addr, err = z.Address("saddr", a.address); err != nil {
		return err
	}
	if found.Port, err = reader.ParsePort("sport", a.port); err != nil {
		return err
	}
	if r := string(a.repeat); r == "1" || r == "true" {
		z.In.Duplicates++
	}
	z.Report(&found, line)
	return nil
}

// isICMP says whether a classification is of an answer of ICMP.
func isICMP(text string) bool {
	for _, begin := range []string{"icmp", "unreach", "timxceed", "sourcequench", "redirect", "echoreply", "timestampreply", "other"} {
		if strings.HasPrefix(text, begin) {
			return true
		}
	}
	return false
}

// seen is when the answer came: in seconds and microseconds, or as text with a zone.
func (a answer) seen() time.Time {
	if t := reader.UnixSeconds(a.seconds); !t.IsZero() {
		micros := 0
		for _, c := range a.micros {
			if micros = micros*10 + int(c-'0'); c < '0' || c > '9' || micros >= 1e6 {
				micros = 0
				break
			}
		}
		return t.Add(time.Duration(micros) * time.Microsecond)
	}
	t, err := time.Parse("2006-01-02T15:04:05.000-0700", string(a.text))
	if err != nil {
		return reader.Seen(a.text)
	}
	return reader.UnixTime(t.Unix())
}
