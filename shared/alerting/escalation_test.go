package alerting

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// escalating has steps for every type: the duty group after 15 min, from ERROR
// on; the boss after 30 min, when it is CRITICAL; everybody after an hour.
func escalating(changes ...func(*Policy)) *Policy {
	return testPolicy(append([]func(*Policy){func(p *Policy) {
		p.Mode, p.Rules, p.IncidentGap = Off, nil, 24*time.Hour
		p.Default.Escalation = []EscalationStep{
			{After: 15 * time.Minute, Groups: []string{"duty"}, Severity: Error},
			{After: 30 * time.Minute, Groups: []string{"boss"}, Severity: Critical},
			{After: time.Hour, Groups: []string{"duty", "boss", "3"}},
		}
	}}, changes...)...)
}

func ladderGroups() []Group {
	return []Group{group(1, "ops", "ops", "TICKER_SYNC_TIMEOUT", true), group(2, "duty", "duty", "OTHER", true), group(3, "third", "duty", "OTHER", true), group(4, "boss", "boss", "OTHER", true)}
}

func minutes(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }

// climb replays what happens to one alert, by the minute.
type climb struct {
	t        *testing.T
	p        *Policy
	groups   []Group
	silences Silences
	alert    *Alert
	last     *Decision
	told     []string // of the last change
}

func begin(t *testing.T, p *Policy, severity Severity) *climb {
	c := &climb{t: t, p: p, groups: ladderGroups()}
	c.event(0, severity)
	return c
}

func (c *climb) take(change Change) {
	c.told, c.last = nil, change.Decision
	if change.Alert != nil {
		c.alert = change.Alert
		c.alert.ID = 7
	}
	for _, n := range change.Notifications {
		c.told = append(c.told, string(n.Kind)+" "+n.GroupName)
	}
}

func (c *climb) event(at int, severity Severity, changes ...func(*Event)) {
	ev := event(append(changes, func(ev *Event) { ev.Severity = severity })...)
	change, _ := Decide(State{Alert: c.alert, Silences: c.silences}, ev, c.p, c.groups, minutes(at))
	c.take(change)
}

func (c *climb) step(at int) {
	c.take(StepUp(State{Alert: c.alert, Silences: c.silences}, c.p, c.groups, minutes(at)))
}

// stands holds what is planned and taken; next below 0: nothing is planned.
func (c *climb) stands(next, taken int, told ...string) {
	c.t.Helper()
	want := time.Time{}
	if next >= 0 {
		want = minutes(next)
	}
	require.Equal(c.t, want, c.alert.EscalateAt)
	require.Equal(c.t, taken, c.alert.Escalated.Count())
	require.Equal(c.t, told, c.told)
}

func TestNobodyAcknowledgesAndOthersAreTold(t *testing.T) {
	c := begin(t, escalating(), Error)
	c.stands(15, 0, "FIRING ops")
	c.event(5, Error)
	c.stands(15, 0) // an event puts nothing off
	c.step(14)
	c.stands(15, 0) // before its time
	c.step(15)
	c.stands(60, 1, "ESCALATION duty") // the CRITICAL step is left out
	require.Equal(t, WhatEscalated, c.last.What)
	require.Equal(t, "told", c.last.Word.Code)
	require.Equal(t, "第 1 步; 15分钟无人确认", c.last.Note)
	c.event(35, Error)
	c.stands(60, 1, "FIRING ops", "FIRING duty") // whoever was called in is told what follows
	c.step(60)
	c.stands(-1, 2, "ESCALATION duty", "ESCALATION boss") // two groups, one robot: once
	c.step(61)
	c.stands(-1, 2)
	c.event(62, Error, func(ev *Event) { ev.Resolved = true })
	c.stands(-1, 2, "RESOLVED ops", "RESOLVED duty", "RESOLVED boss")
}

