package watch

import (
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

func TestWhileTheLogMovesNothingIsTold(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		logs, stop := w.watching()
		defer stop()
		w.ticks(179*time.Second, 24*time.Hour)
		w.wants()
		assert.Equal(t, alerting.WatchUp, only(t, logs).State)
		assert.Zero(t, only(t, logs).FalseAlarms)
	})
}

// A private key goes over many lines, of which each alone looks harmless.
func TestTheEvidenceHoldsNoSecret(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		_, stop := w.watching()
		defer stop()
		w.tick()
		for _, line := range []string{"password=hunter2", "-----BEGIN PRIVATE KEY-----", "bm90IGEga2V5IGJ1dCBpdCBjb3VsZCBiZSBvbmU", "-----END PRIVATE KEY-----"} {
			w.print(line)
		}
		pass(3 * time.Minute)
		w.wants(silent)
		message := w.last().ev.Message
		assert.Contains(t, message, "Ticker synced")
		assert.Contains(t, message, "password=***")
		assert.NotContains(t, message, "hunter2")
		assert.NotContains(t, message, "bm90IGEga2V5")
	})
}

// The engine may stamp a run's first line before the run's start.
func TestTheFirstLineOfARunIsEvidence(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		w.change(func() {
			w.lines = append(w.lines, worldLine{w.c.StartedAt.Add(-3 * time.Millisecond), "Ticker synced for the first time"})
		})
		_, stop := w.watching()
		defer stop()
		pass(5 * time.Minute)
		w.wants(silent, silent)
		assert.Contains(t, w.last().ev.Message, "Ticker synced for the first time")
	})
}

func TestASilenceIsTheGuidesEventAtTheDeadline(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		logs, stop := w.watching()
		defer stop()
		w.ticks(time.Second, 10*time.Second)
		w.tick()
		last := time.Now()
		pass(3*time.Minute - time.Millisecond)
		w.wants()
		pass(time.Millisecond)
		w.wants(silent)
		got := w.last()
		assert.Equal(t, last.Add(3*time.Minute), got.at)
		assert.Equal(t, "async", got.ev.Service)
		assert.Equal(t, alerting.Error, got.ev.Severity)
		assert.Equal(t, "Ticker同步超时告警", got.ev.Title)
		assert.Contains(t, got.ev.Message, "Ticker数据同步已超过3分钟未输出日志")
		assert.Contains(t, got.ev.Message, "Ticker synced, 320 symbols", "the evidence")
		assert.Equal(t, 3.0, got.field(t, "minutesSinceLastSync"))
		at, err := time.Parse(time.RFC3339, got.field(t, "lastSyncTime").(string))
		require.NoError(t, err)
		assert.WithinDuration(t, last, at, time.Second)
		assert.Equal(t, alerting.WatchDown, only(t, logs).State)
		w.change(func() { assert.Equal(t, 1, w.reads-w.opens, "one second look") })

		pass(2*time.Minute + time.Second)
		w.wants(silent, silent, silent)
		assert.Equal(t, 5.0, w.last().field(t, "minutesSinceLastSync"))
		w.tick()
		pass(0)
		w.wants(silent, silent, silent, over)
		assert.Contains(t, w.last().ev.Message, "中断 5分1秒")
		assert.Equal(t, alerting.WatchUp, only(t, logs).State)
	})
}

func TestAServiceThatNeverMatchedIsWarnedOfOnceAndNeverSilent(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		logs, stop := w.watching()
		w.print("listening on :8080")
		pass(4*time.Minute - time.Second)
		w.wants()
		assert.Equal(t, alerting.WatchNew, only(t, logs).State)
		pass(time.Second)
		w.wants(alerting.WatchUnmatched)
		assert.Contains(t, w.last().ev.Message, "listening on :8080")
		assert.Contains(t, w.last().ev.Message, "ASYNC_MONITOR_LOG_PATTERN")
		pass(48 * time.Hour)
		stop()
		_, stop = w.watching()
		defer stop()
		pass(48 * time.Hour)
		w.wants(alerting.WatchUnmatched)

		w.tick()
		pass(0)
		w.wants(alerting.WatchUnmatched, alerting.WatchUnmatched+" over")
		pass(3 * time.Minute)
		w.wants(alerting.WatchUnmatched, alerting.WatchUnmatched+" over", silent)
	})
}

