package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"portolan/server"
)

// drainTime is how long requests under way may take when the server stops.
const drainTime = 15 * time.Second

// How long a server goes on when it is told to end: some times the period at which balancers
// usually ask whether it is ready.
const (
	defaultDrainDelay = 5 * time.Second
	maxDrainDelay     = 10 * time.Minute
)

// listenFlags are the flags about the addresses of a server and who may come.
type listenFlags struct {
	public, admin        string
	cert, key            string
	accessLog            string
	accessSample         *number
	logFormat, logLevel  *choice
	drainDelay           span
	proxies              networks
	perAddress           *number
	adminHosts           names
	adminTokenEnv        string
	connections, bodies  *number
	bodyMemory, bodyDisk *number
	front                bool
	rate                 *number
	metricPorts          optionalSelector
}

func newListenFlags() listenFlags {
	return listenFlags{
		accessSample: &number{value: 1, min: 1, what: "number"},
		logFormat:    &choice{value: "text", words: []string{"text", "json"}},
		logLevel:     &choice{value: "info", words: []string{"debug", "info", "warn", "error"}},
		drainDelay:   span{value: defaultDrainDelay, max: maxDrainDelay},
		connections:  &number{value: server.DefaultMaxConns, min: 1, what: "number"},
		bodies:       &number{value: server.DefaultMaxUploads, min: 1, what: "number"},
		bodyMemory:   &number{value: server.DefaultUploadMemory, min: server.MinUploadMemory, what: "bytes"},
		bodyDisk:     &number{value: server.DefaultUploadDisk, min: 1, what: "bytes"},
		perAddress:   newCount(0),
		rate:         newCount(0),
		metricPorts:  optionalSelector{server.DefaultOpenHosts},
	}
}

func (f *listenFlags) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.public, "listen", "127.0.0.1:8080", "listen on this `ADDRESS`")
	flags.Var(&f.metricPorts, "metric-ports", "have metrics count the hosts that have these ports open, by project; nothing is none")
	flags.StringVar(&f.admin, "admin-listen", "", "give metrics, profiles and backups on this `ADDRESS`, to whoever reaches it; without a host, to this machine")
	flags.Var(&f.adminHosts, "admin-hosts", "let operators ask for these `NAMES`, besides addresses and localhost")
	flags.StringVar(&f.adminTokenEnv, "admin-token-env", "", "want the token in the variable of this `NAME` of operators, as Authorization: Bearer")
	flags.StringVar(&f.cert, "tls-cert", "", "speak TLS with the certificate of this PEM `FILE`, read again when it changes")
	flags.StringVar(&f.key, "tls-key", "", "the PEM `FILE` of the certificate's key")
	flags.StringVar(&f.accessLog, "access-log", "", "append a JSON line per request to this `FILE`; - is standard output")
	flags.Var(f.accessSample, "access-log-sample", "of successes, log one of this many")
	f.logFormat.addTo(cmd, "log-format", "", "write the log in this format")
	f.logLevel.addTo(cmd, "log-level", "", "leave out of the log what matters less")
	flags.Var(&f.drainDelay, "drain-delay", "on SIGTERM, go on for this `TIME` while /readyz fails, so that balancers learn of it")
	flags.Var(f.connections, "max-connections", "keep at most this many connections open; the longest stalled ends first")
	flags.Var(f.perAddress, "max-connections-per-address", "keep at most this many connections of an address open; 0 is any")
	flags.Var(&f.proxies, "trusted-proxies", "believe proxies of these `NETWORKS`, such as 10.0.0.0/8, what they say of their clients' addresses")
	flags.Var(f.bodies, "max-uploads", "take at most this many bodies of callers at a time, shared among them; further ones are told to come again")
	flags.Var(f.bodyMemory, "upload-memory", "give all bodies together at most this much memory")
	flags.Var(f.bodyDisk, "upload-disk", "give all bodies together at most this much of the temporary folder")
	flags.BoolVar(&f.front, "front", true, "answer simple requests without net/http, which takes twice as long for them")
	flags.Var(f.rate, "rate-limit", "answer a caller at most this many times a second; 0 is any")
}

// places are the addresses of a server, found to be free.
type places struct {
	public, admin *net.TCPAddr
	// Sockets that somebody else has opened already, such as systemd; nil where there are none.
	publicSocket, adminSocket net.Listener
}

// places resolves the addresses and finds out whether they can be had, before
// anything is loaded.
func (f *listenFlags) places() (p places, err error) {
	if err := p.inherit(); err != nil {
		return p, err
	}
	if p.public == nil {
		if p.public, err = resolve("--listen", f.public); err != nil {
			return p, err
		}
	}
	if f.admin != "" && p.admin == nil {
		if p.admin, err = resolve("--admin-listen", f.admin); err != nil {
			return p, err
		}
		if p.admin.IP == nil {
			p.admin.IP = net.IPv4(127, 0, 0, 1) // profiles are for nobody else, unless asked for
		}
	}
	if (f.cert == "") != (f.key == "") {
		return p, misuse("--tls-cert and --tls-key go together")
	}
	return p, nil
}

func resolve(flag, address string) (*net.TCPAddr, error) {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, misuse("%s %s: %w", flag, address, err)
	}
	return addr, nil
}

// openAccessLog returns the access log, nil if there is none.
func (c *cli) openAccessLog(path string, log *slog.Logger) (*server.LogQueue, error) {
	open := func() (io.WriteCloser, error) { return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) }
	switch path {
	case "":
		return nil, nil //nolint:nilnil // no log is no error
	case "-":
		open = func() (io.WriteCloser, error) { return unclosed{c.stdout}, nil }
	}
	q, err := server.NewLogQueue(open, log)
	if err != nil {
		return nil, fmt.Errorf("--access-log: %w", err)
	}
	return q, nil
}

