package server_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"portolan/server"
)

// listen serves the rig as a public address would, with limits that a test can wait for.
func (r *rig) listen(limits func(*http.Server)) string {
	r.Helper()
	return r.start(true, nil, limits)
}

// start serves the rig, with or without a front, and returns the address.
func (r *rig) start(fronted bool, opts *server.HTTPOptions, limits func(*http.Server)) string {
	r.Helper()
	srv := httptest.NewUnstartedServer(nil)
	if s, ok := r.handler.(*server.Server); ok && fronted {
		front := server.NewFront(s, opts)
		srv.Config = front.HTTP
		if limits != nil {
			limits(srv.Config)
		}
		srv.Listener = front.Listen(srv.Listener)
		r.Cleanup(func() { front.Close() })
	} else {
		srv.Config = server.NewHTTPServer(r.handler, opts)
		if limits != nil {
			limits(srv.Config)
		}
	}
	srv.Start()
	r.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// eachWay runs a test with and without a front.
func eachWay(t *testing.T, test func(t *testing.T, fronted bool)) {
	t.Helper()
	for _, fronted := range []bool{true, false} {
		name := "net/http"
		if fronted {
			name = "front"
		}
		t.Run(name, func(t *testing.T) { test(t, fronted) })
	}
}

// dial opens a connection that must be done within five seconds.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestSlowloris: headers that trickle in end the connection.
func TestSlowloris(t *testing.T) {
	address := newRig(t, nil).listen(func(s *http.Server) { s.ReadHeaderTimeout = 100 * time.Millisecond })
	conn := dial(t, address)
	ended := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, conn); ended <- err }()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n", statistics)
	for i := 0; ; i++ {
		select {
		case err := <-ended:
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection is still open")
			}
			return
		case <-time.After(20 * time.Millisecond):
			fmt.Fprintf(conn, "X-Slow-%d: 1\r\n", i)
		}
	}
}

// TestBodyNobodyReads: a request that is refused before its body is read gets
// its answer even if the body never comes, also without the limits of
// NewHTTPServer.
func TestBodyNobodyReads(t *testing.T) {
	r := newRig(t, nil) // its BodyTimeout is a second
	address := r.listen(func(s *http.Server) { s.ReadTimeout, s.WriteTimeout = 0, 0 })
	for target, want := range map[string]int{
		"GET " + statistics:                  401,
		"POST /v1/projects/p1/reports":       401,
		"POST /nowhere":                      404,
		"DELETE /v1/projects/p1/assets/none": 401,
	} {
		conn := dial(t, address)
		fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", target)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || !resp.Close {
			t.Errorf("%s: %d, close %v; want %d", target, resp.StatusCode, resp.Close, want)
		}
	}
}

// TestLongUpload: a body that flows may take longer than the server's usual
// limits, and the connection serves on afterwards.
func TestLongUpload(t *testing.T) {
	r := newRig(t, nil)
	limit := 300 * time.Millisecond
	address := r.listen(func(s *http.Server) { s.ReadTimeout, s.WriteTimeout = limit, limit })
	conn := dial(t, address)
	in := bufio.NewReader(conn)
	line := `{"asset":"h1","open":["1/tcp"]}` + "\n"
	fmt.Fprintf(conn, "POST /v1/projects/p1/reports HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nTransfer-Encoding: chunked\r\n\r\n", token)
	for range 5 {
		time.Sleep(limit / 3)
		fmt.Fprintf(conn, "%x\r\n%s\r\n", len(line), line)
	}
	fmt.Fprint(conn, "0\r\n\r\n")
	for _, want := range []string{`"unchanged":4`, `{"total_num":1,`} {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body := readAll(t, resp.Body); resp.StatusCode != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%d %s, want %s", resp.StatusCode, body, want)
		}
		resp.Body.Close()
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\n\r\n", statistics, token)
	}
}

// TestRefusedBeforeTheBody: a client that waits for 100 is not asked for a body
// that would be refused.
func TestRefusedBeforeTheBody(t *testing.T) {
	conn := dial(t, newRig(t, nil).listen(nil))
	fmt.Fprintf(conn, "POST /v1/projects/p1/reports HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %d", resp.StatusCode)
	}
}

// TestWire holds what only a connection shows: lengths instead of chunks, no
// body and no length after 204, and * as a path like another.
func TestWire(t *testing.T) {
	r := newRig(t, nil)
	var report strings.Builder
	report.WriteString("h1")
	for p := range 300 {
		fmt.Fprintf(&report, " %d/tcp", p+1)
	}
	r.apply(report.String())
	conn := dial(t, r.listen(nil))
	in := bufio.NewReader(conn)
	for _, c := range []struct {
		line   string
		status int
		length bool
	}{
		{"GET " + statistics + "?limit=200", 200, true},
		{"GET " + statistics + "?limit=1", 400, true},
		{"DELETE /v1/projects/p1/assets/h1", 204, false},
		{"OPTIONS *", 404, true},
		{"GET http://elsewhere.example" + statistics, 200, true},
	} {
		fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\n\r\n", c.line, token)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%s: %v", c.line, err)
		}
		body := readAll(t, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status || len(resp.TransferEncoding) > 0 || (resp.Header.Get("Content-Length") != "") != c.length {
			t.Errorf("%s: %d %v %v", c.line, resp.StatusCode, resp.TransferEncoding, resp.Header)
		}
		if c.length && resp.ContentLength != int64(len(body)) || !hex32.MatchString(resp.Header.Get("X-Request-Id")) {
			t.Errorf("%s: %v with %d bytes", c.line, resp.Header, len(body))
		}
	}
}

// BenchmarkLoopback asks over kept connections: what a caller on the machine sees.
func BenchmarkLoopback(b *testing.B) {
	r := newRig(b, nil)
	r.apply("h1 22/tcp 80/tcp 123/udp 443/tcp 8080/tcp 8443/tcp 9090/tcp 9100/tcp 9200/tcp 27017/tcp 50000/tcp")
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = server.NewHTTPServer(r.handler, nil)
	srv.Start()
	defer srv.Close()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequest(http.MethodGet, srv.URL+statistics, http.NoBody)
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("X-Auth-Token", token)
			resp, err := srv.Client().Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
}
