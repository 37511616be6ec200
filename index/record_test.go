package index_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"portolan/index"
)

// someNames are assets with ids, addresses and names of every form.
func someNames() []index.Asset {
	return []index.Asset{
		{ID: "host"},
		{ID: "10.0.0.1", Address: "10.0.0.1"},
		{ID: "h", Address: "10.0.0.1", Name: "n"},
		{ID: "::1", Address: "fe80::1"},
		{ID: "6ba7b810-9dad-11d1-80b4-00c04fd430c8", Name: "a b"},
		{ID: "0123456789abcdef0123456789abcdef", Address: "not an address"},
		{ID: strings.Repeat("long", 60), Address: strings.Repeat("a", 200), Name: strings.Repeat("n", 250)},
	}
}

// TestRecord: what an asset is called is read from its record as it was written, and a record that is cut
// is not taken for another asset.
func TestRecord(t *testing.T) {
	x := index.New()
	for _, a := range someNames() {
		a.Group, a.Keys, a.Note = "g", []index.Key{index.MakeKey(22, index.TCP)}, []byte("note")
		o, err := x.Add(&a)
		if err != nil {
			t.Fatal(err)
		}
		s := x.Publish()
		r := s.Record(o)
		id, address, name, err := index.ParseNames(r.Names)
		if err != nil || id != a.ID || address != a.Address || name != a.Name {
			t.Errorf("%q, %q, %q, %v of %+v", id, address, name, err, a)
		}
		keys, err := index.ParseKeys(nil, r.Keys)
		if err != nil || !slices.Equal(keys, a.Keys) || r.Group != "g" || string(r.Note) != "note" || !s.Has(o) || s.Has(o+1) || x.Frozen() != s {
			t.Errorf("%+v of %+v, %v", r, a, err)
		}
		for n := range r.Names[:len(r.Names)-len(a.Name)] {
			if id, _, _, err := index.ParseNames(r.Names[:n]); err == nil && (id != a.ID || n < len(r.Names)-len(a.Name)) && a.Name == "" {
				t.Errorf("%d bytes of %x are taken for %q", n, r.Names, id)
			}
		}
	}
}

// FuzzParseNames: whatever bytes come as names, they are read or are damaged.
func FuzzParseNames(f *testing.F) {
	x := index.New()
	for _, a := range someNames() {
		a.Group = "g"
		if o, err := x.Add(&a); err == nil {
			f.Add(x.Publish().Record(o).Names)
		}
	}
	f.Fuzz(func(t *testing.T, form []byte) {
		id, address, name, err := index.ParseNames(form)
		if err != nil {
			return
		}
		x := index.New()
		o, err := x.Add(&index.Asset{ID: id, Address: address, Name: name, Group: "g"})
		if err != nil || id == "" {
			t.Fatalf("%q, %q, %q of %x, %v", id, address, name, form, err)
		}
		if again := x.Publish().Record(o).Names; !bytes.Equal(again, form) {
			t.Errorf("%q, %q, %q of %x, whose form is %x", id, address, name, form, again)
		}
	})
}
