package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// hosts holds what runners on several engines owe each other, whichever process
// asks.
var hosts = suite{
	"a runner is known while it says so, and its host for a day":    testRunners,
	"a remediation is its host's, and others' do not hide it":       testOnlyItsHost,
	"a name that two hosts have is refused, and told once":          testTwoHosts,
	"… unless the policy names the host":                            testNamedHost,
	"a container that no host has is somebody's at once to end":     testNoHost,
	"what nobody takes is told when its time is over":               testUnclaimed,
	"a runner that is back in time takes what waited":               testBackInTime,
	"what a host has begun is its own, and unknown when it is gone": testHostAway,
	"a step that is leased or planned is not ended":                 testNotExpired,
	"an order is told by the container's id":                        testOrderedByID,
	"a restart is proven by the watches of its host":                testSymptomOfHost,
	"without runners one process is all there is":                   testNoRunners,
}

func hostNamed(name string) alerting.Host {
	return alerting.Host{ID: "engine-of-" + name + "/" + name, Name: name}
}

// on registers a runner of a host, which has the containers.
func on(t testing.TB, s *store.Store, name string, containers ...string) alerting.Host {
	t.Helper()
	h := hostNamed(name)
	require.NoError(t, s.RegisterRunner(t.Context(), alerting.Runner{Owner: "on " + name, Host: h, Mode: alerting.Auto, Reachable: true, Containers: containers}))
	return h
}

// takes tells what the runner of a host claims.
func takes(t testing.TB, s *store.Store, name string) (containers []string) {
	t.Helper()
	work, _, err := s.ClaimRemediations(t.Context(), "on "+name, hostNamed(name), time.Minute)
	require.NoError(t, err)
	for _, w := range work {
		containers = append(containers, w.Remediation.Container)
	}
	return containers
}

// expired lets somebody without an engine look, as the cloud does.
func expired(t testing.TB, s *store.Store) time.Time {
	t.Helper()
	next, err := s.ExpireRemediations(t.Context())
	require.NoError(t, err)
	return next
}

func endOf(t testing.TB, s *store.Store, alert int64) string {
	t.Helper()
	all := storyOf(t, s, alert).Remediations
	r := all[len(all)-1]
	return string(r.Status) + " " + r.Reason.Code
}

// outcomes is how often people were told what a remediation came to.
func outcomes(t testing.TB, e Engine) int64 {
	return e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE kind = 'OUTCOME'")
}

