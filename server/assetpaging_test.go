package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest/oracle"
	"portolan/index"
	"portolan/server/auth"
)

// TestAssetTexts: whatever a report calls an asset comes back as it was, as
// valid JSON that holds no tag of HTML.
func TestAssetTexts(t *testing.T) {
	for _, text := range []string{
		`</script><script>alert("1")</script>`, "a&b'c", `quote " back \ slash /`, "\x00\x01\b\f\n\r\t\x1b[31m\x1f\x7f", "\u0085\u009b\u2028\u2029\u202e",
		"ünïcödé 服务器 \U0001F5FA", strings.Repeat("é", 256), "\ufffd", "plain-1.example",
	} {
		r := newRig(t, nil)
		report := engine.Report{Project: "p1", Asset: text, Name: text, Address: text, Open: []index.Key{index.MakeKey(22, index.TCP)}}
		box := report
		box.Category = engine.Container
		if _, err := r.engine.Apply(t.Context(), []engine.Report{report, box}); err != nil {
			t.Fatal(err)
		}
		query := "host_id=" + escaped(text) + "&host_name=" + escaped(text) + "&host_ip=" + escaped(text)
		for target, want := range map[string]assetRow{
			detail + "?port=22&" + query:                       {HostID: text, HostName: text, HostIP: text},
			detail + "?port=22&category=container&" + query:    {ContainerID: text, ContainerName: text, HostIP: text},
			hostPorts + "?port=22&" + query:                    {HostID: text},
			hostPorts + "?port=22&category=container&" + query: {ContainerID: text},
		} {
			want.Port, want.Type, want.Status = 22, "TCP", "unknown"
			if got := r.rows(target); got.Total != 1 || !slices.Equal(got.List, []assetRow{want}) {
				t.Errorf("%s: got %+v", target, got)
			}
			if body := r.ask("GET", target, "").Body.String(); strings.ContainsAny(body, "<>&\x00\n\x1b\u2028\u2029") {
				t.Errorf("%s: %q", target, body)
			}
		}
	}
}

// escaped escapes every byte for a query.
func escaped(text string) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, "%%%02x", text[i])
	}
	return b.String()
}

// crowdReports is a fleet whose order by id is the order in which it is seen, of
// which more than two pages have each port open.
func crowdReports() []engine.Report {
	groups := []string{"0", "0", "shop", "0", "hidden"}
	reports := make([]engine.Report, 0, 1300)
	key := index.MakeKey
	for i := range 650 {
		open := []index.Key{key(123, index.UDP), key(123, index.TCP)}
		if i%3 != 0 {
			open = append(open, key(123, index.TCP6))
		}
		report := engine.Report{
			Project: "p1", Asset: fmt.Sprintf("h%04d", i), Name: fmt.Sprintf("%s-%d.example", []string{"web", "db", ""}[i%3], i),
			Address: fmt.Sprintf("192.0.%d.%d", i/200, i%200), EnterpriseProject: groups[i%len(groups)],
			Seen: time.Unix(1_700_000_000, 0), Scope: engine.ScopeAll(), Open: open,
		}
		if i == 0 {
			for p := range uint16(450) {
				report.Open = append(report.Open, key(p+1, index.TCP), key(p+1, index.UDP6))
			}
		}
		box := report
		box.Category = engine.Container
		reports = append(reports, report, box)
	}
	return reports
}

