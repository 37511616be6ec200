package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"portolan/engine/alert"
)

// alertsSource is the file of alerts, and the alerts once they have begun.
type alertsSource struct {
	path   string
	getenv func(string) string

	mu     sync.Mutex // guards what follows
	file   *alert.File
	alerts *alert.Alerts // nil: they have not begun
}

// alerts opens the file of alerts, nil for none.
func (c *cli) alerts(f *serveFlags) (*alertsSource, error) {
	if f.alerts == "" {
		return nil, nil //nolint:nilnil // no alerts are no error
	}
	if f.history.value == 0 {
		return nil, misuse("--alerts goes with --history, without which nobody knows what changed")
	}
	s := &alertsSource{path: f.alerts, getenv: c.getenv}
	var err error
	if s.file, err = s.read(); err != nil {
		return nil, fmt.Errorf("--alerts: %w", err)
	}
	return s, nil
}

func (s *alertsSource) read() (*alert.File, error) {
	file, err := alert.Open(s.path)
	if err != nil {
		return nil, err
	}
	if err := file.Resolve(s.getenv); err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	return file, nil
}

// start begins to tell, with what the file says by now, and returns what ends it. Without a file nothing is told.
func (s *alertsSource) start(data *data) (stop func(), err error) {
	if s == nil {
		return func() {}, nil
	}
	opts := &alert.Options{Log: data.log}
	if data.store != nil {
		opts.Keeper = data.store
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.alerts, err = alert.Start(data.engine, s.file, opts); err != nil {
		return nil, fmt.Errorf("--alerts: %w", err)
	}
	return s.alerts.Stop, nil
}

// current returns the alerts, nil where there are none yet.
func (s *alertsSource) current() *alert.Alerts {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alerts
}

// Paths implements [reload.File].
func (s *alertsSource) Paths() []string { return []string{s.path} }

// Reload implements [reload.File]: a file that is wrong changes nothing.
func (s *alertsSource) Reload() error {
	file, err := s.read()
	if err != nil {
		return fmt.Errorf("alerts: %w; those in use stay", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file = file
	if s.alerts == nil {
		return nil
	}
	return s.alerts.Replace(file)
}

// alertMeters is what becomes of alerts, for operators.
type alertMeters struct{ *alertsSource }

var (
	alertLabels        = []string{"rule", "receiver"}
	alertChangesDesc   = prometheus.NewDesc("portolan_alert_changes_total", "Changes that a rule means, as they are read for each of its receivers; without one they are only counted.", alertLabels, nil)
	alertSentDesc      = prometheus.NewDesc("portolan_alert_notices_total", "Notices that a receiver has taken, or that were given up.", append(alertLabels, "outcome"), nil)
	alertFailuresDesc  = prometheus.NewDesc("portolan_alert_failures_total", "Requests that a receiver did not take.", alertLabels, nil)
	alertUntoldDesc    = prometheus.NewDesc("portolan_alert_untold_changes_total", "Changes that were not told: in a silence, or of assets that are gone, of which nobody knows whether the rule means them.", append(alertLabels, "reason"), nil)
	alertLostDesc      = prometheus.NewDesc("portolan_alert_lost_total", "Times that changes were not kept any more when they were to be told.", alertLabels, nil)
	alertFailSinceDesc = prometheus.NewDesc("portolan_alert_failing_seconds", "How long a receiver has taken nothing; 0 where it takes what it is told.", alertLabels, nil)
)

// Describe is [prometheus.Collector.Describe].
func (m alertMeters) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{alertChangesDesc, alertSentDesc, alertFailuresDesc, alertUntoldDesc, alertLostDesc, alertFailSinceDesc} {
		to <- d
	}
}

// Collect is [prometheus.Collector.Collect].
func (m alertMeters) Collect(to chan<- prometheus.Metric) {
	a := m.current()
	if a == nil {
		return
	}
	for _, s := range a.State() {
		rule, receiver := strings.ToValidUTF8(s.Rule, "\uFFFD"), strings.ToValidUTF8(s.Receiver, "\uFFFD")
		count := func(d *prometheus.Desc, n uint64, more ...string) {
			to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append([]string{rule, receiver}, more...)...)
		}
		count(alertChangesDesc, s.Changes)
		count(alertUntoldDesc, s.Silenced, "silence")
		count(alertUntoldDesc, s.LeftOut, "gone")
		count(alertLostDesc, s.Lost)
		if s.Receiver == "" {
			continue
		}
		count(alertSentDesc, s.Sent, "sent")
		count(alertSentDesc, s.GivenUp, "given_up")
		count(alertFailuresDesc, s.Failures)
		failing := 0.0
		if !s.FailingSince.IsZero() {
			failing = time.Since(s.FailingSince).Seconds()
		}
		to <- prometheus.MustNewConstMetric(alertFailSinceDesc, prometheus.GaugeValue, failing, rule, receiver)
	}
}

func (c *cli) alertsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "Check and try the alerts of a server",
		Long: `Check and try alerts: a file of rules that portolan serve --alerts takes, which tells
receivers of what changes. It is read again when it changes:

  receivers:
    - name: siem
      type: webhook           # CloudEvents, signed; or alertmanager, or slack
      url: https://siem.example/hook   # or url_env, the variable that has it
      secret_env: SIEM_SECRET # the variable that has the signing secret, whsec_…
      timeout: 10s            # of a request
      give_up: 72h            # what is older is not sent again
      batch: 1                # events in a request
    - {name: pager, type: alertmanager, url: http://127.0.0.1:9093, keep: 24h}
    - {name: chat, type: slack, url_env: SLACK_URL}
  rules:
    - name: RDP outside of jump hosts
      projects: [default]     # all when left out
      category: host          # or container; both when left out
      enterprise_projects: ["0"]       # all when left out
      ports: rdp              # as in --ports
      where: not label(role) = "jump"  # as in --where, without ages
      status: danger          # or normal, unknown
      unexpected: true        # only what the policy does not expect
      kinds: [opened, found]  # the default; or closed, forgotten, moved, appeared
      burst: 100              # a batch with more changes is told as a digest
      labels: {severity: page}         # of alerts of an Alertmanager
      send: [siem, pager]     # nobody when left out: they are counted
    - {name: everything, every: 5m, first: 20, send: [chat]}   # digests
  silences:
    - {name: patch night, rules: [everything], days: [sat], from: "22:00", until: "04:00", zone: Europe/Berlin}
    - {name: move, from: 2026-12-24T00:00:00Z, until: 2026-12-27T00:00:00Z}

Delivery is at least once and in order for each rule and project; what comes again has
the same id. With --data it goes on after a restart where it was.`,
		Args: arguments(0, 0, ""),
	}
	cmd.AddCommand(c.alertsCheckCommand(), c.alertsTestCommand(), c.alertsStateCommand(), c.alertsResendCommand())
	return cmd
}

