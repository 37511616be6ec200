package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"portolan/engine"
	"portolan/index"
)

// TestFieldErrorIsShort: a value is shown whole up to 64 bytes.
func TestFieldErrorIsShort(t *testing.T) {
	for n, shown := range map[int]string{64: strings.Repeat("x", 64), 65: strings.Repeat("x", 64) + "…"} {
		err := &engine.FieldError{Field: "f", Value: strings.Repeat("x", n), Allowed: "less"}
		if want := fmt.Sprintf("f: %q is not allowed: want less", shown); err.Error() != want {
			t.Errorf("%d bytes: %s, want %s", n, err, want)
		}
	}
}

// TestMissingAssetsAreNamed: an error names up to ten assets that are not there.
func TestMissingAssetsAreNamed(t *testing.T) {
	e := crowd(t, 1)
	for n, want := range map[int]string{
		1:  `asset not found: ["a0"]`,
		10: `asset not found: ["a0" "a1" "a2" "a3" "a4" "a5" "a6" "a7" "a8" "a9"]`,
		11: `asset not found: ["a0" "a1" "a2" "a3" "a4" "a5" "a6" "a7" "a8" "a9"] and 1 more`,
		13: `asset not found: ["a0" "a1" "a2" "a3" "a4" "a5" "a6" "a7" "a8" "a9"] and 3 more`,
	} {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprintf("a%d", i)
		}
		if removed, err := e.Remove(t.Context(), "p", engine.Host, ids...); removed.Removed != 0 || err == nil || err.Error() != want {
			t.Errorf("%d: removed %d, %v, want %s", n, removed.Removed, err, want)
		}
	}
	if _, err := e.Remove(t.Context(), "p", 2, "h0"); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("a category that does not exist: %v", err)
	}
}

// TestMostAssets: the limit of an inventory may be all that there can be.
func TestMostAssets(t *testing.T) {
	if _, err := engine.Open(&engine.Options{MaxAssets: index.MaxAssets}); err != nil {
		t.Error(err)
	}
	var none *engine.Options
	if err := none.Validate(); err != nil {
		t.Error(err)
	}
}

// TestAssetsByPrefix pages through many assets whose ids begin alike.
func TestAssetsByPrefix(t *testing.T) {
	e := crowd(t, 5000)
	for _, q := range []engine.AssetQuery{{Prefix: "h1"}, {Prefix: "h1", View: engine.In("odd")}, {}, {View: engine.In("odd")}} {
		q.Project = "p"
		whole, err := e.Assets(t.Context(), q)
		if err != nil || whole.Total != len(whole.Rows) || whole.Total < 500 {
			t.Fatalf("%+v: total %d, %d rows, %v", q, whole.Total, len(whole.Rows), err)
		}
		for _, q.Limit = range []int{1, 7, whole.Total, whole.Total + 1} {
			for _, q.Offset = range []int{0, 1, whole.Total - 7, whole.Total - 1, whole.Total, whole.Total + 1} {
				page, err := e.Assets(t.Context(), q)
				rows := whole.Rows[min(q.Offset, whole.Total):]
				rows = rows[:min(q.Limit, len(rows))]
				if err != nil || page.Total != whole.Total || len(page.Rows) != len(rows) || len(rows) > 0 && page.Rows[0].ID != rows[0].ID {
					t.Fatalf("%+v: total %d, %d rows, %v, want %d, %d", q, page.Total, len(page.Rows), err, whole.Total, len(rows))
				}
			}
		}
	}
	for name, q := range map[string]engine.AssetQuery{"prefix": {Prefix: "x"}, "all": {}} {
		q.Project = "p"
		ctx := &patient{Context: t.Context(), n: 2}
		if _, err := e.Assets(ctx, q); err == nil || ctx.asked != 2 {
			t.Errorf("%s: error %v after %d looks at the context", name, err, ctx.asked)
		}
	}
}

// TestStrings: words that are none show their number.
func TestStrings(t *testing.T) {
	for want, got := range map[string]fmt.Stringer{
		"host": engine.Host, "container": engine.Container, "Category(2)": engine.Category(2), "Status(4)": engine.Status(4),
		"any": engine.AnyStatus, "danger": engine.Danger, "UDP6": engine.UDP6, "Type(7)": engine.Type(7),
	} {
		if got.String() != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for _, c := range []struct {
		text     string
		category engine.Category
		ok       bool
	}{{"", engine.Host, true}, {"host", engine.Host, true}, {"container", engine.Container, true}, {"Host", 0, false}, {"vm", 0, false}} {
		if got, err := engine.ParseCategory(c.text); got != c.category || (err == nil) != c.ok {
			t.Errorf("%q: %v, %v", c.text, got, err)
		}
	}
}

// TestSeenLimits: a time is of the years 1970 to 9999, to the last second.
func TestSeenLimits(t *testing.T) {
	for seen, ok := range map[time.Time]bool{
		{}: true, time.Unix(0, 0): true, time.Unix(0, -1): false, time.Unix(-1, 0): false,
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC): true, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC): false,
	} {
		r := engine.Report{Project: "p", Asset: "a", Seen: seen}
		if err := r.Validate(); (err == nil) != ok {
			t.Errorf("%v: %v", seen, err)
		}
	}
}

// TestWordsPastTheLast: the value one past the last of each word is refused by
// every query that takes it, and names its field.
func TestWordsPastTheLast(t *testing.T) {
	e := crowd(t, 1)
	for field, q := range map[string]engine.PortQuery{
		"status": {Status: engine.Danger + 1}, "type": {Type: engine.UDP6 + 1}, "category": {Category: engine.Container + 1},
	} {
		q.Project = "p"
		_, ports := e.Ports(t.Context(), q)
		_, hosts := e.Hosts(t.Context(), engine.HostQuery{Project: "p", Port: 22, Status: q.Status, Type: q.Type, Category: q.Category})
		for call, err := range map[string]error{"Ports": ports, "Hosts": hosts} {
			var fe *engine.FieldError
			if !errors.As(err, &fe) || fe.Field != field {
				t.Errorf("%s: %s past the last gives %v", call, field, err)
			}
		}
	}
}