// TestAssetPaging pages to the end as Terraform does, for filters of every kind
// and combinations of them, and holds the rows against the reference engine.
func TestAssetPaging(t *testing.T) {
	r := newRig(t, fake{caller: &auth.Caller{Projects: auth.Only("p1"), EnterpriseProjects: auth.Only("0", "shop")}})
	reference := oracle.NewReference(nil)
	for _, apply := range []func() (engine.Result, error){
		func() (engine.Result, error) { return r.engine.Apply(t.Context(), crowdReports()) },
		func() (engine.Result, error) { return reference.Apply(t.Context(), crowdReports()) },
	} {
		if _, err := apply(); err != nil {
			t.Fatal(err)
		}
	}
	views := map[string]engine.View{"": engine.In("0"), "shop": engine.In("shop"), "all_granted_eps": engine.In("0", "shop")}
	deep := 0
	for _, q := range crowdQueries() {
		for name, view := range views {
			q.Project, q.View = "p1", view
			want, err := reference.Hosts(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			target := targetOf(q) + "&enterprise_project_id=" + name
			for _, limit := range []int{10, 100, 200} {
				if want.Total > 400 {
					deep++
				}
				got := r.pageThrough(fmt.Sprintf("%s&limit=%d", target, limit), want.Total)
				if !slices.Equal(got, apiRows(q, want.Rows)) {
					t.Errorf("%s by %d: %d rows differ from the reference's %d", target, limit, len(got), want.Total)
				}
			}
		}
	}
	if deep < 20 {
		t.Errorf("only %d of the lists have more than 400 rows", deep)
	}
}

// crowdQueries combines the filters of both calls.
func crowdQueries() []engine.HostQuery {
	var all []engine.HostQuery
	for _, base := range []engine.HostQuery{
		{Port: 123}, {Port: 123, Category: engine.Container}, {Port: 7}, {Asset: "h0000"}, {Asset: "h0000", Category: engine.Container}, {Asset: "h0004"},
	} {
		for _, filter := range []engine.HostQuery{
			{},
			{Type: engine.TCP6},
			{Status: engine.Danger},
			{Status: engine.Unknown},
			{Name: "web"},
			{Name: "1"},
			{Address: "192.0.1."},
			{Address: "192"},
			{Name: "b", Address: "0", Type: engine.TCP},
			{Name: ".example", Status: engine.Unknown},
		} {
			q := base
			q.Type, q.Status, q.Name, q.Address = filter.Type, filter.Status, filter.Name, filter.Address
			all = append(all, q)
		}
	}
	return all
}

// targetOf is the request that asks the query.
func targetOf(q engine.HostQuery) string {
	target := fmt.Sprintf("%s?port=%d", detail, q.Port)
	if q.Asset != "" {
		target = hostPorts + "?host_id=" + q.Asset
	}
	if q.Type != engine.AnyType {
		target += "&type=" + q.Type.String()
	}
	if q.Status != engine.AnyStatus {
		target += "&status=" + q.Status.String()
	}
	return fmt.Sprintf("%s&host_name=%s&host_ip=%s&category=%s", target, q.Name, q.Address, q.Category)
}

// pageThrough reads page after page until one is empty.
func (r *rig) pageThrough(target string, total int) []assetRow {
	r.Helper()
	var rows []assetRow
	for {
		p := r.rows(fmt.Sprintf("%s&offset=%d", target, len(rows)))
		if p.Total != total {
			r.Fatalf("%s: total %d, want %d", target, p.Total, total)
		}
		if len(p.List) == 0 {
			return rows
		}
		rows = append(rows, p.List...)
	}
}

// apiRows is how the API writes the rows of a query.
func apiRows(q engine.HostQuery, rows []engine.HostPort) []assetRow {
	var out []assetRow
	for _, h := range rows {
		row := assetRow{Port: int(h.Port), Type: h.Type.String(), Status: h.Status.String()}
		id, name := &row.HostID, &row.HostName
		if q.Category == engine.Container {
			id, name = &row.ContainerID, &row.ContainerName
		}
		*id = h.Asset
		if q.Asset == "" {
			*name, row.HostIP = h.Name, h.Address
		}
		out = append(out, row)
	}
	return out
}

// FuzzAssetQueries asks both calls anything: an answer is a page or says which
// parameter is wrong, and a page keeps to its bounds.
func FuzzAssetQueries(f *testing.F) {
	for _, q := range []string{"port=22", "host_id=h1&port=22", "port=443&host_name=web&host_ip=%2e", "host_id=&port", "limit=%zz&port=22", "port=22&host_name=%ff%00", "host_id=c1&category=container&enterprise_project_id=all_granted_eps&offset=1", "status=unknow&port=443&&=&type=TCP"} {
		f.Add(q)
	}
	r := newRig(f, nil).labelled()
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{detail, hostPorts} {
			w := (&rig{TB: t, engine: r.engine, handler: r.handler}).raw(path, query)
			if w.Code == http.StatusBadRequest {
				wantFailure(t, w, 400, "HSS.0001", "not allowed")
				continue
			}
			var p assetPage
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusOK || len(p.List) > p.Total || len(p.List) > 200 {
				t.Errorf("%s?%q: %d %s %v", path, query, w.Code, w.Body, err)
			}
		}
	})
}

// BenchmarkPortDetail answers a page of 200 rows with the full path.
func BenchmarkPortDetail(b *testing.B) {
	r := newRig(b, nil)
	if _, err := r.engine.Apply(b.Context(), crowdReports()); err != nil {
		b.Fatal(err)
	}
	for _, query := range []string{"limit=200", "limit=200&host_name=eb-"} {
		b.Run(query, func(b *testing.B) {
			req := httptest.NewRequest(http.MethodGet, detail+"?port=123&offset=50&"+query, http.NoBody)
			req.Header.Set("X-Auth-Token", token)
			w := &writer{header: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				w.body = w.body[:0]
				r.handler.ServeHTTP(w, req)
			}
			if w.status != http.StatusOK {
				b.Fatalf("%d %s", w.status, w.body)
			}
			b.SetBytes(int64(len(w.body)))
		})
	}
}
