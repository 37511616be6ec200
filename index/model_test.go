package index_test

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portolan/index"
)

// model is the slow, obvious index: a map of assets.
type model struct {
	assets map[string]index.Asset
}

type row struct {
	Key   index.Key
	Count int
}

// page filters, counts and sorts everything.
func (m *model) rows(groups []string, keep func(index.Key) bool) []row {
	counts := map[index.Key]int{}
	for _, a := range m.assets {
		if groups != nil && !slices.Contains(groups, a.Group) {
			continue
		}
		for _, k := range a.Keys {
			if keep(k) {
				counts[k]++
			}
		}
	}
	rows := make([]row, 0, len(counts))
	for k, n := range counts {
		rows = append(rows, row{k, n})
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.Key, b.Key) })
	return rows
}

func (m *model) clone() *model { return &model{maps.Clone(m.assets)} }

// pageOf reads one page through a cursor.
func pageOf(v index.View, f index.Filter, offset, limit int, desc bool) (total int, rows []row) {
	c := v.Select(f)
	for c.Seek(offset, desc); len(rows) < limit && c.Next(); {
		rows = append(rows, row{c.Key(), c.Count()})
	}
	return c.Total(), rows
}

var (
	modelPorts  = []uint16{1, 2, 63, 64, 65, 80, 443, 1023, 1024, 4433, 8080, 44443, 65472, 65535}
	modelGroups = []string{"0", "a", "b", "c"}
	modelDigits = []string{"1", "4", "0", "44", "43", "65", "443", "444", "108", "4443", "8080", "65535", "44443", "00001", "70000"}
)

