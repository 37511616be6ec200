package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"portolan/engine"
	"portolan/engine/scanfile"
	"portolan/server"
	"portolan/server/auth"
)

// drainTime is how long requests under way may take when the server stops.
const drainTime = 15 * time.Second

// serveFlags are the flags of the serve command.
type serveFlags struct {
	readFlags
	listen, project, tokenEnv string
	enterprise                string
	category                  *choice
	demo                      *number
	maxBody                   *number
}

func (c *cli) serveCommand() *cobra.Command {
	f := &serveFlags{
		category: newCategory(engine.Host.String()), demo: newCount(0),
		maxBody: &number{value: scanfile.DefaultMaxBytes, min: 1, what: "bytes"},
	}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer over HTTP",
		Long: `Answer over HTTP: GET /v5/{project_id}/asset/port/statistics and, to fill it,
POST /v1/projects/{project_id}/reports. Files given with --import are read before
the first answer; what arrives over HTTP is kept in memory only.

Callers send the token of PORTOLAN_TOKEN, 32 to 4096 characters, as X-Auth-Token;
it reads and writes everything. On a loopback address a token is made up and
printed when none is set; on any other address serve then refuses to start.`,
		Example: `  portolan serve --import scan.xml
  portolan serve --demo 100000
  PORTOLAN_TOKEN=$(openssl rand -hex 32) portolan serve --listen :8080 --import agents.ndjson --strict`,
		Args: arguments(0, 0, ""),
		RunE: body(func(ctx context.Context, _ []string) error { return c.serve(ctx, f) }),
	}
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8080", "listen on this `ADDRESS`")
	cmd.Flags().StringVar(&f.project, "project", "default", "load files into the project of this `ID`")
	cmd.Flags().StringVar(&f.enterprise, "enterprise-project", "", "put assets into the enterprise project of this `ID` where a file does not say")
	f.category.addTo(cmd, "category", "", "take assets as of this category where a file does not say")
	f.addTo(cmd)
	cmd.Flags().Var(f.demo, "demo", "load a made-up fleet of this many hosts")
	cmd.Flags().Var(f.maxBody, "max-body", "refuse request bodies larger than this")
	cmd.Flags().StringVar(&f.tokenEnv, "token-env", "PORTOLAN_TOKEN", "the `NAME` of the variable that holds the token")
	return cmd
}

// serve loads, then listens: an answer is never of half the files.
func (c *cli) serve(ctx context.Context, f *serveFlags) error {
	opts, err := f.loadOptions()
	if err != nil {
		return err
	}
	addr, err := net.ResolveTCPAddr("tcp", f.listen)
	if err != nil {
		return misuse("--listen %s: %w", f.listen, err)
	}
	token, err := c.serverToken(f.tokenEnv, addr)
	if err != nil {
		return err
	}
	if err := tryListen(addr); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(c.stderr, nil))
	e, err := c.fill(ctx, f, opts, log)
	if ctx.Err() != nil {
		log.Info("stopped while loading")
		return nil
	}
	if err != nil {
		return err
	}
	handler, err := newHandler(e, f, token, log)
	if err != nil {
		return err
	}
	return c.listen(ctx, addr, handler, func(ln net.Addr) { c.greet(f, ln, token, e.Stats()) }, log)
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

// tryListen finds out whether the address can be had before the load begins,
// which may take minutes.
func tryListen(addr *net.TCPAddr) error {
	ln, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return err
	}
	return ln.Close()
}

// fill returns an engine with the files and the made-up fleet in it.
func (c *cli) fill(ctx context.Context, f *serveFlags, opts *scanfile.Options, log *slog.Logger) (*engine.Engine, error) {
	e, err := engine.Open(nil)
	if err != nil {
		return nil, err
	}
	if len(f.files) > 0 {
		sum, err := c.load(ctx, e.NewStream(), f.files, opts)
		logSummary(log, sum)
		if err != nil {
			return nil, err
		}
	}
	if f.demo.value > 0 {
		if err := fillDemo(ctx, e, f.project, int(f.demo.value)); err != nil {
			return nil, err
		}
		log.Info("made up a fleet", "hosts", f.demo.value)
	}
	return e, nil
}

// logSummary logs what became of the files.
func logSummary(log *slog.Logger, sum *scanfile.Summary) {
	if sum == nil || len(sum.Files) == 0 {
		return
	}
	for _, f := range sum.Files {
		if !f.Complete {
			log.Warn("file is incomplete; what is whole counts", "file", f.Name, "problem", f.Problem)
		}
	}
	for _, e := range sum.Errors {
		log.Warn("record rejected", "file", e.File, "line", e.Line, "reason", e.Reason)
	}
	for reason, n := range sum.LeftOut {
		log.Info("left out", "reason", reason, "count", n)
	}
	log.Info("read files", "files", len(sum.Files), "hosts", sum.Hosts, "open_ports", sum.Observations,
		"applied", sum.Result.Applied, "rejected", sum.Rejected, "took", sum.Elapsed.Round(time.Millisecond))
}

func newHandler(e *engine.Engine, f *serveFlags, token serverToken, log *slog.Logger) (http.Handler, error) {
	operator, err := auth.OperatorToken(token.text)
	if err != nil {
		return nil, err
	}
	return server.New(e, &server.Options{Auth: operator, MaxBody: f.maxBody.value, Log: log})
}

// listen answers until ctx ends, then lets the requests under way finish.
func (c *cli) listen(ctx context.Context, addr *net.TCPAddr, h http.Handler, ready func(net.Addr), log *slog.Logger) error {
	ln, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return err
	}
	srv := server.NewHTTPServer(h, log)
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	log.Info("listening", "address", ln.Addr().String())
	ready(ln.Addr())
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	return drain(srv, log)
}

// drain stops the server once the requests under way are answered, or cuts
// them off when that takes too long.
func drain(srv *http.Server, log *slog.Logger) error {
	log.Info("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		return errors.Join(errors.New("requests were cut off"), err, srv.Close())
	}
	log.Info("stopped")
	return nil
}
