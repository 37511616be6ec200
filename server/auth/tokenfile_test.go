package auth_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portolan/server/auth"
)

// openTokens returns a source of a file with that text.
func openTokens(t testing.TB, text string, now func() time.Time) *auth.Tokens {
	t.Helper()
	s, err := auth.OpenTokens(writeFile(t, text), &auth.TokensOptions{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTokens(t *testing.T) {
	other := auth.NewToken()
	s := openTokens(t, fmt.Sprintf(`[
		{"name":"all","sha256":%q,"projects":["*"],"enterprise_projects":["*"],"write":true},
		{"name":"some","sha256":%q,"projects":["p1","p2"],"enterprise_projects":["0"],"expires":"2025-01-01T14:00:00+02:00"}
	]`, auth.HashToken(token), strings.ToUpper(auth.HashToken(other))), func() time.Time { return noon.Add(-time.Second) })
	caller, err := ask(s, request(token))
	if err != nil || caller.Name != "all" || caller.Source != "token" || !caller.Write || !caller.Projects.IsAll() || !caller.EnterpriseProjects.IsAll() {
		t.Errorf("all: %+v, %v", caller, err)
	}
	caller, err = ask(s, request(other))
	if err != nil || caller.Name != "some" || caller.Write || !caller.Projects.Has("p2") || caller.Projects.Has("p3") ||
		!caller.EnterpriseProjects.Has("0") || caller.EnterpriseProjects.Has("1") {
		t.Errorf("some: %+v, %v", caller, err)
	}
	for sent, want := range map[string]error{"": auth.ErrNoToken, token[1:]: auth.ErrBadToken, token + "0": auth.ErrBadToken, auth.HashToken(token): auth.ErrBadToken} {
		if caller, err := ask(s, request(sent)); !errors.Is(err, want) || caller != nil {
			t.Errorf("%q: %+v, %v", sent, caller, err)
		}
	}
}

// TestTokenExpires: at its time, not later, and nobody else is asked.
func TestTokenExpires(t *testing.T) {
	now := noon.Add(-time.Nanosecond)
	s := openTokens(t, `[{"name":"ci","sha256":"`+hexSum(token)+`","expires":"2025-01-01T14:00:00+02:00"}]`, func() time.Time { return now })
	if _, err := ask(s, request(token)); err != nil {
		t.Error(err)
	}
	now = noon
	_, err := ask(auth.FirstOf(s, operator(t, token)), request(token))
	if why := asRefusal(t, err); why.Reason != "token expires, expires_at: 2025-01-01T12:00:00Z" || !why.Final {
		t.Errorf("got %+v", why)
	}
}

// TestGrantsOfNothing: who is granted nothing is known all the same.
func TestGrantsOfNothing(t *testing.T) {
	s := openTokens(t, `[{"name":"ci","sha256":"`+hexSum(token)+`"}]`, nil)
	caller, err := ask(s, request(token))
	if err != nil || caller.Write || caller.Projects.Has("") || caller.Projects.Has("p1") || caller.Projects.IsAll() || caller.EnterpriseProjects.IsAll() || caller.EnterpriseProjects.Has("0") {
		t.Errorf("%+v, %v", caller, err)
	}
}

func TestTokensDoNotAllocate(t *testing.T) {
	s, q := openTokens(t, `[{"name":"ci","sha256":"`+hexSum(token)+`","expires":"2999-01-01T00:00:00Z"}]`, nil), auth.FromHTTP(request(token))
	if n := testing.AllocsPerRun(100, func() { s.Authenticate(t.Context(), &q) }); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
}

func TestNewToken(t *testing.T) {
	a, b := auth.NewToken(), auth.NewToken()
	if a == b || !strings.HasPrefix(a, auth.TokenPrefix) || len(a) < auth.MinTokenLen || len(a) > auth.MaxTokenLen || auth.HashToken(a) == auth.HashToken(b) {
		t.Errorf("%s, %s", a, b)
	}
}

func newRecord(name string) auth.TokenRecord {
	return auth.TokenRecord{Name: name, SHA256: auth.HashToken(name + token), Projects: []string{"*"}, EnterpriseProjects: []string{"0"}}
}

// add returns an edit that appends a record.
func add(r auth.TokenRecord) func([]auth.TokenRecord) ([]auth.TokenRecord, error) {
	return func(old []auth.TokenRecord) ([]auth.TokenRecord, error) { return append(old, r), nil }
}

func TestEditTokens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.json")
	full := newRecord("full")
	full.Write, full.Created, full.Expires = true, noon, noon.Add(time.Hour)
	bare := auth.TokenRecord{Name: "bare", SHA256: auth.HashToken("bare")}
	for _, r := range []auth.TokenRecord{full, bare} {
		if err := auth.EditTokens(path, add(r)); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a new file: %v, %v", info.Mode(), err)
	}
	bare.Projects, bare.EnterpriseProjects = []string{}, []string{}
	got, err := auth.ReadTokens(path)
	if diff := cmp.Diff([]auth.TokenRecord{full, bare}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	s, err := auth.OpenTokens(path, nil)
	if err != nil || s.Len() != 2 {
		t.Errorf("%v", err)
	}
}

// TestEditKeepsFile: what is wrong changes nothing, and leaves nothing behind.
func TestEditKeepsFile(t *testing.T) {
	path := writeFile(t, "[]")
	if err := auth.EditTokens(path, add(newRecord("a"))); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	for name, change := range map[string]func([]auth.TokenRecord) ([]auth.TokenRecord, error){
		"an error":             func([]auth.TokenRecord) ([]auth.TokenRecord, error) { return nil, refused },
		"a name that is there": add(newRecord("a")), "no name": add(newRecord("")),
		"no hash": add(auth.TokenRecord{Name: "b"}),
	} {
		err := auth.EditTokens(path, change)
		if err == nil || name == "an error" && !errors.Is(err, refused) {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
			t.Errorf("%s changed the file: %s, %v", name, after, err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestEditKeepsModeAndLink(t *testing.T) {
	path := writeFile(t, "[]")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.json")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := auth.EditTokens(link, add(newRecord("a"))); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info.Mode(), err)
	}
	if got, err := auth.ReadTokens(path); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestEditRefusesBrokenFile(t *testing.T) {
	path := writeFile(t, `[{"name":"a"`)
	if err := auth.EditTokens(path, add(newRecord("b"))); err == nil {
		t.Error("a broken file was replaced")
	}
	if err := auth.EditTokens(filepath.Join(t.TempDir(), "no", "tokens.json"), add(newRecord("b"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// TestEditorsTakeTurns: nobody's entry is lost, and a reader never sees half a
// file.
func TestEditorsTakeTurns(t *testing.T) {
	path := writeFile(t, "[]")
	s, err := auth.OpenTokens(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	const editors, each = 8, 5
	var wg sync.WaitGroup
	for i := range editors {
		wg.Go(func() {
			for j := range each {
				if err := auth.EditTokens(path, add(newRecord(fmt.Sprintf("t%d-%d", i, j)))); err != nil {
					t.Error(err)
				}
				if err := s.Reload(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if s.Len() != editors*each {
		t.Errorf("%d entries, want %d", s.Len(), editors*each)
	}
}

// TestReloadUnderLoad: callers come and go while the file changes.
func TestReloadUnderLoad(t *testing.T) {
	with := `[{"name":"ci","sha256":"` + hexSum(token) + `","projects":["*"]}]`
	path := writeFile(t, with)
	s, err := auth.OpenTokens(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for r := request(token); ; {
				if caller, err := ask(s, r); (err == nil) != (caller != nil) || err != nil && !errors.Is(err, auth.ErrBadToken) {
					t.Errorf("%+v, %v", caller, err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 100 {
		rewrite(t, path, []string{"[]", with}[i%2])
		if err := s.Reload(); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
	if _, err := ask(s, request(token)); err != nil {
		t.Error(err)
	}
}
