package keystone_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"portolan/engine"
	"portolan/server"
	"portolan/server/auth"
	"portolan/server/auth/keystone"
)

// realKeystone is the program itself, with a database of its own.
type realKeystone struct {
	dir  string
	port int
	url  string
	cmd  *exec.Cmd
	out  bytes.Buffer // of the command; read when it has ended
}

// adminPassword is that of the user admin in the project admin.
const adminPassword = "for the test alone"

// newRealKeystone sets one up and starts it; it skips the test where there is none.
func newRealKeystone(t *testing.T) *realKeystone {
	t.Helper()
	if testing.Short() {
		t.Skip("a Keystone takes half a minute")
	}
	for _, program := range []string{"keystone-manage", "keystone-wsgi-public"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("PORTOLAN_REQUIRE_ALL") != "" {
				t.Fatal(err)
			}
			t.Skipf("%v: install python3-keystone", err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &realKeystone{dir: t.TempDir(), port: l.Addr().(*net.TCPAddr).Port}
	l.Close()
	k.url = "http://127.0.0.1:" + strconv.Itoa(k.port)
	k.configure(t, time.Hour)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"db_sync"},
		{"fernet_setup", "--keystone-user", me.Username, "--keystone-group", group.Name},
		{"credential_setup", "--keystone-user", me.Username, "--keystone-group", group.Name},
		{"bootstrap", "--bootstrap-password", adminPassword, "--bootstrap-region-id", "RegionOne", "--bootstrap-public-url", k.url + "/v3/"},
	} {
		k.run(t, "keystone-manage", append([]string{"--config-file", k.file()}, args...)...)
	}
	// Else its readers, which it leaves open, keep its writers waiting until they fail.
	k.run(t, "python3", "-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA journal_mode = WAL')", filepath.Join(k.dir, "db"))
	k.start(t)
	t.Cleanup(func() {
		k.stop()
		if t.Failed() {
			t.Logf("the service's own words:\n%s", k.out.String())
		}
	})
	return k
}

func (k *realKeystone) run(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
}

func (k *realKeystone) file() string { return filepath.Join(k.dir, "keystone.conf") }

