package engine_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"portolan/engine"
	"portolan/index"
)

func TestParseScope(t *testing.T) {
	for text, want := range map[string]string{
		"all": "all", "none": "none", "": "none",
		"53/udp,1-1024/tcp":               "1-1024/tcp,53/udp",
		"1-10/tcp,11-20/tcp":              "1-20/tcp",
		"5/tcp,1-10/TCP, 3/tcp":           "1-10/tcp",
		"65535/udp6,1-65535/sctp":         "1-65535/sctp,65535/udp6",
		"1-10/tcp,12/tcp,1-10/tcp6":       "1-10/tcp,12/tcp,1-10/tcp6",
		"1-65535/tcp,1-65535/tcp,443/tcp": "1-65535/tcp",
	} {
		s, err := engine.ParseScope(text)
		if err != nil || s.String() != want {
			t.Errorf("ParseScope(%q) = %v, %v, want %s", text, s, err, want)
		}
	}
	for _, text := range []string{"everything", "1-1024", "0/tcp", "1-65536/udp", "9-3/tcp", ",", "22/tcp,", "all,22/tcp"} {
		var field *engine.FieldError
		if s, err := engine.ParseScope(text); !errors.As(err, &field) || field.Field != "scope" || !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("ParseScope(%q) = %v, %v, want a FieldError about scope", text, s, err)
		}
	}
}

// drawScope draws a scope over few ports and the same as a set of keys.
func drawScope(t *rapid.T, name string) (engine.Scope, *index.KeySet) {
	switch rapid.IntRange(0, 9).Draw(t, name) {
	case 0:
		return engine.Scope{}, new(index.KeySet)
	case 1:
		return engine.ScopeAll(), index.AllKeys()
	}
	var ranges []index.Range
	var set index.KeySetBuilder
	for range rapid.IntRange(1, 5).Draw(t, "ranges") {
		lo := rapid.Uint16Range(1, 12).Draw(t, "lo")
		r := index.Range{Type: rapid.SampledFrom([]index.Type{index.TCP, index.TCP6, index.UDP}).Draw(t, "type"), Lo: lo, Hi: lo + rapid.Uint16Range(0, 4).Draw(t, "more")}
		ranges = append(ranges, r)
		set.AddRange(r)
	}
	return engine.ScopeOf(ranges...), set.Build()
}

// TestScopeAlgebra holds scopes against sets of keys.
func TestScopeAlgebra(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, as := drawScope(t, "a")
		b, bs := drawScope(t, "b")
		u, both, covers := a.Union(b), a.Intersect(b), !b.IsAll() || a.IsAll()
		for k := index.MakeKey(1, index.SCTP); k < index.MakeKey(20, index.TCP); k++ {
			if !k.Valid() {
				continue
			}
			if u.Contains(k) != (as.Contains(k) || bs.Contains(k)) || a.Contains(k) != as.Contains(k) {
				t.Fatalf("%v: in a %t, in a or b %t (a %v, b %v)", k, a.Contains(k), u.Contains(k), a, b)
			}
			if both.Contains(k) != (as.Contains(k) && bs.Contains(k)) {
				t.Fatalf("%v: in a and b %t (a %v, b %v)", k, both.Contains(k), a, b)
			}
			covers = covers && (as.Contains(k) || !bs.Contains(k))
		}
		if got := a.Covers(b); got != covers {
			t.Fatalf("%v covers %v: %t", a, b, got)
		}
		if again, err := engine.ParseScope(a.String()); err != nil || again.String() != a.String() {
			t.Fatalf("%v parses as %v, %v", a, again, err)
		}
	})
}

// TestCovers: what lies inside, on either side of and between ranges.
func TestCovers(t *testing.T) {
	scope := func(text string) engine.Scope {
		s, err := engine.ParseScope(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const ranges = "10-20/tcp,30-40/tcp,30-40/udp"
	for inner, want := range map[string]bool{
		"none": true, "10/tcp": true, "20/tcp": true, "30-40/tcp": true, "35/udp": true, "12/tcp,33/tcp,40/udp": true,
		"9/tcp": false, "21/tcp": false, "29-30/tcp": false, "40-41/tcp": false, "41/tcp": false, "10/udp": false, "41/udp": false,
		"15/tcp6": false, "15/sctp": false, "35/udp6": false, "10-40/tcp": false, "all": false,
	} {
		if scope(ranges).Covers(scope(inner)) != want {
			t.Errorf("%s covers %s: %t", ranges, inner, !want)
		}
	}
	if !scope("all").Covers(scope("all")) || !scope("all").Covers(scope(ranges)) || scope("none").Covers(scope(ranges)) {
		t.Error("all or none")
	}
}
