package expr_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portolan/engine"
	"portolan/engine/enginetest/oracle"
	"portolan/engine/expr"
)

var (
	now        = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	whereNames = []string{"", "web-1", "Web-2", "db-1", "ÄRGER.example", "a b", `qu"ote`, "x*y"}
	whereIPs   = []string{"", "10.0.0.1", "10.1.2.3", "192.0.2.77", "fd00::1", "2001:db8::5", "not an address", "::ffff:10.0.0.9"}
	whereAges  = []time.Duration{time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour}
	wherePorts = []string{"22/tcp", "80/tcp", "443/tcp", "443/tcp6", "53/udp", "3389/tcp", "2000/tcp", "5060/tcp", "8080/tcp"}
)

// whereFleet applies a random fleet to an engine and to its reference.
func whereFleet(t testing.TB, seed uint64, assets int) (*engine.Engine, *oracle.Reference) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 9))
	one := func(list []string) string { return list[rng.IntN(len(list))] }
	reports := make([]engine.Report, assets)
	for i := range reports {
		r := engine.Report{
			Project: "p", Category: engine.Category(rng.IntN(2)), Asset: "h" + strconv.Itoa(i), Name: one(whereNames), Address: one(whereIPs),
			Seen: now.Add(-whereAges[rng.IntN(len(whereAges))]), Scope: engine.ScopeAll(), EnterpriseProject: one([]string{"", "e1", "e 2"}),
		}
		if env := one([]string{"", "prod", "Test 1", "dev"}); env != "" {
			r.Labels = map[string]string{"env": env, "app/name": one([]string{"shop", "web"}), "cost center": one([]string{"7", ""})}
		}
		if i%20 < 3 { // enterprise projects without an open port
			r.EnterpriseProject = "idle " + strconv.Itoa(1+i%20%2)
			reports[i] = r
			continue
		}
		for range rng.IntN(6) {
			keys, err := engine.ParseKeys(one(wherePorts))
			if err != nil {
				t.Fatal(err)
			}
			r.Open = append(r.Open, keys...)
		}
		reports[i] = r
	}
	opts := &engine.Options{Policy: policy, Now: func() time.Time { return now }}
	want := oracle.NewReference(opts)
	got, err := engine.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { got.Close() })
	for _, e := range []interface {
		Apply(ctx context.Context, reports []engine.Report) (engine.Result, error)
	}{want, got} {
		if _, err := e.Apply(t.Context(), reports); err != nil {
			t.Fatal(err)
		}
	}
	return got, want
}

