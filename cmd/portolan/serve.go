package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"portolan/engine"
	"portolan/engine/scanfile"
	"portolan/engine/store"
	"portolan/server"
)

// serveFlags are the flags of the serve command.
type serveFlags struct {
	readFlags
	listenFlags
	identityFlags
	project, enterprise string
	category            *choice
	data                directory
	minFree             *number
	lag, expire         span
	history             span
	historyBytes        *number
	trends              span
	alerts              string
	demo                *number
	maxBody             *number
}

func (c *cli) serveCommand() *cobra.Command {
	f := &serveFlags{
		category: newCategory(engine.Host.String()), demo: newCount(0), listenFlags: newListenFlags(),
		minFree: newMinFree(), lag: span{max: engine.MaxDurableWithin},
		history: span{value: store.DefaultHistory}, historyBytes: &number{value: store.DefaultHistoryBytes, min: 1 << 20, what: "bytes"},
		trends:  span{value: store.DefaultTrends},
		maxBody: &number{value: scanfile.DefaultMaxBytes, min: 1, what: "bytes"},
	}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer over HTTP",
		Long: `Answer over HTTP: GET /v5/{project_id}/asset/port/statistics and its siblings and,
to fill it, POST /v1/projects/{project_id}/reports. Files given with --import are
read before the first answer. With --data everything is kept in a directory: what was
acknowledged is there after a crash, and the next start needs no --import; with
--durable-within a crash may take what was acknowledged less than that before. Without
--data all is kept in memory only.

Callers are known by a token file, an access key file, a Keystone or the token of
PORTOLAN_TOKEN, 32 to 4096 characters, which reads and writes everything; of
several that are set, any will do. On a loopback address a token is made up and
printed when none is set; on any other address serve then refuses to start.

The files of tokens, keys, certificates, alerts and the policy are read again when they change
and on SIGHUP; one that is broken changes nothing. SIGHUP opens the access log anew, too.
SIGTERM makes /readyz fail first, and stops after --drain-delay. systemd is told when
the server is ready (Type=notify), and may open its sockets.`,
		Example: `  portolan serve --import scan.xml
  portolan serve --data /var/lib/portolan
  portolan serve --demo 100000 --admin-listen :9090
  PORTOLAN_TOKEN=$(openssl rand -hex 32) portolan serve --listen :8080 --import agents.ndjson
  portolan serve --listen :8443 --tls-cert cert.pem --tls-key key.pem --token-file tokens.json`,
		Args: arguments(0, 0, ""),
		RunE: body(func(ctx context.Context, _ []string) error { return c.serve(ctx, f) }),
	}
	under(topicListen, cmd, func() {
		f.listenFlags.addTo(cmd)
		cmd.Flags().Var(f.maxBody, "max-body", "refuse request bodies larger than this")
	})
	under(topicIdentity, cmd, func() { f.identityFlags.addTo(cmd) })
	under(topicFiles, cmd, func() {
		cmd.Flags().StringVar(&f.project, "project", "default", "load files into the project of this `ID`")
		cmd.Flags().StringVar(&f.enterprise, "enterprise-project", "", "put assets into the enterprise project of this `ID` where a file does not say")
		f.category.addTo(cmd, "category", "", "take assets as of this category where a file does not say")
		f.readFlags.addTo(cmd)
		f.policy.addTo(cmd)
		cmd.Flags().Var(f.demo, "demo", "load a made-up fleet of this many hosts")
	})
	under(topicData, cmd, func() {
		cmd.Flags().Var(&f.data, "data", "keep everything in this `DIRECTORY`, which is made if it is not there")
		cmd.Flags().Var(&f.lag, "durable-within", "acknowledge what is visible, and keep it within this `TIME`; 0 keeps it first")
		cmd.Flags().Var(&f.expire, "expire", "forget what no report was about for this `TIME`, such as 720h, and refuse older reports; 0 keeps all")
		cmd.Flags().Var(&f.history, "history", "keep what changed for this `TIME`, such as 720h; 0 keeps nothing. Without --data it is the last 64 MiB, in memory")
		cmd.Flags().Var(f.historyBytes, "history-bytes", "keep about this much of what changed at most")
		cmd.Flags().Var(&f.trends, "trends", "with --data, keep counts in the course of time for this `TIME`: by the hour as long as --history says, then by the day; 0 keeps none")
		cmd.Flags().StringVar(&f.alerts, "alerts", "", "tell receivers of what changes, as this `FILE` says; see portolan alerts --help")
		cmd.Flags().Var(f.minFree, "min-free", "refuse writes while the disk of the data directory has less free")
	})
	return cmd
}

