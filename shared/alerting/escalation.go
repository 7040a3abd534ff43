package alerting

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"time"
)

// EscalationStep says who is told of an alert that nobody has acknowledged.
type EscalationStep struct {
	After    time.Duration // since the first word about the incident
	Groups   []string      // names or numbers, as those of a rule
	Severity Severity      // from this one on; empty: every alert
}

// What a policy may say of steps.
const (
	MaxSteps     = 5
	ShortestStep = 10 * time.Second
	LongestStep  = 24 * time.Hour
)

// applies tells whether the step is for an alert of that severity; one that has
// none, which is none yet, it is not for.
func (s EscalationStep) applies(severity Severity) bool {
	return severity != "" && severity.Rank() >= s.Severity.Rank()
}

func (s EscalationStep) equal(o EscalationStep) bool {
	return s.After == o.After && s.Severity == o.Severity && slices.Equal(s.Groups, o.Groups)
}

// Steps are those of an escalation that were taken: bit n is the step n, from 0.
// It is a set because a step that does not apply by severity is left out, and
// taken later when the alert gets worse.
type Steps uint32

// Taken tells whether the step was.
func (s Steps) Taken(step int) bool { return s>>step&1 == 1 }

// Count is how many were taken.
func (s Steps) Count() int { return bits.OnesCount32(uint32(s)) }

func (s Steps) with(step int) Steps { return s | 1<<step }

// Escalates tells whether any type has steps: whoever knows none leaves what is
// planned to processes that do.
func (p *Policy) Escalates() bool {
	has := func(r Rule) bool { return len(r.Escalation) > 0 }
	for _, rule := range p.Rules {
		if has(rule) {
			return true
		}
	}
	return has(p.Default)
}

// StepUp takes the step of an alert's escalation whose time has come, unless a
// person has the alert or it is over. A silence puts it off to its end.
func StepUp(s State, p *Policy, groups []Group, now time.Time) Change {
	alert := *s.Alert
	if alert.EscalateAt.IsZero() || alert.EscalateAt.After(now) || !p.Escalates() {
		return Change{}
	}
	c := Change{Alert: &alert, silences: s.Silences}
	alert.EscalateAt = time.Time{}
	step := alert.dueStep(p.Rule(alert.Type).Escalation, now)
	switch silence := s.Silences.For(alert.Type, alert.Service, alert.Severity, now); {
	case alert.Status != Open:
	case step < 0: // the policy is another one by now
		alert.planEscalation(p, alert.Severity, nil)
	case silence != nil:
		alert.EscalateAt, alert.UpdatedAt = silence.EndsAt, now
		c.Decision = alert.append(Decision{What: WhatEscalated, Word: silence.Reason(), Note: stepName(step, p.Language)}, now)
	default:
		c.takeStep(step, p, groups, now)
	}
	return c
}

// dueStep is the first step that applies, was not taken, and whose time has come;
// below 0: there is none.
func (a *Alert) dueStep(steps []EscalationStep, now time.Time) int {
	for i, s := range steps {
		if !a.Escalated.Taken(i) && s.applies(a.Severity) && !a.Words.First.Add(s.After).After(now) {
			return i
		}
	}
	return -1
}

func (c *Change) takeStep(step int, p *Policy, groups []Group, now time.Time) {
	a, steps := c.Alert, p.Rule(c.Alert.Type).Escalation
	audience, note := p.stepAudience(steps[step], groups, a.Type)
	word := p.nobody()
	if len(audience) > 0 {
		c.owe(audience, Escalation, now)
		word = Reason{Code: "told", Detail: names(audience)}
	}
	a.Escalated, a.UpdatedAt = a.Escalated.with(step), now
	for i, s := range steps {
		if !a.Escalated.Taken(i) && s.applies(a.Severity) {
			a.EscalateAt = sooner(a.EscalateAt, later(a.Words.First.Add(s.After), now.Add(s.After-steps[step].After)))
		}
	}
	waited := p.Language.Waited(now.Sub(a.Words.First))
	note = joined(stepName(step, p.Language), p.Language.Pick(waited+"无人确认", "nobody acknowledged within "+waited), note)
	c.Decision = a.append(Decision{What: WhatEscalated, Word: word, Note: note}, now)
}

func stepName(step int, lang Language) string {
	return fmt.Sprintf(lang.Pick("第 %d 步", "step %d"), step+1)
}

// stepAudience are the groups of a step, each robot once, or the usual ones where
// none of them can be told; note says what is wrong with the step.
func (p *Policy) stepAudience(step EscalationStep, groups []Group, alertType string) (told []Group, note string) {
	told, off, lost := p.choose(groups, step.Groups)
	why := Reason{Code: "named_partly", Detail: p.cannotBeTold(off, lost)}
	switch {
	case len(told) == 0:
		why.Code = "named_nobody"
		told, _ = p.Audience(groups, alertType)
	case len(off)+len(lost) == 0:
		return told, ""
	}
	return told, why.Text(p.Language, time.Time{})
}

// planEscalation plans the next step of an alert that people were told of. What
// is planned keeps its time, but for steps that apply only now that it is worse
// than was, and for one that waits for a silence which it has outgrown.
func (a *Alert) planEscalation(p *Policy, was Severity, silences Silences) {
	if a.Status != Open || a.Words.First.IsZero() {
		return
	}
	planned := !a.EscalateAt.IsZero() && !silences.outgrownBy(a)
	for i, s := range p.Rule(a.Type).Escalation {
		if a.Escalated.Taken(i) || !s.applies(a.Severity) || planned && s.applies(was) {
			continue
		}
		a.EscalateAt = sooner(a.EscalateAt, a.Words.First.Add(s.After))
	}
}

// laterStep is the reason that a group is told of an alert only by a step that was
// not taken yet; zero: it is in none.
func (p *Policy) laterStep(a *Alert, g Group, groups []Group) Reason {
	if a.Status != Open || a.EscalateAt.IsZero() {
		return Reason{}
	}
	for i, s := range p.Rule(a.Type).Escalation {
		usable, _, _ := p.choose(groups, s.Groups)
		if !a.Escalated.Taken(i) && s.applies(a.Severity) && slices.ContainsFunc(usable, func(o Group) bool { return o.ID == g.ID }) {
			return Reason{Code: "later_step", Detail: strconv.Itoa(i + 1)}
		}
	}
	return Reason{}
}

// outgrownBy tells whether the alert's step waits for the end of a silence that
// does not cover it any more.
func (all Silences) outgrownBy(a *Alert) bool {
	return all.last(func(s *Silence) bool {
		return s.EndsAt.Equal(a.EscalateAt) && !s.Covers(a.Type, a.Service, a.Severity)
	}) != nil
}

// audience are those who are told of an alert: its type's, and those whom it was
// escalated to, each robot once.
func (p *Policy) audience(a *Alert, groups []Group) (told []Group, note string) {
	told, note = p.Audience(groups, a.Type)
	if a.Escalated == 0 {
		return told, note
	}
	for i, s := range p.Rule(a.Type).Escalation {
		if a.Escalated.Taken(i) {
			usable, _, _ := p.choose(groups, s.Groups)
			told = append(told, usable...)
		}
	}
	return eachRobotOnce(told), note
}

// Waited writes how long nobody did something: whole minutes, as nobody counts
// the seconds of a quarter of an hour.
func (l Language) Waited(d time.Duration) string {
	if d >= time.Minute {
		d = d.Truncate(time.Minute)
	}
	if d < time.Hour && d >= time.Minute {
		return fmt.Sprintf(l.Pick("%d分钟", "%d min"), d/time.Minute)
	}
	return l.Duration(d)
}