func TestAStepThatDidNotApplyIsJudgedAgainWhenItGetsWorse(t *testing.T) {
	for name, c := range map[string]struct {
		steps func(*climb)
		next  int
		taken int
	}{
		"too mild for the first two":              {func(c *climb) { c.event(1, Warning) }, 60, 0},
		"worse before the step's time":            {func(c *climb) { c.event(1, Error) }, 15, 0},
		"worse after it":                          {func(c *climb) { c.event(20, Error) }, 15, 0},
		"that is then taken":                      {func(c *climb) { c.event(20, Error); c.step(20) }, 65, 1},
		"two of them, one after the other":        {func(c *climb) { c.event(40, Critical); c.step(40) }, 55, 1},
		"and the other":                           {func(c *climb) { c.event(40, Critical); c.step(40); c.step(55) }, 85, 2},
		"worse when all that applied was done":    {func(c *climb) { c.step(60); c.event(70, Critical) }, 15, 1},
		"which is then made good":                 {func(c *climb) { c.step(60); c.event(70, Critical); c.step(70) }, 85, 2},
		"never made milder":                       {func(c *climb) { c.event(2, Critical); c.event(3, Info); c.step(15) }, 30, 1},
		"a milder event plans nothing that is on": {func(c *climb) { c.step(60); c.event(61, Info) }, -1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			one := begin(t, escalating(), Warning)
			c.steps(one)
			one.stands(c.next, c.taken, one.told...)
		})
	}
}

func TestAPersonWhoHasItStopsTheSteps(t *testing.T) {
	c := begin(t, escalating(), Error)
	c.step(15)
	taken, err := Acknowledge(*c.alert, "wang", minutes(16))
	require.NoError(t, err)
	c.take(taken)
	c.stands(-1, 1)
	c.event(80, Critical, func(ev *Event) { ev.Title = "worse" })
	require.Zero(t, c.alert.EscalateAt, "somebody has it")
	c.alert.EscalateAt = minutes(20) // as if an acknowledgement had been second
	c.step(20)
	c.stands(-1, 1)

	for name, end := range map[string]func(*climb){
		"the sender": func(c *climb) { c.event(1, Error, func(ev *Event) { ev.Resolved = true }) },
		"a person": func(c *climb) {
			change, err := Resolve(State{Alert: c.alert}, "wang", c.p, c.groups, minutes(1))
			require.NoError(t, err)
			c.take(change)
		},
		"a remediation": func(c *climb) {
			c.take(Settle(State{Alert: c.alert}, Remediation{Action: Restart, Status: Succeeded}, c.p, c.groups, minutes(1)))
		},
		"time": func(c *climb) {
			c.p.IncidentGap = 30 * time.Minute
			change, _ := Decide(State{Alert: c.alert}, event(), c.p, c.groups, minutes(40))
			require.NotNil(t, change.Stale)
			c.alert = change.Stale
		},
	} {
		c := begin(t, escalating(), Error)
		end(c)
		require.Zero(t, c.alert.EscalateAt, name)
	}
}

func TestASilencePutsAStepOffToItsEnd(t *testing.T) {
	quiet := func(from, to int) Silence {
		return Silence{Service: service, StartsAt: minutes(from), EndsAt: minutes(to), Author: "li", Comment: "c"}
	}
	c := begin(t, escalating(), Critical)
	c.silences = Silences{quiet(10, 50), quiet(10, 90)}
	c.step(15)
	c.stands(90, 0)
	require.Equal(t, WhatEscalated, c.last.What)
	require.Equal(t, "silenced", c.last.Word.Code)
	require.Equal(t, "第 1 步", c.last.Note)
	c.silences = c.silences[:1] // a person ended the other one, which makes it due
	c.alert.EscalateAt = minutes(30)
	c.step(30)
	c.stands(50, 0)
	c.step(50)
	c.stands(65, 1, "ESCALATION duty") // the next not at once: 15 min later, as the policy has them apart
	c.step(65)
	c.stands(95, 2, "ESCALATION boss")

	c = begin(t, escalating(), Critical)
	c.silences = Silences{{AlertType: "OTHER", StartsAt: noon, EndsAt: minutes(90)}}
	c.step(15)
	c.stands(30, 1, "ESCALATION duty")

	c = begin(t, escalating(), Error)
	c.silences = Silences{{Service: service, Severity: Error, StartsAt: noon, EndsAt: minutes(600)}}
	c.step(15)
	c.stands(600, 0)
	c.event(20, Error)
	c.stands(600, 0)
	c.event(21, Critical) // which the silence is not about
	c.stands(15, 0, "FIRING ops")
	c.step(21)
	c.stands(36, 1, "ESCALATION duty")

	first := &climb{t: t, p: escalating(), groups: ladderGroups(), silences: Silences{quiet(0, 20)}}
	first.event(0, Error)
	first.stands(-1, 0) // nobody was told: nobody can acknowledge
	first.take(Recheck(State{Alert: first.alert}, first.p, first.groups, minutes(20)))
	first.stands(35, 0, "FIRING ops")
}