func TestAStartIsGivenItsGrace(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		_, stop := w.watching()
		defer stop()
		w.tick()
		pass(2 * time.Minute)
		w.restart()
		pass(4*time.Minute - time.Second)
		w.wants()
		pass(time.Second)
		w.wants(silent)
		assert.Equal(t, 4.0, w.last().field(t, "minutesSinceLastSync"))
		assert.Contains(t, w.last().ev.Message, "本次启动后一直没有")
	})
}

func TestALineOfTheRunBeforeIsNoProgressOfThisOne(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		_, stop := w.watching()
		defer stop()
		w.tick()
		pass(3 * time.Minute)
		w.wants(silent)
		for range 5 {
			w.restart() // tail=1 would give the tick from before it
			pass(time.Minute)
		}
		w.wants(silent)
	})
}

func TestAStoppedContainerSuspendsTheWatch(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		logs, stop := w.watching()
		defer stop()
		w.tick()
		pass(time.Minute)
		w.change(func() { w.c.Running = false })
		w.cut()
		pass(time.Hour)
		w.wants()
		assert.Equal(t, alerting.WatchSuspended, only(t, logs).State)
		w.change(func() { w.c = nil })
		pass(time.Hour)
		w.wants()
		w.change(func() {
			w.c = &alerting.Container{ID: "id-2", Name: theContainer, Running: true, StartedAt: w.clock()}
		})
		logs.Look(theContainer)
		pass(4*time.Minute - time.Second)
		w.wants()
		pass(time.Second)
		w.wants(silent)
	})
}

func TestAPausedContainerIsNotSilent(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		logs, stop := w.watching()
		defer stop()
		w.tick()
		w.change(func() { w.c.Paused = true })
		pass(time.Hour)
		w.wants()
		assert.Equal(t, alerting.WatchSuspended, only(t, logs).State)
		w.change(func() { w.c.Paused = false })
		pass(glanceEvery + 4*time.Minute)
		w.wants(silent)
	})
}

func TestAContainerThatWasNeverThereIsWarnedOfOnce(t *testing.T) {
	for _, required := range []bool{true, false} {
		logBubble(t, func(t *testing.T, w *world) {
			w.c = nil
			require_ := func(p *alerting.Policy) { p.Logs[0].Required = required }
			logs, stop := w.watching(require_)
			pass(time.Minute - time.Second)
			w.wants()
			pass(24 * time.Hour)
			assert.Equal(t, alerting.WatchUnseen, only(t, logs).State)
			stop()
			logs, stop = w.watching(require_)
			defer stop()
			pass(24 * time.Hour)
			w.change(func() {
				w.c = &alerting.Container{ID: "id-1", Name: theContainer, Running: true, StartedAt: w.clock()}
			})
			pass(glanceEvery)
			w.tick()
			pass(0)
			assert.Equal(t, alerting.WatchUp, only(t, logs).State)
			if required {
				w.wants(alerting.WatchNotFound, alerting.WatchNotFound+" over")
			} else {
				w.wants()
			}
		})
	}
}

func TestAStreamThatIsCutMissesNothing(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		logs, stop := w.watching()
		defer stop()
		for range 500 {
			w.tick()
			pass(90 * time.Second)
			w.cut()
			pass(80 * time.Second)
		}
		w.wants()
		assert.Zero(t, only(t, logs).FalseAlarms)
		w.tick()
		for range 17 {
			pass(10 * time.Second)
			w.cut()
		}
		pass(10*time.Second - time.Millisecond)
		w.wants()
		pass(time.Millisecond)
		w.wants(silent)
	})
}

func TestADeafStreamIsNotASilentService(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		logs, stop := w.watching()
		defer stop()
		w.tick()
		pass(time.Second)
		w.change(func() { w.deaf = true })
		w.ticks(20*time.Second, time.Hour)
		w.wants()
		assert.InDelta(t, 3600.0/180, float64(only(t, logs).FalseAlarms), 3)
		assert.Equal(t, only(t, logs).FalseAlarms, only(t, logs).DeafTimes)
		pass(3*time.Minute + time.Second)
		w.wants(silent)
	})
}

