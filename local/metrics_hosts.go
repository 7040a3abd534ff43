package main

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trade-monitor/shared/alerting"
)

// neighbours tells which processes share the database, and what time it is there.
type neighbours interface {
	Runners(ctx context.Context) ([]alerting.Runner, error)
	Clock(ctx context.Context) (time.Time, error)
}

// hostGauges show the hosts whose runners are at work.
type hostGauges struct{ neighbours }

var runnersUp = prometheus.NewDesc("trade_monitor_runners", "Remediating processes at work on the database, by the host's engine and whether it answers.", []string{"host", "reachable"}, nil)

// Describe implements prometheus.Collector.
func (g *hostGauges) Describe(ch chan<- *prometheus.Desc) { ch <- runnersUp }

// Collect implements prometheus.Collector. With the database away there is
// nothing to show, which trade_monitor_database_up says.
func (g *hostGauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), pingTime)
	defer cancel()
	runners, err := g.Runners(ctx)
	if err != nil || len(runners) == 0 {
		return // the embedded database keeps none
	}
	now, err := g.Clock(ctx)
	if err != nil {
		return
	}
	unknown := 0 // of those whose engine was never reached
	for _, h := range alerting.Sites(runners, now) {
		switch {
		case !h.Live:
		case h.ID == "":
			unknown++
		default:
			ch <- prometheus.MustNewConstMetric(runnersUp, prometheus.GaugeValue, float64(h.Runners), h.ID, strconv.FormatBool(h.Reachable))
		}
	}
	if unknown > 0 {
		ch <- prometheus.MustNewConstMetric(runnersUp, prometheus.GaugeValue, float64(unknown), "", "false")
	}
}
