package oracle

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"portolan/engine"
	"portolan/index"
)

// Ports counts the assets of the view that have each key open, one by one.
func (r *Reference) Ports(_ context.Context, q engine.PortQuery) (engine.PortPage, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := cmp.Or(r.checkQuery(q.Project, q.AtLeast, q.Offset, q.Limit, q.Type, q.Status), checkOrder(&q)); err != nil {
		return engine.PortPage{}, err
	}
	inv := r.inventories[place{q.Project, q.Category}]
	counts, statuses := map[index.Key]int{}, map[index.Key]engine.Status{}
	for id, a := range inv.those(q.Category, q.View, q.Where) {
		known := inv.asset(q.Category, id)
		for k := range a.open {
			counts[k]++
			status, _ := r.judge(q.Project, &known, k)
			statuses[k] = worse(statuses[k], status)
		}
	}
	rows := portRows(&q, counts, statuses)
	return engine.PortPage{
		Total:   len(rows),
		Rows:    append(q.Into[:0], pageOf(rows, q.Offset, q.Limit)...),
		Version: inv.dataVersion(), Sequence: r.included(q.AtLeast),
	}, nil
}

// judge returns the status of a key that an asset has open, and the rule that gives it: the last one
// that is about both.
func (r *Reference) judge(project string, a *engine.Asset, k index.Key) (engine.Status, *engine.Rule) {
	rules := r.policy.Rules()
	for i, rule := range slices.Backward(rules) {
		if !rule.Keys.Contains(k) || rule.Where != nil && !meaning(rule.Where)(*a) || len(rule.Projects) > 0 && !slices.Contains(rule.Projects, project) {
			continue
		}
		return rule.Status, &rules[i]
	}
	return engine.Unknown, nil
}

// worse returns which of the statuses of a key counts.
func worse(a, b engine.Status) engine.Status {
	for _, s := range []engine.Status{engine.Danger, engine.Unknown, engine.Normal} {
		if a == s || b == s {
			return s
		}
	}
	return b
}

// portRows returns the rows that match, in the order asked.
func portRows(q *engine.PortQuery, counts map[index.Key]int, statuses map[index.Key]engine.Status) []engine.PortCount {
	var rows []engine.PortCount
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		status := statuses[k]
		if matches(q, k, status) && counts[k] >= q.MinNum && (q.MaxNum == 0 || counts[k] <= q.MaxNum) {
			rows = append(rows, engine.PortCount{Num: counts[k], Port: k.Port(), Type: k.Type(), Status: status})
		}
	}
	slices.SortStableFunc(rows, func(a, b engine.PortCount) int {
		if q.Descending {
			a, b = b, a
		}
		switch q.Order {
		case engine.ByNum:
			return cmp.Compare(a.Num, b.Num)
		case engine.ByType:
			return cmp.Compare(a.Type, b.Type)
		case engine.ByStatus:
			return cmp.Compare(a.Status.String(), b.Status.String())
		default:
			return cmp.Compare(a.Key(), b.Key())
		}
	})
	return rows
}

// checkOrder refuses orders that are none and bounds that no count can meet.
func checkOrder(q *engine.PortQuery) error {
	switch {
	case q.Order > engine.ByStatus:
		return &engine.FieldError{Field: "sort"}
	case q.MinNum < 0:
		return &engine.FieldError{Field: "min_num"}
	case q.MaxNum < 0 || q.MaxNum > 0 && q.MaxNum < q.MinNum:
		return &engine.FieldError{Field: "max_num"}
	}
	return nil
}

// matches says whether the query's filters, all of them, let the key through.
func matches(q *engine.PortQuery, k index.Key, s engine.Status) bool {
	if q.Port != 0 && q.Port != int(k.Port()) || q.Keys != nil && !q.Keys.Contains(k) {
		return false
	}
	if !strings.Contains(strconv.Itoa(int(k.Port())), q.PortString) {
		return false
	}
	return (q.Type == engine.AnyType || q.Type == k.Type()) && (q.Status == engine.AnyStatus || q.Status == s)
}

