package engine_test

import (
	"errors"
	"strings"
	"testing"

	"portolan/engine"
	"portolan/index"
)

// TestDefaultPolicy counts the built-in table: 68 rows, each for both address
// families, and everything else unknown.
func TestDefaultPolicy(t *testing.T) {
	p := engine.DefaultPolicy()
	n := map[engine.Status]int{}
	for _, ty := range index.Types() {
		for port := 1; port <= index.MaxPort; port++ {
			n[p.Status(index.MakeKey(uint16(port), ty))]++
		}
	}
	if n[engine.Danger] != 2*68 || n[engine.Normal] != 0 || n[engine.Unknown] != 6*index.MaxPort-2*68 {
		t.Errorf("keys by status: %v", n)
	}
	for text, want := range map[string]engine.Status{
		"123/udp": engine.Danger, "123/udp6": engine.Danger, "123/tcp": engine.Unknown, "23/tcp6": engine.Danger,
		"445/tcp": engine.Danger, "443/tcp": engine.Unknown, "123/sctp": engine.Unknown,
	} {
		k, err := index.ParseKey(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Status(k); got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
}

// TestPolicyRules: the last rule that covers a key counts, and a bad one is refused.
func TestPolicyRules(t *testing.T) {
	all := index.Range{Type: index.TCP, Lo: 1, Hi: 65535}
	web := index.Range{Type: index.TCP, Lo: 80, Hi: 443}
	p, err := engine.NewPolicy([]engine.Rule{{Keys: all, Status: engine.Danger}, {Keys: web, Status: engine.Normal}})
	if err != nil {
		t.Fatal(err)
	}
	for port, want := range map[uint16]engine.Status{79: engine.Danger, 80: engine.Normal, 443: engine.Normal, 444: engine.Danger} {
		if got := p.Status(index.MakeKey(port, index.TCP)); got != want {
			t.Errorf("%d/tcp is %v, want %v", port, got, want)
		}
	}
	for _, r := range []engine.Rule{{Keys: index.Range{Type: index.TCP, Lo: 9, Hi: 1}}, {Keys: web, Status: engine.Danger + 1}, {Keys: web}} {
		if _, err := engine.NewPolicy([]engine.Rule{{Keys: web, Status: engine.Normal}, r}); err == nil || !strings.HasPrefix(err.Error(), "rule 2: ") {
			t.Errorf("rule %+v: %v", r, err)
		}
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
