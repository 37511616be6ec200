package server_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"portolan/server"
)

// description is openapi.yaml.
var description = sync.OnceValues(func() (*openapi3.T, error) {
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.RegisteredBodyDecoder("text/plain"))
	return openapi3.NewLoader().LoadFromFile("openapi.yaml")
})

func described(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := description()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// pathOf returns the described path that a request's path has the shape of.
func pathOf(doc *openapi3.T, path string) string {
	got := strings.Split(path, "/")
	for _, pattern := range doc.Paths.InMatchingOrder() {
		want := strings.Split(pattern, "/")
		if slices.EqualFunc(want, got, func(w, g string) bool { return w == g || strings.HasPrefix(w, "{") && g != "" }) {
			return pattern
		}
	}
	return ""
}

// conforms holds an answer of a described call against its description.
func conforms(t testing.TB, req *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	doc := described(t)
	pattern := pathOf(doc, req.URL.EscapedPath())
	item := doc.Paths.Value(pattern)
	if item == nil || item.GetOperation(req.Method) == nil {
		return
	}
	input := &openapi3filter.RequestValidationInput{
		Request: req,
		Route:   &routers.Route{Spec: doc, Path: pattern, PathItem: item, Method: req.Method, Operation: item.GetOperation(req.Method)},
	}
	err := openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: w.Code, Header: w.Header(), Body: io.NopCloser(bytes.NewReader(w.Body.Bytes())),
	})
	if err != nil {
		t.Errorf("%s %s answers what openapi.yaml does not say: %v\n%v", req.Method, req.URL, err, w.Header())
	}
}

// TestDescription: the document is valid, is what the server sends, and has
// every call of the router and no other.
func TestDescription(t *testing.T) {
	doc := described(t)
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	r := newRig(t, nil)
	file, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if w := r.ask("GET", "/openapi.yaml", ""); w.Body.String() != string(file) || w.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("served: %d bytes, %v", w.Body.Len(), w.Header())
	}
	var want, got []string
	for _, rt := range r.handler.(*server.Server).Routes() {
		want = append(want, rt.Method+" "+rt.Pattern)
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			got = append(got, method+" "+path)
			if public := op.Security != nil && len(*op.Security) == 0; public != (strings.Count(path, "/") < 2 || strings.HasPrefix(path, "/readyz/")) {
				t.Errorf("%s %s: security is %v", method, path, op.Security)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("described %q\nserved    %q", got, want)
	}
}

// TestDescribedParameters: a query parameter that is described as a number or
// one of some words is one that the server reads.
func TestDescribedParameters(t *testing.T) {
	r := newRig(t, nil).known()
	filled := strings.NewReplacer("{project_id}", "p1", "{id}", "h1")
	n := 0
	for path, item := range described(t).Paths.Map() {
		for method, op := range item.Operations() {
			required := ""
			for _, p := range op.Parameters {
				if p.Value.Required {
					required += "&" + p.Value.Name + "=1"
				}
			}
			for _, p := range op.Parameters {
				schema := p.Value.Schema.Value
				if p.Value.In != "query" || len(schema.Enum) == 0 && !schema.Type.Is("integer") {
					continue
				}
				n++
				target := filled.Replace(path) + "?" + p.Value.Name + "=no-such-value" + required
				wantFailure(t, r.ask(method, target, `{"asset":"x","open":[]}`), 400, "HSS.0001", p.Value.Name)
			}
		}
	}
	if n < 15 {
		t.Errorf("%d parameters were tried", n)
	}
}
