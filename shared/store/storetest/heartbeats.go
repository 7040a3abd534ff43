package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

var heartbeats = suite{
	"the first ping with a period declares":                      testDeclareByPing,
	"a ping that nobody declared is told how to":                 testUndeclared,
	"every ping of many callers counts":                          testManyPings,
	"the first ping comes while others write":                    testFirstPingAmongWriters,
	"a ping that cannot be taken fails alone":                    testPingFailsAlone,
	"a caller that leaves undoes no other's ping":                testPingerLeaves,
	"closing refuses new pings":                                  testPingAfterClose,
	"names that differ in case are two":                          testHeartbeatCase,
	"everything of a ping is kept":                               testPingIsKept,
	"what is late is judged, and what is down is owed once":      testJudge,
	"more than one transaction judges":                           testJudgeMany,
	"a failure that is over at once is told all the same":        testFlap,
	"what was settled under an older number stays owed":          testSettleOldNumber,
	"our downtime moves what runs, once":                         testDowntime,
	"a touch in time moves nothing":                              testTouch,
	"the policy's are exactly those of the policy":               testDeclarations,
	"the policy takes a name over":                               testPolicyTakesOver,
	"pings declare so many and no more":                          testTooMany,
	"a person pauses, resumes and deletes":                       testHeartbeatPeople,
	"watches are listed together, and containers' are kept":      testWatches,
	"the memory of a watch is its host's, and may be forgotten":  testWatchMemory,
	"an event that was recorded and not settled is not recorded": testPostedTwice,
}

const period = time.Minute

func ping(name string, signal alerting.HeartbeatSignal) alerting.HeartbeatPing {
	return alerting.HeartbeatPing{Name: name, Signal: signal}
}

// first is a ping that declares, with 10 s of grace.
func first(name string) alerting.HeartbeatPing {
	grace := 10 * time.Second
	p := ping(name, alerting.SignalOK)
	p.Period, p.Grace = period, &grace
	return p
}

func pinged(t testing.TB, s *store.Store, p alerting.HeartbeatPing) alerting.Heartbeat {
	t.Helper()
	h, err := s.Ping(t.Context(), p)
	require.NoError(t, err)
	return h
}

func judge(t testing.TB, s *store.Store) alerting.Judgement {
	t.Helper()
	j, err := s.JudgeHeartbeats(t.Context())
	require.NoError(t, err)
	return j
}

func beat(t testing.TB, s *store.Store, name string) alerting.Heartbeat {
	t.Helper()
	all, err := s.Heartbeats(t.Context())
	require.NoError(t, err)
	for _, h := range all {
		if h.Name == name {
			return h
		}
	}
	t.Fatalf("no heartbeat %s", name)
	return alerting.Heartbeat{}
}

// live lets time pass in which we listened.
func (e Engine) live(t testing.TB, d time.Duration) {
	t.Helper()
	e.pass(t, d)
	e.exec(t, "UPDATE alert_liveness SET alive_us = alive_us + ?", d.Microseconds())
}

func testDeclareByPing(t *testing.T, e Engine) {
	s := e.open(t, silent)
	require.Zero(t, judge(t, s).Shortest, "no heartbeat yet")
	h := pinged(t, s, first("backup"))
	assert.Equal(t, alerting.WatchUp, h.State)
	assert.Equal(t, alerting.FromPing, h.Declared)
	assert.Equal(t, "backup", h.Service)
	assert.Equal(t, period, h.Deadline.Sub(h.LastPingAt))
	assert.Equal(t, h, beat(t, s, "backup"), "as it was answered")
	j := judge(t, s)
	assert.Equal(t, h.Deadline, j.Next)
	assert.Equal(t, period, j.Shortest)
	assert.Empty(t, j.Owed)
	h = pinged(t, s, ping("backup", alerting.SignalOK))
	assert.EqualValues(t, 2, h.Pings)
}

func testUndeclared(t *testing.T, e Engine) {
	_, err := e.open(t, silent).Ping(t.Context(), ping("nobody", alerting.SignalOK))
	require.ErrorIs(t, err, alerting.ErrNotFound)
	require.ErrorContains(t, err, "/api/heartbeats/nobody?period=")
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_heartbeats"))
}

