package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"portolan/engine"
	"portolan/index"
)

// TestBuiltinPolicies counts the built-in tables: rows for both address families, and everything
// else unknown.
func TestBuiltinPolicies(t *testing.T) {
	for name, rows := range map[string]int{engine.Cloud: 68, engine.Exposed: 68 + 68} {
		p, err := engine.BuiltinPolicy(name)
		if err != nil {
			t.Fatal(err)
		}
		n := map[engine.Status]int{}
		for _, ty := range index.Types() {
			for port := 1; port <= index.MaxPort; port++ {
				n[p.Status(index.MakeKey(uint16(port), ty))]++
			}
		}
		if len(p.Rules()) != rows || n[engine.Danger] != 2*rows || n[engine.Normal] != 0 || n[engine.Unknown] != 6*index.MaxPort-2*rows {
			t.Errorf("%s: %d rules, keys by status: %v, want %d rows", name, len(p.Rules()), n, rows)
		}
		for text, want := range map[string]engine.Status{
			"123/udp": engine.Danger, "123/udp6": engine.Danger, "123/tcp": engine.Unknown, "23/tcp6": engine.Danger,
			"445/tcp": engine.Danger, "443/tcp": engine.Unknown, "123/sctp": engine.Unknown, "22/tcp": engine.Unknown,
		} {
			if got := p.Status(keyOf(t, text)); got != want {
				t.Errorf("%s: %s is %v, want %v", name, text, got, want)
			}
		}
		for _, rule := range p.Rules() {
			if rule.Name == "" || rule.Reason == "" {
				t.Errorf("%s: %+v has no name or no reason", name, rule)
			}
		}
	}
	for text := range strings.FieldsSeq("3389/tcp 6379/tcp 27017/tcp 9200/tcp 2375/tcp 6443/tcp 10250/tcp 2379/tcp 11211/tcp 3306/tcp 5432/tcp 2049/tcp 873/tcp 5985/tcp 6000/tcp 5900/tcp 623/udp 5555/tcp 513/tcp6") {
		if status, rule := engine.DefaultPolicy().Explain(keyOf(t, text)); status != engine.Danger || rule == nil {
			t.Errorf("%s is %v by default", text, status)
		}
	}
	if _, err := engine.BuiltinPolicy("strict"); !errors.Is(err, engine.ErrInvalid) || !strings.Contains(err.Error(), "exposed or cloud") {
		t.Errorf("%v", err)
	}
}

