package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// intents holds what is decided in the transaction that stores an intent.
var intents = suite{
	"an intent is stored with its evidence and its host":            testIntend,
	"what the guards refuse is over, told, and nothing was ordered": testIntendRefused,
	"the budget is asked again when it is ordered":                  testIntendBudget,
	"an alert that ended meanwhile needs nothing":                   testIntendOver,
	"a lease that was lost orders nothing":                          testIntendLost,
	"a dry run keeps the evidence":                                  testIntendDry,
	"the third container within a minute engages the brake":         testBrake,
	"people's orders neither fill the brake nor are held by it":     testBrakeAndPeople,
	"what ends by itself is decided again":                          testHeldAgain,
	"who does not act leaves to others what is decided again":       testRecheckElsewhere,
}

// intentProcesses are those that need several processes on one database.
var intentProcesses = suite{
	"two processes of one host keep one brake": testBrakeOfTwo,
}

// seen is what an engine says of a container that runs and is well.
func seen(name string) alerting.Facts {
	now := time.Now()
	return alerting.Facts{Now: now, Container: &alerting.Container{
		ID: "id-of-" + name, Name: name, Running: true, StartedAt: now.Add(-time.Hour), StopTimeout: 10 * time.Second, Health: alerting.NoHealth,
	}}
}

func intent(w alerting.Work) alerting.Intent {
	r := w.Remediation
	r.Status, r.Reason = alerting.Running, alerting.Reason{Code: "ordered", Detail: r.Container}
	r.OrderedAt, r.NextAt, r.CallLimit = w.At, w.At, w.At.Add(40*time.Second)
	facts := seen(r.Container)
	r.ContainerID, r.StartedBefore = facts.Container.ID, facts.Container.StartedAt
	return alerting.Intent{
		Remediation: r, Alert: w.Alert, Host: host, Facts: facts,
		Evidence: alerting.TakeEvidence(facts.Container, []string{"password=hunter2hunter2", "last line"}, "", facts.Now),
	}
}

// intend orders the one remediation that waits.
func intend(t testing.TB, s *store.Store, change ...func(*alerting.Intent)) alerting.Reason {
	t.Helper()
	i := intent(work(t, s))
	for _, c := range change {
		c(&i)
	}
	refused, err := s.Intend(t.Context(), "me", i, time.Minute)
	require.NoError(t, err)
	return refused
}

func testIntend(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	require.True(t, intend(t, s).IsZero())
	r := storyOf(t, s, 1).Remediations[0]
	require.Equal(t, alerting.Running, r.Status)
	require.Equal(t, host.ID, r.Host)
	require.Equal(t, []string{"password=***", "last line"}, r.Evidence.Lines)
	require.Equal(t, "running", r.Evidence.State)
	other := alerting.Host{ID: "engine-2/trading-2", Name: "trading-2"}
	e.pass(t, 2*time.Minute)
	for owner, on := range map[string]alerting.Host{"me": host, "you": other} {
		require.NoError(t, s.RegisterRunner(t.Context(), alerting.Runner{Owner: owner, Host: on, Mode: alerting.Auto, Reachable: true, Containers: []string{container}}))
	}
	none, _, err := s.ClaimRemediations(t.Context(), "you", other, time.Minute)
	require.NoError(t, err)
	require.Empty(t, none, "another engine cannot judge it")
	require.Equal(t, alerting.Running, work(t, s).Remediation.Status)

	e.exec(t, "UPDATE alert_evidence SET evidence = 'by hand'")
	require.Nil(t, storyOf(t, s, 1).Remediations[0].Evidence, "an odd row hides nothing else")
}

