package server_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"portolan/server"
)

// moreQueries are added to each reading of a route.
var moreQueries = []string{
	"", "&sort_dir=desc", "&port_string=4", "&type=TCP", "&type=UDP", "&status=unknown", "&offset=1", "&host_name=name", "&host_ip=10.77",
}

// witness asks every route that reads about the first project, in many ways.
type witness struct {
	*colony
	server *server.Server
	whole  bool              // every header counts, not only what the answer says
	tags   map[string]string // of the first answers, by target
}

func (c *colony) witness(who *citizen, whole bool) *witness {
	return &witness{c, c.handler(who), whole, map[string]string{}}
}

// testimony returns the answers by question. Where every header counts, each is
// asked for a second time by the tag that it had at first.
func (w *witness) testimony() map[string]string {
	w.Helper()
	all := map[string]string{}
	for _, rt := range w.server.Routes() {
		if rt.Public || rt.Writes {
			continue
		}
		for _, group := range []string{"", "enterprise_project_id=g-shop", "enterprise_project_id=all_granted_eps"} {
			for i, q := range w.readings(rt, "p1", group) {
				q.target += moreQueries[i%len(moreQueries)]
				got := put(w.server, &q)
				if !w.whole {
					got.Header().Del("Etag")
					got.Header().Del("X-Data-Version")
				} else if tag := w.tags[q.target]; tag != "" {
					again := put(w.server, &q, "If-None-Match", tag)
					all[q.target+" again"] = fmt.Sprint(again.Code, again.Header(), again.Body)
				} else {
					w.tags[q.target] = got.Header().Get("Etag")
				}
				all[q.target] = fmt.Sprint(got.Code, got.Header(), got.Body)
			}
		}
	}
	return all
}

// meddle draws what somebody sends who may write some of it at most.
func meddle(t *rapid.T, routes []server.Route) (q question, headers []string) {
	draw := func(name string, from ...string) string { return rapid.SampledFrom(from).Draw(t, name) }
	project := draw("project", "p2", "p2", "p2", "p1")
	for _, rt := range routes {
		if !rt.Writes {
			continue
		}
		q.route = rt
		if rapid.Bool().Draw(t, "route") {
			break
		}
	}
	ids := []string{"new", "new2"}
	for _, one := range cells() {
		ids = append(ids, one.ids()...)
	}
	q.target = strings.NewReplacer("{project_id}", project, "{id}", draw("id", ids...)).Replace(q.route.Pattern) + "?" +
		draw("category", "", "category=container") + draw("group", "", "&enterprise_project_id=g-shop", "&enterprise_project_id=g-bank", "&enterprise_project_id=all_granted_eps")
	if q.route.Method != http.MethodPost {
		return q, nil
	}
	var body strings.Builder
	for range rapid.IntRange(1, 8).Draw(t, "lines") {
		fmt.Fprintf(&body, `{"asset":%q,"open":["%d/%s"],"scope":%s%s}`+"\n", draw("asset", ids...), rapid.IntRange(1, 65535).Draw(t, "port"), draw("type", "tcp", "udp6"),
			draw("scope", `"all"`, `"none"`, `["1-65535/tcp"]`), draw("field", "", `,"project_id":"p1"`, `,"project_id":"p2"`, `,"enterprise_project_id":"g-shop"`,
				`,"enterprise_project_id":"0"`, `,"name":"name"`, `,"address":"10.77.1.0"`, `,"category":"container"`, `,"category":"vm"`, `,"seen":"2020-01-01T00:00:00Z"`, `}{`))
	}
	q.body = body.String()
	if rapid.Bool().Draw(t, "compressed") {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		io.WriteString(w, q.body)
		w.Close()
		q.body, headers = b.String(), []string{"Content-Encoding", "gzip"}
	}
	return q, headers
}

// undisturbed holds what the witness is told against what it was told before
// somebody else wrote.
func undisturbed(t *rapid.T, w *witness, writer *server.Server) {
	w.testimony() // finds the tags
	before, stored := w.testimony(), w.state()
	for range rapid.IntRange(1, 10).Draw(t, "writes") {
		q, headers := meddle(t, writer.Routes())
		put(writer, &q, headers...)
	}
	changed := w.state() != stored
	for target, now := range w.testimony() {
		if now != before[target] {
			t.Fatalf("%s\nbefore %s\nnow    %s", target, before[target], now)
		}
	}
	if len(before) < 50 {
		t.Fatalf("%d questions were asked", len(before))
	}
	effects.Add(map[bool]int64{true: 1}[changed])
}

// effects counts how often somebody's writing changed anything.
var effects atomic.Int64

// TestNonInterference: whatever a writer of one project sends, no byte changes
// of what another project is answered.
func TestNonInterference(t *testing.T) {
	effects.Store(0)
	rapid.Check(t, func(rt *rapid.T) {
		c := newColony(t)
		reader := c.witness(&citizen{name: "reader", projects: []string{"p1"}, groups: []string{"*"}}, true)
		undisturbed(rt, reader, c.handler(&citizen{name: "writer", write: true, projects: []string{"p2"}, groups: []string{"*"}}))
	})
	if effects.Load() == 0 { // about every second of the 20 and more does
		t.Error("the writer never changed anything")
	}
}

// TestNonInterferenceWithin: whatever a writer of one enterprise project sends,
// nothing changes of what others of the same project see, but the version.
func TestNonInterferenceWithin(t *testing.T) {
	effects.Store(0)
	rapid.Check(t, func(rt *rapid.T) {
		c := newColony(t)
		reader := c.witness(&citizen{name: "reader", projects: []string{"*"}, groups: []string{"0", "g-bank"}}, false)
		undisturbed(rt, reader, c.handler(&citizen{name: "writer", write: true, projects: []string{"*"}, groups: []string{"g-shop"}}))
	})
	if effects.Load() == 0 { // about every second of the 20 and more does
		t.Error("the writer never changed anything")
	}
}
