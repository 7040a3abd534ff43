package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

var remediations = suite{
	"a claim leases what is due and tells when the next is":      testClaim,
	"a lease that ran out is another's, and the first is told":   testLeaseLost,
	"the intent is kept to the nanosecond":                       testIntent,
	"a success ends the alert, writes action_taken, and tells":   testSuccess,
	"a failure leaves the alert open and tells":                  testFailure,
	"the symptom again within five minutes makes a success fail": testSymptomReturned,
	"later the same symptom is a new incident":                   testSymptomLater,
	"a remediation whose alert was deleted frees its container":  testOrphan,
	"claiming nothing writes nothing":                            testNoWork,
	"a claim says whether the watch is quiet again":              testSymptomOfWatches,
	"a claim says whether the container's own watch is":          testSymptomOfContainers,
}

func listing(names ...string) func(*alerting.Policy) {
	return func(p *alerting.Policy) { p.Containers = names }
}

// labelled makes the label "shard" part of an alert's identity.
func labelled(p *alerting.Policy) {
	rule := p.Rule(alerting.TickerSyncTimeout)
	rule.Labels = []string{"shard"}
	p.Rules = map[string]alerting.Rule{alerting.TickerSyncTimeout: rule}
}

func work(t testing.TB, s *store.Store) alerting.Work {
	t.Helper()
	all, _, err := s.ClaimRemediations(t.Context(), "me", host, time.Minute)
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}

// end carries the one remediation that waits to its end.
func end(t testing.TB, s *store.Store, status alerting.RemediationStatus, code string) alerting.Remediation {
	t.Helper()
	r := work(t, s).Remediation
	r.Status, r.OrderedAt = alerting.Running, time.Now()
	require.NoError(t, s.SaveRemediation(t.Context(), "me", r, time.Minute))
	r.Status, r.Reason = status, alerting.Reason{Code: code}
	require.NoError(t, s.SaveRemediation(t.Context(), "me", r, 0))
	return r
}

func testClaim(t *testing.T, e Engine) {
	s := e.open(t, listing("one", "two"))
	record(t, s, Event("one"))
	record(t, s, Event("two"))
	all, next, err := s.ClaimRemediations(t.Context(), "me", host, time.Minute)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "one", all[0].Alert.Service)
	require.Equal(t, "one", all[0].Remediation.Container)
	require.Equal(t, alerting.Restart, all[0].Remediation.Action)
	require.WithinDuration(t, time.Now().Add(time.Minute), next, slack, "when the leases end")
	none, _, err := s.ClaimRemediations(t.Context(), "another", host, time.Minute)
	require.NoError(t, err)
	require.Empty(t, none)

	later := all[0].Remediation
	later.NextAt = all[0].Remediation.RequestedAt.Add(10 * time.Second)
	require.NoError(t, s.SaveRemediation(t.Context(), "me", later, 0))
	_, next, err = s.ClaimRemediations(t.Context(), "another", host, time.Minute)
	require.NoError(t, err)
	require.Equal(t, later.NextAt.UnixMicro(), next.UnixMicro(), "given back, due at its own time")
	e.pass(t, 10*time.Second)
	again, _, err := s.ClaimRemediations(t.Context(), "another", host, time.Minute)
	require.NoError(t, err)
	require.Len(t, again, 1)
	require.Equal(t, later.ID, again[0].Remediation.ID)
}

func testLeaseLost(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	mine := work(t, s).Remediation
	e.pass(t, 61*time.Second)
	all, _, err := s.ClaimRemediations(t.Context(), "another", host, time.Minute)
	require.NoError(t, err)
	require.Len(t, all, 1)
	mine.Status = alerting.Running
	require.ErrorIs(t, s.SaveRemediation(t.Context(), "me", mine, time.Minute), alerting.ErrLeaseLost)
	require.Equal(t, alerting.Requested, storyOf(t, s, 1).Remediations[0].Status, "nothing was written")
	require.NoError(t, s.SaveRemediation(t.Context(), "another", mine, time.Minute))
	require.NoError(t, s.ReleaseLeases(t.Context(), "another"))
	require.Equal(t, alerting.Running, work(t, s).Remediation.Status)
}

