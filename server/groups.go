package server

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"portolan/engine"
)

// groupsParams are the parameters of GET /v1/projects/{project_id}/groups, and labelsParams those of
// GET /v1/projects/{project_id}/labels.
var (
	groupsParams = []string{"by", "where", groupParam, "category", "sort", "desc", "limit", "offset", "cursor", "coverage", asOfParam}
	labelsParams = []string{groupParam, "category", "limit", "offset", "cursor", asOfParam}
)

// groups answers how many assets there are of each value of a label, or of each enterprise project.
func (s *Server) groups(ctx context.Context, c *call) error {
	l, err := s.list(ctx, c, groupsParams)
	if err != nil {
		return err
	}
	q := engine.GroupQuery{View: l.view, Where: l.where}
	if by, given := l.values["by"]; given {
		if err := engine.CheckLabelName(by); err != nil {
			return &engine.FieldError{Field: "by", Value: by, Allowed: "the name of a label"}
		}
		q.Label = by
	}
	switch sort := l.values["sort"]; sort {
	case "", "value":
	case "num":
		q.ByNum = true
	default:
		return &engine.FieldError{Field: "sort", Value: sort, Allowed: "value or num"}
	}
	if q.Descending, err = l.truth("desc"); err != nil {
		return err
	}
	if q.Offset, q.Limit, err = l.pages(c, l.snapshot, l.timely); err != nil {
		return err
	}
	if l.unchanged(c) {
		return nil
	}
	var page engine.GroupPage
	err = s.search(ctx, true, func(ctx context.Context) (err error) {
		if page, err = l.snapshot.Groups(ctx, q); err != nil {
			return err
		}
		c.buf, err = l.beginAnswer(ctx, c.buf, l.snapshot, l.looks)
		return err
	})
	if err != nil {
		return err
	}
	c.buf = strconv.AppendInt(append(c.buf, `"assets":`...), int64(page.Assets), 10)
	c.buf = strconv.AppendInt(append(c.buf, `,"without":`...), int64(page.Without), 10)
	c.buf = appendRest(append(c.buf, ','), page.Total)
	for i := range page.Rows {
		c.buf = appendField(append(c.buf, '{'), "value", page.Rows[i].Value)
		c.buf = strconv.AppendInt(append(c.buf, `"num":`...), int64(page.Rows[i].Num), 10)
		c.buf = append(c.buf, '}', ',')
	}
	c.buf = l.turn.end(c.buf, page.Total, len(page.Rows), nil)
	c.reply(http.StatusOK, c.buf)
	return nil
}

// labels answers which labels assets have.
func (s *Server) labels(ctx context.Context, c *call) error {
	l, err := s.list(ctx, c, labelsParams)
	if err != nil {
		return err
	}
	offset, limit, err := l.pages(c, l.snapshot, l.timely)
	if err != nil {
		return err
	}
	if l.unchanged(c) {
		return nil
	}
	var labels []engine.LabelCount
	err = s.search(ctx, true, func(ctx context.Context) (err error) {
		labels, err = l.snapshot.Labels(ctx, l.view)
		return err
	})
	if err != nil {
		return err
	}
	total := len(labels)
	c.buf = appendTotal(c.buf[:0], total)
	labels = labels[min(offset, total):]
	labels = labels[:min(limit, len(labels))]
	for _, label := range labels {
		c.buf = appendField(append(c.buf, '{'), "label", label.Name)
		c.buf = strconv.AppendInt(append(c.buf, `"values":`...), int64(label.Values), 10)
		c.buf = strconv.AppendInt(append(c.buf, `,"num":`...), int64(label.Num), 10)
		c.buf = append(c.buf, '}', ',')
	}
	c.buf = l.turn.end(c.buf, total, len(labels), nil)
	c.reply(http.StatusOK, c.buf)
	return nil
}

// appendLabels appends the labels of an asset as a field and a comma, nothing if it has none.
func appendLabels(b []byte, labels map[string]string) []byte {
	if len(labels) == 0 {
		return b
	}
	b = append(b, `"labels":{`...)
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		b = append(appendText(b, name), ':')
		b = append(appendText(b, labels[name]), ',')
	}
	b[len(b)-1] = '}'
	return append(b, ',')
}
