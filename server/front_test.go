package server_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portolan/server"
	"portolan/server/auth"
)

// pairing is one server on two addresses: with a front and without.
type pairing struct {
	front, bare string
	left        atomic.Int64 // requests that the front left for net/http
}

func newPairing(t testing.TB) *pairing {
	t.Helper()
	r := newRig(t, nil, func(o *server.Options) { o.BodyTimeout = 100 * time.Millisecond }).known()
	hasty := func(srv *http.Server) {
		srv.ReadHeaderTimeout, srv.IdleTimeout = 200*time.Millisecond, 200*time.Millisecond
	}
	p := &pairing{bare: r.start(false, nil, hasty)}
	p.front = r.start(true, nil, func(srv *http.Server) {
		hasty(srv)
		next := srv.Handler
		srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.left.Add(1)
			next.ServeHTTP(w, r)
		})
	})
	return p
}

// last is a request that ends a connection. (To close a half of it instead would end what net/http
// has under way.)
const last = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

// hear sends bytes in pieces and a last request, and returns all that comes, but for what differs
// between any two answers: the time and the request's id.
func hear(t testing.TB, address string, pieces ...string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(siegeEnd)); err != nil {
		t.Fatal(err)
	}
	for i, piece := range append(pieces, last) {
		if i > 0 && i < len(pieces) {
			time.Sleep(2 * time.Millisecond)
		}
		if _, err := io.WriteString(conn, piece); err != nil {
			break // it is closed; what was answered may still be read
		}
	}
	all, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%.200q: the connection is still open", pieces)
	}
	return differs.ReplaceAllString(string(all), "")
}

var differs = regexp.MustCompile(`Date: [^\r]*|X-Request-Id: [0-9a-f]{32}|"request_id":"[0-9a-f]{32}"`)

// unusual returns what is near to plain requests, and not one, each behind one and before one.
func unusual() []string {
	get := "GET " + statistics + "?port=22&limit=10 HTTP/1.1\r\n"
	auth := "X-Auth-Token: " + token + "\r\n"
	plain := get + "Host: x\r\n" + auth + "\r\n"
	all := []string{
		plain, plain + plain, plain + plain + plain,
		"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n", "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
		get + "Host: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET /v5/p1/asset/port/statistics? HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n",
		"POST " + reports + " HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Length: 0\r\n\r\n",
		"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /healthz  HTTP/1.1\r\nHost: x\r\n\r\n",
		"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /healthz HTTP/1.0\r\nHost: x\r\n\r\n", "GET /healthz HTTP/1.1 \r\nHost: x\r\n\r\n",
		"GET /healthz HTTP/1.1\nHost: x\n\n", "GET /healthz HTTP/1.1\r\nHost: x\n\r\n", "\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET //healthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /healthz?a=b?c=d HTTP/1.1\r\nHost: x\r\n\r\n", "GET /healthz#f HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /%68ealthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /health\xffz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /../healthz HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /healthz HTTP/1.1\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost:\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n",
		"GET /healthz HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n",
		strings.Repeat(plain, 60), // more than the buffer holds
	}
	for _, header := range []string{
		"Content-Length: 0", "Content-Length: 5", "content-length: 0", "Content-Length : 0", "Transfer-Encoding: chunked", "transfer-encoding: identity",
		"Expect: 100-continue", "Expect: a miracle", "Upgrade: h2c", "Connection: close", "Connection: Keep-Alive", "Connection: keep-alive, close", "Connection: upgrade",
		"Connection:", "Trailer: X", "Pragma: no-cache", "X-Min-Sequence: 0", "X-Min-Sequence: 999", "X-Request-Id: 0123456789abcdef0123456789abcdef",
		"X-Request-Id: short", "If-None-Match: *", `If-None-Match: W/"x", "y"`, "X: a\tb", "X:\tb", "X: a\x00b", "X: \xff", "X: a\rb", " X: y", "X y", ": y", "X:", "X:    y   ",
		"X: a\r\n b", "X-Auth-Token: x", "X-Auth-Token: " + token, "Te: trailers", "Accept-Encoding: gzip", "Range: bytes=0-1", "Authorization: SDK-HMAC-SHA256 x",
		strings.Repeat("X-Many-1: y\r\n", 40) + "X: y", "X: " + strings.Repeat("x", 4000), "X: " + strings.Repeat("x", 5000),
	} {
		all = append(all, "GET /healthz HTTP/1.1\r\nHost: x\r\n"+header+"\r\n\r\n", get+"Host: x\r\n"+auth+header+"\r\n\r\n")
	}
	for _, one := range slices.Clone(all) {
		all = append(all, plain+one+plain)
	}
	return all
}

