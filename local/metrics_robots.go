package main

import (
	"context"
	"iter"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"trade-monitor/shared/alerting"
)

// robotReader tells which groups there are, and how it stands with their robots.
type robotReader interface {
	Groups(ctx context.Context) ([]alerting.Group, error)
	Robots(ctx context.Context) (alerting.Robots, error)
}

// robotGauges show how it stands with the robots of the groups that are told.
type robotGauges struct {
	robotReader
	policy func() alerting.Policy
}

var robotState = prometheus.NewDesc("trade_monitor_robot_state", "1 for the state of the robot of each enabled group (0: WECHAT_WEBHOOK_URL): UNUSED, OK, RESTING or BROKEN.", []string{"group", "state"}, nil)

// Describe implements prometheus.Collector.
func (g *robotGauges) Describe(ch chan<- *prometheus.Desc) { ch <- robotState }

// Collect implements prometheus.Collector. With the database away there is
// nothing to show, which trade_monitor_database_up says.
func (g *robotGauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), pingTime)
	defer cancel()
	for group, state := range g.states(ctx) {
		ch <- prometheus.MustNewConstMetric(robotState, prometheus.GaugeValue, 1, strconv.FormatInt(group.ID, 10), string(state))
	}
}

// gone names the groups whose robot is gone.
func (g *robotGauges) gone(ctx context.Context) (names []string) {
	for group, state := range g.states(ctx) {
		if state == alerting.RobotGone {
			names = append(names, group.Name)
		}
	}
	return names
}

// states are those of the robots of the groups that are told; none while the
// database is away.
func (g *robotGauges) states(ctx context.Context) iter.Seq2[alerting.Group, alerting.RobotState] {
	return func(yield func(alerting.Group, alerting.RobotState) bool) {
		groups, err := g.Groups(ctx)
		if err != nil {
			return
		}
		robots, err := g.Robots(ctx)
		if err != nil {
			return
		}
		for _, group := range append(groups, alerting.FallbackGroup(g.policy().Fallback)) {
			if !group.Enabled || alerting.Placeholder(group.Webhook) {
				continue
			}
			if state, _ := robots.Of(group.Webhook); !yield(group, state) {
				return
			}
		}
	}
}