// serve listens, loads, then answers: an answer is never of half the files.
func (c *cli) serve(ctx context.Context, f *serveFlags) (err error) {
	opts, err := f.loadOptions()
	if err != nil {
		return err
	}
	at, err := f.places()
	if err != nil {
		return err
	}
	guard, err := c.guard(&f.listenFlags)
	if err != nil {
		return err
	}
	log := f.logger(c.stderr)
	who, err := c.identity(&f.identityFlags, at.public)
	if err != nil {
		return err
	}
	pair, err := f.keyPair()
	if err != nil {
		return err
	}
	accesses, err := c.openAccessLog(f.accessLog, log)
	if err != nil {
		return err
	}
	defer closeAccessLog(accesses, log)
	data, err := c.openData(f, log)
	if err != nil {
		return err
	}
	defer func() {
		if closed := data.close(); err == nil { // it may be the same once more
			err = closed
		}
	}()
	if f.policy.policy != nil {
		if err := data.engine.SetPolicy(f.policy.policy); err != nil {
			return err
		}
	}
	alerts, err := c.alerts(f)
	if err != nil {
		return err
	}
	s, err := server.New(data.engine, f.serverOptions(who, accesses, log))
	if err != nil {
		return err
	}
	watcher, stop := watch(ctx, f.policy.source(data.engine), alerts, who, pair, accesses, log)
	defer stop()
	l, err := f.listen(at, s, operators{backup: data.backups(), accesses: accesses, guard: guard, alerts: alerts, meters: []prometheus.Collector{watcher.Metrics(), &storeMeters{data}, alertMeters{alerts}}}, pair, log)
	if err != nil {
		return err
	}
	loading := tellLoading(log)
	held, err := c.fill(ctx, data, f, opts, log)
	loading()
	if err != nil {
		_ = l.close()
		if ctx.Err() != nil {
			log.Info("stopped while loading")
			return nil
		}
		return err
	}
	if f.expire.value > 0 {
		defer startExpiring(ctx, data.engine, f.expire.value, log)()
	}
	quiet, err := alerts.start(data)
	if err != nil {
		return errors.Join(err, l.close())
	}
	defer quiet()
	s.Loaded()
	tell(log, daemon.SdNotifyReady+"\nSTATUS=answering")
	defer watchdog(log, func() { _, _ = data.engine.Stats() })()
	c.greet(f, l.at, who.token, held)
	return l.until(ctx, s, f.drainDelay.value)
}

// serverOptions returns what the server is told, which is loading still.
func (f *serveFlags) serverOptions(who *identity, accesses *server.LogQueue, log *slog.Logger) *server.Options {
	return &server.Options{
		Auth: who.source, Log: log, MaxBody: f.maxBody.value, MaxUploads: int(f.bodies.value),
		UploadMemory: f.bodyMemory.value, UploadDisk: f.bodyDisk.value, RateLimit: int(f.rate.value),
		TrustedProxies: f.proxies.list, AccessLog: loggerOf(accesses), AccessSample: int(f.accessSample.value), OpenHosts: f.metricPorts.text, Loading: true,
	}
}

// logger returns the server's own log.
func (f *listenFlags) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.logLevel.value)) // its words are levels
	opts := &slog.HandlerOptions{Level: level}
	if f.logFormat.value == asJSON {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// keyPair returns the certificate to show, nil for none.
func (f *listenFlags) keyPair() (*server.KeyPair, error) {
	if f.cert == "" {
		return nil, nil //nolint:nilnil // no pair is no error
	}
	return server.OpenKeyPair(f.cert, f.key)
}

// loadOptions returns how the files are read.
func (f *serveFlags) loadOptions() (*scanfile.Options, error) {
	opts, err := f.options(f.project)
	if err != nil {
		return nil, err
	}
	opts.EnterpriseProject, opts.Category = f.enterprise, parsedCategory(f.category)
	if err := opts.Validate(); err != nil {
		return nil, usageError{err}
	}
	return opts, nil
}

// fill loads what is kept, the files and the made-up fleet, and forgets what is too old
// already: an answer is never of that.
func (c *cli) fill(ctx context.Context, data *data, f *serveFlags, opts *scanfile.Options, log *slog.Logger) (engine.Stats, error) {
	if err := data.load(ctx); err != nil {
		return engine.Stats{}, err
	}
	e := data.engine
	if f.demo.value > 0 {
		if held, err := e.Stats(); err != nil || held.Assets > 0 {
			return held, cmp.Or(err, fmt.Errorf("--demo is not allowed: the data directory holds %d assets, among which a made-up fleet would be", held.Assets))
		}
	}
	if len(f.files) > 0 {
		sum, err := c.load(ctx, e, f.files, opts)
		if err != nil {
			return engine.Stats{}, summedError{err, sum}
		}
		logSummary(log, sum)
		if shared := sharedIn(ctx, e, f.project); shared != "" {
			log.Warn(strings.TrimPrefix(shared, "warning: "))
		}
	}
	if f.demo.value > 0 {
		if err := fillDemo(ctx, e, f.project, int(f.demo.value)); err != nil {
			return engine.Stats{}, err
		}
		log.Info("made up a fleet", "hosts", f.demo.value)
	}
	if f.expire.value > 0 {
		expireNow(ctx, e, log)
	}
	return e.Stats()
}

// logSummary logs what became of the files.
func logSummary(log *slog.Logger, sum *scanfile.Summary) {
	if sum == nil || len(sum.Files) == 0 {
		return
	}
	for _, f := range sum.Files {
		if !f.Complete {
			log.Warn("file is incomplete; what is whole counts", "file", f.Name, "problem", f.Describe())
		}
		for _, warning := range f.Warnings {
			log.Warn(warning, "file", f.Name)
		}
	}
	for _, e := range sum.Errors {
		log.Warn("record rejected", "file", e.File, "line", e.Line, "reason", e.Reason, "count", max(e.Count, 1))
	}
	for reason, n := range sum.LeftOut {
		log.Info("left out", "reason", reason, "count", n)
	}
	log.Info("read files", "files", len(sum.Files), "records", sum.Records, "open_ports", sum.Observations,
		"applied", sum.Result.Applied, "rejected", sum.Rejected, "took", sum.Elapsed.Round(time.Millisecond))
}
