package server_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"portolan/server"
)

// TestBackup: what a backup writes is the answer, and one that fails is never taken for one.
func TestBackup(t *testing.T) {
	s := newRig(t, nil).handler.(*server.Server)
	large := strings.Repeat("x", 100_000)
	for name, c := range map[string]struct {
		make   server.Backup
		status int
		body   string
		cut    bool
	}{
		"whole": {func(_ context.Context, _ bool, w io.Writer) error { _, err := io.WriteString(w, large); return err }, 200, large, false},
		"cut": {func(_ context.Context, _ bool, w io.Writer) error {
			_, err := io.WriteString(w, large)
			return errors.Join(err, errors.New("the disk is gone"))
		}, 200, "", true},
		"refused":      {func(context.Context, bool, io.Writer) error { return errors.New("one is being made") }, 503, `"error_msg":"one is being made"`, false},
		"without data": {nil, 404, "the server has no data directory", false},
	} {
		admin := httptest.NewServer(server.NewAdmin(s, prometheus.NewRegistry(), c.make))
		res, err := admin.Client().Post(admin.URL+"/backup", "", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != c.status || (err != nil) != c.cut || !strings.Contains(string(body), c.body) {
			t.Errorf("%s: %d, %d bytes, %v", name, res.StatusCode, len(body), err)
		}
		if media := res.Header.Get("Content-Type"); (media == "application/x-tar") != (c.status == 200) {
			t.Errorf("%s: %s", name, media)
		}
		if res, err = admin.Client().Post(admin.URL+"/backup?from=tape", "", http.NoBody); err != nil || c.make != nil && res.StatusCode != http.StatusBadRequest {
			t.Errorf("from nowhere: %v, %v", res, err)
		}
		_ = res.Body.Close()
		if res, err = admin.Client().Get(admin.URL + "/backup"); err != nil || res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("GET: %v, %v", res, err)
		}
		_ = res.Body.Close()
		admin.Close()
	}
}
