package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// escalations holds what becomes of an alert that nobody acknowledges.
var escalations = suite{
	"a step is taken when its time has come, and once":            testStepTaken,
	"what is planned outlives the process":                        testStepAfterRestart,
	"whoever was escalated to is told the end":                    testStepAudience,
	"a person who has it stops the steps":                         testStepsStopped,
	"a silence puts a step off, and its early end brings it back": testStepSilenced,
	"a worse event makes a step due":                              testStepWorse,
	"a policy without steps leaves what is planned":               testStepsOfOthers,
	"rows that people change by hand":                             testStepsByHand,
	"many are due at once":                                        testManySteps,
	"a message says who was told before":                          testToldBefore,
	"an escalation calls people, as a first word does":            testStepCalls,
	"no step waits for a silence that was ended":                  testStepSilenceRace,
	"an acknowledgement and a step at the same instant":           testStepRace,
}

// escalationProcesses holds what several processes owe each other about steps.
var escalationProcesses = suite{
	"two take the steps that are due, each is taken once": testTwoClimbers,
}

// steps tells the duty group after 15 min, and the boss after 30 min.
func steps(p *alerting.Policy) {
	bare(p)
	rule := p.Default
	rule.Escalation = []alerting.EscalationStep{{After: 15 * time.Minute, Groups: []string{"duty"}}, {After: 30 * time.Minute, Groups: []string{"boss"}, Severity: alerting.Critical}}
	p.Rules = map[string]alerting.Rule{"DISK_FULL": rule}
}

func (e Engine) climbers(t testing.TB) *store.Store {
	s := e.open(t, steps)
	for i, name := range []string{"ops", "duty", "boss"} {
		types := "NOTHING"
		if i == 0 {
			types = "DISK_FULL"
		}
		e.exec(t, insertGroup, name, fmt.Sprintf("https://example.com/send?key=%d", i+1), types, 1)
	}
	return s
}

func escalate(t testing.TB, s *store.Store) (next time.Time) {
	t.Helper()
	next, _, err := s.Escalate(t.Context())
	require.NoError(t, err)
	return next
}

// told lists what is owed about an alert, in order.
func told(t testing.TB, s *store.Store, id int64) (all []string) {
	t.Helper()
	for _, n := range storyOf(t, s, id).Notifications {
		all = append(all, string(n.Kind)+" "+n.GroupName)
	}
	return all
}

// noSteps holds that nothing is planned any more.
func (e Engine) noSteps(t testing.TB) {
	t.Helper()
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_escalations"))
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_records WHERE escalate_us IS NOT NULL"))
}

func testStepTaken(t *testing.T, e Engine) {
	s := e.climbers(t)
	require.Zero(t, escalate(t, s))
	record(t, s, plainEvent("a"))
	alert := storyOf(t, s, 1).Alert
	require.Equal(t, alert.CreatedAt.Add(15*time.Minute), alert.EscalateAt)
	require.Equal(t, alert.EscalateAt, escalate(t, s))
	e.pass(t, 14*time.Minute)
	require.Equal(t, alert.EscalateAt.Add(-14*time.Minute), escalate(t, s))
	require.Len(t, told(t, s, 1), 1, "not before its time")
	e.pass(t, time.Minute)
	require.Zero(t, escalate(t, s), "the second step is for CRITICAL alerts")
	require.Zero(t, escalate(t, s))
	require.Equal(t, []string{"FIRING ops", "ESCALATION duty"}, told(t, s, 1))
	story := storyOf(t, s, 1)
	last := story.Decisions[len(story.Decisions)-1]
	require.Equal(t, []any{alerting.WhatEscalated, "told", "duty"}, []any{last.What, last.Word.Code, last.Word.Detail})
	require.Equal(t, "第 1 步; 15分钟无人确认", last.Note)
	require.Equal(t, 1, story.Alert.Escalated.Count())
	require.Equal(t, alerting.Error, story.Notifications[1].Severity)
	e.noSteps(t)
}