func (c *cli) alertsCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE…",
		Short: "Say what is wrong with files of alerts",
		Long: `Say what is wrong with files of alerts, by line, rule and field, and end with 1 if
anything is. That a variable is empty here is said, and is no error.`,
		Example: `  portolan alerts check alerts.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			return arguments(1, max(len(args), 1), "the FILE to check")(nil, args)
		},
		RunE: body(func(_ context.Context, args []string) error { return c.checkAlerts(args) }),
	}
}

func (c *cli) checkAlerts(files []string) error {
	var failed error
	for _, name := range files {
		file, err := alert.Open(name)
		if err != nil {
			c.complain(err.Error())
			failed = reportedError{err}
			continue
		}
		fmt.Fprintf(c.stdout, "%s: fine, %d rules, %d receivers, %d silences\n", printable(name), len(file.Rules), len(file.Receivers), len(file.Silences))
		if err := file.Resolve(c.getenv); err != nil {
			for line := range strings.Lines(err.Error()) {
				c.complain("note: " + strings.TrimSuffix(line, "\n"))
			}
		}
	}
	return failed
}

func (c *cli) alertsTestCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "test FILE",
		Short:   "Send every receiver a test",
		Long:    `Send every receiver of a file of alerts a test, once, and end with 1 if one does not take it.`,
		Example: `  SIEM_SECRET=whsec_… portolan alerts test alerts.yaml`,
		Args:    arguments(1, 1, "the FILE"),
		RunE: body(func(ctx context.Context, args []string) error {
			file, err := (&alertsSource{path: args[0], getenv: c.getenv}).read()
			if err != nil {
				return err
			}
			err = file.Check(ctx, func(name string, err error) {
				if err != nil {
					c.complain(fmt.Sprintf("receiver %q: %v", name, err))
					return
				}
				fmt.Fprintf(c.stdout, "receiver %q took it\n", name)
			})
			if err != nil {
				return reportedError{err}
			}
			return nil
		}),
	}
}

// adminFlags are the flags of commands that ask the operators' address.
type adminFlags struct{ url, tokenEnv string }

func (f *adminFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.url, "admin", "", "the `URL` of the server's --admin-listen, such as http://127.0.0.1:9090")
	cmd.Flags().StringVar(&f.tokenEnv, "admin-token-env", "", "the `NAME` of the variable that holds the operators' token, where the server wants one")
	_ = cmd.MarkFlagRequired("admin") // It fails for a flag that is not there.
}

// adminClient returns what asks the operators' address.
func (c *cli) adminClient(f *adminFlags) (*client, error) {
	cl, err := newClient("--admin", f.url)
	if err != nil {
		return nil, err
	}
	if f.tokenEnv != "" {
		if cl.token = strings.TrimSpace(c.getenv(f.tokenEnv)); cl.token == "" {
			return nil, misuse("--admin-token-env is %q, and that variable is empty", f.tokenEnv)
		}
	}
	return cl, nil
}

func (c *cli) alertsStateCommand() *cobra.Command {
	var admin adminFlags
	output, color := newOutput(asTable, asJSON, asNDJSON, asCSV), newColor()
	cmd := &cobra.Command{
		Use:     "state --admin URL",
		Short:   "Say what became of the alerts of a server",
		Long:    `Say what became of each rule with each of its receivers since the server was started.`,
		Example: `  portolan alerts state --admin http://127.0.0.1:9090`,
		Args:    arguments(0, 0, ""),
		RunE: body(func(ctx context.Context, _ []string) error {
			cl, err := c.adminClient(&admin)
			if err != nil {
				return err
			}
			defer cl.close()
			res, err := cl.do(ctx, http.MethodGet, "/alerts", nil, nil)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			var page struct {
				Rows []alert.RouteState `json:"data_list"`
			}
			if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&page); err != nil {
				return fmt.Errorf("read the server's answer: %w", err)
			}
			rows := make([]alertRow, len(page.Rows))
			for i := range page.Rows {
				rows[i].RouteState = page.Rows[i]
			}
			return writeRows(c.stdout, output.value, alertColumns, rows, c.look(color.value))
		}),
	}
	admin.addTo(cmd)
	output.addTo(cmd, "output", "o", "write the rows in this format")
	color.addTo(cmd, "color", "", "colour tables; auto does on a terminal, unless NO_COLOR is set")
	return cmd
}