// Hosts returns the keys that assets of the view have open, ordered by key, then
// by the asset's id.
func (r *Reference) Hosts(_ context.Context, q engine.HostQuery) (engine.HostPage, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := r.checkQuery(q.Project, q.AtLeast, q.Offset, q.Limit, q.Type, q.Status); err != nil {
		return engine.HostPage{}, err
	}
	if q.After != nil && !q.ByID {
		return engine.HostPage{}, &engine.FieldError{Field: "after"}
	}
	if q.Asset == "" && q.Port == 0 && q.Keys == nil && q.Where == nil {
		return engine.HostPage{}, &engine.FieldError{Field: "port", Allowed: "a port, a set of ports, a set of assets, or an asset"}
	}
	inv := r.inventories[place{q.Project, q.Category}]
	keyFilter := engine.PortQuery{Keys: q.Keys, Port: q.Port, Type: q.Type, Status: q.Status}
	var rows []engine.HostPort
	for id, a := range inv.those(q.Category, q.View, q.Where) {
		if !asks(&q, id, a) {
			continue
		}
		known := inv.asset(q.Category, id)
		for k := range a.open {
			if status, _ := r.judge(q.Project, &known, k); matches(&keyFilter, k, status) {
				rows = append(rows, hostRow(id, a, k, status))
			}
		}
	}
	slices.SortFunc(rows, compareHosts)
	total := len(rows)
	if q.After != nil {
		rows = slices.DeleteFunc(rows, func(r engine.HostPort) bool { return compareHosts(r, *q.After) <= 0 })
	}
	return engine.HostPage{Total: total, Rows: pageOf(rows, q.Offset, q.Limit), Version: inv.dataVersion(), Sequence: r.included(q.AtLeast)}, nil
}

// asks says whether the query is about the asset.
func asks(q *engine.HostQuery, id string, a *asset) bool {
	return (q.Asset == "" || q.Asset == id) &&
		strings.Contains(a.name.text, q.Name) && strings.Contains(a.address.text, q.Address)
}

func hostRow(id string, a *asset, k index.Key, status engine.Status) engine.HostPort {
	return engine.HostPort{
		Asset: id, Name: a.name.text, Address: a.address.text, EnterpriseProject: a.group.text,
		Port: k.Port(), Type: k.Type(), Status: status,
	}
}

func compareHosts(a, b engine.HostPort) int {
	return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Asset, b.Asset))
}

// Asset returns one asset; the error is [engine.ErrNoAsset] if it is not there.
func (r *Reference) Asset(_ context.Context, project string, category engine.Category, id string) (engine.Asset, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := r.checkProject(project); err != nil {
		return engine.Asset{}, err
	}
	inv := r.inventories[place{project, category}]
	if inv == nil || inv.assets[id] == nil {
		return engine.Asset{}, engine.ErrNoAsset
	}
	return inv.asset(category, id), nil
}

func (inv *inventory) asset(category engine.Category, id string) engine.Asset {
	a := inv.assets[id]
	return engine.Asset{
		ID: id, Name: a.name.text, Address: a.address.text, EnterpriseProject: a.group.text,
		Category: category, Labels: a.labelled(), LastSeen: time.UnixMicro(a.seen).UTC(),
		Open: slices.Sorted(maps.Keys(a.open)), Version: inv.version,
	}
}

// KeptLooks is how many looks at an asset an engine keeps; it joins those beyond it.
const KeptLooks = 64

// Joins says whether an engine may have joined looks at an asset, so that times differ.
func (r *Reference) Joins(project string, category engine.Category, id string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	inv := r.inventories[place{project, category}]
	return inv != nil && inv.assets[id] != nil && inv.assets[id].mostLooks > KeptLooks
}

