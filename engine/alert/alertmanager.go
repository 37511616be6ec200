package alert

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"

	"portolan/engine"
)

// alertsPath is where an Alertmanager takes alerts
// (https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml).
const alertsPath = "/api/v2/alerts"

// alertsAtOnce is how many a request has at most.
const alertsAtOnce = 100

// ownLabels are the labels of alerts that no rule may set.
var ownLabels = []string{"alertname", "project", "category", "asset", "port", "type", "change"}

// postableAlert is an alert as the API takes it.
type postableAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	StartsAt    *time.Time        `json:"startsAt,omitempty"`
	EndsAt      *time.Time        `json:"endsAt,omitempty"`
}

// alerts is notices as alerts. A port that was opened or found alerts until it is closed, and no longer than is
// said of the receiver: an alert without an end would end after some minutes.
func (r *Receiver) alerts(list []*notice, now time.Time) (message, error) {
	all := make([]postableAlert, len(list))
	for i, n := range list {
		all[i] = n.alert(r.Keep, now)
	}
	body, err := json.Marshal(all)
	return message{id: list[0].id, media: "application/json", body: body}, err
}

func (n *notice) alert(keep time.Duration, now time.Time) postableAlert {
	labels := map[string]string{"alertname": n.rule.Name}
	maps.Copy(labels, n.rule.Labels)
	if n.of.Project != "" {
		labels["project"], labels["category"] = n.of.Project, n.of.Category.String()
	}
	a := postableAlert{Labels: labels, Annotations: map[string]string{"summary": n.summary()}, StartsAt: &n.time}
	ends := now.Add(keep)
	a.EndsAt = &ends
	switch n.kind {
	case noticeTest:
		soon := now.Add(time.Minute)
		a.EndsAt = &soon
		return a
	case noticeDigest, noticeLost:
		labels["change"] = map[noticeKind]string{noticeDigest: "digest", noticeLost: "lost"}[n.kind]
		return a
	case noticeChange:
	}
	c := n.change
	labels["asset"] = c.Asset
	if c.Port > 0 {
		labels["port"], labels["type"] = strconv.Itoa(int(c.Port)), c.Type.String()
		a.Annotations["status"] = c.Status.String()
	}
	for name, value := range map[string]string{"name": c.Name, "address": c.Address, "enterprise_project_id": c.EnterpriseProject} {
		if value != "" {
			a.Annotations[name] = value
		}
	}
	switch {
	case n.ends:
		a.StartsAt, a.EndsAt = nil, &n.time // it begins when the other has begun
	case c.Kind != engine.Opened && c.Kind != engine.Found:
		labels["change"] = strings.ToLower(c.Kind.String())
	}
	return a
}
