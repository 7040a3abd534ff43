package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// hostProcesses holds what processes of several hosts owe each other when all
// look at once.
var hostProcesses = suite{
	"each remediation is claimed once, where its container is":   testManyHosts,
	"what a killed process held is its host's other process's":   testKilledProcess,
	"what nobody takes is ended once, however many look":         testManyExpire,
	"a process that is looked upon as gone and is not, loses it": testNotGoneAfterAll,
}

// fleet is several processes on each of several hosts, on one database.
type fleet struct {
	t       *testing.T
	mu      sync.Mutex
	claimed map[string][]string // by container: who
}

// process registers and claims until ctx ends; carry does what it likes with what
// is claimed.
func (f *fleet) process(ctx context.Context, s *store.Store, host, owner string, containers []string, carry func(owner string, s *store.Store, w alerting.Work) error) {
	self := alerting.Runner{Owner: owner, Host: hostNamed(host), Mode: alerting.Auto, Reachable: true, Containers: containers}
	for ctx.Err() == nil {
		assert.NoError(f.t, s.RegisterRunner(f.t.Context(), self))
		work, _, err := s.ClaimRemediations(f.t.Context(), owner, self.Host, time.Minute)
		assert.NoError(f.t, err)
		for _, w := range work {
			f.mu.Lock()
			f.claimed[w.Remediation.Container] = append(f.claimed[w.Remediation.Container], host)
			f.mu.Unlock()
			assert.NoError(f.t, carry(owner, s, w))
		}
	}
}

func succeed(owner string, s *store.Store, w alerting.Work) error {
	w.Remediation.Status, w.Remediation.Reason = alerting.Succeeded, alerting.Reason{Code: "stable"}
	return s.SaveRemediation(context.Background(), owner, w.Remediation, 0)
}

func testManyHosts(t *testing.T, e Engine) {
	const each = 80
	var names []string
	having := map[string][]string{} // by host
	for i := range each {
		for _, host := range []string{"a", "b", "c"} {
			name := fmt.Sprintf("on-%s-%d", host, i)
			names, having[host] = append(names, name), append(having[host], name)
		}
		if i%8 == 0 {
			twice, none := fmt.Sprint("twice-", i), fmt.Sprint("none-", i)
			names = append(names, twice, none)
			having["a"], having["c"] = append(having["a"], twice), append(having["c"], twice)
		}
	}
	open := func() *store.Store { return e.open(t, listing(names...), silentWords) }
	f := &fleet{t: t, claimed: map[string][]string{}}
	ctx, stop := context.WithCancel(t.Context())
	intake := open()
	for host, containers := range having {
		on(t, intake, host, containers...) // before the first event: who has what is known
	}
	var wg sync.WaitGroup
	for host, containers := range having {
		for n := range 2 {
			s := open()
			wg.Go(func() { f.process(ctx, s, host, fmt.Sprint(host, n), containers, succeed) })
		}
	}
	for batch := range slices.Chunk(names, 40) {
		var events []alerting.Event
		for _, name := range batch {
			events = append(events, Event(name))
		}
		_, err := intake.RecordEvents(t.Context(), events)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		return e.count(t, "SELECT COUNT(*) FROM alert_remediations WHERE status IN ('REQUESTED', 'RUNNING', 'VERIFYING')") == 0
	}, time.Minute, 20*time.Millisecond)
	stop()
	wg.Wait()

	require.EqualValues(t, len(names), e.count(t, "SELECT COUNT(*) FROM alert_remediations"))
	for _, name := range names {
		switch by := f.claimed[name]; {
		case name[:3] == "on-":
			require.Equal(t, []string{name[3:4]}, by, name)
		case name[:5] == "twice":
			require.Empty(t, by, name)
		default:
			require.Len(t, by, 1, name)
		}
	}
	require.EqualValues(t, each/8, e.count(t, "SELECT COUNT(*) FROM alert_remediations WHERE reason_code = 'two_hosts'"))
}

