package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"portolan/engine"
	"portolan/engine/alert"
	"portolan/engine/expr"
)

// NewAlertsAdmin returns the handler of what operators see and do about alerts: GET /alerts tells what became of each
// rule with each of its receivers, and POST /alerts/resend?rule=…&receiver=…&since=… has everything since a time told
// again. It asks nobody who they are: it is for the address of [NewAdmin]. Current returns the alerts, nil while
// there are none.
func NewAlertsAdmin(current func() *alert.Alerts) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /alerts", func(w http.ResponseWriter, _ *http.Request) {
		a := current()
		if a == nil {
			alertsRefused(w, &failure{kind: noAlerts, detail: "the server has no --alerts, or is loading"})
			return
		}
		adminAnswer(w, http.StatusOK)
		_, _ = w.Write(toJSON(struct {
			Rows []alert.RouteState `json:"data_list"`
		}{a.State()}))
	})
	mux.HandleFunc("POST /alerts/resend", func(w http.ResponseWriter, r *http.Request) {
		a := current()
		if a == nil {
			alertsRefused(w, &failure{kind: noAlerts, detail: "the server has no --alerts, or is loading"})
			return
		}
		if refused := resend(r.Context(), a, r); refused != nil {
			alertsRefused(w, refused)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}

var noAlerts = kind{http.StatusNotFound, "HSS.0017", "There are no such alerts.", false}

// resend has alerts told again as a request asks.
func resend(ctx context.Context, a *alert.Alerts, r *http.Request) *failure {
	q := r.URL.Query()
	for name := range q {
		if name != "rule" && name != "receiver" && name != "since" {
			return &failure{kind: invalid, detail: (&engine.FieldError{Field: "parameter", Value: name, Allowed: "rule, receiver, since"}).Error()}
		}
	}
	for _, name := range []string{"rule", "since"} {
		if q.Get(name) == "" {
			return &failure{kind: invalid, detail: name + " is missing"}
		}
	}
	since, err := expr.ParseTime("since", q.Get("since"), time.Now())
	if err != nil {
		return &failure{kind: invalid, detail: err.Error()}
	}
	err = a.Resend(ctx, q.Get("rule"), q.Get("receiver"), since)
	switch old, isOld := errors.AsType[*engine.TooOldError](err); {
	case err == nil:
		return nil
	case errors.Is(err, alert.ErrNoRule):
		return &failure{kind: noAlerts, detail: err.Error()}
	case isOld:
		return gone(old)
	}
	return &failure{kind: broken, detail: err.Error()}
}

func alertsRefused(w http.ResponseWriter, f *failure) {
	adminAnswer(w, f.status)
	_, _ = w.Write(f.body("")) //nolint:gosec // it is JSON, and says so
}

func adminAnswer(w http.ResponseWriter, status int) {
	w.Header().Set("Cache-Control", noStore[0])
	w.Header().Set("Content-Type", jsonType[0])
	w.WriteHeader(status)
}