// TestFrontIsNetHTTP: whatever comes, the front answers as net/http does, or leaves it to that.
func TestFrontIsNetHTTP(t *testing.T) {
	p := newPairing(t)
	for _, raw := range unusual() {
		want := hear(t, p.bare, raw)
		if got := hear(t, p.front, raw); got != want {
			t.Errorf("%.300q:\nthe front says %.600q\nnet/http says  %.600q", raw, got, want)
		}
	}
	plain := "GET " + statistics + "?port=22 HTTP/1.1\r\nHost: x\r\nX-Auth-Token: " + token + "\r\n\r\n"
	twice := plain + plain
	want := hear(t, p.bare, twice)
	for i := range len(twice) {
		if got := hear(t, p.front, twice[:i], twice[i:]); got != want {
			t.Errorf("cut at %d:\nthe front says %.600q\nnet/http says  %.600q", i, got, want)
		}
	}
}

// TestFrontTakes: what clients send is plain, so that net/http has nothing to do with it.
func TestFrontTakes(t *testing.T) {
	p := newPairing(t)
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	for range 10 {
		for _, target := range []string{statistics + "?port=22&limit=10", "/healthz", "/readyz", "/openapi.yaml", "/v5/p1/asset/ports/detail?port=22&type=TCP", "/nowhere"} {
			req, err := http.NewRequest(http.MethodGet, "http://"+p.front+target, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Auth-Token", token)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			readAll(t, resp.Body)
			resp.Body.Close()
		}
	}
	hear(t, p.front, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n")
	hear(t, p.front, strings.Repeat("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", 1000))
	if n := p.left.Load(); n != 2 {
		t.Errorf("%d requests were left to net/http, want the two that end connections", n)
	}
}

// FuzzFront: for any bytes, the front answers as net/http does.
func FuzzFront(f *testing.F) {
	for _, raw := range unusual() {
		if len(raw) < 1000 {
			f.Add([]byte(raw))
		}
	}
	p := newPairing(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		want := hear(t, p.bare, string(raw))
		if got := hear(t, p.front, string(raw)); got != want {
			t.Errorf("%.300q:\nthe front says %.600q\nnet/http says  %.600q", raw, got, want)
		}
	})
}

// plainly asks once more by the front's way, where a request is plain, and wants the same answer.
func plainly(t *testing.T, r *rig, req *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	var raw bytes.Buffer
	fmt.Fprintf(&raw, "%s %s HTTP/1.1\r\nHost: %s\r\n", req.Method, req.URL.RequestURI(), req.Host)
	_ = req.Header.Write(&raw)
	raw.WriteString("\r\n")
	answer, ok := r.handler.(*server.Server).Plain(t.Context(), raw.String(), req.RemoteAddr)
	if !ok {
		return
	}
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), req)
	if err == nil && resp.StatusCode == http.StatusTooManyRequests {
		return // as this was one more
	}
	if err != nil {
		t.Fatalf("the front says %q: %v", answer, err)
	}
	defer resp.Body.Close()
	var want bytes.Buffer
	fmt.Fprintf(&want, "%d\n", w.Code)
	_ = w.Header().Write(&want)
	want.Write(w.Body.Bytes())
	var got bytes.Buffer
	fmt.Fprintf(&got, "%d\n", resp.StatusCode)
	resp.Header.Del("Date")
	_ = resp.Header.Write(&got)
	got.WriteString(readAll(t, resp.Body))
	if a, b := differs.ReplaceAll(got.Bytes(), nil), differs.ReplaceAll(want.Bytes(), nil); !bytes.Equal(a, b) {
		t.Errorf("the front says\n%s\nnet/http says\n%s", a, b)
	}
}

