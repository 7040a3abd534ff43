package watch

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"trade-monitor/shared/alerting"
)

var errBrokenLog = errors.New("docker logs: Error grabbing logs: invalid character")

// An engine that accepts each request for a log, and then has nothing but an
// error, is not heard: that a stream was opened proves nothing.
func TestAStreamThatOnlyOpensIsDeaf(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		_, stop := w.watching()
		defer stop()
		w.tick()
		pass(time.Second)
		w.change(func() { w.broken, w.readErr = errBrokenLog, errBrokenLog })
		w.cut()
		pass(70 * time.Second)
		w.wants(alerting.WatchIsDeaf)
		pass(time.Hour)
		w.wants(alerting.WatchIsDeaf)
		w.change(func() { w.broken, w.readErr = nil, nil })
		w.tick()
		pass(10 * time.Second)
		w.wants(alerting.WatchIsDeaf, alerting.WatchIsDeaf+" over")
	})
}

// A proxy that never answers a request for a log is not waited for for ever.
func TestAStreamThatNeverOpensIsDeaf(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		logs, stop := w.watching()
		defer stop()
		w.print("hello") // nothing has matched: there is no silence to find it out
		pass(time.Second)
		w.change(func() { w.hangs, w.readErr = true, errBrokenLog })
		w.cut()
		pass(90 * time.Second)
		w.wants(alerting.WatchIsDeaf)
		assert.Equal(t, alerting.WatchDeaf, only(t, logs).State)
		w.change(func() { w.hangs, w.readErr = false, nil })
		pass(30 * time.Second)
		w.wants(alerting.WatchIsDeaf, alerting.WatchIsDeaf+" over")
	})
}

// A silence that cannot be looked at a second time is not told; that it cannot
// is, also while the stream brings other lines.
func TestASilenceThatCannotBeConfirmedIsDeafness(t *testing.T) {
	for _, cut := range []bool{false, true} {
		logBubble(t, func(t *testing.T, w *world) {
			logs, stop := w.watching()
			defer stop()
			w.tick()
			w.change(func() { w.readErr = errBrokenLog })
			for range 3*60 + 70 {
				pass(time.Second)
				w.print("GET /health 200")
				if cut {
					w.cut()
				}
			}
			w.wants(alerting.WatchIsDeaf)
			assert.Equal(t, alerting.WatchDeaf, only(t, logs).State)
			w.change(func() { w.readErr = nil })
			pass(2 * time.Second)
			assert.Contains(t, w.told(), silent)
			pass(5 * time.Second) // until the stream may be opened again
			assert.ElementsMatch(t, []string{alerting.WatchIsDeaf, alerting.WatchIsDeaf + " over", silent}, w.told())
			assert.Equal(t, alerting.WatchDown, only(t, logs).State)
		})
	}
}

// A quiet log whose stream is cut again and again is heard all the same: each
// time it is read, too.
func TestAQuietLogThatIsCutOftenIsNotDeaf(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		_, stop := w.watching()
		defer stop()
		w.tick()
		for range 85 {
			pass(2 * time.Second)
			w.change(func() { w.broken = errBrokenLog })
			w.cut()
		}
		w.wants()
		pass(11 * time.Second)
		w.wants(silent)
	})
}

// An answer may have been a proxy's: the same run is asked again.
func TestALogThatCouldNotBeReadIsTriedAgain(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		w.logErr = noDriver{}
		logs, stop := w.watching()
		defer stop()
		pass(time.Second)
		w.wants(alerting.WatchIsDeaf)
		w.change(func() { w.logErr = nil })
		w.tick()
		pass(unreadableFor)
		w.wants(alerting.WatchIsDeaf, alerting.WatchIsDeaf+" over")
		assert.Equal(t, alerting.WatchUp, only(t, logs).State)
	})
}

// That a container is missing is known from an engine that answers only.
func TestAContainerIsNotMissingWhileTheEngineIsAway(t *testing.T) {
	for _, there := range []bool{true, false} {
		logBubble(t, func(t *testing.T, w *world) {
			c := w.c
			w.away, w.c = errors.New("docker inspect: connection refused"), nil
			_, stop := w.watching()
			defer stop()
			pass(10 * time.Minute)
			w.wants()
			w.change(func() {
				if w.away = nil; there {
					w.c = c
				}
			})
			pass(time.Minute)
			if there {
				w.wants()
				return
			}
			pass(30 * time.Second)
			w.wants(alerting.WatchNotFound)
			pass(time.Hour)
			w.wants(alerting.WatchNotFound)
		})
	}
}
