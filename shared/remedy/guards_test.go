package remedy_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

// What the guards say is tested in package alerting. Here: that the loop asks
// them with what the engine really knows, and orders nothing when they refuse.

func TestWhatAPersonIsDoingIsLeftToThem(t *testing.T) {
	for why, prepare := range map[string]func(*world){
		"in_hand_of_person": func(w *world) { w.engine.signalled[w.service.ID] = time.Now().Add(-time.Second) },
		"stopped_by_person": func(w *world) {
			w.service.Running, w.service.FinishedAt = false, time.Now()
			w.engine.signalled[w.service.ID] = time.Now().Add(-time.Second)
		},
		"paused":   func(w *world) { w.service.Paused = true },
		"starting": func(w *world) { w.service.Health = alerting.Starting; w.service.StartedAt = time.Now() },
	} {
		t.Run(why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				prepare(w)
				id := w.request()
				w.run(time.Minute)
				w.wantEnd(id, alerting.Skipped, why)
				assert.Empty(t, w.engine.calls)
			})
		})
	}
}

func TestWhatTheWatchKnowsOutlastsTheEnginesMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.service.Running = false
		w.stopped = func(of string) bool { return of == name }
		id := w.request(func(work *alerting.Work) { work.Remediation.Action = alerting.Start })
		w.run(time.Minute)
		w.wantEnd(id, alerting.Skipped, "stopped_by_person")
	})
}

func TestTheBrakeHoldsWhatIsNotOrderedYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.brake = &alerting.Brake{HostName: "host", Recent: []string{"a", "b"}}
		id := w.request()
		w.run(time.Minute)
		r := w.wantEnd(id, alerting.Skipped, "brake")
		assert.Equal(t, "host", r.Reason.Detail)
		assert.Empty(t, w.engine.calls)
	})
}

func TestEvidenceIsStoredBeforeTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.request()
		w.run(time.Minute)
		r := w.wantEnd(id, alerting.Succeeded, "stable")
		intent := w.store.history[id][0]
		require.Equal(t, alerting.Running, intent.Status)
		require.NotNil(t, intent.Evidence)
		assert.Equal(t, []string{"the last line"}, intent.Evidence.Lines)
		assert.Equal(t, "running", intent.Evidence.State)
		assert.Equal(t, "engine/host", r.Host)
	})
}

// A log that cannot be read holds nothing up for long, and is said to be missing.
func TestALogThatHangsCostsASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.engine.logHangs = true
		id := w.request()
		w.run(time.Minute)
		r := w.wantEnd(id, alerting.Succeeded, "stable")
		assert.LessOrEqual(t, r.OrderedAt.Sub(r.RequestedAt), time.Second)
		intent := w.store.history[id][0]
		require.NotNil(t, intent.Evidence)
		assert.Empty(t, intent.Evidence.Lines)
		assert.NotEmpty(t, intent.Evidence.Missing)
	})
}

func TestTheLogOfAContainerThatIsNotOursIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.policy.Containers = nil
		id := w.request()
		w.run(time.Minute)
		w.wantEnd(id, alerting.Skipped, "not_allowed")
		assert.Zero(t, w.engine.logsRead)
	})
}

func TestStop(t *testing.T) {
	stop := func(work *alerting.Work) { work.Remediation.Action = alerting.Stop }
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.request(stop)
		w.run(2 * time.Minute)
		r := w.wantEnd(id, alerting.Succeeded, "stopped")
		assert.False(t, w.service.Running)
		assert.Equal(t, 30*time.Second, r.EndedAt.Sub(w.service.FinishedAt).Round(time.Second), "it has to stay so")
		assert.Len(t, w.engine.calls, 1)
	})
	synctest.Test(t, func(t *testing.T) { // its restart policy starts it again
		w := newWorld(t)
		id := w.request(stop)
		time.AfterFunc(10*time.Second, func() { w.engine.again(w.service) })
		w.run(2 * time.Minute)
		w.wantEnd(id, alerting.Failed, "runs_again")
		assert.Len(t, w.engine.calls, 1)
	})
}

// A person who stops or restarts the container during the proof has taken it
// over: that is no failure, after which the next step would be taken.
func TestWhoActsDuringTheProofHasTakenOver(t *testing.T) {
	for name, act := range map[string]func(*world){
		"stopped":   func(w *world) { w.service.Running = false },
		"restarted": func(w *world) { w.service.StartedAt = time.Now() },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			id := w.request()
			time.AfterFunc(10*time.Second, func() {
				w.engine.set(func() { w.engine.signalled[w.service.ID] = time.Now(); act(w) })
			})
			w.run(time.Minute)
			w.wantEnd(id, alerting.UnknownOutcome, "person_took_over")
			assert.Len(t, w.engine.calls, 1, name)
		})
	}
}

// A health check that passes at first and fails again 91 s after the start has
// proven nothing.
func TestAHealthCheckHasToStayWell(t *testing.T) {
	for _, ill := range []time.Duration{91 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.service.Health = alerting.Unhealthy
			rule := w.policy.Rules[alerting.ContainerUnhealthy]
			rule.Action = alerting.Restart
			w.policy.Rules[alerting.ContainerUnhealthy] = rule
			id := w.request(func(work *alerting.Work) { work.Alert.Type = alerting.ContainerUnhealthy })
			time.AfterFunc(2*time.Second, func() { w.engine.set(func() { w.service.Health = alerting.Healthy }) })
			time.AfterFunc(ill, func() { w.engine.set(func() { w.service.Health = alerting.Unhealthy }) })
			w.engine.restartsAs(alerting.Starting)
			w.run(10 * time.Minute)
			if ill == time.Hour {
				r := w.wantEnd(id, alerting.Succeeded, "healthy")
				assert.Equal(t, 2*time.Minute, r.EndedAt.Sub(r.StartedAfter).Round(time.Second))
				return
			}
			w.wantEnd(id, alerting.Failed, "unhealthy")
		})
	}
}

// The database may take its time over the intent: what the engine said before is
// no reason to act any more.
func TestFactsThatGrewOldWhileTheIntentWasStoredAreAskedAgain(t *testing.T) {
	for name, meanwhile := range map[string]struct {
		happens func(w *world)
		calls   int
		status  alerting.RemediationStatus
	}{
		"a person stops it": {func(w *world) {
			w.engine.killed[w.service.ID], w.engine.signalled[w.service.ID] = true, time.Now()
			w.service.Running, w.service.FinishedAt = false, time.Now()
		}, 0, alerting.Skipped},
		"nothing": {func(*world) {}, 1, alerting.Succeeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				slow := true
				w.store.saveFails = func(r alerting.Remediation) error {
					if r.Status == alerting.Running && slow {
						slow = false
						time.Sleep(10 * time.Second)
						w.engine.set(func() { meanwhile.happens(w) })
					}
					return nil
				}
				id := w.request()
				w.run(5 * time.Minute)
				assert.Len(t, w.engine.calls, meanwhile.calls)
				assert.Equal(t, meanwhile.status, w.store.get(id).Status)
			})
		})
	}
}
