package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// brakes holds how a host's brake ends, by its time or by a person.
var brakes = suite{
	"a released brake ends its alarm and frees what it held":      testRelease,
	"a brake that a person released does not engage at once":      testReleaseLasts,
	"a brake is released by its id, or by a name that is its own": testReleaseByName,
	"a brake that does not hold cannot be released":               testReleaseNothing,
	"the end of a brake is told once, when its time is over":      testBrakeOver,
	"a brake that was engaged anew is not over":                   testBrakeAnew,
}

// braked makes three containers of a host fail at once: the third is held.
func braked(t testing.TB, s *store.Store, on alerting.Host, names ...string) {
	t.Helper()
	for i, name := range names {
		require.Equal(t, alerting.Requested, record(t, s, Event(name)).RemediationStatus)
		want := ""
		if i == len(names)-1 {
			want = "brake"
		}
		require.Equal(t, want, intendFor(t, s, on, name).Code, name)
	}
}

// intendFor is intend where others are under way.
func intendFor(t testing.TB, s *store.Store, on alerting.Host, name string) alerting.Reason {
	t.Helper()
	all, _, err := s.ClaimRemediations(t.Context(), "me", on, time.Minute)
	require.NoError(t, err)
	for _, w := range all {
		if w.Remediation.Container != name || w.Remediation.Status != alerting.Requested {
			continue
		}
		i := intent(w)
		i.Host, i.Remediation.NextAt = on, w.At.Add(time.Hour)
		refused, err := s.Intend(t.Context(), "me", i, time.Hour)
		require.NoError(t, err)
		return refused
	}
	t.Fatalf("nothing is requested of %s", name)
	return alerting.Reason{}
}

func brakeAlerts(t testing.TB, s *store.Store, status alerting.AlertStatus) []alerting.Alert {
	t.Helper()
	page, err := s.ListAlerts(t.Context(), alerting.Filter{Type: alerting.RemediationBrake, Status: status, PageSize: 10})
	require.NoError(t, err)
	return page.Alerts
}

func testRelease(t *testing.T, e Engine) {
	s := e.open(t, listing("one", "two", "three"))
	braked(t, s, host, "one", "two", "three")
	require.Len(t, brakeAlerts(t, s, alerting.Open), 1)
	shown := stateOf(t, s).Brakes
	require.Len(t, shown, 1)
	require.True(t, shown[0].Engaged(stateOf(t, s).At))
	require.Equal(t, []string{"one", "three", "two"}, shown[0].Containers)

	done, err := s.ReleaseBrake(t.Context(), host.ID, "li")
	require.NoError(t, err)
	require.Equal(t, host, done.Host)
	require.Equal(t, []int64{3}, done.Alerts, "what the brake held")
	require.Empty(t, brakeAlerts(t, s, alerting.Open))
	over := brakeAlerts(t, s, alerting.Resolved)
	require.Len(t, over, 1)
	require.Equal(t, alerting.Over, last(storyOf(t, s, over[0].ID).Notifications).Kind)
	after := stateOf(t, s).Brakes[0]
	require.False(t, after.Engaged(stateOf(t, s).At))
	require.Equal(t, "li", after.ReleasedBy)
	require.Contains(t, last(storyOf(t, s, 3).Decisions).Text(alerting.Chinese), "由 li 解除刹车")

	next, err := s.Recheck(t.Context())
	require.NoError(t, err)
	require.True(t, next.IsZero(), "its end was told already")
	require.Equal(t, "requested", last(storyOf(t, s, 3).Decisions).Remedy.Code)
	require.Len(t, storyOf(t, s, over[0].ID).Notifications, 2, "told once")
}

