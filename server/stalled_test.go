package server_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"portolan/engine/enginetest"
	"portolan/server"
	"portolan/server/auth"
)

// stalledConns is the most connections of a server that stalled ones molest.
const stalledConns = 64

// stall is a way to hold a connection and give nothing.
type stall struct {
	name string
	tls  bool
	// begin sends what begins it; drip, if it is set, is sent again and again.
	begin, drip string
}

func stalls(key string) []stall {
	line := `{"asset":"h1","open":["1/tcp"]}` + "\n"
	length := " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
	upload := "POST " + reports + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
	signed := fmt.Sprintf("Authorization: SDK-HMAC-SHA256 Access=%s, SignedHeaders=x-sdk-date, Signature=%064x\r\nX-Sdk-Date: %s\r\n\r\n",
		key, 1, time.Now().UTC().Format("20060102T150405Z"))
	return []stall{
		{name: "nothing"},
		{name: "a header byte by byte", begin: "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ", drip: "x"},
		{name: "nothing after an answer", begin: "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"},
		{name: "a question's body", begin: "GET /healthz" + length},
		{name: "a body of nobody", begin: "POST " + reports + length},
		{name: "a body to nowhere", begin: "POST /nowhere" + length},
		{name: "chunks of nobody", begin: upload + "\r\n"},
		{name: "an upload that stands still", begin: upload + "X-Auth-Token: " + token + "\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", len(line), line)},
		{name: "an upload byte by byte", begin: upload + "X-Auth-Token: " + token + "\r\n\r\n", drip: "1\r\n \r\n"},
		{name: "a signed body that stands still", begin: upload + signed},
		{name: "a signed body byte by byte", begin: upload + signed, drip: "1\r\n \r\n"},
		{name: "answers that nobody reads", begin: strings.Repeat("GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n", 500)},
		{name: "a handshake", tls: true},
		{name: "streams without a window", tls: true, begin: windowless(20)},
	}
}

// windowless returns what a client of HTTP/2 sends that asks so often and takes no byte of an
// answer (RFC 9113, sections 4.1, 6.2 and 6.5.2; RFC 7541, section 6).
func windowless(streams int) string {
	var b bytes.Buffer
	frame := func(kind, flags byte, stream uint32, payload string) {
		head := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))[1:]
		head = append(head, kind, flags)
		b.Write(binary.BigEndian.AppendUint32(head, stream))
		b.WriteString(payload)
	}
	b.WriteString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	frame(4, 0, 0, "\x00\x04\x00\x00\x00\x00") // SETTINGS_INITIAL_WINDOW_SIZE 0
	const path = "/openapi.yaml"
	for i := range streams {
		frame(1, 5, uint32(2*i+1), "\x82\x87\x04"+string(rune(len(path)))+path+"\x01\x01x") // GET, https, path, authority
	}
	return b.String()
}

