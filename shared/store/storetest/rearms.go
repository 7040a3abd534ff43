package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// rearms holds what people see of breakers and brakes, and do about them.
var rearms = suite{
	"a re-armed breaker lets its alert be acted upon at once":      testRearm,
	"re-arming concerns what the breaker held, and nothing else":   testRearmOthers,
	"a container without a remediation cannot be re-armed":         testRearmUnknown,
	"an open breaker is shown, a closed one is not":                testBreakerShown,
	"a dry run's breaker is shown":                                 testDryBreaker,
	"a container acted on for two types has two budgets":           testTwoBudgets,
	"hosts are shown as their newest process said":                 testHostsShown,
	"a released brake ends its alarm and frees what it held":       testRelease,
	"a brake that a person released does not engage at once":       testReleaseLasts,
	"a brake is released by its id, or by a name that is its own":  testReleaseByName,
	"a brake that does not hold cannot be released":                testReleaseNothing,
	"the end of a brake is told once, when its time is over":       testBrakeOver,
	"a brake that was engaged anew is not over":                    testBrakeAnew,
	"a rehearsal answers as the order would, and stores nothing":   testRehearse,
	"a rehearsal names the live hosts that have the container":     testRehearseHosts,
	"the ledger of dry runs tells what became of each alert":       testDryRunLedger,
	"the outcomes of remediations are counted":                     testOutcomes,
	"the counts of outcomes survive retention, SQL by hand, a gap": testOutcomesMended,
}

func stateOf(t testing.TB, s *store.Store) alerting.RemediationState {
	t.Helper()
	state, err := s.RemediationState(t.Context())
	require.NoError(t, err)
	return state
}

// spend uses a container's budget up by restarts that failed, without their
// ladder's own rechecks.
func spend(t testing.TB, e Engine, s *store.Store) {
	t.Helper()
	for range 3 {
		restarted(t, s, alerting.Failed)
		e.pass(t, 6*time.Minute)
	}
	require.Equal(t, "budget", record(t, s, Event(container)).NotRemedied.Code)
}

func testRearm(t *testing.T, e Engine) {
	woken := 0
	s := e.Open(t, Setup{Policy: Policy, OnCommit: func(c store.Commit) {
		if c.Remedies {
			woken++
		}
	}})
	spend(t, e, s)
	woken = 0
	done, err := s.Rearm(t.Context(), container, "li")
	require.NoError(t, err)
	require.Equal(t, 1, woken, "the loop is woken")
	require.Equal(t, []int64{1}, done.Alerts)
	require.Equal(t, []string{container, "li"}, []string{done.Container, done.By})
	require.Equal(t, []string{container, "li"}, e.row(t, "SELECT container, rearmed_by FROM alert_rearms"))
	line := last(storyOf(t, s, 1).Decisions)
	require.Equal(t, alerting.WhatRemediation, line.What)
	require.Contains(t, line.Text(alerting.Chinese), "由 li 复位熔断")
	require.Contains(t, line.Text(alerting.English), "re-armed by li")

	_, err = s.Recheck(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, active(t, e))
	require.Equal(t, "requested", last(storyOf(t, s, 1).Decisions).Remedy.Code)
	require.Empty(t, stateOf(t, s).Breakers)

	e.pass(t, time.Second)
	again, err := s.Rearm(t.Context(), container, strings.Repeat("名", 300))
	require.NoError(t, err, "twice is no mistake")
	require.Equal(t, strings.Repeat("名", 100), again.By)
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_rearms"))
}

func last[T any](list []T) *T { return &list[len(list)-1] }

