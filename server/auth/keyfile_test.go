package auth_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portolan/server/auth"
)

// reloads is what both sources of a file can do.
type reloads interface {
	auth.Authenticator
	Paths() []string
	Reload() error
	Len() int
}

// fileKind is a kind of file of credentials: how it is opened and how an entry
// begins that is otherwise valid.
type fileKind struct {
	name  string
	open  func(path string) (reloads, error)
	entry func(n int) string // without the closing brace
}

func fileKinds() []fileKind {
	return []fileKind{
		{"tokens", func(path string) (reloads, error) { return auth.OpenTokens(path, nil) }, func(n int) string {
			return fmt.Sprintf(`{"name":"t%d","sha256":%q`, n, hexSum(fmt.Sprint(n)))
		}},
		{"access keys", func(path string) (reloads, error) { return auth.OpenAccessKeys(path, nil) }, func(n int) string {
			return fmt.Sprintf(`{"access_key":"AK%d","secret_key":%q`, n, keySecret)
		}},
	}
}

// TestFilesThatAreRefused: an error says where and what is wrong, and shows no
// secret and no whole hash.
func TestFilesThatAreRefused(t *testing.T) {
	long := strings.Repeat("é", 129)
	for _, kind := range fileKinds() {
		one, two := kind.entry(1), kind.entry(2)
		for text, want := range map[string]string{
			"": "JSON list", "{}": "JSON list", "null": "JSON list", "[": "line 1", "[\n" + one + "}\n": "line 3", "[\n" + one + "},\n}]": "line 3",
			"[]x": "line 1", "[]\n[]": "line 2: something follows", "\xff[]": "UTF-8", "[1]": "entry 1: want an object", "[null]": "entry 1: want an object",
			"[" + one + `},` + two + `,"x":1}]`:                                                       `"x" is no field`,
			"[" + one + `,"Write":true}]`:                                                             `"Write" is no field`,
			"[" + one + `,"write":false,"write":true}]`:                                               "write: given twice",
			"[" + one + `,"write":"yes"}]`:                                                            "want true or false",
			"[" + one + `,"write":1}]`:                                                                "want true or false",
			"[" + one + `,"projects":"p1"}]`:                                                          "projects: ",
			"[" + one + `,"projects":[""]}]`:                                                          "projects: ",
			"[" + one + `,"projects":[null]}]`:                                                        "projects: ",
			"[" + one + `,"projects":["*","p1"]}]`:                                                    "* alone",
			"[" + one + `,"projects":["` + long + long + `"]}]`:                                       "1 to 256 characters",
			"[" + one + `,"enterprise_projects":["` + long + `"]}]`:                                   "1 to 128 characters",
			"[" + one + `,"enterprise_projects":["a","*"]}]`:                                          "* alone",
			"[" + one + `,"enterprise_projects":["all_granted_eps"]}]`:                                "all_granted_eps",
			"[" + one + `,"expires":"tomorrow"}]`:                                                     "RFC 3339",
			"[" + one + `,"expires":"2030-01-01"}]`:                                                   "RFC 3339",
			"[" + one + `,"expires":1893456000}]`:                                                     "RFC 3339",
			"[" + one + `,"expires":"0001-01-01T00:00:00Z"}]`:                                         "RFC 3339",
			"[" + one + `},` + one + `}]`:                                                             "entry 2",
			"[" + strings.NewReplacer(`"t1"`, `""`, `"AK1"`, `""`).Replace(one) + `}]`:                "entry 1: ",
			"[" + strings.NewReplacer(`"t1"`, `"a\nb"`, `"AK1"`, `"A,B"`).Replace(one) + `}]`:         "entry 1",
			"[" + strings.NewReplacer(`"t1"`, `7`, `"AK1"`, `7`).Replace(one) + `}]`:                  "want a string",
			"[" + strings.NewReplacer(hexSum("1"), "abc", keySecret, "too short").Replace(one) + `}]`: "want ",
			"[" + strings.NewReplacer(`"`+hexSum("1")+`"`, `["secret-thing"]`, `"`+keySecret+`"`, `["secret-thing"]`).Replace(one) + `}]`: "want a string",
		} {
			_, err := kind.open(writeFile(t, text))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %.200s: got %v, want %q", kind.name, text, err, want)
				continue
			}
			for _, secret := range []string{hexSum("1"), keySecret, "too short", "secret-thing"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s: the error shows %s: %v", kind.name, secret, err)
				}
			}
		}
	}
}

func TestFilesThatAreTooLong(t *testing.T) {
	for _, kind := range fileKinds() {
		path := writeFile(t, "[]")
		if err := os.Truncate(path, 64<<20+1); err != nil {
			t.Fatal(err)
		}
		if _, err := kind.open(path); err == nil || !strings.Contains(err.Error(), "more than 67108864 bytes") {
			t.Errorf("%s: %v", kind.name, err)
		}
	}
}

func TestFilesThatAreRead(t *testing.T) {
	for _, kind := range fileKinds() {
		for text, want := range map[string]int{
			"[]": 0, "[ ]": 0, "[" + kind.entry(1) + "}]": 1, "[" + kind.entry(1) + "}," + kind.entry(2) + "}]": 2,
			"[" + kind.entry(1) + `,"projects":null,"enterprise_projects":[],"write":null,"expires":null}]`:                                1,
			"[" + kind.entry(1) + `,"projects":["*"],"enterprise_projects":["0","a"],"write":true,"expires":"2030-01-01T00:00:00+02:00"}]`: 1,
		} {
			if s, err := kind.open(writeFile(t, text)); err != nil || s.Len() != want {
				t.Errorf("%s: %s: %v, want %d entries", kind.name, text, err, want)
			}
		}
	}
}

