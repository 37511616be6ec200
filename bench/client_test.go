package bench

import (
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// TestAnswers: an answer is read whole, in whatever pieces it comes, and what is
// none is an error.
func TestAnswers(t *testing.T) {
	const good = "HTTP/1.1 200 OK\r\nA: b\r\ncontent-length: 2\r\n\r\nhi"
	for _, c := range []struct{ name, text, want, says string }{
		{"good", good, "hi", ""},
		{"no body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", ""},
		{"an error", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "", `begins with "HTTP/1.1 500 Oops"`},
		{"no length", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "", "no Content-Length"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "", "two lengths"},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "", `length " -1"`},
		{"an empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "", `length ""`},
		{"a huge length", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "", "want a number up to"},
		{"a cut body", good[:len(good)-1], "", "unexpected EOF"},
		{"a cut head", good[:20], "", "unexpected EOF"},
		{"an endless head", strings.Repeat("x", maxAnswer+1), "", "more than 16384 bytes"},
	} {
		for kind, src := range map[string]io.Reader{
			"whole": strings.NewReader(c.text),
			"bytes": iotest.OneByteReader(strings.NewReader(c.text)),
		} {
			a := answers{src: src}
			body, err := a.next()
			if c.says == "" && (err != nil || string(body) != c.want) || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("%s, %s: got %q, %v", c.name, kind, body, err)
			}
		}
	}
	a := answers{src: strings.NewReader(good + good)}
	for range 2 {
		if body, err := a.next(); string(body) != "hi" || err != nil {
			t.Errorf("one of two: got %q, %v", body, err)
		}
	}
}

// TestDriveChecks: a wrong answer is an error and is not counted.
func TestDriveChecks(t *testing.T) {
	conn, peer := net.Pipe()
	defer conn.Close()
	go func() {
		defer peer.Close()
		for range 2 {
			io.ReadFull(peer, make([]byte, 3))
			io.WriteString(peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
		}
		io.ReadFull(peer, make([]byte, 3))
		io.WriteString(peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nho")
	}()
	c := newClient(conn, &set{[][]byte{[]byte("ask")}, [][]byte{[]byte("hi")}}, 0)
	if err := c.closed(time.Now().Add(-time.Minute), 0); err != nil || c.sent != 1 {
		t.Fatalf("%d answers and %v where there was no time left, want 1: a rate of 0 is no side of a ratio", c.sent, err)
	}
	err := c.closed(time.Now().Add(time.Minute), 10)
	if err == nil || !strings.Contains(err.Error(), "not the one") || c.sent != 2 || c.latencies.TotalCount() != 2 {
		t.Errorf("got %v after %d good answers, %d measured", err, c.sent, c.latencies.TotalCount())
	}
}