func testIntent(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	r := work(t, s).Remediation
	at := time.Date(2026, 2, 25, 10, 0, 0, 123456789, time.UTC)
	r.Status, r.ContainerID, r.EngineMark, r.Checks = alerting.Running, "c0ffee", "mark", 3
	r.StartedBefore, r.StartedAfter = at, at.Add(time.Nanosecond)
	r.OrderedAt, r.CallLimit, r.NextAt = at.Truncate(time.Microsecond), at.Add(time.Hour).Truncate(time.Microsecond), at.Add(time.Second).Truncate(time.Microsecond)
	r.Reason = alerting.Reason{Code: "ordered", Detail: container, Until: r.CallLimit}
	require.NoError(t, s.SaveRemediation(t.Context(), "me", r, time.Minute))
	require.Equal(t, r, storyOf(t, s, 1).Remediations[0])
}

func testSuccess(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	end(t, s, alerting.Succeeded, "stable")
	story := storyOf(t, s, 1)
	require.Equal(t, alerting.Resolved, story.Alert.Status)
	require.False(t, story.Alert.ResolvedAt.IsZero())
	require.Contains(t, story.Alert.ActionTaken, container)
	require.Contains(t, story.Alert.ActionTaken, "已恢复")
	last := story.Notifications[len(story.Notifications)-1]
	require.Equal(t, alerting.Outcome, last.Kind)
	require.Equal(t, story.Remediations[0].ID, last.RemediationID)
	require.False(t, story.Remediations[0].EndedAt.IsZero())
	var states []string
	for _, d := range story.Decisions {
		states = append(states, string(d.What))
	}
	require.Equal(t, []string{"event", "remediation", "remediation"}, states)
	none, next, err := s.ClaimRemediations(t.Context(), "me", host, time.Minute)
	require.NoError(t, err)
	require.Empty(t, none)
	require.True(t, next.IsZero())
}

func testFailure(t *testing.T, e Engine) {
	s := e.open(t)
	for _, status := range []alerting.RemediationStatus{alerting.Failed, alerting.UnknownOutcome, alerting.Skipped} {
		receipt := record(t, s, Event(container))
		end(t, s, status, "not_stable")
		story := storyOf(t, s, receipt.AlertID)
		require.Equal(t, alerting.Open, story.Alert.Status)
		require.NotEmpty(t, story.Alert.ActionTaken)
		require.Equal(t, alerting.Outcome, story.Notifications[len(story.Notifications)-1].Kind)
		record(t, s, over(Event(container)))
		e.pass(t, time.Hour)
	}
}

func testSymptomReturned(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	end(t, s, alerting.Succeeded, "stable")
	e.pass(t, 4*time.Minute)
	receipts, err := s.RecordEvents(t.Context(), []alerting.Event{Event(container), Event(container)})
	require.NoError(t, err)
	require.EqualValues(t, 2, receipts[0].AlertID)
	require.Equal(t, "cooldown", receipts[0].NotRemedied.Code)
	require.Equal(t, "cooldown", receipts[1].NotRemedied.Code)
	earlier := storyOf(t, s, 1).Remediations[0]
	require.Equal(t, alerting.Failed, earlier.Status)
	require.Equal(t, "symptom_returned", earlier.Reason.Code)
	require.Contains(t, storyOf(t, s, 2).Decisions[0].Note, "同样的症状再次出现")
}

func testSymptomLater(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	end(t, s, alerting.Succeeded, "stable")
	e.pass(t, 5*time.Minute)
	require.Equal(t, alerting.Requested, record(t, s, Event(container)).RemediationStatus)
	require.Equal(t, alerting.Succeeded, storyOf(t, s, 1).Remediations[0].Status)
}

