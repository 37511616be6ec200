package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"portolan/server"
)

// summary is the answer to reports.
type summary struct {
	Complete                            bool
	Applied, Unchanged, Stale, Rejected int
	LeftOut                             map[string]int `json:"left_out"`
	Errors                              []struct {
		Line   int
		Reason string
	}
	Code string `json:"error_code"`
}

func (r *rig) post(query, body string) (int, summary) {
	r.Helper()
	w := r.ask(http.MethodPost, "/v1/projects/p1/reports?"+query, body)
	var s summary
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		r.Fatalf("%v in %s", err, w.Body)
	}
	return w.Code, s
}

func TestReports(t *testing.T) {
	r := newRig(t, nil)
	body := `{"asset":"h1","open":["123/udp"]}` + "\n" + `{"asset":"h2","open":["99999/udp"]}` + "\n" + `{"asset":"h3","colour":1,"open":[]}` + "\n" + `{"asset":"h1","open":["123/udp"]}` + "\n"
	status, s := r.post("enterprise_project_id=shop", body)
	if status != 200 || !s.Complete || s.Applied != 1 || s.Unchanged != 1 || s.Rejected != 2 || len(s.Errors) != 2 || s.Errors[0].Line != 2 {
		t.Errorf("%d %+v", status, s)
	}
	if got := short(t, r.get("enterprise_project_id=shop")); got != "1: 1×123/UDP" {
		t.Errorf("then: %s", got)
	}
	status, s = r.post("category=container&scope=all", `{"asset":"h1","open":["80/tcp"]}`)
	if status != 200 || s.Applied != 1 {
		t.Errorf("%d %+v", status, s)
	}
	if got := short(t, r.get("category=container")); got != "1: 1×80/TCP" {
		t.Errorf("then: %s", got)
	}
	if status, s = r.post("", `{"asset":"h1","project_id":"p2","open":[]}`); status != 400 || s.Rejected != 1 || s.Code != "HSS.0001" {
		t.Errorf("a line about another project: %d %+v", status, s)
	}
}

func TestReportsNmap(t *testing.T) {
	text, err := os.ReadFile("../cmd/portolan/testdata/scan.xml")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, nil)
	if status, s := r.post("", string(text)); status != 200 || !s.Complete || s.Applied == 0 {
		t.Fatalf("%d %+v", status, s)
	}
	if status, s := r.post("", string(text[:len(text)*2/3])); status != 200 || s.Complete {
		t.Errorf("a cut file: %d %+v", status, s)
	}
}

func TestReportsRefused(t *testing.T) {
	r := newRig(t, nil)
	if status, s := r.post("", "%PDF-1.7 nothing of ours"); status != 400 || s.Code != "HSS.0001" {
		t.Errorf("an unknown format: %d %+v", status, s)
	}
	if status, s := r.post("strict=true", `{"asset":"h1","open":["1/tcp"]}`+"\n"+`{"asset":""}`+"\n"); status != 400 || s.Applied != 0 || s.Rejected != 1 {
		t.Errorf("strict: %d %+v", status, s)
	}
	if got := short(t, r.get("")); got != "0:" {
		t.Errorf("strict left %s", got)
	}
	line := `{"asset":"h%06d","open":["1/tcp"]}` + "\n"
	var body strings.Builder
	for i := 0; body.Len() < 2<<20; i++ {
		fmt.Fprintf(&body, line, i)
	}
	if status, s := r.post("", body.String()); status != http.StatusRequestEntityTooLarge || s.Applied == 0 || s.Complete {
		t.Errorf("a body too large: %d %+v", status, s)
	}
	req := httptest.NewRequest(http.MethodPost, "/v1/projects/p1/reports", strings.NewReader("x"))
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("Content-Encoding", "br")
	w := httptest.NewRecorder()
	if r.handler.ServeHTTP(w, req); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("an encoded body: %d %s", w.Code, w.Body)
	}
}

