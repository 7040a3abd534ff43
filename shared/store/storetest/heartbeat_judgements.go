package storetest

import (
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

// judgements holds when heartbeats are down, who is told, and what our own
// downtime does to it.
var judgements = suite{
	"what is late is judged, and what is down is owed once":      testJudge,
	"more than one transaction judges":                           testJudgeMany,
	"a failure that is over at once is told all the same":        testFlap,
	"what was settled under an older number stays owed":          testSettleOldNumber,
	"our downtime moves what runs, once":                         testDowntime,
	"a touch in time moves nothing":                              testTouch,
	"an event that was recorded and not settled is not recorded": testPostedTwice,
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