func testStepAfterRestart(t *testing.T, e Engine) {
	s := e.climbers(t)
	record(t, s, at(alerting.Critical))
	e.pass(t, 15*time.Minute)
	s = e.open(t, steps)
	require.NotZero(t, escalate(t, s))
	require.Equal(t, []string{"FIRING ops", "ESCALATION duty"}, told(t, s, 1))
	e.pass(t, 15*time.Minute)
	s = e.open(t, steps)
	require.Zero(t, escalate(t, s))
	require.Equal(t, []string{"FIRING ops", "ESCALATION duty", "ESCALATION boss"}, told(t, s, 1))
	require.Equal(t, 2, storyOf(t, s, 1).Alert.Escalated.Count())
}

func testStepAudience(t *testing.T, e Engine) {
	s := e.climbers(t)
	record(t, s, plainEvent("a"))
	e.pass(t, 15*time.Minute)
	escalate(t, s)
	receipt := record(t, s, over(plainEvent("a")))
	require.Equal(t, []string{"ops", "duty"}, receipt.Groups)
	record(t, s, plainEvent("a"))
	require.Equal(t, []string{"FIRING ops"}, told(t, s, 2), "another incident begins anew")
	_, err := s.Resolve(t.Context(), 2, "wang")
	require.NoError(t, err)
	require.Equal(t, []string{"FIRING ops", "RESOLVED ops"}, told(t, s, 2))
}

func testStepsStopped(t *testing.T, e Engine) {
	s := e.climbers(t)
	for id, stop := range []func(){
		func() { record(t, s, over(plainEvent("0"))) },
		func() { _, err := s.Resolve(t.Context(), 2, "wang"); require.NoError(t, err) },
		func() {
			alert, err := s.Acknowledge(t.Context(), 3, "wang")
			require.NoError(t, err)
			require.Zero(t, alert.EscalateAt)
		},
	} {
		record(t, s, plainEvent(fmt.Sprint(id)))
		require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_escalations"))
		stop()
		e.noSteps(t)
	}
	e.pass(t, 10*time.Minute)
	changed := plainEvent("2")
	changed.Title, changed.Severity = "worse", alerting.Critical
	require.Equal(t, []string{"ops"}, record(t, s, changed).Groups, "the changed words are told")
	e.pass(t, time.Hour)
	require.Zero(t, escalate(t, s))
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE kind = 'ESCALATION'"))
}

func testStepSilenced(t *testing.T, e Engine) {
	s := e.climbers(t)
	for _, service := range []string{"a", "b", "c"} {
		record(t, s, plainEvent(service))
	}
	e.pass(t, 5*time.Minute)
	long := silenceNow(t, s, "a", lasting(8*time.Hour))
	shorter := silenceNow(t, s, "b", lasting(time.Hour))
	e.pass(t, 10*time.Minute)
	require.Equal(t, shorter.EndsAt.Add(-10*time.Minute), escalate(t, s))
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE kind = 'ESCALATION'"), "of c, which no silence covers")
	story := storyOf(t, s, 1)
	last := story.Decisions[len(story.Decisions)-1]
	require.Equal(t, []any{alerting.WhatEscalated, "silenced", "第 1 步"}, []any{last.What, last.Word.Code, last.Note})
	require.Equal(t, long.EndsAt.Add(-10*time.Minute), story.Alert.EscalateAt)

	record(t, s, plainEvent("a2")) // whose step is due in 15 min, silence or not
	_, err := s.EndSilence(t.Context(), long.ID, "wang")
	require.NoError(t, err)
	escalate(t, s)
	require.Equal(t, []string{"FIRING ops", "ESCALATION duty"}, told(t, s, 1))
	require.Equal(t, []string{"FIRING ops"}, told(t, s, 2), "another silence keeps it back")
	require.Equal(t, []string{"FIRING ops"}, told(t, s, 4))
	e.pass(t, 50*time.Minute)
	require.Zero(t, escalate(t, s))
	require.Equal(t, []string{"FIRING ops", "ESCALATION duty"}, told(t, s, 2))
}