// testRearmOthers: an alert that is over, one that waits for something else, and
// one of another container stay as they are.
func testRearmOthers(t *testing.T, e Engine) {
	s := e.open(t, listing(container, "other"), labelled)
	shard := func(n int) alerting.Event {
		ev := Event(container)
		ev.Metadata = fmt.Appendf(nil, `{"shard":"%d"}`, n)
		return ev
	}
	require.Equal(t, alerting.Requested, record(t, s, shard(1)).RemediationStatus)
	end(t, s, alerting.Failed, "not_stable")
	require.Equal(t, "cooldown", record(t, s, shard(2)).NotRemedied.Code)
	require.Equal(t, "cooldown", record(t, s, shard(3)).NotRemedied.Code)
	record(t, s, over(shard(3)))
	record(t, s, Event("other"))
	end(t, s, alerting.UnknownOutcome, "call_timeout")
	before := e.row(t, "SELECT trail_seq, recheck_us FROM alert_records WHERE service_name = 'other'")

	done, err := s.Rearm(t.Context(), container, "li")
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2}, done.Alerts)
	require.Equal(t, before, e.row(t, "SELECT trail_seq, recheck_us FROM alert_records WHERE service_name = 'other'"))
	require.Equal(t, alerting.Resolved, storyOf(t, s, 3).Alert.Status)
	unknown, err := s.Rearm(t.Context(), "other", "li")
	require.NoError(t, err)
	require.Empty(t, unknown.Alerts, "an unknown outcome is left to people")
}

func testRearmUnknown(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	for _, name := range []string{"", "nobody", strings.ToUpper(container), container + "/x", container + "' OR '1'='1", "%", strings.Repeat("x", 5000), "容器", "a\x00b"} {
		_, err := s.Rearm(t.Context(), name, "li")
		require.ErrorIs(t, err, alerting.ErrNotFound, "%.40q", name)
	}
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_rearms"))
}

func testBreakerShown(t *testing.T, e Engine) {
	s := e.open(t)
	require.Equal(t, alerting.Auto, stateOf(t, s).Mode)
	restarted(t, s, alerting.Failed)
	require.Empty(t, stateOf(t, s).Breakers)
	e.pass(t, 6*time.Minute)
	restarted(t, s, alerting.Succeeded)
	e.pass(t, 6*time.Minute)
	restarted(t, s, alerting.Succeeded)
	state := stateOf(t, s)
	require.Len(t, state.Breakers, 1)
	b := state.Breakers[0]
	require.WithinDuration(t, time.Now().Add(48*time.Minute), b.Until, slack)
	b.Until = time.Time{}
	require.Equal(t, alerting.Breaker{Container: container, Restarts: 3, Budget: 3, Per: time.Hour, AlertID: 2}, b)
	e.pass(t, 49*time.Minute)
	require.Empty(t, stateOf(t, s).Breakers, "it closed by itself")
	e.exec(t, "DELETE FROM alert_records")
	require.Empty(t, stateOf(t, s).Breakers)
}

// dryRun records an event and lets its action be forbidden by the mode.
func dryRun(t testing.TB, s *store.Store, ev alerting.Event) {
	t.Helper()
	require.Equal(t, alerting.Requested, record(t, s, ev).RemediationStatus)
	require.Equal(t, "dry_run", intend(t, s).Code)
}

func dry(p *alerting.Policy) { p.Mode = alerting.DryRun }

func testDryBreaker(t *testing.T, e Engine) {
	s := e.open(t, dry)
	for range 3 {
		dryRun(t, s, Event(container))
		e.pass(t, 6*time.Minute)
	}
	state := stateOf(t, s)
	require.Equal(t, alerting.DryRun, state.Mode)
	require.Len(t, state.Breakers, 1)
	require.Equal(t, 3, state.Breakers[0].Restarts)
	require.Equal(t, "last line", *last(storyOf(t, s, 1).Remediations[0].Evidence.Lines))
	require.Empty(t, stateOf(t, e.open(t)).Breakers, "what was not done counts in a dry run only")
}

