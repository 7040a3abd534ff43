package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// repeats holds what must not come again and again, whatever a container does.
var repeats = suite{
	"a start of what runs already and is not well is not asked for at once again": testStartOfWhatRuns,
	"what is just starting, again and again, is told once":                        testStartingForEver,
	"a container of another host is one at a time, too":                           testElsewhereOneActive,
	"a dry run takes no step of a ladder that is in earnest":                      testDryRunIsNoStep,
}

// starting lets the ticker's alert start its container.
func starting(p *alerting.Policy) {
	rule := p.Rule(alerting.TickerSyncTimeout)
	rule.Action = alerting.Start
	p.Rules[alerting.TickerSyncTimeout] = rule
}

// again lets the loop decide what is due, and tells whether a remediation waits.
func again(t testing.TB, s *store.Store, e Engine) bool {
	t.Helper()
	_, err := s.Recheck(t.Context())
	require.NoError(t, err)
	return active(t, e) > 0
}

func testStartOfWhatRuns(t *testing.T, e Engine) {
	s := e.open(t, starting)
	record(t, s, Event(container))
	tries := 0
	for range 60 { // an hour
		for range 5 {
			if !again(t, s, e) {
				break
			}
			// It runs: nothing is ordered, and its health check fails.
			tries++
			r := work(t, s).Remediation
			r.Status, r.Host, r.StartedAfter = alerting.Verifying, host.ID, time.Now().Add(-time.Hour)
			require.NoError(t, s.SaveRemediation(t.Context(), "me", r, 0))
			r = work(t, s).Remediation
			r.Status, r.Reason = alerting.Failed, alerting.Reason{Code: "unhealthy", Detail: "unhealthy"}
			require.NoError(t, s.SaveRemediation(t.Context(), "me", r, 0))
		}
		e.pass(t, time.Minute)
	}
	require.LessOrEqual(t, tries, 3, "the budget")
}

func testStartingForEver(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	for i := range 8 {
		require.True(t, again(t, s, e), i)
		why := intend(t, s, func(i *alerting.Intent) {
			c := i.Facts.Container
			c.StartedAt, c.FinishedAt = i.Facts.Now.Add(-time.Duration(i.Remediation.ID)*time.Second), i.Facts.Now.Add(-11*time.Second)
		})
		require.Equal(t, "starting", why.Code)
		e.pass(t, 30*time.Second)
	}
	require.EqualValues(t, 1, outcomes(t, e))
}

func testElsewhereOneActive(t *testing.T, e Engine) {
	s := e.open(t, listing(), func(p *alerting.Policy) { p.Elsewhere = []string{container} })
	require.Equal(t, alerting.Requested, record(t, s, Event(container)).RemediationStatus)
	require.Equal(t, "under_way", record(t, s, Event(container)).NotRemedied.Code)
	end(t, s, alerting.Failed, "not_stable")
	require.Equal(t, "cooldown", record(t, s, Event(container)).NotRemedied.Code)
}

func testDryRunIsNoStep(t *testing.T, e Engine) {
	mode := alerting.DryRun
	s := e.open(t, func(p *alerting.Policy) {
		p.Mode = mode
		rule := p.Rule(alerting.TickerSyncTimeout)
		rule.Ladder = []alerting.Action{alerting.Restart, alerting.Escalate}
		p.Rules[alerting.TickerSyncTimeout] = rule
	})
	record(t, s, Event(container))
	require.Equal(t, "dry_run", intend(t, s).Code)
	e.pass(t, 6*time.Minute)
	require.Equal(t, "ladder_end", record(t, s, Event(container)).NotRemedied.Code)
	mode = alerting.Auto
	e.pass(t, time.Minute)
	require.Equal(t, alerting.Requested, record(t, s, Event(container)).RemediationStatus, "nothing was done yet")
	require.Zero(t, work(t, s).Remediation.Rung)
}