// drawWhere draws a set of assets as text, and what it means.
func drawWhere(t *rapid.T, depth int) (text string, has func(engine.Asset) bool) {
	kinds := 14
	if depth == 0 {
		kinds = 10
	}
	space := rapid.SampledFrom([]string{"", " ", "\t "}).Draw(t, "space")
	op := rapid.SampledFrom([]string{"=", "!="}).Draw(t, "op")
	is := func(yes bool) bool { return yes == (op == "=") }
	quoted := strconv.Quote
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		ports, lets := drawItem(t)
		return "open(" + ports + space + ")", func(a engine.Asset) bool {
			return slices.ContainsFunc(a.Open, func(k engine.Key) bool { return lets(int(k.Port()), k.Type()) })
		}
	case 1:
		return "ONLY" + space + "(80-443, !443/tcp6)", func(a engine.Asset) bool {
			others := slices.ContainsFunc(a.Open, func(k engine.Key) bool {
				return k.Port() < 80 || k.Port() > 443 || k.Port() == 443 && k.Type() == engine.TCP6
			})
			return len(a.Open) > 0 && !others
		}
	case 2:
		n := rapid.IntRange(0, 5).Draw(t, "n")
		compare := rapid.SampledFrom([]string{"=", "!=", "<", "<=", ">", ">="}).Draw(t, "compare")
		return "ports" + space + compare + space + strconv.Itoa(n), func(a engine.Asset) bool {
			c := cmp.Compare(len(a.Open), n)
			return map[string]bool{"=": c == 0, "!=": c != 0, "<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0}[compare]
		}
	case 3:
		networks := rapid.SampledFrom([]string{"10.0.0.0/8", "10.0.0.1", "192.0.2.64/26,fd00::/8", "::/0", "0.0.0.0/0", "2001:db8::5"}).Draw(t, "networks")
		return "address in" + " (" + networks + ")", func(a engine.Asset) bool {
			address, err := netip.ParseAddr(a.Address)
			return err == nil && slices.ContainsFunc(strings.Split(networks, ","), func(one string) bool {
				if !strings.Contains(one, "/") {
					return netip.MustParseAddr(one) == address
				}
				return netip.MustParsePrefix(one).Contains(address)
			})
		}
	case 4:
		name := rapid.SampledFrom(whereNames[1:]).Draw(t, "name")
		return "name" + op + quoted(name), func(a engine.Asset) bool { return is(a.Name == name) }
	case 5:
		parts := rapid.SampledFrom([][3]string{{"web-*", "web-", ""}, {"*1", "", "1"}, {"W*2", "w", "2"}, {"Är*.EXAMPLE", "är", ".example"}, {"*", "", ""}}).Draw(t, "pattern")
		like := map[string]string{"=": "~", "!=": "!~"}[op]
		return "name " + like + space + quoted(parts[0]), func(a engine.Asset) bool {
			name := strings.ToLower(a.Name)
			return is(strings.HasPrefix(name, parts[1]) && strings.HasSuffix(name, parts[2]) && len(name) >= len(parts[1])+len(parts[2]))
		}
	case 6:
		return "ep in (e1, \"e 2\")", func(a engine.Asset) bool { return a.EnterpriseProject == "e1" || a.EnterpriseProject == "e 2" }
	case 7:
		compare := rapid.SampledFrom([]string{"<", "<=", ">", ">="}).Draw(t, "compare age")
		ages := map[string]time.Duration{"60m": time.Hour, "1d": 24 * time.Hour, "1w": 7 * 24 * time.Hour, "90m": 90 * time.Minute, "0s": 0}
		age := rapid.SampledFrom([]string{"60m", "1d", "1w", "90m", "0s"}).Draw(t, "age")
		return "seen " + compare + " " + age, func(a engine.Asset) bool {
			c := cmp.Compare(now.Sub(a.LastSeen), ages[age])
			return map[string]bool{"<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0}[compare]
		}
	case 8:
		text := rapid.SampledFrom([]string{"env", "app/name", `"cost center"`, "none", "'env'"}).Draw(t, "label")
		name := strings.Trim(text, `'"`)
		value := rapid.SampledFrom([]string{"prod", "Test 1", "shop", "7", ""}).Draw(t, "value")
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			return "label(" + text + space + ")" + op + quoted(value), func(a engine.Asset) bool { return is(a.Labels[name] == value) }
		case 1:
			like := map[string]string{"=": "~", "!=": "!~"}[op]
			return "Label(" + text + ")" + like + "t*", func(a engine.Asset) bool { return is(strings.HasPrefix(strings.ToLower(a.Labels[name]), "t")) }
		}
		return "label (" + text + ") in (prod, web," + quoted(value) + ")", func(a engine.Asset) bool {
			return slices.Contains([]string{"prod", "web", value}, a.Labels[name])
		}
	case 9: // every asset of the fleet was looked at in full
		return "looked(53/udp)", func(engine.Asset) bool { return true }
	case 10:
		inner, one := drawWhere(t, depth-1)
		return "not (" + inner + ")", func(a engine.Asset) bool { return !one(a) }
	case 11:
		left, a := drawWhere(t, depth-1)
		right, b := drawWhere(t, depth-1)
		return "(" + left + ") and " + right, func(x engine.Asset) bool { return a(x) && b(x) }
	case 12:
		left, a := drawWhere(t, depth-1)
		right, b := drawWhere(t, depth-1)
		return "((" + left + ")  OR (" + right + "))", func(x engine.Asset) bool { return a(x) || b(x) }
	default:
		return "(status in (danger, normal) or id in (h1, 'h7'))", func(a engine.Asset) bool {
			return a.ID == "h1" || a.ID == "h7" || slices.ContainsFunc(a.Open, func(k engine.Key) bool { return policy.Status(k) != engine.Unknown })
		}
	}
}

// TestWhereAnyway holds random sets of assets of random fleets against the reference engine: every
// kind of question, in every order, within every enterprise project.
func TestWhereAnyway(t *testing.T) {
	for seed := range uint64(3) {
		got, want := whereFleet(t, seed, 120)
		rapid.Check(t, func(t *rapid.T) {
			text, has := drawWhere(t, 3)
			where, err := expr.ParseWhere("where", text)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			set := oracle.Means(where.Assets(policy, now), has)
			category := engine.Category(rapid.IntRange(0, 1).Draw(t, "category"))
			for _, view := range []engine.View{engine.All(), engine.In("e1"), engine.In("0", "e 2"), engine.In("idle 1"), engine.In("idle 2")} {
				ports := engine.PortQuery{
					Project: "p", Category: category, View: view, Where: set, Descending: rapid.Bool().Draw(t, "desc"),
					Order: rapid.SampledFrom([]engine.Order{engine.ByPort, engine.ByNum, engine.ByStatus}).Draw(t, "order"),
				}
				wantPorts, _ := want.Ports(t.Context(), ports)
				gotPorts, err := got.Ports(t.Context(), ports)
				if err != nil || wantPorts.Total != gotPorts.Total || !slices.Equal(wantPorts.Rows, gotPorts.Rows) {
					t.Fatalf("%s: %v\n%s", text, err, gocmp.Diff(wantPorts.Rows, gotPorts.Rows))
				}
				assets := engine.AssetQuery{Project: "p", Category: category, View: view, Where: set}
				wantAssets, _ := want.Assets(t.Context(), assets)
				gotAssets, err := got.Assets(t.Context(), assets)
				if a, b := idsOf(wantAssets), idsOf(gotAssets); err != nil || a != b || gotAssets.Total != wantAssets.Total {
					t.Fatalf("%s: %v\ngot  %s\nwant %s", text, err, b, a)
				}
			}
		})
	}
}

