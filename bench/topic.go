package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest/fleet"
	"portolan/server/auth"
)

// newQueries is how many questions that were not asked before are asked in turn: many
// more than a snapshot remembers.
const newQueries = 4000

// topic is what servers are asked in one contest, and what they answer.
type topic struct {
	name   string
	first  bool // the plain one
	path   string
	asks   []httpAsk
	set    *set
	header http.Header // of the answers, without what net/http adds itself
}

// httpAsk is one question: its raw query, and what it means.
type httpAsk struct {
	query string
	want  engine.PortQuery
}

// topics makes the topics up and has our server answer them, after which it has been
// asked all of it; the answers are held against a count of the fleet.
func (c *contest) topics(ctx context.Context, r *rig) ([]*topic, error) {
	plain, digits := httpAskOf(r.category, engine.PortQuery{}), httpAskOf(r.category, engine.PortQuery{PortString: "44"})
	list := []*topic{
		{name: "first page", first: true, asks: []httpAsk{plain}},
		{name: "port_string=44", asks: []httpAsk{digits}},
		{name: "new questions"},
	}
	for i := range newQueries {
		q := engine.PortQuery{PortString: strconv.Itoa(1 + i%1000), Descending: i/1000%2 == 1}
		if i >= newQueries/2 {
			q.Type = engine.TCP
		}
		list[2].asks = append(list[2].asks, httpAskOf(r.category, q))
	}
	for _, t := range list {
		if err := t.prepare(ctx, c.ours.addr, c.token); err != nil {
			return nil, fmt.Errorf("http: %s: %w", t.name, err)
		}
		if err := t.verify(ctx, r); err != nil {
			return nil, fmt.Errorf("http: %s: %w", t.name, err)
		}
	}
	return list, nil
}

// httpAskOf returns the question as clients put it.
func httpAskOf(category engine.Category, q engine.PortQuery) httpAsk {
	q.Project, q.Category, q.Limit = fleet.Project, category, questionRows
	raw := "category=" + category.String() + "&enterprise_project_id=" + engine.AllEnterpriseProjects
	if q.PortString != "" {
		raw += "&port_string=" + q.PortString
	}
	if q.Type != engine.AnyType {
		raw += "&type=" + q.Type.String()
	}
	if q.Descending {
		raw += "&sort_key=port&sort_dir=desc"
	}
	return httpAsk{raw + "&limit=" + strconv.Itoa(questionRows) + "&offset=0", q}
}

// prepare asks our server everything once.
func (t *topic) prepare(ctx context.Context, addr, token string) error {
	t.path = "/v5/" + url.PathEscape(fleet.Project) + "/asset/port/statistics"
	t.set = new(set)
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	answers := bufio.NewReader(conn)
	for _, ask := range t.asks {
		request := []byte("GET " + t.path + "?" + ask.query + " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: portolan-bench\r\n" +
			"Accept: application/json\r\n" + auth.TokenHeader + ": " + token + "\r\n\r\n")
		header, body, err := exchange(conn, answers, request)
		if err != nil {
			return err
		}
		t.header = header
		t.set.Requests, t.set.Wants = append(t.set.Requests, request), append(t.set.Wants, body)
	}
	return nil
}

// exchange sends one request and returns the answer, which must be a success, without
// the date.
func exchange(conn net.Conn, answers *bufio.Reader, request []byte) (http.Header, []byte, error) {
	_ = conn.SetDeadline(time.Now().Add(patience)) // a closed connection fails below
	if _, err := conn.Write(request); err != nil {
		return nil, nil, err
	}
	res, err := http.ReadResponse(answers, nil)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	res.Header.Del("Date")
	return res.Header, body, err
}

// httpPage is what of an answer is verified.
type httpPage struct {
	Total int `json:"total_num"`
	List  []struct {
		Num  int    `json:"num"`
		Port uint16 `json:"port"`
		Type string `json:"type"`
	} `json:"data_list"`
}

// verify holds our answers against a count of the fleet.
func (t *topic) verify(ctx context.Context, r *rig) error {
	for i, ask := range t.asks[:min(len(t.asks), digitQueries)] {
		want, err := r.tally.Ports(ctx, ask.want)
		if err != nil {
			return err
		}
		var got httpPage
		if err := json.Unmarshal(t.set.Wants[i], &got); err != nil {
			return err
		}
		same := got.Total == want.Total && len(got.List) == len(want.Rows)
		for j := 0; same && j < len(want.Rows); j++ {
			g, w := got.List[j], want.Rows[j]
			same = g.Num == w.Num && g.Port == w.Port && g.Type == w.Type.String()
		}
		if !same {
			return fmt.Errorf("%w: %s: %s: want %d in all, %v", errWrong, ask.query, t.set.Wants[i], want.Total, want.Rows)
		}
	}
	return nil
}

// checkSame refuses to compare with a server whose answer is another one: the same
// body, and the same header but for its ids and the date.
func (t *topic) checkSame(ctx context.Context, addr string, wants [][]byte, headers bool) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	last := len(t.asks) - 1
	header, body, err := exchange(conn, bufio.NewReader(conn), t.set.Requests[last])
	if err != nil {
		return err
	}
	if headers && !maps.EqualFunc(header, t.header, slices.Equal) || !bytes.Equal(body, wants[last]) {
		return fmt.Errorf("its answer is another one:\n%v %s\nours %v %s", header, body, t.header, wants[last])
	}
	return nil
}
