package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"trade-monitor/local/demo/script"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// check is one thing that must be so at the end.
type check struct {
	good bool
	text string
}

// verdict prints what was found and returns an error when something is missing.
func (t *story) verdict() error {
	t.out.heading("核对结果", "the checks: the engine, the service's own log, the group and the record must agree")
	missing := 0
	for _, c := range t.checks() {
		t.out.mark(c.good, c.text)
		if !c.good {
			missing++
		}
	}
	if missing > 0 {
		return fmt.Errorf("演示未通过，%[1]d 项不符，见上面的 ✗ (not as it should be: %[1]d, see ✗ above)", missing)
	}
	t.out.say("演示成功：三次故障都被发现、通知并恢复", "done: three failures were noticed, told and are over")
	return nil
}

// checks compares four witnesses: the engine, the service's own log, the group
// and the record.
func (t *story) checks() []check {
	sc := t.now
	return []check{
		{len(t.begins) == 3 && sc.starts() == 3, fmt.Sprintf(
			"容器的 StartedAt 恰好变化两次，自动重启一次、人工启动一次 (changed exactly twice): %d；日志中启动 (starts in its log): %d", max(0, len(t.begins)-1), sc.starts())},
		{len(sc.messages) == len(plot) && sc.refused == 0, fmt.Sprintf(
			"群里恰好七条消息 (exactly seven messages in the group): %d；被机器人拒绝 (refused): %d", len(sc.messages), sc.refused)},
		{toldInOrder(sc.messages), "依次为：停滞、恢复，退出、恢复，心跳、恢复，人工启动成功 (in this order)"},
		{t.typesAgree(), "恰好三个告警，每种监控一个，都已恢复 (three alerts, one of each watch, all RESOLVED): " + t.types()},
		{t.bothInOne(), "日志监控和看门狗的事件在同一个告警里，只重启了一次 (the log watch's and the watchdog's events are in one alert, with one restart)"},
		{t.evidenceShown(), fmt.Sprintf("退出的通知里有退出码 %d (the exit code is in the message)", script.CrashCode)},
		{t.recordAgrees(), "记录的重启和启动与 Docker 所见一致 (the record tells the same restart and start as the engine)"},
		{sc.allUp() && !slices.ContainsFunc(sc.watches, func(w httpapi.Watch) bool { return w.FalseAlarms > 0 }),
			"三种监控现在都是 up，没有误报 (all three watches are up, no false alarm)"},
		{sc.service.Running && t.back, "async-service 在工作 (the service works)"},
	}
}

// plot is what the group reads: of each message the alert type, and whether
// it tells an end.
var plot = []struct {
	alertType string
	over      bool
}{
	{alerting.TickerSyncTimeout, false}, {alerting.TickerSyncTimeout, true},
	{alerting.ContainerDown, false}, {alerting.ContainerDown, true},
	{alerting.HeartbeatDown, false}, {alerting.HeartbeatDown, true},
	{alerting.ContainerDown, true}, // what came of the start that a person asked for
}

func toldInOrder(messages []message) bool {
	for i, want := range plot {
		if i >= len(messages) || !strings.Contains(messages[i].Content, want.alertType) || messages[i].over() != want.over {
			return false
		}
	}
	return true
}

func (t *story) typesAgree() bool {
	want := []string{alerting.TickerSyncTimeout, alerting.ContainerDown, alerting.HeartbeatDown}
	return len(t.now.alerts) == len(want) && !slices.ContainsFunc(want, func(alertType string) bool { return !t.now.resolved(alertType) })
}

func (t *story) types() string {
	var all []string
	for _, a := range t.now.alerts {
		all = append(all, a.AlertType+" "+a.Status)
	}
	return strings.Join(all, ", ")
}

// byLogWatch is how a trail says which watch noticed something.
const byLogWatch = "日志监控"

// bothInOne: two events of the same stall, from different senders, made one
// alert, and the second one restarted nothing.
func (t *story) bothInOne() bool {
	a := t.now.alert(alerting.TickerSyncTimeout)
	if a == nil {
		return false
	}
	watch, dog, ordered := 0, 0, 0
	for _, d := range a.Trail {
		switch {
		case d.What != string(alerting.WhatEvent):
		case strings.Contains(d.Text, byLogWatch):
			watch++
		default:
			dog++
		}
	}
	for _, r := range a.Remediations {
		if !r.OrderedAt.IsZero() {
			ordered++
		}
	}
	return watch > 0 && dog > 0 && ordered == 1
}

// evidenceShown does not ask for the last lines: a busy engine that takes long to
// give them is not waited for, people are told without.
func (t *story) evidenceShown() bool {
	return slices.ContainsFunc(t.now.messages, func(m message) bool {
		return !m.over() && strings.Contains(m.head(), fmt.Sprintf("退出码 %d", script.CrashCode))
	})
}

func (t *story) recordAgrees() bool {
	if len(t.begins) != 3 {
		return false
	}
	same := func(recorded httpapi.Stamp, seen time.Time) bool {
		return recorded.Equal(seen.Truncate(time.Millisecond)) // the API tells milliseconds
	}
	for i, alertType := range []string{alerting.TickerSyncTimeout, alerting.ContainerDown} {
		r := remedy(t.now.alert(alertType))
		if r == nil || r.Status != string(alerting.Succeeded) || !same(r.StartedBefore, t.begins[i]) || !same(r.StartedAfter, t.begins[i+1]) {
			return false
		}
	}
	return true
}