func keyOf(t *testing.T, text string) engine.Key {
	t.Helper()
	k, err := index.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rangeOf(t *testing.T, text string) engine.Range {
	t.Helper()
	r, err := index.ParseRange(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPolicyRules: the last rule about a key counts, and a bad one is refused by its number.
func TestPolicyRules(t *testing.T) {
	all, web := engine.KeysOf(rangeOf(t, "1-65535/tcp")), engine.KeysOf(rangeOf(t, "80-443/tcp"))
	p, err := engine.NewPolicy([]engine.Rule{{Keys: all, Status: engine.Danger}, {Keys: web, Status: engine.Normal}})
	if err != nil {
		t.Fatal(err)
	}
	for port, want := range map[uint16]engine.Status{79: engine.Danger, 80: engine.Normal, 443: engine.Normal, 444: engine.Danger} {
		if got := p.Status(index.MakeKey(port, index.TCP)); got != want {
			t.Errorf("%d/tcp is %v, want %v", port, got, want)
		}
	}
	set := engine.HasID("a")
	for _, r := range []engine.Rule{
		{Status: engine.Danger},
		{Keys: web, Status: engine.Danger + 1},
		{Keys: web},
		{Keys: web, Status: engine.Danger, Where: set},
		{Keys: web, Status: engine.Danger, WhereText: "id = a"},
	} {
		if _, err := engine.NewPolicy([]engine.Rule{{Keys: web, Status: engine.Normal}, r}); !errors.Is(err, engine.ErrInvalid) || !strings.HasPrefix(err.Error(), "rule 2: ") {
			t.Errorf("rule %+v: %v", r, err)
		}
	}
	many := slices.Repeat([]engine.Rule{{Keys: web, Status: engine.Danger, Where: set, WhereText: "id = a"}}, engine.MaxWhereRules+1)
	if _, err := engine.NewPolicy(many); !errors.Is(err, engine.ErrInvalid) || !strings.HasPrefix(err.Error(), "rule 65: ") {
		t.Errorf("%d rules with sets: %v", len(many), err)
	}
	if _, err := engine.NewPolicy(slices.Repeat([]engine.Rule{{Keys: web, Status: engine.Danger}}, engine.MaxRules+1)); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("too many rules: %v", err)
	}
	for i := range many[:64] { // each digit of a port in a rule of its own: very many ways to overlap
		var keys engine.KeySetBuilder
		for port := 1; port <= index.MaxPort; port++ {
			if port>>(i%16)&1 != 0 {
				keys.AddRange(engine.Range{Type: index.TCP, Lo: uint16(port), Hi: uint16(port)})
			}
		}
		many[i].Keys = keys.Build()
	}
	if _, err := engine.NewPolicy(many[:64]); !errors.Is(err, engine.ErrInvalid) || !strings.Contains(err.Error(), "overlap less") {
		t.Errorf("rules that overlap in every way: %v", err)
	}
}

// TestPolicyVersion: it follows from what the rules say, not from what they are called.
func TestPolicyVersion(t *testing.T) {
	web := engine.KeysOf(rangeOf(t, "80-443/tcp"))
	base := engine.Rule{Keys: web, Status: engine.Normal, Where: engine.HasID("a"), WhereText: "id = a", Projects: []string{"p"}}
	version := func(change func(*engine.Rule)) string {
		r := base
		change(&r)
		p, err := engine.NewPolicy([]engine.Rule{r})
		if err != nil {
			t.Fatal(err)
		}
		return p.Version()
	}
	want := version(func(*engine.Rule) {})
	if version(func(r *engine.Rule) {
		r.Name, r.Reason, r.Where, r.Keys = "n", "because", engine.HasID("a"), engine.KeysOf(rangeOf(t, "80-443/tcp"))
	}) != want {
		t.Error("a name or a reason makes another version")
	}
	seen := map[string]bool{want: true}
	for i, change := range []func(*engine.Rule){
		func(r *engine.Rule) { r.Status = engine.Danger }, func(r *engine.Rule) { r.WhereText = "id = b" },
		func(r *engine.Rule) { r.Projects = []string{"q"} }, func(r *engine.Rule) { r.Keys = engine.KeysOf(rangeOf(t, "80-442/tcp")) },
		func(r *engine.Rule) { r.Where, r.WhereText = nil, "" },
	} {
		v := version(change)
		if seen[v] {
			t.Errorf("change %d makes no other version", i)
		}
		seen[v] = true
	}
}

// TestSetPolicy: questions asked from then on are answered by it, a snapshot that there is keeps its own.
func TestSetPolicy(t *testing.T) {
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	report := engine.Report{Project: "p", Asset: "a", Open: []engine.Key{keyOf(t, "22/tcp")}}
	if _, err := e.Apply(t.Context(), []engine.Report{report}); err != nil {
		t.Fatal(err)
	}
	status := func(s engine.Snapshot) engine.Status {
		page, err := s.Ports(t.Context(), engine.PortQuery{})
		if err != nil || len(page.Rows) != 1 {
			t.Fatal(page, err)
		}
		return page.Rows[0].Status
	}
	before, _ := e.Snapshot("p", engine.Host)
	p, err := engine.NewPolicy([]engine.Rule{{Keys: engine.KeysOf(rangeOf(t, "22/tcp")), Status: engine.Normal}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.SetPolicy(p); err != nil {
		t.Fatal(err)
	}
	after, _ := e.Snapshot("p", engine.Host)
	if status(before) != engine.Unknown || status(after) != engine.Normal || after.Version() != before.Version() || after.Policy().Version() == before.Policy().Version() {
		t.Errorf("before %v, after %v", status(before), status(after))
	}
	for _, bad := range []*engine.Policy{nil, {}} {
		if err := e.SetPolicy(bad); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%v", err)
		}
	}
	e.Close()
	if err := e.SetPolicy(p); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestParseStatus(t *testing.T) {
	for text, want := range map[string]engine.Status{"danger": engine.Danger, "normal": engine.Normal, "unknown": engine.Unknown, "unknow": engine.Unknown} {
		if s, err := engine.ParseStatus(text); err != nil || s != want {
			t.Errorf("ParseStatus(%q) = %v, %v", text, s, err)
		}
	}
	if s, err := engine.ParseStatus("DANGER"); s != engine.Danger || err != nil {
		t.Errorf("in capitals: %v, %v", s, err)
	}
	for _, text := range []string{"", "any", "dangerous"} {
		if _, err := engine.ParseStatus(text); !errors.Is(err, engine.ErrInvalid) || !strings.Contains(err.Error(), "want danger, normal or unknown") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
