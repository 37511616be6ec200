package server_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const reports = "/v1/projects/p9/reports" // a project that nobody asks about

// TestSlowClients: who keeps the server waiting is ended by its limits.
func TestSlowClients(t *testing.T) {
	besiege(t,
		attack{"headers byte by byte", headersByteByByte},
		attack{"bodies that stand still", bodiesThatStandStill},
		attack{"bodies that drip and go", bodiesThatDrip},
		attack{"nothing is said", func(t *testing.T, s *siege) {
			for _, conn := range s.crowd(t, 100, "") {
				ended(t, conn)
			}
		}},
		attack{"nothing is said any more", func(t *testing.T, s *siege) {
			for _, conn := range s.crowd(t, 100, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") {
				if got := ended(t, conn); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
					t.Errorf("got %q", got)
				}
			}
		}},
		attack{"nothing can be said any more", func(t *testing.T, s *siege) {
			for _, conn := range s.crowd(t, 20, "GET /healthz HTTP/1.1\r\nHo") {
				if err := conn.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				ended(t, conn)
			}
		}},
		attack{"answers that nobody reads", answersNobodyReads},
		attack{"TLS on a plain port", func(t *testing.T, s *siege) {
			for range many(20) {
				if err := tls.Client(s.open(t), &tls.Config{InsecureSkipVerify: true}).Handshake(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("a handshake: %v", err)
				}
			}
		}},
	)
}

func headersByteByByte(t *testing.T, s *siege) {
	open := s.crowd(t, 100, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	for began := time.Now(); len(open) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > siegeEnd {
			t.Fatalf("%d connections are still open", len(open))
		}
		open = slices.DeleteFunc(open, func(conn *net.TCPConn) bool {
			_, err := io.WriteString(conn, "x")
			return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
		})
	}
}

func bodiesThatStandStill(t *testing.T, s *siege) {
	head := " " + reports + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nX-Auth-Token: "
	for text, want := range map[string]string{
		"POST" + head + token + "\r\n\r\n" + `{"asset":"h1","open":["1/tcp"]}` + "\n{": "408 HSS.0004",
		"POST" + head + token + "x\r\n\r\n{":                                           "401 APIGW.0301",
		"PUT" + head + token + "\r\n\r\n{":                                             "404 APIGW.0101",
	} {
		for _, conn := range s.crowd(t, 20, text) {
			if got := answersOf(t, conn); got != want {
				t.Errorf("%q: got %s, want %s", text, got, want)
			}
		}
	}
}

// bodiesThatDrip come too slowly: they end.
func bodiesThatDrip(t *testing.T, s *siege) {
	open := s.crowd(t, 20, "POST "+reports+" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nX-Auth-Token: "+token+"\r\n\r\n")
	for _, conn := range open {
		go func() {
			for err := error(nil); err == nil; time.Sleep(100 * time.Millisecond) {
				_, err = io.WriteString(conn, "1\r\n \r\n")
			}
		}()
	}
	for _, conn := range open {
		if got := answersOf(t, conn); got != "408 HSS.0004" {
			t.Errorf("got %s, want 408", got)
		}
	}
}

func answersNobodyReads(t *testing.T, s *siege) {
	var all sync.WaitGroup
	for range many(10) {
		conn := s.open(t)
		if err := conn.SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			var err error
			for question := strings.Repeat("GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n", 100); err == nil; {
				_, err = io.WriteString(conn, question)
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection is still open")
			}
		})
	}
	all.Wait()
}

// TestManyIdleConnections: ten thousand connections that say nothing keep
// nobody out, and the server holds no more of them than it may.
func TestManyIdleConnections(t *testing.T) {
	besiege(t, attack{"idle", func(t *testing.T, s *siege) {
		idle := many(10_000)
		for i := range idle {
			if s.open(t); i%100 == 0 { // the others may come in between
				s.await(s.probes.Load() + 1)
			}
		}
		evicted := func() float64 { return gauge(t, exposed(t, s.seen), "portolan_connections_evicted_total") }
		for began := time.Now(); evicted() < float64(idle-siegeConns) && time.Since(began) < siegeEnd; {
			time.Sleep(time.Millisecond) // the last are still to be accepted
		}
		if n := evicted(); n < float64(idle-siegeConns) {
			t.Errorf("%v connections were ended, want %d or more", n, idle-siegeConns)
		}
		if n := gauge(t, exposed(t, s.seen), "portolan_connections"); n > siegeConns {
			t.Errorf("%v connections are open, want at most %d", n, siegeConns)
		}
	}})
}