func testOrphan(t *testing.T, e Engine) {
	s := e.open(t, labelled)
	record(t, s, Event(container))
	e.exec(t, "DELETE FROM alert_records")
	none, _, err := s.ClaimRemediations(t.Context(), "me", host, time.Minute)
	require.NoError(t, err)
	require.Empty(t, none)
	require.Equal(t, []string{"SKIPPED", "alert_gone"}, e.row(t, "SELECT status, reason_code FROM alert_remediations"))
	e.pass(t, time.Hour)
	require.Equal(t, alerting.Requested, record(t, s, Event(container)).RemediationStatus)
}

func testNoWork(t *testing.T, e Engine) {
	commits := 0
	s := e.Open(t, Setup{Policy: Policy, OnCommit: func(store.Commit) { commits++ }})
	none, next, err := s.ClaimRemediations(t.Context(), "me", host, time.Minute)
	require.NoError(t, err)
	require.Empty(t, none)
	require.True(t, next.IsZero())
	_, err = s.Recheck(t.Context())
	require.NoError(t, err)
	require.Zero(t, commits)
}

// The symptom is asked for while a restart proves itself, of the watches of the
// alert's own type and service.
func testSymptomOfWatches(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	claimed := func(status alerting.RemediationStatus) alerting.Symptom {
		w := work(t, s)
		w.Remediation.Status = status
		w.Remediation.NextAt = w.At
		require.NoError(t, s.SaveRemediation(t.Context(), "me", w.Remediation, 0))
		return w.Symptom
	}
	log := func(state alerting.WatchState, service string) {
		require.NoError(t, s.SaveWatch(t.Context(), alerting.WatchMemory{Watch: alerting.Watch{
			Kind: alerting.LogWatch, Name: service, Host: "h", State: state, AlertType: alerting.TickerSyncTimeout, Service: service,
		}}))
	}
	log(alerting.WatchDown, container)
	require.Equal(t, alerting.NoSymptom, claimed(alerting.Running), "nothing was restarted yet")
	claimed(alerting.Verifying)
	require.Equal(t, alerting.SymptomStays, claimed(alerting.Verifying))
	log(alerting.WatchUp, container)
	log(alerting.WatchDown, "another")
	require.Equal(t, alerting.NoSymptom, claimed(alerting.Verifying))

	_, err := s.Ping(t.Context(), alerting.HeartbeatPing{Name: "hb", Signal: alerting.SignalFail, HeartbeatTerms: alerting.HeartbeatTerms{
		Period: time.Minute, AlertType: alerting.TickerSyncTimeout, Service: container,
	}})
	require.NoError(t, err)
	require.Equal(t, alerting.SymptomStays, claimed(alerting.Verifying))
	_, err = s.Ping(t.Context(), alerting.HeartbeatPing{Name: "hb", Signal: alerting.SignalOK})
	require.NoError(t, err)
	require.Equal(t, alerting.NoSymptom, claimed(alerting.Verifying))
}

// A container's own watch tells for each of its alert types.
func testSymptomOfContainers(t *testing.T, e Engine) {
	s := e.open(t, func(p *alerting.Policy) {
		p.Rules[alerting.ContainerUnhealthy] = p.Rules[alerting.TickerSyncTimeout]
	})
	ev := Event(container)
	ev.Type = alerting.ContainerUnhealthy
	record(t, s, ev)
	for state, want := range map[alerting.WatchState]alerting.Symptom{
		alerting.WatchUnhealthy: alerting.SymptomStays, alerting.WatchUp: alerting.NoSymptom, alerting.WatchDown: alerting.NoSymptom,
	} {
		require.NoError(t, s.SaveWatch(t.Context(), alerting.WatchMemory{Watch: alerting.Watch{
			Kind: alerting.ContainerWatch, Name: container, Host: "h", State: state, AlertType: alerting.ContainerDown, Service: container,
		}}))
		w := work(t, s)
		w.Remediation.Status, w.Remediation.NextAt = alerting.Verifying, w.At
		require.NoError(t, s.SaveRemediation(t.Context(), "me", w.Remediation, 0))
		w = work(t, s)
		require.Equal(t, want, w.Symptom, state)
		require.NoError(t, s.SaveRemediation(t.Context(), "me", w.Remediation, 0))
	}
}