// AssetPorts returns one asset with its open ports and when each was seen; the error is
// [engine.ErrNoAsset] if it is not there.
func (r *Reference) AssetPorts(ctx context.Context, project string, category engine.Category, id string) (engine.AssetPorts, error) {
	a, err := r.Asset(ctx, project, category, id)
	if err != nil {
		return engine.AssetPorts{}, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	known := r.inventories[place{project, category}].assets[id]
	ports := make([]engine.OpenPort, len(a.Open))
	for i, k := range a.Open {
		status, rule := r.judge(project, &a, k)
		if rule == nil {
			rule = new(engine.Rule)
		}
		ports[i] = engine.OpenPort{Port: k.Port(), Type: k.Type(), Status: status, Rule: rule.Name, Reason: rule.Reason, Seen: time.UnixMicro(known.ledger.since(k)).UTC()}
	}
	return engine.AssetPorts{Asset: a, Ports: ports}, nil
}

// Assets returns the assets of the view whose ids begin with the prefix, by id.
func (r *Reference) Assets(_ context.Context, q engine.AssetQuery) (engine.AssetPage, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := r.checkQuery(q.Project, q.AtLeast, q.Offset, q.Limit, engine.AnyType, engine.AnyStatus); err != nil {
		return engine.AssetPage{}, err
	}
	if q.After != "" && !q.ByID {
		return engine.AssetPage{}, &engine.FieldError{Field: "after"}
	}
	inv := r.inventories[place{q.Project, q.Category}]
	var rows []engine.Asset
	for _, id := range slices.Sorted(maps.Keys(inv.those(q.Category, q.View, q.Where))) {
		if strings.HasPrefix(id, q.Prefix) {
			rows = append(rows, inv.asset(q.Category, id))
		}
	}
	total := len(rows)
	if q.After != "" {
		rows = slices.DeleteFunc(rows, func(a engine.Asset) bool { return a.ID <= q.After })
	}
	return engine.AssetPage{Total: total, Rows: pageOf(rows, q.Offset, q.Limit), Version: inv.dataVersion(), Sequence: r.included(q.AtLeast)}, nil
}

// Coverage looks at what was looked at.
func (r *Reference) Coverage(_ context.Context, q engine.CoverageQuery) (engine.Coverage, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := r.checkQuery(q.Project, q.AtLeast, 0, 0, engine.AnyType, engine.AnyStatus); err != nil {
		return engine.Coverage{}, err
	}
	inv := r.inventories[place{q.Project, q.Category}]
	c := engine.Coverage{Version: inv.dataVersion(), Sequence: r.included(q.AtLeast)}
	for _, a := range inv.those(q.Category, q.View, q.Where) {
		c.Assets++
		at, open := a.lookedAt(q.Keys)
		if open {
			c.Open++
		}
		if at == never {
			continue
		}
		c.Looked++
		when := time.UnixMicro(at).UTC()
		if c.Oldest.IsZero() || when.Before(c.Oldest) {
			c.Oldest = when
		}
		if when.After(c.Newest) {
			c.Newest = when
		}
	}
	return c, nil
}

// lookedAt returns the time of the newest look at one of the keys, never if there was none, and
// whether one of them is open.
func (a *asset) lookedAt(set *engine.KeySet) (at int64, open bool) {
	at = never
	for _, l := range a.looks {
		if l.scope.IsAll() && (set == nil || set.Len() > 0) {
			at = max(at, l.at)
		}
		for _, part := range l.scope.Ranges() {
			for port := int(part.Lo); port <= int(part.Hi); port++ {
				if set == nil || set.Contains(index.MakeKey(uint16(port), part.Type)) {
					at = max(at, l.at)
					break
				}
			}
		}
	}
	for k := range a.open {
		if set == nil || set.Contains(k) {
			at, open = max(at, a.ledger.since(k)), true
		}
	}
	return at, open
}

// Together counts the assets that have each key open, those with one of the keys apart.
func (r *Reference) Together(_ context.Context, q engine.TogetherQuery) (engine.TogetherPage, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := r.checkQuery(q.Project, q.AtLeast, q.Offset, q.Limit, engine.AnyType, engine.AnyStatus); err != nil {
		return engine.TogetherPage{}, err
	}
	switch {
	case q.Open == nil:
		return engine.TogetherPage{}, &engine.FieldError{Field: "open"}
	case q.MinNum < 0:
		return engine.TogetherPage{}, &engine.FieldError{Field: "min_num"}
	}
	inv := r.inventories[place{q.Project, q.Category}]
	page := engine.TogetherPage{Version: inv.dataVersion(), Sequence: r.included(q.AtLeast)}
	both, all, statuses := map[index.Key]int{}, map[index.Key]int{}, map[index.Key]engine.Status{}
	for id, a := range inv.those(q.Category, q.View, q.Where) {
		known, has := inv.asset(q.Category, id), false
		for k := range a.open {
			all[k]++
			has = has || q.Open.Contains(k)
		}
		page.Assets++
		if !has {
			continue
		}
		page.Holders++
		for k := range a.open {
			both[k]++
			status, _ := r.judge(q.Project, &known, k)
			statuses[k] = worse(statuses[k], status)
		}
	}
	var rows []engine.TogetherCount
	for _, k := range slices.Sorted(maps.Keys(both)) {
		if !q.Open.Contains(k) && both[k] >= q.MinNum {
			lift := float64(both[k]) / float64(page.Holders) / (float64(all[k]) / float64(page.Assets))
			rows = append(rows, engine.TogetherCount{Num: both[k], Of: all[k], Port: k.Port(), Type: k.Type(), Status: statuses[k], Lift: lift})
		}
	}
	slices.SortStableFunc(rows, func(a, b engine.TogetherCount) int {
		if q.ByLift && a.Lift != b.Lift {
			return cmp.Compare(b.Lift, a.Lift)
		}
		return cmp.Compare(b.Num, a.Num)
	})
	page.Total, page.Rows = len(rows), append([]engine.TogetherCount{}, pageOf(rows, q.Offset, q.Limit)...)
	return page, nil
}

// Shared compares the texts of addresses.
func (r *Reference) Shared(_ context.Context, q engine.SharedQuery) (engine.SharedPage, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := r.checkQuery(q.Project, q.AtLeast, q.Offset, q.Limit, engine.AnyType, engine.AnyStatus); err != nil {
		return engine.SharedPage{}, err
	}
	inv := r.inventories[place{q.Project, q.Category}]
	page := engine.SharedPage{Version: inv.dataVersion(), Sequence: r.included(q.AtLeast)}
	having := map[netip.Addr][]string{}
	for id := range inv.those(q.Category, q.View, q.Where) {
		address, err := netip.ParseAddr(inv.asset(q.Category, id).Address)
		if err != nil {
			address, err = netip.ParseAddr(id)
		}
		if address = address.WithZone("").Unmap(); err == nil && !address.IsLoopback() && !address.IsLinkLocalUnicast() && !address.IsUnspecified() {
			having[address] = append(having[address], id)
		}
	}
	var rows []engine.SharedAddress
	for address, ids := range having {
		if len(ids) < 2 {
			continue
		}
		slices.Sort(ids)
		page.Assets += len(ids)
		rows = append(rows, engine.SharedAddress{Address: address.String(), Num: len(ids), Assets: ids[:min(len(ids), engine.MaxSharers)]})
	}
	slices.SortFunc(rows, func(a, b engine.SharedAddress) int {
		return cmp.Or(cmp.Compare(b.Num, a.Num), netip.MustParseAddr(a.Address).Compare(netip.MustParseAddr(b.Address)))
	})
	page.Total, page.Rows = len(rows), append([]engine.SharedAddress{}, pageOf(rows, q.Offset, q.Limit)...)
	return page, nil
}

// Groups counts the assets of each value, one by one.
func (r *Reference) Groups(_ context.Context, q engine.GroupQuery) (engine.GroupPage, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := r.checkQuery(q.Project, q.AtLeast, q.Offset, q.Limit, engine.AnyType, engine.AnyStatus); err != nil {
		return engine.GroupPage{}, err
	}
	if strings.Contains(q.Label, "=") {
		return engine.GroupPage{}, &engine.FieldError{Field: "labels"}
	}
	inv := r.inventories[place{q.Project, q.Category}]
	page := engine.GroupPage{Version: inv.dataVersion(), Sequence: r.included(q.AtLeast)}
	counts := map[string]int{}
	for _, a := range inv.those(q.Category, q.View, q.Where) {
		page.Assets++
		value := a.group.text
		if q.Label != "" {
			value = a.labelled()[q.Label]
		}
		if value == "" {
			page.Without++
			continue
		}
		counts[value]++
	}
	rows := make([]engine.GroupCount, 0, len(counts))
	for value, n := range counts {
		rows = append(rows, engine.GroupCount{Value: value, Num: n})
	}
	slices.SortFunc(rows, func(a, b engine.GroupCount) int {
		order := cmp.Compare(a.Value, b.Value)
		if q.ByNum {
			order = cmp.Or(cmp.Compare(a.Num, b.Num), order)
		}
		if q.Descending {
			return -order
		}
		return order
	})
	page.Total, page.Rows = len(rows), append([]engine.GroupCount{}, pageOf(rows, q.Offset, q.Limit)...)
	return page, nil
}

// EnterpriseProjects counts the assets of each.
func (r *Reference) EnterpriseProjects(_ context.Context, project string) ([]engine.EnterpriseProject, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if err := r.checkProject(project); err != nil {
		return nil, err
	}
	counts := map[string]engine.EnterpriseProject{}
	for at, inv := range r.inventories {
		if at.project != project {
			continue
		}
		for _, a := range inv.assets {
			n := counts[a.group.text]
			n.ID = a.group.text
			if at.category == engine.Host {
				n.Hosts++
			} else {
				n.Containers++
			}
			counts[a.group.text] = n
		}
	}
	return slices.SortedFunc(maps.Values(counts), func(a, b engine.EnterpriseProject) int { return cmp.Compare(a.ID, b.ID) }), nil
}

// Stats counts everything.
func (r *Reference) Stats() (engine.Stats, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed {
		return engine.Stats{}, engine.ErrClosed
	}
	s := engine.Stats{Projects: len(r.projects()), Expired: r.expired}
	for _, inv := range r.inventories {
		distinct := keys{}
		for _, a := range inv.assets {
			s.Assets++
			s.Observations += len(a.open)
			maps.Copy(distinct, a.open)
		}
		s.Keys += len(distinct)
	}
	return s, nil
}

// meanings has what sets of assets mean, by the set: a [engine.HostSet] does not tell.
var meanings sync.Map

// Means notes what a set of assets means, for questions to a [Reference], and returns the set.
func Means(set *engine.HostSet, has func(engine.Asset) bool) *engine.HostSet {
	meanings.Store(set, has)
	return set
}

// meaning returns what a set of assets means, which must be known.
func meaning(set *engine.HostSet) func(engine.Asset) bool {
	means, _ := meanings.Load(set)
	has, ok := means.(func(engine.Asset) bool)
	if !ok {
		panic("oracle: nobody has said what the set of assets means")
	}
	return has
}

// those returns the assets of a view that are in a set, by id. The set's meaning must be known.
func (inv *inventory) those(category engine.Category, v engine.View, where *engine.HostSet) map[string]*asset {
	assets := inv.in(v)
	if where == nil {
		return assets
	}
	has := meaning(where)
	for id := range assets {
		if !has(inv.asset(category, id)) {
			delete(assets, id)
		}
	}
	return assets
}

// in returns the assets of a view, by id. A nil inventory has none.
func (inv *inventory) in(v engine.View) map[string]*asset {
	assets := map[string]*asset{}
	if inv == nil {
		return assets
	}
	for id, a := range inv.assets {
		if v.IsAll() || slices.Contains(v.Names(), a.group.text) {
			assets[id] = a
		}
	}
	return assets
}

func (inv *inventory) dataVersion() uint64 {
	if inv == nil {
		return 0
	}
	return inv.version
}

func (r *Reference) checkQuery(project string, atLeast uint64, offset, limit int, t engine.Type, status engine.Status) error {
	if !r.closed && (atLeast > r.sequence || r.isLost(atLeast)) {
		return engine.ErrBehind
	}
	if err := r.checkProject(project); err != nil {
		return err
	}
	switch {
	case offset < 0:
		return &engine.FieldError{Field: "offset", Value: strconv.Itoa(offset), Allowed: "0 or more"}
	case limit < 0:
		return &engine.FieldError{Field: "limit", Value: strconv.Itoa(limit), Allowed: "0 or more"}
	case t != engine.AnyType && !t.Valid():
		return &engine.FieldError{Field: "type", Value: t.String(), Allowed: "a type"}
	case status != engine.AnyStatus && !status.Valid():
		return &engine.FieldError{Field: "status", Value: status.String(), Allowed: "a status"}
	}
	return nil
}

// included returns the number that a page carries.
func (r *Reference) included(atLeast uint64) uint64 {
	if atLeast == 0 {
		return 0
	}
	return r.sequence
}

// pageOf returns at most limit rows from offset on; limit 0 means all.
func pageOf[T any](rows []T, offset, limit int) []T {
	rows = rows[min(offset, len(rows)):]
	if limit == 0 {
		return rows
	}
	return rows[:min(limit, len(rows))]
}