func testTwoBudgets(t *testing.T, e Engine) {
	s := e.open(t, func(p *alerting.Policy) {
		strict := p.Rule(alerting.TickerSyncTimeout)
		strict.Guard.Budget, strict.Guard.Per, strict.Guard.Cooldown = 2, 3*time.Hour, 0
		loose := strict
		loose.Guard.Budget = 5
		p.Rules = map[string]alerting.Rule{"STRICT": strict, "LOOSE": loose}
	})
	act := func(kind string) {
		ev := Event(container)
		ev.Type = kind
		require.Equal(t, alerting.Requested, record(t, s, ev).RemediationStatus)
		end(t, s, alerting.Succeeded, "stable")
	}
	act("LOOSE")
	e.pass(t, 30*time.Minute)
	act("LOOSE")
	require.Empty(t, stateOf(t, s).Breakers, "two of five")
	e.pass(t, 2*time.Hour+35*time.Minute) // the first no longer counts
	act("STRICT")
	require.Len(t, stateOf(t, s).Breakers, 1, "two of two")
	require.Equal(t, 2, stateOf(t, s).Breakers[0].Budget)
}

func testHostsShown(t *testing.T, e Engine) {
	s := e.open(t)
	runner := func(owner, host string, reachable int, containers string, ago time.Duration) {
		e.exec(t, "INSERT INTO alert_runners (owner, host, host_name, mode, reachable, containers, seen_us) VALUES (?, ?, ?, 'auto', ?, ?, ?)",
			owner, host, strings.ToUpper(host), reachable, containers, time.Now().Add(-ago).UnixMicro())
	}
	runner("b1", "b", 1, `["x"]`, time.Hour)
	runner("b2", "b", 0, `["y","z"]`, 0)
	runner("a1", "a", 1, `no list`, time.Minute)
	hosts := stateOf(t, s).Hosts
	require.Len(t, hosts, 2)
	require.Equal(t, alerting.Host{ID: "a", Name: "A"}, hosts[0].Host)
	require.Empty(t, hosts[0].Containers)
	require.False(t, hosts[0].Live)
	require.True(t, hosts[1].Live)
	require.Equal(t, []string{"y", "z"}, hosts[1].Containers)
	require.False(t, hosts[1].Reachable)
	require.WithinDuration(t, time.Now(), hosts[1].SeenAt, slack)
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

func testRehearse(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, plainEvent("a"))
	record(t, s, Event(container))
	record(t, s, Event("somebody-elses"))
	record(t, s, Event("not a container name"))
	const counts = "SELECT (SELECT COUNT(*) FROM alert_remediations), (SELECT COUNT(*) FROM alert_decisions), (SELECT SUM(times) FROM alert_decisions), (SELECT SUM(trail_seq) FROM alert_records), (SELECT SUM(updated_us) FROM alert_records)"
	before := e.row(t, counts)
	for id, code := range map[int64]string{1: "no_action", 2: "under_way", 3: "not_allowed", 4: "bad_target"} {
		plan, err := s.Rehearse(t.Context(), id, "li")
		require.NoError(t, err)
		_, ordered := s.Handle(t.Context(), id, "li")
		var refused *alerting.RefusedError
		require.ErrorAs(t, ordered, &refused)
		require.Equal(t, refused.Reason, plan.Reason, "as the order")
		require.Equal(t, code, plan.Reason.Code)
	}
	_, err := s.Rehearse(t.Context(), 99, "li")
	require.ErrorIs(t, err, alerting.ErrNotFound)
	require.Equal(t, before, e.row(t, counts))
	end(t, s, alerting.Failed, "not_stable")
	plan, err := s.Rehearse(t.Context(), 2, "li")
	require.NoError(t, err)
	require.True(t, plan.Reason.IsZero(), "no cooldown holds a person")
	require.Equal(t, alerting.Restart, plan.Action)
	require.Equal(t, container, plan.Container)
}

func testRehearseHosts(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, plainEvent("a"))
	record(t, s, Event(container))
	for owner, at := range map[string]time.Time{"live": time.Now(), "dead": time.Now().Add(-time.Hour)} {
		e.exec(t, "INSERT INTO alert_runners (owner, host, host_name, mode, reachable, containers, seen_us) VALUES (?, ?, ?, 'auto', 1, ?, ?)", owner, owner, owner, `["x","`+container+`"]`, at.UnixMicro())
	}
	e.exec(t, "INSERT INTO alert_runners (owner, host, host_name, mode, reachable, containers, seen_us) VALUES ('empty', 'empty', 'empty', 'auto', 1, '[]', ?)", time.Now().UnixMicro())
	plan, err := s.Rehearse(t.Context(), 2, "li")
	require.NoError(t, err)
	require.Equal(t, alerting.Host{ID: "live", Name: "live"}, plan.Host)
}