func testManyPings(t *testing.T, e Engine) {
	s := e.open(t, silent)
	const names, each = 20, 25
	var wg sync.WaitGroup
	for i := range names * each {
		wg.Go(func() {
			_, err := s.Ping(t.Context(), first(fmt.Sprint("job-", i%names)))
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	require.EqualValues(t, names, e.count(t, "SELECT COUNT(*) FROM alert_heartbeats"))
	require.EqualValues(t, names*each, e.count(t, "SELECT SUM(pings) FROM alert_heartbeats"))
}

func testFirstPingAmongWriters(t *testing.T, e Engine) {
	for round := range 5 {
		s := e.open(t, silent)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						_, err := s.TouchLiveness(t.Context(), 15*time.Second, false)
						assert.NoError(t, err)
					}
				}
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), slack)
		_, err := s.Ping(ctx, first(fmt.Sprint("job-", round)))
		cancel()
		close(stop)
		require.NoError(t, err)
		wg.Wait()
	}
}

func testPingFailsAlone(t *testing.T, e Engine) {
	s := e.open(t, silent)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			p := first(fmt.Sprint("job-", i))
			if i%8 == 0 {
				p.Period = 0
			}
			_, err := s.Ping(t.Context(), p)
			assert.Equal(t, i%8 == 0, errors.Is(err, alerting.ErrNotFound), "%v", err)
		})
	}
	wg.Wait()
	require.EqualValues(t, callers-callers/8, e.count(t, "SELECT COUNT(*) FROM alert_heartbeats"))
}

func testPingerLeaves(t *testing.T, e Engine) {
	s := e.open(t, silent)
	gone, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			ctx := t.Context()
			if i%2 == 0 {
				ctx = gone
			}
			_, err := s.Ping(ctx, first(fmt.Sprint("job-", i)))
			if i%2 == 1 {
				assert.NoError(t, err)
			}
		})
	}
	leave()
	wg.Wait()
	for i := 1; i < callers; i += 2 {
		assert.EqualValues(t, 1, e.count(t, "SELECT pings FROM alert_heartbeats WHERE name = ?", fmt.Sprint("job-", i)))
	}
	_, err := s.Ping(gone, first("late"))
	require.Error(t, err)
}

func testPingAfterClose(t *testing.T, e Engine) {
	s := e.open(t, silent)
	pinged(t, s, first("backup"))
	require.NoError(t, s.Close())
	_, err := s.Ping(t.Context(), first("backup"))
	require.ErrorIs(t, err, alerting.ErrUnavailable)
}

func testHeartbeatCase(t *testing.T, e Engine) {
	s := e.open(t, silent)
	pinged(t, s, first("job"))
	pinged(t, s, first("Job"))
	require.EqualValues(t, 2, e.count(t, "SELECT COUNT(*) FROM alert_heartbeats"))
}

func testPingIsKept(t *testing.T, e Engine) {
	s := e.open(t, silent)
	exit := int64(4_294_967_295)
	p := first("backup")
	p.Exit, p.Note = &exit, strings.Repeat("磁盘满😀\n", 700)
	p.AlertType, p.Service, p.Severity = "JOB_FAILED", "交易 '服务'", alerting.Critical
	p, err := p.Check()
	require.NoError(t, err)
	h := pinged(t, s, p)
	assert.Equal(t, alerting.WatchDown, h.State)
	owed := judge(t, s).Owed
	require.Len(t, owed, 1)
	assert.Equal(t, h, owed[0], "as it was answered, the note too")
	h.Note = ""
	assert.Equal(t, h, beat(t, s, "backup"))

	started := pinged(t, s, ping("backup", alerting.SignalStart))
	assert.Equal(t, started.LastPingAt, beat(t, s, "backup").StartedAt)
}

func testJudge(t *testing.T, e Engine) {
	s := e.open(t, silent)
	pinged(t, s, first("backup"))
	e.live(t, 30*time.Second)
	require.Equal(t, alerting.WatchUp, beat(t, s, "backup").State)
	e.live(t, 32*time.Second)
	require.Empty(t, judge(t, s).Owed)
	late := beat(t, s, "backup")
	require.Equal(t, alerting.WatchLate, late.State)

	e.live(t, 10*time.Second)
	j := judge(t, s)
	require.Len(t, j.Owed, 1)
	down := j.Owed[0]
	require.Equal(t, alerting.WatchDown, down.State)
	require.Equal(t, alerting.CauseSilent, down.Cause)
	require.InDelta(t, time.Minute, j.Next.Sub(j.At), float64(slack))
	require.Equal(t, j.Owed, judge(t, s).Owed, "owed until it is settled")
	require.NoError(t, s.SettleHeartbeats(t.Context(), j.Owed))
	require.Empty(t, judge(t, s).Owed)

	e.live(t, 61*time.Second)
	again := judge(t, s).Owed
	require.Len(t, again, 1, "said again before the incident gap ends")
	require.Greater(t, again[0].Seq, down.Seq)
	require.NoError(t, s.SettleHeartbeats(t.Context(), again))

	require.Equal(t, alerting.OwesUp, pinged(t, s, ping("backup", alerting.SignalOK)).Owed)
	require.Len(t, judge(t, s).Owed, 1)
}