func drawKeys(t *rapid.T) []index.Key {
	keys := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) index.Key {
		return index.MakeKey(rapid.SampledFrom(modelPorts).Draw(t, "port"), rapid.SampledFrom(index.Types()).Draw(t, "type"))
	}), 0, 12).Draw(t, "keys")
	if rapid.IntRange(0, 9).Draw(t, "wide") == 0 {
		lo := rapid.IntRange(1, 60000).Draw(t, "lo")
		step := rapid.IntRange(1, 3).Draw(t, "step")
		for p := lo; p < lo+400*step; p += step {
			keys = append(keys, index.MakeKey(uint16(p), index.TCP))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func drawID(t *rapid.T) string {
	n := rapid.IntRange(0, 200).Draw(t, "id")
	switch n % 6 {
	case 0:
		return fmt.Sprintf("host-%d", n)
	case 1:
		return fmt.Sprintf("0189c0de-0000-4000-8000-%012x", n)
	case 2:
		return fmt.Sprintf("%032x", n)
	case 3:
		return fmt.Sprintf("192.0.2.%d", n)
	case 4:
		return fmt.Sprintf("2001:db8::%x", n)
	}
	return strings.Repeat("x", 900+n) // longer than a record may be
}

// drawFilter returns a filter and the same condition spelt out.
func drawFilter(t *rapid.T) (f index.Filter, keep func(index.Key) bool) {
	text := ""
	if rapid.Bool().Draw(t, "by digits") {
		text = rapid.SampledFrom(modelDigits).Draw(t, "digits")
		f.Digits, _ = index.ParseDigits(text)
	}
	if rapid.IntRange(0, 3).Draw(t, "by port") == 0 {
		f.Port = rapid.SampledFrom(modelPorts).Draw(t, "port")
	}
	if rapid.Bool().Draw(t, "by type") {
		f.Type = rapid.SampledFrom(index.Types()).Draw(t, "type of keys")
	}
	if rapid.IntRange(0, 2).Draw(t, "by keys") == 0 {
		f.Keys = rapid.SampledFrom(modelSets).Draw(t, "set")
	}
	if rapid.IntRange(0, 3).Draw(t, "by two sets") == 0 {
		f.Also = rapid.SampledFrom(modelSets).Draw(t, "other set")
	}
	return f, func(k index.Key) bool {
		return strings.Contains(fmt.Sprint(k.Port()), text) && (f.Port == 0 || k.Port() == f.Port) &&
			(f.Type == index.AnyType || f.Type == k.Type()) && (f.Keys == nil || f.Keys.Contains(k)) &&
			(f.Also == nil || f.Also.Contains(k))
	}
}

var modelSets = func() []*index.KeySet {
	var some, udp index.KeySetBuilder
	for _, p := range modelPorts[3:8] {
		some.AddRange(index.Range{Type: index.TCP, Lo: p, Hi: p})
		some.AddRange(index.Range{Type: index.UDP6, Lo: p, Hi: p})
	}
	udp.AddRange(index.Range{Type: index.UDP, Lo: 1, Hi: 65535})
	return []*index.KeySet{some.Build(), udp.Build(), index.AllKeys(), new(index.KeySet)}
}()

// compare holds a snapshot against the model in every kind of question.
func compareModel(t *rapid.T, s *index.Snapshot, m *model) {
	t.Helper()
	if s.Assets() != len(m.assets) {
		t.Fatalf("%d assets, want %d", s.Assets(), len(m.assets))
	}
	for id, want := range m.assets {
		o, ok := s.Find(id)
		if !ok {
			t.Fatalf("asset %.40q not found", id)
		}
		got, _ := s.Asset(o)
		if !same(want, got) {
			t.Fatalf("asset %.40q (-want +got):\n%s", id, gocmp.Diff(want, got))
		}
	}
	groups := rapid.SampledFrom(modelViews).Draw(t, "groups")
	v := viewOf(s, groups)
	f, keep := drawFilter(t)
	desc := rapid.Bool().Draw(t, "desc")
	want := m.rows(groups, keep)
	if desc {
		slices.Reverse(want)
	}
	offset := rapid.IntRange(0, len(want)+1).Draw(t, "offset")
	limit := rapid.SampledFrom([]int{1, 10, 1 << 20}).Draw(t, "limit")
	for range 3 { // counted, counted again and remembered, remembered
		total, rows := pageOf(v, f, offset, limit, desc)
		wantRows := want[min(offset, len(want)):]
		wantRows = wantRows[:min(limit, len(wantRows))]
		if total != len(want) || !slices.Equal(rows, wantRows) {
			t.Fatalf("groups %q filter %+v offset %d limit %d desc %t: total %d rows %v, want %d %v", groups, f, offset, limit, desc, total, rows, len(want), wantRows)
		}
	}
	compareRanking(t, s, m)
	compareWhere(t, s, m)
	compareHolders(t, s, m)
	compareSets(t, s, m)
	compareTexts(t, s, m)
	compareLabels(t, s, m)
}

// modelClasses are orders by class, one of them without a class for some keys.
var modelClasses = []*index.Classes{index.TypeClasses, index.ClassesOf(modelSets[0], new(index.KeySet))}

// classOf is what a key is ordered by.
func classOf(c *index.Classes, k index.Key) int {
	switch {
	case c == index.TypeClasses:
		return int(k.Type())
	case modelSets[0].Contains(k):
		return 0
	}
	return 1
}

// compareRanking asks for keys in other orders, and within bounds of their counts.
func compareRanking(t *rapid.T, s *index.Snapshot, m *model) {
	t.Helper()
	groups := rapid.SampledFrom(modelViews).Draw(t, "groups ranked")
	f, keep := drawFilter(t)
	r := index.Ranking{
		Filter: f, Descending: rapid.Bool().Draw(t, "ranked desc"),
		By: rapid.SampledFrom([]index.By{index.ByPort, index.ByCount, index.ByClass}).Draw(t, "by"),
	}
	if r.By == index.ByClass {
		r.Classes = rapid.SampledFrom(modelClasses).Draw(t, "classes")
	}
	if rapid.Bool().Draw(t, "bounded") {
		r.Min, r.Max = rapid.IntRange(-1, 5).Draw(t, "least"), rapid.IntRange(-1, 200).Draw(t, "most")
	}
	want := m.rows(groups, keep)
	want = slices.DeleteFunc(want, func(w row) bool { return w.Count < r.Min || r.Max > 0 && w.Count > r.Max })
	slices.SortStableFunc(want, func(a, b row) int {
		order := 0
		switch r.By {
		case index.ByPort:
			order = cmp.Compare(a.Key, b.Key)
		case index.ByCount:
			order = cmp.Compare(a.Count, b.Count)
		case index.ByClass:
			order = cmp.Compare(classOf(r.Classes, a.Key), classOf(r.Classes, b.Key))
		}
		if r.Descending {
			order = -order
		}
		return order
	})
	v := viewOf(s, groups)
	for range 3 { // any part first, remembered or not
		upTo := rapid.SampledFrom([]int{0, 1, 10, 100, 200, 2000, 1 << 20}).Draw(t, "up to")
		keys, total := v.Rank(&r, upTo)
		if total != len(want) || len(keys) < min(upTo, total) || len(keys) > total {
			t.Fatalf("groups %q ranking %+v up to %d: %d keys, total %d, want %d", groups, r, upTo, len(keys), total, len(want))
		}
		for i, k := range keys {
			if k != want[i].Key || v.Count(k) != want[i].Count {
				t.Fatalf("groups %q ranking %+v up to %d: row %d of %d is %v, count %d, want %v", groups, r, upTo, i, total, k, v.Count(k), want[i])
			}
		}
	}
}

// drawCondition draws a condition and the same spelt out.
func drawCondition(t *rapid.T, depth int) (c *index.Condition, holds func(*index.Asset) bool) {
	kinds := 8
	if depth == 0 {
		kinds = 5
	}
	parts := func() (conditions []*index.Condition, each []func(*index.Asset) bool) {
		for range rapid.IntRange(0, 3).Draw(t, "parts") {
			part, one := drawCondition(t, depth-1)
			conditions, each = append(conditions, part), append(each, one)
		}
		return conditions, each
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "condition") {
	case 0:
		ids := []string{drawID(t), drawID(t), "crowd-1"}
		return index.HasID(ids...), func(a *index.Asset) bool { return slices.Contains(ids, a.ID) }
	case 1:
		keys := rapid.SampledFrom(append(modelSets, oneKey)).Draw(t, "keys open")
		return index.HasOpen(keys), func(a *index.Asset) bool { return slices.ContainsFunc(a.Keys, keys.Contains) }
	case 2:
		groups := rapid.SampledFrom(modelViews[1:]).Draw(t, "groups in")
		return index.InGroup(index.GroupsOf(groups)), func(a *index.Asset) bool { return slices.Contains(groups, a.Group) }
	case 3:
		most := rapid.SampledFrom([]int{0, 1, 2, 4, 300}).Draw(t, "most keys")
		return index.HasRow(func(r *index.Row) bool {
			return len(r.Keys()) <= most || string(r.Name()) == "web"
		}), func(a *index.Asset) bool { return len(a.Keys) <= most || a.Name == "web" }
	case 4:
		name, some := rapid.SampledFrom([]string{"env", "rack", "none"}).Draw(t, "name of a label"), rapid.SampledFrom([]string{"", "p", "12"}).Draw(t, "part of its value")
		return index.HasLabel(name, func(value string) bool { return strings.Contains(value, some) }), func(a *index.Asset) bool {
			return slices.ContainsFunc(labelsOf(a.Note), func(l index.Label) bool { return l.Name == name && strings.Contains(l.Value, some) })
		}
	case 5:
		part, one := drawCondition(t, depth-1)
		return index.NoneOf(part), func(a *index.Asset) bool { return !one(a) }
	case 6:
		conditions, each := parts()
		return index.AnyOf(conditions...), func(a *index.Asset) bool {
			return slices.ContainsFunc(each, func(one func(*index.Asset) bool) bool { return one(a) })
		}
	default:
		conditions, each := parts()
		return index.AllOf(conditions...), func(a *index.Asset) bool {
			return !slices.ContainsFunc(each, func(one func(*index.Asset) bool) bool { return !one(a) })
		}
	}
}

var oneKey = func() *index.KeySet {
	var b index.KeySetBuilder
	b.AddRange(index.Range{Type: index.TCP, Lo: 80, Hi: 80})
	return b.Build()
}()

// where is the model of the assets of a view that meet a condition.
func (m *model) where(groups []string, holds func(*index.Asset) bool) *model {
	some := &model{map[string]index.Asset{}}
	for id, a := range m.assets {
		if inGroups(groups, &a) && holds(&a) {
			some.assets[id] = a
		}
	}
	return some
}

// compareWhere asks everything of the assets that meet a condition, in all ways of counting.
func compareWhere(t *rapid.T, s *index.Snapshot, m *model) {
	t.Helper()
	groups := rapid.SampledFrom(modelViews).Draw(t, "groups where")
	c, holds := drawCondition(t, 2)
	some := m.where(groups, holds)
	f, keep := drawFilter(t)
	want := some.rows(nil, keep)
	k := index.MakeKey(rapid.SampledFrom(modelPorts).Draw(t, "key where"), index.TCP)
	for _, way := range []string{"", "asset", "key", "rest", ""} {
		v, err := viewOf(s, groups).Where(t.Context(), c)
		if err == nil && way != "" {
			v, err = index.Counted(t.Context(), v, way)
		}
		if err != nil {
			t.Fatal(err)
		}
		if total, rows := pageOf(v, f, 0, 1<<20, false); total != len(want) || !slices.Equal(rows, want) {
			t.Fatalf("groups %q counted %q filter %+v: total %d rows %v, want %v", groups, way, f, total, rows, want)
		}
		all := index.Ranking{}
		if keys, total := v.Rank(&all, 1<<20); total != v.Keys() || len(keys) != total {
			t.Fatalf("%d keys, ranked %d of %d", v.Keys(), len(keys), total)
		}
		compareSet(t, s, m, v.Assets(), func(a *index.Asset) bool { return inGroups(groups, a) && holds(a) })
		compareSet(t, s, m, v.Holders(k), func(a *index.Asset) bool { return inGroups(groups, a) && holds(a) && slices.Contains(a.Keys, k) })
		skip, n := rapid.IntRange(0, 3).Draw(t, "skip where"), 0
		for o := range v.HoldersFrom(k, skip, 2) {
			n++
			if !v.Holders(k).Contains(o) {
				t.Fatalf("%d is no holder of %v", o, k)
			}
		}
		if n != max(0, v.Count(k)-skip) {
			t.Fatalf("%d holders of %v behind %d, count %d", n, k, skip, v.Count(k))
		}
	}
}

// compareSets looks at the assets of views, all and those that have a key open.
func compareSets(t *rapid.T, s *index.Snapshot, m *model) {
	t.Helper()
	k := index.MakeKey(rapid.SampledFrom(modelPorts).Draw(t, "key of a view"), index.TCP)
	groups := rapid.SampledFrom(modelViews).Draw(t, "groups of a view")
	v := viewOf(s, groups)
	for range 2 { // made, remembered
		compareSet(t, s, m, v.Assets(), func(a *index.Asset) bool { return inGroups(groups, a) })
		compareSet(t, s, m, v.Holders(k), func(a *index.Asset) bool { return inGroups(groups, a) && slices.Contains(a.Keys, k) })
	}
}

func inGroups(groups []string, a *index.Asset) bool {
	return groups == nil || slices.Contains(groups, a.Group)
}

func compareSet(t *rapid.T, s *index.Snapshot, m *model, set index.Set, belongs func(*index.Asset) bool) {
	t.Helper()
	n := 0
	for id := range m.assets {
		a := m.assets[id]
		o, _ := s.Find(id)
		want := belongs(&a)
		if want {
			n++
		}
		if set.Contains(o) != want {
			t.Fatalf("%.40q is in the set: %t", id, !want)
		}
	}
	if set.Len() != n {
		t.Fatalf("the set has %d assets, want %d", set.Len(), n)
	}
}

// modelViews are sets of groups; nil is the whole.
var modelViews = [][]string{nil, {}, {"a"}, {"nobody"}, {"0", "b"}, {"a", "b", "c", "nobody"}, modelGroups}

func viewOf(s *index.Snapshot, groups []string) index.View {
	if groups == nil {
		return s.View(index.Groups{})
	}
	return s.View(index.GroupsOf(groups))
}

// compareTexts looks for parts of names and addresses.
func compareTexts(t *rapid.T, s *index.Snapshot, m *model) {
	t.Helper()
	name := rapid.SampledFrom([]string{"", "e", "web", "W", "nn", strings.Repeat("n", 1001)}).Draw(t, "part of a name")
	address := rapid.SampledFrom([]string{"", ".0.2.", "192.0.2.7", "::1", "c0de-0000-", "address", "xx"}).Draw(t, "part of an address")
	for id, a := range m.assets {
		o, _ := s.Find(id)
		want := strings.Contains(a.Name, name) && strings.Contains(a.Address, address)
		if got := s.TextsContain(o, []byte(name), []byte(address)); got != want {
			t.Fatalf("%.40q with name %.40q and address %.40q: contains %.40q and %q is %t", id, a.Name, a.Address, name, address, got)
		}
	}
}

func compareHolders(t *rapid.T, s *index.Snapshot, m *model) {
	t.Helper()
	k := index.MakeKey(rapid.SampledFrom(modelPorts).Draw(t, "held port"), index.TCP)
	var want, got []string
	for id, a := range m.assets {
		if slices.Contains(a.Keys, k) {
			want = append(want, id)
		}
	}
	skip := rapid.IntRange(0, len(want)+1).Draw(t, "skip")
	for o := range s.Holders(k).From(skip) {
		a, _ := s.Asset(o)
		got = append(got, a.ID)
		if !slices.Contains(want, a.ID) {
			t.Fatalf("%v: %q does not hold it", k, a.ID)
		}
	}
	if len(got) != max(0, len(want)-skip) || s.Holders(k).Len() != len(want) {
		t.Fatalf("%v: %d holders after %d, count %d, want %d in all", k, len(got), skip, s.Holders(k).Len(), len(want))
	}
}

func same(a, b index.Asset) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Address == b.Address && a.Group == b.Group &&
		bytes.Equal(a.Note, b.Note) && slices.Equal(a.Keys, b.Keys)
}

// TestModel makes random changes and holds every snapshot, also one kept from
// before, against the model. Some indexes flush behind their writer all the time.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, m := index.New(), &model{map[string]index.Asset{}}
		index.FlushAfter(x, rapid.SampledFrom([]int{1, 30, 1 << 20}).Draw(t, "flush after"))
		kept, keptModel := x.Snapshot(), m.clone()
		var others []*index.Index
		var otherModels []*model
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				for range rapid.IntRange(1, 40).Draw(t, "n") {
					putModel(t, x, m)
				}
			},
			"remove": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "n") {
					removeModel(t, x, m, drawID(t))
				}
			},
			"crowd": func(t *rapid.T) { crowd(t, x, m) },
			"leave": func(t *rapid.T) {
				for _, id := range slices.Sorted(maps.Keys(m.assets)) {
					if strings.HasPrefix(id, "crowd-") || rapid.Bool().Draw(t, "all") {
						removeModel(t, x, m, id)
					}
				}
			},
			"keep": func(*rapid.T) { kept, keptModel = x.Publish(), m.clone() },
			"read an image": func(t *rapid.T) {
				if index.IsFork(x) {
					t.Skip("a fork does not know who refers to what is interned")
				}
				var image bytes.Buffer
				x.Publish()
				err := x.WriteImage(&image)
				left := int64(image.Len())
				if err == nil {
					x, err = index.ReadImage(bufio.NewReader(&image), &left)
				}
				if err != nil || left != 0 {
					t.Fatalf("%d bytes are left, %v", left, err)
				}
				index.FlushAfter(x, rapid.SampledFrom([]int{1, 30, 1 << 20}).Draw(t, "flush after"))
			},
			"fork": func(t *rapid.T) { // and go on with either
				from, of := x.Publish(), m
				if rapid.Bool().Draw(t, "of what was kept") {
					from, of = kept, keptModel
				}
				others, otherModels = append(others, x), append(otherModels, m)
				x, m = from.Fork(), of.clone()
				index.FlushAfter(x, rapid.SampledFrom([]int{1, 30, 1 << 20}).Draw(t, "flush after"))
			},
			"go on with another": func(t *rapid.T) {
				if len(others) == 0 {
					t.Skip("there is none")
				}
				i := rapid.IntRange(0, len(others)-1).Draw(t, "which")
				x, others[i], m, otherModels[i] = others[i], x, otherModels[i], m
			},
			"": func(t *rapid.T) {
				s := x.Publish()
				compareModel(t, s, m)
				if err := x.Check(t.Context(), func(note []byte) ([]uint32, []index.Label) { return nil, labelsOf(note) }); err != nil {
					t.Fatal(err)
				}
				if rapid.IntRange(0, 3).Draw(t, "look back") == 0 {
					compareModel(t, kept, keptModel)
					if err := kept.Check(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			},
		})
	})
}