func testRunners(t *testing.T, e Engine) {
	s := e.open(t)
	on(t, s, "a", "x", "y")
	on(t, s, "b")
	on(t, s, "a", "z")
	all, err := s.Runners(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.WithinDuration(t, time.Now(), all[0].SeenAt, slack)
	all[0].SeenAt = time.Time{}
	require.Equal(t, alerting.Runner{Owner: "on a", Host: hostNamed("a"), Mode: alerting.Auto, Reachable: true, Containers: []string{"z"}}, all[0])
	require.Empty(t, all[1].Containers)

	require.NoError(t, s.RetireRunner(t.Context(), "on a"))
	require.NoError(t, s.RetireRunner(t.Context(), "nobody"))
	all, err = s.Runners(t.Context())
	require.NoError(t, err)
	now, err := s.Clock(t.Context())
	require.NoError(t, err)
	require.False(t, all[0].Live(now))
	require.Equal(t, []string{"z"}, all[0].Containers, "what it had is still known")
	require.True(t, all[1].Live(now))

	e.pass(t, alerting.RunnerKept)
	on(t, s, "c")
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_runners"), "those of a week ago are forgotten")

	e.exec(t, "UPDATE alert_runners SET containers = 'by hand'")
	all, err = s.Runners(t.Context())
	require.NoError(t, err)
	require.False(t, all[0].Reachable, "what it has cannot be read, so it is not known")
}

func testOnlyItsHost(t *testing.T, e Engine) {
	names := []string{"mine"}
	for i := range 120 {
		names = append(names, fmt.Sprint("other-", i))
	}
	s := e.open(t, listing(names...), silentWords)
	on(t, s, "b", names[1:]...)
	on(t, s, "a", "mine")
	for _, name := range names[1:] {
		record(t, s, Event(name))
	}
	record(t, s, Event("mine"))
	require.Equal(t, []string{"mine"}, takes(t, s, "a"))
	require.Empty(t, takes(t, s, "a"))
	require.Equal(t, names[1:51], takes(t, s, "b"), "so many at a time")
	require.Equal(t, names[51:101], takes(t, s, "b"))
}

// silentWords tells nobody, and restarts all the same.
func silentWords(p *alerting.Policy) { p.Fallback = "" }

func testTwoHosts(t *testing.T, e Engine) {
	s := e.open(t)
	on(t, s, "a", container)
	on(t, s, "b", container)
	record(t, s, Event(container))
	expired(t, s)
	require.Equal(t, alerting.Requested, storyOf(t, s, 1).Remediations[0].Status, "who has no engine leaves it to those who have")
	require.Empty(t, takes(t, s, "b"))
	story := storyOf(t, s, 1)
	r := story.Remediations[0]
	require.Equal(t, "SKIPPED two_hosts a, b", string(r.Status)+" "+r.Reason.Code+" "+r.Reason.Detail)
	require.Contains(t, story.Alert.ActionTaken, "多台主机（a, b）")
	require.EqualValues(t, 1, outcomes(t, e))
	require.EqualValues(t, 0, active(t, e), "the container is free")

	require.Empty(t, takes(t, s, "a"))
	record(t, s, Event(container)) // it goes on
	require.Empty(t, takes(t, s, "a"))
	e.pass(t, 5*time.Minute)
	on(t, s, "a", container)
	on(t, s, "b", container)
	require.Equal(t, alerting.Requested, record(t, s, Event(container)).RemediationStatus)
	require.Empty(t, takes(t, s, "a"))
	require.Equal(t, "SKIPPED two_hosts", endOf(t, s, 1))
	require.EqualValues(t, 1, outcomes(t, e), "people were told of it")
}

func onHost(name string) func(*alerting.Policy) {
	return func(p *alerting.Policy) {
		rule := p.Rule(alerting.TickerSyncTimeout)
		rule.Host = name
		p.Rules = map[string]alerting.Rule{alerting.TickerSyncTimeout: rule}
	}
}

func testNamedHost(t *testing.T, e Engine) {
	s := e.open(t, onHost("b"))
	on(t, s, "a", container)
	on(t, s, "b", container)
	record(t, s, Event(container))
	require.Empty(t, takes(t, s, "a"))
	require.Equal(t, []string{container}, takes(t, s, "b"))
}

func testNoHost(t *testing.T, e Engine) {
	s := e.open(t)
	on(t, s, "a")
	on(t, s, "b")
	record(t, s, Event(container))
	require.Empty(t, takes(t, s, "a"), "what they said before it was asked says nothing")
	on(t, s, "a")
	require.Empty(t, takes(t, s, "a"))
	on(t, s, "b")
	require.Equal(t, []string{container}, takes(t, s, "a"), "to find that there is none")
	require.Empty(t, takes(t, s, "b"), "one of them is enough")
}

func testUnclaimed(t *testing.T, e Engine) {
	s := e.open(t)
	on(t, s, "a", container)
	require.NoError(t, s.RetireRunner(t.Context(), "on a"))
	for name, look := range map[string]func(){
		"another host": func() { on(t, s, "b"); require.Empty(t, takes(t, s, "b")) },
		"the cloud":    func() { expired(t, s) },
	} {
		e.exec(t, "UPDATE alert_runners SET seen_us = 0 WHERE owner = 'on b'")
		before := outcomes(t, e)
		receipt := record(t, s, Event(container))
		require.Equal(t, alerting.Requested, receipt.RemediationStatus, name)
		look()
		require.Equal(t, "REQUESTED policy_ladder", endOf(t, s, receipt.AlertID), name)
		e.pass(t, 119*time.Second)
		look()
		require.Equal(t, "REQUESTED policy_ladder", endOf(t, s, receipt.AlertID), name)
		e.pass(t, time.Second)
		look()
		look()
		require.Equal(t, "SKIPPED unclaimed", endOf(t, s, receipt.AlertID), name)
		require.Contains(t, storyOf(t, s, receipt.AlertID).Alert.ActionTaken, "主机 a 上曾有该容器", name)
		require.Equal(t, before+1, outcomes(t, e), name)
		record(t, s, over(Event(container)))
		e.pass(t, time.Hour)
	}
}

func testBackInTime(t *testing.T, e Engine) {
	s := e.open(t)
	on(t, s, "a", container)
	on(t, s, "b")
	e.pass(t, time.Minute)
	on(t, s, "b")
	record(t, s, Event(container))
	next := expired(t, s)
	require.Zero(t, next, "b is at work and sees to it")
	require.Empty(t, takes(t, s, "b"))
	e.pass(t, time.Minute)
	on(t, s, "a", container)
	require.Equal(t, []string{container}, takes(t, s, "a"))
	e.pass(t, time.Hour)
	on(t, s, "b")
	require.Equal(t, "REQUESTED policy_ladder", endOf(t, s, 1))
}

// begin stores an intent on a host.
func begin(t testing.TB, s *store.Store, name string) alerting.Remediation {
	t.Helper()
	work, _, err := s.ClaimRemediations(t.Context(), "on "+name, hostNamed(name), time.Minute)
	require.NoError(t, err)
	require.Len(t, work, 1)
	r := work[0].Remediation
	r.Status, r.Reason, r.OrderedAt, r.CallLimit = alerting.Running, alerting.Reason{Code: "ordered"}, work[0].At, work[0].At.Add(40*time.Second)
	r.ContainerID, r.NextAt, r.Host = "id on "+name, work[0].At, hostNamed(name).ID
	require.NoError(t, s.SaveRemediation(t.Context(), "on "+name, r, 70*time.Second))
	return r
}

func testHostAway(t *testing.T, e Engine) {
	s := e.open(t)
	on(t, s, "a", container)
	record(t, s, Event(container))
	begin(t, s, "a")
	e.pass(t, 9*time.Minute)
	on(t, s, "b", container)
	require.Empty(t, takes(t, s, "b"), "only its engine can tell")
	e.pass(t, time.Minute)
	on(t, s, "b", container)
	require.Empty(t, takes(t, s, "b"))
	require.Equal(t, "RUNNING ordered", endOf(t, s, 1), "its call may have lasted 40 s")
	e.pass(t, 41*time.Second)
	on(t, s, "b", container)
	require.Empty(t, takes(t, s, "b"))
	require.Equal(t, "UNKNOWN host_away", endOf(t, s, 1))
	require.EqualValues(t, 1, outcomes(t, e))

	// One that is back in time finds out itself.
	e.pass(t, time.Hour)
	record(t, s, over(Event(container)))
	on(t, s, "a", container)
	require.NoError(t, s.RetireRunner(t.Context(), "on b"))
	again := record(t, s, Event(container))
	begin(t, s, "a")
	e.pass(t, time.Hour)
	on(t, s, "a", container)
	require.Equal(t, []string{container}, takes(t, s, "a"))
	require.Equal(t, "RUNNING ordered", endOf(t, s, again.AlertID))
}

func testNotExpired(t *testing.T, e Engine) {
	s := e.open(t)
	on(t, s, "a", container)
	record(t, s, Event(container))
	work, _, err := s.ClaimRemediations(t.Context(), "on a", hostNamed("a"), time.Hour)
	require.NoError(t, err)
	require.Len(t, work, 1)
	e.pass(t, 30*time.Minute)
	expired(t, s)
	require.Equal(t, "REQUESTED policy_ladder", endOf(t, s, 1), "a step may be about to store its intent")
	r := work[0].Remediation
	r.NextAt = time.Now().Add(10 * time.Minute)
	require.NoError(t, s.SaveRemediation(t.Context(), "on a", r, 0))
	expired(t, s)
	require.Equal(t, "REQUESTED policy_ladder", endOf(t, s, 1), "its host has said when it looks again")
	e.pass(t, 11*time.Minute)
	expired(t, s)
	require.Equal(t, "SKIPPED unclaimed", endOf(t, s, 1))
}

func testOrderedByID(t *testing.T, e Engine) {
	s := e.open(t)
	on(t, s, "a", container)
	record(t, s, Event(container))
	r := begin(t, s, "a")
	for id, want := range map[string]bool{r.ContainerID: true, "id on b": false, "": false} {
		ours, err := s.Ordered(t.Context(), container, id)
		require.NoError(t, err)
		require.Equal(t, want, ours, id)
	}
	ours, err := s.Ordered(t.Context(), "another", r.ContainerID)
	require.NoError(t, err)
	require.False(t, ours)
}

func testSymptomOfHost(t *testing.T, e Engine) {
	s := e.open(t)
	on(t, s, "a", container)
	record(t, s, Event(container))
	r := begin(t, s, "a")
	watch := func(kind alerting.WatchKind, h alerting.Host, state alerting.WatchState) {
		require.NoError(t, s.SaveWatch(t.Context(), alerting.WatchMemory{Watch: alerting.Watch{
			Kind: kind, Name: container, Host: h.Engine(), State: state, AlertType: alerting.TickerSyncTimeout, Service: container,
		}}))
	}
	symptom := func() alerting.Symptom {
		r.Status = alerting.Verifying
		require.NoError(t, s.SaveRemediation(t.Context(), "on a", r, 0))
		work, _, err := s.ClaimRemediations(t.Context(), "on a", hostNamed("a"), time.Minute)
		require.NoError(t, err)
		require.Len(t, work, 1)
		return work[0].Symptom
	}
	watch(alerting.LogWatch, hostNamed("b"), alerting.WatchDown)
	require.Equal(t, alerting.NoSymptom, symptom(), "another host's container of that name is silent")
	watch(alerting.LogWatch, hostNamed("a"), alerting.WatchDown)
	require.Equal(t, alerting.SymptomStays, symptom())
}

func testNoRunners(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	begin(t, s, "a")
	e.pass(t, time.Hour)
	require.Equal(t, []string{container}, takes(t, s, "renamed"), "its engine got another id: it finds out")
	e.pass(t, time.Hour)
	expired(t, s)
	require.Equal(t, "UNKNOWN host_away", endOf(t, s, 1), "and if it does not, the cloud tells")
}
