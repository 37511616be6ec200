package auth_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"portolan/server/auth"
)

func asRefusal(t testing.TB, err error) *auth.RefusalError {
	t.Helper()
	refused, ok := errors.AsType[*auth.RefusalError](err)
	if !ok {
		t.Fatalf("%v: want a refusal", err)
	}
	return refused
}

// recordings are requests as real clients put them on the wire.
type recordings struct {
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
	Requests  []struct {
		Client, Request string
	}
}

func record(t testing.TB) (all recordings) {
	t.Helper()
	data, err := os.ReadFile("testdata/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// received parses a request as a server does.
func received(t testing.TB, raw string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRecordedClients: what the Go SDK, the Terraform provider's client and the
// Node SDK sent is let in, and its body is still there.
func TestRecordedClients(t *testing.T) {
	all := record(t)
	for _, c := range all.Requests {
		t.Run(c.Client, func(t *testing.T) {
			r := received(t, c.Request)
			date, err := time.Parse(dateForm, r.Header.Get("X-Sdk-Date"))
			if err != nil {
				t.Fatal(err)
			}
			a := openKeys(t, all.AccessKey, all.SecretKey, &auth.AccessKeysOptions{Now: func() time.Time { return date }})
			if why := refusal(t, a, r); why != "" {
				t.Fatal("refused: " + why)
			}
			body, err := io.ReadAll(r.Body)
			if _, sent, _ := strings.Cut(c.Request, "\r\n\r\n"); err != nil || string(body) != sent {
				t.Errorf("the body is %q, %v; want %q", body, err, sent)
			}
			other := received(t, c.Request)
			other.URL.Path, other.URL.RawPath = "/v5/other/asset/port/statistics", ""
			if why := refusal(t, a, other); why != "verify aksk signature fail" {
				t.Errorf("sent to another project: %q", why)
			}
		})
	}
}

// TestPublishedSignature is the example of the service's own documentation.
func TestPublishedSignature(t *testing.T) {
	r := received(t, "GET /v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0 HTTP/1.1\r\n"+
		"Host: service.region.example.com\r\nContent-Type: application/json\r\nX-Sdk-Date: 20191115T033655Z\r\n"+
		"Authorization: SDK-HMAC-SHA256 Access=QTWAOYTTINDUT2QVKYUC, SignedHeaders=content-type;host;x-sdk-date, "+
		"Signature=7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe\r\n\r\n")
	a := openKeys(t, keyID, keySecret, &auth.AccessKeysOptions{Now: func() time.Time {
		return time.Date(2019, 11, 15, 3, 36, 55, 0, time.UTC)
	}})
	if why := refusal(t, a, r); why != "" {
		t.Error("refused: " + why)
	}
}

// TestSpellings: requests that are the same to a client are signed the same.
func TestSpellings(t *testing.T) {
	a := keysAtNoon(t)
	for _, target := range []string{
		"/", "/v5/p1", "/v5/p1/", "/v5//p1", "/v5/a%2Fb/x", "/v5/a%20b+c/~x", "/v5/%C3%A9", "/v5/a%25b",
		"/?a", "/?a=", "/?a=b+c", "/?a=b%20c", "/?b=1&a=2&b=0", "/?=x", "/?a=%C3%A9", "/?a=b=c", "/?a=%2B", "/?&&a=1&",
		"/?a-b=1&a=2&a_=3", "/?x=%7E%2f",
	} {
		r := sign(unsigned(http.MethodGet, target, ""), usualHeaders, hexSum(""))
		if why := refusal(t, a, r); why != "" {
			t.Errorf("%s: %s", target, why)
		}
	}
	r := unsigned(http.MethodGet, "/", "")
	r.Header["X-Many"] = []string{"b", " a ", ""}
	r.Header["Odd_name"] = []string{"x"}
	if why := refusal(t, a, sign(r, "x-sdk-date;odd_name;x-many", hexSum(""))); why != "" {
		t.Error("several values: " + why)
	}
	r = signed()
	r.Header.Set("X-Late", "added after signing")
	if why := refusal(t, a, r); why != "" {
		t.Error("a header that is not signed: " + why)
	}
	r = signed()
	r.Header.Set(auth.TokenHeader, "a token beside the signature")
	if why := refusal(t, a, r); why != "" {
		t.Error("a token, too: " + why)
	}
}

// TestTampered: no part of a signed request can be changed.
func TestTampered(t *testing.T) {
	const wrong = "verify aksk signature fail"
	tests := map[string]struct {
		change func(r *http.Request)
		want   string // the reason's beginning
	}{
		"method":            {func(r *http.Request) { r.Method = http.MethodDelete }, wrong},
		"path":              {func(r *http.Request) { r.URL.Path = "/v5/p2/asset/port/statistics" }, wrong},
		"a slash escaped":   {func(r *http.Request) { r.URL.RawPath = "/v5/p1%2Fasset/port/statistics" }, wrong},
		"query":             {func(r *http.Request) { r.URL.RawQuery = "port=23&limit=10" }, wrong},
		"parameter added":   {func(r *http.Request) { r.URL.RawQuery += "&type=TCP" }, wrong},
		"parameter twice":   {func(r *http.Request) { r.URL.RawQuery += "&port=22" }, wrong},
		"parameter removed": {func(r *http.Request) { r.URL.RawQuery = "port=22" }, wrong},
		"semicolon":         {func(r *http.Request) { r.URL.RawQuery += ";type=TCP" }, wrong},
		"escape":            {func(r *http.Request) { r.URL.RawQuery += "&type=%zz" }, wrong + ": the query"},
		"host":              {func(r *http.Request) { r.Host = "other" }, wrong},
		"header":            {func(r *http.Request) { r.Header.Set("X-Project-Id", "p2") }, wrong},
		"header's value":    {func(r *http.Request) { r.Header.Add("X-Project-Id", "p2") }, wrong},
		"header removed":    {func(r *http.Request) { r.Header.Del("X-Project-Id") }, wrong + ": the signed header x-project-id is missing"},
		"date":              {func(r *http.Request) { r.Header.Set("X-Sdk-Date", "20250101T120001Z") }, wrong},
		"payload":           {func(r *http.Request) { r.Header.Set("X-Sdk-Content-Sha256", hexSum("x")) }, wrong},
		"payload unsigned":  {func(r *http.Request) { r.Header.Set("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD") }, wrong},
		"body": {func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), 2
		}, wrong},
		"list": {func(r *http.Request) {
			edit(r, usualHeaders, "user-agent;x-project-id;x-sdk-date")
		}, wrong},
		"order": {func(r *http.Request) {
			edit(r, usualHeaders, "user-agent;host;x-project-id;x-sdk-date")
		}, wrong},
		"key": {func(r *http.Request) { edit(r, keyID, "OTHER") }, "ak OTHER not exist"},
		"signature": {func(r *http.Request) {
			edit(r, "Signature="+mac(r, keySecret, usualHeaders, hexSum("")), "Signature="+hexSum(""))
		}, wrong},
	}
	a := keysAtNoon(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := signed()
			tt.change(r)
			if why := refusal(t, a, r); why != tt.want && (tt.want == wrong || !strings.HasPrefix(why, tt.want)) {
				t.Errorf("got %q, want %q", why, tt.want)
			}
		})
	}
	if why := refusal(t, openKeys(t, keyID, strings.ToUpper(keySecret), &auth.AccessKeysOptions{Now: atNoon}), signed()); why != wrong {
		t.Errorf("another secret: %q", why)
	}
}

