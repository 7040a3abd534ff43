package alerting

import (
	"strconv"
	"strings"
	"time"
)

// Acknowledge records that a person cares for the alert.
func Acknowledge(a Alert, by string, now time.Time) (Change, error) {
	switch a.Status {
	case Acknowledged:
		return Change{}, nil // said before: nothing changes
	case Open:
	default:
		return Change{}, &RefusedError{Reason: Reason{Code: "already_over"}}
	}
	a.Status, a.AcknowledgedAt, a.UpdatedAt, a.EscalateAt = Acknowledged, now, now, time.Time{}
	if a.Words.kept() {
		a.Words.Text = a.LatestText // who takes it knows what a silence kept back
	}
	c := Change{Alert: &a}
	c.Decision = a.append(Decision{What: WhatAcknowledged, Word: Reason{Code: "acknowledged", Detail: by}}, now)
	return c, nil
}

// Resolve records that a person ended the alert; those who were told of it are
// told.
func Resolve(s State, by string, p *Policy, groups []Group, now time.Time) (Change, error) {
	a := *s.Alert
	if !a.Active() {
		return Change{}, nil
	}
	c := Change{Alert: &a, silences: s.Silences}
	audience, unusable := p.audience(&a, groups)
	word := c.tellOver(audience, Over, now)
	a.finish(now)
	c.Decision = a.append(Decision{What: WhatResolved, Word: word, Remedy: Reason{Code: "by_person", Detail: by}, Note: unusable}, now)
	return c, nil
}

// Handle requests the type's action because a person asked: also for a
// RESOLVED alert and within cooldown and budget, never beside another one and
// never outside the allow-list.
func Handle(s State, by string, p *Policy, now time.Time) (Change, error) {
	ask, why := order(s, by, p, now)
	if !why.IsZero() {
		return Change{}, &RefusedError{Reason: why}
	}
	a := *s.Alert
	c := Change{Alert: &a}
	c.Remediation = newRemediation(&a, ask.Action, 0, ask.Container, now)
	c.Remediation.RequestedBy = by
	c.Remediation.Reason = Reason{Code: "manual", Detail: by}
	a.UpdatedAt = now
	c.Decision = a.append(Decision{What: WhatRemediation, Remedy: c.Remediation.Reason}, now)
	return c, nil
}

// order is what a person who asks for an alert's action asks for, and why it is
// refused.
func order(s State, by string, p *Policy, now time.Time) (Ask, Reason) {
	a := s.Alert
	ask := Ask{Type: a.Type, Severity: a.Severity, Action: p.Rule(a.Type).Manual, Container: p.Target(a.Type, a.Service), By: by, Ledger: s.Ledger, Now: now}
	if ask.Action == NoAction {
		return ask, Reason{Code: "no_action"}
	}
	return ask, p.Guard(ask)
}

// Settle records the next state of a remediation on its alert: a success ends
// the alert, every end is told to the audience, outcome first.
func Settle(s State, r Remediation, p *Policy, groups []Group, now time.Time) Change {
	a := *s.Alert
	c := Change{Alert: &a, Remediation: &r, silences: s.Silences}
	a.UpdatedAt = now
	d := Decision{What: WhatRemediation, Remedy: r.Reason, Note: r.Describe(p.Language) + p.Language.Pick("：", ": ") + r.Status.Word(p.Language)}
	if r.Pending() {
		c.Decision = a.append(d, now)
		return c
	}
	planned := a.RecheckAt
	a.RecheckAt = p.next(&a, &r, now)
	if a.Words.kept() {
		a.RecheckAt = sooner(a.RecheckAt, planned) // what a silence keeps back waits for its end
	}
	before, over := a.ActionTaken, !a.Active()
	a.ActionTaken = r.taken(p.Language, r.Reason.Text(p.Language, now))
	if r.Status == Succeeded && r.Action != Stop && a.Active() {
		a.finish(now) // what was stopped is not well
	}
	audience, unusable := p.audience(&a, groups)
	switch d.Note = joined(d.Note, unusable); {
	case r.Reason.Code == "alert_over":
		d.Word = Reason{Code: "already_over"} // people were told of the end: that nothing was done is no news
	case len(audience) == 0:
		d.Word = p.nobody()
	case r.Status == Succeeded && over && r.RequestedBy == "":
		d.Word = Reason{Code: "said_before"} // the symptom's end was told, which is more than that the container stays up
	case r.Status == Skipped && r.sameRefusal(before, p.Language):
		d.Word = Reason{Code: "said_before"}
	default:
		d.Word = c.tell(audience, Outcome, now)
	}
	c.Decision = a.append(d, now)
	return c
}

