package storetest

import (
	"context"
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
	"the first ping with a period declares":       testDeclareByPing,
	"a ping that nobody declared is told how to":  testUndeclared,
	"every ping of many callers counts":           testManyPings,
	"the first ping comes while others write":     testFirstPingAmongWriters,
	"a ping that cannot be taken fails alone":     testPingFailsAlone,
	"a caller that leaves undoes no other's ping": testPingerLeaves,
	"closing refuses new pings":                   testPingAfterClose,
	"names that differ in case are two":           testHeartbeatCase,
	"everything of a ping is kept":                testPingIsKept,
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
