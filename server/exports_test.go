package server_test

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/scanfile"
	"portolan/server"
)

const ownExport = "/v1/projects/p1/export"

// TestExport holds the answers to the byte, and what is refused.
func TestExport(t *testing.T) {
	r := newRig(t, nil).dated()
	const (
		at = `"seen":"2026-01-02T03:04:05.6Z",`
		a  = `{"category":"host","asset":"a","name":"web-1","address":"10.0.0.1","labels":{"a\"b":"é","env":"prod"},` + at + `"scope":"all","open":["22/tcp","443/tcp"]}` + "\n"
		b  = `{"enterprise_project_id":"shop","category":"host","asset":"b","name":"Web \"2\"",` + at + `"scope":"all","open":["22/tcp","123/udp"]}` + "\n"
		c  = `{"category":"host","asset":"c","address":"fd00::1","labels":{"env":"test"},` + at + `"scope":"all","open":[]}` + "\n"
		b2 = `{"enterprise_project_id":"shop","category":"host","asset":"b","name":"Web \"2\"",` + at + `"scope":"none","open":["123/udp"]}` + "\n"
	)
	for query, want := range map[string]string{
		"":                                a + b + c,
		"format=ndjson&where=open(22)":    a + b,
		"enterprise_project_id=shop":      b,
		"ports=123":                       b2,
		"status=danger&type=udp":          b2,
		"category=container&format=csv":   "asset,name,address,enterprise_project_id,port,type,status\nbox,,,0,80,TCP,unknown\n",
		"format=csv&ports=443,123":        "asset,name,address,enterprise_project_id,port,type,status\na,web-1,10.0.0.1,0,443,TCP,unknown\nb,\"Web \"\"2\"\"\",,shop,123,UDP,danger\n",
		"format=csv&ports=9":              "asset,name,address,enterprise_project_id,port,type,status\n",
		"ports=9":                         "",
		"where=label(env)+%3D+%22test%22": c,
	} {
		w := r.ask(http.MethodGet, ownExport+"?"+query, "")
		media := "application/x-ndjson"
		if strings.Contains(query, "csv") {
			media = "text/csv; charset=utf-8; header=present"
		}
		if w.Code != http.StatusOK || w.Body.String() != want || w.Header().Get("Content-Type") != media {
			t.Errorf("%s: %d %v\ngot  %s\nwant %s", query, w.Code, w.Header(), w.Body, want)
		}
	}
	w := r.ask(http.MethodGet, ownExport, "")
	if tag := w.Header().Get("Etag"); tag == "" || r.ask(http.MethodGet, ownExport, "", "If-None-Match", tag).Code != http.StatusNotModified {
		t.Errorf("the tag %q is not known again", tag)
	}
	if w := r.ask(http.MethodGet, ownExport+"?where=seen<1h", ""); w.Code != http.StatusOK || w.Header().Get("Etag") != "" {
		t.Errorf("what depends on the time has a tag: %v", w.Header())
	}
	for query, want := range map[string]string{
		"format=list": `format: "list" is not allowed: want ndjson or csv`,
		"limit=10":    `query: "limit" is not allowed: want one of format, ports`,
		"ports=x":     `ports: character 1, at "x": want`,
	} {
		wantFailure(t, r.ask(http.MethodGet, ownExport+"?"+query, ""), 400, "HSS.0001", want)
	}
}

// wide has many assets with long names: more bytes than connections hold on their way.
func (r *rig) wide(assets int) *rig {
	r.Helper()
	reports := make([]engine.Report, assets)
	for i := range reports {
		reports[i] = engine.Report{
			Project: "p1", Asset: fmt.Sprint("h", i), Name: strings.Repeat("n", 250), Seen: seenAt, Scope: engine.ScopeAll(),
			Open: []engine.Key{engine.MakeKey(uint16(i+1), engine.TCP)},
		}
	}
	if _, err := r.engine.Apply(r.Context(), reports); err != nil {
		r.Fatal(err)
	}
	return r
}

func (r *rig) fetch(client *http.Client, address, target string) *http.Response {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+address+target, http.NoBody)
	if err != nil {
		r.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", token)
	res, err := client.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { res.Body.Close() })
	return res
}

// TestExportOfOneState: however slowly it is taken and whatever is written in the meantime, an export is
// of the state in which it began; the connection goes on, and what was exported gives the same answers.
func TestExportOfOneState(t *testing.T) {
	eachWay(t, func(t *testing.T, fronted bool) {
		const assets = 50_000
		r := newRig(t, nil).wide(assets)
		address := r.start(fronted, nil, nil)
		client := &http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		if w := r.fetch(client, address, statistics); w.StatusCode != http.StatusOK { // plain requests of the same connection
			t.Fatal(w.Status)
		} else if _, err := io.Copy(io.Discard, w.Body); err != nil {
			t.Fatal(err)
		}
		res := r.fetch(client, address, ownExport)
		if res.StatusCode != http.StatusOK || res.ContentLength != -1 || len(res.TransferEncoding) != 1 {
			t.Fatal(res.Status, res.ContentLength, res.TransferEncoding)
		}
		body := bufio.NewReader(res.Body)
		first, err := body.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			r.apply(fmt.Sprintf("h%d 9/udp", assets-1-i*7), fmt.Sprintf("new%d 9/udp", i))
		}
		if _, err := r.engine.Remove(t.Context(), "p1", engine.Host, "h49999", "h40000"); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		again, err := engine.Open(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		var sum *scanfile.Summary
		err = again.Import(engine.All(), func(to *engine.Import) (err error) {
			sum, err = scanfile.Load(t.Context(), to, []scanfile.Source{{Name: "export", Reader: bytes.NewReader(append(first, rest...))}}, &scanfile.Options{Project: "p1"})
			return err
		})
		if err != nil || sum.Rejected > 0 || sum.Records != assets {
			t.Fatal(sum, err)
		}
		page, err := again.Ports(t.Context(), engine.PortQuery{Project: "p1"})
		if err != nil || page.Total != assets || page.Rows[0].Num != 1 {
			t.Errorf("%d ports, %v", page.Total, err)
		}
		if res := r.fetch(client, address, statistics+"?port=9"); res.StatusCode != http.StatusOK {
			t.Error(res.Status)
		} else if got := short(t, readAll(t, res.Body)); got != "2: 1×9/TCP 100×9/UDP" && got != "2: 1×9/TCP 99×9/UDP" {
			t.Error(got)
		}
	})
}

