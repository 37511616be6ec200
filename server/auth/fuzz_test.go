package auth_test

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portolan/server/auth"
)

// FuzzAuthorization: nothing panics, and nobody is let in whose signature is
// not what the slow signer makes.
func FuzzAuthorization(f *testing.F) {
	f.Add("GET", "/v5/p1/asset/port/statistics?port=22&limit=10", "X-A", "b", signed().Header.Get("Authorization"), noon.Format(dateForm))
	f.Add("GET", "/a%2Fb?x=%zz;y", "X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD", "SDK-HMAC-SHA256 Access=, SignedHeaders=;, Signature=", "")
	for _, c := range record(f).Requests {
		r := received(f, c.Request)
		f.Add(r.Method, r.RequestURI, "User-Agent", r.UserAgent(), r.Header.Get("Authorization"), r.Header.Get("X-Sdk-Date"))
	}
	a := keysAtNoon(f)
	f.Fuzz(func(t *testing.T, method, target, name, value, authorization, date string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		build := func() *http.Request {
			r := &http.Request{Method: method, URL: u, Host: "example.com", Header: http.Header{}, Body: http.NoBody}
			r.Header.Set("User-Agent", "test")
			r.Header.Set("X-Project-Id", "p1")
			r.Header.Add(name, value)
			r.Header.Set("X-Sdk-Date", date)
			r.Header.Set("Authorization", authorization)
			return r
		}
		r := build()
		caller, err := ask(a, r)
		if err != nil {
			var refused *auth.RefusalError
			if caller != nil || !errors.As(err, &refused) {
				t.Fatalf("%+v, %v", caller, err)
			}
		} else {
			_, rest, _ := strings.Cut(authorization, "SignedHeaders=")
			names, _, _ := strings.Cut(rest, ",")
			_, rest, _ = strings.Cut(authorization, "Signature=")
			got, _, _ := strings.Cut(rest, ",")
			if want := mac(r, keySecret, strings.TrimSpace(names), payloadOf(r)); strings.TrimSpace(got) != want {
				t.Fatalf("let in with %q, want %q", got, want)
			}
		}
		if r = sign(build(), "host;user-agent;x-sdk-date", payloadOf(r)); len(r.URL.RawQuery) == 0 && date == noon.Format(dateForm) && len(r.Header["User-Agent"]) == 1 && payloadOf(r) == hexSum("") {
			if caller, err := ask(a, r); err != nil {
				t.Fatalf("%s %s: %+v, %v", method, target, caller, err)
			}
		}
	})
}

func payloadOf(r *http.Request) string {
	if sent := r.Header.Get("X-Sdk-Content-Sha256"); sent != "" {
		return strings.TrimSpace(sent)
	}
	return hexSum("")
}

// fuzzFile: a file is refused or read, and what was read of tokens can be
// written and read again.
func fuzzFile(f *testing.F, kind fileKind) {
	for _, text := range []string{
		"", "[]", "[{}]", "[" + kind.entry(1) + `,"projects":["*"],"enterprise_projects":["0"],"write":true,"expires":"2030-01-01T00:00:00Z"}]`,
		"[" + kind.entry(1) + "}," + kind.entry(2) + `,"name":"x"}]`, "[" + strings.Repeat("[", 100), `[{"a":{"b":[1,2]}}]`,
	} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := kind.open(path)
		if err != nil || kind.name != "tokens" {
			return
		}
		if err := auth.EditTokens(path, func(old []auth.TokenRecord) ([]auth.TokenRecord, error) { return old, nil }); err != nil {
			t.Fatal(err)
		}
		n := s.Len()
		if err := s.Reload(); err != nil || s.Len() != n {
			t.Fatalf("%d entries became %d, %v", n, s.Len(), err)
		}
	})
}

func FuzzTokenFile(f *testing.F) { fuzzFile(f, fileKinds()[0]) }

func FuzzAccessKeyFile(f *testing.F) { fuzzFile(f, fileKinds()[1]) }

// BenchmarkSignature checks a page's request as the Go SDK sends it.
func BenchmarkSignature(b *testing.B) {
	all := record(b)
	r := received(b, all.Requests[1].Request)
	a := openKeys(b, all.AccessKey, all.SecretKey, &auth.AccessKeysOptions{Now: dateOf(r)})
	q := auth.FromHTTP(r)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(b.Context(), &q); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkToken looks a token up in a file of ten thousand.
func BenchmarkToken(b *testing.B) {
	records := make([]string, 0, 10_000)
	for i := range cap(records) {
		records = append(records, fileKinds()[0].entry(i)+"}")
	}
	s := openTokens(b, "["+strings.Join(records, ",")+`,{"name":"ci","sha256":"`+hexSum(token)+`"}]`, nil)
	q := auth.FromHTTP(request(token))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate(b.Context(), &q); err != nil {
			b.Fatal(err)
		}
	}
}