func idsOf(page engine.AssetPage) string {
	var ids []string
	for i := range page.Rows {
		ids = append(ids, page.Rows[i].ID)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// TestWhereAddsUp: |A| + |B| - |A and B| = |A or B|, and a set that is an enterprise project gives
// that one's page.
func TestWhereAddsUp(t *testing.T) {
	e, _ := whereFleet(t, 7, 200)
	count := func(t *rapid.T, text string) int {
		where, err := expr.ParseWhere("where", text)
		if err != nil {
			t.Fatal(err)
		}
		page, err := e.Assets(t.Context(), engine.AssetQuery{Project: "p", Where: where.Assets(policy, now), Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		return page.Total
	}
	rapid.Check(t, func(t *rapid.T) {
		a, _ := drawWhere(t, 2)
		b, _ := drawWhere(t, 2)
		a, b = "("+a+")", "("+b+")"
		if left, right := count(t, a)+count(t, b)-count(t, a+" and "+b), count(t, a+" or "+b); left != right {
			t.Fatalf("%s, %s: %d, %d", a, b, left, right)
		}
		if all := count(t, a) + count(t, "not "+a); all != count(t, "ports >= 0") {
			t.Fatalf("%s and what it is not: %d", a, all)
		}
	})
	where, err := expr.ParseWhere("where", `ep = "e 2"`)
	if err != nil {
		t.Fatal(err)
	}
	set, _ := e.Ports(t.Context(), engine.PortQuery{Project: "p", Where: where.Assets(policy, now)})
	project, _ := e.Ports(t.Context(), engine.PortQuery{Project: "p", View: engine.In("e 2")})
	if len(project.Rows) == 0 || !slices.Equal(set.Rows, project.Rows) {
		t.Error(gocmp.Diff(project.Rows, set.Rows))
	}
}

func TestWhereRefused(t *testing.T) {
	const condition = "open(PORTS), only(PORTS), looked(PORTS), unexpected(PORTS), missing(PORTS), ports, address, name, id, ep, label(NAME), seen, status, not or ("
	for text, want := range map[string]string{
		"":                                       "where: at the end: want " + condition,
		"open":                                   `where: at the end: want "(" and ports`,
		"open(":                                  "where: at the end: want a port, a range",
		"label":                                  `where: at the end: want "(" and the name of a label`,
		"label(":                                 `where: at the end: want the name of a label`,
		"label(env)":                             `where: at the end: want =, !=, <, <=, >, >=, ~, !~ or in`,
		"label(env) prod":                        `where: character 12, at "prod": want =, !=`,
		"label(env) > 3":                         `where: character 12, at ">": want =, !=, ~, !~, in behind label(env)`,
		`label("a=b") = c`:                       `where: character 7, at "\"a=b\"": want the name of a label`,
		"label(env) = 10.0.0.0/8":                `where: character 14, at "10.0.0.0/8": want a word`,
		"open(22":                                `where: at the end: want an operator, ",", ")", "and", "or" or the end`,
		"open(22/tpc)":                           `where: character 9, at "tpc": want a type: tcp, tcp6, tcp*, udp, udp6, udp*, sctp, sctp6 or sctp*`,
		"open(htps)":                             `where: character 6, at "htps": want a port, a range`,
		"open(22) open(80)":                      `where: character 10, at "open": want "and", "or", ")" or the end`,
		"open(22) and":                           "where: at the end: want " + condition,
		"not":                                    "where: at the end: want " + condition,
		"os = linux":                             `where: character 1, at "os": want ` + condition,
		"name":                                   "where: at the end: want =, !=, <, <=, >, >=, ~, !~ or in",
		"name =":                                 "where: at the end: want a word, or a text in quotes",
		"name < web":                             `where: character 6, at "<": want =, !=, ~, !~, in behind name`,
		`name = "web`:                            `where: character 8, at "\"": want a word, or a text in quotes`,
		"ports > many":                           `where: character 9, at "many": want a number of open ports`,
		"ports > -1":                             `where: character 9, at "-1": want a number of open ports`,
		"ports ~ 3":                              `where: character 7, at "~": want =, !=, <, <=, >, >=, in behind ports`,
		"address in 10.0.0.0/33":                 `where: character 12, at "10.0.0.0/33": want an address or a network such as 10.0.0.0/8 or fd00::/8`,
		"address = web":                          `where: character 11, at "web": want an address or a network`,
		"name = 10.0.0.0/8":                      `where: character 8, at "10.0.0.0/8": want a word, or a text in quotes`,
		"seen < yesterday":                       `where: character 8, at "yesterday": want an age such as 30m, 12h, 7d or 4w`,
		"seen < 99999999999999999w":              `where: character 8, at "99999999999999999w": want an age`,
		"seen = 7d":                              `where: character 6, at "=": want <, <=, >, >= behind seen`,
		"seen in 7d":                             `where: character 9, at "7d": want <, <=, >, >= behind seen`,
		"status = bad":                           `where: character 10, at "bad": want danger, normal or unknown`,
		"(open(22)":                              `where: at the end: want "and", "or", ")" or the end`,
		"open(22))":                              `where: character 9, at ")": want "and", "or", ")" or the end`,
		"id in (a b)":                            `where: character 10, at "b": want an operator`,
		strings.Repeat("not ", 300) + "open(22)": `where: character 257, at "one more": want at most 64 conditions`,
		strings.Repeat("(", 4000):                "where: ",
	} {
		_, err := expr.ParseWhere("where", text)
		if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%.40q:\n got %v\nwant %s", text, err, want)
		}
	}
}

// TestWhereTimely: only what looks at ages depends on the time, and Assets of nothing is nil.
func TestWhereTimely(t *testing.T) {
	for text, want := range map[string]bool{"seen < 7d": true, "open(22) or not (seen > 1h)": true, "open(22)": false} {
		w, err := expr.ParseWhere("where", text)
		if err != nil || w.Timely() != want || w.String() != text {
			t.Errorf("%s: %t, %v", text, w.Timely(), err)
		}
	}
	if w, err := expr.ParseWhere("where", "open(22) or not (seen > 1h)"); err != nil || w.Terms() != 4 {
		t.Errorf("%d conditions, want 4; %v", w.Terms(), err)
	}
	if (expr.Where{}).Assets(policy, now) != nil {
		t.Error("the zero Where is a set")
	}
}

// FuzzWhere: any text is a set of assets that can be asked of, or an error that points into it.
func FuzzWhere(f *testing.F) {
	for _, text := range []string{
		"open(22/tcp) and not open(443/tcp)", "only(2000,5060)", `name ~ "web-*" or (ports > 10)`, "address in (10.0.0.0/8, fd00::/8)",
		`id in (a,'b') and ep="x"`, "seen < 7d", "status = danger", "not not (", "name='\\'", "name ~ *a*b?c*",
	} {
		f.Add(text)
	}
	e, _ := whereFleet(f, 1, 20)
	f.Fuzz(func(t *testing.T, text string) {
		where, err := expr.ParseWhere("where", text)
		if err != nil {
			if wrong, ok := errors.AsType[*expr.Error](err); !ok || wrong.At < 0 || wrong.At > len(text) || wrong.Want == "" {
				t.Errorf("%q: %#v", text, err)
			}
			return
		}
		if _, err := e.Assets(t.Context(), engine.AssetQuery{Project: "p", Where: where.Assets(policy, now)}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// TestLike holds patterns against a slow matcher.
func TestLike(t *testing.T) {
	e, err := engine.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	names := []string{"a", "aa", "ab", "ba", "aab", "abab", "ää", "aäb", "b", "aaaaaaaaab"}
	for i, name := range names {
		if _, err := e.Apply(t.Context(), []engine.Report{{Project: "p", Asset: strconv.Itoa(i), Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	for pattern, want := range map[string]string{
		"*": strings.Join(names, " "), "a*": "a aa ab aab abab aäb aaaaaaaaab", "*b": "ab aab abab aäb b aaaaaaaaab", "?": "a b", "??": "aa ab ba ää",
		"*a*b*": "ab aab abab aäb aaaaaaaaab", "a?b": "aab aäb", "A*B": "ab aab abab aäb aaaaaaaaab", "?ä": "ää", "**": strings.Join(names, " "), "a": "a", "*a?a*": "aaaaaaaaab abab",
	} {
		where, err := expr.ParseWhere("where", fmt.Sprintf("name ~ %q", pattern))
		if err != nil {
			t.Fatal(err)
		}
		page, err := e.Assets(t.Context(), engine.AssetQuery{Project: "p", Where: where.Assets(policy, now)})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range page.Rows {
			got = append(got, a.Name)
		}
		wanted := strings.Fields(want)
		slices.Sort(got)
		slices.Sort(wanted)
		if !slices.Equal(got, wanted) {
			t.Errorf("%s: %q, want %q", pattern, got, wanted)
		}
	}
}
