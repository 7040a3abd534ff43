package remedy_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

func TestAnIntentWithoutATraceIsOrderedExactlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.intended(0)
		intent := w.store.get(id)
		w.engine.restart = func(_ context.Context, c *alerting.Container) error {
			assert.GreaterOrEqual(t, time.Since(w.began), 2*time.Second, "two looks, 2 s apart, agree that it never arrived")
			again := w.store.get(id)
			assert.Equal(t, intent.StartedBefore, again.StartedBefore)
			assert.Zero(t, again.Checks, "should this call be lost too, it takes two looks again")
			assert.True(t, again.CallLimit.After(intent.CallLimit), "with a limit of its own, stored first")
			w.engine.carryOut(c)
			return nil
		}
		w.run(time.Minute)
		w.wantEnd(id, alerting.Succeeded, "stable")
		assert.Len(t, w.engine.calls, 1)
	})
}

func TestAnIntentThatWasCarriedOutIsVerified(t *testing.T) {
	for name, at := range map[string]time.Duration{"later": -10 * time.Second, "by a clock that was set back": -2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				id := w.intended(20 * time.Second)
				w.service.StartedAt = time.Now().Add(at)
				w.run(time.Minute)
				w.wantEnd(id, alerting.Succeeded, "stable")
				assert.Empty(t, w.engine.calls)
			})
		})
	}
}

func TestAKillEventMeansThatTheOrderIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.intended(time.Second)
		w.engine.kill(w.service)
		time.AfterFunc(15*time.Second, func() { w.engine.again(w.service) })
		w.run(time.Minute)
		r := w.wantEnd(id, alerting.Succeeded, "stable")
		assert.Empty(t, w.engine.calls, "waited for, not ordered again")
		assert.Zero(t, r.Checks, "a look that finds it under way does not count as one that finds nothing")
	})
}

func TestAnOrderThatNeverEndsIsUnknownNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.intended(time.Second)
		w.engine.kill(w.service)
		w.run(time.Hour)
		r := w.wantEnd(id, alerting.UnknownOutcome, "call_timeout")
		assert.WithinDuration(t, r.CallLimit, r.EndedAt, 2*time.Second)
		assert.Empty(t, w.engine.calls)
	})
}

func TestReconcilingEndsWhereNothingCanBeTold(t *testing.T) {
	for why, prepare := range map[string]func(*world){
		"engine_restarted":  func(w *world) { w.engine.restarted = true },
		"no_container":      func(w *world) { delete(w.engine.containers, name) },
		"container_changed": func(w *world) { w.service.ID = "another" },
		"no_engine":         func(w *world) { w.engine.down = true },
	} {
		t.Run(why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				id := w.intended(0)
				prepare(w)
				w.run(time.Hour)
				r := w.wantEnd(id, alerting.UnknownOutcome, why)
				assert.Empty(t, w.engine.calls)
				assert.LessOrEqual(t, r.EndedAt.Sub(r.CallLimit), 10*time.Minute)
			})
		})
	}
}

// Hours may pass between an intent and the process that finds it.
func TestAnOrderIsNotGivenAgainOnceItIsUnwanted(t *testing.T) {
	for why, change := range map[string]func(*world, int64){
		"dry_run":     func(w *world, _ int64) { w.policy.Mode = alerting.DryRun },
		"not_allowed": func(w *world, _ int64) { w.policy.Containers = nil },
		"alert_over":  func(w *world, id int64) { w.store.rows[id].work.Alert.Status = alerting.Resolved },
	} {
		t.Run(why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				id := w.intended(time.Hour)
				change(w, id)
				w.run(time.Minute)
				w.wantEnd(id, alerting.Skipped, why)
				assert.Empty(t, w.engine.calls)
			})
		})
	}
}

// The engine took the call and is stuck: no answer, no kill event, nothing
// changes. It may carry the order out yet.
func TestACallThatTimedOutIsNeverRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.request()
		w.engine.restart = func(ctx context.Context, _ *alerting.Container) error {
			<-ctx.Done()
			return &engineError{text: "no answer in time", unreachable: true, sent: true}
		}
		w.run(time.Hour)
		r := w.wantEnd(id, alerting.UnknownOutcome, "call_timeout")
		assert.Len(t, w.engine.calls, 1)
		assert.Less(t, r.EndedAt.Sub(r.CallLimit), 10*time.Second)
	})
}

func TestACallThatWasCutIsFollowed(t *testing.T) {
	for name, cut := range map[string]error{"by the adapter's word": errCut, "by an error that tells nothing": errors.New("?")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				id := w.request()
				w.engine.restart = func(_ context.Context, c *alerting.Container) error {
					time.AfterFunc(20*time.Second, func() { w.engine.carryOut(c) }) // it was stuck for a while
					return cut
				}
				w.run(2 * time.Minute)
				w.wantEnd(id, alerting.Succeeded, "stable")
				assert.Len(t, w.engine.calls, 1)
				assert.Equal(t, 1, w.engine.carriedOut)
			})
		})
	}
}

func TestACallThatNeverLeftIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.request()
		w.engine.restart = func(_ context.Context, c *alerting.Container) error {
			if w.engine.callCount() == 1 {
				w.engine.set(func() { w.engine.down = true })
				time.AfterFunc(20*time.Second, func() { w.engine.set(func() { w.engine.down = false }) })
				return errAway
			}
			w.engine.carryOut(c)
			return nil
		}
		w.run(2 * time.Minute)
		w.wantEnd(id, alerting.Succeeded, "stable")
		assert.Equal(t, 1, w.engine.carriedOut)
	})
}

// A process may end between any two things that it does. Each run ends it at
// the next such point, a second process takes over, and the container must be
// restarted exactly once.
func TestACrashAnywhereNeverDoublesARestart(t *testing.T) {
	for point := int64(1); ; point++ {
		reached := false
		t.Run(fmt.Sprintf("at point %d", point), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { reached = crashAt(t, point) })
		})
		if !reached {
			require.Greater(t, point, int64(8), "the points cover the way of a restart")
			return
		}
	}
}

func crashAt(t *testing.T, point int64) (reached bool) {
	w := newWorld(t)
	id := w.request()
	var passed atomic.Int64
	crash := func() {
		if passed.Add(1) == point {
			reached = true
			runtime.Goexit() // the step ends here; nothing of it is stored
		}
	}
	w.engine.before = crash
	w.store.saveFails = func(alerting.Remediation) error { crash(); return nil }
	w.engine.restart = func(_ context.Context, c *alerting.Container) error {
		w.engine.carryOut(c)
		crash() // carried out, but the answer met nobody
		return nil
	}
	first := w.loop("one")
	for !reached && w.store.get(id).EndedAt.IsZero() {
		_, err := first.RunOnce(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Second)
	}
	w.store.release()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, w.loop("two").Run(ctx))
	w.wantEnd(id, alerting.Succeeded, "stable")
	assert.Equal(t, 1, w.engine.carriedOut)
	return reached
}
