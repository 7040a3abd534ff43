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

// rearms holds what people see of breakers, and do about them.
var rearms = suite{
	"a re-armed breaker lets its alert be acted upon at once":    testRearm,
	"re-arming concerns what the breaker held, and nothing else": testRearmOthers,
	"a container without a remediation cannot be re-armed":       testRearmUnknown,
	"an open breaker is shown, a closed one is not":              testBreakerShown,
	"a dry run's breaker is shown":                               testDryBreaker,
	"a container acted on for two types has two budgets":         testTwoBudgets,
	"hosts are shown as their newest process said":               testHostsShown,
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
