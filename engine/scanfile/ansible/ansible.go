// Package ansible reads the facts that Ansible's listen_ports_facts gathers, as JSON. They
// name no host.
package ansible

import (
	"fmt"
	"time"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
	"portolan/index"
)

// Detect takes an object with the facts, or with those of listen_ports_facts at its top.
func Detect(head []byte, _ bool) bool {
	keys := reader.FirstKeys(head)
	return keys.Has("ansible_facts") || keys.Has("tcp_listen") || keys.Has("udp_listen")
}

type ansible struct {
	in    *reader.Input
	out   *reader.Output
	facts *reader.Object
	list  reader.Object
	entry *reader.Object
}

// The fields of the facts.
const (
	fieldTCP = iota
	fieldUDP
	fieldFacts
)

// Read reads facts. Each object is those of one host.
func Read(in *reader.Input, out *reader.Output) {
	a := &ansible{
		in: in, out: out,
		facts: reader.NewObject("tcp_listen", "udp_listen", "ansible_facts"),
		entry: reader.NewObject("address", "port"),
	}
	reader.EachObject(in, out, a.object)
}

func (a *ansible) object(object []byte, line int) error {
	if err := a.facts.Read(object); err != nil {
		return err
	}
	if facts := a.facts.Raw(fieldFacts); len(facts) > 0 && facts[0] == '{' {
		if err := a.facts.Read(facts); err != nil {
			return err
		}
	}
	tcp, udp := a.facts.Raw(fieldTCP), a.facts.Raw(fieldUDP)
	if tcp == nil && udp == nil {
		return &engine.FieldError{Field: "tcp_listen", Allowed: "a list of ports, which is required unless there is udp_listen"}
	}
	hosts := reader.NewListeners(a.in, a.out)
	hosts.Seen(line)
	for _, l := range []struct {
		list []byte
		t    index.Type
	}{{tcp, index.TCP}, {udp, index.UDP}} {
		if len(l.list) == 0 || string(l.list) == "null" {
			continue
		}
		if l.list[0] != '[' {
			a.out.Reject(line, fmt.Sprintf("%q is not allowed: want a list of ports", reader.Clip(l.list)))
			continue
		}
		hosts.LookedBoth(line, l.t)
		err := a.list.Elements(l.list, func(element []byte) bool {
			if err := a.socket(hosts, element, l.t, line); err != nil {
				a.out.Reject(line, err.Error())
			}
			return !a.out.Done
		})
		if err != nil {
			return err
		}
	}
	hosts.Report("", time.Time{})
	return nil
}

// socket takes an entry of a list.
func (a *ansible) socket(hosts *reader.Listeners, entry []byte, t index.Type, line int) error {
	if entry[0] != '{' {
		return &engine.FieldError{Field: "listen", Value: reader.Clip(entry), Allowed: "objects with address and port"}
	}
	if err := a.entry.Read(entry); err != nil {
		return err
	}
	addr, err := reader.LocalAddress(a.entry.Text(0))
	if err != nil {
		return err
	}
	port, ok := reader.PortNumber(a.entry.Text(1))
	if !ok {
		return &engine.FieldError{Field: "port", Value: reader.Clip(a.entry.Text(1)), Allowed: "a port from 1 to 65535"}
	}
	hosts.Add(&reader.Socket{Addr: addr, Port: port, Type: t}, line)
	return nil
}
