package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestExportBrokenOff: an answer that ends in its middle is no success, whatever is made of it.
func TestExportBrokenOff(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"category":"host","asset":"10.0.0.1","open":[]}` + "\n" + `{"category":"host",`))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer s.Close()
	for _, format := range []string{"ndjson", "csv", "list"} {
		r := call(t, env{"PORTOLAN_TOKEN": testToken}, "export", "--server", s.URL, "-o", format)
		if r.code != exitFailed || !strings.Contains(r.stderr, "broke off") {
			t.Errorf("%s: exit %d, %s", format, r.code, r.stderr)
		}
		if format == "list" && r.stdout != "" {
			t.Errorf("a list that is not whole: %s", r.stdout)
		}
	}
}

// TestExportAgain: what is exported and read again is exported the same.
func TestExportAgain(t *testing.T) {
	for _, file := range []string{scanXML, agentsFile, labelsFile} {
		for _, category := range []string{"host", "container"} {
			once := call(t, nil, "export", file, "--category", category)
			again := callWith(t, nil, once.stdout, "export", "-", "--category", category)
			if once.stdout == "" {
				continue
			}
			if again.code != exitOK || again.stdout != once.stdout {
				t.Errorf("%s, %s:\n%s\nagain, exit %d:\n%s%s", file, category, once.stdout, again.code, again.stdout, again.stderr)
			}
		}
	}
}
