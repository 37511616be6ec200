package bench

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// set is requests that are sent in turn, and the bodies of their answers.
type set struct {
	Requests, Wants [][]byte
}

// always returns the same requests, all of which want the body of one.
func (s *set) always(i int) *set {
	all := &set{Requests: s.Requests, Wants: make([][]byte, len(s.Wants))}
	for j := range all.Wants {
		all.Wants[j] = s.Wants[i]
	}
	return all
}

// order is what a client is told to do. It is sent as gob.
type order struct {
	Set         *set // nil: that of the order before
	Addr        string
	Connections int
	Fresh       bool // each request has a connection of its own
	For         time.Duration
	Most        int     // requests in all; 0 is any number
	Rate        float64 // requests a second; 0 sends the next when the last is answered
}

// reply is what became of an order.
type reply struct {
	Err       string // empty: none
	Requests  int
	Took      time.Duration
	CPU       time.Duration // of the client's process
	Latencies *hdrhistogram.Snapshot
	Late      *hdrhistogram.Snapshot // how late requests were sent though nothing was waited for
}

// finished is sent before the reply, which costs the one who reads it more.
type finished struct{ At time.Time }

// Client is the other end of the http suite: it reads from in what to send to which
// server, and writes to out what it measured, until in ends. [Config].Client is the
// command of a process that does nothing but this.
func Client(ctx context.Context, in io.Reader, out io.Writer) error {
	dec, enc := gob.NewDecoder(in), gob.NewEncoder(out)
	var current *set
	for {
		var o order
		switch err := dec.Decode(&o); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("bench: reading an order: %w", err)
		}
		if o.Set != nil {
			current = o.Set
		}
		o.Set = current
		r, err := o.carryOut(ctx)
		if err != nil {
			r = &reply{Err: err.Error()}
		}
		if err := errors.Join(enc.Encode(&finished{time.Now()}), enc.Encode(r)); err != nil {
			return fmt.Errorf("bench: writing a reply: %w", err)
		}
	}
}

// carryOut opens the connections, loads the server and closes them.
func (o *order) carryOut(ctx context.Context) (*reply, error) {
	if o.Set == nil || len(o.Set.Requests) == 0 || len(o.Set.Requests) != len(o.Set.Wants) || o.Connections < 1 {
		return nil, errors.New("an order has nothing to send")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	clients, err := o.connect(ctx)
	closeAll := sync.OnceFunc(func() {
		for _, c := range clients {
			_ = c.conn.Close() // whoever reads from it fails
		}
	})
	defer closeAll()
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, closeAll)()
	cpu, began := processTime(), time.Now()
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() {
			if err := o.drive(c, i, began); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	r := &reply{Took: time.Since(began), CPU: processTime() - cpu}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	latencies, late := newHistogram(), newHistogram()
	for _, c := range clients {
		r.Requests += c.sent
		latencies.Merge(c.latencies)
		late.Merge(c.late)
	}
	r.Latencies, r.Late = latencies.Export(), late.Export()
	return r, nil
}

// connect opens the connections; those it opened are returned with an error, too.
func (o *order) connect(ctx context.Context) ([]*client, error) {
	clients := make([]*client, 0, o.Connections)
	for i := range o.Connections {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", o.Addr)
		if err != nil {
			return clients, err
		}
		c := newClient(conn, o.Set, i*len(o.Set.Requests)/o.Connections)
		if o.Fresh {
			c.dial = func() (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", o.Addr) }
		}
		clients = append(clients, c)
	}
	return clients, nil
}

// drive lets the i-th connection do its part.
func (o *order) drive(c *client, i int, began time.Time) error {
	until := began.Add(o.For)
	if err := c.conn.SetDeadline(until.Add(patience)); err != nil {
		return err
	}
	if o.Rate <= 0 {
		most := o.Most / o.Connections
		if o.Most > 0 {
			most = max(1, most)
		}
		return c.closed(until, most)
	}
	interval := time.Duration(float64(o.Connections) / o.Rate * float64(time.Second))
	return c.open(began.Add(interval*time.Duration(i)/time.Duration(o.Connections)), until, interval)
}

// loader is a client at work, in a process of its own or in this one.
type loader struct {
	enc     *gob.Encoder
	dec     *gob.Decoder
	own     bool // the client has its own process
	current *set
	objects uint64 // that this process had allocated when the last order was carried out
	close   func() error
}

// newLoader starts a client: the command, or one in this process where there is none.
func newLoader(ctx context.Context, command []string) (*loader, error) {
	if len(command) == 0 {
		return newLocalLoader(ctx), nil
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // The caller's own command.
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("bench: starting the client: %w", err)
	}
	return &loader{enc: gob.NewEncoder(in), dec: gob.NewDecoder(out), own: true, close: func() error {
		return errors.Join(in.Close(), cmd.Wait())
	}}, nil
}

func newLocalLoader(ctx context.Context) *loader {
	orders, send := io.Pipe()
	receive, replies := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := Client(ctx, orders, replies)
		_ = replies.CloseWithError(err)
		done <- err
	}()
	return &loader{enc: gob.NewEncoder(send), dec: gob.NewDecoder(receive), close: func() error {
		return errors.Join(send.Close(), receive.Close(), <-done)
	}}
}

// carryOut has the client do something with a set.
func (l *loader) carryOut(ctx context.Context, s *set, o order) (*reply, error) {
	if s != l.current {
		o.Set, l.current = s, s
	}
	if err := l.enc.Encode(&o); err != nil {
		return nil, errors.Join(context.Cause(ctx), fmt.Errorf("bench: the client: %w", err))
	}
	r, done := new(reply), new(finished)
	err := l.dec.Decode(done)
	l.objects = allocated()
	if err == nil {
		err = l.dec.Decode(r)
	}
	if err != nil {
		return nil, errors.Join(context.Cause(ctx), fmt.Errorf("bench: the client: %w", err))
	}
	if r.Err != "" {
		return nil, errors.Join(context.Cause(ctx), errors.New(r.Err))
	}
	return r, nil
}
