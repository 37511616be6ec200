package engine

import (
	"cmp"
	"slices"
	"time"

	"portolan/index"
)

// View is what a question is asked of: every enterprise project (the zero
// value), one, or several. A View is immutable; a caller that asks the same
// question often makes it once.
type View struct {
	groups index.Groups
}

// All returns the view of the whole inventory.
func All() View { return View{} }

// In returns the view of the given enterprise projects. In() of none is the
// view of nothing; names that do not exist add nothing.
func In(names ...string) View {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	return View{index.GroupsOf(slices.Clip(slices.Compact(sorted)))}
}

// IsAll says whether the view is the whole inventory.
func (v View) IsAll() bool { return v.groups.Names() == nil }

// Has says whether the view has the assets of an enterprise project.
func (v View) Has(enterpriseProject string) bool {
	if v.IsAll() {
		return true
	}
	_, found := slices.BinarySearch(v.groups.Names(), enterpriseProject)
	return found
}

// Names returns the enterprise projects of the view in order, in a slice of the caller's own;
// nil for all.
func (v View) Names() []string { return slices.Clone(v.groups.Names()) }

// PortQuery asks how many assets have each key open. The zero value of every
// field means no restriction.
type PortQuery struct {
	// Project is required; a [Snapshot] has its own.
	Project string
	View    View
	// Where is the assets of the view that are asked of; nil is all. What it costs depends on what
	// it looks at; a snapshot remembers a few sets with their counts.
	Where    *HostSet
	Category Category
	// AtLeast is the [Result].Sequence of a write that the answer must include.
	AtLeast uint64
	// Keys is the set that keys are in; nil is all. A snapshot remembers what it was asked by
	// the set, so a caller that asks often makes it once. Package expr makes one of a text such
	// as 22,8000-8999,!8080.
	Keys *KeySet
	// Port is the exact port; a number outside 1..65535 matches nothing.
	Port int
	// PortString matches ports whose decimal text contains it. The first query of a process
	// with one makes what finds them, which takes 5 ms and 3 MB.
	PortString string
	// Type is the exact type.
	Type Type
	// Status is the exact status.
	Status Status
	// MinNum and MaxNum bound how many assets have the key open, both included; 0 is no bound.
	MinNum, MaxNum int
	// Order is what rows are ordered by. The first page by ByNum looks at every key once, and
	// another order is made when it is first asked for; the snapshot remembers a few.
	Order Order
	// Descending has the greatest first.
	Descending bool
	// Offset is how many rows to skip; at or past the end the page is empty.
	Offset int
	// Limit is the most rows to return; 0 means all.
	Limit int
	// Into is reused for the page's rows where its capacity suffices; a query
	// that fits allocates nothing.
	Into []PortCount
}

// PortCount is one row of a page: how many distinct assets have a key open.
type PortCount struct {
	Num    int
	Port   uint16
	Type   Type
	Status Status
}

// Key returns the row's port and type as a key.
func (r PortCount) Key() Key { return index.MakeKey(r.Port, r.Type) }

// PortPage is the answer to a [PortQuery]. Total is the number of keys that
// match, before paging; both come from one snapshot.
type PortPage struct {
	Total   int
	Rows    []PortCount
	Version uint64 // the inventory's data version the page was read from
	// Sequence is a batch that the page includes, with all before it, if the query has
	// AtLeast; else 0, as the number tells of other projects, too.
	Sequence uint64
}

// HostQuery asks which assets have which keys open: which assets have a port
// open, or one of a set of keys, or, with Asset, which ports one asset has open. One of Port, Keys,
// Where and Asset is required; the zero value of every other field means no restriction.
type HostQuery struct {
	// Project is required; a [Snapshot] has its own.
	Project string
	View    View
	// Where is the assets of the view that are asked of; nil is all.
	Where    *HostSet
	Category Category
	// AtLeast is the [Result].Sequence of a write that the answer must include.
	AtLeast uint64
	// Asset is the exact id of the asset; one that is not there matches nothing.
	Asset string
	// Name and Address are contained in the asset's, byte for byte.
	Name, Address string
	// Keys is the set that keys are in; nil is all.
	Keys *KeySet
	// Port is the exact port; a number outside 1..65535 matches nothing.
	Port int
	// Type is the exact type.
	Type Type
	// Status is the exact status.
	Status Status
	// Offset is how many rows to skip; at or past the end the page is empty.
	Offset int
	// Limit is the most rows to return; 0 means all.
	Limit int
	// ByID has the assets of each key come in the order of their ids, byte by byte: the same for
	// every engine that was told the same. It looks at each asset that has a key of the page open.
	ByID bool
	// After is a row, of which Port, Type and Asset count: with ByID, only rows behind it come,
	// whether it is still there or not. Total counts those before it, too.
	After *HostPort
}

