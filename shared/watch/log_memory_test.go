package watch

import (
	"context"
	"errors"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"trade-monitor/shared/alerting"
)

// A silence is told under a key that no other silence has, also when all that
// was known of the ones before is gone.
func TestARuleThatComesBackTellsAgain(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		there := true
		logs, stop := w.watching(func(p *alerting.Policy) {
			if !there {
				p.Logs = nil
			}
		})
		defer stop()
		w.tick()
		pass(3 * time.Minute)
		w.tick()
		pass(0)
		w.wants(silent, over)
		for _, there = range []bool{false, true} {
			logs.Changed()
			pass(time.Minute)
		}
		w.tick()
		pass(3*time.Minute + time.Second)
		w.wants(silent, over, silent)
		w.tick()
		pass(0)
		w.wants(silent, over, silent, over)
	})
}

// What must not wait is told to all watches: that something happened, and how
// they are. A database that hangs while one of them ends must not hold it up.
func TestAWatchThatEndsHoldsNobodyUp(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		there := true
		logs, stop := w.watching(func(p *alerting.Policy) {
			if !there {
				p.Logs = nil
			}
		})
		defer stop()
		w.tick()
		pass(time.Second)
		w.change(func() { w.hang = true })
		there = false
		logs.Changed()
		synctest.Wait()
		if assert.True(t, logs.mu.TryLock(), "Look and Watches would wait for the database") {
			logs.mu.Unlock()
		}
		w.change(func() { w.hang = false })
		pass(10 * time.Second)
	})
}

// A save that failed, of something that is no longer so, is no reason to be
// awake.
func TestASaveThatIsNoLongerNeededWakesNobody(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		logs, stop := w.watching()
		defer stop()
		w.tick()
		pass(time.Minute)
		w.change(func() { w.refuse = alerting.ErrUnavailable; w.c.Paused = true })
		logs.Look(theContainer)
		pass(100 * time.Millisecond)
		w.change(func() { w.c.Paused = false })
		logs.Look(theContainer)
		pass(time.Minute)
		w.change(func() { assert.False(t, w.spins) })
		w.change(func() { w.refuse = nil })
	})
}

// A change of the policy while the database is away loses no alarm.
func TestARuleThatChangesWhileTheDatabaseIsAwayLosesNoAlarm(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		service := "a"
		logs, stop := w.watching(func(p *alerting.Policy) { p.Logs[0].Service = service })
		defer stop()
		w.tick()
		pass(time.Minute)
		w.change(func() { w.refuse = alerting.ErrUnavailable; w.logErr = errors.New("cut") })
		w.cut()
		pass(70 * time.Second)
		service = "b"
		logs.Changed()
		pass(time.Second)
		w.change(func() { w.refuse = nil })
		pass(11 * time.Second)
		w.wants(alerting.WatchIsDeaf)
		w.change(func() { w.logErr = nil })
	})
}

// A process that is killed right after it told of a silence leaves somebody who
// tells of its end.
func TestASilenceOfAProcessThatWasKilledIsResolvedByTheNext(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		_, stop := w.watching()
		w.tick()
		pass(time.Minute)
		pass(2 * time.Minute)
		w.wants(silent)
		killed := w.atRecord
		stop()
		w.saved = killed
		w.tick()
		pass(time.Second)
		_, stop = w.watching()
		defer stop()
		pass(time.Second)
		w.wants(silent, over)
	})
}

// A rule that was removed while nobody was running is no watch any more.
func TestARuleThatWasRemovedWhileWeWereAwayIsForgotten(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		_, stop := w.watching()
		w.tick()
		pass(time.Minute)
		stop()
		assert.Len(t, w.saved, 1)
		_, stop = w.watching(func(p *alerting.Policy) { p.Logs = nil })
		defer stop()
		pass(time.Second)
		assert.Empty(t, w.saved)
	})
}

// now is time.Now. A watch that asks again and again at one instant is awake for
// nothing: time goes on for it, or the bubble would never end.
func (w *world) now() time.Time {
	now := time.Now()
	w.mu.Lock()
	if !now.Equal(w.askedAt) {
		w.askedAt, w.asked = now, 0
	}
	w.asked++
	w.spins = w.spins || w.asked > 20_000
	spins := w.spins
	w.mu.Unlock()
	if spins {
		time.Sleep(time.Millisecond)
	}
	return now
}

// waits waits as a database does that gives no answer.
func (w *world) waits(ctx context.Context) {
	w.mu.Lock()
	hang := w.hang
	w.mu.Unlock()
	if hang {
		<-ctx.Done()
	}
}

// remembers notes what was stored when an event was recorded; the lock is held.
func (w *world) remembers() { w.atRecord = maps.Clone(w.saved) }

// A silence that could not be looked into is no reason to be awake once the
// container does not run.
func TestAStoppedContainerWakesNobody(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		_, stop := w.watching()
		defer stop()
		w.tick()
		pass(time.Minute)
		w.change(func() { w.away = errors.New("docker inspect: connection refused") })
		w.cut()
		pass(2*time.Minute + 10*time.Second) // the deadline has passed
		w.change(func() { w.away, w.c.Running = nil, false })
		pass(time.Minute)
		w.change(func() { assert.False(t, w.spins) })
		w.wants()
	})
}
