package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// errTerminated is the cause of a context that SIGTERM ended. That is how whoever runs services
// ends one; a person at a terminal interrupts it.
var errTerminated = errors.New("terminated")

// untilSignalled returns a context that ends with the first SIGINT or SIGTERM. A second one ends
// the program at once.
func untilSignalled() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	arrived := make(chan os.Signal, 1)
	signal.Notify(arrived, os.Interrupt, syscall.SIGTERM)
	go func() {
		sig := <-arrived
		signal.Stop(arrived)
		if sig == syscall.SIGTERM {
			cancel(errTerminated)
			return
		}
		cancel(nil)
	}()
	return ctx
}

// tell tells systemd of a state, where that has started the program (sd_notify(3)).
func tell(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd cannot be told", "state", state, "error", err)
	}
}

// More time is asked for while a server loads, which may take longer than systemd waits.
const (
	loadingEvery = 10 * time.Second
	loadingMore  = "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=loading"
)

// tellLoading asks for more time until stop.
func tellLoading(log *slog.Logger) (stop func()) {
	return every(loadingEvery, func() { tell(log, loadingMore) })
}

// watchdog tells systemd as often as it wants to hear that the server is alive: that alive returns.
func watchdog(log *slog.Logger, alive func()) (stop func()) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the watchdog's interval cannot be read", "error", err)
	}
	if interval <= 0 {
		return func() {}
	}
	return every(interval/2, func() {
		alive()
		tell(log, daemon.SdNotifyWatchdog)
	})
}

// every calls something at once, and then again and again, until stop, which does not wait.
func every(interval time.Duration, call func()) (stop func()) {
	done := make(chan struct{})
	go func() {
		ticks := time.NewTicker(interval)
		defer ticks.Stop()
		for {
			call()
			select {
			case <-ticks.C:
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}

// reloading tells systemd that files are read again, and when that is over.
func reloading(log *slog.Logger) (over func()) {
	tell(log, daemon.SdNotifyReloading+"\n"+daemon.SdNotifyMonotonicUsec())
	return func() { tell(log, daemon.SdNotifyReady) }
}

// adminSocket is the name of the socket for operators, FileDescriptorName= of its unit.
const adminSocket = "admin"

// inherit takes the sockets that the program was started with (sd_listen_fds(3)).
func (p *places) inherit() error {
	byName, err := activation.ListenersWithNames()
	if err != nil {
		return fmt.Errorf("sockets from systemd: %w", err)
	}
	for name, sockets := range byName {
		for _, l := range sockets {
			addr, ok := l.Addr().(*net.TCPAddr)
			switch {
			case !ok:
				return fmt.Errorf("the socket %q from systemd is at %v: want TCP", name, l.Addr())
			case name == adminSocket && p.adminSocket == nil:
				p.admin, p.adminSocket = addr, l
			case name != adminSocket && p.publicSocket == nil:
				p.public, p.publicSocket = addr, l
			default:
				return fmt.Errorf("systemd gives more sockets than are used: want one, and one named %s", adminSocket)
			}
		}
	}
	return nil
}
