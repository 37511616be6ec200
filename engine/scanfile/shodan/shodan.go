// Package shodan reads exports of Shodan: JSON lines, one banner each. Its reports only
// add.
package shodan

import (
	"net/netip"
	"strconv"

	"portolan/engine"
	"portolan/engine/scanfile/internal/reader"
)

// Detect takes lines with Shodan's own fields.
func Detect(head []byte, _ bool) bool {
	keys := reader.FirstKeys(head)
	return keys.Has("_shodan") || keys.Has("ip_str", "port")
}

// The fields of a line.
const (
	fieldIP    = iota // as a number, where fieldIPStr is missing
	fieldIPStr        // of either family
	fieldIPv6
	fieldPort
	fieldTransport
	fieldTimestamp
	fieldHostnames
	fieldShodan
)

type shodan struct {
	reader.Finder
	banner *reader.Object
	names  reader.Object
}

// Read reads JSON lines.
func Read(in *reader.Input, out *reader.Output) {
	s := &shodan{
		Finder: reader.Finder{In: in, Out: out},
		banner: reader.NewObject("ip", "ip_str", "ipv6", "port", "transport", "timestamp", "hostnames", "_shodan"),
	}
	reader.EachObject(in, out, s.object)
}

func (s *shodan) object(object []byte, line int) (err error) {
	b := s.banner
	if err := b.Read(object); err != nil {
		return err
	}
	if b.Raw(fieldShodan) == nil && b.Raw(fieldIPStr) == nil {
		return &engine.FieldError{Field: "ip_str", Allowed: "an IP address, which is required where there is no _shodan"}
	}
	found := reader.Found{Seen: reader.Seen(b.Text(fieldTimestamp)), Name: s.hostname(b.Raw(fieldHostnames))}
	if found.Addr, err = s.address(b); err != nil {
		return err
	}
	protocol := b.Text(fieldTransport)
	if len(protocol) == 0 {
		protocol = []byte("tcp") // old exports leave it out
	}
	t, isPort := reader.PortType(protocol)
	if !isPort {
		left, err := reader.LeftProtocol(protocol)
		if err == nil {
			s.In.LeaveOut(left, 1)
		}
		return err
	}
	found.Type = t
	if found.Port, err = reader.ParsePort("port", b.Text(fieldPort)); err != nil {
		return err
	}
	s.Report(&found, line)
	return nil
}

// address takes the text where there is one, else the number.
func (s *shodan) address(b *reader.Object) (netip.Addr, error) {
	for _, field := range [...]int{fieldIPStr, fieldIPv6} {
		if text := b.Text(field); len(text) > 0 {
			return s.Address("ip_str", text)
		}
	}
	text := b.Text(fieldIP)
	if n, err := strconv.ParseUint(string(text), 10, 32); err == nil {
		return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), nil
	}
	if len(text) == 0 {
		return netip.Addr{}, &engine.FieldError{Field: "ip_str", Allowed: "an IP address, which is required"}
	}
	return s.Address("ip", text)
}

// hostname is the first name of the host.
func (s *shodan) hostname(list []byte) (name string) {
	if len(list) == 0 || list[0] != '[' {
		return ""
	}
	_ = s.names.Elements(list, func(element []byte) bool { // it was read already
		name = s.Name(reader.Text(element))
		return false
	})
	return name
}
