package main

import (
	"context"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"trade-monitor/shared/alerting"
)

// robotRecord is what the database knows of groups and their robots.
type robotRecord interface {
	Groups(ctx context.Context) ([]alerting.Group, error)
	BrokenRobots(ctx context.Context) ([]alerting.Robot, error)
}

// robotGauges show which groups have a robot that WeCom refused as gone.
type robotGauges struct {
	robotRecord
	fallback func() alerting.Secret
}

var robotBroken = prometheus.NewDesc("trade_monitor_robot_broken", "1 while WeCom says that the robot of the group is gone, by group id (0: WECHAT_WEBHOOK_URL).", []string{"group"}, nil)

// Describe implements prometheus.Collector.
func (g *robotGauges) Describe(ch chan<- *prometheus.Desc) { ch <- robotBroken }

// Collect implements prometheus.Collector. With the database away there is
// nothing to show, which trade_monitor_database_up says.
func (g *robotGauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), pingTime)
	defer cancel()
	groups, err := g.Groups(ctx)
	if err != nil {
		return
	}
	robots, err := g.BrokenRobots(ctx)
	if err != nil {
		return
	}
	broken := map[string]bool{}
	for _, r := range robots {
		broken[r.ID] = true
	}
	for _, group := range append(groups, alerting.FallbackGroup(g.fallback())) {
		if !group.Enabled || alerting.Placeholder(group.Webhook) {
			continue
		}
		value := 0.0
		if broken[alerting.RobotID(group.Webhook)] {
			value = 1
		}
		ch <- prometheus.MustNewConstMetric(robotBroken, prometheus.GaugeValue, value, strconv.FormatInt(group.ID, 10))
	}
}
