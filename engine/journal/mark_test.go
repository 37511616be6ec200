package journal_test

import (
	"math"
	"testing"

	"portolan/engine/journal"
	"portolan/index"
)

func TestMarks(t *testing.T) {
	for _, m := range []journal.Mark{
		{},
		{Project: "p", Category: journal.Container, Version: math.MaxUint64, Assets: index.MaxAssets, Receipt: math.MinInt64},
		{Project: "a longer one \x00\xff", Version: 1, Assets: 200, Receipt: 1_700_000_000_000_000},
	} {
		form := m.Append([]byte("before"))[len("before"):]
		got, rest, ok := journal.ParseMark(append(form, "after"...))
		if got != m || string(rest) != "after" || !ok {
			t.Errorf("%+v is read as %+v, then %q, %t", m, got, rest, ok)
		}
		for n := range form {
			if got, _, ok := journal.ParseMark(form[:n:n]); ok {
				t.Errorf("%d bytes of %x are taken for %+v", n, form, got)
			}
		}
	}
	for name, form := range map[string]string{
		"no such category": "\x01p\x02\x00\x00\x00",
		"too many assets":  "\x01p\x00\x00\xff\xff\xff\xff\x7f\x00",
		"a long project":   "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01p",
	} {
		if m, _, ok := journal.ParseMark([]byte(form)); ok {
			t.Errorf("%s: taken for %+v", name, m)
		}
	}
}
