package main

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"trade-monitor/shared/alerting"
)

// healing tells how putting things right stands.
type healing interface {
	RemediationState(ctx context.Context) (alerting.RemediationState, error)
	Stats(ctx context.Context) (alerting.Stats, error)
}

// healingGauges shows breakers, brakes and outcomes. The containers are those
// that policy admitted; what events name never becomes a label.
type healingGauges struct{ healing }

var (
	breakerOpen  = prometheus.NewDesc("trade_monitor_breaker_open", "1 while the restarts of the container are used up.", []string{"container"}, nil)
	brakeEngaged = prometheus.NewDesc("trade_monitor_brake_engaged", "1 while the brake of the host holds remediation.", []string{"host"}, nil)
	remediations = prometheus.NewDesc("trade_monitor_remediations", "Remediations on record that are over, by action and how they ended.", []string{"action", "status"}, nil)
)

// Describe implements prometheus.Collector.
func (g *healingGauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{breakerOpen, brakeEngaged, remediations} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. With the database away there is
// nothing to show, which trade_monitor_database_up says.
func (g *healingGauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), pingTime)
	defer cancel()
	if state, err := g.RemediationState(ctx); err == nil {
		for _, b := range state.Breakers {
			ch <- prometheus.MustNewConstMetric(breakerOpen, prometheus.GaugeValue, 1, b.Container)
		}
		for name, holds := range brakesByName(state) {
			ch <- prometheus.MustNewConstMetric(brakeEngaged, prometheus.GaugeValue, holds, name)
		}
	}
	if stats, err := g.Stats(ctx); err == nil {
		for _, c := range stats.Remediations {
			ch <- prometheus.MustNewConstMetric(remediations, prometheus.GaugeValue, float64(c.N), string(c.Action), string(c.Status))
		}
	}
}

// brakesByName: two hosts may have one name, and a label must not come twice.
func brakesByName(state alerting.RemediationState) map[string]float64 {
	byName := map[string]float64{}
	for _, b := range state.Brakes {
		holds := 0.0
		if b.Engaged(state.At) {
			holds = 1
		}
		byName[b.HostName] = max(byName[b.HostName], holds)
	}
	return byName
}