func TestRemove(t *testing.T) {
	r := newRig(t, nil).known()
	if w := r.ask(http.MethodDelete, "/v1/projects/p1/assets/h1", ""); w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := short(t, r.get("port=22")); got != "1: 1×22/TCP" {
		t.Errorf("then: %s", got)
	}
	wantFailure(t, r.ask(http.MethodDelete, "/v1/projects/p1/assets/h1", ""), 404, "HSS.0002", "asset")
	r.apply("a/b%c 1/tcp")
	if w := r.ask(http.MethodDelete, "/v1/projects/p1/assets/a%2Fb%25c?category=host", ""); w.Code != http.StatusNoContent {
		t.Errorf("an id with a slash: %d %s", w.Code, w.Body)
	}
}

// TestCutBody sends less than it promised over a real connection: what was
// whole is applied, and the answer says so.
func TestCutBody(t *testing.T) {
	for name, wait := range map[string]bool{"cut": false, "slow": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			srv := httptest.NewUnstartedServer(r.handler)
			srv.Config = server.NewHTTPServer(r.handler, nil)
			srv.Start()
			defer srv.Close()
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST /v1/projects/p1/reports HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nContent-Length: 1000\r\n\r\n%s\n%s",
				token, `{"asset":"h1","open":["1/tcp"]}`, `{"asset":"h2","open":["2/t`)
			if !wait {
				if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			want := map[bool]int{false: http.StatusBadRequest, true: http.StatusRequestTimeout}[wait]
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var s summary
			if err := json.Unmarshal([]byte(readAll(t, resp.Body)), &s); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != want || s.Applied != 1 || s.Complete || s.Code == "" {
				t.Errorf("%d %+v, want %d", resp.StatusCode, s, want)
			}
			if got := short(t, r.get("")); got != "1: 1×1/TCP" {
				t.Errorf("then: %s", got)
			}
		})
	}
}

// TestGivenUpBody: a client that stops in the middle and says so gets an answer
// like one whose connection broke.
func TestGivenUpBody(t *testing.T) {
	for _, c := range []struct {
		word    string
		strict  bool
		status  int
		applied int
	}{
		{"Portolan-Complete: true\r\n", false, 200, 1},
		{"Portolan-Complete: true\r\n", true, 200, 1},
		{"Portolan-Complete: false\r\n", false, 400, 1},
		{"Portolan-Complete: false\r\n", true, 400, 0},
		{"", false, 400, 1},
	} {
		r := newRig(t, nil)
		srv := httptest.NewServer(r.handler)
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		const line = `{"asset":"h1","open":["1/tcp"]}` + "\n"
		fmt.Fprintf(conn, "POST /v1/projects/p1/reports?strict=%t HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nTransfer-Encoding: chunked\r\nTrailer: Portolan-Complete\r\n\r\n%x\r\n%s\r\n0\r\n%s\r\n",
			c.strict, token, len(line), line, c.word)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		var s summary
		if err := json.Unmarshal([]byte(readAll(t, resp.Body)), &s); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != c.status || s.Applied != c.applied || s.Complete != (c.status == 200) {
			t.Errorf("%q, strict %t: %d %+v", c.word, c.strict, resp.StatusCode, s)
		}
		conn.Close()
		srv.Close()
	}
}

// TestSlowButSteady: a body that keeps flowing may take longer than it may stand still.
func TestSlowButSteady(t *testing.T) {
	r := newRig(t, nil)
	srv := httptest.NewServer(r.handler)
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := strings.Repeat(`{"asset":"h1","open":["1/tcp"]}`+"\n", 100)
	fmt.Fprintf(conn, "POST /v1/projects/p1/reports HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nContent-Length: %d\r\n\r\n", token, len(body))
	for part := 0; part < len(body); part += 800 {
		time.Sleep(400 * time.Millisecond)
		fmt.Fprint(conn, body[part:min(part+800, len(body))])
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%d %s", resp.StatusCode, readAll(t, resp.Body))
	}
}