// testDryRunLedger: one alert of each fate.
func testDryRunLedger(t *testing.T, e Engine) {
	names := []string{"itself", "resolved", "handled", "open", "acted", "taken"}
	s := e.open(t, dry, listing(names...))
	ledger := func() alerting.DryRunLedger {
		l, err := s.DryRunLedger(t.Context())
		require.NoError(t, err)
		return l
	}
	require.Equal(t, alerting.DryRunLedger{}, ledger())
	ids := map[string]int64{}
	for _, name := range names {
		ids[name] = record(t, s, Event(name)).AlertID
		require.Equal(t, "dry_run", intend(t, s).Code)
	}
	require.Equal(t, alerting.DryRunLedger{WouldAct: 6, StillOpen: 6}, ledger())

	record(t, s, over(Event("itself")))
	_, err := s.Resolve(t.Context(), ids["resolved"], "li")
	require.NoError(t, err)
	_, err = s.Handle(t.Context(), ids["handled"], "li")
	require.NoError(t, err)
	require.Equal(t, "dry_run", intend(t, s).Code)
	record(t, s, over(Event("handled")))
	_, err = s.Acknowledge(t.Context(), ids["taken"], "li")
	require.NoError(t, err)
	e.pass(t, 6*time.Minute)
	earnest := e.open(t, listing(names...))
	require.Equal(t, alerting.Requested, record(t, earnest, Event("acted")).RemediationStatus)
	require.Empty(t, intend(t, earnest).Code)
	s = earnest
	require.Equal(t, alerting.DryRunLedger{WouldAct: 5, RecoveredByItself: 1, HandledByPerson: 2, StillOpen: 2}, ledger(), "what was acted upon later is no dry run")
}

func counted(t testing.TB, s *store.Store) []alerting.RemediationCount {
	t.Helper()
	stats, err := s.Stats(t.Context())
	require.NoError(t, err)
	return stats.Remediations
}

func testOutcomes(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event("somebody-elses"))
	restarted(t, s, alerting.Succeeded)
	require.Equal(t, []alerting.RemediationCount{{Action: alerting.Restart, Status: alerting.Skipped, N: 1}, {Action: alerting.Restart, Status: alerting.Succeeded, N: 1}}, counted(t, s))
	record(t, s, Event(container)) // the symptom came back, and a cooldown holds
	want := []alerting.RemediationCount{{Action: alerting.Restart, Status: alerting.Failed, N: 1}, {Action: alerting.Restart, Status: alerting.Skipped, N: 2}}
	require.Equal(t, want, counted(t, s))
	require.NoError(t, s.Recount(t.Context()))
	require.Equal(t, want, counted(t, s), "they are what there is")
	e.pass(t, 6*time.Minute)
	record(t, s, Event(container))
	require.Equal(t, want, counted(t, s), "what is under way has not come to anything")
}

func testOutcomesMended(t *testing.T, e Engine) {
	s := e.open(t)
	restarted(t, s, alerting.Succeeded)
	e.pass(t, 100*24*time.Hour)
	e.exec(t, "UPDATE alert_notifications SET status = 'SENT'")
	e.exec(t, "UPDATE alert_records SET created_at = '2020-01-01 00:00:00', updated_at = '2020-01-01 00:00:00'")
	restarted(t, s, alerting.Failed)
	n, err := s.ForgetAlerts(t.Context(), 24*time.Hour)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	want := []alerting.RemediationCount{{Action: alerting.Restart, Status: alerting.Failed, N: 1}}
	require.Equal(t, want, counted(t, s))
	e.exec(t, "DELETE FROM alert_totals WHERE scope = 'H'") // as an upgrade finds it
	require.Empty(t, counted(t, s))
	require.NoError(t, s.Recount(t.Context()))
	require.Equal(t, want, counted(t, s))
}