// alertRow is what became of a rule with one of its receivers.
type alertRow struct{ alert.RouteState }

var alertColumns = []string{"rule", "receiver", "changes", "sent", "failures", "given_up", "silenced", "left_out", "lost", "failing_since", "problem"}

func (r alertRow) cells() []string {
	cells := []string{r.Rule, r.Receiver}
	for _, n := range []uint64{r.Changes, r.Sent, r.Failures, r.GivenUp, r.Silenced, r.LeftOut, r.Lost} {
		cells = append(cells, strconv.FormatUint(n, 10))
	}
	since := ""
	if !r.FailingSince.IsZero() {
		since = r.FailingSince.UTC().Format(time.RFC3339)
	}
	return append(cells, since, r.Problem)
}

func (c *cli) alertsResendCommand() *cobra.Command {
	var admin adminFlags
	var rule, receiver, since string
	cmd := &cobra.Command{
		Use:   "resend --admin URL --rule NAME --since TIME",
		Short: "Have a server tell again of what changed",
		Long: `Have a server tell the receivers of a rule again of everything since a time: what was
given up, or what a receiver has lost. What comes again has the ids that it had.`,
		Example: `  portolan alerts resend --admin http://127.0.0.1:9090 --rule 'RDP outside of jump hosts' --since 3d`,
		Args:    arguments(0, 0, ""),
		RunE: body(func(ctx context.Context, _ []string) error {
			cl, err := c.adminClient(&admin)
			if err != nil {
				return err
			}
			defer cl.close()
			query := url.Values{"rule": {rule}, "since": {since}}
			if receiver != "" {
				query.Set("receiver", receiver)
			}
			res, err := cl.do(ctx, http.MethodPost, "/alerts/resend", query, nil)
			if err != nil {
				return err
			}
			return res.Body.Close()
		}),
	}
	admin.addTo(cmd)
	cmd.Flags().StringVar(&rule, "rule", "", "the rule of this `NAME`")
	cmd.Flags().StringVar(&receiver, "receiver", "", "only to the receiver of this `NAME`")
	cmd.Flags().StringVar(&since, "since", "", "from this `TIME` on, such as 2026-03-01T12:00:00Z, or this long ago such as 24h or 7d")
	_ = cmd.MarkFlagRequired("rule")
	_ = cmd.MarkFlagRequired("since")
	return cmd
}
