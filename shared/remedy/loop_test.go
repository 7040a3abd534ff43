package remedy_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

var errDatabase = errors.New("database unavailable")

func TestOneContainerNeverWaitsForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		other := w.container("other")
		w.policy.Containers = append(w.policy.Containers, "other")
		w.service.StopTimeout = 10 * time.Minute
		slow := w.request()
		quick := w.request(func(work *alerting.Work) { work.Remediation.Container = other.Name })
		w.engine.restart = func(ctx context.Context, c *alerting.Container) error {
			if c == other {
				w.engine.carryOut(c)
				return nil
			}
			<-ctx.Done()
			return errCut
		}
		w.run(time.Minute)
		w.wantEnd(quick, alerting.Succeeded, "stable")
		assert.Equal(t, alerting.Running, w.store.get(slow).Status)
	})
}

func TestIdleCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run(time.Hour)
		assert.Equal(t, 1, w.store.claims)
	})
	synctest.Test(t, func(t *testing.T) { // beside other processes: one look per Poll
		w := newWorld(t)
		w.poll = time.Second
		w.run(time.Hour)
		assert.InDelta(t, 3600, w.store.claims, 2)
	})
}

func TestWakeBringsNewWorkAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		loop := w.loop("one")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = loop.Run(ctx) }()
		time.Sleep(time.Hour)
		w.store.mu.Lock()
		id := w.request()
		w.store.mu.Unlock()
		loop.Wake()
		loop.Wake() // never blocks
		synctest.Wait()
		assert.Equal(t, alerting.Running, w.store.get(id).Status)
		cancel()
		time.Sleep(time.Minute)
	})
}

func TestADatabaseThatIsAwayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.request()
		w.store.claimFails = func() error {
			if time.Since(w.began) < time.Minute {
				return errDatabase
			}
			return nil
		}
		w.run(2 * time.Minute)
		r := w.wantEnd(id, alerting.Succeeded, "stable")
		assert.LessOrEqual(t, r.OrderedAt.Sub(w.began), 70*time.Second, "it resumes by itself within 10 s")
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.claimFails = func() error { return errDatabase }
		w.run(time.Minute)
		assert.InDelta(t, 9, w.store.claims, 2, "tries are paced from 1 s to 10 s")
	})
}

func TestWithoutAStoredIntentNothingIsOrdered(t *testing.T) {
	for name, fault := range map[string]error{"database away": errDatabase, "lease lost": alerting.ErrLeaseLost} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				id := w.request()
				w.store.saveFails = func(alerting.Remediation) error { return fault }
				_, err := w.loop("one").RunOnce(t.Context())
				require.ErrorIs(t, err, fault)
				assert.Empty(t, w.engine.calls)
				assert.Equal(t, alerting.Requested, w.store.get(id).Status)
			})
		})
	}
}

func TestAnOutcomeThatCannotBeStoredIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.request()
		w.store.saveFails = func(r alerting.Remediation) error {
			if r.Status == alerting.Verifying && time.Since(w.began) < 20*time.Second {
				return errDatabase
			}
			return nil
		}
		w.run(time.Minute)
		w.wantEnd(id, alerting.Succeeded, "stable")
		assert.Len(t, w.engine.calls, 1)
	})
	synctest.Test(t, func(t *testing.T) { // for longer than the lease: the intent is reconciled
		w := newWorld(t)
		id := w.request()
		w.store.saveFails = func(r alerting.Remediation) error {
			if r.Status == alerting.Verifying && time.Since(w.began) < 5*time.Minute {
				return errDatabase
			}
			return nil
		}
		w.run(10 * time.Minute)
		w.wantEnd(id, alerting.Succeeded, "stable")
		assert.Len(t, w.engine.calls, 1)
	})
}

func TestAStopWaitsForACallThatEndsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.request()
		w.engine.restart = func(_ context.Context, c *alerting.Container) error {
			time.Sleep(5 * time.Second)
			w.engine.carryOut(c)
			return nil
		}
		w.run(time.Second)
		assert.Less(t, time.Since(w.began), 8*time.Second)
		assert.Equal(t, alerting.Verifying, w.store.get(id).Status)
	})
}

func TestAStopLeavesALongCallToBeReconciled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.request()
		w.engine.restart = func(ctx context.Context, c *alerting.Container) error {
			w.engine.kill(c)
			time.AfterFunc(20*time.Second, func() { w.engine.again(c) }) // the engine finishes it
			<-ctx.Done()
			return errCut
		}
		w.run(time.Second)
		assert.LessOrEqual(t, time.Since(w.began), 9*time.Second, "within 8 s of the stop")
		assert.Equal(t, alerting.Running, w.store.get(id).Status)
		assert.Equal(t, "call_timeout", w.store.get(id).Reason.Code, "the next process knows that the call was made")

		w.store.release()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		require.NoError(t, w.loop("two").Run(ctx))
		w.wantEnd(id, alerting.Succeeded, "stable")
		assert.Len(t, w.engine.calls, 1)
	})
}

func TestAStopBeginsNoRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.request()
		w.engine.before = func() { time.Sleep(2 * time.Second) } // the stop comes while it looks
		w.run(time.Second)
		assert.Equal(t, alerting.Requested, w.store.get(id).Status)
		assert.Empty(t, w.engine.calls)
	})
}