func TestALogThatCannotBeReadIsItsOwnAlarm(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		logs, stop := w.watching()
		defer stop()
		w.tick()
		pass(time.Second)
		w.change(func() { w.logErr = errors.New("docker logs: no answer in time") })
		w.cut()
		pass(59 * time.Second)
		w.wants()
		pass(5 * time.Second)
		w.wants(alerting.WatchIsDeaf)
		pass(24 * time.Hour)
		w.wants(alerting.WatchIsDeaf)
		assert.Equal(t, alerting.WatchDeaf, only(t, logs).State)
		assert.EqualValues(t, 1, only(t, logs).DeafTimes)

		w.change(func() { w.logErr = nil })
		w.tick()
		pass(10 * time.Second)
		w.wants(alerting.WatchIsDeaf, alerting.WatchIsDeaf+" over")
		assert.Equal(t, alerting.WatchUp, only(t, logs).State)
	})
}

type noDriver struct{}

func (noDriver) Error() string {
	return "docker logs: configured logging driver does not support reading"
}
func (noDriver) Unreadable() bool { return true }

func TestADriverThatCannotBeReadIsToldAtOnce(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		w.logErr, w.c.LogDriver = noDriver{}, "none"
		_, stop := w.watching()
		pass(0)
		w.wants(alerting.WatchIsDeaf)
		assert.Contains(t, w.last().ev.Message, "日志驱动 none 不支持读取")
		pass(24 * time.Hour)
		stop()
		logs, stop := w.watching()
		defer stop()
		pass(24 * time.Hour)
		w.wants(alerting.WatchIsDeaf)
		w.change(func() {
			w.logErr = nil
			w.c = &alerting.Container{ID: "id-2", Name: theContainer, Running: true, StartedAt: w.clock(), LogDriver: "local"}
		})
		logs.Look(theContainer)
		pass(time.Second)
		w.wants(alerting.WatchIsDeaf, alerting.WatchIsDeaf+" over")
	})
}

func TestAnEngineThatIsAwayIsNoSilence(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		logs, stop := w.watching()
		defer stop()
		w.tick()
		pass(time.Second)
		w.change(func() { w.away = errors.New("docker inspect: connect: connection refused") })
		w.cut()
		pass(30 * time.Second)
		assert.Equal(t, alerting.WatchDeaf, only(t, logs).State)
		w.ticks(time.Minute, time.Hour) // it went on meanwhile
		w.change(func() { w.away = nil })
		pass(11 * time.Second)
		w.wants()
		assert.Equal(t, alerting.WatchUp, only(t, logs).State)
	})
}

func TestTheClockMayBeSet(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 10 * time.Minute, -10 * time.Minute, 3 * time.Second, -3 * time.Second} {
		t.Run(step.String(), func(t *testing.T) {
			logBubble(t, func(t *testing.T, w *world) {
				logs, stop := w.watching()
				defer stop()
				w.ticks(20*time.Second, 2*time.Minute)
				w.change(func() { w.step = step })
				w.ticks(20*time.Second, time.Minute)
				w.cut()
				w.ticks(20*time.Second, 10*time.Minute)
				w.change(func() { w.step = 0 })
				w.cut()
				w.ticks(20*time.Second, 10*time.Minute)
				w.wants()
				assert.Equal(t, alerting.WatchUp, only(t, logs).State)

				w.tick()
				last := time.Now()
				pass(time.Minute)
				w.change(func() { w.step = step })
				w.cut()
				pass(2*time.Minute + time.Second)
				w.wants(silent)
				assert.WithinDuration(t, last.Add(3*time.Minute), w.last().at, time.Second)
			})
		})
	}
}