func testIntendRefused(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	why := intend(t, s, func(i *alerting.Intent) { i.Facts.Container = nil })
	require.Equal(t, "no_container", why.Code)
	story := storyOf(t, s, 1)
	require.Equal(t, alerting.Skipped, story.Remediations[0].Status)
	require.True(t, story.Remediations[0].OrderedAt.IsZero(), "nothing that counts as a restart")
	require.Nil(t, story.Remediations[0].Evidence)
	require.Equal(t, alerting.Outcome, story.Notifications[len(story.Notifications)-1].Kind)
	require.Contains(t, story.Alert.ActionTaken, "不存在")
	require.Zero(t, active(t, e))
	require.Equal(t, "cooldown", record(t, s, Event(container)).NotRemedied.Code)
}

func testIntendBudget(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	waiting := intent(work(t, s))
	e.pass(t, 2*time.Minute)
	// Three that a person asked for while the first one waited for its engine
	// cannot be: one holds the container. So they are on record from before.
	for i := range 3 {
		e.exec(t, fmt.Sprintf("INSERT INTO alert_remediations (alert_id, action, container, status, requested_us, ordered_us, ended_us) SELECT 1, 'restart', '%s', 'FAILED', requested_us - %[2]d, requested_us - %[2]d, requested_us - %[2]d FROM alert_remediations WHERE id = 1",
			container, (i+1)*int(10*time.Minute/time.Microsecond)))
	}
	refused, err := s.Intend(t.Context(), "me", waiting, time.Minute)
	require.NoError(t, err)
	require.Equal(t, "budget", refused.Code)
}

func testIntendOver(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	i := intent(work(t, s))
	record(t, s, over(Event(container)))
	refused, err := s.Intend(t.Context(), "me", i, time.Minute)
	require.NoError(t, err)
	require.Equal(t, "alert_over", refused.Code)
}

func testIntendLost(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	i := intent(work(t, s))
	e.pass(t, 2*time.Minute)
	_, _, err := s.ClaimRemediations(t.Context(), "you", host, time.Minute)
	require.NoError(t, err)
	_, err = s.Intend(t.Context(), "me", i, time.Minute)
	require.ErrorIs(t, err, alerting.ErrLeaseLost)
	require.Equal(t, alerting.Requested, storyOf(t, s, 1).Remediations[0].Status)
}

func testIntendDry(t *testing.T, e Engine) {
	s := e.open(t, func(p *alerting.Policy) { p.Mode = alerting.DryRun })
	record(t, s, Event(container))
	require.Equal(t, "dry_run", intend(t, s).Code)
	require.NotNil(t, storyOf(t, s, 1).Remediations[0].Evidence, "what would have been lost")
	require.Equal(t, "cooldown", record(t, s, Event(container)).NotRemedied.Code, "as if it had been done")
}

var several = []string{"gateway", "ledger", "orders", "prices"}

// fail posts an event for each of some containers and gives the work.
func fail(t testing.TB, s *store.Store, names ...string) map[string]alerting.Intent {
	t.Helper()
	for _, name := range names {
		require.Equal(t, alerting.Requested, record(t, s, Event(name)).RemediationStatus)
	}
	all, _, err := s.ClaimRemediations(t.Context(), "me", host, time.Minute)
	require.NoError(t, err)
	require.Len(t, all, len(names))
	intents := map[string]alerting.Intent{}
	for _, w := range all {
		intents[w.Remediation.Container] = intent(w)
	}
	return intents
}

