package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trade-monitor/shared/alerting"
)

// watching tells how every watch is.
type watching interface {
	Watches(ctx context.Context) ([]alerting.Watch, error)
}

// watchGauges shows every watch. The names of those that pings declared come
// from callers; they are checked, and bounded in number, where they are declared.
type watchGauges struct{ watching }

var (
	watchLabels   = []string{"kind", "name", "host"}
	watchState    = prometheus.NewDesc("trade_monitor_watch_state", "1; the label state tells how the watch is.", append(watchLabels, "state"), nil)
	watchSeen     = prometheus.NewDesc("trade_monitor_watch_last_seen_seconds", "When the watch last saw a sign of life, in seconds since the epoch.", watchLabels, nil)
	watchDeadline = prometheus.NewDesc("trade_monitor_watch_deadline_seconds", "When the watch is judged next, in seconds since the epoch.", watchLabels, nil)
	watchFalse    = prometheus.NewDesc("trade_monitor_watch_false_alarms_total", "Silences that a second look disproved before anybody was told.", watchLabels, nil)
	watchDeaf     = prometheus.NewDesc("trade_monitor_watch_deaf_total", "How often the watch could not hear.", watchLabels, nil)
)

// Describe implements prometheus.Collector.
func (g *watchGauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{watchState, watchSeen, watchDeadline, watchFalse, watchDeaf} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. With the database away there is
// nothing to show, which trade_monitor_database_up says.
func (g *watchGauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), pingTime)
	defer cancel()
	all, err := g.Watches(ctx)
	if err != nil {
		return
	}
	for _, w := range all {
		labels := []string{string(w.Kind), w.Name, w.Host}
		ch <- prometheus.MustNewConstMetric(watchState, prometheus.GaugeValue, 1, append(labels, string(w.State))...)
		collectTime(ch, watchSeen, w.LastSeenAt, labels)
		collectTime(ch, watchDeadline, w.DeadlineAt, labels)
		ch <- prometheus.MustNewConstMetric(watchFalse, prometheus.CounterValue, float64(w.FalseAlarms), labels...)
		ch <- prometheus.MustNewConstMetric(watchDeaf, prometheus.CounterValue, float64(w.DeafTimes), labels...)
	}
}

func collectTime(ch chan<- prometheus.Metric, d *prometheus.Desc, at time.Time, labels []string) {
	if !at.IsZero() {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(at.UnixMilli())/1000, labels...)
	}
}
