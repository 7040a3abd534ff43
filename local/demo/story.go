package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"trade-monitor/local/demo/script"
	"trade-monitor/shared/alerting"
)

// How long the acts may take, and how often is looked.
const (
	limitSync  = 15 * time.Second // from the service's start to the second sync
	limitStory = 65 * time.Second // from the stall to the end of it
	aftermath  = 3 * time.Second  // what comes too much would come in this time
	glance     = 150 * time.Millisecond
	progress   = 5 * time.Second // between two lines while it is verified
)

// play makes the ticker stall and tells what happens.
func play(ctx context.Context, s *stage) error {
	t := &story{out: s.out, name: s.of(asyncService)}
	if err := s.startService(ctx); err != nil {
		return err
	}
	if err := t.follow(ctx, s.look, limitSync, func() bool { return t.now.syncs() >= 2 }); err != nil {
		return err
	}
	if err := s.stall(ctx); err != nil {
		return err
	}
	t.stalled = time.Now()
	s.out.say("▶ 演示操作：让 ticker 停滞（不再同步，也不再输出日志）", "the demonstration stalls the ticker: no sync, no log line any more")
	err := t.follow(ctx, s.look, limitStory, func() bool { return t.recorded })
	if err == nil {
		until := time.Now().Add(aftermath)
		err = t.follow(ctx, s.look, 2*aftermath, func() bool { return time.Now().After(until) })
	}
	if ctx.Err() != nil {
		return err
	}
	return errors.Join(err, t.verdict())
}

// story tells what is new in each scene.
type story struct {
	out     *teller
	name    string // of the container
	now     scene
	begins  []time.Time // every StartedAt that was seen
	stalled time.Time   // zero: not yet

	armed, synced, alerted, ordered, back, recorded bool // which lines were told
	messages                                        int  // how many were told
	quiet                                           int  // seconds of silence that were told
	proven                                          time.Duration
}