func testJudgeMany(t *testing.T, e Engine) {
	s := e.open(t, silent)
	const n = 450
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { _, err := s.Ping(t.Context(), first(fmt.Sprintf("job-%03d", i))); assert.NoError(t, err) })
	}
	wg.Wait()
	e.live(t, 2*period)
	told := map[string]bool{}
	for range 20 {
		j := judge(t, s)
		require.LessOrEqual(t, len(j.Owed), 400)
		for _, h := range j.Owed {
			require.False(t, told[h.Name], "%s twice", h.Name)
			told[h.Name] = true
		}
		require.NoError(t, s.SettleHeartbeats(t.Context(), j.Owed))
		if !j.More {
			break
		}
	}
	require.Len(t, told, n)
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_heartbeats WHERE owed_us IS NOT NULL OR state <> 'down'"))
}

func testFlap(t *testing.T, e Engine) {
	s := e.open(t, silent)
	pinged(t, s, first("backup"))
	pinged(t, s, ping("backup", alerting.SignalFail))
	pinged(t, s, ping("backup", alerting.SignalOK))
	var said []bool
	for range 3 {
		for _, h := range judge(t, s).Owed {
			said = append(said, h.Event(alerting.Chinese, nil, time.Now()).Resolved)
			require.NoError(t, s.SettleHeartbeats(t.Context(), []alerting.Heartbeat{h}))
		}
	}
	require.Equal(t, []bool{false, true}, said)
}

func testSettleOldNumber(t *testing.T, e Engine) {
	s := e.open(t, silent)
	pinged(t, s, first("backup"))
	pinged(t, s, ping("backup", alerting.SignalFail))
	down := judge(t, s).Owed
	require.NoError(t, s.SettleHeartbeats(t.Context(), down))
	pinged(t, s, ping("backup", alerting.SignalOK))
	require.NoError(t, s.SettleHeartbeats(t.Context(), down))
	require.Len(t, judge(t, s).Owed, 1)
}

func touch(t testing.TB, s *store.Store, first bool) time.Duration {
	t.Helper()
	moved, err := s.TouchLiveness(t.Context(), 15*time.Second, first)
	require.NoError(t, err)
	return moved
}

// testDowntime: down for ten periods, then up.
func testDowntime(t *testing.T, e Engine) {
	s := e.open(t, silent)
	require.Zero(t, touch(t, s, true))
	for _, name := range []string{"alive", "dies", "paused", "down"} {
		pinged(t, s, first(name))
	}
	_, err := s.PauseHeartbeat(t.Context(), "paused", "li")
	require.NoError(t, err)
	pinged(t, s, ping("down", alerting.SignalFail))
	require.NoError(t, s.SettleHeartbeats(t.Context(), judge(t, s).Owed))
	e.live(t, 20*time.Second)
	require.Zero(t, touch(t, s, false))

	e.pass(t, 10*period) // nobody listens
	s = e.open(t, silent)
	moved := touch(t, s, true)
	require.InDelta(t, 10*period, moved, float64(slack))
	require.Zero(t, touch(t, s, false), "once")
	j := judge(t, s)
	for _, h := range j.Owed {
		require.Equal(t, "down", h.Name, "only what was down before we went is said again")
	}
	require.Equal(t, alerting.WatchUp, beat(t, s, "dies").State)
	require.InDelta(t, 40*time.Second, j.Next.Sub(j.At), float64(slack), "what was left of the period is left")
	require.NoError(t, s.SettleHeartbeats(t.Context(), j.Owed))

	pinged(t, s, ping("alive", alerting.SignalOK))
	e.live(t, 51*time.Second)
	j = judge(t, s)
	require.Len(t, j.Owed, 1)
	require.Equal(t, "dies", j.Owed[0].Name, "found within one period and grace of our return")
	require.Equal(t, alerting.WatchPaused, beat(t, s, "paused").State)
}

func testTouch(t *testing.T, e Engine) {
	s := e.open(t, silent)
	touch(t, s, true)
	before := pinged(t, s, first("backup"))
	e.pass(t, 10*time.Second)
	require.Zero(t, touch(t, s, false))
	require.Equal(t, before.Deadline.Add(-10*time.Second), beat(t, s, "backup").Deadline, "time in which we listened counts")
	e.pass(t, 40*time.Second)
	require.InDelta(t, 40*time.Second, touch(t, s, false), float64(slack), "the database had hung")
	e.pass(t, -time.Hour) // the clock was set back
	require.InDelta(t, -time.Hour, touch(t, s, false), float64(slack))
	j := judge(t, s)
	require.InDelta(t, 50*time.Second, j.Next.Sub(j.At), float64(slack))
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_liveness"))
}

