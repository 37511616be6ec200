package server_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	example   = regexp.MustCompile("(?s)```sh\n(curl .*?)\n```\n(?:\n```(?:json|yaml|text)\n(.*?)\n```\n)?")
	curlParts = regexp.MustCompile(`(?s)^curl -s(?: -X (\S+))?( -H "X-Auth-Token: \$PORTOLAN_TOKEN")?(?: --data-binary '(.*?)')? '?http://127\.0\.0\.1:8080([^' ]*)'?$`)
	byteCount = regexp.MustCompile(`"(bytes|bytes_per_second)":\d+`)
)

// TestAPIExamples asks what API.md asks and holds the answers against it.
func TestAPIExamples(t *testing.T) {
	doc, err := os.ReadFile("API.md")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, nil)
	examples := example.FindAllStringSubmatch(string(doc), -1)
	if len(examples) < 7 {
		t.Fatalf("API.md has %d examples", len(examples))
	}
	for _, e := range examples {
		part := curlParts.FindStringSubmatch(e[1])
		if part == nil {
			t.Fatalf("this test cannot read %s", e[1])
		}
		method := part[1]
		if method == "" {
			method = map[bool]string{true: http.MethodPost, false: http.MethodGet}[part[3] != ""]
		}
		req := httptest.NewRequest(method, part[4], strings.NewReader(part[3]))
		if part[2] != "" {
			req.Header.Set("X-Auth-Token", token)
		}
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, req)
		conforms(t, req, w)
		got := nextField.ReplaceAllString(strings.TrimSuffix(byteCount.ReplaceAllString(w.Body.String(), `"$1":0`), "\n"), `,"next":"…"}`)
		if strings.Contains(part[4], "/history?") {
			got = timeField.ReplaceAllString(got, `"$1":"…"`)
		}
		if part[4] == "/openapi.yaml" { // its first line is shown
			got, _, _ = strings.Cut(got, "\n")
		}
		if got != e[2] || e[2] == "" && w.Code != http.StatusNoContent {
			t.Errorf("%s\ngot  %d %s\nwant %s", e[1], w.Code, got, e[2])
		}
	}
}
