package main

import (
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// get asks the server for a path below its base address and returns the page.
func (s *served) get(t *testing.T, path string) portPage {
	t.Helper()
	req := curlRequest{method: http.MethodGet, url: s.url + path, header: http.Header{tokenHeader: {s.token}}}
	text, status := req.do(t)
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", path, status, text)
	}
	var page portPage
	if err := json.Unmarshal([]byte(text), &page); err != nil {
		t.Fatalf("%s: %v in %s", path, err, text)
	}
	return page
}

const statistics = "/v5/default/asset/port/statistics?"

// The published example, asked with the very line that serve prints.
func TestServeAnswersItsOwnLine(t *testing.T) {
	s := serve(t, nil, "--import", scanXML)
	text, status := parseCurl(t, words(s.curl, env{}.get)).do(t)
	if status != http.StatusOK || !strings.Contains(text, `{"num":4,"port":123,"type":"UDP","status":"danger"}`) {
		t.Errorf("%s\nanswers %d %s", s.curl, status, text)
	}
	if r := s.stop(); r.code != exitOK {
		t.Errorf("stopping: exit %d\n%s", r.code, r.stderr)
	}
}

func TestServeSeedExample(t *testing.T) {
	s := serve(t, nil, "--import", scanXML)
	req := curlRequest{method: http.MethodGet, url: s.url + statistics + "port=123&category=host", header: http.Header{tokenHeader: {s.token}}}
	got, _ := req.do(t)
	const want = `{"total_num":1,"data_list":[{"num":4,"port":123,"type":"UDP","status":"danger"}]}`
	if strings.TrimSpace(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestServeImportFlags(t *testing.T) {
	s := serve(t, nil, "--project", "p 1", "--enterprise-project", "shop", "--category", "container", "--import", scanXML)
	if text, status := parseCurl(t, words(s.curl, env{}.get)).do(t); status != http.StatusOK || !strings.Contains(text, `"num":4`) {
		t.Errorf("%s\nanswers %d %s", s.curl, status, text)
	}
	if page := s.get(t, "/v5/p%201/asset/port/statistics?category=container&enterprise_project_id=shop&port=123"); page.Total != 1 {
		t.Errorf("shop has %d rows, want 1", page.Total)
	}
	if page := s.get(t, "/v5/p%201/asset/port/statistics?category=container"); page.Total != 0 {
		t.Errorf("enterprise project 0 has %d rows, want 0", page.Total)
	}
}

func TestServeDemo(t *testing.T) {
	s := serve(t, nil, "--demo", "500")
	for _, category := range []string{"host", "container"} {
		all := s.get(t, statistics+"enterprise_project_id=all_granted_eps&category="+category)
		one := s.get(t, statistics+"enterprise_project_id=group-01&category=host")
		if all.Total == 0 || one.Total == 0 {
			t.Errorf("%s: %d rows in all, %d in one enterprise project", category, all.Total, one.Total)
		}
	}
}

func TestServeDamagedFile(t *testing.T) {
	s := serve(t, nil, "--import", damagedXML, "--import", rejectsFile)
	if page := s.get(t, statistics+"port=123"); len(page.Rows) != 1 {
		t.Errorf("got %v", page)
	}
	r := s.stop()
	if r.code != exitOK || !strings.Contains(r.stderr, "incomplete") || !strings.Contains(r.stderr, "rejected") {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
}

func TestServeStrict(t *testing.T) {
	if r := call(t, nil, "serve", "--listen", "127.0.0.1:0", "--strict", "--import", damagedXML); r.code != exitFailed {
		t.Errorf("exit %d, want 1\n%s", r.code, r.stderr)
	}
}

// An address in use is found out before anything is loaded.
func TestServeAddressInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	r := call(t, nil, "serve", "--listen", ln.Addr().String(), "--import", "testdata/missing.xml")
	if r.code != exitFailed || !strings.Contains(r.stderr, "in use") {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
}

// A request under way when the server is told to stop gets its answer.
func TestServeDrains(t *testing.T) {
	s := serve(t, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	line := `{"asset":"h1","open":["123/udp"]}` + "\n"
	head := "POST /v1/projects/default/reports HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Auth-Token: " + s.token +
		"\r\nExpect: 100-continue\r\nContent-Length: " + strconv.Itoa(len(line)) + "\r\n\r\n"
	if _, err := conn.Write([]byte(head)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	if n, err := conn.Read(answer); err != nil || !strings.Contains(string(answer[:n]), "100 Continue") {
		t.Fatalf("got %q, %v", answer[:n], err)
	}
	stopped := make(chan result, 1)
	go func() { stopped <- s.stop() }()
	eventually(t, "the server refuses new connections", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	if _, err := conn.Write([]byte(line)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 200") {
		t.Errorf("got %q, %v", answer[:n], err)
	}
	if r := <-stopped; r.code != exitOK {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
}