// follow looks again and again until done, or until limit has passed.
func (t *story) follow(ctx context.Context, look func(context.Context) (scene, error), limit time.Duration, done func() bool) error {
	deadline := time.Now().Add(limit)
	for {
		sc, err := look(ctx)
		if err == nil {
			t.tell(sc)
			if done() {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("故事在 %s 内没有讲完 (the story did not come to its end)", limit), err)
		}
		select {
		case <-time.After(glance):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tell tells what is new. When several things happened between two looks, they
// are told in the order in which one leads to the other.
func (t *story) tell(sc scene) {
	t.now = sc
	began := !slices.ContainsFunc(t.begins, sc.service.StartedAt.Equal)
	if began {
		t.begins = append(t.begins, sc.service.StartedAt)
	}
	t.tellStart()
	t.tellAlarm()
	t.tellMessages()
	t.tellOrder()
	if began && len(t.begins) > 1 {
		t.tellRestart()
	}
	t.tellReturn()
	t.tellProof()
	t.tellRecord()
}

// tellStart is about steps 1 and 2.
func (t *story) tellStart() {
	if !t.armed && strings.Contains(t.now.log, script.Armed) {
		t.armed = true
		t.out.say("【步骤 1】async-service 已启动，ticker 监控随之启动：超过 %s 未同步即告警，每 %s 检查一次",
			"step 1: the service runs and its watchdog is armed: %s without a sync raise the alarm; looked at every %s",
			tickerTimeout, checkInterval)
		t.out.quote("容器 (container): " + t.name)
	}
	if !t.synced && t.now.syncs() > 0 {
		t.synced = true
		t.out.say("【步骤 2】ticker 同步成功，监控记下了同步时间", "step 2: the ticker synced, and the watchdog took the time")
	}
}

// tellReturn is about the ticker after the restart.
func (t *story) tellReturn() {
	if !t.back && t.now.starts() > 1 && t.now.syncs() > 0 {
		t.back = true
		t.out.say("　　　　　ticker 又开始同步", "the ticker syncs again")
	}
}

// tellAlarm is about steps 3 and 4, and the record of step 5.
func (t *story) tellAlarm() {
	if t.alerted || t.stalled.IsZero() {
		return
	}
	if t.now.alert == nil {
		if silent := int(t.now.at.Sub(t.stalled) / time.Second); silent > t.quiet {
			t.quiet = silent
			t.out.say("　　　　　ticker 停滞 %d 秒…", "stalled for %d s …", silent)
		}
		return
	}
	t.alerted = true
	a := t.now.alert
	t.out.say("【步骤 3】监控发现 ticker 超过 %s 未同步，触发告警", "step 3: the watchdog saw no sync for %s and raises the alarm", tickerTimeout)
	t.out.say("【步骤 4】async-service 调用 POST /api/events/notify", "step 4: the service posts the event")
	t.out.say("【步骤 5.1】Trade Monitor 创建告警记录 #%d：%s · %s · %s · %s", "step 5.1: alert #%d is on record: %s, %s, %s, %s",
		a.ID, a.AlertType, a.Severity, a.Status, a.Title)
}

// firstLines is how much of a message is shown.
const firstLines = 18

// tellMessages is about what the group reads.
func (t *story) tellMessages() {
	for ; t.messages < len(t.now.messages); t.messages++ {
		n, lines := t.messages+1, strings.Split(t.now.messages[t.messages].Content, "\n")
		t.out.say("【步骤 5.2】微信群收到第 %d 条消息", "step 5.2: message %d in the group", n)
		if len(lines) > firstLines {
			lines = append(lines[:firstLines:firstLines], "…")
		}
		t.out.quote(strings.Join(lines, "\n"))
	}
}

// tellOrder is about who had the container restarted.
func (t *story) tellOrder() {
	r := t.now.remedy()
	if t.ordered || r == nil || r.OrderedAt.IsZero() {
		return
	}
	t.ordered = true
	who, whoEn := "Trade Monitor（按策略自动执行）", "Trade Monitor, by policy"
	if r.RequestedBy != nil {
		who, whoEn = *r.RequestedBy, *r.RequestedBy
	}
	t.out.say("【步骤 5.3】重启 %[1]s 的命令已下达，下达者：%[2]s", "step 5.3: restart of %[1]s ordered by %[3]s", r.Container, who, whoEn)
}

const clock = "15:04:05.000"

// place is where the clocks show zone.
var place = alerting.DefaultPolicy().Location

// tellRestart is about what the engine says of it.
func (t *story) tellRestart() {
	n := len(t.begins)
	t.out.say("【步骤 5.3】容器已重启，StartedAt：%s → %s", "step 5.3: the container was restarted, StartedAt as the engine tells it: %s → %s",
		t.begins[n-2].In(place).Format(clock), t.begins[n-1].In(place).Format(clock))
}

// tellProof is about the wait for the proof.
func (t *story) tellProof() {
	r := t.now.remedy()
	if r == nil || r.Status != string(alerting.Verifying) || r.StartedAfter.IsZero() {
		return
	}
	policy := alerting.DefaultPolicy()
	needed := policy.Rule(alerting.TickerSyncTimeout).Verify.Stable
	if t.proven == 0 {
		t.proven = progress
		t.out.say("　　　　　正在确认是否恢复：须稳定运行 %s 才算恢复…", "verifying: only %s of stable running count as a recovery …", needed)
	}
	for t.now.at.Sub(r.StartedAfter.Time) >= t.proven && t.proven < needed {
		t.out.say("　　　　　已稳定运行 %s / %s…", "stable for %s of %s …", t.proven, needed)
		t.proven += progress
	}
}

// tellRecord is about what is on record when all is over.
func (t *story) tellRecord() {
	if t.recorded || !t.now.settled() {
		return
	}
	t.recorded = true
	a := t.now.alert
	t.out.say("【步骤 5.4】告警记录已更新", "step 5.4: the record was updated")
	t.out.quote(fmt.Sprintf("#%d status=%s actionTaken=%s wechatSent=%t occurrences=%d", a.ID, a.Status, text(a.ActionTaken), a.WechatSent, a.Occurrences))
	for _, d := range a.Trail {
		t.out.quote(fmt.Sprintf("%s  %d. %s", d.At.In(place).Format(clock), d.Seq, d.Text))
	}
}

func text(s *string) string {
	if s == nil {
		return "—"
	}
	return *s
}