func declaration(name string, period time.Duration) alerting.HeartbeatDeclaration {
	return alerting.HeartbeatDeclaration{Name: name, HeartbeatTerms: alerting.HeartbeatTerms{Period: period}}
}

func declare(t testing.TB, s *store.Store, all ...alerting.HeartbeatDeclaration) {
	t.Helper()
	require.NoError(t, s.DeclareHeartbeats(t.Context(), all))
}

func testDeclarations(t *testing.T, e Engine) {
	s := e.open(t, silent)
	pinged(t, s, first("of-ping"))
	declare(t, s, declaration("a", period), declaration("b", period))
	before := beat(t, s, "a")
	require.Equal(t, alerting.WatchNew, before.State)
	require.Equal(t, 15*time.Second, before.Grace)
	pinged(t, s, ping("a", alerting.SignalOK))
	same := beat(t, s, "a")
	declare(t, s, declaration("a", period), declaration("c", time.Hour))
	require.Equal(t, same, beat(t, s, "a"), "what has not changed is not touched")
	require.Equal(t, time.Hour, beat(t, s, "c").Period)
	require.Equal(t, period, beat(t, s, "of-ping").Period)
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_heartbeats WHERE name = 'b'"))

	declare(t, s, declaration("a", 2*time.Hour))
	changed := beat(t, s, "a")
	require.Equal(t, 2*time.Hour, changed.Period)
	require.EqualValues(t, 1, changed.Pings)
	declare(t, s)
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_heartbeats"))

	e.live(t, 2*period)
	declare(t, s, declaration("never", period))
	e.live(t, 2*period)
	var names []string
	for _, h := range judge(t, s).Owed {
		names = append(names, h.Name+" "+string(h.Cause))
	}
	require.ElementsMatch(t, []string{"of-ping silent", "never never"}, names)
}

func testPolicyTakesOver(t *testing.T, e Engine) {
	s := e.open(t, silent)
	pinged(t, s, first("backup"))
	declare(t, s, declaration("backup", time.Hour))
	h := pinged(t, s, first("backup"))
	require.Equal(t, alerting.FromPolicy, h.Declared)
	require.Equal(t, time.Hour, h.Period, "a ping does not overrule the policy")
	require.EqualValues(t, 2, h.Pings)
}

func testTooMany(t *testing.T, e Engine) {
	s := e.open(t, silent)
	pinged(t, s, first("mine"))
	const columns = "declared, period_us, grace_us, alert_type, service_name, severity, state, since_us, declared_us, counted_us"
	for done := 1; done < alerting.MaxPingDeclared-1; done += 100 {
		var rows []string
		for i := done; i < min(done+100, alerting.MaxPingDeclared-1); i++ {
			rows = append(rows, fmt.Sprintf("('n%d', 'ping', 60000000, 0, 'T', 's', 'ERROR', 'paused', 1, 1, 1)", i))
		}
		e.exec(t, "INSERT INTO alert_heartbeats (name, "+columns+") VALUES "+strings.Join(rows, ","))
	}
	refusals := 0
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			_, err := s.Ping(t.Context(), first(fmt.Sprint("new-", i)))
			var refused *alerting.RefusedError
			if errors.As(err, &refused) {
				assert.Equal(t, "too_many_heartbeats", refused.Reason.Code)
				mu.Lock()
				refusals++
				mu.Unlock()
				return
			}
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	require.Equal(t, 4, refusals)
	pinged(t, s, ping("mine", alerting.SignalOK))
	declare(t, s, declaration("of-policy", period))
}

func testHeartbeatPeople(t *testing.T, e Engine) {
	s := e.open(t, silent)
	for _, call := range []func() error{
		func() error { _, err := s.PauseHeartbeat(t.Context(), "x", "li"); return err },
		func() error { _, err := s.ResumeHeartbeat(t.Context(), "x", "li"); return err },
		func() error { return s.DeleteHeartbeat(t.Context(), "x", "li") },
	} {
		require.ErrorIs(t, call(), alerting.ErrNotFound)
	}
	pinged(t, s, first("backup"))
	h, err := s.PauseHeartbeat(t.Context(), "backup", "li")
	require.NoError(t, err)
	require.Equal(t, alerting.WatchPaused, h.State)
	e.live(t, time.Hour)
	require.Empty(t, judge(t, s).Owed)
	require.True(t, judge(t, s).Next.IsZero())
	h, err = s.ResumeHeartbeat(t.Context(), "backup", "li")
	require.NoError(t, err)
	require.Equal(t, alerting.WatchUp, h.State)
	require.Equal(t, h, beat(t, s, "backup"))

	declare(t, s, declaration("of-policy", period))
	var refused *alerting.RefusedError
	require.ErrorAs(t, s.DeleteHeartbeat(t.Context(), "of-policy", "li"), &refused)
	require.Equal(t, "heartbeat_of_policy", refused.Reason.Code)
	require.NoError(t, s.DeleteHeartbeat(t.Context(), "backup", "li"))
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_heartbeats"))
}

