package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"portolan/server/auth"
)

const (
	keyID     = "QTWAOYTTINDUT2QVKYUC"
	keySecret = "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc"
	dateForm  = "20060102T150405Z"
)

// noon is when the tests sign.
var noon = time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

// hexSum returns the SHA-256 of a text in hex.
func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// writeFile writes a file that only its owner may use.
func writeFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// openKeys returns a source that knows one key, which is granted everything.
func openKeys(t testing.TB, id, secret string, opts *auth.AccessKeysOptions) *auth.AccessKeys {
	t.Helper()
	text := fmt.Sprintf(`[{"access_key":%q,"secret_key":%q,"name":"ci","projects":["*"],"enterprise_projects":["*"],"write":true}]`, id, secret)
	a, err := auth.OpenAccessKeys(writeFile(t, text), opts)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// keysAtNoon is openKeys for the key that the tests sign with.
func keysAtNoon(t testing.TB) *auth.AccessKeys {
	t.Helper()
	return openKeys(t, keyID, keySecret, &auth.AccessKeysOptions{Now: atNoon, TempDir: t.TempDir()})
}

// unsigned returns a request with a few headers, as a client would send it.
func unsigned(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, target, http.NoBody)
	}
	r.Header.Set("X-Sdk-Date", noon.Format(dateForm))
	r.Header.Set("X-Project-Id", "p1")
	r.Header.Set("User-Agent", "test")
	return r
}

// mac returns the signature of a request in the slow and obvious way.
func mac(r *http.Request, secret, names, payload string) string {
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	segments := strings.Split(r.URL.EscapedPath(), "/")
	for i, s := range segments {
		s, _ = url.PathUnescape(s)
		segments[i] = escape(s)
	}
	path := strings.TrimSuffix(strings.Join(segments, "/"), "/") + "/"
	query, _ := url.ParseQuery(r.URL.RawQuery)
	var pairs []string
	keys := make([]string, 0, len(query))
	for k := range query {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		slices.Sort(query[k])
		for _, v := range query[k] {
			pairs = append(pairs, escape(k)+"="+escape(v))
		}
	}
	var headers strings.Builder
	for name := range strings.SplitSeq(names, ";") {
		values := slices.Clone(r.Header.Values(name))
		if name == "host" {
			values = []string{r.Host}
		}
		slices.Sort(values)
		for _, v := range values {
			fmt.Fprintf(&headers, "%s:%s\n", name, strings.TrimSpace(v))
		}
	}
	canonical := strings.Join([]string{r.Method, path, strings.Join(pairs, "&"), headers.String(), names, payload}, "\n")
	h := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(h, "SDK-HMAC-SHA256\n%s\n%s", r.Header.Get("X-Sdk-Date"), hexSum(canonical))
	return hex.EncodeToString(h.Sum(nil))
}

const usualHeaders = "host;user-agent;x-project-id;x-sdk-date"

// sign signs a request whose payload is as given.
func sign(r *http.Request, names, payload string) *http.Request {
	r.Header.Set("Authorization", fmt.Sprintf("SDK-HMAC-SHA256 Access=%s, SignedHeaders=%s, Signature=%s",
		keyID, names, mac(r, keySecret, names, payload)))
	return r
}

// signed returns a signed request without a body.
func signed() *http.Request {
	return sign(unsigned(http.MethodGet, "/v5/p1/asset/port/statistics?port=22&limit=10", ""), usualHeaders, hexSum(""))
}

// signedBody returns a signed request with a body, whose hash it declares if told.
func signedBody(body string, declare bool) *http.Request {
	r := unsigned(http.MethodPost, "/v1/projects/p1/reports", body)
	if declare {
		r.Header.Set("X-Sdk-Content-Sha256", hexSum(body))
	}
	return sign(r, usualHeaders, hexSum(body))
}

// ask has a source judge a request, and gives the request the body that the source left.
func ask(a auth.Authenticator, r *http.Request) (*auth.Caller, error) {
	q := auth.FromHTTP(r)
	caller, err := a.Authenticate(r.Context(), &q)
	if q.Body != nil {
		r.Body = q.Body
	}
	return caller, err
}

// refusal returns the reason why a source lets a request in to nobody, which
// must be final; empty if it knows the caller.
func refusal(t testing.TB, a auth.Authenticator, r *http.Request) string {
	t.Helper()
	caller, err := ask(a, r)
	if err == nil {
		if caller == nil || caller.Name != "ci" || caller.Source != "access_key" {
			t.Fatalf("the caller is %+v", caller)
		}
		return ""
	}
	refused := asRefusal(t, err)
	if caller != nil || !refused.Final || refused.Reason == "" {
		t.Fatalf("got %+v, %+v: want a final refusal", caller, refused)
	}
	return refused.Reason
}

// dateOf returns a clock that shows the date of a request's signature.
func dateOf(r *http.Request) func() time.Time {
	date, err := time.Parse(dateForm, r.Header.Get("X-Sdk-Date"))
	return func() time.Time {
		if err != nil {
			panic(err)
		}
		return date
	}
}
