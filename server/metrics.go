package server

import (
	"context"
	"errors"
	"maps"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"portolan/engine"
	"portolan/engine/scanfile"
	"portolan/server/auth"
)

// meters is what operators see of a server. It is a [prometheus.Collector].
type meters struct {
	parts    []prometheus.Collector
	latency  *prometheus.HistogramVec
	verdicts *prometheus.CounterVec
	reports  *prometheus.CounterVec
	refused  *prometheus.CounterVec
	inFlight prometheus.Gauge

	unknown  meter                                         // of requests without a route
	accepted atomic.Pointer[map[string]prometheus.Counter] // verdicts by source; replaced, never changed
}

// meter is the latencies of one route by status, each found once by its labels.
type meter [600]atomic.Pointer[prometheus.Observer]

// latencyBuckets are in seconds: answers take microseconds, bodies may take minutes.
var latencyBuckets = []float64{5e-6, 10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 5e-3, 25e-3, 0.1, 0.5, 2.5, 10, 60}

func newMeters(s *Server) *meters {
	m := &meters{
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "portolan_http_request_duration_seconds", Buckets: latencyBuckets,
			Help: "From the request's header to the answer's last byte, by route and status.",
		}, []string{"route", "status"}),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portolan_auth_total",
			Help: "Requests by what became of their credentials: accepted, refused, too-large where they cover a body that cannot be held, or unavailable where nobody could tell.",
		}, []string{"outcome", "source"}),
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portolan_reports_total", Help: "Reports by what became of them.",
		}, []string{"result"}),
	}
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portolan_writes_refused_total", Help: "Writes that a caller who may write was refused, by reason: refused or read_only where they cannot be kept at present or for good, busy where bodies have no more room.",
	}, []string{"reason"})
	for _, reason := range []string{refusedAtPresent, refusedForGood, refusedBusy} {
		m.refused.WithLabelValues(reason)
	}
	m.inFlight = prometheus.NewGauge(prometheus.GaugeOpts{Name: "portolan_http_requests_in_flight", Help: "Requests that are being answered."})
	panics := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "portolan_panics_total", Help: "Requests that ended in a panic.",
	}, func() float64 { return float64(s.Panics()) })
	m.accepted.Store(&map[string]prometheus.Counter{})
	m.parts = []prometheus.Collector{m.latency, m.verdicts, m.reports, m.refused, m.inFlight, panics, holdings{s.engine}, s.uploads}
	return m
}

// Metrics returns what the server counts and the size of what its engine holds.
func (s *Server) Metrics() prometheus.Collector { return s.meters }

// Describe is [prometheus.Collector.Describe].
func (m *meters) Describe(to chan<- *prometheus.Desc) {
	for _, part := range m.parts {
		part.Describe(to)
	}
}

// Collect is [prometheus.Collector.Collect].
func (m *meters) Collect(to chan<- prometheus.Metric) {
	for _, part := range m.parts {
		part.Collect(to)
	}
}

// request counts one request.
func (m *meters) request(c *call, took time.Duration) {
	by := &m.unknown
	if c.route != nil {
		by = c.route.meter
	}
	cell := &by[c.answered.status]
	observer := cell.Load()
	if observer == nil {
		found := m.latency.WithLabelValues(c.route.name(), decimal(c.answered.status))
		observer = &found
		cell.Store(observer)
	}
	(*observer).Observe(took.Seconds())
}

// authenticated counts what an authenticator said.
func (m *meters) authenticated(caller *auth.Caller, err error) {
	if err != nil {
		m.verdicts.WithLabelValues(outcome(err), "").Inc()
		return
	}
	known := m.accepted.Load()
	counter := (*known)[caller.Source]
	if counter == nil {
		counter = m.verdicts.WithLabelValues("accepted", caller.Source)
		m.remember(known, caller.Source, counter)
	}
	counter.Inc()
}

// remember keeps a counter, unless another call was faster; then a later one does.
func (m *meters) remember(known *map[string]prometheus.Counter, source string, counter prometheus.Counter) {
	grown := maps.Clone(*known)
	grown[source] = counter
	m.accepted.CompareAndSwap(known, &grown)
}

func outcome(err error) string {
	if _, ok := errors.AsType[*auth.RefusalError](err); ok {
		return "refused"
	}
	if errors.Is(err, auth.ErrBodyTooLarge) {
		return "too-large"
	}
	return "unavailable"
}

// Reasons for refusing writes.
const (
	refusedAtPresent = "refused"
	refusedForGood   = "read_only"
	refusedBusy      = "busy"
)

