package server_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// shape is what somebody may write to a connection and what then comes: for
// each answer its status and, of an error, its code; plain is an error that
// net/http found before any handler was asked.
type shape struct{ name, raw, want string }

// shapes returns requests that are not what browsers send.
func shapes() []shape {
	const (
		auth  = "X-Auth-Token: " + token + "\r\n"
		last  = "Host: x\r\nConnection: close\r\n"
		post  = "POST /v1/projects/p9/reports HTTP/1.1\r\nHost: x\r\n" + auth
		line  = `{"asset":"h1","open":[]}` // 24 bytes
		chunk = "18\r\n" + line + "\r\n0\r\n\r\n"
		next  = "GET /healthz HTTP/1.1\r\n" + last + "\r\n" // what a smuggler wants to be answered
	)
	get := func(target string) string { return "GET " + target + " HTTP/1.1\r\n" + auth + last + "\r\n" }
	header := func(text string) string { return "GET /healthz HTTP/1.1\r\n" + last + text + "\r\n\r\n" }
	upload := func(body string) string {
		return post + "Connection: close\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	}
	return []shape{
		// Bytes that are no text.
		{"NUL in the path", get("/v5/p\x001/asset/port/statistics"), "400 plain"},
		{"NUL in the query", get(statistics + "?port=\x00"), "400 plain"},
		{"NUL in a header", header("X: a\x00b"), "400 plain"},
		{"escaped NUL in the project", get("/v5/%00/asset/port/statistics"), "200"},
		{"escaped NUL as port", get(statistics + "?port=%00"), "400 HSS.0001"},
		{"escaped NUL as port_string", get(statistics + "?port_string=%00"), "200"},
		{"escaped NUL as name", get(statistics + "?%00=1"), "200"},
		{"escaped NUL in an enterprise project", get(statistics + "?enterprise_project_id=%00"), "200"},
		{"invalid UTF-8 in the path", get("/v5/\xff\xfe/asset/port/statistics"), "200"},
		{"invalid UTF-8 in the query", get(statistics + "?sort_dir=\xff"), "400 HSS.0001"},
		{"escaped invalid UTF-8", get(statistics + "?category=%ff%c0%80"), "400 HSS.0001"},
		{"invalid UTF-8 too long", get(statistics + "?type=" + strings.Repeat("%ff", 300)), "400 HSS.0001"},
		{"broken escape in the path", get("/v5/%zz/asset/port/statistics"), "400 plain"},
		{"broken escape in the query", get(statistics + "?port=%zz"), "400 HSS.0001"},
		{"invalid UTF-8 in a header", header("X: \xff"), "200"},
		{"reports of a project that is no text", strings.Replace(upload(line), "p9", "%ff", 1), "400 HSS.0001"},
		{"removing what is no text", "DELETE /v1/projects/p9/assets/%ff HTTP/1.1\r\n" + auth + last + "\r\n", "404 HSS.0002"},
		{"NUL in a body", upload("{\"asset\":\"h\x001\",\"open\":[]}"), "400 HSS.0001"},
		{"invalid UTF-8 in a body", upload("{\"asset\":\"h\xff\xfe\",\"open\":[]}"), "400 HSS.0001"},
		{"a body that is no text", upload("\x00\x01\x02\xff"), "400 HSS.0001"},

		// Sizes.
		{"a header that is too large", header("X: " + strings.Repeat("x", 70<<10)), "431 plain"},
		{"headers that are too many", header(strings.Repeat("X: y\r\n", 20<<10) + "X: y"), "431 plain"},
		{"a header that is just not too large", header("X: " + strings.Repeat("x", 60<<10)), "200"},
		{"a target that is too long", get(statistics + "?port_string=" + strings.Repeat("4", 70<<10)), "431 plain"},
		{"a port_string that fits into a header", get(statistics + "?port_string=" + strings.Repeat("4", 60<<10)), "400 HSS.0001"},
		{"many parameters", get(statistics + "?" + strings.Repeat("a&", 30<<10)), "200"},
		{"many segments", get(strings.Repeat("/", 60<<10)), "404 APIGW.0101"},

		// Versions of the protocol.
		{"HTTP/1.0", "GET " + statistics + " HTTP/1.0\r\n" + auth + "\r\n", "200"},
		{"HTTP/1.0 that is kept", "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n", "200, 200"},
		{"HTTP/1.0 that is not kept", "GET /healthz HTTP/1.0\r\n\r\n" + next, "200"},
		{"HTTP/1.0 knows no chunks", "GET /healthz HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + next, "200"},
		{"HTTP/1.0 knows no chunks, kept", "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + next, "200, 400 plain"},
		{"HTTP/0.9", "GET /healthz\r\n\r\n", "400 plain"},
		{"HTTP/1.1 without a host", "GET /healthz HTTP/1.1\r\n\r\n", "400 plain"},
		{"HTTP/1.1 with two hosts", header("Host: y"), "400 plain"},
		{"a version to come", "GET /healthz HTTP/3.0\r\n" + last + "\r\n", "505 plain"},
		{"no version", "GET /healthz HTTP/one\r\n" + last + "\r\n", "400 plain"},
		{"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "404 APIGW.0101"},
		{"upgrade to HTTP/2", header("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__"), "200"},
		{"upgrade to a socket", header("Connection: Upgrade\r\nUpgrade: websocket"), "200"},

		// Targets.
		{"absolute target", get("http://elsewhere.example" + statistics), "200"},
		{"absolute target of another scheme", get("gopher://elsewhere.example" + statistics), "200"},
		{"target without a slash", get("healthz"), "400 plain"},
		{"CONNECT", "CONNECT elsewhere.example:443 HTTP/1.1\r\n" + last + "\r\n", "404 APIGW.0101"},
		{"CONNECT to a path", "CONNECT " + statistics + " HTTP/1.1\r\n" + last + "\r\n", "404 APIGW.0101"},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\n" + last + "\r\n", "404 APIGW.0101"},
		{"GET *", get("*"), "404 APIGW.0101"},
		{"path that leaves", get("/v5/p1/../../healthz"), "404 APIGW.0101"},
		{"escaped path that leaves", get("/v5/p1/%2e%2e/%2e%2e/healthz"), "404 APIGW.0101"},
		{"escaped slash", get("/v5%2fp1/asset/port/statistics"), "404 APIGW.0101"},
		{"method that is none", "G\x01T /healthz HTTP/1.1\r\n" + last + "\r\n", "400 plain"},
		{"method of one's own", "PURGE /healthz HTTP/1.1\r\n" + last + "\r\n", "404 APIGW.0101"},
		{"TRACE", "TRACE /healthz HTTP/1.1\r\n" + last + "\r\n", "404 APIGW.0101"},

		// Line ends.
		{"lone LF", "GET /healthz HTTP/1.1\nHost: x\nConnection: close\n\n", "200"},
		{"lone CR", "GET /healthz HTTP/1.1\rHost: x\r\r\n\r\n", "400 plain"},
		{"CR in a header", header("X: a\rb"), "400 plain"},
		{"empty lines first", "\r\n\r\n" + next, "400 plain"},
		{"space before a colon", header("X : y"), "400 plain"},
		{"header without a colon", header("X"), "400 plain"},
		{"header without a name", header(": y"), "400 plain"},
		{"folded header", header("X: a\r\n b"), "200"},
		{"folded first header", "GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n", "400 plain"},

		// Where one request ends and the next begins.
		{"length and chunks: the chunks count", post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + next, "200, 200"},
		{"chunks and a bad length", post + "Transfer-Encoding: chunked\r\nContent-Length: five\r\n\r\n" + chunk + next, "400 plain"},
		{"two lengths", post + "Content-Length: 24\r\nContent-Length: 25\r\n\r\n" + line + next, "400 plain"},
		{"the same length twice", post + "Content-Length: 24\r\nContent-Length: 24\r\n\r\n" + line + next, "200, 200"},
		{"a list of lengths", post + "Content-Length: 24, 24\r\n\r\n" + line + next, "400 plain"},
		{"negative length", post + "Content-Length: -24\r\n\r\n" + line + next, "400 plain"},
		{"signed length", post + "Content-Length: +24\r\n\r\n" + line + next, "400 plain"},
		{"length in hexadecimal", post + "Content-Length: 0x18\r\n\r\n" + line + next, "400 plain"},
		{"length of many digits", post + "Content-Length: 99999999999999999999\r\n\r\n" + line + next, "400 plain"},
		{"empty length", post + "Content-Length:\r\n\r\n" + next, "400 plain"},
		{"folded length", post + "Content-Length: 2\r\n 4\r\n\r\n" + line + next, "400 plain"},
		{"length of a question", "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: " + strconv.Itoa(len(next)) + "\r\n\r\n" + next + next, "200"},
		{"unknown coding", post + "Transfer-Encoding: xchunked\r\n\r\n" + chunk + next, "501 plain"},
		{"chunked twice", post + "Transfer-Encoding: chunked, chunked\r\n\r\n" + chunk + next, "501 plain"},
		{"two codings", post + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunk + next, "501 plain"},
		{"two headers of codings", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunk + next, "501 plain"},
		{"coding with a tab", post + "Transfer-Encoding:\tchunked\r\n\r\n" + chunk + next, "200, 200"},
		{"coding with a vertical tab", post + "Transfer-Encoding: \x0bchunked\r\n\r\n" + chunk + next, "400 plain"},
		{"folded coding", post + "Transfer-Encoding:\r\n chunked\r\n\r\n" + chunk + next, "200, 200"},
		{"size that is none", post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + line + "\r\n0\r\n\r\n" + next, "400 HSS.0007"},
		{"size with a sign", post + "Transfer-Encoding: chunked\r\n\r\n+18\r\n" + line + "\r\n0\r\n\r\n" + next, "400 HSS.0007"},
		{"size with 0x", post + "Transfer-Encoding: chunked\r\n\r\n0x18\r\n" + line + "\r\n0\r\n\r\n" + next, "400 HSS.0007"},
		{"size of many digits", post + "Transfer-Encoding: chunked\r\n\r\n10000000000000018\r\n" + line + "\r\n0\r\n\r\n" + next, "400 HSS.0007"},
		{"size that is too small", post + "Transfer-Encoding: chunked\r\n\r\n17\r\n" + line + "\r\n0\r\n\r\n" + next, "400 HSS.0007"},
		{"chunks that end in LF", post + "Transfer-Encoding: chunked\r\n\r\n18\n" + line + "\n0\n\n" + next, "400 HSS.0007"},
		{"chunks without an end", post + "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n18\r\n" + line + "\r\n", "408 HSS.0004"},
		{"trailers", post + "Connection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Auth-Token\r\n\r\n18\r\n" + line + "\r\n0\r\nX-Auth-Token: y\r\nContent-Length: 9\r\n\r\n", "200"},
		{"trailers that are none", post + "Transfer-Encoding: chunked\r\n\r\n0\r\nX y\r\n\r\n" + next, "400 HSS.0007"},
		{"trailers that are too long", post + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 690) + next, "400 HSS.0007"},
		{"trailers that are too long, unread", "POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 690) + next, "404 APIGW.0101"},
		{"expectation that is none", header("Expect: a miracle"), "417 plain"},
	}
}

// TestShapes: each shape gets the answers that it should and then the
// connection ends, so that nothing that follows is taken for a request.
func TestShapes(t *testing.T) {
	besiege(t, attack{"shapes", func(t *testing.T, s *siege) {
		for _, c := range shapes() {
			t.Run(c.name, func(t *testing.T) {
				conn := s.open(t)
				if _, err := io.WriteString(conn, c.raw); err != nil {
					t.Fatal(err)
				}
				if got := answersOf(t, conn); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		}
	}})
}

// answersOf reads a connection to its end and returns its answers as a shape
// gives them. Each must be sound.
func answersOf(t *testing.T, conn io.Reader) string {
	t.Helper()
	var all []string
	for in := bufio.NewReader(conn); ; {
		resp, err := http.ReadResponse(in, nil)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the connection is still open")
		}
		if err != nil {
			return strings.Join(all, ", ")
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Errorf("the answer %d is cut: %v", resp.StatusCode, err)
		}
		if resp.StatusCode == http.StatusContinue {
			continue
		}
		all = append(all, sound(t, resp.StatusCode, resp.Header, body))
	}
}

// sound holds an answer against what every answer of ours is, and returns it as
// a shape gives it. Only net/http answers without an id.
func sound(t testing.TB, status int, h http.Header, body []byte) string {
	t.Helper()
	short := strconv.Itoa(status)
	id := h.Get("X-Request-Id")
	if id == "" {
		if status < 400 || strings.HasPrefix(h.Get("Content-Type"), "application/") {
			t.Errorf("%d without a request id: %v %s", status, h, body)
		}
		return short + " plain"
	}
	if !hex32.MatchString(strings.ToLower(id)) {
		t.Errorf("request id %q", id)
	}
	if status == http.StatusNoContent || status == http.StatusNotModified {
		if len(body) > 0 || h.Get("Content-Type") != "" {
			t.Errorf("%d with %v %q", status, h, body)
		}
		return short
	}
	if h.Get("Content-Length") != strconv.Itoa(len(body)) || !utf8.Valid(body) {
		t.Errorf("%d: %v with %d bytes: %q", status, h, len(body), body)
	}
	if status == http.StatusOK && h.Get("Content-Type") == "application/yaml" {
		return short
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil || h.Get("Content-Type") != "application/json" {
		t.Errorf("%d: %v in %v %q", status, err, h, body)
	}
	if status == http.StatusOK {
		return short
	}
	if e.Code == "" || e.Msg == "" || strings.HasPrefix(e.Code, "APIGW.") != (e.Request != nil && *e.Request == id) {
		t.Errorf("%d: the envelope is %s", status, body)
	}
	return short + " " + e.Code
}
