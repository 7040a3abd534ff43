package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/audit"
)

// auditGauges show how the record stands by the newest audit.
type auditGauges struct{ report func() audit.Report }

var (
	auditDifference = prometheus.NewDesc("trade_monitor_audit_difference", "How many do not agree of two sides that must, by the newest comparison.", []string{"check"}, nil)
	auditOverdue    = prometheus.NewDesc("trade_monitor_audit_overdue", "How many are overdue, by the newest audit.", []string{"what"}, nil)
	auditHealed     = prometheus.NewDesc("trade_monitor_audit_healed_total", "Messages and leases that processes left behind and the auditor settled.", nil, nil)
	auditSuccess    = prometheus.NewDesc("trade_monitor_audit_last_success_timestamp_seconds", "When an audit was last completed, in seconds since the epoch.", nil, nil)
	auditSeconds    = prometheus.NewDesc("trade_monitor_audit_seconds", "What the newest comparison of the whole record took.", nil, nil)
	auditOK         = prometheus.NewDesc("trade_monitor_audit_ok", "1 while the newest audit is new, could read everything and found nothing.", nil, nil)
)

// Describe implements prometheus.Collector.
func (g *auditGauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{auditDifference, auditOverdue, auditHealed, auditSuccess, auditSeconds, auditOK} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *auditGauges) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	r := g.report()
	ok := 0.0
	if r.Well(time.Now()) {
		ok = 1
	}
	gauge(auditOK, ok)
	ch <- prometheus.MustNewConstMetric(auditHealed, prometheus.CounterValue, float64(r.Healed.Messages+r.Healed.Leases))
	if !r.SuccessAt.IsZero() {
		gauge(auditSuccess, float64(r.SuccessAt.UnixMilli())/1000)
		gauge(auditSeconds, r.Compared.Seconds())
	}
	if r.Standing.At.IsZero() {
		return // 0 would say that somebody had looked
	}
	for _, check := range alerting.Differences {
		gauge(auditDifference, float64(r.Standing.Found(check).Count), string(check))
	}
	for _, what := range alerting.Lates {
		gauge(auditOverdue, float64(r.Standing.Found(what).Count), string(what))
	}
}

// beat counts what became of a heartbeat outside.
func (m *metrics) beat(result string) { m.beats.WithLabelValues(result).Inc() }
