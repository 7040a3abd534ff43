package main

import (
	"fmt"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
)

// check is one thing that must be so at the end.
type check struct {
	good bool
	text string
}

// verdict prints what was found and returns an error when something is missing.
func (t *story) verdict() error {
	t.out.say("核对结果", "the checks")
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
	t.out.say("演示成功：从停滞到恢复共 %s，无人介入", "done: from the stall to the proven recovery in %s, and nobody had to do anything",
		t.now.remedy().EndedAt.Sub(t.stalled).Round(100*time.Millisecond))
	return nil
}

// checks compares four witnesses: the engine, the service's own log, the group
// and the record.
func (t *story) checks() []check {
	sc := t.now
	status, action, sent := "—", "—", false
	if a := sc.alert; a != nil {
		status, action, sent = a.Status, text(a.ActionTaken), a.WechatSent
	}
	return []check{
		{len(t.begins) == 2 && sc.starts() == 2, fmt.Sprintf(
			"容器的 StartedAt 恰好变化一次 (StartedAt changed exactly once): 变化 %d 次，日志中启动 %d 次 (changes, starts in its log)", max(0, len(t.begins)-1), sc.starts())},
		{len(sc.messages) == 2 && sc.attempts == 2, fmt.Sprintf(
			"群里恰好两条消息 (exactly two messages in the group): %d", len(sc.messages))},
		{t.toldInOrder(), "第一条是告警，第二条是已恢复 (first the alarm, then the recovery)"},
		{sc.alerts == 1 && status == string(alerting.Resolved), fmt.Sprintf(
			"只有一个告警，已恢复 (one alert, and it is RESOLVED): %d, %s", sc.alerts, status)},
		{action != "—" && sent, fmt.Sprintf(
			"处置和通知已记录 (action and notification are on record): actionTaken=%s, wechatSent=%t", action, sent)},
		{t.recordAgrees(), "记录的重启与 Docker 所见一致 (the record tells the same restart as the engine)"},
		{sc.service.Running && t.back, "async-service 恢复工作 (the service works again)"},
	}
}

func (t *story) toldInOrder() bool {
	const recovered = "已恢复"
	m := t.now.messages
	return len(m) >= 2 && !strings.Contains(m[0].Content, recovered) && strings.Contains(m[1].Content, recovered)
}

func (t *story) recordAgrees() bool {
	r := t.now.remedy()
	if r == nil || len(t.begins) != 2 {
		return false
	}
	same := func(recorded, seen time.Time) bool {
		return recorded.Equal(seen.Truncate(time.Millisecond)) // the API tells milliseconds
	}
	return r.Status == string(alerting.Succeeded) && same(r.StartedBefore.Time, t.begins[0]) && same(r.StartedAfter.Time, t.begins[1])
}