// edit replaces a part of the Authorization header.
func edit(r *http.Request, from, to string) {
	sent := r.Header.Get("Authorization")
	if !strings.Contains(sent, from) {
		panic("nothing to replace: " + from)
	}
	r.Header.Set("Authorization", strings.Replace(sent, from, to, 1))
}

// TestSignatureDate: a signature is valid 15 minutes before and after its date.
func TestSignatureDate(t *testing.T) {
	const stale = "calc ak sk signature fail:signature expired"
	for off, want := range map[time.Duration]string{
		0: "", 15 * time.Minute: "", -15 * time.Minute: "", 15*time.Minute + time.Second: stale,
		-15*time.Minute - time.Second: stale, 24 * time.Hour: stale, -1000 * time.Hour: stale,
	} {
		a := openKeys(t, keyID, keySecret, &auth.AccessKeysOptions{Now: func() time.Time { return noon.Add(off) }})
		if why := refusal(t, a, signed()); why != want {
			t.Errorf("at noon and %v: %q, want %q", off, why, want)
		}
	}
	a := openKeys(t, keyID, keySecret, &auth.AccessKeysOptions{Now: func() time.Time { return noon.Add(2 * time.Second) }, MaxSkew: time.Second})
	if why := refusal(t, a, signed()); why != stale {
		t.Errorf("a smaller skew: %q", why)
	}
}