// HostPort is one row of a [HostPage]: an asset and a key it has open.
type HostPort struct {
	Asset, Name, Address, EnterpriseProject string
	Port                                    uint16
	Type                                    Type
	Status                                  Status
}

// Key returns the row's port and type as a key.
func (r HostPort) Key() Key { return index.MakeKey(r.Port, r.Type) }

// before says whether the row comes before one of a key and an asset, in the order of ids.
func (r *HostPort) before(k Key, asset string) bool {
	return cmp.Or(cmp.Compare(r.Key(), k), cmp.Compare(r.Asset, asset)) < 0
}

// HostPage is the answer to a [HostQuery]: one row per key and asset, ordered by
// port, then type name; the order of the assets of a key is the inventory's own, or that of their ids.
// It is fixed within one version, so that pages of one version put together are
// the whole. Total is the number of rows before paging.
type HostPage struct {
	Total   int
	Rows    []HostPort
	Version uint64 // the inventory's data version the page was read from
	// Sequence is a batch that the page includes, with all before it, if the query has
	// AtLeast; else 0, as the number tells of other projects, too.
	Sequence uint64
}

// AssetQuery asks which assets there are. The zero value of every field means no
// restriction.
type AssetQuery struct {
	// Project is required; a [Snapshot] has its own.
	Project string
	View    View
	// Where is the assets of the view that are asked of; nil is all.
	Where    *HostSet
	Category Category
	// AtLeast is the [Result].Sequence of a write that the answer must include.
	AtLeast uint64
	// Prefix is what the ids begin with, byte for byte.
	Prefix string
	// Offset is how many assets to skip; at or past the end the page is empty.
	Offset int
	// Limit is the most assets to return; 0 means all.
	Limit int
	// ByID has the assets come in the order of their ids, byte by byte: the same for every engine
	// that was told the same. It looks at each asset that is asked of.
	ByID bool
	// After is an id: with ByID, only assets behind it come, whether it is still there or not. Total
	// counts those before it, too.
	After string
}

// AssetPage is the answer to an [AssetQuery]. The order of the assets is the
// inventory's own, or that of their ids, and as fixed as that of a [HostPage]. Total is the number of
// assets before paging.
type AssetPage struct {
	Total   int
	Rows    []Asset
	Version uint64 // the inventory's data version the page was read from
	// Sequence is a batch that the page includes, with all before it, if the query has
	// AtLeast; else 0, as the number tells of other projects, too.
	Sequence uint64
}

// EnterpriseProject is one enterprise project that has assets.
type EnterpriseProject struct {
	ID                string
	Hosts, Containers int // how many are in it
}

// Asset is what is known of one asset.
type Asset struct {
	ID, Name, Address, EnterpriseProject string
	Category                             Category
	// Labels are by name; nil if there are none.
	Labels map[string]string
	// LastSeen is the time of the newest report about the asset, zero in a state of the past.
	LastSeen time.Time
	// Open is its open keys in order.
	Open []Key
	// Version is the inventory's data version the asset was read from.
	Version uint64
}

// Result says what became of a write, or of several.
type Result struct {
	// Applied reports changed an answer: a key, a name, an address, an
	// enterprise project, or a new asset.
	Applied int
	// Unchanged reports changed no answer. They confirmed what was known, or, if
	// they were late, added evidence that a later report may meet.
	Unchanged int
	// Stale reports were older than what was known and added nothing to it: no
	// answer, now or later, would be another one without them.
	Stale int
	// Clamped reports had a time up to 24 h ahead, taken as now. They are
	// counted above, too.
	Clamped int
	// Removed is how many assets were forgotten.
	Removed int
	// Sequence is the number of the batch that the write became, 0 if the call had no
	// reports; reports of which none tells anything are a batch, too. Batches are numbered from 1 in the order in which they count; with a journal
	// that goes on after a restart. A question with the number in AtLeast is answered with
	// the write, and all before it, included.
	Sequence uint64
	// Durable says that a journal has committed the batch: see [Options].DurableWithin.
	Durable bool
}

// Add adds what became of a later write.
func (r *Result) Add(o Result) {
	r.Applied += o.Applied
	r.Unchanged += o.Unchanged
	r.Stale += o.Stale
	r.Clamped += o.Clamped
	r.Removed += o.Removed
	if o.Sequence >= r.Sequence {
		r.Sequence, r.Durable = o.Sequence, o.Durable
	}
}

// Stats describes the size of what the engine holds.
type Stats struct {
	Projects     int
	Assets       int // hosts and containers
	Observations int // open keys, summed over assets
	Keys         int // distinct open keys, summed over inventories
	Expired      int // assets that have expired since the engine was opened
}
