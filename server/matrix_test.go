package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"portolan/engine"
	"portolan/server"
	"portolan/server/auth"
)

// citizens returns every sort of caller.
func citizens() []citizen {
	all := []citizen{{name: "no token", refused: auth.ErrNoToken}, {name: "bad token", refused: auth.ErrBadToken}}
	for _, write := range []bool{false, true} {
		for _, projects := range [][]string{nil, {"p1"}, {"p2"}, {"*"}} {
			for _, groups := range [][]string{nil, {}, {"0"}, {"g-shop"}, {"g-bank"}, {"0", "g-bank"}, {"*"}} {
				all = append(all, citizen{fmt.Sprintf("write %v, projects %q, groups %q", write, projects, groups), nil, write, projects, groups})
			}
		}
	}
	return all
}

// groupParams are the ways to name an enterprise project.
var groupParams = []string{
	"", "enterprise_project_id", "enterprise_project_id=", "enterprise_project_id=0", "enterprise_project_id=g-shop",
	"enterprise_project_id=g-bank", "enterprise_project_id=g-none", "enterprise_project_id=" + engine.AllEnterpriseProjects,
}

// TestMatrix asks every route of the router as every sort of caller about every
// project and enterprise project. The status follows from rules that are written
// down here once more, and no answer has a trace of what is not granted. A route
// that this test does not know how to call fails it.
func TestMatrix(t *testing.T) {
	c := newColony(t)
	intact := c.state()
	for _, who := range citizens() {
		for _, rt := range c.handler(&who).Routes() {
			for _, project := range []string{"p1", "p2", "p3"} {
				for _, group := range groupParams {
					c = c.hold(&who, rt, [2]string{project, group})
				}
				if c.state() != intact {
					t.Fatalf("%s: %s %s of %s changes what is stored", who.name, rt.Method, rt.Pattern, project)
				}
			}
		}
	}
}

// hold holds the answers of a route about a project and enterprise project
// against the rules. It returns the colony, a new one where a question changed it
// and was allowed to.
func (c *colony) hold(who *citizen, rt server.Route, of [2]string) *colony {
	c.Helper()
	switch project, group := of[0], of[1]; {
	case rt.Public:
		q := question{route: rt, target: path(c, rt, project, "") + "?" + group}
		c.want(who, &q, http.StatusOK)
	case !rt.Writes && strings.Contains(rt.Pattern, "{id}"):
		c.holdShown(who, rt, of)
	case !rt.Writes:
		for _, q := range c.readings(rt, project, group) {
			c.want(who, &q, reading(who, &q))
		}
	case rt.Method == http.MethodPost:
		return c.holdReports(who, rt, of)
	case rt.Method == http.MethodDelete && !strings.Contains(rt.Pattern, "{id}"):
		return c.holdProjectRemoval(who, rt, of)
	case rt.Method == http.MethodDelete:
		return c.holdRemovals(who, rt, of)
	default:
		c.Fatalf("this test does not know how to write with %s %s", rt.Method, rt.Pattern)
	}
	return c
}

// holdShown asks for one asset of every cell and for one that is not there; one that may not be seen
// is not there either, to the byte.
func (c *colony) holdShown(who *citizen, rt server.Route, of [2]string) {
	c.Helper()
	show := func(id string, category engine.Category, about func(*cell) bool) *question {
		return &question{
			route: rt, project: of[0], category: category, about: about, group: "enterprise_project_id=" + engine.AllEnterpriseProjects,
			target: path(c, rt, of[0], id) + "?category=" + category.String(),
		}
	}
	for _, one := range c.cells {
		q := show(one.ids()[0], one.category, func(other *cell) bool { return *other == one })
		status := admitted(who, q)
		if status == 0 && (one.project != of[0] || !holds(who.groups, one.group)) {
			status = http.StatusNotFound
		}
		if status == 0 {
			status = http.StatusOK
		}
		w := c.want(who, q, status)
		if status == http.StatusNotFound {
			if none := c.want(who, show("nobody", one.category, nil), status); none.Body.String() != w.Body.String() {
				c.Fatalf("%s: an asset that may not be seen: %s, one that is not there: %s", who.name, w.Body, none.Body)
			}
		}
	}
}

// admitted is the rule of everything that is not public: 0 is past the checks.
func admitted(who *citizen, q *question) int {
	switch {
	case who.refused != nil:
		return http.StatusUnauthorized
	case !holds(who.projects, q.project), q.route.Writes && !who.write:
		return http.StatusForbidden
	}
	return 0
}

