package watch

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

var (
	shortGrace = 10 * time.Second
	minutely   = alerting.HeartbeatTerms{Period: time.Minute, Grace: &shortGrace}
)

// process is one life of the service.
type process struct {
	*Heartbeats
	end func()
}

func start(m *heartbeatMemory) process {
	ctx, cancel := context.WithCancel(context.Background())
	l := NewHeartbeats(m, m, HeartbeatsOptions{Language: alerting.Chinese, Location: time.UTC})
	var done sync.WaitGroup
	done.Go(func() { _ = l.Run(ctx) })
	return process{l, func() { cancel(); done.Wait() }}
}

// bubble runs a test in one, with a store and the service on it.
func bubble(t *testing.T, test func(t *testing.T, m *heartbeatMemory, l *Heartbeats)) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := start(m)
		defer p.end()
		synctest.Wait()
		test(t, m, p.Heartbeats)
	})
}

func TestWhatFallsSilentIsToldAtItsDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, m *heartbeatMemory, l *Heartbeats) {
		begun := time.Now()
		m.ping(l, "backup", alerting.SignalOK, minutely)
		time.Sleep(70*time.Second - time.Millisecond)
		synctest.Wait()
		require.Empty(t, m.said(), "late is no reason to tell anybody")
		require.Equal(t, alerting.WatchLate, m.beat("backup").State)
		time.Sleep(time.Second)
		all := m.said()
		require.Len(t, all, 1)
		require.Less(t, all[0].at.Sub(begun)-70*time.Second, time.Second)
		require.Equal(t, alerting.HeartbeatDown, all[0].Type)

		time.Sleep(10 * time.Minute)
		require.InDelta(t, 11, m.downs("backup"), 1, "said again every minute")
		m.ping(l, "backup", alerting.SignalOK, minutely)
		time.Sleep(heartbeatShortest)
		all = m.said()
		require.True(t, all[len(all)-1].Resolved)
	})
}

func TestAFailureIsToldAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, m *heartbeatMemory, l *Heartbeats) {
		m.ping(l, "backup", alerting.SignalOK, minutely)
		time.Sleep(20*time.Second + 30*time.Millisecond)
		m.ping(l, "backup", alerting.SignalFail, minutely)
		time.Sleep(heartbeatShortest)
		require.Equal(t, 1, m.downs("backup"))
	})
}

func TestAStartBringsTheDeadlineForward(t *testing.T) {
	bubble(t, func(t *testing.T, m *heartbeatMemory, l *Heartbeats) {
		daily := minutely
		daily.Period = 24 * time.Hour
		m.ping(l, "nightly", alerting.SignalOK, daily)
		time.Sleep(time.Hour)
		m.ping(l, "nightly", alerting.SignalStart, daily)
		time.Sleep(11 * time.Second)
		require.Equal(t, 1, m.downs("nightly"), "no end within the grace")
	})
}

func TestIdleCostsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, m *heartbeatMemory, l *Heartbeats) {
		time.Sleep(24 * time.Hour)
		require.Equal(t, 1, m.count(&m.judges))
		require.Equal(t, 1, m.count(&m.touches))

		m.ping(l, "backup", alerting.SignalOK, alerting.HeartbeatTerms{Period: 24 * time.Hour})
		time.Sleep(time.Hour)
		require.Equal(t, alerting.WatchUp, m.beat("backup").State)
		require.InDelta(t, 3600/5, m.count(&m.touches), 15, "it is written down every 5 s that we live")
		m.set(func() { delete(m.beats, "backup") })
		time.Sleep(10 * time.Second)
		before := m.count(&m.touches)
		time.Sleep(time.Hour)
		require.Equal(t, before, m.count(&m.touches))
	})
}

func TestManyPingsDoNotWakeTheLoopEachTime(t *testing.T) {
	bubble(t, func(t *testing.T, m *heartbeatMemory, l *Heartbeats) {
		for i := range 6000 {
			m.ping(l, fmt.Sprint("s", i%100), alerting.SignalOK, minutely)
			time.Sleep(10 * time.Millisecond)
		}
		require.Less(t, m.count(&m.judges), 250, "at most four looks a second")
		require.Empty(t, m.said())
	})
}

func TestAThousandThatDieAtOnceAreToldWithinASecond(t *testing.T) {
	bubble(t, func(t *testing.T, m *heartbeatMemory, l *Heartbeats) {
		begun := time.Now()
		for i := range 1000 {
			m.ping(l, fmt.Sprint("s", i), alerting.SignalOK, minutely)
		}
		time.Sleep(72 * time.Second)
		all := m.said()
		require.Len(t, all, 1000)
		for _, ev := range all {
			require.InDelta(t, 70*time.Second, ev.at.Sub(begun), float64(time.Second))
		}
	})
}

// Down for ten periods, then up: nobody who was alive is alarmed, and who died
// meanwhile is, within one period and grace.
func TestOurDowntimeNeitherStormsNorBlinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := start(m)
		pinging := func(names ...string) {
			for _, name := range names {
				m.ping(p.Heartbeats, name, alerting.SignalOK, minutely)
			}
		}
		for range 5 {
			pinging("alive", "dies")
			time.Sleep(time.Minute)
		}
		pinging("alive", "dies")
		time.Sleep(20 * time.Second)
		p.end()
		time.Sleep(10 * time.Minute)
		require.Empty(t, m.said())

		p = start(m)
		defer p.end()
		back := time.Now()
		synctest.Wait()
		time.Sleep(30 * time.Second)
		for range 5 {
			pinging("alive")
			time.Sleep(59 * time.Second)
		}
		require.Zero(t, m.downs("alive"))
		require.NotZero(t, m.downs("dies"))
		for _, ev := range m.said()[:1] {
			require.LessOrEqual(t, ev.at.Sub(back), 70*time.Second)
		}
	})
}

