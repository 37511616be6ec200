package keystone_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"portolan/server/auth"
	"portolan/server/auth/keystone"
)

// identity is a service that says what a test wants.
type identity struct {
	*httptest.Server
	asked  atomic.Int64 // validations
	logins atomic.Int64
	answer atomic.Pointer[http.HandlerFunc] // of validations
}

func newIdentity(t testing.TB, answer http.HandlerFunc) *identity {
	t.Helper()
	i := new(identity)
	i.answer.Store(&answer)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v3/auth/tokens", func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		if r.URL.RawQuery != "nocatalog" {
			t.Errorf("asked with the query %q", r.URL.RawQuery)
		}
		(*i.answer.Load())(w, r)
	})
	mux.HandleFunc("POST /v3/auth/tokens", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(body), `"password":"secret"`) {
			t.Errorf("login with %s", body)
		}
		w.Header().Set("X-Subject-Token", fmt.Sprintf("account-%d", i.logins.Add(1)))
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"token":{}}`)
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

// says is an answer with a status and a body.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// future is when the tokens of fakes end.
var future = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)

func factsOf(project string, roles ...string) string {
	scope := ""
	if project != "" {
		scope = fmt.Sprintf(`"project":{"id":%q,"name":"n"},`, project)
	}
	list := ""
	for _, role := range roles {
		list += fmt.Sprintf(`,{"id":"r","name":%q}`, role)
	}
	return fmt.Sprintf(`{"token":{%s"user":{"id":"u1","name":"alice"},"roles":[%s],"expires_at":%q}}`, scope, strings.TrimPrefix(list, ","), future.Format("2006-01-02T15:04:05.000000Z"))
}

func refusal(status int) string {
	return fmt.Sprintf(`{"error":{"code":%d,"message":"m","title":"t"}}`, status)
}

func newSource(t testing.TB, url string, opts *keystone.Options) *keystone.Source {
	t.Helper()
	s, err := keystone.New(url, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask has a source judge a request.
func ask(a auth.Authenticator, r *http.Request) (*auth.Caller, error) {
	q := auth.FromHTTP(r)
	return a.Authenticate(r.Context(), &q)
}

// bearing is a request with a token of n.
func bearing(n int) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header.Set(auth.TokenHeader, fmt.Sprintf("token-%032d", n))
	return r
}

// TestAnswers: whatever is not Keystone's own word about a token is an outage.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name    string
		answer  http.HandlerFunc
		refused bool
		says    string // of another error
	}{
		{"good", says(200, factsOf("p1")), false, ""},
		{"good, of a federated service", says(203, factsOf("p1")), false, ""},
		{"bad", says(404, refusal(404)), true, ""},
		{"bad, says itself", says(401, refusal(401)), true, ""},
		{"another 404", says(404, "<html>"), false, "check the URL: invalid character"},
		{"a page", says(200, "<html>"), false, "check the URL: invalid character"},
		{"another 404 in JSON", says(404, `{"error_code":"APIGW.0101"}`), false, "status 404 and is not an Identity service's"},
		{"a 404 that says 401", says(404, refusal(401)), false, "status 404"},
		{"ill", says(500, refusal(500)), false, "status 500"},
		{"busy", says(503, "secret body"), false, "status 503"},
		{"forbidden", says(403, refusal(403)), false, "may not validate tokens"},
		{"too many", says(429, refusal(429)), false, "status 429"},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, false, "status 307"},
		{"nothing", says(200, ""), false, "EOF"},
		{"cut", says(200, `{"token":{"user":`), false, "unexpected EOF"},
		{"endless", says(200, `{"token":{"user":{"id":"`+strings.Repeat("x", 2<<20)), false, "unexpected EOF"},
		{"no facts", says(200, `{"token":{}}`), false, "no user or no end"},
		{"a strange end", says(200, strings.Replace(factsOf("p1"), "2099", "later", 1)), false, "parsing time"},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false, "EOF"},
		{"slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, false, "deadline exceeded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newIdentity(t, c.answer)
			_, err := ask(newSource(t, i.URL, &keystone.Options{Timeout: time.Second}), bearing(1))
			_, refused := errors.AsType[*auth.RefusalError](err)
			switch {
			case refused != c.refused || (err != nil) != (c.refused || c.says != ""):
				t.Errorf("got %v", err)
			case c.says != "" && !strings.Contains(err.Error(), c.says):
				t.Errorf("got %q, want %q in it", err, c.says)
			case err != nil && (strings.Contains(err.Error(), "token-0") || strings.Contains(err.Error(), "secret body")):
				t.Errorf("the error tells too much: %v", err)
			}
		})
	}
}

// TestGrants: a token reads its project, and writes with a role that may.
func TestGrants(t *testing.T) {
	for _, c := range []struct {
		body   string
		p1, p2 bool
		write  bool
	}{
		{factsOf("p1", "reader"), true, false, false},
		{factsOf("p1", "reader", "writer"), true, false, true},
		{factsOf("p1", "Writer"), true, false, false},
		{factsOf("p2", "writer"), false, true, true},
		{factsOf("", "writer"), false, false, false},
	} {
		i := newIdentity(t, says(200, c.body))
		who, err := ask(newSource(t, i.URL+"/v3/", &keystone.Options{WriteRoles: []string{"admin", "writer"}}), bearing(1))
		if err != nil {
			t.Fatal(err)
		}
		if who.Projects.Has("p1") != c.p1 || who.Projects.Has("p2") != c.p2 || who.Write != c.write || who.EnterpriseProjects.IsAll() != (c.p1 || c.p2) {
			t.Errorf("%s: %+v", c.body, who)
		}
		if who.Name != "alice (u1)" || who.Source != "keystone" {
			t.Errorf("is called %q of %q", who.Name, who.Source)
		}
	}
}

// TestCache: a verdict holds for as long as it may and no longer.
func TestCache(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	i := newIdentity(t, says(200, factsOf("p1")))
	s := newSource(t, i.URL, &keystone.Options{Now: func() time.Time { return now }})
	bad := says(404, refusal(404))
	good := *i.answer.Load()
	for step, c := range []struct {
		after  time.Duration
		answer http.HandlerFunc
		in     bool
		asked  int64
	}{
		{0, good, true, 1},
		{45 * time.Second, bad, true, 1}, // as yet, it knows no better
		{15 * time.Second, bad, false, 2},
		{9 * time.Second, good, false, 2},
		{time.Second, good, true, 3},
		{time.Minute, says(500, ""), false, 4},
		{0, good, true, 5}, // an outage is not remembered
		{future.Sub(now), bad, false, 5},
	} {
		now = now.Add(c.after)
		i.answer.Store(&c.answer)
		_, err := ask(s, bearing(1))
		if (err == nil) != c.in || i.asked.Load() != c.asked {
			t.Errorf("step %d: %v after %d questions, want %d", step, err, i.asked.Load(), c.asked)
		}
	}
	_, err := ask(s, bearing(1))
	if want := "token expires, expires_at: 2099-01-01T00:00:00.000000Z"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := ask(s, httptest.NewRequest(http.MethodGet, "/", http.NoBody)); !errors.Is(err, auth.ErrNoToken) {
		t.Errorf("no token: %v", err)
	}
}

// TestNoCache: a negative time keeps nothing.
func TestNoCache(t *testing.T) {
	i := newIdentity(t, says(200, factsOf("p1")))
	s := newSource(t, i.URL, &keystone.Options{CacheTTL: -1})
	for n := range int64(3) {
		if _, err := ask(s, bearing(1)); err != nil || i.asked.Load() != n+1 {
			t.Errorf("%v after %d questions", err, i.asked.Load())
		}
	}
}

// TestInventedTokens: whoever makes up tokens pushes out no good one.
func TestInventedTokens(t *testing.T) {
	i := newIdentity(t, nil)
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Subject-Token"), "0001") {
			io.WriteString(w, factsOf("p1"))
			return
		}
		says(404, refusal(404))(w, r)
	})
	i.answer.Store(&answer)
	s := newSource(t, i.URL, &keystone.Options{MaxEntries: 4})
	for n := range 100 {
		if _, err := ask(s, bearing(n+1)); (err == nil) != (n == 0) {
			t.Fatalf("token %d: %v", n+1, err)
		}
	}
	before := i.asked.Load()
	if _, err := ask(s, bearing(1)); err != nil || i.asked.Load() != before {
		t.Errorf("the good one: %v, asked %d times more", err, i.asked.Load()-before)
	}
	if _, err := ask(s, bearing(100)); err == nil || i.asked.Load() != before {
		t.Errorf("the latest bad one: %v, asked %d times more", err, i.asked.Load()-before)
	}
	if _, err := ask(s, bearing(2)); err == nil || i.asked.Load() != before+1 {
		t.Errorf("a forgotten one: %v, asked %d times more, want 1", err, i.asked.Load()-before)
	}
}