// unclosed is a writer that stays open.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

// guard says who reaches the operators' address.
func (c *cli) guard(f *listenFlags) (g server.AdminGuard, err error) {
	g.Hosts = f.adminHosts.list
	if f.adminTokenEnv == "" {
		return g, nil
	}
	if g.Token = strings.TrimSpace(c.getenv(f.adminTokenEnv)); g.Token == "" {
		return g, misuse("--admin-token-env is %q, and that variable is empty", f.adminTokenEnv)
	}
	return g, checkToken(g.Token, f.adminTokenEnv)
}

// closeAccessLog closes what openAccessLog has opened and says what of it was lost.
func closeAccessLog(q *server.LogQueue, log *slog.Logger) {
	if q == nil {
		return
	}
	if lost := q.Close(); lost != nil {
		log.Warn(lost.Error())
	}
}

// loggerOf returns what writes to the queue, nil for none.
func loggerOf(q *server.LogQueue) *slog.Logger {
	if q == nil {
		return nil
	}
	return slog.New(slog.NewJSONHandler(q, nil))
}

// listening is a server that answers on a listener.
type listening interface {
	Serve(l net.Listener) error
	Shutdown(ctx context.Context) error
	Close() error
}

// listeners are the servers of a process and the addresses that they answer on.
type listeners struct {
	at      net.Addr // of the public one
	servers []listening
	failed  chan error
	log     *slog.Logger
}

// operators is what operators get and see.
type operators struct {
	backup   server.Backup    // nil: there is nothing to copy
	accesses *server.LogQueue // nil: no log
	guard    server.AdminGuard
	alerts   *alertsSource // nil: none
	meters   []prometheus.Collector
}

// listen begins to answer: the API in public, and what operators see on an
// address of their own.
func (f *listenFlags) listen(p places, s *server.Server, ops operators, pair *server.KeyPair, log *slog.Logger) (*listeners, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(buildInfo())
	if pair != nil {
		registry.MustRegister(pair.Metrics())
	}
	registry.MustRegister(ops.meters...)
	if ops.accesses != nil {
		registry.MustRegister(ops.accesses.Metrics())
	}
	registry.MustRegister(s.Metrics(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	opts := &server.HTTPOptions{Log: log, MaxConns: int(f.connections.value), MaxConnsPerAddress: int(f.perAddress.value), TrustedProxies: f.proxies.list, Metrics: registry}
	var public listening
	if f.front {
		front := server.NewFront(s, opts)
		public = front
		if pair != nil {
			front.HTTP.TLSConfig = pair.Config()
		}
	} else {
		behind := server.NewHTTPServer(s, opts)
		public = behind
		if pair != nil {
			behind.TLSConfig = pair.Config()
			public = secret{behind}
		}
	}
	l := &listeners{failed: make(chan error, 2), log: log}
	var err error
	if l.at, err = l.serve("listening", p.public, p.publicSocket, public); err != nil {
		return nil, err
	}
	if pair == nil && !p.public.IP.IsLoopback() {
		log.Warn("without TLS, tokens can be read on their way here: give --tls-cert and --tls-key, or have a proxy in front that speaks TLS")
	}
	if p.admin != nil {
		admin := server.NewHTTPServer(server.GuardAdmin(ops.handler(s, registry), ops.guard), &server.HTTPOptions{Log: log})
		if _, err := l.serve("listening for operators", p.admin, p.adminSocket, admin); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	return l, nil
}

// handler is what the operators' address answers.
func (o *operators) handler(s *server.Server, metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", server.NewAdmin(s, metrics, o.backup))
	alerts := server.NewAlertsAdmin(o.alerts.current)
	mux.Handle("/alerts", alerts)
	mux.Handle("/alerts/", alerts)
	return mux
}

// secret speaks TLS.
type secret struct{ *http.Server }

func (s secret) Serve(l net.Listener) error { return s.ServeTLS(l, "", "") }

// serve opens one address, unless it is open already, and answers there.
func (l *listeners) serve(what string, addr *net.TCPAddr, ln net.Listener, srv listening) (_ net.Addr, err error) {
	if ln == nil {
		if ln, err = net.ListenTCP("tcp", addr); err != nil {
			return nil, err
		}
	}
	l.servers = append(l.servers, srv)
	go func() { l.failed <- srv.Serve(ln) }()
	l.log.Info(what, "address", ln.Addr().String())
	return ln.Addr(), nil
}

// until answers until the context is done, or an address can be answered on no more.
// One that is terminated goes on for a while as not ready.
func (l *listeners) until(ctx context.Context, s *server.Server, delay time.Duration) error {
	select {
	case err := <-l.failed:
		_ = l.close()
		return err
	case <-ctx.Done():
	}
	s.Stopping()
	tell(l.log, daemon.SdNotifyStopping)
	if errors.Is(context.Cause(ctx), errTerminated) && delay > 0 {
		l.log.Info("stopping: not ready any more, and still answering", "for", delay)
		select {
		case err := <-l.failed:
			_ = l.close()
			return err
		case <-time.After(delay):
		}
	}
	return l.drain()
}

// close cuts every connection off.
func (l *listeners) close() error {
	errs := make([]error, 0, len(l.servers))
	for _, srv := range l.servers {
		errs = append(errs, srv.Close())
	}
	return errors.Join(errs...)
}

// drain stops once the requests under way are answered, or cuts them off when
// that takes too long.
func (l *listeners) drain() error {
	l.log.Info("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	for _, srv := range l.servers {
		if err := srv.Shutdown(ctx); err != nil {
			return errors.Join(errors.New("requests were cut off"), err, l.close())
		}
	}
	l.log.Info("stopped")
	return nil
}
