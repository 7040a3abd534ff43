package main

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// metrics are what Prometheus scrapes. Labels take their values from our own
// words only: what callers send never becomes one.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	trail    *prometheus.CounterVec
	beats    *prometheus.CounterVec

	emergencies *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trade_monitor_http_requests_total", Help: "HTTP requests answered, by method, route and status.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "trade_monitor_http_request_seconds", Help: "Time to answer, by route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 5},
		}, []string{"route"}),
		trail: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trade_monitor_decisions_total", Help: "Lines added to the trails of alerts: what was decided, what became of telling people (word) and of putting it right (remedy).",
		}, []string{"what", "word", "remedy"}),
		emergencies: newEmergencies(),
		beats: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trade_monitor_heartbeat_requests_total", Help: "Heartbeats to HEARTBEAT_URL: sent, failed, or withheld because not all is well.",
		}, []string{"result"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "trade_monitor_build_info", Help: "1; the label tells the version.", ConstLabels: prometheus.Labels{"version": version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.seconds, m.trail, m.beats, m.emergencies, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) request(method, pattern string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete:
	default:
		method = "other"
	}
	m.requests.WithLabelValues(method, pattern, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(pattern).Observe(took.Seconds())
}

func (m *metrics) committed(c store.Commit) {
	for _, h := range c.Happenings {
		m.trail.WithLabelValues(string(h.Decision.What), h.Decision.Word.Code, h.Decision.Remedy.Code).Inc()
	}
}

// record is what the gauges read from the database.
type record interface {
	healing
	Queues(ctx context.Context) ([]alerting.Queue, error)
	Silences(ctx context.Context, all bool) (list alerting.Silences, now time.Time, err error)
}

// watch registers the gauges that are read when they are scraped.
func (m *metrics) watch(db record, l *loops, w watching) {
	m.registry.MustRegister(&watchGauges{watching: w}, &healingGauges{db}, &gauges{
		db: db, loops: l,
		silences: prometheus.NewDesc("trade_monitor_silences_active", "Silences that keep words back now.", nil, nil),
		pending:  prometheus.NewDesc("trade_monitor_notifications_pending", "Words owed and not yet delivered, by group id (0: WECHAT_WEBHOOK_URL).", []string{"group"}, nil),
		alerts:   prometheus.NewDesc("trade_monitor_alerts", "Alerts on record, by status.", []string{"status"}, nil),
		loop:     prometheus.NewDesc("trade_monitor_loop_up", "1 while the loop runs.", []string{"loop"}, nil),
		up:       prometheus.NewDesc("trade_monitor_database_up", "1 when the database answered this scrape.", nil, nil),
	})
}

type gauges struct {
	db                        record
	loops                     *loops
	pending, alerts, loop, up *prometheus.Desc
	silences                  *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.pending, g.alerts, g.loop, g.up, g.silences} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), pingTime)
	defer cancel()
	up := 1.0
	if queues, err := g.db.Queues(ctx); err == nil {
		for _, q := range queues {
			ch <- prometheus.MustNewConstMetric(g.pending, prometheus.GaugeValue, float64(q.Pending), strconv.FormatInt(q.GroupID, 10))
		}
	} else {
		up = 0
	}
	if stats, err := g.db.Stats(ctx); err == nil {
		for _, status := range alerting.Statuses {
			ch <- prometheus.MustNewConstMetric(g.alerts, prometheus.GaugeValue, float64(stats.ByStatus[string(status)]), string(status))
		}
	} else {
		up = 0
	}
	if list, now, err := g.db.Silences(ctx, false); err == nil {
		ch <- prometheus.MustNewConstMetric(g.silences, prometheus.GaugeValue, float64(list.Active(now)))
	} else {
		up = 0
	}
	ch <- prometheus.MustNewConstMetric(g.up, prometheus.GaugeValue, up)
	for i, l := range g.loops.all {
		alive := 0.0
		if g.loops.alive[i].Load() {
			alive = 1
		}
		ch <- prometheus.MustNewConstMetric(g.loop, prometheus.GaugeValue, alive, l.name)
	}
}
