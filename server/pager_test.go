package server_test

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"portolan/engine"
)

// TestTerraformPages: a client that asks for pages of 100 until one is empty, and looks at
// no total, sees every row once, in order, however many there are.
func TestTerraformPages(t *testing.T) {
	type key struct {
		port int
		typ  string
	}
	for _, rows := range []int{0, 1, 100, 101, 131_072} {
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			r := newRig(t, nil)
			report := engine.Report{Project: "p1", Asset: "h1", Scope: engine.ScopeAll()}
			for port := 1; len(report.Open) < rows; port++ {
				for _, typ := range []engine.Type{engine.SCTP, engine.TCP, engine.UDP6} {
					if len(report.Open) < rows {
						report.Open = append(report.Open, engine.MakeKey(uint16(port), typ))
					}
				}
			}
			if _, err := r.engine.Apply(t.Context(), []engine.Report{report}); err != nil {
				t.Fatal(err)
			}
			var last key
			seen := 0
			for offset := 0; ; offset += 100 {
				req := httptest.NewRequest(http.MethodGet, fmt.Sprintf("%s?limit=100&offset=%d", statistics, offset), http.NoBody)
				req.Header.Set("X-Auth-Token", token)
				w := httptest.NewRecorder()
				if r.handler.ServeHTTP(w, req); w.Code != http.StatusOK {
					t.Fatalf("offset %d: %d %s", offset, w.Code, w.Body)
				}
				p := decode(t, w.Body.String())
				if len(p.List) == 0 {
					break
				}
				for _, row := range p.List {
					k := key{row.Port, row.Type}
					if cmp.Or(cmp.Compare(last.port, k.port), cmp.Compare(last.typ, k.typ)) >= 0 || row.Num != 1 {
						t.Fatalf("offset %d: %+v comes behind %+v", offset, row, last)
					}
					last = k
					seen++
				}
			}
			if seen != rows {
				t.Errorf("%d rows were seen, want %d", seen, rows)
			}
		})
	}
}
