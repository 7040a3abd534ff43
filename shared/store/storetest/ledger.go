package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// ledgers holds what a container's past forbids.
var ledgers = suite{
	"no two are active on one container":                         testOneActive,
	"the cooldown's refusal is recorded once and counted up":     testCooldown,
	"the budget's refusal asks a person once":                    testBreaker,
	"a success that turned out to be none costs budget once":     testDisprovedOnce,
	"a rule looks back as far as it says, whatever the default":  testLongRule,
	"after the cooldown the symptom that is there is acted upon": testRecheckActs,
	"after the cooldown the symptom that is gone is not":         testRecheckGone,
	"an alert that ended or was deleted is not decided again":    testRecheckOver,
}

func active(t testing.TB, e Engine) int64 {
	t.Helper()
	return e.count(t, "SELECT COUNT(*) FROM alert_remediations WHERE status IN ('REQUESTED', 'RUNNING', 'VERIFYING')")
}

func testOneActive(t *testing.T, e Engine) {
	s := e.open(t, labelled)
	var batch []alerting.Event
	for i := range 5 {
		ev := Event(container)
		ev.Metadata = fmt.Appendf(nil, `{"shard":"%d"}`, i)
		batch = append(batch, ev)
	}
	_, err := s.RecordEvents(t.Context(), batch[:3])
	require.NoError(t, err)
	require.Equal(t, "under_way", record(t, s, batch[3]).NotRemedied.Code)
	together(t, s, batch)
	require.EqualValues(t, 5, e.count(t, "SELECT COUNT(*) FROM alert_records"))
	require.EqualValues(t, 1, active(t, e))
	_, err = s.Handle(t.Context(), 2, "li")
	var refused *alerting.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "under_way", refused.Reason.Code)
	require.EqualValues(t, 1, active(t, e))
}

// restarted records one event and carries its restart out.
func restarted(t testing.TB, s *store.Store, status alerting.RemediationStatus) {
	t.Helper()
	require.Equal(t, alerting.Requested, record(t, s, Event(container)).RemediationStatus)
	end(t, s, status, "not_stable")
}

func testCooldown(t *testing.T, e Engine) {
	s := e.open(t)
	restarted(t, s, alerting.Failed)
	for range 4 {
		receipt := record(t, s, Event(container))
		require.Equal(t, "cooldown", receipt.NotRemedied.Code)
		require.WithinDuration(t, time.Now().Add(5*time.Minute), receipt.NotRemedied.Until, slack)
		if c, _ := claimAs(t, s, "me"); c != nil { // a delivered message in between changes nothing
			settle(t, s, c, accepted)
		}
	}
	story := storyOf(t, s, 1)
	require.Len(t, story.Remediations, 2)
	require.Equal(t, alerting.Skipped, story.Remediations[1].Status)
	require.Equal(t, "cooldown", story.Remediations[1].Reason.Code)
	e.pass(t, 5*time.Minute)
	require.Equal(t, alerting.Requested, record(t, s, Event(container)).RemediationStatus, "every event is decided again")
}

func testBreaker(t *testing.T, e Engine) {
	s := e.open(t)
	for range 3 {
		restarted(t, s, alerting.Failed)
		e.pass(t, 6*time.Minute)
	}
	outcomes := func() int64 {
		return e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE kind = 'OUTCOME'")
	}
	before := outcomes()
	for range 5 {
		require.Equal(t, "budget", record(t, s, Event(container)).NotRemedied.Code)
		for c, _ := claimAs(t, s, "me"); c != nil; c, _ = claimAs(t, s, "me") {
			settle(t, s, c, accepted)
		}
		e.pass(t, time.Minute)
	}
	require.Equal(t, before+1, outcomes(), "a person is asked once, not at every event")
	e.pass(t, 20*time.Minute)
	require.Equal(t, "budget", record(t, s, Event(container)).NotRemedied.Code)
	e.pass(t, 20*time.Minute)
	require.Equal(t, alerting.Requested, record(t, s, Event(container)).RemediationStatus, "re-armed when the oldest restart is an hour old")
}