func testStepWorse(t *testing.T, e Engine) {
	s := e.climbers(t)
	record(t, s, at(alerting.Error))
	e.pass(t, 15*time.Minute)
	escalate(t, s)
	e.noSteps(t)
	e.pass(t, 14*time.Minute) // within the incident gap
	record(t, s, at(alerting.Critical))
	require.NotZero(t, escalate(t, s))
	e.pass(t, time.Minute)
	require.Zero(t, escalate(t, s))
	require.Equal(t, []string{"FIRING ops", "ESCALATION duty", "FIRING ops", "FIRING duty", "ESCALATION boss"}, told(t, s, 1))
}

func testStepsOfOthers(t *testing.T, e Engine) {
	s := e.climbers(t)
	record(t, s, plainEvent("a"))
	e.pass(t, 15*time.Minute)
	cloud := e.open(t, bare)
	require.Zero(t, escalate(t, cloud))
	record(t, cloud, plainEvent("a"))
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_escalations"))
	s = e.open(t, steps)
	escalate(t, s)
	require.Equal(t, []string{"FIRING ops", "ESCALATION duty"}, told(t, s, 1))
}

func testStepsByHand(t *testing.T, e Engine) {
	s := e.climbers(t)
	for _, service := range []string{"deleted", "resolved", "left"} {
		record(t, s, plainEvent(service))
	}
	e.exec(t, "INSERT INTO alert_records (alert_type, service_name, severity, title, message) VALUES ('DISK_FULL', 'guide', 'CRITICAL', 't', 'm')")
	e.exec(t, "DELETE FROM alert_records WHERE service_name = 'deleted'")
	e.exec(t, "UPDATE alert_records SET status = 'RESOLVED' WHERE service_name = 'resolved'")
	e.pass(t, time.Hour)
	require.Zero(t, escalate(t, s))
	require.Equal(t, []string{"3"}, e.row(t, "SELECT alert_id FROM alert_notifications WHERE kind = 'ESCALATION'"), "rows of the guide are nobody's word, so nobody's step")
	e.noSteps(t)
}

