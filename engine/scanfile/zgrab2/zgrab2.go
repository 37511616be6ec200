// Package zgrab2 reads the JSON lines of ZGrab2, in which the port is in the answer of each
// module or, in older versions, at the top. Its reports only add.
//
// What a module says of its protocol tells whether the port is open: a success does, and so
// does an error of the protocol or the application, which only something that listens can
// make, and io-timeout, which is that a connection that was made ended or said nothing. Lines that have no port at all, which the oldest versions write, are left out.
package zgrab2

import (
	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

// Detect takes lines whose data is by module.
func Detect(head []byte, whole bool) bool {
	keys := reader.AllKeys(head, whole)
	return keys.Has("data") && (keys.Has("ip") || keys.Has("domain"))
}

// The fields of a line, and of what a module says.
const (
	fieldIP = iota
	fieldDomain
	fieldPort
	fieldData
	fieldProto // of another tool

	fieldStatus = iota - 5
	fieldProtocol
	fieldModulePort
	fieldTimestamp
)

type zgrab struct {
	reader.Finder
	record  *reader.Object
	modules reader.Object
	answer  *reader.Object
}

// Read reads JSON lines.
func Read(in *reader.Input, out *reader.Output) {
	z := &zgrab{
		Finder: reader.Finder{In: in, Out: out},
		record: reader.NewObject("ip", "domain", "port", "data", "proto"),
		answer: reader.NewObject("status", "protocol", "port", "timestamp"),
	}
	reader.EachObject(in, out, z.object)
}

func (z *zgrab) object(object []byte, line int) error {
	r := z.record
	if err := r.Read(object); err != nil {
		return err
	}
	data := r.Raw(fieldData)
	if len(data) == 0 || data[0] != '{' || r.Raw(fieldProto) != nil {
		return &engine.FieldError{Field: "data", Value: reader.Clip(data), Allowed: "an object of what each module says, which is required"}
	}
	if r.Raw(fieldIP) == nil {
		if r.Raw(fieldDomain) != nil {
			z.In.LeaveOut("no-address", 1) // the name could not be resolved
			return nil
		}
		return &engine.FieldError{Field: "ip", Allowed: "an IP address, which is required"}
	}
	addr, err := z.Address("ip", r.Text(fieldIP))
	if err != nil {
		return err
	}
	found := reader.Found{Addr: addr, Name: z.Name(r.Text(fieldDomain))}
	return z.modules.Each(data, func(module, answer []byte) {
		if err := z.module(&found, module, answer, line); err != nil {
			z.Out.Reject(line, reader.Clip(module)+": "+err.Error())
		}
	})
}

// module takes what a module says.
func (z *zgrab) module(found *reader.Found, module, answer []byte, line int) error {
	if len(answer) == 0 || answer[0] != '{' {
		return &engine.FieldError{Field: "module", Value: reader.Clip(answer), Allowed: "an object"}
	}
	if err := z.answer.Read(answer); err != nil {
		return err
	}
	found.Seen = reader.Seen(z.answer.Text(fieldTimestamp))
	return z.take(found, module, line)
}

// take yields the port of one module's answer.
func (z *zgrab) take(found *reader.Found, module []byte, line int) (err error) {
	switch status := string(z.answer.Text(fieldStatus)); status {
	case "success", "protocol-error", "application-error", "handshake-error", "io-timeout":
	case "connection-refused", "connection-closed":
		z.In.LeaveOut("closed", 1)
		return nil
	case "":
		return &engine.FieldError{Field: "status", Allowed: "what became of the connection, which is required"}
	case "connection-timeout", "unknown-error", "blocklisted", "input-error": // which say nothing
		z.In.LeaveOut(status, 1)
		return nil
	default:
		return &engine.FieldError{Field: "status", Value: reader.Clip([]byte(status)), Allowed: "one of ZGrab2's, such as success or connection-timeout"}
	}
	port := z.answer.Text(fieldModulePort)
	if len(port) == 0 {
		port = z.record.Text(fieldPort)
	}
	if len(port) == 0 {
		z.In.LeaveOut("no-port", 1)
		return nil
	}
	if found.Port, err = reader.ParsePort("port", port); err != nil {
		return err
	}
	found.Type = transport(z.answer.Text(fieldProtocol), module)
	z.Report(found, line)
	return nil
}

// transport is the type of the ports of a module's protocol; the module may be called
// otherwise.
func transport(protocol, module []byte) index.Type {
	if len(protocol) == 0 {
		protocol = module
	}
	switch string(protocol) {
	case "ntp", "bacnet":
		return index.UDP
	}
	return index.TCP
}
