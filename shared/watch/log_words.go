package watch

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
)

// event begins an event of this watch.
func (w *logWatch) event(alertType string, severity alerting.Severity, title, message string) alerting.Event {
	return alerting.Event{
		Type: alertType, Service: w.rule.ServiceName(), Severity: severity, Title: title, Message: message,
		Notes: []string{w.text("由日志监控发现", "noticed by the log watch")},
	}
}

// key identifies an event of this watch for ever: the watch, what it is about
// and which one. at tells it from others: what it is about, where all processes
// that watch the container know that, else the moment.
func (w *logWatch) key(what string, at ...time.Time) []string {
	parts := []string{"watch", "log", w.host, w.rule.Container, w.rule.AlertType, what}
	for _, t := range at {
		parts = append(parts, strconv.FormatInt(t.UnixNano(), 10))
	}
	return parts
}

// fellSilent is the guide's event, with the evidence.
func (w *logWatch) fellSilent(s alerting.LogState, now time.Time, lines []string) owedEvent {
	policy := w.all.o.Policy()
	lang := policy.Language
	limit := lang.Duration(w.rule.Timeout)
	title := lang.Pick("日志静默告警", "Log is silent")
	message := lang.Pick("超过"+limit+"没有匹配的日志行", "no matching log line for "+limit)
	if w.rule.AlertType == alerting.TickerSyncTimeout {
		title = lang.Pick("Ticker同步超时告警", "Ticker sync timeout")
		message = lang.Pick("Ticker数据同步已超过"+limit+"未输出日志", "the ticker sync has written no log line for "+limit)
	}
	quiet := now.Sub(later(s.ProgressAt, s.RunSince))
	last := lang.Pick("本次启动后一直没有", "none since its start")
	if s.Moved() {
		last = s.ProgressStamp.In(policy.Location).Format(time.DateTime)
	}
	message += lang.Pick("。\n最后一次：", ".\nLast one: ") + last +
		lang.Pick("（"+lang.Duration(quiet)+"前）\n已用独立连接再次读取日志确认，容器在运行", " ("+lang.Duration(quiet)+" ago)\nConfirmed by a second, independent read; the container runs")
	message += w.evidence(lines)
	ev := w.with(w.event(w.rule.AlertType, w.rule.Severity, title, message), s, quiet)
	return owedEvent{Event: ev, Key: append(w.key("silent", s.ProgressStamp, s.StartedAt), strconv.FormatInt(s.Posts, 10))}
}

// with adds the guide's metadata.
func (w *logWatch) with(ev alerting.Event, s alerting.LogState, quiet time.Duration) alerting.Event {
	fields := struct {
		Last    *string `json:"lastSyncTime"`
		Minutes int     `json:"minutesSinceLastSync"`
		Seconds int     `json:"secondsSinceLastSync"`
		Limit   string  `json:"threshold"`
		Started string  `json:"containerStartedAt"`
	}{Minutes: int(quiet / time.Minute), Seconds: int(quiet / time.Second), Limit: w.rule.Timeout.String(),
		Started: s.StartedAt.In(w.all.o.Policy().Location).Format(time.RFC3339)}
	if !s.ProgressStamp.IsZero() {
		last := s.ProgressStamp.In(w.all.o.Policy().Location).Format(time.RFC3339)
		fields.Last = &last
	}
	ev.Metadata, _ = json.Marshal(fields) // strings and numbers: never fails
	return ev
}

// recovered ends a silence.
func (w *logWatch) recovered(s silence) owedEvent {
	policy := w.all.o.Policy()
	lang := policy.Language
	title := lang.Pick("日志已恢复", "Log lines are back")
	if w.rule.AlertType == alerting.TickerSyncTimeout {
		title = lang.Pick("Ticker同步已恢复", "Ticker sync is back")
	}
	message := lang.Pick("匹配的日志行又出现了", "matching log lines are back")
	if !s.from.IsZero() {
		gap := lang.Duration(s.to.Sub(s.from))
		message += lang.Pick("，中断 "+gap, ", after "+gap)
	}
	ev := w.event(w.rule.AlertType, alerting.Info, title, message)
	ev.Resolved = true
	return owedEvent{Event: ev, Key: w.key("over", s.stamp, s.started)}
}