// TestFrontTLS: over TLS, HTTP/1.1 is the front's and HTTP/2 is net/http's.
func TestFrontTLS(t *testing.T) {
	r := newRig(t, nil).known()
	address := r.unlimited(true, true)
	for _, protocol := range []string{"h2", "http/1.1", ""} {
		config := &tls.Config{InsecureSkipVerify: true}
		if protocol != "" {
			config.NextProtos = []string{protocol}
		}
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: protocol == "h2"}
		client := &http.Client{Transport: transport, Timeout: siegeEnd}
		for range 3 {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				resp, err := client.Do(must(http.NewRequest(method, "https://"+address+"/healthz", http.NoBody)))
				if err != nil {
					t.Fatal(err)
				}
				readAll(t, resp.Body)
				resp.Body.Close()
				want := map[string]int{http.MethodGet: 200, http.MethodPost: 404}[method]
				if resp.StatusCode != want || (resp.ProtoMajor == 2) != (protocol == "h2") {
					t.Errorf("%s over %q: %s %s", method, protocol, resp.Proto, resp.Status)
				}
			}
		}
		client.CloseIdleConnections()
	}
	if got := hear(t, address, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.Contains(got, "HTTP request to an HTTPS server") {
		t.Errorf("without TLS: %q", got)
	}
}

func must(req *http.Request, err error) *http.Request {
	if err != nil {
		panic(err)
	}
	return req
}

// lingering takes its time to close.
type lingering struct{ net.Listener }

func (l lingering) Close() error {
	time.Sleep(50 * time.Millisecond)
	return l.Listener.Close()
}

// awaitConnections returns when a front has accepted so many.
func awaitConnections(t *testing.T, front *server.Front, n int) {
	t.Helper()
	for deadline := time.Now().Add(siegeEnd); server.Connections(front) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are never accepted", n)
		}
	}
}