// testDisprovedOnce: the second event of the batch sees one restart, not the
// restart and again the same one that the first event disproved.
func testDisprovedOnce(t *testing.T, e Engine) {
	s := e.open(t, func(p *alerting.Policy) {
		rule := p.Rule(alerting.TickerSyncTimeout)
		rule.Guard.Budget = 2
		p.Rules = map[string]alerting.Rule{alerting.TickerSyncTimeout: rule}
	})
	restarted(t, s, alerting.Succeeded)
	receipts, err := s.RecordEvents(t.Context(), []alerting.Event{Event(container), Event(container)})
	require.NoError(t, err)
	require.Equal(t, alerting.Failed, storyOf(t, s, 1).Remediations[0].Status)
	require.Equal(t, "cooldown", receipts[0].NotRemedied.Code)
	require.Equal(t, "cooldown", receipts[1].NotRemedied.Code, "one of two restarts is spent")
}

func testLongRule(t *testing.T, e Engine) {
	s := e.open(t, func(p *alerting.Policy) {
		rule := p.Rule(alerting.TickerSyncTimeout)
		rule.Guard = alerting.Guard{Cooldown: 6 * time.Hour, Budget: 2, Per: 24 * time.Hour}
		p.Rules = map[string]alerting.Rule{alerting.TickerSyncTimeout: rule}
	})
	restarted(t, s, alerting.Failed)
	e.pass(t, 5*time.Hour)
	require.Equal(t, "cooldown", record(t, s, Event(container)).NotRemedied.Code)
	e.pass(t, time.Hour)
	restarted(t, s, alerting.Failed)
	e.pass(t, 17*time.Hour)
	require.Equal(t, "budget", record(t, s, Event(container)).NotRemedied.Code)
	e.pass(t, time.Hour)
	restarted(t, s, alerting.Failed)
}

func testRecheckActs(t *testing.T, e Engine) {
	s := e.open(t)
	restarted(t, s, alerting.Failed)
	e.pass(t, 2*time.Minute)
	refused := record(t, s, Event(container))
	next, err := s.Recheck(t.Context())
	require.NoError(t, err)
	require.Equal(t, refused.NotRemedied.Until.UnixMicro(), next.UnixMicro())
	require.Zero(t, active(t, e), "not before its time")
	e.pass(t, 3*time.Minute+time.Second)
	next, err = s.Recheck(t.Context())
	require.NoError(t, err)
	require.True(t, next.IsZero())
	require.EqualValues(t, 1, active(t, e))
	story := storyOf(t, s, 1)
	last := story.Decisions[len(story.Decisions)-1]
	require.Equal(t, alerting.WhatRecheck, last.What)
	require.Equal(t, "requested", last.Remedy.Code)
}

func testRecheckGone(t *testing.T, e Engine) {
	s := e.open(t, func(p *alerting.Policy) {
		rule := p.Rule(alerting.TickerSyncTimeout)
		rule.Symptom = 2 * time.Minute
		p.Rules = map[string]alerting.Rule{alerting.TickerSyncTimeout: rule}
	})
	restarted(t, s, alerting.UnknownOutcome) // after a failure the symptom is known to be there
	e.pass(t, time.Minute)
	record(t, s, Event(container))
	e.pass(t, 4*time.Minute+time.Second)
	_, err := s.Recheck(t.Context())
	require.NoError(t, err)
	require.Zero(t, active(t, e))
	story := storyOf(t, s, 1)
	require.Equal(t, "symptom_gone", story.Decisions[len(story.Decisions)-1].Remedy.Code)
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_rechecks"))
}

func testRecheckOver(t *testing.T, e Engine) {
	s := e.open(t)
	restarted(t, s, alerting.Failed)
	record(t, s, Event(container))
	record(t, s, over(Event(container)))
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_rechecks"), "an alert that ended asks for nothing")
	record(t, s, Event(container))
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_rechecks"))
	e.exec(t, "DELETE FROM alert_records")
	e.pass(t, 6*time.Minute)
	next, err := s.Recheck(t.Context())
	require.NoError(t, err)
	require.True(t, next.IsZero())
	require.Zero(t, active(t, e))
}