// gauge returns a value out of what Prometheus reads.
func gauge(t *testing.T, text, name string) (value float64) {
	t.Helper()
	_, rest, _ := strings.Cut(text, "\n"+name+" ")
	if _, err := fmt.Sscan(rest, &value); err != nil {
		t.Fatalf("no %s in %s: %v", name, text, err)
	}
	return value
}

// TestEndlessRequests: what never ends is cut off where it is too long, and
// whoever sends it is told.
func TestEndlessRequests(t *testing.T) {
	upload := "POST " + reports + " HTTP/1.1\r\nHost: x\r\nX-Auth-Token: " + token + "\r\n"
	chunked := upload + "Transfer-Encoding: chunked\r\n\r\n"
	get := "GET /healthz HTTP/1.1\r\nHost: x\r\n"
	var attacks []attack
	for _, e := range []struct{ name, head, again, want string }{
		{"port_string", "GET " + statistics + "?port_string=", "4", "431 plain"},
		{"parameters", "GET " + statistics + "?", "port=1&", "431 plain"},
		{"path", "GET ", "/a", "431 plain"},
		{"method", "", "G", "431 plain"},
		{"value of a header", get + "X: ", "x", "431 plain"},
		{"name of a header", get, "x", "431 plain"},
		{"headers", get, "X: y\r\n", "431 plain"},
		{"folded header", get + "X: y\r\n", " y\r\n", "431 plain"},
		{"body without a route", "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 4294967296\r\n\r\n", "x", "404 APIGW.0101"},
		{"body without a caller", "POST " + reports + " HTTP/1.1\r\nHost: x\r\nContent-Length: 4294967296\r\n\r\n", "x", "401 APIGW.0301"},
		{"body", upload + "Content-Length: 4294967296\r\n\r\n", `{"asset":"a","open":[]}` + "\n", "413 HSS.0005"},
		{"line of a body", upload + "Content-Length: 4294967296\r\n\r\n" + `{"asset":"`, "a", "413 HSS.0005"},
		{"body of an unknown format", upload + "Content-Length: 4294967296\r\n\r\n", "x", "400 HSS.0001"},
		{"chunk's extension", chunked + "1;", "x", "400 HSS.0007"},
		{"size of a chunk", chunked, "0", "400 HSS.0007"},
		{"small chunks", chunked, "1;xxxxxxxxxxxxxxxxxxxx\r\n \r\n", "400 HSS.0007"},
		{"trailers", chunked + "0\r\n", "X: y\r\n", "400 HSS.0007"},
	} {
		attacks = append(attacks, attack{e.name, func(t *testing.T, s *siege) { endless(t, s, [3]string{e.head, e.again, e.want}) }})
	}
	besiege(t, attacks...)
}

// endless sends a head and 2 GiB of the same, as long as the server takes it.
func endless(t *testing.T, s *siege, text [3]string) {
	conn := s.open(t)
	answer := make(chan string, 1)
	go func() { answer <- answersOf(t, conn) }()
	_, err := io.WriteString(conn, text[0])
	again := strings.Repeat(text[1], 64<<10/len(text[1]))
	for sent := 0; err == nil; sent += len(again) {
		if sent > 2<<30 {
			t.Fatal("the server took 2 GiB")
		}
		_, err = io.WriteString(conn, again)
	}
	if got := <-answer; got != text[2] || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v; want %s", got, err, text[2])
	}
}

