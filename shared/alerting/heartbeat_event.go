package alerting

import (
	"encoding/json"
	"fmt"
	"time"
)

// Event is the event that is owed. Its words say the same each time while it
// stays down for the same reason: what grows, as the time since the last ping,
// is in the metadata, or every reminder would count as changed words.
func (h *Heartbeat) Event(lang Language, location *time.Location, now time.Time) Event {
	w := heartbeatWords{h, lang, location}
	ev := Event{Type: h.AlertType, Service: h.Service, Severity: h.Severity, Metadata: h.metadata(lang, location, now)}
	if h.Owed == OwesUp {
		ev.Resolved = true
		ev.Title, ev.Message = w.up()
	} else {
		ev.Title, ev.Message = w.down()
	}
	return ev
}

type heartbeatWords struct {
	*Heartbeat
	lang     Language
	location *time.Location
}

func (w heartbeatWords) at(t time.Time) string {
	if w.location == nil {
		return t.UTC().Format(time.DateTime)
	}
	return t.In(w.location).Format(time.DateTime)
}

func (w heartbeatWords) up() (title, message string) {
	title = w.lang.Pick("心跳已恢复：", "heartbeat is back: ") + w.Name
	message = fmt.Sprintf(w.lang.Pick("已收到正常的心跳：%s。", "An ok was received: %s."), w.at(w.LastOKAt))
	if !w.DownAt.IsZero() && w.LastOKAt.After(w.DownAt) {
		message += fmt.Sprintf(w.lang.Pick("自 %s 告警起历时 %s。", " It had been down since %s, for %s."), w.at(w.DownAt), w.lang.Duration(w.LastOKAt.Sub(w.DownAt)))
	}
	return title, message
}

// noteInMessage is how much of a note a message shows, in bytes.
const noteInMessage = 1_500

func (w heartbeatWords) down() (title, message string) {
	period, grace := w.lang.Duration(w.Period), w.lang.Duration(w.Grace)
	terms := fmt.Sprintf(w.lang.Pick("（周期 %s，宽限 %s）", " (period %s, grace %s)"), period, grace)
	switch w.Cause {
	case CauseFailed:
		title = w.lang.Pick("任务失败：", "job failed: ") + w.Name
		message = w.lang.Pick("任务报告失败", "The job reported a failure") + w.exit() + w.lang.Pick("。", ".") + w.said()
	case CauseOverran:
		title = w.lang.Pick("任务超时未结束：", "job did not end in time: ") + w.Name
		message = fmt.Sprintf(w.lang.Pick("任务于 %s 开始，%s 内没有报告结束。", "The job started at %s and did not report its end within %s."), w.at(w.StartedAt), grace)
	case CauseNever:
		title = w.lang.Pick("从未收到心跳：", "no heartbeat ever: ") + w.Name
		message = fmt.Sprintf(w.lang.Pick("自 %s 声明以来没有收到过心跳%s。", "None was received since it was declared at %s%s."), w.at(w.DeclaredAt), terms)
	case CauseSilent:
		title = w.lang.Pick("心跳超时：", "heartbeat is overdue: ") + w.Name
		message = fmt.Sprintf(w.lang.Pick("超过 %s 没有收到正常的心跳%s，最近一次：%s。", "No ok for more than %s%s; the last one: %s."),
			w.lang.Duration(w.Period+w.Grace), terms, w.lastOK())
	default: // it is up again by now
		title = w.lang.Pick("心跳曾中断：", "heartbeat had been down: ") + w.Name
		message = fmt.Sprintf(w.lang.Pick("%s 曾判定为失败或超时，随后已恢复。", "At %s it had failed or was overdue, and it is up again."), w.at(w.DownAt))
	}
	return title, message
}

func (w heartbeatWords) lastOK() string {
	if w.LastOKAt.IsZero() {
		return w.lang.Pick("无", "none")
	}
	return w.at(w.LastOKAt)
}

func (w heartbeatWords) exit() string {
	if w.ExitCode == nil {
		return ""
	}
	return fmt.Sprintf(w.lang.Pick("，退出码 %d", ", exit status %d"), *w.ExitCode)
}

func (w heartbeatWords) said() string {
	if w.Note == "" {
		return ""
	}
	return "\n" + clipHead(w.Note, noteInMessage)
}

// heartbeatFacts is the metadata of an event, in the order in which people read
// it.
type heartbeatFacts struct {
	Heartbeat string `json:"heartbeat"`
	Last      string `json:"lastPingTime,omitempty"`
	Seconds   *int64 `json:"secondsSinceLastPing,omitempty"`
	Minutes   *int64 `json:"minutesSinceLastPing,omitempty"`
	Period    string `json:"period"`
	Grace     string `json:"grace"`
	Started   string `json:"startedAt,omitempty"`
	ExitCode  *int64 `json:"exitCode,omitempty"`
	Note      string `json:"note,omitempty"`
}

// noteInMetadata is how much of a note the metadata keeps, in bytes.
const noteInMetadata = 4_000

func (h *Heartbeat) metadata(lang Language, location *time.Location, now time.Time) json.RawMessage {
	w := heartbeatWords{h, lang, location}
	facts := heartbeatFacts{
		Heartbeat: h.Name, Period: lang.Duration(h.Period), Grace: lang.Duration(h.Grace), ExitCode: h.ExitCode, Note: clipHead(h.Note, noteInMetadata),
	}
	if !h.LastPingAt.IsZero() {
		seconds := max(int64(now.Sub(h.LastPingAt)/time.Second), 0)
		minutes := seconds / 60
		facts.Last, facts.Seconds, facts.Minutes = w.at(h.LastPingAt), &seconds, &minutes
	}
	if !h.StartedAt.IsZero() {
		facts.Started = w.at(h.StartedAt)
	}
	raw, err := json.Marshal(facts)
	if err != nil {
		return nil // strings and numbers: it cannot fail
	}
	return raw
}

// Watch is the heartbeat as one of the watches.
func (h *Heartbeat) Watch(lang Language) Watch {
	return Watch{
		Kind: HeartbeatWatch, Name: h.Name, State: h.State, Since: h.Since, AlertType: h.AlertType, Service: h.Service,
		LastSeenAt: h.LastPingAt, DeadlineAt: h.Deadline, Limit: h.Period + h.Grace, Detail: h.detail(lang),
	}
}

func (h *Heartbeat) detail(lang Language) string {
	w := heartbeatWords{h, lang, nil}
	switch {
	case h.State == WatchPaused:
		return lang.Pick("已暂停，操作人 ", "paused by ") + h.PausedBy
	case h.State == WatchDown && h.Cause == CauseFailed:
		return lang.Pick("任务报告失败", "the job reported a failure") + w.exit()
	case h.State == WatchDown && h.Cause == CauseOverran:
		return lang.Pick("任务没有按时结束", "the job did not end in time")
	case h.State == WatchDown && h.Cause == CauseNever, h.State == WatchNew && h.LastPingAt.IsZero():
		return lang.Pick("从未收到心跳", "no heartbeat ever")
	case h.State == WatchDown, h.State == WatchLate:
		return lang.Pick("没有按时收到心跳", "no heartbeat in time")
	case !h.StartedAt.IsZero():
		return lang.Pick("任务运行中", "the job is running")
	}
	return ""
}