// TestQuestionsAreShared: requests with one token ask once, and no more
// questions than may are under way.
func TestQuestionsAreShared(t *testing.T) {
	var under, most atomic.Int64
	release := make(chan struct{})
	i := newIdentity(t, func(w http.ResponseWriter, _ *http.Request) {
		n := under.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		<-release
		under.Add(-1)
		io.WriteString(w, factsOf("p1"))
	})
	s := newSource(t, i.URL, &keystone.Options{MaxConcurrent: 5, Timeout: time.Minute}) // one for known tokens, one for other networks
	var group sync.WaitGroup
	for n := range 100 {
		group.Go(func() {
			if _, err := ask(s, bearing(n%10)); err != nil {
				t.Error(err)
			}
		})
	}
	for under.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond) // for others to come, were they let
	close(release)
	group.Wait()
	if i.asked.Load() != 10 || most.Load() != 3 {
		t.Errorf("%d questions, want 10; %d at once, want 3", i.asked.Load(), most.Load())
	}
}

// TestRefreshed: who goes on using a token never waits for the service again, as long as it is
// there and says the same, and learns of another word at once.
func TestRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		var refuses atomic.Bool
		s := newSource(t, "http://keystone.invalid", &keystone.Options{Transport: roundTrip(func(r *http.Request) *http.Response {
			asked.Add(1)
			time.Sleep(time.Second)
			w := httptest.NewRecorder()
			if refuses.Load() {
				says(404, refusal(404))(w, r)
			} else {
				w.WriteString(factsOf("p1"))
			}
			return w.Result()
		})})
		for n := range 100 { // over ten minutes
			began := time.Now()
			if _, err := ask(s, bearing(1)); err != nil || n > 0 && time.Since(began) > 0 {
				t.Fatalf("question %d: %v after %v", n, err, time.Since(began))
			}
			time.Sleep(6 * time.Second)
		}
		if n := asked.Load(); n < 10 || n > 14 {
			t.Errorf("asked %d times in ten minutes", n)
		}
		refuses.Store(true)
		time.Sleep(45 * time.Second)
		_, _ = ask(s, bearing(1))
		time.Sleep(2 * time.Second)
		if _, err := ask(s, bearing(1)); !errors.Is(err, auth.ErrBadToken) {
			t.Errorf("after the service's new word: %v", err)
		}
		time.Sleep(time.Minute)
	})
}

