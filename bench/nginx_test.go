package bench

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// TestNginx: nginx serves the answer as a file, and ends.
func TestNginx(t *testing.T) {
	topic := &topic{path: "/some/where/file", asks: []httpAsk{{}}, set: &set{
		Requests: [][]byte{[]byte("GET /some/where/file?a=b HTTP/1.1\r\nHost: x\r\n\r\n")}, Wants: [][]byte{[]byte("hi")},
	}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o, err := startNginx(ctx, topic)
	if errors.Is(err, errNoNginx) && os.Getenv("PORTOLAN_REQUIRE_ALL") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := topic.checkSame(ctx, o.addr, topic.set.Wants, false); err != nil {
		t.Error(err)
	}
	if used := o.cpu(); used < 0 {
		t.Errorf("it used %s", used)
	}
	if err := o.close(); err != nil {
		t.Error(err)
	}
	if conn, err := new(net.Dialer).DialContext(ctx, "tcp", o.addr); err == nil {
		_ = conn.Close()
		t.Error("it still serves")
	}
}