// TestMalformedSignatures: what cannot be read is refused, and says how it
// should look.
func TestMalformedSignatures(t *testing.T) {
	good := signed().Header.Get("Authorization")
	many := "x-sdk-date"
	for i := range 64 {
		many += fmt.Sprintf(";h%d", i)
	}
	sent := map[string]string{
		"scheme alone": "SDK-HMAC-SHA256", "nothing": "SDK-HMAC-SHA256 ", "one part": "SDK-HMAC-SHA256 Access=" + keyID,
		"no key": strings.Replace(good, keyID, "", 1), "twice": good + ", Access=" + keyID, "more": good + ", X=y", "comma": good + ",",
		"short": good[:len(good)-1], "long": good + "0", "upper case": strings.Replace(good, "Signature=", "Signature=F", 1)[:len(good)],
		"not hex": good[:len(good)-1] + "g", "long header": good + strings.Repeat(" ", 8<<10),
		"no date": strings.Replace(good, ";x-sdk-date", "", 1), "no headers": strings.Replace(good, usualHeaders, "", 1),
		"empty name": strings.Replace(good, "host;", "host;;", 1), "repeated name": strings.Replace(good, "host;", "host;host;", 1),
		"name in upper case": strings.Replace(good, "host;", "Host;", 1), "no name": strings.Replace(good, "host;", "ho st;", 1),
		"many names": strings.Replace(good, usualHeaders, many, 1),
	}
	a := keysAtNoon(t)
	for name, value := range sent {
		r := signed()
		r.Header.Set("Authorization", value)
		if why := refusal(t, a, r); !strings.HasPrefix(why, "verify aksk signature fail: ") {
			t.Errorf("%s: %q", name, why)
		}
	}
	for name, change := range map[string]func(h http.Header){
		"signed twice":             func(h http.Header) { h.Add("Authorization", good) },
		"another scheme first":     func(h http.Header) { h["Authorization"] = []string{"Bearer x", good} },
		"two dates":                func(h http.Header) { h.Add("X-Sdk-Date", noon.Format(dateForm)) },
		"date missing":             func(h http.Header) { h.Del("X-Sdk-Date") },
		"date with fraction":       func(h http.Header) { h.Set("X-Sdk-Date", "20250101T120000.5Z") },
		"date in another form":     func(h http.Header) { h.Set("X-Sdk-Date", noon.Format(time.RFC1123)) },
		"two hashes":               func(h http.Header) { h["X-Sdk-Content-Sha256"] = []string{hexSum(""), hexSum("")} },
		"hash that is none":        func(h http.Header) { h.Set("X-Sdk-Content-Sha256", "none") },
		"hash of wrong length":     func(h http.Header) { h.Set("X-Sdk-Content-Sha256", hexSum("")+"00") },
		"an empty hash":            func(h http.Header) { h.Set("X-Sdk-Content-Sha256", "") },
		"hash of sixty-four words": func(h http.Header) { h.Set("X-Sdk-Content-Sha256", strings.Repeat("x", 64)) },
	} {
		r := signed()
		change(r.Header)
		if why := refusal(t, a, r); !strings.HasPrefix(why, "verify aksk signature fail: ") {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// TestUnknownKeyIsShownSafely: a client sees its own key again, but not what
// could harm a log or a terminal.
func TestUnknownKeyIsShownSafely(t *testing.T) {
	a := keysAtNoon(t)
	for sent, want := range map[string]string{
		"NOBODY": "ak NOBODY not exist", "A\x1b[31mB\x00C\u202e": "ak A[31mBC not exist",
		strings.Repeat("x", 1000): "ak " + strings.Repeat("x", 128) + " not exist",
	} {
		r := signed()
		edit(r, keyID, sent)
		if why := refusal(t, a, r); why != want {
			t.Errorf("%q: %q", sent, why)
		}
	}
}

// TestOtherCredentials: what is no signature is left to other sources.
func TestOtherCredentials(t *testing.T) {
	for _, sent := range []string{"", "Bearer x", "SDK-HMAC-SHA2567 Access=x", "V11-HMAC-SHA256 Credential=x"} {
		r := unsigned(http.MethodGet, "/", "")
		r.Header.Set("Authorization", sent)
		if _, err := ask(keysAtNoon(t), r); !errors.Is(err, auth.ErrNoToken) {
			t.Errorf("%q: %v", sent, err)
		}
	}
}

// TestSignatureBeforeToken: with both, the signature decides, also against the
// caller; without one, the token does.
func TestSignatureBeforeToken(t *testing.T) {
	both := auth.FirstOf(keysAtNoon(t), operator(t, token))
	r := signed()
	r.Header.Set(auth.TokenHeader, token)
	if caller, err := ask(both, r); err != nil || caller.Source != "access_key" {
		t.Errorf("signed: %+v, %v", caller, err)
	}
	r.Method = http.MethodPut
	if caller, err := ask(both, r); err == nil || asRefusal(t, err).Reason != "verify aksk signature fail" {
		t.Errorf("badly signed: %+v, %v", caller, err)
	}
	r.Header.Del("Authorization")
	if caller, err := ask(both, r); err != nil || caller.Source != "operator" {
		t.Errorf("not signed: %+v, %v", caller, err)
	}
}
