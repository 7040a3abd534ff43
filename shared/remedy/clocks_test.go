package remedy_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"trade-monitor/shared/alerting"
)

// The engine may be on another host or in a virtual machine, and any clock may
// be set: none of them makes a container that ran for five seconds a stable one.
func TestARecoveryIsProvenWhateverTheEnginesClock(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"the same": 0, "behind": -10 * time.Minute, "ahead": 10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.engine.ahead = ahead
				w.service.StartedAt = w.began.Add(ahead - time.Hour)
				id := w.request()
				w.run(20 * time.Second)
				assert.Equal(t, alerting.Verifying, w.store.get(id).Status, "it has not run for 30 s")
				w.store.release()
				w.run(20 * time.Second)
				w.wantEnd(id, alerting.Succeeded, "stable")
			})
		})
	}
}

func TestACrashDuringTheProofIsSeenWhateverTheClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.engine.ahead = -10 * time.Minute
		w.service.StartedAt = w.began.Add(-2 * time.Hour)
		id := w.request()
		time.AfterFunc(10*time.Second, func() { w.engine.set(func() { w.service.Running, w.service.ExitCode = false, 1 }) })
		w.run(time.Minute)
		w.wantEnd(id, alerting.Failed, "not_stable")
	})
}

// A step of the host's clock, and so of the engine's, between the restart and the
// proof: the store's clock knows when the restart was ordered.
func TestAClockThatIsSetForwardProvesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.request()
		time.AfterFunc(5*time.Second, func() { w.engine.set(func() { w.engine.ahead = 10 * time.Minute }) })
		w.run(20 * time.Second)
		assert.Equal(t, alerting.Verifying, w.store.get(id).Status, "it has not run for 30 s")
		w.store.release()
		w.run(20 * time.Second)
		w.wantEnd(id, alerting.Succeeded, "stable")
	})
}