// TestInflatingClients: small bodies that become large ones are cut off where
// they are too large, and cost no memory.
func TestInflatingClients(t *testing.T) {
	lines := `{"asset":"x","open":[]}` + strings.Repeat("\n", 5<<20)
	name := `{"asset":"` + strings.Repeat("a", 5<<20)
	once := gzipped(t, lines)
	nested := gzipped(t, gzipped(t, once))
	var attacks []attack
	for _, bomb := range []struct{ name, coding, body, want string }{
		{"gzip", "gzip", strings.Repeat(once, 200), "413 HSS.0005"},
		{"zstd", "zstd", strings.Repeat(zstdCompressed(t, lines), 200), "413 HSS.0005"},
		{"one line", "gzip", gzipped(t, name), "413 HSS.0005"},
		{"XML that goes deep", "gzip", gzipped(t, "<nmaprun>"+strings.Repeat("<a>", 2<<20)), "413 HSS.0005"},
		{"XML with entities", "gzip", gzipped(t, `<!DOCTYPE nmaprun [<!ENTITY a "`+strings.Repeat("x", 1<<20)+`">]><nmaprun args="`+strings.Repeat("&a;", 1<<20)+`"/>`), "400 HSS.0001"},
		{"gzip in gzip", "gzip", nested, "400 HSS.0001"},
		{"gzip in gzip, declared", "gzip, gzip, gzip", nested, "415 HSS.0006"},
		{"members without content", "gzip", strings.Repeat(gzipped(t, ""), 100_000), "200"},
		{"a window of gigabytes", "zstd", "\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", "400 HSS.0007"},
		{"a content of gigabytes", "zstd", "\x28\xb5\x2f\xfd\xe0\x00\x00\x00\x00\x10\x00\x00\x00\x01\x00\x00", "400 HSS.0007"},
	} {
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Auth-Token: %s\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n", reports, token, bomb.coding, len(bomb.body))
		attacks = append(attacks, attack{bomb.name, func(t *testing.T, s *siege) {
			for range 2 {
				conn := s.open(t)
				answer := make(chan string, 1)
				go func() { answer <- answersOf(t, conn) }()
				io.WriteString(conn, head+bomb.body) // the server may end it
				if got := <-answer; got != bomb.want {
					t.Errorf("got %s, want %s", got, bomb.want)
				}
			}
		}})
	}
	besiege(t, attacks...)
}

// TestRudeClients: who leaves in the middle of anything leaves nothing behind.
func TestRudeClients(t *testing.T) {
	report := `{"asset":"h1","open":["1/tcp"]}` + "\n"
	upload := "POST " + reports + " HTTP/1.1\r\nHost: x\r\nX-Auth-Token: " + token + "\r\nContent-Length: 1000\r\n"
	question := "GET " + statistics + " HTTP/1.1\r\nHost: x\r\nX-Auth-Token: " + token + "\r\n\r\n"
	var attacks []attack
	for _, rude := range []struct {
		name, sent string
		waits      bool // for the first byte of an answer
	}{
		{"before anything", "", false},
		{"in the request line", "GET /v5/p1/as", false},
		{"in a header", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Au", false},
		{"before the body", upload + "\r\n", false},
		{"in the body", upload + "\r\n" + report + report[:9], false},
		{"in a compressed body", upload + "Content-Encoding: gzip\r\n\r\n" + gzipped(t, report)[:20], false},
		{"in a chunk", "POST " + reports + " HTTP/1.1\r\nHost: x\r\nX-Auth-Token: " + token + "\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + report, false},
		{"asked to go on", upload + "Expect: 100-continue\r\n\r\n", true},
		{"before the answer", question, false},
		{"in many answers", strings.Repeat("GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n", 200), true},
	} {
		attacks = append(attacks, attack{rude.name, func(t *testing.T, s *siege) {
			for i := range many(50) {
				conn := s.open(t)
				if i%2 == 0 { // its end is a reset
					if err := conn.SetLinger(0); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := io.WriteString(conn, rude.sent); err != nil {
					t.Fatal(err)
				}
				if rude.waits {
					if _, err := conn.Read(make([]byte, 1)); err != nil {
						t.Fatal(err)
					}
				}
				conn.Close()
			}
		}})
	}
	besiege(t, attacks...)
}

// TestPipelining: many requests in one write get their answers in their order.
func TestPipelining(t *testing.T) {
	besiege(t, attack{"pipelining", func(t *testing.T, s *siege) {
		var all strings.Builder
		wants := []int{200, 401, 404, 400}
		n := many(400)
		for i := range n {
			target := [...]string{statistics, statistics, "/nowhere", statistics + "?limit=1"}[i%4]
			sent := [...]string{token, "short", token, token}[i%4]
			fmt.Fprintf(&all, "GET %s HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nX-Request-Id: %032x\r\n\r\n", target, sent, i)
		}
		for _, conn := range s.crowd(t, 10, all.String()) {
			in := bufio.NewReader(conn)
			for i := range n {
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				readAll(t, resp.Body)
				resp.Body.Close()
				if id := resp.Header.Get("X-Request-Id"); id != fmt.Sprintf("%032x", i) || resp.StatusCode != wants[i%4] {
					t.Fatalf("answer %d: %d, id %s", i, resp.StatusCode, id)
				}
			}
		}
	}})
}