// writeRefused counts a failure that is a refused write.
func (m *meters) writeRefused(c *call, f *failure) {
	if c.route == nil || c.route.access != writes {
		return
	}
	switch {
	case f.code == busy.code:
		m.refused.WithLabelValues(refusedBusy).Inc()
	case f.code == unwritable.code && errors.Is(f.cause, engine.ErrReadOnly):
		m.refused.WithLabelValues(refusedForGood).Inc()
	case f.code == unwritable.code:
		m.refused.WithLabelValues(refusedAtPresent).Inc()
	}
}

// loaded counts the reports of a body.
func (m *meters) loaded(sum *scanfile.Summary) {
	if sum == nil {
		return
	}
	for result, n := range map[string]int{
		"applied": sum.Result.Applied, "unchanged": sum.Result.Unchanged, "stale": sum.Result.Stale, "rejected": sum.Rejected,
	} {
		m.reports.WithLabelValues(result).Add(float64(n))
	}
}

// holdings is the collector of what an engine holds at the time it is asked.
type holdings struct{ engine *engine.Engine }

var (
	projectsDesc     = prometheus.NewDesc("portolan_projects", "Projects that hold or held assets.", nil, nil)
	assetsDesc       = prometheus.NewDesc("portolan_assets", "Hosts and containers.", nil, nil)
	observationsDesc = prometheus.NewDesc("portolan_observations", "Open ports, summed over hosts and containers.", nil, nil)
	expiredDesc      = prometheus.NewDesc("portolan_expired_assets_total", "Hosts and containers forgotten because no report was about them for too long.", nil, nil)
	keysDesc         = prometheus.NewDesc("portolan_keys", "Distinct open ports and types, summed over inventories.", nil, nil)
	memoryDesc       = prometheus.NewDesc("portolan_memory_bytes", "Memory of live objects; a large fleet is nearly all of it.", nil, nil)
	writableDesc     = prometheus.NewDesc("portolan_writable", "1 while writes are taken; 0 where they are refused, at present or for good, as when the disk is nearly full or damaged.", nil, nil)
	freshDesc        = prometheus.NewDesc("portolan_project_newest_report_age_seconds", "How long ago the newest report of each project was.", nil, nil)
	versionDesc      = prometheus.NewDesc("portolan_snapshot_versions", "Data versions that readers see, summed over projects: it moves with every change.", []string{"category"}, nil)
)

// Describe is [prometheus.Collector.Describe].
func (h holdings) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{projectsDesc, assetsDesc, writableDesc, expiredDesc, observationsDesc, keysDesc, memoryDesc, freshDesc, versionDesc} {
		to <- d
	}
}

// Collect is [prometheus.Collector.Collect].
func (h holdings) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s, err := h.engine.Stats()
	if err != nil {
		return // it is closed, and holds nothing that anybody could ask for
	}
	gauge(projectsDesc, float64(s.Projects))
	gauge(assetsDesc, float64(s.Assets))
	gauge(observationsDesc, float64(s.Observations))
	gauge(keysDesc, float64(s.Keys))
	gauge(memoryDesc, liveBytes())
	writable := 1.0
	if h.engine.Writable(context.Background()) != nil {
		writable = 0
	}
	gauge(writableDesc, writable)
	to <- prometheus.MustNewConstMetric(expiredDesc, prometheus.CounterValue, float64(s.Expired))
	h.freshness(to)
	projects, _ := h.engine.Projects() // none if it was closed just now
	for _, category := range []engine.Category{engine.Host, engine.Container} {
		versions := uint64(0)
		for _, project := range projects {
			if snapshot, err := h.engine.Snapshot(project, category); err == nil {
				versions += snapshot.Version()
			}
		}
		gauge(versionDesc, float64(versions), category.String())
	}
}

// ageBuckets are in seconds: five minutes, an hour, a day, a week, thirty days.
var ageBuckets = [...]float64{300, 3600, 86_400, 604_800, 2_592_000}

// freshness tells of how many projects somebody has reported lately.
func (h holdings) freshness(to chan<- prometheus.Metric) {
	newest, err := h.engine.NewestReports(context.Background())
	if err != nil {
		return // it was closed just now
	}
	now, sum := h.engine.Now(), 0.0
	buckets := make(map[float64]uint64, len(ageBuckets))
	for _, most := range ageBuckets {
		buckets[most] = 0
	}
	for _, at := range newest {
		age := max(0, now.Sub(at).Seconds())
		sum += age
		for _, most := range ageBuckets {
			if age <= most {
				buckets[most]++
			}
		}
	}
	to <- prometheus.MustNewConstHistogram(freshDesc, uint64(len(newest)), sum, buckets)
}

// liveBytes is the heap's objects.
func liveBytes() float64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return float64(sample[0].Value.Uint64())
}