func TestWhatWaitedTooLongComesOneStepAfterTheOther(t *testing.T) {
	c := begin(t, escalating(), Critical)
	c.step(300) // nobody was there to do it
	c.stands(315, 1, "ESCALATION duty")
	require.Equal(t, "第 1 步; 5小时无人确认", c.last.Note)
	c.step(315)
	c.stands(345, 2, "ESCALATION boss")
	c.step(345)
	c.stands(-1, 3, "ESCALATION duty", "ESCALATION boss")
}

func TestAStepWhoseGroupsCannotBeTold(t *testing.T) {
	for name, c := range map[string]struct {
		named []string
		off   bool
		want  []string
		note  string
	}{
		"one of two is a typo":     {[]string{"duty", "dutty"}, false, []string{"ESCALATION duty"}, "有的未通知：dutty（没有这个群"},
		"a typo":                   {[]string{"dutty"}, false, []string{"ESCALATION ops"}, "无法通知：dutty（没有这个群，或没有机器人地址）；已按平常的规则通知"},
		"switched off":             {[]string{"duty"}, true, []string{"ESCALATION ops"}, "duty（已停用）；已按平常的规则通知"},
		"by number":                {[]string{"4"}, false, []string{"ESCALATION boss"}, ""},
		"the robot of WECHAT_WEB…": {[]string{"WECHAT_WEBHOOK_URL"}, false, []string{"ESCALATION WECHAT_WEBHOOK_URL"}, ""},
		"who was told before":      {[]string{"ops"}, false, []string{"ESCALATION ops"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			one := begin(t, escalating(func(p *Policy) {
				p.Default.Escalation = []EscalationStep{{After: 15 * time.Minute, Groups: c.named}}
			}), Info)
			one.groups[1].Enabled = !c.off
			one.step(15)
			one.stands(-1, 1, c.want...)
			assert.Contains(t, one.last.Note, c.note)
			assert.Equal(t, c.note != "", strings.Contains(one.last.Note, "通知："), one.last.Note)
			one.event(16, Info, func(ev *Event) { ev.Resolved = true })
			assert.Equal(t, 1, len(slices.DeleteFunc(slices.Clone(one.told), func(s string) bool { return s != "RESOLVED ops" })))
		})
	}
	none := begin(t, escalating(), Error)
	none.groups, none.p.Fallback = none.groups[:0], ""
	none.step(15)
	none.stands(60, 1)
	require.Equal(t, "no_group", none.last.Word.Code, "it is on record, and not tried for ever")
}

func TestWhenThePolicyChangesMeanwhile(t *testing.T) {
	c := begin(t, escalating(), Error)
	c.p.Default.Escalation[0].After = 20 * time.Minute
	c.step(15)
	c.stands(20, 0)
	c.p.Default.Escalation = nil
	c.step(20)
	c.stands(20, 0) // it knows no steps at all: another process may
	c.p.Rules = map[string]Rule{"OTHER": {Escalation: []EscalationStep{{After: time.Minute}}}}
	c.step(20)
	c.stands(-1, 0) // it does, and none for this type

	c = begin(t, escalating(func(p *Policy) { p.Default.Escalation = nil }), Error)
	c.stands(-1, 0, "FIRING ops")
	c.p = escalating()
	c.event(3, Error)
	c.stands(15, 0)

	old := begin(t, escalating(), Error)
	old.alert.Words.First, old.alert.EscalateAt = time.Time{}, time.Time{} // of an older version
	old.event(1, Error)
	old.stands(-1, 0)
	old.event(30, Error)
	old.stands(45, 0, "FIRING ops")

	nobody := &climb{t: t, p: escalating(func(p *Policy) { p.Fallback = "" })}
	nobody.event(0, Critical)
	nobody.stands(-1, 0)
}