// crowd puts many assets with the same keys, enough for dense postings; when they
// leave, the postings become sparse again.
func crowd(t *rapid.T, x *index.Index, m *model) {
	keys := []index.Key{index.MakeKey(80, index.TCP), index.MakeKey(443, index.TCP)}
	group := rapid.SampledFrom(modelGroups).Draw(t, "group of the crowd")
	for i := range 160 {
		id := fmt.Sprintf("crowd-%d", i)
		if _, there := m.assets[id]; there {
			continue
		}
		a := index.Asset{ID: id, Group: group, Keys: keys, Note: []byte{2, 0, byte(3 + i%40)}}
		o, err := x.Add(&a)
		if err != nil {
			t.Fatal(err)
		}
		relabel(x, o, nil, a.Note)
		m.assets[id] = a
	}
}

func removeModel(t *rapid.T, x *index.Index, m *model, id string) {
	o, there := x.Find(id)
	if _, want := m.assets[id]; there != want {
		t.Fatalf("%.40q is found: %t", id, there)
	}
	if there {
		relabel(x, o, m.assets[id].Note, nil)
		x.Remove(o)
	}
	delete(m.assets, id)
}

func putModel(t *rapid.T, x *index.Index, m *model) {
	a := index.Asset{
		ID:    drawID(t),
		Group: rapid.SampledFrom(modelGroups).Draw(t, "group"),
		Note:  drawNote(t),
		Keys:  drawKeys(t),
	}
	if rapid.Bool().Draw(t, "texts") {
		a.Name = rapid.SampledFrom([]string{"", "web", strings.Repeat("n", 1000)}).Draw(t, "name")
		a.Address = rapid.SampledFrom([]string{"", "192.0.2.7", "2001:db8::1", "not an address", a.ID}).Draw(t, "address")
	}
	o, ok := x.Find(a.ID)
	if !ok {
		o, err := x.Add(&a)
		if err != nil {
			t.Fatal(err)
		}
		relabel(x, o, nil, a.Note)
		m.assets[a.ID] = a
		return
	}
	old := m.assets[a.ID]
	relabel(x, o, old.Note, a.Note)
	if changed, want := x.Put(o, a.Group, a.Note, a.Keys), old.Group != a.Group || !slices.Equal(old.Keys, a.Keys); changed != want {
		t.Fatalf("Put said changed %t, want %t", changed, want)
	}
	if changed, want := x.SetName(o, a.Name), old.Name != a.Name; changed != want {
		t.Fatalf("SetName said changed %t, want %t", changed, want)
	}
	if changed, want := x.SetAddress(o, a.Address), old.Address != a.Address; changed != want {
		t.Fatalf("SetAddress said changed %t, want %t", changed, want)
	}
	m.assets[a.ID] = a
}