func (w *logWatch) unmatched(lines []string) owedEvent {
	lang := w.all.o.Policy().Language
	message := lang.Pick("正在读取该容器的日志，但没有一行符合 ASYNC_MONITOR_LOG_PATTERN（"+w.rule.Progress.String()+"），因此静默监控尚未启用，也不会重启它。请按实际的日志调整。",
		"The log of this container is read, and no line has matched ASYNC_MONITOR_LOG_PATTERN ("+w.rule.Progress.String()+"): silence is not watched yet, and nothing is restarted for it. Set the pattern to what the service writes.")
	ev := w.event(alerting.WatchUnmatched, alerting.Warning, lang.Pick("日志监控尚未启用：没有匹配的行", "Log watch not armed: no line matches"), message+w.evidence(lines))
	return owedEvent{Event: ev, Key: w.key("unmatched", w.now())}
}

func (w *logWatch) matched() owedEvent {
	lang := w.all.o.Policy().Language
	ev := w.event(alerting.WatchUnmatched, alerting.Info, lang.Pick("日志监控已启用", "Log watch armed"), lang.Pick("已有日志行匹配，静默监控已启用", "a line has matched: silence is watched now"))
	ev.Resolved = true
	return owedEvent{Event: ev, Key: w.key("matched", w.now())}
}

func (w *logWatch) notFound() owedEvent {
	lang := w.all.o.Policy().Language
	ev := w.event(alerting.WatchNotFound, alerting.Warning, lang.Pick("日志监控：没有这个容器", "Log watch: there is no such container"),
		lang.Pick("没有名为 "+w.rule.Container+" 的容器。请检查名称；它出现后监控自动开始。", "There is no container "+w.rule.Container+". Check the name; it is watched once it is there."))
	return owedEvent{Event: ev, Key: w.key("unseen", w.now())}
}

func (w *logWatch) found() owedEvent {
	lang := w.all.o.Policy().Language
	ev := w.event(alerting.WatchNotFound, alerting.Info, lang.Pick("日志监控：容器已出现", "Log watch: the container is there"), lang.Pick("监控已开始", "it is watched"))
	ev.Resolved = true
	return owedEvent{Event: ev, Key: w.key("seen", w.now())}
}

// deafness says why the log cannot be heard.
func (w *logWatch) deafness() string {
	if w.trouble.unreadable {
		driver := ""
		if w.container != nil {
			driver = w.container.LogDriver
		}
		return w.text("日志驱动 "+driver+" 不支持读取", "the log driver "+driver+" cannot be read")
	}
	if w.trouble.why == nil {
		return w.text("暂时无法读取日志", "the log cannot be read now")
	}
	return w.text("无法读取日志：", "the log cannot be read: ") + w.trouble.why.Error()
}

func (w *logWatch) deaf() owedEvent {
	lang := w.all.o.Policy().Language
	message := w.deafness() + lang.Pick("。期间无法判断该服务是否静默，也不会因此重启它。", ". Whether the service is silent cannot be told; nothing is restarted for it.")
	if w.trouble.unreadable {
		message += lang.Pick("请改用 json-file、local 或 journald 日志驱动，或让服务发送心跳。", " Use the log driver json-file, local or journald, or let the service send heartbeats.")
	}
	ev := w.event(alerting.WatchIsDeaf, alerting.Error, lang.Pick("日志监控失聪", "Log watch is deaf"), message)
	return owedEvent{Event: ev, Key: w.key("deaf", w.now())}
}

func (w *logWatch) hearsAgain() owedEvent {
	lang := w.all.o.Policy().Language
	ev := w.event(alerting.WatchIsDeaf, alerting.Info, lang.Pick("日志监控已恢复", "Log watch hears again"), lang.Pick("又可以读取日志了", "the log can be read again"))
	ev.Resolved = true
	return owedEvent{Event: ev, Key: w.key("hears", w.now())}
}

// evidence is the last lines, as an event shows them.
func (w *logWatch) evidence(lines []string) string {
	shown := alerting.LogTail(lines)
	if len(shown) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(w.text("\n最近日志：", "\nLast lines:"))
	for _, line := range shown {
		fmt.Fprintf(&b, "\n%s", clip(line, evidenceWidth))
	}
	return b.String()
}

// evidenceWidth is how much of a line an event shows, in characters.
const evidenceWidth = 300

func clip(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return s
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