// TestExportNotTaken: a client that takes nothing is cut off in the middle, and nobody takes what it has
// for whole; its place is free then.
func TestExportNotTaken(t *testing.T) {
	eachWay(t, func(t *testing.T, fronted bool) {
		r := newRig(t, nil, func(o *server.Options) { o.BodyTimeout = 200 * time.Millisecond }).wide(60_000)
		address := r.start(fronted, nil, nil)
		var stalled []*http.Response
		for range 4 { // half of all
			stalled = append(stalled, r.fetch(&http.Client{Transport: &http.Transport{}}, address, ownExport))
		}
		res := r.fetch(http.DefaultClient, address, ownExport)
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			t.Errorf("one more: %s", res.Status)
		}
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			give := server.TakeExports(r.handler.(*server.Server), "somebody", 8)
			for _, f := range give {
				f()
			}
			if len(give) == 4 { // all are free
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("places are not free: somebody gets %d", len(give))
			}
		}
		if res := r.fetch(http.DefaultClient, address, ownExport+"?ports=9"); res.StatusCode != http.StatusOK {
			t.Errorf("when they are free: %s", res.Status)
		}
		for _, res := range stalled {
			if n, err := io.Copy(io.Discard, res.Body); err == nil {
				t.Errorf("%d bytes are taken for whole", n)
			}
		}
	})
}

// TestExportShared: one caller has half of the places at most, and others the rest.
func TestExportShared(t *testing.T) {
	colony := newColony(t)
	who := []*server.Server{
		colony.handler(&citizen{name: "one", projects: []string{"*"}, groups: []string{"*"}}),
	}
	give := server.TakeExports(who[0], "one", 8)
	if len(give) != 4 {
		t.Errorf("one caller has %d places", len(give))
	}
	others := server.TakeExports(who[0], "two", 8)
	if len(others) < 1 || len(give)+len(others) > 8 {
		t.Errorf("another has %d", len(others))
	}
	for _, f := range append(give, others...) {
		f()
		f() // twice is once
	}
	if again := server.TakeExports(who[0], "three", 8); len(again) != 4 {
		t.Errorf("afterwards one has %d", len(again))
	}
}

// TestExportOfOldHTTP: where the end of an answer cannot be told from a cut, there is none.
func TestExportOfOldHTTP(t *testing.T) {
	eachWay(t, func(t *testing.T, fronted bool) {
		r := newRig(t, nil).known()
		conn, err := net.Dial("tcp", r.start(fronted, nil, nil))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nX-Auth-Token: %s\r\n\r\n", ownExport, token)
		if answer := readAll(t, conn); !strings.HasPrefix(answer, "HTTP/1.0 505 ") || !strings.Contains(answer, "HSS.0013") {
			t.Error(answer)
		}
	})
}

// TestExportHostile: what hosts call themselves stays what it is, in every format.
func TestExportHostile(t *testing.T) {
	r := newRig(t, nil)
	names := []string{"a,b", "line\nbreak", `quote"d`, "=cmd()", "\x00\x1f", "é😀", strings.Repeat("x", 256)}
	for i, name := range names {
		report := engine.Report{Project: "p1", Asset: fmt.Sprint("h", i), Name: name, Open: keysOf(t, "22/tcp")}
		if _, err := r.engine.Apply(t.Context(), []engine.Report{report}); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := csv.NewReader(r.ask(http.MethodGet, ownExport+"?format=csv", "").Body).ReadAll()
	if err != nil || len(rows) != len(names)+1 {
		t.Fatal(len(rows), err)
	}
	for i, name := range names {
		if rows[i+1][1] != name {
			t.Errorf("%q became %q", name, rows[i+1][1])
		}
	}
	w := r.ask(http.MethodGet, ownExport+"?where="+url.QueryEscape(`name ~ "*"`), "")
	again := newRig(t, nil)
	if w := again.ask(http.MethodPost, "/v1/projects/p1/reports", w.Body.String()); w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}
	for i, name := range names {
		a, err := again.engine.Asset(t.Context(), "p1", engine.Host, fmt.Sprint("h", i))
		if err != nil || a.Name != name {
			t.Errorf("%q became %q, %v", name, a.Name, err)
		}
	}
}