// reading is the rule of questions.
func reading(who *citizen, q *question) int {
	if status := admitted(who, q); status != 0 {
		return status
	}
	if q.own() && q.group != "" && strings.TrimPrefix(strings.TrimPrefix(q.group, "enterprise_project_id"), "=") == "" {
		return http.StatusBadRequest
	}
	if asked := q.asked(); asked != engine.AllEnterpriseProjects && !holds(who.groups, asked) {
		return http.StatusForbidden
	}
	return http.StatusOK
}

// visible is the rule of what an answer may be made of.
func visible(who *citizen, q *question, of *cell) bool {
	asked := q.asked()
	return reading(who, q) == http.StatusOK && of.project == q.project && of.category == q.category &&
		holds(who.groups, of.group) && (asked == of.group || asked == engine.AllEnterpriseProjects)
}

// want sends a question and holds the answer against its status, the traces that
// it must have and those that it must not have.
func (c *colony) want(who *citizen, q *question, status int) *httptest.ResponseRecorder {
	c.Helper()
	w := put(c.handler(who), q)
	if w.Code != status {
		c.Fatalf("%s: %s %s %s: %d %s, want %d", who.name, q.route.Method, q.target, q.body, w.Code, w.Body, status)
	}
	header := w.Header().Clone()
	header.Del("Etag") // hashes
	answer, sent := fmt.Sprint(header)+w.Body.String(), q.target+q.body
	for i := range c.cells {
		one := &c.cells[i]
		visible := q.about != nil && visible(who, q, one)
		for _, trace := range one.traces() {
			found := strings.Contains(answer, trace)
			if found && !visible && !strings.Contains(sent, trace) {
				c.Fatalf("%s: %s %s %s tells of %+v: %s", who.name, q.route.Method, q.target, q.body, one, answer)
			}
		}
		if visible && q.about(one) && !strings.Contains(answer, one.mark) && !strings.Contains(answer, one.traces()[2]) {
			c.Fatalf("%s: %s does not tell of %+v: %s", who.name, q.target, one, answer)
		}
	}
	for _, group := range []string{"g-shop", "g-bank"} {
		if !q.route.Public && strings.Contains(answer, group) && !holds(who.groups, group) && !strings.Contains(sent, group) {
			c.Fatalf("%s: %s %s %s names %s: %s", who.name, q.route.Method, q.target, q.body, group, answer)
		}
	}
	if status == http.StatusOK && (strings.HasSuffix(q.route.Pattern, "/port/statistics") || strings.HasSuffix(q.route.Pattern, "/ports") && q.own()) {
		c.wantCounts(who, q, w.Body.Bytes())
	}
	if status == http.StatusOK && strings.HasSuffix(q.route.Pattern, "/coverage") {
		c.wantCoverage(who, q, w.Body.Bytes())
	}
	if status == http.StatusOK && strings.HasSuffix(q.route.Pattern, "/doctor") {
		c.wantShared(who, q, w.Body.Bytes())
	}
	return w
}

// wantShared holds which assets have the address that one of every cell has against the cells.
func (c *colony) wantShared(who *citizen, q *question, body []byte) {
	c.Helper()
	var want []string
	for i := range c.cells {
		if one := &c.cells[i]; visible(who, q, one) {
			want = append(want, one.ids()[1])
		}
	}
	var got struct {
		Assets int
		Total  int                         `json:"total_num"`
		List   []struct{ Assets []string } `json:"data_list"`
	}
	err := json.Unmarshal(body, &got)
	switch {
	case err != nil:
	case len(want) < 2 && got.Assets+got.Total+len(got.List) == 0:
		return
	case len(want) > 1 && got.Total == 1 && len(got.List) == 1 && got.Assets == len(want) && slices.Equal(got.List[0].Assets, want):
		return
	}
	c.Fatalf("%s: %s: got %+v, %v, want %q", who.name, q.target, got, err, want)
}

// wantCoverage holds how many assets there are against the cells.
func (c *colony) wantCoverage(who *citizen, q *question, body []byte) {
	c.Helper()
	want := 0
	for i := range c.cells {
		if one := &c.cells[i]; visible(who, q, one) {
			want += len(one.ids())
		}
	}
	var got struct{ Assets, Looked int }
	if err := json.Unmarshal(body, &got); err != nil || got.Assets != want || got.Looked != want {
		c.Fatalf("%s: %s: got %+v, %v, want %d", who.name, q.target, got, err, want)
	}
}

