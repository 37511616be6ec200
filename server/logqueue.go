package server

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// Bounds of a [LogQueue].
const (
	maxQueued     = 4096        // records
	logBatch      = 64 << 10    // bytes that are written at once, or one record
	logPatience   = time.Second // for what is queued when it is closed
	complainEvery = time.Minute
)

// LogQueue is a writer for a log that never makes its caller wait: records, one a Write, are
// queued and written by somebody else. One for which there is no room is dropped and counted; so
// is one whose writing failed, which is said once a minute.
type LogQueue struct {
	open  func() (io.WriteCloser, error)
	log   *slog.Logger
	say   rate.Sometimes
	lines chan []byte
	next  atomic.Pointer[io.WriteCloser] // takes the place of where is written
	again chan struct{}                  // says that it does
	done  chan struct{}
	once  sync.Once
	ended chan struct{}

	dropped, failed atomic.Uint64
}

// NewLogQueue returns a queue for what open opens, now and each time that it is reloaded. The log is
// told what fails.
func NewLogQueue(open func() (io.WriteCloser, error), log *slog.Logger) (*LogQueue, error) {
	to, err := open()
	if err != nil {
		return nil, err
	}
	q := &LogQueue{
		open: open, log: log, say: rate.Sometimes{Interval: complainEvery},
		lines: make(chan []byte, maxQueued), again: make(chan struct{}, 1), done: make(chan struct{}), ended: make(chan struct{}),
	}
	go q.run(to)
	return q, nil
}

// Write queues a record.
func (q *LogQueue) Write(record []byte) (int, error) {
	select {
	case q.lines <- bytes.Clone(record):
	default:
		q.dropped.Add(1)
	}
	return len(record), nil
}

// Reload opens the log anew, after its file was moved; after an error what is open stays.
func (q *LogQueue) Reload() error {
	to, err := q.open()
	if err != nil {
		return err
	}
	if before := q.next.Swap(&to); before != nil { // nobody has come to it yet
		_ = (*before).Close()
	}
	select {
	case q.again <- struct{}{}:
	default:
	}
	return nil
}

// Close writes what is queued, for a second at most: whoever does not read by then has lost it.
func (q *LogQueue) Close() error {
	q.once.Do(func() { close(q.done) })
	select {
	case <-q.ended:
		return nil
	case <-time.After(logPatience):
		return errors.New("the access log takes nothing: what was left of it is lost")
	}
}

// Metrics returns how many records were lost, and why.
func (q *LogQueue) Metrics() prometheus.Collector {
	return lostRecords{q}
}

// run writes until the queue is closed and empty.
func (q *LogQueue) run(to io.WriteCloser) {
	defer close(q.ended)
	defer func() { _ = to.Close() }()
	for over := false; !over; {
		var batch []byte
		records := uint64(0)
		select {
		case line := <-q.lines:
			batch, records = q.gather(line)
		case <-q.again:
		case <-q.done:
			over = true
		}
		if next := q.next.Swap(nil); next != nil { // what was queued since a reload is of the new one
			_ = to.Close()
			to = *next
		}
		switch {
		case over:
			q.drain(to)
		case records > 0:
			q.write(to, batch, records)
		}
	}
}

// drain writes all that is queued.
func (q *LogQueue) drain(to io.Writer) {
	for {
		select {
		case line := <-q.lines:
			batch, records := q.gather(line)
			q.write(to, batch, records)
		default:
			return
		}
	}
}

// gather returns a record and those behind it, as far as they fit into one write.
func (q *LogQueue) gather(batch []byte) (_ []byte, records uint64) {
	for records = 1; len(batch) < logBatch; {
		select {
		case line := <-q.lines:
			batch = append(batch, line...)
			records++
			continue
		default:
		}
		break
	}
	return batch, records
}

func (q *LogQueue) write(to io.Writer, batch []byte, records uint64) {
	if _, err := to.Write(batch); err != nil {
		q.failed.Add(records)
		q.say.Do(func() {
			q.log.Error("writing the access log failed", "error", err, "lost", q.failed.Load())
		})
	}
}

// lostRecords is what operators see of a queue.
type lostRecords struct{ q *LogQueue }

var lostDesc = prometheus.NewDesc("portolan_access_log_lost_total", "Records of the access log that were not written: dropped as nobody took them in time, or failed.", []string{"reason"}, nil)

func (l lostRecords) Describe(to chan<- *prometheus.Desc) { to <- lostDesc }

func (l lostRecords) Collect(to chan<- prometheus.Metric) {
	to <- prometheus.MustNewConstMetric(lostDesc, prometheus.CounterValue, float64(l.q.dropped.Load()), "dropped")
	to <- prometheus.MustNewConstMetric(lostDesc, prometheus.CounterValue, float64(l.q.failed.Load()), "failed")
}