// roundTrip is a service without a network.
type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// TestMadeUpTokens: however many tokens somebody makes up, a client of another network gets its
// turn at once, most of the same network soon, and a known one is not kept waiting at all.
func TestMadeUpTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t, "http://keystone.invalid", &keystone.Options{CacheTTL: 10 * time.Second, Transport: roundTrip(func(r *http.Request) *http.Response {
			time.Sleep(time.Second)
			w := httptest.NewRecorder()
			if strings.HasPrefix(r.Header.Get("X-Subject-Token"), "token-9") {
				w.WriteString(factsOf("p1"))
			} else {
				says(404, refusal(404))(w, r)
			}
			return w.Result()
		})})
		good := func(n int, remote string, within time.Duration) bool {
			r := bearing(n)
			r.Header.Set(auth.TokenHeader, fmt.Sprintf("token-9%031d", n))
			r.RemoteAddr = remote
			began := time.Now()
			_, err := ask(s, r)
			return err == nil && time.Since(began) <= within
		}
		good(1, "192.0.2.9:1", time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		var made atomic.Int64
		for range 100 {
			group.Go(func() {
				for ctx.Err() == nil {
					if _, err := ask(s, bearing(int(made.Add(1))).WithContext(ctx)); err == nil {
						t.Error("a made-up token is good")
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		same := 0
		for n := range 20 {
			time.Sleep(1234 * time.Millisecond)
			for name, soon := range map[string]bool{
				"a known token":   good(1, "192.0.2.9:1", time.Second),
				"a token":         good(100+n, "192.0.2.9:1", 2*time.Second),
				"a token of IPv6": good(300+n, "[2001:db8::1]:1", 2*time.Second),
			} {
				if !soon {
					t.Errorf("round %d: %s of another network waits", n, name)
				}
			}
			if good(200+n, "192.0.2.1:1234", 3*time.Second) {
				same++
			}
		}
		if same < 10 {
			t.Errorf("of the network that makes tokens up, %d of 20 good ones come through within 3 s", same)
		}
		cancel()
		group.Wait()
		time.Sleep(time.Minute) // for questions that nobody waits for any more
	})
}

// TestNoTurn: who waits for a turn too long learns that, not that a token is bad.
func TestNoTurn(t *testing.T) {
	i := newIdentity(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s := newSource(t, i.URL, &keystone.Options{MaxConcurrent: 1, Timeout: 50 * time.Millisecond})
	var group sync.WaitGroup
	for n := range 4 {
		group.Go(func() {
			_, err := ask(s, bearing(n))
			if _, refused := errors.AsType[*auth.RefusalError](err); err == nil || refused {
				t.Errorf("token %d: %v", n, err)
			}
		})
	}
	group.Wait()
}

// TestGivenUp: a request that is given up does not take others with it.
func TestGivenUp(t *testing.T) {
	release := make(chan struct{})
	i := newIdentity(t, func(w http.ResponseWriter, _ *http.Request) {
		<-release
		io.WriteString(w, factsOf("p1"))
	})
	s := newSource(t, i.URL, &keystone.Options{Timeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := ask(s, bearing(1).WithContext(ctx))
		first <- err
	}()
	for i.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	second := make(chan error, 1)
	go func() {
		_, err := ask(s, bearing(1))
		second <- err
	}()
	cancel()
	if err := <-first; !errors.Is(err, ctx.Err()) {
		t.Errorf("who gave up: %v", err)
	}
	close(release)
	if err := <-second; err != nil || i.asked.Load() != 1 {
		t.Errorf("who waited: %v after %d questions", err, i.asked.Load())
	}
}

// TestAccount: the account logs in when it must, and once for all who wait.
func TestAccount(t *testing.T) {
	i := newIdentity(t, nil)
	var current atomic.Pointer[string]
	set := func(account string) { current.Store(&account) }
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Auth-Token") != *current.Load():
			says(401, refusal(401))(w, r)
		case strings.HasSuffix(r.Header.Get("X-Subject-Token"), "0"):
			says(404, refusal(404))(w, r)
		default:
			io.WriteString(w, factsOf("p1"))
		}
	})
	i.answer.Store(&answer)
	set("account-1")
	s := newSource(t, i.URL, &keystone.Options{CacheTTL: -1, Service: &keystone.Credentials{User: "u", Password: "secret", Project: "service"}})
	var group sync.WaitGroup
	for n := range 50 {
		group.Go(func() {
			_, err := ask(s, bearing(n))
			if want := n%10 == 0; errors.Is(err, auth.ErrBadToken) != want || (err != nil) != want {
				t.Errorf("token %d: %v", n, err)
			}
		})
	}
	group.Wait()
	if n := i.logins.Load(); n != 1 {
		t.Errorf("%d logins, want 1", n)
	}
	set("account-2") // the first has expired
	if _, err := ask(s, bearing(10)); !errors.Is(err, auth.ErrBadToken) || i.logins.Load() != 2 {
		t.Errorf("after the account's token has ended: %v, %d logins", err, i.logins.Load())
	}
	set("nobody's")
	_, err := ask(s, bearing(11))
	if _, refused := errors.AsType[*auth.RefusalError](err); err == nil || refused || i.logins.Load() != 3 {
		t.Errorf("where no login helps: %v, %d logins", err, i.logins.Load())
	}
}

func TestOptions(t *testing.T) {
	for url, ok := range map[string]bool{
		"http://h": true, "https://h:5000/v3": true, "https://h/identity/": true, "https://h/identity/v3/": true,
		"": false, "h:5000": false, "ftp://h": false, "http://": false, "http://u:p@h": false, "http://h?x": false, "http://h/#f": false, "http://h/%zz": false,
	} {
		if _, err := keystone.New(url, nil); (err == nil) != ok {
			t.Errorf("url %q: %v", url, err)
		} else if err != nil && (!strings.Contains(err.Error(), "keystone url") || strings.Contains(err.Error(), ":p@")) {
			t.Errorf("url %q: %v", url, err)
		}
	}
	for field, o := range map[string]keystone.Options{
		"CacheTTL":         {CacheTTL: 61 * time.Second},
		"RefusalTTL":       {RefusalTTL: -1},
		"Timeout":          {Timeout: -1},
		"MaxEntries":       {MaxEntries: -1},
		"MaxConcurrent":    {MaxConcurrent: -1},
		"WriteRoles":       {WriteRoles: []string{"a", ""}},
		"Service.User":     {Service: &keystone.Credentials{Password: "secret", Project: "p"}},
		"Service.Password": {Service: &keystone.Credentials{User: "u", Project: "p"}},
		"Service.Project":  {Service: &keystone.Credentials{User: "u", Password: "secret"}},
	} {
		if _, err := keystone.New("http://h", &o); err == nil || !strings.Contains(err.Error(), field+" ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// BenchmarkCached is what a token costs that was asked about lately.
func BenchmarkCached(b *testing.B) {
	i := newIdentity(b, says(200, factsOf("p1")))
	s := newSource(b, i.URL, nil)
	r := bearing(1)
	r.Header.Set(auth.TokenHeader, strings.Repeat("gAAAAABl", 24)) // as long as a Fernet token
	q := auth.FromHTTP(r)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate(b.Context(), &q); err != nil {
			b.Fatal(err)
		}
	}
}