// wantCounts holds numbers, which leave no traces, against the cells.
func (c *colony) wantCounts(who *citizen, q *question, body []byte) {
	c.Helper()
	want := map[int]int{}
	for i := range c.cells {
		if one := &c.cells[i]; visible(who, q, one) {
			want[one.port] += len(one.ids())
			want[sharedPort] += len(one.ids())
		}
	}
	var p page
	if err := json.Unmarshal(body, &p); err != nil {
		c.Fatal(err)
	}
	got := map[int]int{}
	for _, row := range p.List {
		got[row.Port] = row.Num
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || p.Total != len(want) {
		c.Fatalf("%s: %s: got %v, want %v", who.name, q.target, got, want)
	}
}

// holdReports sends one report about each asset of the project, and about new ones.
func (c *colony) holdReports(who *citizen, rt server.Route, of [2]string) *colony {
	c.Helper()
	type subject struct{ id, now, names string } // the enterprise project that it is in, and the one that its line names
	subjects := []subject{{"new", "", ""}, {"new", "", "0"}, {"new", "", "g-shop"}, {"new", "", "g-bank"}}
	for _, one := range c.cells {
		if one.project == of[0] && one.category == engine.Host {
			subjects = append(subjects, subject{one.ids()[0], one.group, ""}, subject{one.ids()[0], one.group, "g-shop"})
		}
	}
	for _, s := range subjects {
		q := question{route: rt, project: of[0], group: of[1], target: path(c, rt, of[0], "") + "?" + of[1]}
		q.body = fmt.Sprintf(`{"asset":%q,"open":["3333/tcp"]}`, s.id)
		into := strings.TrimPrefix(strings.TrimPrefix(of[1], "enterprise_project_id"), "=")
		status := reporting(who, &q, into)
		if s.names != "" {
			q.body = fmt.Sprintf(`{"asset":%q,"open":["3333/tcp"],"enterprise_project_id":%q}`, s.id, s.names)
			into = s.names
		}
		allowed := status == http.StatusOK && (into == "" || holds(who.groups, into)) && // where it goes
			(s.now == "" || holds(who.groups, s.now)) && // where it is
			(into+s.now != "" || holds(who.groups, "0")) // where it comes into being
		rejected := status == http.StatusOK && !allowed // and so is all of the body
		if rejected {
			status = http.StatusBadRequest
		}
		w := c.want(who, &q, status)
		if got := strings.Contains(w.Body.String(), `"applied":1,`); got != allowed || rejected && !bytes.Contains(w.Body.Bytes(), []byte(`"rejected":1,`)) {
			c.Fatalf("%s: %s %s: %s, want applied: %v", who.name, q.target, q.body, w.Body, allowed)
		}
		if allowed {
			c = newColony(c.TB)
		}
	}
	return c
}

// reporting is the rule of reports, whatever their body.
func reporting(who *citizen, q *question, into string) int {
	switch status := admitted(who, q); {
	case status != 0:
		return status
	case into == engine.AllEnterpriseProjects:
		return http.StatusBadRequest
	case into != "" && !holds(who.groups, into):
		return http.StatusForbidden
	}
	return http.StatusOK
}

// holdRemovals removes one asset of every cell and one that is not there; one
// that may not be seen is not there either, to the byte.
func (c *colony) holdRemovals(who *citizen, rt server.Route, of [2]string) *colony {
	c.Helper()
	remove := func(id string, category engine.Category) *question {
		return &question{route: rt, project: of[0], target: path(c, rt, of[0], id) + "?category=" + category.String() + "&" + of[1]}
	}
	for _, one := range c.cells {
		q := remove(one.ids()[0], one.category)
		status := admitted(who, q)
		switch {
		case status != 0:
		case one.project == of[0] && holds(who.groups, one.group):
			status = http.StatusNoContent
		default:
			status = http.StatusNotFound
		}
		w := c.want(who, q, status)
		if status == http.StatusNotFound {
			if none := c.want(who, remove("nobody", one.category), status); none.Body.String() != w.Body.String() {
				c.Fatalf("%s: an asset that may not be seen: %s, one that is not there: %s", who.name, w.Body, none.Body)
			}
		}
		if status == http.StatusNoContent {
			c = newColony(c.TB)
		}
	}
	return c
}

// holdProjectRemoval: a project is removed by who is granted all of it; to others it says
// nothing, not even whether it is there.
func (c *colony) holdProjectRemoval(who *citizen, rt server.Route, of [2]string) *colony {
	c.Helper()
	q := &question{route: rt, project: of[0], target: path(c, rt, of[0], "") + "?" + of[1]}
	status := admitted(who, q)
	switch {
	case status != 0:
	case !slices.Contains(who.groups, "*"):
		status = http.StatusForbidden
	case slices.ContainsFunc(c.cells, func(one cell) bool { return one.project == of[0] }):
		status = http.StatusNoContent
	default:
		status = http.StatusNotFound
	}
	c.want(who, q, status)
	if status == http.StatusNoContent {
		return newColony(c.TB)
	}
	return c
}