func memory(name, host string) alerting.WatchMemory {
	at := time.Date(2026, 2, 25, 2, 0, 0, 123_456_000, time.UTC)
	return alerting.WatchMemory{
		Watch: alerting.Watch{
			Kind: alerting.LogWatch, Name: name, Host: host, State: alerting.WatchUp, Since: at, AlertType: alerting.TickerSyncTimeout, Service: name,
			LastSeenAt: at.Add(time.Second), DeadlineAt: at.Add(time.Minute), Limit: 3 * time.Minute, Detail: "最后一行 😀", FalseAlarms: 2, DeafTimes: 3,
		},
		Memory: json.RawMessage(`{"line":"长","n":1}`),
	}
}

func testWatches(t *testing.T, e Engine) {
	s := e.open(t, silent)
	all, err := s.Watches(t.Context())
	require.NoError(t, err)
	require.NotNil(t, all)
	require.Empty(t, all)
	pinged(t, s, first("backup"))
	m := memory("async", "engine-1")
	require.NoError(t, s.SaveWatch(t.Context(), m))
	all, err = s.Watches(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, alerting.HeartbeatWatch, all[0].Kind)
	require.Equal(t, "backup", all[0].Name)
	require.Equal(t, period+10*time.Second, all[0].Limit)
	require.Equal(t, m.Watch, all[1])
}

func testWatchMemory(t *testing.T, e Engine) {
	s := e.open(t, silent)
	m, other := memory("async", "engine-1"), memory("async", "engine-2")
	bare := alerting.WatchMemory{Watch: alerting.Watch{Kind: alerting.ContainerWatch, Name: "Async", Host: "engine-1", State: alerting.WatchUnseen}}
	for _, one := range []alerting.WatchMemory{m, other, bare} {
		require.NoError(t, s.SaveWatch(t.Context(), one))
	}
	m.Watch.State, m.Watch.Detail, m.Memory = alerting.WatchDown, strings.Repeat("长", 3_000), json.RawMessage(`{"text":"`+strings.Repeat("x", 100_000)+`"}`)
	require.NoError(t, s.SaveWatch(t.Context(), m))
	m.Watch.Detail = strings.Repeat("长", 2_000)
	kept, err := s.LoadWatches(t.Context(), "engine-1")
	require.NoError(t, err)
	require.Equal(t, []alerting.WatchMemory{bare, m}, kept)
	require.NoError(t, s.ForgetWatch(t.Context(), alerting.LogWatch, "async", "engine-1"))
	require.NoError(t, s.ForgetWatch(t.Context(), alerting.LogWatch, "async", "engine-1"))
	kept, err = s.LoadWatches(t.Context(), "engine-1")
	require.NoError(t, err)
	require.Len(t, kept, 1)
	kept, err = s.LoadWatches(t.Context(), "engine-2")
	require.NoError(t, err)
	require.Len(t, kept, 1)
}

// posted records what is owed as the loop does.
func posted(t testing.TB, s *store.Store, owed []alerting.Heartbeat) {
	t.Helper()
	for i := range owed {
		key := strings.Join(owed[i].EventKey(), "/")
		_, err := s.RecordEvent(t.Context(), owed[i].Event(alerting.Chinese, nil, time.Now()), &alerting.Idempotency{Key: key, Body: key})
		assert.NoError(t, err)
	}
}

func testPostedTwice(t *testing.T, e Engine) {
	s := e.open(t, silent)
	pinged(t, s, first("backup"))
	pinged(t, s, ping("backup", alerting.SignalFail))
	posted(t, s, judge(t, s).Owed)
	s = e.open(t, silent) // the process died before it could settle
	owed := judge(t, s).Owed
	posted(t, s, owed)
	require.NoError(t, s.SettleHeartbeats(t.Context(), owed))
	require.EqualValues(t, 1, e.count(t, "SELECT SUM(occurrences) FROM alert_records"))
}
