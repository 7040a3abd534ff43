package alerting

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// TradeMonitorStuck is the type of the alarm that our own record does not add
// up, or that something waits and nobody looks after it.
const TradeMonitorStuck = "TRADE_MONITOR_STUCK"

// auditService is whom that alarm is about: all processes that share the record.
const auditService = "trade-monitor"

// checkWords say in Chinese and English what was found; %d is how many.
var checkWords = map[Check]struct{ zh, en, ofZh, of string }{
	EventsCheck:         {"接收的事件数与各告警的次数之和相差 %d", "events accepted and the alerts' occurrences differ by %d", "", ""},
	OwedCheck:           {"应发的通知数与记录的行数相差 %d", "words owed and words on record differ by %d", "", ""},
	UncarriedCheck:      {"%d 条通知记为已送达，没有送达的消息", "%d words are SENT without an accepted message", "通知", "word"},
	FlagWithoutWord:     {"%d 条告警标为已通知，没有已送达的通知", "%d alerts are marked as told without a SENT word", "告警", "alert"},
	WordWithoutFlag:     {"%d 条告警已通知，没有标记", "%d alerts were told and are not marked so", "告警", "alert"},
	UnknownStatusesLeft: {"%d 行的状态不认识，没有循环会处理", "%d rows have a status that no loop knows", "", ""},
	LateWords:           {"%d 条通知早该发送", "%d words should have been sent", "通知", "word"},
	LateMessages:        {"%d 条消息停在发送中", "%d messages are left SENDING", "消息", "message"},
	LateRequests:        {"%d 个处置没有开始", "%d remediations were not begun", "处置", "remediation"},
	LateRemediations:    {"%d 个处置没有结束", "%d remediations do not end", "处置", "remediation"},
	LateRechecks:        {"%d 条告警早该重新判断", "%d alerts should have been decided again", "告警", "alert"},
	LateEscalations:     {"%d 条告警早该升级", "%d alerts should have been escalated", "告警", "alert"},
}

// Text is the sentence of a finding.
func (f Finding) Text(lang Language, in *time.Location) string {
	w := checkWords[f.Check]
	text := fmt.Sprintf(lang.Pick(w.zh, w.en), f.Count)
	var more []string
	if !f.Since.IsZero() {
		if in == nil {
			in = time.UTC
		}
		more = append(more, lang.Pick("最早 ", "since ")+f.Since.In(in).Format("2006-01-02 15:04:05"))
	}
	if f.Example != 0 {
		more = append(more, fmt.Sprintf("%s %d", lang.Pick("如"+w.ofZh, "such as "+w.of), f.Example))
	}
	if len(more) == 0 {
		return text
	}
	return text + lang.Pick("（"+strings.Join(more, "，")+"）", " ("+strings.Join(more, ", ")+")")
}

// AuditAlarm is what people were told of the auditor's findings.
type AuditAlarm struct {
	Known bool // whether an earlier process left the alarm open is settled
	Open  bool
	At    time.Time // when it was last posted
	About string    // the checks
}

// Alarm is the event that is due by how the record stands, or nil, and what
// people know once it is on record. It is over when nothing at all is found.
func (s Standing) Alarm(told AuditAlarm, lang Language, in *time.Location) (*Event, AuditAlarm) {
	stuck := s.Stuck()
	if len(stuck) == 0 {
		if told.Known && !told.Open || s.At.IsZero() || len(s.Findings) > 0 {
			return nil, told
		}
		return &Event{
			Type: TradeMonitorStuck, Service: auditService, Severity: Critical, Resolved: true,
			Title:   lang.Pick("自查恢复正常", "the audit finds nothing any more"),
			Message: lang.Pick("账目相符，没有逾期。", "The record adds up and nothing is overdue."),
		}, AuditAlarm{Known: true}
	}
	about := checksOf(stuck)
	if told.Open && told.About == about && s.At.Sub(told.At) < alarmAgain {
		return nil, told
	}
	return s.alarm(stuck, lang, in), AuditAlarm{Known: true, Open: true, At: s.At, About: about}
}

func (s Standing) alarm(stuck []Finding, lang Language, in *time.Location) *Event {
	lines := make([]string, len(stuck))
	for i, f := range stuck {
		lines[i] = f.Text(lang, in)
	}
	return &Event{
		Type: TradeMonitorStuck, Service: auditService, Severity: Critical,
		Title: lang.Pick("Trade Monitor 自查发现问题", "Trade Monitor's own record is not well"),
		Message: strings.Join(lines, "\n") + lang.Pick("\n请运行 trade-monitor doctor；说明见 docs/audit.md。",
			"\nRun trade-monitor doctor; docs/audit.md says what it means."),
	}
}

func checksOf(findings []Finding) string {
	names := make([]string, len(findings))
	for i, f := range findings {
		names[i] = string(f.Check)
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}