func testReleaseLasts(t *testing.T, e Engine) {
	s := e.open(t, listing("one", "two", "three", "four", "five"))
	braked(t, s, host, "one", "two", "three")
	e.pass(t, time.Second)
	_, err := s.ReleaseBrake(t.Context(), host.ID, "li")
	require.NoError(t, err)
	e.pass(t, time.Second)
	_, err = s.Recheck(t.Context())
	require.NoError(t, err)
	require.Empty(t, intendFor(t, s, host, "three").Code, "the person who released it has looked")
	record(t, s, Event("four"))
	require.Empty(t, intendFor(t, s, host, "four").Code)
	record(t, s, Event("five"))
	require.Equal(t, "brake", intendFor(t, s, host, "five").Code, "three more since")
	require.Len(t, brakeAlerts(t, s, alerting.Open), 1, "a new alarm")
}

func testReleaseByName(t *testing.T, e Engine) {
	s := e.open(t, listing("one", "two", "three"))
	braked(t, s, host, "one", "two", "three")
	e.exec(t, "INSERT INTO alert_brakes (host, host_name, engaged_us, until_us, containers) VALUES ('another', ?, 0, 0, '')", host.Name)
	e.exec(t, "INSERT INTO alert_brakes (host, host_name, engaged_us, until_us, containers) VALUES ('twin', ?, 1, ?, '')", host.Name, time.Now().Add(time.Hour).UnixMicro())
	var refused *alerting.RefusedError
	_, err := s.ReleaseBrake(t.Context(), host.Name, "li")
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "which_host", refused.Reason.Code)
	_, err = s.ReleaseBrake(t.Context(), "twin", "li")
	require.NoError(t, err)
	done, err := s.ReleaseBrake(t.Context(), host.Name, "li")
	require.NoError(t, err)
	require.Equal(t, host, done.Host, "one alone holds")
}

func testReleaseNothing(t *testing.T, e Engine) {
	s := e.open(t, listing("one"))
	for _, name := range []string{"", "nobody", host.ID + "/x", "%", strings.Repeat("x", 5000), "' OR '1'='1"} {
		_, err := s.ReleaseBrake(t.Context(), name, "li")
		require.ErrorIs(t, err, alerting.ErrNotFound, "%.40q", name)
	}
	record(t, s, Event("one"))
	require.Empty(t, intend(t, s).Code)
	require.Empty(t, stateOf(t, s).Brakes, "it was never engaged")
	_, err := s.ReleaseBrake(t.Context(), host.ID, "li")
	var refused *alerting.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "brake_off", refused.Reason.Code)
}

func testBrakeOver(t *testing.T, e Engine) {
	s := e.open(t, listing("one", "two", "three"))
	braked(t, s, host, "one", "two", "three")
	next, err := s.Recheck(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(10*time.Minute), next, slack)
	e.exec(t, "DELETE FROM alert_rechecks")
	next, err = s.Recheck(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(10*time.Minute), next, slack, "the brake alone wakes the loop")
	require.Len(t, brakeAlerts(t, s, alerting.Open), 1)

	e.pass(t, 10*time.Minute+time.Second)
	failed := make(chan error, 3)
	for range 3 {
		go func() { _, err := s.Recheck(t.Context()); failed <- err }()
	}
	for range 3 {
		require.NoError(t, <-failed)
	}
	over := brakeAlerts(t, s, alerting.Resolved)
	require.Len(t, over, 1)
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE kind = 'RESOLVED' AND alert_id = ?", over[0].ID))
	next, err = s.Recheck(t.Context())
	require.NoError(t, err)
	require.True(t, next.IsZero())
	require.Empty(t, stateOf(t, s).Brakes[0].ReleasedBy)
}

func testBrakeAnew(t *testing.T, e Engine) {
	s := e.open(t, listing("one", "two", "three", "four"))
	braked(t, s, host, "one", "two", "three")
	e.pass(t, 11*time.Minute)
	e.exec(t, "UPDATE alert_remediations SET ordered_us = ? WHERE ordered_us IS NOT NULL", time.Now().UnixMicro())
	record(t, s, Event("four"))
	require.Equal(t, "brake", intendFor(t, s, host, "four").Code)
	next, err := s.Recheck(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(10*time.Minute), next, 15*time.Minute)
	require.Len(t, brakeAlerts(t, s, alerting.Open), 1)
	require.Empty(t, brakeAlerts(t, s, alerting.Resolved))
}