// TestFrontShutdown: what has come is answered, on old connections and on new ones, by the front
// and by net/http, nobody who says nothing keeps the server from stopping, and who learns of it
// finds nobody who takes another connection.
func TestFrontShutdown(t *testing.T) {
	r := newRig(t, nil).known()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front := server.NewFront(r.handler.(*server.Server), nil)
	served := make(chan error, 1)
	go func() { served <- front.Serve(lingering{l}) }()
	address := l.Addr().String()
	idle := dial(t, address)
	fmt.Fprint(idle, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := answersUntil(t, idle, 1); got != "200" {
		t.Fatal(got)
	}
	upload := dial(t, address)
	fmt.Fprintf(upload, "POST %s HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nContent-Length: %d\r\n\r\n", reports, token, len(oneLine))
	fresh := []net.Conn{dial(t, address), dial(t, address)}
	awaitConnections(t, front, 4)
	var stopped sync.WaitGroup
	stopped.Go(func() {
		if err := front.Shutdown(t.Context()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	if _, err := io.ReadAll(idle); err != nil {
		t.Errorf("an idle connection: %v", err)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("a new connection is accepted")
	}
	fmt.Fprint(fresh[0], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := answersOf(t, fresh[0]); got != "200" {
		t.Errorf("the first request of a connection: %s", got)
	}
	fmt.Fprint(fresh[1], "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	if got := answersOf(t, fresh[1]); got != "200" {
		t.Errorf("one that is not plain: %s", got)
	}
	fmt.Fprint(upload, oneLine)
	if got := answersOf(t, upload); got != "200" {
		t.Errorf("an upload under way: %s", got)
	}
	stopped.Wait()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
}

// TestFrontListenerCloses: whose connection is ended as nobody takes what is left of it finds nobody
// who takes another one, either.
func TestFrontListenerCloses(t *testing.T) {
	r := newRig(t, nil).known()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front := server.NewFront(r.handler.(*server.Server), nil)
	left := front.Listen(lingering{l}) // from which nobody accepts
	conn := dial(t, l.Addr().String())
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nContent-Length: 0\r\n\r\n", reports, token)
	awaitConnections(t, front, 1)
	closed := make(chan error, 1)
	go func() { closed <- left.Close() }()
	if answer, err := io.ReadAll(conn); err != nil || len(answer) > 0 {
		t.Errorf("%q, %v", answer, err)
	}
	if conn, err := net.Dial("tcp", l.Addr().String()); err == nil {
		conn.Close()
		t.Error("a new connection is accepted")
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestFrontShutdownWhileTheyCome: what is accepted while a front begins to shut down is waited for
// as what came before it, and a listener that comes later is closed.
func TestFrontShutdownWhileTheyCome(t *testing.T) {
	r := newRig(t, nil).known()
	for range 30 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		front := server.NewFront(r.handler.(*server.Server), nil)
		served := make(chan error, 1)
		go func() { served <- front.Serve(l) }()
		var clients sync.WaitGroup
		came := make(chan struct{}, 4)
		for range cap(came) {
			clients.Go(func() {
				for some := false; ; some = true {
					conn, err := net.Dial("tcp", l.Addr().String())
					if err != nil {
						return
					}
					fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
					answer, _ := io.ReadAll(conn) // one that was never accepted is cut off
					conn.Close()
					if len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
						t.Errorf("got %q", answer)
					}
					if !some {
						came <- struct{}{}
					}
				}
			})
		}
		for range cap(came) {
			<-came
		}
		if err := front.Shutdown(t.Context()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
		clients.Wait()
		late, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := front.Serve(late); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve behind Shutdown: %v", err)
		}
		if conn, err := net.Dial("tcp", late.Addr().String()); err == nil {
			conn.Close()
			t.Fatal("a listener that came too late is open")
		}
	}
}

// answersUntil reads so many answers.
func answersUntil(t *testing.T, conn io.Reader, n int) string {
	t.Helper()
	var all []string
	in := bufio.NewReader(conn)
	for range n {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		all = append(all, sound(t, resp.StatusCode, resp.Header, body))
	}
	return strings.Join(all, ", ")
}

// TestFrontAllocs: the front itself allocates nothing for a question that comes again.
func TestFrontAllocs(t *testing.T) {
	long := strings.Repeat("gAAAAABl", 24) // as long as a token of Keystone
	who, err := auth.OperatorToken(long)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, who).known()
	ask := r.handler.(*server.Server).PlainAgain("GET " + statistics + "?port=22 HTTP/1.1\r\nHost: x\r\nX-Auth-Token: " + long + "\r\n\r\n")
	for range 100 {
		ask()
	}
	if n := testing.AllocsPerRun(1000, ask); n > 0 {
		t.Errorf("%v allocations for a question that was asked before", n)
	}
}

// BenchmarkFront is what a question costs over a connection, this client's part included.
func BenchmarkFront(b *testing.B) {
	eachWayBench(b, func(b *testing.B, fronted bool) {
		r := newRig(b, nil).known()
		conn, err := net.Dial("tcp", r.start(fronted, nil, nil))
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		question := []byte("GET " + statistics + "?port=22 HTTP/1.1\r\nHost: x\r\nX-Auth-Token: " + token + "\r\n\r\n")
		var answer [4096]byte
		b.ReportAllocs()
		for b.Loop() {
			if _, err := conn.Write(question); err != nil {
				b.Fatal(err)
			}
			if n, err := conn.Read(answer[:]); err != nil || n < 200 || answer[n-1] != '}' {
				b.Fatalf("%q, %v", answer[:n], err)
			}
		}
	})
}

func eachWayBench(b *testing.B, bench func(b *testing.B, fronted bool)) {
	b.Run("front", func(b *testing.B) { bench(b, true) })
	b.Run("net/http", func(b *testing.B) { bench(b, false) })
}
