package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"portolan/engine"
	"portolan/index"
	"portolan/server"
	"portolan/server/auth"
)

// cell is what one enterprise project of one project and category holds: two
// assets with a port that no other cell has, and one that all have.
type cell struct {
	project, group string
	category       engine.Category
	mark           string // in ids and names
	address        string // with which all addresses begin
	port           int
}

const sharedPort = 2222

// commonAddress is that of the second asset of every cell.
const commonAddress = "10.99.9.9"

// cells returns the fleet that tells by every byte whose it is.
func cells() []cell {
	var all []cell
	for _, project := range []string{"p1", "p2"} {
		for _, group := range []string{"0", "g-shop", "g-bank"} {
			for _, category := range []engine.Category{engine.Host, engine.Container} {
				n := len(all) + 1
				all = append(all, cell{project, group, category, fmt.Sprintf("zq%02dz", n), fmt.Sprintf("10.77.%d.", n), 40_000 + 101*n})
			}
		}
	}
	return all
}

func (c *cell) ids() []string { return []string{c.mark + "-a", c.mark + "-b"} }

// traces are what shows that an answer is made of the cell.
func (c *cell) traces() []string {
	return []string{c.mark, c.address, fmt.Sprintf(`"port":%d,`, c.port)}
}

// colony is an engine that holds the cells.
type colony struct {
	testing.TB
	engine  *engine.Engine
	cells   []cell
	servers map[*citizen]*server.Server
}