// next is when an alert whose remediation has ended is decided again: when what
// refused it ends, or, after a failure, for the next step of the ladder, which
// needs no further event. An unknown outcome is left to people.
func (p *Policy) next(a *Alert, r *Remediation, now time.Time) time.Time {
	rule := p.Rule(a.Type)
	switch {
	case !a.Active() || r.RequestedBy != "":
		return a.RecheckAt
	case r.Status == Skipped:
		return r.Reason.recheck(now)
	case r.Status == Failed && rule.Step(r.Rung+1) != NoAction:
		return later(now, r.actedAt().Add(rule.Guard.Cooldown))
	}
	return time.Time{}
}

// taken is what an alert's action_taken says of a remediation.
func (r *Remediation) taken(lang Language, why string) string {
	return clip(r.Describe(lang)+lang.Pick("：", ": ")+r.verdict(lang, why), MaxActionTaken)
}

// sameRefusal tells whether action_taken says the same already, but for the time
// that is left: what ends by itself, and is refused anew when it does, would be
// told each time.
func (r *Remediation) sameRefusal(taken string, lang Language) bool {
	const left = "\x00"
	before, after, timed := strings.Cut(r.taken(lang, r.Reason.text(lang, left)), left)
	if !timed {
		return taken == before
	}
	return strings.HasPrefix(taken, before) && strings.HasSuffix(taken, after)
}

// MaxActionTaken is the width of the guide's action_taken column.
const MaxActionTaken = 500

// Verdict is how a remediation ended, as people are told: the outcome first.
func (r *Remediation) Verdict(lang Language, now time.Time) string {
	return r.verdict(lang, r.Reason.Text(lang, now))
}

func (r *Remediation) verdict(lang Language, why string) string {
	switch r.Status {
	case Succeeded:
		if r.Action == Stop {
			return lang.Pick("已停止，请处理："+why, "stopped, please act: "+why)
		}
		return lang.Pick("已恢复（"+why+"）", "recovered ("+why+")")
	case UnknownOutcome:
		return lang.Pick("未能确认恢复，请处理："+why, "not known to have recovered, please act: "+why)
	case Failed:
		return lang.Pick("未恢复，请处理："+why, "NOT recovered, please act: "+why)
	case Skipped:
		switch r.Action {
		case Start:
			return lang.Pick("未启动："+why, "not started: "+why)
		case Stop:
			return lang.Pick("未停止："+why, "not stopped: "+why)
		}
		return lang.Pick("未重启："+why, "not restarted: "+why)
	case Requested:
		return lang.Pick("已安排", "requested")
	}
	return lang.Pick("正在进行", "under way")
}

// Told records on the alert what became of a word that was owed.
func Told(a Alert, n Notification, lang Language, now time.Time) Change {
	c := Change{Alert: &a}
	a.UpdatedAt = now
	word, note := n.Reason, n.Kind.Word(lang)+" → "+n.GroupName
	switch {
	case n.Status == Sent && n.Folded:
		word, note = Reason{Code: "folded", Detail: n.GroupName}, n.Kind.Word(lang)+lang.Pick("，消息 ", ", message ")+strconv.FormatInt(n.MessageID, 10)
	case n.Status == Sent:
		word, note = Reason{Code: "sent", Detail: n.GroupName}, n.Kind.Word(lang)
	}
	c.Decision = a.append(Decision{What: WhatMessage, Word: word, Note: note}, now)
	return c
}

// Word names the kind for people.
func (k Kind) Word(lang Language) string {
	switch k {
	case Firing:
		return lang.Pick("告警", "alert")
	case Escalation:
		return lang.Pick("升级通知", "escalation")
	case Over:
		return lang.Pick("恢复通知", "all clear")
	case Outcome:
		return lang.Pick("处置结果", "outcome")
	case Call:
		return lang.Pick("呼叫", "call")
	}
	return string(k)
}

// Word names the state for people.
func (s RemediationStatus) Word(lang Language) string {
	switch s {
	case Requested:
		return lang.Pick("已安排", "requested")
	case Running:
		return lang.Pick("执行中", "under way")
	case Verifying:
		return lang.Pick("已执行，正在确认", "done, verifying")
	case Succeeded:
		return lang.Pick("成功", "succeeded")
	case Failed:
		return lang.Pick("失败", "failed")
	case UnknownOutcome:
		return lang.Pick("结果未知", "outcome unknown")
	case Skipped:
		return lang.Pick("未执行", "not done")
	}
	return string(s)
}