func TestOurOwnRestartsNeitherBlindNorAlarm(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		for range 30 {
			_, stop := w.watching()
			w.ticks(5*time.Second, 20*time.Second)
			stop()
			w.tick()
			pass(2 * time.Second)
		}
		w.wants()
		last := time.Now().Add(-2 * time.Second)
		for len(w.told()) == 0 && time.Since(last) < 10*time.Minute {
			_, stop := w.watching()
			pass(20 * time.Second)
			stop()
			pass(time.Second)
		}
		w.wants(silent)
		assert.WithinDuration(t, last.Add(3*time.Minute), w.last().at, 2*time.Second)
		stopped := time.Now()
		pass(time.Hour)
		_, stop := w.watching()
		defer stop()
		pass(time.Second)
		assert.Equal(t, silent, w.told()[len(w.told())-1])
		assert.Greater(t, w.last().at, stopped, "it is still silent after an hour without us")
		w.tick()
		pass(0)
		assert.Equal(t, over, w.told()[len(w.told())-1], "though another process told of it")
	})
}

// What a new process reads first is no second look at what its stream missed.
func TestOurOwnRestartsAreNoFalseAlarms(t *testing.T) {
	short := func(p *alerting.Policy) { p.Logs[0].Timeout = 5 * time.Second }
	logBubble(t, func(t *testing.T, w *world) {
		for range 10 {
			logs, stop := w.watching(short)
			w.ticks(time.Second, 15*time.Second)
			assert.Zero(t, only(t, logs).FalseAlarms)
			stop()
			w.ticks(time.Second, 20*time.Second)
		}
		w.wants()
	})
}

func TestACrashBetweenTellingAndRememberingTellsOnce(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		_, stop := w.watching()
		w.tick()
		pass(time.Minute)
		stop()
		before := w.saved["log"+theContainer]
		_, stop = w.watching()
		pass(2 * time.Minute)
		w.wants(silent)
		stop()
		w.saved["log"+theContainer] = before
		_, stop = w.watching()
		defer stop()
		pass(time.Second)
		w.wants(silent)
	})
}

func TestASilenceFromBeforeOurFirstStartIsSeen(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		w.tick()
		pass(7 * time.Minute)
		_, stop := w.watching()
		defer stop()
		pass(0)
		w.wants(silent)
		assert.Equal(t, 7.0, w.last().field(t, "minutesSinceLastSync"))
	})
}

func TestABusyLogHidesNoTick(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		_, stop := w.watching()
		defer stop()
		w.tick()
		pass(2 * time.Minute)
		w.change(func() { w.away = errors.New("cut") })
		w.cut()
		w.tick()
		for range 5 * backlog { // the tick is further back than the stream begins
			w.print("GET /health 200")
		}
		pass(time.Second)
		w.change(func() { w.away = nil })
		pass(2 * time.Minute)
		w.wants()
		pass(time.Minute)
		w.wants(silent)
	})
}

func TestWithTheDatabaseAwayTheNewestWordIsKept(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		_, stop := w.watching()
		defer stop()
		w.tick()
		w.change(func() { w.refuse = alerting.ErrUnavailable })
		pass(10 * time.Minute)
		w.change(func() { w.refuse = nil })
		pass(11 * time.Second)
		require.Equal(t, []string{silent}, w.told())
		assert.GreaterOrEqual(t, w.last().field(t, "minutesSinceLastSync"), 9.0)

		w.tick()
		pass(0)
		w.change(func() { w.refuse = alerting.ErrUnavailable })
		pass(10 * time.Minute)
		w.tick()
		pass(time.Second)
		w.change(func() { w.refuse = nil })
		pass(time.Minute)
		w.wants(silent, over, over) // it was tried: it may have been committed
	})
}

func TestARuleThatChangesKeepsWhatIsKnown(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		timeout, pattern := 3*time.Minute, "Ticker synced"
		logs, stop := w.watching(func(p *alerting.Policy) {
			p.Logs[0].Timeout, p.Logs[0].Progress = timeout, alerting.NewLinePattern(regexp.MustCompile(pattern))
			if timeout == 0 {
				p.Logs = nil
			}
		})
		defer stop()
		w.tick()
		pass(2 * time.Minute)
		timeout = time.Minute
		logs.Changed()
		pass(0)
		w.wants(silent)
		pattern = "something else"
		logs.Changed()
		pass(30 * time.Second)
		assert.Equal(t, alerting.WatchNew, only(t, logs).State, "another pattern is not armed")
		timeout = 0
		logs.Changed()
		pass(time.Hour)
		assert.Empty(t, logs.Watches())
		assert.Empty(t, w.saved)
	})
}
