package alert

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// startAlertmanager starts a real one and returns its address; it skips the test where there is none.
func startAlertmanager(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		if os.Getenv("PORTOLAN_REQUIRE_ALL") != "" {
			t.Fatal(err)
		}
		t.Skipf("%v: install prometheus-alertmanager", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address, dir := l.Addr().String(), t.TempDir()
	l.Close()
	config := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(config, []byte("route: {receiver: none}\nreceivers: [{name: none}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file", config, "--storage.path", dir, "--web.listen-address", address, "--cluster.listen-address=")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 600 {
		res, err := http.Get("http://" + address + "/-/ready")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return "http://" + address
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the Alertmanager is never ready")
	return ""
}

// firing is an alert as an Alertmanager gives it.
type firing struct {
	Labels, Annotations map[string]string
	EndsAt              time.Time
}

// firings returns the alerts that an Alertmanager has and that have not ended.
func firings(t *testing.T, address string) (all []firing) {
	t.Helper()
	res, err := http.Get(address + alertsPath)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.Status, err)
	}
	return all
}

// TestAlertmanager: a real one has an alert for each port that is open against a rule, from when it is found until
// it is closed, and one alert for a digest.
func TestAlertmanager(t *testing.T) {
	address := startAlertmanager(t)
	r := newRig(t, nil)
	shorten(t, 100*time.Millisecond)
	r.start(r.read(fmt.Sprintf(`
receivers: [{name: pager, type: alertmanager, url: %q, keep: 2h}]
rules: [{name: exposed, ports: 'rdp,ssh', burst: 3, labels: {severity: page}, send: [pager]}]`, address)))
	r.write("p", "web", 22, 80, 3389)
	r.settle()
	all := firings(t, address)
	if len(all) != 2 {
		t.Fatalf("%+v", all)
	}
	for _, a := range all {
		want := map[string]string{
			"alertname": "exposed", "severity": "page", "project": "p", "category": "host", "asset": "web", "type": "TCP", "port": a.Labels["port"],
		}
		if !equalMaps(a.Labels, want) || a.Labels["port"] != "22" && a.Labels["port"] != "3389" || time.Until(a.EndsAt) < time.Hour {
			t.Errorf("%+v", a)
		}
	}
	r.write("p", "web", 22)
	r.settle()
	r.eventually("one to end", func() bool {
		all = firings(t, address)
		return len(all) == 1 && all[0].Labels["port"] == "22"
	})
	if _, err := r.engine.Remove(t.Context(), "p", 0, "web"); err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.eventually("all to end", func() bool { return len(firings(t, address)) == 0 })
	r.load(0, 50, 22)
	r.eventually("the digest", func() bool {
		all = firings(t, address)
		return len(all) == 1 && all[0].Labels["change"] == "digest"
	})
	r.load(0, 50) // more than a request has, all of which only end something
	r.settle()
	if s := r.alerts.State()[0]; s.Failures > 0 || s.GivenUp > 0 || s.Sent < 54 {
		t.Errorf("%+v", s)
	}
}