func testKilledProcess(t *testing.T, e Engine) {
	var names []string
	for i := range 40 {
		names = append(names, fmt.Sprint("c-", i))
	}
	s := e.open(t, listing(names...), silentWords)
	on(t, s, "a", names...)
	on(t, s, "b", "other")
	for _, name := range names {
		record(t, s, Event(name))
	}
	held, _, err := s.ClaimRemediations(t.Context(), "killed", hostNamed("a"), 2*time.Second)
	require.NoError(t, err)
	require.Len(t, held, 40)
	for _, w := range held[:20] { // half of them it has begun
		w.Remediation.Status, w.Remediation.Host = alerting.Running, hostNamed("a").ID
		require.NoError(t, s.SaveRemediation(t.Context(), "killed", w.Remediation, 2*time.Second))
	}
	f := &fleet{t: t, claimed: map[string][]string{}}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	begun := time.Now()
	for _, host := range []string{"a", "a", "b"} {
		own := e.open(t, listing(names...), silentWords)
		having := map[string][]string{"a": names}[host]
		wg.Go(func() { f.process(ctx, own, host, fmt.Sprintf("%s %p", host, own), having, succeed) })
	}
	require.Eventually(t, func() bool { return active(t, e) == 0 }, time.Minute, 20*time.Millisecond)
	require.Greater(t, time.Since(begun), time.Second, "not before the leases end")
	stop()
	wg.Wait()
	require.Len(t, f.claimed, 40)
	for name, by := range f.claimed {
		require.Equal(t, []string{"a"}, by, name)
	}
	for _, w := range held {
		require.ErrorIs(t, succeed("killed", s, w), alerting.ErrLeaseLost, "it is not its own any more")
	}
}

func testManyExpire(t *testing.T, e Engine) {
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprint("c-", i))
	}
	s := e.open(t, listing(names...))
	on(t, s, "gone", names...)
	for _, name := range names {
		record(t, s, Event(name))
	}
	begun, _, err := s.ClaimRemediations(t.Context(), "on gone", hostNamed("gone"), time.Minute)
	require.NoError(t, err)
	for _, w := range begun[:10] {
		w.Remediation.Status, w.Remediation.Host = alerting.Running, hostNamed("gone").ID
		require.NoError(t, s.SaveRemediation(t.Context(), "on gone", w.Remediation, time.Minute))
	}
	e.pass(t, 11*time.Minute)
	var wg sync.WaitGroup
	for n := range 6 {
		own := e.open(t, listing(names...))
		wg.Go(func() {
			for range 3 {
				if n == 0 {
					_, err := own.ExpireRemediations(t.Context())
					assert.NoError(t, err)
					continue
				}
				work, _, err := own.ClaimRemediations(t.Context(), fmt.Sprint("p", n), hostNamed(fmt.Sprint("h", n%2)), time.Minute)
				assert.NoError(t, err)
				assert.Empty(t, work)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 20, e.count(t, "SELECT COUNT(*) FROM alert_remediations WHERE status = 'SKIPPED' AND reason_code = 'unclaimed'"))
	require.EqualValues(t, 10, e.count(t, "SELECT COUNT(*) FROM alert_remediations WHERE status = 'UNKNOWN' AND reason_code = 'host_away'"))
	require.EqualValues(t, 30, outcomes(t, e), "each is told once")
}

// A process that stood still, or was cut off from the database, while its request
// was given up must not act on it.
func testNotGoneAfterAll(t *testing.T, e Engine) {
	s := e.open(t)
	h := on(t, s, "a", container)
	record(t, s, Event(container))
	work, _, err := s.ClaimRemediations(t.Context(), "on a", h, 30*time.Second)
	require.NoError(t, err)
	require.Len(t, work, 1)
	e.pass(t, 3*time.Minute)
	expired(t, s)
	require.Equal(t, "SKIPPED unclaimed", endOf(t, s, 1))
	r := work[0].Remediation
	r.Status = alerting.Running
	_, err = s.Intend(t.Context(), "on a", alerting.Intent{
		Remediation: r, Alert: work[0].Alert, Host: h,
		Facts: alerting.Facts{Container: &alerting.Container{ID: "id", Name: container, Running: true, StartedAt: time.Now().Add(-time.Hour)}, Now: time.Now()},
	}, time.Minute)
	require.ErrorIs(t, err, alerting.ErrLeaseLost)
	require.Equal(t, "SKIPPED unclaimed", endOf(t, s, 1))
}