// configure writes the configuration; tokens made from then on are good for so long.
func (k *realKeystone) configure(t *testing.T, expiration time.Duration) {
	t.Helper()
	for _, keys := range []string{"fernet", "credential"} {
		if err := os.MkdirAll(filepath.Join(k.dir, keys), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	conf := fmt.Sprintf(`[DEFAULT]
log_file = %[1]s/log
[database]
connection = sqlite:///%[1]s/db
[token]
provider = fernet
expiration = %[2]d
[fernet_tokens]
key_repository = %[1]s/fernet
[fernet_receipts]
key_repository = %[1]s/fernet
[credential]
key_repository = %[1]s/credential
[cache]
enabled = false
`, k.dir, int(expiration.Seconds()))
	if err := os.WriteFile(k.file(), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start starts the service and waits until it answers.
func (k *realKeystone) start(t *testing.T) {
	t.Helper()
	k.cmd = exec.Command("keystone-wsgi-public", "--host", "127.0.0.1", "--port", strconv.Itoa(k.port))
	k.cmd.Env = append(os.Environ(), "OS_KEYSTONE_CONFIG_DIR="+k.dir, "OS_KEYSTONE_CONFIG_FILES=keystone.conf")
	k.out.Reset()
	k.cmd.Stdout, k.cmd.Stderr = &k.out, &k.out
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(k.url + "/v3/")
		if err == nil {
			resp.Body.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it does not answer: %v", err)
		}
	}
}

// stop ends the service; it may have ended.
func (k *realKeystone) stop() {
	k.cmd.Process.Signal(syscall.SIGCONT)
	k.cmd.Process.Kill()
	k.cmd.Wait()
}

// call asks the service something and reads the answer into out, which may be nil. What
// is deleted is a token, in place of the body.
func (k *realKeystone) call(t *testing.T, method, path, token, body string, out any) http.Header {
	t.Helper()
	subject := ""
	if method == http.MethodDelete {
		subject, body = body, ""
	}
	r, err := http.NewRequestWithContext(t.Context(), method, k.url+"/v3"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	if subject != "" {
		r.Header.Set("X-Subject-Token", subject)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s: %s, %v", method, path, resp.Status, text, err)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			t.Fatal(err)
		}
	}
	return resp.Header
}

// login returns a token of a user, of a project or, for none, unscoped.
func (k *realKeystone) login(t *testing.T, name, password, project string) string {
	t.Helper()
	scope := ""
	if project != "" {
		scope = fmt.Sprintf(`,"scope":{"project":{"name":%q,"domain":{"id":"default"}}}`, project)
	}
	body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":%q,"domain":{"id":"default"},"password":%q}}}%s}}`, name, password, scope)
	return k.call(t, http.MethodPost, "/auth/tokens", "", body, nil).Get("X-Subject-Token")
}

// made is a thing with an id.
type made struct {
	ID string `json:"id"`
}

// make makes a thing and returns its id.
func (k *realKeystone) make(t *testing.T, admin, kind, fields string) string {
	t.Helper()
	var out map[string]made
	k.call(t, http.MethodPost, "/"+kind+"s", admin, fmt.Sprintf(`{%q:{%s}}`, kind, fields), &out)
	return out[kind].ID
}

// authenticate puts a token to a source.
func authenticate(t *testing.T, s auth.Authenticator, token string) (*auth.Caller, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set(auth.TokenHeader, token)
	return ask(s, r)
}

// TestRealKeystone: what a Keystone says of its tokens holds here.
func TestRealKeystone(t *testing.T) {
	k := newRealKeystone(t)
	admin := k.login(t, "admin", adminPassword, "admin")
	shop := k.make(t, admin, "project", `"name":"shop","domain_id":"default"`)
	bank := k.make(t, admin, "project", `"name":"bank","domain_id":"default"`)
	alice := k.make(t, admin, "user", `"name":"alice","domain_id":"default","password":"secret"`)
	reader, editor := k.make(t, admin, "role", `"name":"port_reader"`), k.make(t, admin, "role", `"name":"port_editor"`)
	k.call(t, http.MethodPut, "/projects/"+shop+"/users/"+alice+"/roles/"+reader, admin, "", nil)
	k.call(t, http.MethodPut, "/projects/"+bank+"/users/"+alice+"/roles/"+editor, admin, "", nil)

	account := &keystone.Credentials{User: "admin", Password: adminPassword, Project: "admin"}
	for name, service := range map[string]*keystone.Credentials{"by an account": account, "by itself": nil} {
		t.Run(name, func(t *testing.T) {
			s, err := keystone.New(k.url, &keystone.Options{Service: service, WriteRoles: []string{"port_editor"}, CacheTTL: -1, RefusalTTL: 1})
			if err != nil {
				t.Fatal(err)
			}
			reads, writes, unscoped := k.login(t, "alice", "secret", "shop"), k.login(t, "alice", "secret", "bank"), k.login(t, "alice", "secret", "")
			c, err := authenticate(t, s, reads)
			if err != nil || !c.Projects.Has(shop) || c.Projects.Has(bank) || c.Projects.IsAll() || c.Write || !c.EnterpriseProjects.IsAll() || !strings.HasPrefix(c.Name, "alice (") {
				t.Errorf("a token of the shop: %+v, %v", c, err)
			}
			if c, err := authenticate(t, s, writes); err != nil || !c.Projects.Has(bank) || c.Projects.Has(shop) || !c.Write {
				t.Errorf("a token of the bank: %+v, %v", c, err)
			}
			if c, err := authenticate(t, s, unscoped); err != nil || c.Projects.Has(shop) || c.Projects.Has("") || c.Write {
				t.Errorf("an unscoped token: %+v, %v", c, err)
			}
			for what, token := range map[string]string{"made up": strings.Repeat("x", 180), "cut": reads[:len(reads)-8]} {
				if c, err := authenticate(t, s, token); !errors.Is(err, auth.ErrBadToken) {
					t.Errorf("a token that is %s: %+v, %v", what, c, err)
				}
			}
			k.call(t, http.MethodDelete, "/auth/tokens", admin, reads, nil)
			if c, err := authenticate(t, s, reads); !errors.Is(err, auth.ErrBadToken) {
				t.Errorf("a revoked token: %+v, %v", c, err)
			}
			later, err := keystone.New(k.url, &keystone.Options{Service: service, Now: func() time.Time { return time.Now().Add(2 * time.Hour) }})
			if err != nil {
				t.Fatal(err)
			}
			var refusal *auth.RefusalError
			if c, err := authenticate(t, later, writes); !errors.As(err, &refusal) || !strings.Contains(refusal.Reason, "expires_at") {
				t.Errorf("a token that is over by our clock: %+v, %v", c, err)
			}
		})
	}
	t.Run("over HTTP", func(t *testing.T) { k.overHTTP(t, account, shop, bank) })
	t.Run("slow, down and up again", func(t *testing.T) { k.outage(t, account, shop) })
	t.Run("expired", func(t *testing.T) { k.expire(t, account) })
}

// overHTTP: the project of a token must be that of the path, and its roles say whether
// it writes.
func (k *realKeystone) overHTTP(t *testing.T, account *keystone.Credentials, shop, bank string) {
	source, err := keystone.New(k.url, &keystone.Options{Service: account, WriteRoles: []string{"port_editor"}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(e, &server.Options{Auth: source})
	if err != nil {
		t.Fatal(err)
	}
	reads, writes, unscoped := k.login(t, "alice", "secret", "shop"), k.login(t, "alice", "secret", "bank"), k.login(t, "alice", "secret", "")
	for _, c := range []struct {
		method, project, token string
		want                   int
	}{
		{http.MethodPost, bank, writes, http.StatusOK},
		{http.MethodPost, shop, writes, http.StatusForbidden},
		{http.MethodPost, shop, reads, http.StatusForbidden},
		{http.MethodGet, bank, writes, http.StatusOK},
		{http.MethodGet, shop, reads, http.StatusOK},
		{http.MethodGet, bank, reads, http.StatusForbidden},
		{http.MethodGet, shop, unscoped, http.StatusForbidden},
		{http.MethodGet, shop, "no token of anybody, but long enough", http.StatusUnauthorized},
	} {
		path, body := "/v5/"+c.project+"/asset/port/statistics?enterprise_project_id=all_granted_eps", io.Reader(nil)
		if c.method == http.MethodPost {
			path, body = "/v1/projects/"+c.project+"/reports", strings.NewReader(`{"asset":"h1","open":["22/tcp"]}`+"\n")
		}
		r := httptest.NewRequestWithContext(t.Context(), c.method, path, body)
		r.Header.Set(auth.TokenHeader, c.token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s %s: %d, want %d: %s", c.method, path, w.Code, c.want, w.Body)
		}
	}
}

// outage: a service that does not answer lets nobody in that is not known, refuses
// nobody, and is asked again when it is back.
func (k *realKeystone) outage(t *testing.T, account *keystone.Credentials, shop string) {
	const busy = 10 * time.Second // what a Keystone may take on a machine that is busy
	s, err := keystone.New(k.url, &keystone.Options{Service: account, Timeout: busy})
	if err != nil {
		t.Fatal(err)
	}
	known, unknown := k.login(t, "alice", "secret", "shop"), k.login(t, "alice", "secret", "shop")
	if _, err := authenticate(t, s, known); err != nil {
		t.Fatal(err)
	}
	unavailable := func(what string, err error) {
		t.Helper()
		var refusal *auth.RefusalError
		if err == nil || errors.As(err, &refusal) {
			t.Errorf("%s: %v, want an error that is no refusal", what, err)
		}
	}
	if err := k.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_, err = authenticate(t, s, unknown)
	unavailable("slow", err)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("slow: %v", err)
	}
	if c, err := authenticate(t, s, known); err != nil || !c.Projects.Has(shop) {
		t.Errorf("slow: one who is known: %+v, %v", c, err)
	}
	k.stop()
	_, err = authenticate(t, s, unknown)
	unavailable("down", err)
	if _, err := authenticate(t, s, known); err != nil {
		t.Errorf("down: one who is known: %v", err)
	}
	k.start(t)
	if _, err := authenticate(t, s, unknown); err != nil {
		t.Errorf("up again: %v", err)
	}
}

// expire: a token that has come to its end is a bad one.
func (k *realKeystone) expire(t *testing.T, account *keystone.Credentials) {
	k.stop()
	k.configure(t, 3*time.Second)
	k.start(t)
	s, err := keystone.New(k.url, &keystone.Options{Service: account, CacheTTL: -1, RefusalTTL: 1})
	if err != nil {
		t.Fatal(err)
	}
	token := k.login(t, "alice", "secret", "shop")
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		_, err := authenticate(t, s, token)
		var refusal *auth.RefusalError
		switch {
		case errors.As(err, &refusal):
			return
		case time.Now().After(end):
			t.Fatalf("after a minute: %v", err)
		}
	}
}