func testManySteps(t *testing.T, e Engine) {
	s := e.climbers(t)
	const many = 230
	events := make([]alerting.Event, many)
	for i := range events {
		events[i] = plainEvent(fmt.Sprint(i))
	}
	_, err := s.RecordEvents(t.Context(), events)
	require.NoError(t, err)
	e.pass(t, 15*time.Minute)
	for look := range 3 {
		next, more, err := s.Escalate(t.Context())
		require.NoError(t, err)
		require.Equal(t, look < 2, more)
		require.Equal(t, more, !next.IsZero(), "the rest is due")
	}
	require.EqualValues(t, many, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE kind = 'ESCALATION'"))
	e.noSteps(t)
}

func testToldBefore(t *testing.T, e Engine) {
	s := e.climbers(t)
	e.exec(t, insertGroup, "no robot there", "https://example.com/send?key=9", "DISK_FULL", 1)
	record(t, s, at(alerting.Critical))
	require.Empty(t, mentioned(t, s, accepted, 1))
	before := func(group int64) (found []alerting.ToldGroup) {
		c, next, err := s.ClaimMessage(t.Context(), robot, []int64{group}, "me", slack, Pen(func(b alerting.Brief) string {
			found = b.Before
			return contentOf(b)
		}))
		require.NoError(t, err)
		require.NotNil(t, c, "nothing to claim before %v", next)
		settle(t, s, c, accepted)
		return found
	}
	for range 2 {
		e.pass(t, 15*time.Minute)
		escalate(t, s)
	}
	opened := []alerting.ToldGroup{{Name: "ops", Sent: true}, {Name: "no robot there"}}
	require.Equal(t, opened, before(2))
	require.Equal(t, append(opened, alerting.ToldGroup{Name: "duty", Sent: true}), before(3))
	require.Empty(t, before(4), "a first word names nobody")
}

func testStepCalls(t *testing.T, e Engine) {
	e.climbers(t)
	s := e.open(t, steps, func(p *alerting.Policy) {
		rule := p.Rules["DISK_FULL"]
		rule.Mentions = []alerting.Mention{{From: alerting.Error, Users: []string{"zhang"}, Mobiles: []alerting.Mobile{"13800000000"}}}
		p.Rules["DISK_FULL"] = rule
	})
	record(t, s, plainEvent("a"))
	record(t, s, plainEvent("b"))
	e.pass(t, 15*time.Minute)
	escalate(t, s)
	require.Equal(t, "zhang", mentioned(t, s, accepted, 2))
	require.Equal(t, []string{"FIRING ops", "ESCALATION duty", "CALL duty"}, told(t, s, 1))
	_, err := s.Acknowledge(t.Context(), 2, "wang")
	require.NoError(t, err)
	require.Empty(t, mentioned(t, s, accepted, 2), "somebody has it by now")
	require.Equal(t, []string{"FIRING ops", "ESCALATION duty"}, told(t, s, 2))
}

// A step that is put off while a person ends the silence must not wait for the
// end that the silence would have had.
func testStepSilenceRace(t *testing.T, e Engine) {
	s := e.climbers(t)
	const rounds, alerts = 8, 25
	for round := range rounds {
		for n := range alerts {
			record(t, s, plainEvent(fmt.Sprintf("race-%d-%d", round, n)))
		}
		e.pass(t, 15*time.Minute)
		silence := silenceNow(t, s, "race-*", lasting(24*time.Hour))
		var all sync.WaitGroup
		all.Go(func() { _, _, err := s.Escalate(t.Context()); assert.NoError(t, err) })
		all.Go(func() {
			time.Sleep(time.Duration(round) * time.Millisecond)
			_, err := s.EndSilence(t.Context(), silence.ID, "wang")
			assert.NoError(t, err)
		})
		all.Wait()
		escalate(t, s)
		e.noSteps(t)
	}
	require.EqualValues(t, rounds*alerts, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE kind = 'ESCALATION'"), "each once")
}

// Of an acknowledgement and a step one is first, and nothing is half done.
func testStepRace(t *testing.T, e Engine) {
	s := e.climbers(t)
	const alerts = 60
	for n := range alerts {
		ev := plainEvent(fmt.Sprint(n))
		ev.Severity = alerting.Critical // so that a second step would follow
		record(t, s, ev)
	}
	e.pass(t, 15*time.Minute)
	var all sync.WaitGroup
	all.Go(func() { _, _, err := s.Escalate(t.Context()); assert.NoError(t, err) })
	all.Go(func() {
		for n := int64(alerts); n > 0; n-- {
			_, err := s.Acknowledge(t.Context(), n, "wang")
			assert.NoError(t, err)
		}
	})
	all.Wait()
	e.noSteps(t)
	for n := int64(1); n <= alerts; n++ {
		story := storyOf(t, s, n)
		var lines []alerting.What
		for _, d := range story.Decisions {
			lines = append(lines, d.What)
		}
		want, owed := []alerting.What{alerting.WhatEvent, alerting.WhatAcknowledged}, 1
		if story.Alert.Escalated > 0 {
			want, owed = []alerting.What{alerting.WhatEvent, alerting.WhatEscalated, alerting.WhatAcknowledged}, 2
		}
		require.Equal(t, want, lines)
		require.Len(t, story.Notifications, owed)
	}
}

func testTwoClimbers(t *testing.T, e Engine) {
	stores := []*store.Store{e.climbers(t), e.open(t, steps)}
	const alerts = 150
	events := make([]alerting.Event, alerts)
	for i := range events {
		events[i] = plainEvent(fmt.Sprint(i))
		events[i].Severity = alerting.Critical
	}
	_, err := stores[0].RecordEvents(t.Context(), events)
	require.NoError(t, err)
	for step := range 2 {
		e.pass(t, 15*time.Minute)
		var all sync.WaitGroup
		for _, s := range stores {
			all.Go(func() {
				for range 3 {
					_, _, err := s.Escalate(t.Context())
					assert.NoError(t, err)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, (step+1)*alerts, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE kind = 'ESCALATION'"))
		require.EqualValues(t, (step+1)*alerts, e.count(t, "SELECT COUNT(*) FROM alert_decisions WHERE what = 'escalated'"))
	}
	e.noSteps(t)
}