// TestStalledConnections: who holds connections and gives nothing holds its own. No limit of
// time ends them here, and there are as many as the server takes, and ten times as many.
func TestStalledConnections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, []byte(`[{"access_key":"AK","secret_key":"0123456789abcdef","projects":["*"],"enterprise_projects":["*"],"write":true}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := auth.OpenAccessKeys(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	operator, err := auth.OperatorToken(token)
	if err != nil {
		t.Fatal(err)
	}
	who := auth.FirstOf(keys, operator)
	all := stalls("AK")
	for i, kind := range append(all, stall{name: "all of these"}) {
		kinds := all
		if i < len(all) {
			kinds = all[i : i+1]
		}
		for _, size := range []int{stalledConns, 10 * stalledConns} {
			if size > stalledConns && i < len(all) && !enginetest.Full() {
				continue
			}
			t.Run(fmt.Sprintf("%s, %d", kind.name, size), func(t *testing.T) {
				eachWay(t, func(t *testing.T, fronted bool) { stalled(t, who, kinds, size, fronted) })
			})
		}
	}
}

// stalled has so many connections stall while somebody behaves well.
func stalled(t *testing.T, who auth.Authenticator, kinds []stall, size int, fronted bool) {
	r := newRig(t, who, func(o *server.Options) { o.BodyTimeout = time.Hour }).known()
	plain, secret := r.unlimited(false, fronted), r.unlimited(true, fronted)
	var open sync.WaitGroup
	defer open.Wait()
	stop := make(chan struct{})
	defer close(stop)
	for n := range many(size) {
		k := kinds[n%len(kinds)]
		to := plain
		if k.tls {
			to = secret
		}
		conn := dialStalled(t, to, &k)
		open.Go(func() { k.hold(conn, stop) })
	}
	for _, address := range []string{"http://" + plain, "https://" + secret} {
		behaves(t, address)
	}
}

// unlimited serves the rig with few connections, none of which a limit of time ends.
func (r *rig) unlimited(secret, fronted bool) (address string) {
	opts := &server.HTTPOptions{MaxConns: stalledConns}
	endless := func(srv *http.Server) {
		srv.ReadHeaderTimeout, srv.ReadTimeout, srv.WriteTimeout, srv.IdleTimeout = 0, 0, 0, 0
	}
	if !secret {
		return r.start(fronted, opts, endless)
	}
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS() // it has a certificate
	config := srv.TLS.Clone()
	srv.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	if fronted {
		front := server.NewFront(r.handler.(*server.Server), opts)
		endless(front.HTTP)
		front.HTTP.TLSConfig = config
		go front.Serve(l)
		r.Cleanup(func() { front.Close() })
	} else {
		srv := server.NewHTTPServer(r.handler, opts)
		endless(srv)
		srv.TLSConfig = config
		srv.TLSConfig.NextProtos = nil
		go srv.ServeTLS(l, "", "")
		r.Cleanup(func() { srv.Close() })
	}
	return l.Addr().String()
}

// dialStalled begins a stall.
func dialStalled(t *testing.T, address string, k *stall) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, siegeEnd)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(siegeEnd)); err != nil {
		t.Fatal(err)
	}
	if k.tls && k.begin != "" {
		c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if c.Handshake() == nil { // else it was ended already
			conn = c
		}
	}
	return conn
}

// hold goes on with a stall until it is told to stop, or is ended.
func (k *stall) hold(conn net.Conn, stop <-chan struct{}) {
	defer conn.Close()
	_, err := io.WriteString(conn, k.begin)
	for err == nil && k.drip != "" {
		select {
		case <-stop:
			return
		case <-time.After(5 * time.Millisecond):
		}
		_, err = io.WriteString(conn, k.drip)
	}
	<-stop
}

// behaves asks as somebody who behaves well does, over connections of their own and over one
// that is kept, and wants every answer.
func behaves(t *testing.T, address string) {
	t.Helper()
	for _, fresh := range []bool{true, false} {
		client := &http.Client{Timeout: siegeEnd, Transport: &http.Transport{
			DisableKeepAlives: fresh, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		}}
		for n := range 20 {
			for _, target := range []string{"/healthz", statistics + "?port=123&category=host"} {
				req, err := http.NewRequest(http.MethodGet, address+target, http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("X-Auth-Token", token)
				resp, err := client.Do(req)
				if err != nil {
					t.Fatalf("somebody who behaves well, question %d: %v", n, err)
				}
				if body := readAll(t, resp.Body); resp.StatusCode != http.StatusOK {
					t.Fatalf("somebody who behaves well gets %d %s", resp.StatusCode, body)
				}
				resp.Body.Close()
			}
		}
		client.CloseIdleConnections()
	}
}

// TestAnsweredBeforeTheBody: an answer does not wait for a body that nobody reads, whatever
// the answer, and is the connection's last.
func TestAnsweredBeforeTheBody(t *testing.T) {
	r := newRig(t, nil, func(o *server.Options) { o.BodyTimeout = time.Hour })
	eachWay(t, func(t *testing.T, fronted bool) { answeredBeforeTheBody(t, r.unlimited(false, fronted)) })
}

func answeredBeforeTheBody(t *testing.T, address string) {
	for _, body := range []string{"Content-Length: 10", "Content-Length: 100000000", "Transfer-Encoding: chunked"} {
		for target, want := range map[string]int{
			"GET /healthz":                       200,
			"GET " + statistics:                  401,
			"POST " + reports:                    401,
			"POST /nowhere":                      404,
			"DELETE /v1/projects/p1/assets/none": 401,
		} {
			conn := dial(t, address)
			fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", target, body)
			in := bufio.NewReader(conn)
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("%s, %s: %v", target, body, err)
			}
			if readAll(t, resp.Body); resp.StatusCode != want || !resp.Close {
				t.Errorf("%s, %s: %d, close %v; want %d", target, body, resp.StatusCode, resp.Close, want)
			}
			if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("%s, %s: then %v, want the connection's end", target, body, err)
			}
		}
	}
}
