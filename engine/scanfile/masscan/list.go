package masscan

import (
	"bytes"
	"fmt"

	"portolan/engine/scanfile/internal/reader"
)

// DetectList takes what masscan writes with -oL.
func DetectList(head []byte, whole bool) bool {
	line, _, ended := bytes.Cut(head, []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	if string(line) == "#masscan" || whole && string(line) == "# end" {
		return ended || whole
	}
	words := bytes.Fields(line)
	if len(words) < 5 || string(words[0]) != "open" && string(words[0]) != "closed" && string(words[0]) != "banner" {
		return false
	}
	_, err := reader.ParseAddr("ip", words[3])
	_, ok := reader.PortNumber(words[2])
	return err == nil && ok
}

// DetectGrepable takes what masscan writes with -oG.
func DetectGrepable(head []byte, _ bool) bool {
	return bytes.HasPrefix(head, []byte("# Masscan ")) || bytes.HasPrefix(head, []byte("Timestamp: ")) && bytes.Contains(head, []byte("\tHost: "))
}

// DetectTerminal takes what masscan shows on a terminal.
func DetectTerminal(head []byte, _ bool) bool {
	return bytes.HasPrefix(head, discovered) || bytes.HasPrefix(head, []byte("Starting masscan "))
}

// TerminalWithin takes what masscan shows on a terminal behind something else.
func TerminalWithin(head []byte) bool { return bytes.Contains(head, []byte("\nDiscovered open port ")) }

var discovered = []byte("Discovered open port ")

// ReadList reads what masscan writes with -oL: "open tcp 443 192.0.2.10 1795000000".
func ReadList(in *reader.Input, out *reader.Output) {
	l := &list{ports: ports{reader.Finder{In: in, Out: out}}}
	reader.EachLine(in, out, l.line)
	if !l.ended && !in.Switched && !out.Done {
		in.Incomplete(`the list has no line "# end"`)
	}
}

type list struct {
	ports
	ended bool
}

func (l *list) line(line reader.Line) error {
	text := line.Text
	if string(text) == "# end" {
		l.ended = true
		return nil
	}
	if !line.Ended {
		l.In.CutAt(line.No)
		return nil
	}
	if text[0] == '#' {
		l.ended = l.ended && string(text) != "#masscan" // another list begins
		return nil
	}
	var words [5][]byte
	n := fields(text, &words)
	if n == len(words) && string(words[0]) == "banner" {
		l.In.LeaveOut("banner", 1)
		return nil
	}
	if n < len(words) {
		return fmt.Errorf("%q is not allowed: want a line such as open tcp 443 192.0.2.10 1795000000", reader.Clip(text))
	}
	addr, err := l.Address("ip", words[3])
	if err != nil {
		return err
	}
	end := bytes.TrimRight(text, " ")
	if last := words[4]; !reader.IsNumber(last) || &last[len(last)-1] != &end[len(end)-1] {
		return fmt.Errorf("%q is not allowed: want one record, which ends with its time", reader.Clip(text))
	}
	found := reader.Found{Addr: addr, Seen: l.Unix(words[4])}
	return l.take(&found, words[0], words[1], words[2], line.No)
}

// fields finds the first words of a line and returns how many there are.
func fields(text []byte, words *[5][]byte) (n int) {
	begin := 0
	for i, c := range text {
		if c != ' ' {
			continue
		}
		if i > begin {
			words[n] = text[begin:i]
			if n++; n == len(words) {
				return n
			}
		}
		begin = i + 1
	}
	if begin < len(text) {
		words[n] = text[begin:]
		n++
	}
	return n
}

// ReadTerminal reads what masscan shows on a terminal: "Discovered open port 443/tcp on
// 192.0.2.10". It has no times and no end.
func ReadTerminal(in *reader.Input, out *reader.Output) {
	p := &ports{reader.Finder{In: in, Out: out}}
	reader.EachLine(in, out, p.shown)
}

func (p *ports) shown(line reader.Line) error {
	text := reader.StripANSI(line.Text)
	rest, ok := bytes.CutPrefix(text, discovered)
	if !line.Ended {
		p.In.CutAt(line.No)
		return nil
	}
	if !ok {
		return reader.ErrNoise
	}
	what, address, ok := bytes.Cut(bytes.TrimRight(rest, " "), []byte(" on "))
	number, proto, slash := bytes.Cut(what, []byte("/"))
	if !ok || !slash {
		return fmt.Errorf("%q is not allowed: want a line such as Discovered open port 443/tcp on 192.0.2.10", reader.Clip(text))
	}
	addr, err := p.Address("ip", address)
	if err != nil {
		return err
	}
	return p.take(&reader.Found{Addr: addr}, []byte("open"), proto, number, line.No)
}
