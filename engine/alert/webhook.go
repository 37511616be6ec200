package alert

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The types of events.
const (
	changeType = "portolan.change." // + kind
	digestType = "portolan.digest"
	lostType   = "portolan.lost"
	testType   = "portolan.test"
)

// events is notices as CloudEvents in structured mode
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md): one, or a batch.
func (r *Receiver) events(list []*notice) (message, error) {
	m := message{id: list[0].id, media: event.ApplicationCloudEventsJSON}
	var all []event.Event
	for _, n := range list {
		e, err := n.event()
		if err != nil {
			return m, err
		}
		all = append(all, e)
	}
	var err error
	if r.Batch == 1 {
		m.body, err = json.Marshal(all[0])
		return m, err
	}
	m.media = event.ApplicationCloudEventsBatchJSON
	m.body, err = json.Marshal(all)
	return m, err
}

// event is the notice as a CloudEvent.
func (n *notice) event() (event.Event, error) {
	e := event.New()
	e.SetID(n.id)
	e.SetSource(where(n.of))
	e.SetTime(n.time)
	if subject := n.subject(); subject != "" {
		e.SetSubject(subject)
	}
	switch n.kind {
	case noticeDigest:
		e.SetType(digestType)
	case noticeLost:
		e.SetType(lostType)
	case noticeTest:
		e.SetType(testType)
	default:
		e.SetType(changeType + n.change.Kind.String())
	}
	e.SetExtension("rule", n.rule.Name)
	if n.of.Project != "" {
		e.SetExtension("project", n.of.Project)
		e.SetExtension("category", n.of.Category.String())
	}
	if err := e.SetData(event.ApplicationJSON, n.data()); err != nil {
		return e, err
	}
	if err := e.Validate(); err != nil {
		return e, fmt.Errorf("event %s: %w", n.id, err)
	}
	return e, nil
}

// sign adds the headers of Standard Webhooks
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md), signed with every key, so
// that one may be replaced by another.
func (r *Receiver) sign(h http.Header, m message, now time.Time) error {
	signatures := make([]string, len(r.keys))
	for i, key := range r.keys {
		var err error
		if signatures[i], err = key.Sign(m.id, now, m.body); err != nil {
			return err
		}
	}
	h.Set(webhooks.HeaderWebhookID, m.id)
	h.Set(webhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	if len(signatures) > 0 {
		h.Set(webhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	}
	return nil
}
