package main

import (
	"fmt"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// tellWatches is about the beginning.
func (t *story) tellWatches() {
	if t.now.syncs() > 0 && t.once("service") {
		t.out.say("【服务】async-service 已启动：每秒同步一次 ticker，并打印一行日志", "the service runs: it syncs its ticker every second and prints a line each time")
		t.out.quote("容器 (container): " + t.name + "\n最近一行 (last line): " + lastLine(t.now.log))
	}
	if t.now.allUp() && t.once("watches") {
		t.out.say("【监控】三种监控都看到它了，GET /api/watches：", "all three watches see it, as GET /api/watches says:")
		t.quoteWatches()
	}
}

// quoteWatches shows what the service's log, container and heartbeat are watched
// for, and how each is.
func (t *story) quoteWatches() {
	for _, line := range []struct {
		kind alerting.WatchKind
		name string
		what string
	}{
		{alerting.LogWatch, "日志 log      ", fmt.Sprintf("超过 %[1]s 没有同步行即告警，不需要改代码 (no such line for %[1]s; takes no code)", tickerTimeout)},
		{alerting.ContainerWatch, "容器 container", "退出、OOM、不健康、反复重启即告警，不需要改代码 (it ends or is ill; takes no code)"},
		{alerting.HeartbeatWatch, "心跳 heartbeat", fmt.Sprintf("超过 %[1]s + %[2]s 没有心跳即告警，三行代码 (no ping for %[1]s and %[2]s; three lines of code)", heartbeatPeriod, heartbeatGrace)},
	} {
		t.out.quote(fmt.Sprintf("%s  %-4s  %s", line.name, t.now.stateOf(line.kind), line.what))
	}
}

func lastLine(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return lines[len(lines)-1]
}

// tellSeconds counts the seconds of a wait aloud.
func (t *story) tellSeconds() {
	if n := int(t.elapsed() / time.Second); t.second != nil && n > t.seconds {
		t.seconds = n
		t.second(n)
	}
}

func (t *story) waitForSilence(n int) {
	if t.now.alert(alerting.TickerSyncTimeout) == nil {
		t.out.say("　　　　ticker 停滞 %d 秒…", "stalled for %d s …", n)
	}
}

func (t *story) waitForPing(n int) {
	if t.now.alert(alerting.HeartbeatDown) == nil && n%2 == 0 {
		t.out.say("　　　　%d 秒没有心跳，监控状态 %s…", "no ping for %d s, the watch is %s …", n, t.now.stateOf(alerting.HeartbeatWatch))
	}
}

// found says, for each alert type, which watch noticed what.
var found = map[string][2]string{
	alerting.TickerSyncTimeout: {
		fmt.Sprintf("日志监控：最后一行同步之后 %s 没有新的，换一个连接再读一次，确认是真的", tickerTimeout),
		fmt.Sprintf("the log watch: no such line for %s, which a second, independent read confirms", tickerTimeout)},
	alerting.ContainerDown: {"容器监控：容器退出了，没有人下过命令", "the container watch: it ended, and nobody had ordered it"},
	alerting.HeartbeatDown: {"心跳监控：周期和宽限都过了，没有心跳", "the heartbeat watch: period and grace are over, and no ping came"},
}

// tellAlert is about what was noticed, the record of it, and what folds in.
func (t *story) tellAlert(a *httpapi.Story) {
	if t.once("alert", a.ID) {
		what := found[a.AlertType]
		t.out.say("【监控】%[1]s", "%[2]s", what[0], what[1])
		t.out.say("【告警】#%d %s · %s · %s", "alert #%d is on record: %s, %s, %s", a.ID, a.AlertType, a.Severity, a.Title)
	}
	if a.AlertType == alerting.TickerSyncTimeout && a.Occurrences > 1 && t.once("folded", a.ID) {
		t.out.say("【合并】服务里的看门狗随后也上报了 (POST /api/events/notify)：并入 #%d，不再通知，不再重启",
			"the watchdog inside the service posts the same: it folds into #%d, no second message, no second restart", a.ID)
	}
}

// tellMessages is about what the group reads, as far as its turn has come: the
// first message whole.
func (t *story) tellMessages(turn func(message) bool) {
	for ; t.messages < len(t.now.messages) && turn(t.now.messages[t.messages]); t.messages++ {
		m := t.now.messages[t.messages]
		t.out.say("【通知】微信群收到第 %d 条消息", "message %d in the group", t.messages+1)
		if t.messages == 0 {
			t.out.quote(m.plain())
		} else {
			t.out.quote(m.gist())
		}
		if strings.Contains(m.Content, alerting.ContainerDown) && !t.now.service.Running && t.once("quick") {
			t.out.say("　　　　从进程退出到群里收到消息：%d 毫秒", "from the exit to the message in the group: %d ms", m.At.Sub(t.now.service.EndedAt).Milliseconds())
		}
	}
}

// doing names the actions.
var doing = map[string][2]string{string(alerting.Restart): {"重启", "restart"}, string(alerting.Start): {"启动", "start"}}

// tellOrder is about who had the container restarted or started.
func (t *story) tellOrder(a *httpapi.Story) {
	r := remedy(a)
	if r == nil || !t.once("order", r.ID) {
		return
	}
	who, whoEn := "Trade Monitor，按策略自动执行", "Trade Monitor, by policy"
	if r.RequestedBy != nil {
		who, whoEn = *r.RequestedBy+"，记录在案", *r.RequestedBy+", as is on record"
	}
	t.out.say("【处置】%[1]s %[2]s，下达者：%[4]s", "%[3]s ordered by %[5]s", doing[r.Action][0], r.Container, doing[r.Action][1], who, whoEn)
}

const clock = "15:04:05.000"

// place is where the clocks show zone.
var place = alerting.DefaultPolicy().Location

// tellStart is about what the engine says of it.
func (t *story) tellStart() {
	n := len(t.begins)
	t.out.say("【处置】容器又启动了，Docker 的 StartedAt：%s → %s", "it was started, says Docker: StartedAt %s → %s",
		t.begins[n-2].In(place).Format(clock), t.begins[n-1].In(place).Format(clock))
}

// tellReturn is about the ticker after a start.
func (t *story) tellReturn() {
	if t.back || t.now.starts() < len(t.begins) || t.now.syncs() == 0 {
		return
	}
	t.back = true
	if len(t.begins) > 1 {
		t.out.say("【服务】ticker 又开始同步", "the ticker syncs again")
		t.out.quote("最近一行 (last line): " + lastLine(t.now.log))
	}
}

// progress is the time between two lines while a restart is verified.
const progress = 10 * time.Second

// tellProof is about the wait for the proof.
func (t *story) tellProof(a *httpapi.Story) {
	r := remedy(a)
	if r == nil || r.Status != string(alerting.Verifying) || r.StartedAfter.IsZero() {
		return
	}
	policy := alerting.DefaultPolicy()
	needed := policy.Rule(a.AlertType).Verify.Stable
	if t.once("proof", r.ID) {
		t.proven[r.ID] = progress
		t.out.say("　　　　这次%[1]s还要证明自己：稳定运行 %[3]s 才算成功", "this %[2]s must prove itself: %[3]s of stable running", doing[r.Action][0], doing[r.Action][1], needed)
	}
	for ; t.now.at.Sub(r.StartedAfter.Time) >= t.proven[r.ID] && t.proven[r.ID] < needed; t.proven[r.ID] += progress {
		t.out.say("　　　　%[1]s后已稳定运行 %[3]s / %[4]s…", "stable since the %[2]s for %[3]s of %[4]s …", doing[r.Action][0], doing[r.Action][1], t.proven[r.ID], needed)
	}
}

// tellEnd is about what is on record when an alert is over, and when nothing is
// left to be proven about it.
func (t *story) tellEnd(a *httpapi.Story) {
	if a.Status == string(alerting.Resolved) && told(a) && t.once("over", a.ID) {
		t.out.say("【恢复】告警 #%d RESOLVED，从告警到恢复 %s", "alert #%d is over, %s after it began", a.ID, a.ResolvedAt.Sub(a.CreatedAt.Time).Round(100*time.Millisecond))
	}
	if !t.now.settled(a.AlertType) || !t.once("record", a.ID) {
		return
	}
	t.out.say("【记录】#%d 的处置已被证实；全部经过在 GET /api/alerts/%[1]d", "the remedy of #%[1]d is proven; the whole story is at GET /api/alerts/%[1]d", a.ID)
	t.out.quote(fmt.Sprintf("status=%s actionTaken=%s wechatSent=%t occurrences=%d", a.Status, text(a.ActionTaken), a.WechatSent, a.Occurrences))
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
