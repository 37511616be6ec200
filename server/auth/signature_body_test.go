package auth_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"portolan/server/auth"
)

// large is longer than what is held in memory.
const large = 3 << 20

// tempKeys returns a source and the folder that it keeps long bodies in.
func tempKeys(t testing.TB) (*auth.AccessKeys, string) {
	t.Helper()
	dir := t.TempDir()
	return openKeys(t, keyID, keySecret, &auth.AccessKeysOptions{Now: atNoon, TempDir: dir, MaxUnhashedBody: large}), dir
}

// wantEmpty fails the test if something was left in the folder.
func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSignedBodies(t *testing.T) {
	for name, body := range map[string]string{
		"none": "", "small": "{}\n", "as much as memory holds": strings.Repeat("x", 512<<10),
		"large": strings.Repeat("0123456789abcdef", large/16),
	} {
		for _, declare := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				a, dir := tempKeys(t)
				r := signedBody(body, declare)
				if why := refusal(t, a, r); why != "" {
					t.Fatal(why)
				}
				if got, err := io.ReadAll(r.Body); err != nil || string(got) != body {
					t.Errorf("read %d bytes, %v; want %d", len(got), err, len(body))
				}
				for range 2 {
					if err := r.Body.Close(); err != nil {
						t.Error(err)
					}
				}
				wantEmpty(t, dir)
			})
		}
	}
}

// TestChangedBodies: another body than the signed one is refused before anybody
// reads it, and nothing is left of it.
func TestChangedBodies(t *testing.T) {
	long := strings.Repeat("x", large)
	for name, c := range map[string]struct{ signed, sent string }{
		"small": {"{}", "[]"}, "large": {long, long[1:] + "y"}, "longer": {"{}", "{}{}"}, "shorter": {long, "x"}, "added": {"", "{}"}, "removed": {"{}", ""},
	} {
		for _, declare := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				a, dir := tempKeys(t)
				r := signedBody(c.signed, declare)
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(c.sent)), int64(len(c.sent))
				if why := refusal(t, a, r); !strings.HasPrefix(why, "verify aksk signature fail") {
					t.Errorf("refused: %q", why)
				}
				wantEmpty(t, dir)
			})
		}
	}
}

// TestUnsignedBody: a client may leave the body out of its signature.
func TestUnsignedBody(t *testing.T) {
	a := openKeys(t, keyID, keySecret, &auth.AccessKeysOptions{Now: atNoon, TempDir: "/nowhere"})
	r := unsigned(http.MethodPost, "/", strings.Repeat("x", large))
	r.Header.Set("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD")
	if why := refusal(t, a, sign(r, usualHeaders, "UNSIGNED-PAYLOAD")); why != "" {
		t.Error(why)
	}
	if got, err := io.ReadAll(r.Body); err != nil || len(got) != large {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}

// TestBodyOfUnknownHashIsBounded: one that must be read before the caller is
// known may not be of any size, declared or not.
func TestBodyOfUnknownHashIsBounded(t *testing.T) {
	body := strings.Repeat("x", large+1)
	for _, length := range []int64{int64(len(body)), -1} {
		a, dir := tempKeys(t)
		r := signedBody(body, false)
		r.ContentLength = length
		caller, err := ask(auth.FirstOf(a, operator(t, token)), r)
		if !errors.Is(err, auth.ErrBodyTooLarge) || caller != nil {
			t.Errorf("length %d: %+v, %v", length, caller, err)
		}
		if _, ok := errors.AsType[*auth.RefusalError](err); ok {
			t.Errorf("length %d: %v is a refusal", length, err)
		}
		wantEmpty(t, dir)
	}
	a, _ := tempKeys(t)
	r := signedBody(body, false)
	r.Body = &brokenBody{} // panics when it is read
	if _, err := ask(a, r); !errors.Is(err, auth.ErrBodyTooLarge) {
		t.Errorf("a length that is too large: %v", err)
	}
	if why := refusal(t, a, signedBody(body, true)); why != "" {
		t.Error("with its hash: " + why)
	}
}

// brokenBody fails after some bytes.
type brokenBody struct {
	io.Reader
	err error
}

func (b *brokenBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = b.err
	}
	return n, err
}

func (b *brokenBody) Close() error { return nil }

// TestBodyThatBreaksOff: it is nobody's fault but the connection's, and no
// other source is asked, which would let in half a body.
func TestBodyThatBreaksOff(t *testing.T) {
	for _, declare := range []bool{false, true} {
		for _, size := range []int{10, large - 1} {
			a, dir := tempKeys(t)
			r := signedBody(strings.Repeat("x", large), declare)
			r.Body = &brokenBody{strings.NewReader(strings.Repeat("x", size)), os.ErrDeadlineExceeded}
			r.Header.Set(auth.TokenHeader, token)
			caller, err := ask(auth.FirstOf(a, operator(t, token)), r)
			if !errors.Is(err, os.ErrDeadlineExceeded) || caller != nil {
				t.Errorf("%d bytes: %+v, %v", size, caller, err)
			}
			if _, ok := errors.AsType[*auth.RefusalError](err); ok {
				t.Errorf("%d bytes: %v is a refusal", size, err)
			}
			wantEmpty(t, dir)
		}
	}
}

// TestBodyWithoutRoom: a long body needs a folder, a short one none.
func TestBodyWithoutRoom(t *testing.T) {
	a := openKeys(t, keyID, keySecret, &auth.AccessKeysOptions{Now: atNoon, TempDir: t.TempDir() + "/missing"})
	if why := refusal(t, a, signedBody("{}", false)); why != "" {
		t.Error(why)
	}
	if _, err := ask(a, signedBody(strings.Repeat("x", large), false)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestUnknownCallersBodyIsNotRead: a stranger makes nobody read.
func TestUnknownCallersBodyIsNotRead(t *testing.T) {
	a := keysAtNoon(t)
	for name, change := range map[string]func(r *http.Request){
		"another key": func(r *http.Request) { edit(r, keyID, "OTHER") },
		"stale":       func(r *http.Request) { r.Header.Set("X-Sdk-Date", "20240101T000000Z") },
		"hash given": func(r *http.Request) {
			r.Header.Set("X-Sdk-Content-Sha256", hexSum("{}"))
			r.Method = http.MethodPut
		},
	} {
		r := signedBody("{}", false)
		change(r)
		r.Body = &brokenBody{err: errors.New("read")} // panics when it is read
		if why := refusal(t, a, r); why == "" {
			t.Errorf("%s: let in", name)
		}
	}
}

// TestOverTheWire: headers that net/http treats apart, and bodies, through a
// real server.
func TestOverTheWire(t *testing.T) {
	a, dir := tempKeys(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := ask(a, r); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		defer r.Body.Close()
		io.Copy(w, r.Body)
	}))
	defer s.Close()
	body := strings.Repeat("0123456789abcdef", large/16)
	for _, declare := range []bool{false, true} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/a%2Fb?x=y", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Sdk-Date", noon.Format(dateForm))
		r.Header.Set("Content-Length", "3145728") // for the signer; net/http sends its own
		if declare {
			r.Header.Set("X-Sdk-Content-Sha256", hexSum(body))
		}
		res, err := s.Client().Do(sign(r, "content-length;host;x-sdk-date", hexSum(body)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || string(got) != body {
			t.Errorf("got %d, %d bytes, %v: %.200s", res.StatusCode, len(got), err, got)
		}
	}
	wantEmpty(t, dir)
}
