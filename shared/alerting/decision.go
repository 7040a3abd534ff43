package alerting

import (
	"fmt"
	"strings"
	"time"
)

// What names the kind of a line in an alert's trail.
type What string

const (
	WhatEvent        What = "event"        // an event was decided
	WhatRecheck      What = "recheck"      // a refusal was decided again
	WhatMessage      What = "message"      // a message got its verdict
	WhatRemediation  What = "remediation"  // a remediation changed its state
	WhatAcknowledged What = "acknowledged" // a person took it
	WhatEscalated    What = "escalated"    // nobody acknowledged it in time
	WhatResolved     What = "resolved"     // the alert ended
)

// Decision is one line of an alert's trail: what was decided, why and when.
// Every "not sent" and "not restarted" is one.
type Decision struct {
	AlertID int64
	Seq     int // from 1 within the alert
	What    What
	Word    Reason // what became of telling people
	Remedy  Reason // what became of putting it right
	Note    string
	Count   int64 // equal decisions in a row
	At      time.Time
	LastAt  time.Time
}

// code is what makes two decisions equal.
func (d *Decision) code() string {
	return string(d.What) + "|" + d.Word.Code + "|" + d.Remedy.Code
}

// remedyCode is the last refusal that the trail tells of, also when a line
// about something else came after it.
func (t TrailEnd) remedyCode() string {
	parts := strings.Split(t.Code, "|")
	return parts[len(parts)-1]
}

var whatWords = map[What][2]string{
	WhatEvent:        {"收到事件", "event received"},
	WhatRecheck:      {"重新判断", "decided again"},
	WhatMessage:      {"通知", "notification"},
	WhatRemediation:  {"处置", "remediation"},
	WhatAcknowledged: {"已确认", "acknowledged"},
	WhatEscalated:    {"升级", "escalation"},
	WhatResolved:     {"已恢复", "resolved"},
}

// Text is the line as people read it.
func (d *Decision) Text(lang Language) string {
	words := whatWords[d.What]
	parts := []string{lang.Pick(words[0], words[1])}
	for _, reason := range []Reason{d.Word, d.Remedy} {
		if text := reason.Text(lang, d.LastAt); text != "" {
			parts = append(parts, text)
		}
	}
	if d.Note != "" {
		parts = append(parts, d.Note)
	}
	text := strings.Join(parts, lang.Pick("；", "; "))
	if d.Count > 1 {
		text += fmt.Sprintf(" ×%d", d.Count)
	}
	return text
}

// append puts a decision at the end of the alert's trail. An equal event
// decision in a row counts up the line that is there.
func (a *Alert) append(d Decision, now time.Time) *Decision {
	d.AlertID, d.At, d.LastAt, d.Count = a.ID, now, now, 1
	foldable := d.What == WhatEvent && a.Trail.Code == d.code() && a.Trail.Seq > 0
	if !foldable {
		code := d.code()
		if d.What == WhatMessage || d.What == WhatAcknowledged || d.What == WhatEscalated {
			// Says nothing of remedies: a refusal before it stays said, or each
			// delivered message would let the same refusal be told again.
			code += "|" + a.Trail.remedyCode()
		}
		a.Trail = TrailEnd{Seq: a.Trail.Seq + 1, Code: code}
	}
	d.Seq = a.Trail.Seq
	return &d
}