// TestPlaintextTokenIsRefused: the error helps out, and does not repeat it.
func TestPlaintextTokenIsRefused(t *testing.T) {
	_, err := auth.OpenTokens(writeFile(t, `[{"name":"ci","token":"`+token+`"}]`), nil)
	if err == nil || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "sha256sum") {
		t.Errorf("got %v", err)
	}
}

// TestNamesMustDiffer, and so must hashes and access keys.
func TestNamesMustDiffer(t *testing.T) {
	for text, want := range map[string]string{
		`[{"name":"a","sha256":"` + hexSum("1") + `"},{"name":"a","sha256":"` + hexSum("2") + `"}]`:                            `entry 2 ("a"): name`,
		`[{"name":"a","sha256":"` + hexSum("1") + `"},{"name":"b","sha256":"` + strings.ToUpper(hexSum("1")) + `"}]`:           `entry 2 ("b"): sha256`,
		`[{"access_key":"A","secret_key":"` + keySecret + `"},{"access_key":"A","secret_key":"` + keySecret + `","name":"b"}]`: `entry 2 ("A"): access_key`,
		`[{"access_key":"A","secret_key":"` + keySecret + `"},{"access_key":"B","secret_key":"` + keySecret + `","name":"A"}]`: `entry 2 ("B"): name`,
	} {
		open := fileKinds()[strings.Count(text[:16], "access")].open
		if _, err := open(writeFile(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// TestPermissions: nobody but the owner may write tokens or see keys.
func TestPermissions(t *testing.T) {
	for _, kind := range fileKinds() {
		path := writeFile(t, "[]")
		s, err := kind.open(path)
		if err != nil {
			t.Fatal(err)
		}
		for mode, allowed := range map[os.FileMode]bool{
			0o600: true, 0o400: true, 0o700: true, 0o644: kind.name == "tokens", 0o440: kind.name == "tokens", 0o664: false, 0o602: false, 0o666: false, 0o620: false,
		} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			_, err := kind.open(path)
			if again := s.Reload(); (err == nil) != allowed || (again == nil) != allowed {
				t.Errorf("%s, mode %o: open %v, reload %v; want allowed %v", kind.name, mode, err, again, allowed)
			}
			if err != nil && (!strings.Contains(err.Error(), "chmod ") || !strings.Contains(err.Error(), path)) {
				t.Errorf("%s, mode %o: %v", kind.name, mode, err)
			}
		}
	}
}

func TestFilesThatAreNone(t *testing.T) {
	for _, kind := range fileKinds() {
		for _, path := range []string{filepath.Join(t.TempDir(), "missing"), t.TempDir(), os.DevNull} {
			if _, err := kind.open(path); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %s: %v", kind.name, path, err)
			}
		}
	}
}

// rewrite replaces a file's contents.
func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReload: a new file counts, a broken or missing one does not.
func TestReload(t *testing.T) {
	for _, kind := range fileKinds() {
		path := writeFile(t, "["+kind.entry(1)+"}]")
		s, err := kind.open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Paths(); len(got) != 1 || got[0] != path {
			t.Errorf("%s: paths %v", kind.name, got)
		}
		rewrite(t, path, "["+kind.entry(1)+"},"+kind.entry(2)+"}]")
		if err := s.Reload(); err != nil || s.Len() != 2 {
			t.Errorf("%s: %d, %v", kind.name, s.Len(), err)
		}
		rewrite(t, path, "["+kind.entry(1))
		if err := s.Reload(); err == nil || s.Len() != 2 {
			t.Errorf("%s: a broken file: %d, %v", kind.name, s.Len(), err)
		}
		os.Remove(path)
		if err := s.Reload(); err == nil || s.Len() != 2 {
			t.Errorf("%s: no file: %d, %v", kind.name, s.Len(), err)
		}
		rewrite(t, path, "[]")
		if err := s.Reload(); err != nil || s.Len() != 0 {
			t.Errorf("%s: an empty list: %d, %v", kind.name, s.Len(), err)
		}
	}
}

// TestAccessKeyFile: what an entry grants, and for how long.
func TestAccessKeyFile(t *testing.T) {
	now := noon
	path := writeFile(t, `[{"access_key":"`+keyID+`","secret_key":"`+keySecret+`","projects":["p1"],"expires":"2025-01-01T13:00:00Z"}]`)
	a, err := auth.OpenAccessKeys(path, &auth.AccessKeysOptions{Now: func() time.Time { return now }, MaxSkew: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	caller, err := ask(a, signed())
	if err != nil || caller.Name != keyID || caller.Write || !caller.Projects.Has("p1") || caller.Projects.Has("p2") || caller.EnterpriseProjects.Has("0") {
		t.Errorf("got %+v, %v", caller, err)
	}
	now = noon.Add(time.Hour)
	if why := refusal(t, a, signed()); why != "ak "+keyID+" expires, expires_at: 2025-01-01T13:00:00Z" {
		t.Errorf("expired: %q", why)
	}
	rewrite(t, path, "[]")
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	if why := refusal(t, a, signed()); why != "ak "+keyID+" not exist" {
		t.Errorf("revoked: %q", why)
	}
}

func TestAccessKeysOptions(t *testing.T) {
	_, err := auth.OpenAccessKeys(writeFile(t, "[]"), &auth.AccessKeysOptions{MaxSkew: -1, MaxUnhashedBody: -1})
	if err == nil || !strings.Contains(err.Error(), "MaxSkew") || !strings.Contains(err.Error(), "MaxUnhashedBody") {
		t.Errorf("got %v", err)
	}
}