func TestOurRestartsNeitherStormNorBlind(t *testing.T) {
	for _, orderly := range []bool{true, false} {
		for _, life := range []time.Duration{2 * time.Second, 20 * time.Second} {
			t.Run(fmt.Sprintf("every %s, orderly %v", life, orderly), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { restarts(t, life, orderly) })
			})
		}
	}
}

func restarts(t *testing.T, life time.Duration, orderly bool) {
	m := newMemory()
	begun := time.Now()
	var first time.Time
	for time.Since(begun) < 10*time.Minute {
		p := start(m)
		if first.IsZero() {
			m.ping(p.Heartbeats, "dies", alerting.SignalOK, minutely)
			first = time.Now()
		}
		for alive := time.Now(); time.Since(alive) < life; time.Sleep(time.Second) {
			m.ping(p.Heartbeats, "alive", alerting.SignalOK, minutely)
		}
		written := m.lived()
		p.end()
		if !orderly {
			m.set(func() { m.alive = written }) // it was killed: nothing was written at the end
		}
		time.Sleep(time.Second)
	}
	require.Zero(t, m.downs("alive"))
	require.NotZero(t, m.downs("dies"), "found although no process lived as long as its period")
	assert.LessOrEqual(t, m.said()[0].at.Sub(first), 4*time.Minute)
}

func TestADatabaseThatIsAwayIsWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T, m *heartbeatMemory, l *Heartbeats) {
		m.ping(l, "alive", alerting.SignalOK, minutely)
		m.ping(l, "dies", alerting.SignalOK, minutely)
		time.Sleep(30 * time.Second)
		m.set(func() { m.away = true })
		time.Sleep(10 * time.Minute)
		m.set(func() { m.away = false })
		time.Sleep(11 * time.Second) // the longest wait between two tries
		require.Empty(t, m.said(), "no ping could arrive meanwhile")
		m.ping(l, "alive", alerting.SignalOK, minutely)
		time.Sleep(45 * time.Second)
		require.Zero(t, m.downs("alive"))
		require.Equal(t, 1, m.downs("dies"))
	})
}

func TestWhatCannotBeRecordedStaysOwedAndKeepsNobody(t *testing.T) {
	bubble(t, func(t *testing.T, m *heartbeatMemory, l *Heartbeats) {
		m.set(func() { m.refuse = "poison" })
		for _, name := range []string{"a", "poison", "b"} {
			m.ping(l, name, alerting.SignalFail, minutely)
		}
		time.Sleep(30 * time.Second)
		require.Equal(t, 1, m.downs("a"))
		require.Equal(t, 1, m.downs("b"))
		require.Equal(t, alerting.OwesDown, m.beat("poison").Owed)
		m.set(func() { m.refuse = "" })
		time.Sleep(11 * time.Second)
		require.Equal(t, 1, m.downs("poison"))
	})
}

func TestACrashAfterRecordingDoublesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, m *heartbeatMemory, l *Heartbeats) {
		m.set(func() { m.amnesia = true })
		m.ping(l, "backup", alerting.SignalFail, minutely)
		time.Sleep(50 * time.Second)
		m.set(func() { m.amnesia = false })
		time.Sleep(8 * time.Second)
		require.Equal(t, 1, m.downs("backup"))
		require.Equal(t, alerting.OwesNothing, m.beat("backup").Owed)
	})
}

func TestPassesOfASchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		pass := func() HeartbeatsResult { // each in a process of its own
			l := NewHeartbeats(m, m, HeartbeatsOptions{Tolerance: 150 * time.Second})
			r, err := l.RunOnce(t.Context())
			require.NoError(t, err)
			return r
		}
		require.Equal(t, time.Duration(-1), pass().Next)
		m.ping(nil, "backup", alerting.SignalOK, minutely)
		for range 2 {
			time.Sleep(time.Minute)
			require.Zero(t, pass().Moved, "a minute apart is as it should be")
		}
		require.Equal(t, 1, m.downs("backup"))
		m.ping(nil, "backup", alerting.SignalOK, minutely)
		pass()
		time.Sleep(time.Hour)
		r := pass()
		require.Equal(t, time.Hour, r.Moved)
		require.Equal(t, time.Minute, r.Next)
		require.Zero(t, r.Posted)
	})
}

func TestThePollFindsWhatOtherProcessesTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		ctx, cancel := context.WithCancel(t.Context())
		l := NewHeartbeats(m, m, HeartbeatsOptions{Poll: time.Second})
		var done sync.WaitGroup
		done.Go(func() { _ = l.Run(ctx) })
		time.Sleep(10500 * time.Millisecond)
		m.ping(nil, "backup", alerting.SignalFail, minutely)
		time.Sleep(time.Second)
		require.Equal(t, 1, m.downs("backup"))
		cancel()
		done.Wait()
	})
}
