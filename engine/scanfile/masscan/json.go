package masscan

import (
	"bytes"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
)

// DetectJSON takes what masscan writes with -oJ.
func DetectJSON(head []byte, whole bool) bool {
	return reader.FirstKeys(head).Has("ip", "ports") || whole && isFinished(bytes.TrimLeft(head, "[ \t\r\n"))
}

// DetectNDJSON takes what masscan writes with -oD.
func DetectNDJSON(head []byte, _ bool) bool {
	keys := reader.FirstKeys(head)
	return keys.Has("ip", "rec_type") || keys.Has("ip", "port", "proto", "data")
}

// The fields of an object of -oJ, which has ports, or one of -oD, which is one.
const (
	fieldIP = iota
	fieldTimestamp
	fieldPorts
	fieldPort
	fieldProto
	fieldStatus
	fieldData
)

// jsonReader reads objects.
type jsonReader struct {
	found  ports
	record *reader.Object
	list   reader.Object
	port   *reader.Object // an element of ports
	data   *reader.Object
}

// ReadJSON reads what masscan writes with -oJ, the dialects of old versions included: a
// comma before the end of the list, the line {finished: 1} in place of the end.
func ReadJSON(in *reader.Input, out *reader.Output) {
	reader.EachObject(in, out, newJSONReader(in, out).take)
}

// ReadNDJSON reads what masscan writes with -oD.
func ReadNDJSON(in *reader.Input, out *reader.Output) {
	reader.EachObject(in, out, newJSONReader(in, out).take)
}

func newJSONReader(in *reader.Input, out *reader.Output) *jsonReader {
	return &jsonReader{
		found:  ports{reader.Finder{In: in, Out: out}},
		record: reader.NewObject("ip", "timestamp", "ports", "port", "proto", "status", "data"),
		port:   reader.NewObject("port", "proto", "status"),
		data:   reader.NewObject("status"),
	}
}

// isFinished says whether the object is the one that old versions end with.
func isFinished(object []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(object, []byte("{")), " \""), []byte("finished"))
}

func (r *jsonReader) take(object []byte, line int) error {
	if isFinished(object) {
		r.found.In.Bracket = ']'
		return nil
	}
	rec := r.record
	if err := rec.Read(object); err != nil {
		return err
	}
	if rec.Raw(fieldIP) == nil {
		return &engine.FieldError{Field: "ip", Allowed: "an IP address, which is required"}
	}
	addr, err := r.found.Address("ip", rec.Text(fieldIP))
	if err != nil {
		return err
	}
	found := reader.Found{Addr: addr, Seen: r.found.Unix(rec.Text(fieldTimestamp))}
	list := rec.Raw(fieldPorts)
	if list == nil {
		status := rec.Text(fieldStatus)
		if data := rec.Raw(fieldData); len(data) > 0 && data[0] == '{' && r.data.Read(data) == nil && len(status) == 0 {
			status = r.data.Text(0)
		}
		return r.take1(&found, rec.Text(fieldPort), rec.Text(fieldProto), status, line)
	}
	if list[0] != '[' {
		return &engine.FieldError{Field: "ports", Value: reader.Clip(list), Allowed: "a list of ports"}
	}
	return r.list.Elements(list, func(element []byte) bool {
		if err := r.element(&found, element, line); err != nil {
			r.found.Out.Reject(line, err.Error())
		}
		return !r.found.Out.Done
	})
}

// element takes an element of the list of ports.
func (r *jsonReader) element(found *reader.Found, element []byte, line int) error {
	if element[0] != '{' {
		return &engine.FieldError{Field: "ports", Value: reader.Clip(element), Allowed: "objects with port, proto and status"}
	}
	if err := r.port.Read(element); err != nil {
		return err
	}
	return r.take1(found, r.port.Text(0), r.port.Text(1), r.port.Text(2), line)
}

// take1 takes one port. One without a status is a banner of a port that has a record of
// its own.
func (r *jsonReader) take1(found *reader.Found, number, proto, status []byte, line int) error {
	if len(proto) == 0 {
		return &engine.FieldError{Field: "proto", Allowed: "the protocol, such as tcp, which is required"}
	}
	if len(status) == 0 {
		r.found.In.LeaveOut("banner", 1)
		return nil
	}
	return r.found.take(found, status, proto, number, line)
}
