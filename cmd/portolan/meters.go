package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// storeMeters is what operators see of a data directory. Without one there is nothing to see.
type storeMeters struct{ data *data }

var (
	freeDesc      = prometheus.NewDesc("portolan_store_free_bytes", "What the disk of the data directory has free.", nil, nil)
	floorDesc     = prometheus.NewDesc("portolan_store_floor_bytes", "Below how many free bytes writes are refused.", nil, nil)
	historyDesc   = prometheus.NewDesc("portolan_store_history_bytes", "About how much of the disk what batches changed takes.", nil, nil)
	trendsDesc    = prometheus.NewDesc("portolan_store_trends_bytes", "About how much of the disk counts in the course of time take.", nil, nil)
	pendingDesc   = prometheus.NewDesc("portolan_store_pending_batches", "Batches that were accepted and are not durable yet.", nil, nil)
	oldestDesc    = prometheus.NewDesc("portolan_store_pending_age_seconds", "How long the oldest of them has waited; 0 for none.", nil, nil)
	committedDesc = prometheus.NewDesc("portolan_store_last_commit_timestamp_seconds", "When a batch became durable last, in Unix time; 0 for not since the start.", nil, nil)
	backupDesc    = prometheus.NewDesc("portolan_last_backup_timestamp_seconds", "When a backup was sent whole last, in Unix time; 0 for not since the start.", nil, nil)
)

// Describe is [prometheus.Collector.Describe].
func (m *storeMeters) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{freeDesc, floorDesc, historyDesc, trendsDesc, pendingDesc, oldestDesc, committedDesc, backupDesc} {
		to <- d
	}
}

// Collect is [prometheus.Collector.Collect].
func (m *storeMeters) Collect(to chan<- prometheus.Metric) {
	if m.data.store == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64) { to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	if free, floor, err := m.data.store.Space(); err == nil {
		gauge(freeDesc, float64(free))
		gauge(floorDesc, float64(floor))
	}
	if history, trends, err := m.data.store.PastUsage(); err == nil {
		gauge(historyDesc, float64(history))
		gauge(trendsDesc, float64(trends))
	}
	kept := m.data.engine.Durability()
	gauge(pendingDesc, float64(kept.Pending))
	age := 0.0
	if kept.Pending > 0 && !kept.Oldest.IsZero() {
		age = time.Since(kept.Oldest).Seconds()
	}
	gauge(oldestDesc, age)
	gauge(committedDesc, unixOrZero(kept.Committed))
	gauge(backupDesc, float64(m.data.backedUp.Load()))
}

func unixOrZero(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