func newColony(t testing.TB) *colony {
	t.Helper()
	policy, err := engine.NewPolicy(engine.DefaultPolicy().Rules(), engine.Expectation{Allowed: engine.KeysOf(index.Range{Type: index.TCP, Lo: sharedPort, Hi: sharedPort})})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	e, err := engine.Open(&engine.Options{
		Policy: policy,                          // the ports that cells have for themselves are unexpected
		Now:    func() time.Time { return now }, // it stands still, so that only writes change what is answered
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &colony{t, e, cells(), map[*citizen]*server.Server{}}
	var reports []engine.Report
	for _, cell := range c.cells {
		for i, id := range cell.ids() {
			reports = append(reports, engine.Report{
				Project: cell.project, Category: cell.category, Asset: id, EnterpriseProject: cell.group,
				Labels: map[string]string{"team": cell.mark, "l-" + cell.mark: "1"},
				Name:   "name-" + id, Address: []string{cell.address + "0", commonAddress}[i], Seen: time.Unix(1_700_000_000, 0), Scope: engine.ScopeAll(),
				Open: []index.Key{index.MakeKey(sharedPort, index.TCP), index.MakeKey(uint16(cell.port), index.TCP)},
			})
		}
	}
	if _, err := e.Apply(context.Background(), reports); err != nil {
		t.Fatal(err)
	}
	return c
}

// state is everything that the engine holds, and its versions.
func (c *colony) state() string {
	var b strings.Builder
	stats, err := c.engine.Stats()
	if err != nil {
		c.Fatal(err)
	}
	projects, err := c.engine.Projects()
	if err != nil {
		c.Fatal(err)
	}
	fmt.Fprintf(&b, "%+v\n", stats)
	for _, project := range projects {
		for _, category := range []engine.Category{engine.Host, engine.Container} {
			s, err := c.engine.Snapshot(project, category)
			if err != nil {
				c.Fatal(err)
			}
			hosts, err := s.Hosts(context.Background(), engine.HostQuery{Project: project, Category: category, View: engine.All(), Port: sharedPort})
			if err != nil {
				c.Fatal(err)
			}
			ports, err := s.Ports(context.Background(), engine.PortQuery{Project: project, Category: category, View: engine.All()})
			if err != nil {
				c.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %s %d %v %v\n", project, category, s.Version(), hosts, ports)
		}
	}
	return b.String()
}

// handler returns a server over the colony to which everybody is the one caller.
func (c *colony) handler(who *citizen) *server.Server {
	if known := c.servers[who]; known != nil {
		return known
	}
	s, err := server.New(c.engine, &server.Options{Auth: who.fake(), BodyTimeout: time.Second, MaxBody: 1 << 20})
	if err != nil {
		c.Fatal(err)
	}
	c.servers[who] = s
	return s
}

// citizen is a caller in the words of the tests; * is every name.
type citizen struct {
	name             string
	refused          error
	write            bool
	projects, groups []string
}

func (c *citizen) fake() fake {
	if c.refused != nil {
		return fake{err: c.refused}
	}
	return fake{caller: &auth.Caller{Name: c.name, Write: c.write, Projects: grantOf(c.projects), EnterpriseProjects: grantOf(c.groups)}}
}

func grantOf(names []string) auth.Grant {
	switch {
	case names == nil:
		return auth.Grant{}
	case holds(names, "*"):
		return auth.All()
	}
	return auth.Only(names...)
}

// holds says whether a citizen is granted a name.
func holds(names []string, name string) bool {
	return slices.Contains(names, "*") || slices.Contains(names, name)
}

// question is a request to one route.
type question struct {
	route        server.Route
	project      string
	group        string // the parameter as it is sent, such as enterprise_project_id=0; may be empty
	category     engine.Category
	target, body string
	about        func(*cell) bool // the cells, of those that are visible, whose traces the answer must have
}

// asked returns the enterprise project that the question is about: of a call of our own that names
// none it is all.
func (q *question) asked() string {
	_, name, _ := strings.Cut(q.group, "=")
	switch {
	case name != "":
		return name
	case q.own():
		return engine.AllEnterpriseProjects
	}
	return "0"
}

// own says whether the call is one of our own, which takes nothing for something else.
func (q *question) own() bool { return strings.HasPrefix(q.route.Pattern, "/v1/") }

// path fills a route's pattern. What it does not know how to fill ends the test.
func path(t testing.TB, rt server.Route, project, asset string) string {
	t.Helper()
	p := strings.NewReplacer("{project_id}", project, "{id}", asset).Replace(rt.Pattern)
	if strings.ContainsAny(p, "{}") {
		t.Fatalf("this test does not know how to fill %s", rt.Pattern)
	}
	return p
}

// readings returns what to ask a route that reads: for each value of the
// parameters that it requires. A parameter that it does not know ends the test.
func (c *colony) readings(rt server.Route, project, group string) []question {
	c.Helper()
	if rt.Method != http.MethodGet {
		c.Fatalf("this test does not know how to read with %s %s", rt.Method, rt.Pattern)
	}
	required := strings.Join(requiredOf(c, rt), " ")
	var all []question
	for _, category := range []engine.Category{engine.Host, engine.Container} {
		base := path(c, rt, project, "") + "?limit=200&category=" + category.String() + "&" + group
		add := func(query string, about func(*cell) bool) {
			all = append(all, question{route: rt, project: project, group: group, category: category, target: base + query, about: about})
		}
		everything := func(*cell) bool { return true }
		switch required {
		case "":
			if strings.HasSuffix(rt.Pattern, "/coverage") { // numbers alone: see wantCoverage
				all = append(all, question{route: rt, project: project, group: group, category: category, target: path(c, rt, project, "") + "?category=" + category.String() + "&" + group})
				continue
			}
			if strings.HasSuffix(rt.Pattern, "/export") { // which has no pages
				base = strings.Replace(base, "limit=200&", "", 1)
				add("", everything)
				add("&format=csv", everything)
				continue
			}
			if strings.HasSuffix(rt.Pattern, "/changes") {
				add("", everything)
				add("&net=true", everything)
				base = strings.Replace(base, "limit=200&", "", 1)
				add("&format=ndjson", everything)
				continue
			}
			if strings.HasSuffix(rt.Pattern, "/history") {
				base = strings.Replace(base, "limit=200&", "", 1)
				add("&since=1s&step=1h", everything)
				continue
			}
			if strings.HasSuffix(rt.Pattern, "/doctor") { // see wantShared
				add("", func(*cell) bool { return false })
				continue
			}
			if strings.HasSuffix(rt.Pattern, "/groups") {
				add("", nil)
				add("&by=team", everything)
				continue
			}
			add("", everything)
			continue
		case "port":
			add(fmt.Sprintf("&port=%d", sharedPort), everything)
		case "open": // of which each cell has one port, too
			add(fmt.Sprintf("&open=%d", sharedPort), everything)
			continue
		case "host_id":
		default:
			c.Fatalf("this test does not know what to ask %s for %s", rt.Pattern, required)
		}
		for _, one := range c.cells {
			if one.category == category {
				value := map[string]string{"port": strconv.Itoa(one.port), "host_id": one.ids()[0]}[required]
				add("&"+required+"="+value, func(other *cell) bool { return *other == one })
			}
		}
	}
	return all
}

// requiredOf returns the parameters of the query that a route's description requires.
func requiredOf(t testing.TB, rt server.Route) (names []string) {
	t.Helper()
	item := described(t).Paths.Value(rt.Pattern)
	if item == nil || item.GetOperation(rt.Method) == nil {
		t.Fatalf("%s %s is not described", rt.Method, rt.Pattern)
	}
	for _, p := range item.GetOperation(rt.Method).Parameters {
		if p.Value.In == "query" && p.Value.Required {
			names = append(names, p.Value.Name)
		}
	}
	return names
}

const sentID = "abababababababababababababababab"

// put sends a question. Its request id is always the same.
func put(h http.Handler, q *question, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(q.route.Method, q.target, strings.NewReader(q.body))
	req.Header.Set("X-Request-Id", sentID)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}
