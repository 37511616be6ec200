package engine

import (
	"testing"

	"portolan/index"
)

// someLists are lists of every kind of entry.
func someLists(t testing.TB) (lists [][]byte) {
	t.Helper()
	e, err := Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	tcp := ScopeOf(Range{Type: TCP, Lo: 1, Hi: 1000})
	key := func(ports ...uint16) (keys []Key) {
		for _, p := range ports {
			keys = append(keys, index.MakeKey(p, TCP))
		}
		return keys
	}
	for _, reports := range [][]Report{
		{{Project: "p", Asset: "a", Name: "n", Address: "10.0.0.1", Scope: tcp, Open: key(22, 80, 8080)}, {Project: "p", Asset: "10.0.0.2", Address: "10.0.0.2", Scope: ScopeAll()}},
		{{Project: "p", Asset: "a", EnterpriseProject: "e", Scope: tcp, Open: key(22, 443)}, {Project: "p", Asset: "a", Open: key(9000)}},
	} {
		if _, err := e.Apply(t.Context(), reports); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Remove(t.Context(), "p", Host, "a"); err != nil {
		t.Fatal(err)
	}
	for _, l := range e.tenants.find("p").inventories[Host].Load().changes.lists {
		lists = append(lists, l.Data)
	}
	return lists
}

// readAll reads a list to its end.
func readAll(data []byte) (entries, keys int, err error) {
	l, err := readList(data)
	if err != nil {
		return 0, 0, err
	}
	var a changedAsset
	for {
		ok, err := l.next(&a)
		if !ok {
			return entries, keys, err
		}
		if _, _, _, err := index.ParseNames(a.names); err != nil {
			return entries, keys, err
		}
		entries++
		keys += len(a.keys)
	}
}

// TestListsCut: a list that is cut anywhere is damaged, or has fewer entries, which whoever reads it counts.
func TestListsCut(t *testing.T) {
	lists := someLists(t)
	if len(lists) != 3 {
		t.Fatalf("%d lists", len(lists))
	}
	for i, data := range lists {
		whole, keys, err := readAll(data)
		if err != nil || keys == 0 {
			t.Fatalf("list %d: %d assets, %d ports, %v", i, whole, keys, err)
		}
		for n := range data {
			if entries, _, err := readAll(data[:n]); err == nil && entries >= whole {
				t.Errorf("list %d: %d of %d bytes have %d assets", i, n, len(data), entries)
			}
		}
	}
}

// FuzzLists: whatever bytes come as a list, they are read or are damaged.
func FuzzLists(f *testing.F) {
	for _, data := range someLists(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 512 { // a few bytes may say that all ports are open
			t.Skip()
		}
		entries, _, err := readAll(data)
		if err == nil && entries > len(data) {
			t.Errorf("%d assets of %d bytes", entries, len(data))
		}
	})
}