func testBrake(t *testing.T, e Engine) {
	s := e.open(t, listing(several...))
	waiting := fail(t, s, several...)
	for i, name := range several {
		refused, err := s.Intend(t.Context(), "me", waiting[name], time.Minute)
		require.NoError(t, err)
		require.Equal(t, map[bool]string{true: "", false: "brake"}[i < 2], refused.Code, name)
		if i >= 2 {
			require.WithinDuration(t, time.Now().Add(10*time.Minute), refused.Until, slack)
		}
	}
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_records WHERE alert_type = ?", alerting.RemediationBrake), "people are told once")
	own := storyOf(t, s, e.count(t, "SELECT id FROM alert_records WHERE alert_type = ?", alerting.RemediationBrake))
	require.Equal(t, alerting.Critical, own.Alert.Severity)
	require.Equal(t, host.Name, own.Alert.Service)
	require.Contains(t, own.Alert.Message, strings.Join(several[:3], ", "))
	require.Len(t, own.Notifications, 1)
	require.EqualValues(t, 2, e.count(t, "SELECT COUNT(*) FROM alert_rechecks"), "what was held is decided again")

	elsewhere := alerting.Host{ID: "engine-2/trading-2", Name: "trading-2"}
	e.pass(t, 6*time.Minute)
	require.Equal(t, "brake", record(t, s, Event(several[3])).NotRemedied.Code, "until it ends")
	e.pass(t, 4*time.Minute+time.Second)
	_, err := s.Recheck(t.Context())
	require.NoError(t, err)
	all, _, err := s.ClaimRemediations(t.Context(), "me", elsewhere, time.Minute)
	require.NoError(t, err)
	all = slices.DeleteFunc(all, func(w alerting.Work) bool { return w.Remediation.Status != alerting.Requested })
	require.Len(t, all, 1, "the one with a young event")
}

func testBrakeAndPeople(t *testing.T, e Engine) {
	s := e.open(t, listing(several...))
	waiting := fail(t, s, several...)
	for _, name := range several {
		i := waiting[name]
		i.Remediation.RequestedBy = "li"
		refused, err := s.Intend(t.Context(), "me", i, time.Minute)
		require.NoError(t, err)
		require.True(t, refused.IsZero(), name)
	}
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_records WHERE alert_type = ?", alerting.RemediationBrake))
}

func testHeldAgain(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	why := intend(t, s, func(i *alerting.Intent) {
		c := i.Facts.Container
		c.StartedAt, c.FinishedAt = i.Facts.Now.Add(-10*time.Second), i.Facts.Now.Add(-11*time.Second)
	})
	require.Equal(t, "starting", why.Code)
	next, err := s.Recheck(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(20*time.Second), next, slack)
	require.Equal(t, "starting", record(t, s, Event(container)).NotRemedied.Code, "not the cooldown, which is longer")
	e.pass(t, 21*time.Second)
	_, err = s.Recheck(t.Context())
	require.NoError(t, err)
	require.True(t, intend(t, s).IsZero())
}

// The functions of the cloud re-check what silences kept back, and their mode is
// off: their refusal must not be the last word about a restart.
func testRecheckElsewhere(t *testing.T, e Engine) {
	mode := alerting.Auto
	s := e.open(t, func(p *alerting.Policy) { p.Mode = mode })
	restarted(t, s, alerting.Failed)
	mode = alerting.Off
	require.Equal(t, "mode_off", record(t, s, Event(container)).NotRemedied.Code)
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_rechecks"), "an event does not drop it either")
	e.pass(t, 6*time.Minute)
	next, err := s.Recheck(t.Context())
	require.NoError(t, err)
	require.True(t, next.IsZero(), "it has nothing to wait for")
	mode = alerting.Auto
	_, err = s.Recheck(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, active(t, e))
}

func testBrakeOfTwo(t *testing.T, e Engine) {
	for range 5 {
		s := e.open(t, listing(several...))
		other := e.open(t, listing(several...))
		waiting := fail(t, s, several...)
		var mu sync.Mutex
		ordered := 0
		var all sync.WaitGroup
		for i, name := range several {
			by := []*store.Store{s, other}[i%2]
			all.Go(func() {
				refused, err := by.Intend(t.Context(), "me", waiting[name], time.Minute)
				assert.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				if refused.IsZero() {
					ordered++
				}
			})
		}
		all.Wait()
		require.Equal(t, 2, ordered)
		for _, table := range []string{"alert_remediations", "alert_brakes", "alert_rechecks"} {
			e.exec(t, "DELETE FROM "+table)
		}
		e.exec(t, "UPDATE alert_records SET status = 'RESOLVED'")
	}
}