func TestEscalationsAreCalledWithUnlessSomebodyHasIt(t *testing.T) {
	for status, called := range map[AlertStatus]bool{Open: true, Acknowledged: false, Resolved: false} {
		b := Brief{Notification: Notification{Kind: Escalation, Severity: Error}, Alert: Alert{Type: TickerSyncTimeout, Status: status, Severity: Error}}
		assert.Equal(t, called, !calling().Mention(&b, []Severity{Critical}).Nobody(), status)
	}
	words := []DigestWord{{Kind: Escalation, Severity: Error, Type: TickerSyncTimeout}}
	all, _ := calling().MentionAll(words, Markdown)
	assert.Equal(t, []string{"zhang", "li"}, all.Users)
	for _, change := range []func(*DigestWord){func(w *DigestWord) { w.InHand = true }, func(w *DigestWord) { w.Over = true }} {
		held := words[0]
		change(&held)
		all, _ = calling().MentionAll([]DigestWord{held}, Markdown)
		assert.True(t, all.Nobody())
	}

	d := Fold([]DigestWord{{Kind: Over}, {Kind: Outcome}, {Kind: Escalation}, {Kind: Firing}}, false, FullDigest)
	var kinds []Kind
	for _, s := range d.Sections {
		kinds = append(kinds, s.Kind)
	}
	assert.Equal(t, []Kind{Firing, Escalation, Outcome, Over}, kinds)
	assert.True(t, Fold([]DigestWord{{Kind: Escalation}}, false, FullDigest).Firing())
}

func TestAGroupOfAStepIsToldLater(t *testing.T) {
	c := begin(t, escalating(), Error)
	account := func(group int) Reason {
		s := &Story{Alert: *c.alert}
		return Explain(s, c.groups, c.p, noon)[group].Why
	}
	require.Equal(t, Reason{Code: "later_step", Detail: "1"}, account(1))
	require.Equal(t, Reason{Code: "later_step", Detail: "3"}, account(3), "the second is for CRITICAL alerts")
	c.step(15)
	require.Equal(t, Reason{Code: "later_step", Detail: "3"}, account(1))
	c.alert.Status = Acknowledged
	require.Equal(t, "other_types", account(1).Code)
}

// A line about a step says nothing of remedies: the refusal before it stays said.
func TestALineAboutAStepKeepsTheRefusalSaid(t *testing.T) {
	a := Alert{}
	a.append(Decision{What: WhatEvent, Remedy: Reason{Code: "cooldown"}}, noon)
	a.append(Decision{What: WhatEscalated, Word: Reason{Code: "told"}}, noon)
	require.Equal(t, "cooldown", a.Trail.remedyCode())
}

func TestRepeatsOfOneType(t *testing.T) {
	for name, c := range map[string]struct {
		repeat  time.Duration
		after   int
		changed bool
		acked   bool
		want    string
	}{
		"as for every type, too early":    {0, 29, false, false, "repeat_wait"},
		"as for every type":               {0, 30, false, false, "told"},
		"its own, too early":              {10 * time.Minute, 9, false, false, "repeat_wait"},
		"its own":                         {10 * time.Minute, 10, false, false, "told"},
		"never":                           {Never, 600, false, false, "no_repeat"},
		"never, and the words changed":    {Never, 5, true, false, "told"},
		"never, and they just did":        {Never, 4, true, false, "repeat_wait"},
		"shorter than for changed words":  {time.Minute, 1, true, false, "told"},
		"acknowledged":                    {10 * time.Minute, 60, false, true, "in_hand"},
		"acknowledged, never":             {Never, 60, false, true, "in_hand"},
		"acknowledged, the words changed": {10 * time.Minute, 5, true, true, "told"},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPolicy(func(p *Policy) { p.Rules, p.Default.Repeat, p.IncidentGap = nil, c.repeat, 24*time.Hour })
			a := opened(p, 0)
			if c.acked {
				a.Status = Acknowledged
			}
			change, _ := Decide(State{Alert: a}, event(func(ev *Event) {
				if c.changed {
					ev.Title = "another"
				}
			}), p, nil, minutes(c.after))
			assert.Equal(t, c.want, change.Decision.Word.Code)
		})
	}
}

func TestMissingGroupsOfStepsAreNamed(t *testing.T) {
	p := escalating(func(p *Policy) {
		p.Rules = map[string]Rule{"A": {Escalation: []EscalationStep{{After: time.Minute, Groups: []string{"lost"}}}}, "B": p.Default}
	})
	found := p.MissingGroups(ladderGroups()[:3])
	require.Len(t, found, 3, "%v", found)
	assert.Contains(t, found[0], "defaults.escalate[1].groups: boss（没有")
	assert.Contains(t, found[1], "defaults.escalate[2].groups: boss")
	assert.Contains(t, found[2], "types.A.escalate[0].groups: lost")
}
