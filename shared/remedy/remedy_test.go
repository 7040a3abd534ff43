package remedy_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

func TestARestartIsOrderedOnceAndProven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.request()
		w.engine.restart = func(_ context.Context, c *alerting.Container) error {
			intent := w.store.get(id)
			assert.Equal(t, alerting.Running, intent.Status, "the intent is stored before the call")
			assert.Equal(t, c.StartedAt, intent.StartedBefore)
			assert.Equal(t, "mark", intent.EngineMark)
			assert.Equal(t, time.Now().Add(40*time.Second), intent.CallLimit, "stop time-out + 30 s")
			assert.True(t, w.store.rows[id].until.After(intent.CallLimit), "the lease outlives the call")
			w.engine.carryOut(c)
			return nil
		}
		w.run(time.Minute)

		r := w.wantEnd(id, alerting.Succeeded, "stable")
		assert.Equal(t, []alerting.RemediationStatus{alerting.Running, alerting.Verifying, alerting.Succeeded}, w.store.statuses(id))
		assert.Equal(t, []string{w.service.ID}, w.engine.calls)
		assert.Equal(t, 30*time.Second, r.EndedAt.Sub(r.StartedAfter).Round(time.Second), "not before it was stable for 30 s")
	})
}

// Promise 6: that the container stays up is no recovery while the watch that
// raised the alarm is not quiet.
func TestARecoveryIsTheEndOfTheSymptom(t *testing.T) {
	for _, back := range []time.Duration{10 * time.Second, 2 * time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			id := w.request(func(work *alerting.Work) { work.Symptom = alerting.SymptomStays })
			quiet := time.AfterFunc(back, func() { w.store.quiet(id) })
			defer quiet.Stop()
			w.run(10 * time.Minute)
			if back == time.Hour {
				r := w.wantEnd(id, alerting.Failed, "symptom_stays")
				assert.Equal(t, 5*time.Minute, r.EndedAt.Sub(r.StartedAfter).Round(time.Second))
				return
			}
			r := w.wantEnd(id, alerting.Succeeded, "stable")
			assert.Equal(t, max(back, 30*time.Second), r.EndedAt.Sub(r.StartedAfter).Round(time.Second))
			assert.Len(t, w.engine.calls, 1)
		})
	}
}

func TestWhatMayNotBeTouchedIsNot(t *testing.T) {
	manual := func(work *alerting.Work) { work.Remediation.RequestedBy = "li" }
	for why, prepare := range map[string]func(*world) int64{
		"ourselves":    func(w *world) int64 { w.service.Self = true; return w.request(manual) },
		"not_allowed":  func(w *world) int64 { w.policy.Containers = nil; return w.request(manual) },
		"no_container": func(w *world) int64 { delete(w.engine.containers, name); return w.request() },
		"not_running":  func(w *world) int64 { w.service.Running = false; return w.request() },
		"dry_run":      func(w *world) int64 { w.policy.Mode = alerting.DryRun; return w.request(manual) },
		"mode_off":     func(w *world) int64 { w.policy.Mode = alerting.Off; return w.request() },
		"alert_over": func(w *world) int64 {
			return w.request(func(work *alerting.Work) { work.Alert.Status = alerting.Resolved })
		},
	} {
		t.Run(why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				id := prepare(w)
				w.run(time.Minute)
				w.wantEnd(id, alerting.Skipped, why)
				assert.Empty(t, w.engine.calls)
			})
		})
	}
}

// An id prefix is a legal name; the adapter finds nothing by it.
func TestAnIDPrefixAsNameTouchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.policy.Containers = append(w.policy.Containers, "id-of")
		id := w.request(func(work *alerting.Work) { work.Remediation.Container = "id-of" })
		w.run(time.Minute)
		w.wantEnd(id, alerting.Skipped, "no_container")
		assert.Empty(t, w.engine.calls)
	})
}

func TestTheLabelAdmitsAContainer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.policy.Containers, w.service.Labelled = nil, true
		id := w.request()
		w.run(time.Minute)
		w.wantEnd(id, alerting.Succeeded, "stable")
	})
}

func TestAPersonMayRestartForAnAlertThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.policy.Mode = alerting.Off
		id := w.request(func(work *alerting.Work) {
			work.Alert.Status, work.Remediation.RequestedBy = alerting.Resolved, "li"
		})
		w.run(time.Minute)
		w.wantEnd(id, alerting.Succeeded, "stable")
	})
}

func TestStart(t *testing.T) {
	start := func(work *alerting.Work) {
		work.Remediation.Action, work.Remediation.RequestedBy, work.Alert.Type = alerting.Start, "li", alerting.ContainerDown
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.service.Running = false
		id := w.request(start)
		w.run(time.Minute)
		w.wantEnd(id, alerting.Succeeded, "stable")
		assert.Equal(t, 1, w.engine.carriedOut)
	})
	synctest.Test(t, func(t *testing.T) { // it runs already: nothing to order
		w := newWorld(t)
		id := w.request(start)
		w.run(time.Minute)
		r := w.wantEnd(id, alerting.Succeeded, "stable")
		assert.Empty(t, w.engine.calls)
		assert.True(t, r.OrderedAt.IsZero(), "nothing that counts as a restart")
	})
}

func TestARequestWaitsForTheEngineAndThenGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.engine.down = true
		id := w.request()
		w.run(10 * time.Minute)
		r := w.wantEnd(id, alerting.Skipped, "no_engine")
		assert.Equal(t, "connect: connection refused", r.Reason.Detail)
		assert.Equal(t, 2*time.Minute, r.EndedAt.Sub(r.RequestedAt))
		assert.InDelta(t, 13, w.engine.inspected, 3, "looks are paced from 1 s to 15 s")
		assert.Equal(t, []alerting.RemediationStatus{alerting.Requested, alerting.Skipped}, w.store.statuses(id))
	})
}

func TestARequestGoesAheadWhenTheEngineIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.engine.down = true
		time.AfterFunc(50*time.Second, func() { w.engine.set(func() { w.engine.down = false }) })
		id := w.request()
		w.run(2 * time.Minute)
		r := w.wantEnd(id, alerting.Succeeded, "stable")
		assert.LessOrEqual(t, r.OrderedAt.Sub(r.RequestedAt), 65*time.Second)
	})
}

func TestARefusalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.request()
		w.engine.restart = func(context.Context, *alerting.Container) error { return errNo }
		w.run(time.Minute)
		r := w.wantEnd(id, alerting.Failed, "engine_error")
		assert.Equal(t, "cannot restart", r.Reason.Detail)
		assert.Len(t, w.engine.calls, 1)
	})
}

func TestARefusalAfterARestartIsVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.request()
		w.engine.restart = func(_ context.Context, c *alerting.Container) error {
			w.engine.carryOut(c)
			return errNo
		}
		w.run(time.Minute)
		w.wantEnd(id, alerting.Succeeded, "stable")
		assert.Len(t, w.engine.calls, 1)
	})
}

func TestTheProofIsAskedOfTheContainer(t *testing.T) {
	for name, c := range map[string]struct {
		then   func(*world)
		status alerting.RemediationStatus
		code   string
	}{
		"healthy":         {func(w *world) { w.service.Health = alerting.Healthy }, alerting.Succeeded, "healthy"},
		"unhealthy":       {func(w *world) { w.service.Health = alerting.Unhealthy }, alerting.Failed, "unhealthy"},
		"still starting":  {func(w *world) { w.service.Health = alerting.Starting }, alerting.Failed, "unhealthy"},
		"ends again":      {func(w *world) { w.service.Running = false }, alerting.Failed, "not_stable"},
		"restarts again":  {func(w *world) { w.service.StartedAt = time.Now() }, alerting.Failed, "not_stable"},
		"is recreated":    {func(w *world) { w.service.ID = "another" }, alerting.Failed, "container_changed"},
		"is removed":      {func(w *world) { delete(w.engine.containers, w.service.Name) }, alerting.Failed, "no_container"},
		"engine vanishes": {func(w *world) { w.engine.down = true }, alerting.UnknownOutcome, "no_engine"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				id := w.request()
				time.AfterFunc(10*time.Second, func() { w.engine.set(func() { c.then(w) }) })
				w.run(20 * time.Minute)
				w.wantEnd(id, c.status, c.code)
				assert.Len(t, w.engine.calls, 1)
			})
		})
	}
}

func TestVerificationOutlastsAnEngineThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.request()
		time.AfterFunc(10*time.Second, func() { w.engine.set(func() { w.engine.down = true }) })
		time.AfterFunc(5*time.Minute, func() { w.engine.set(func() { w.engine.down = false }) })
		w.run(10 * time.Minute)
		w.wantEnd(id, alerting.Succeeded, "stable")
	})
}

func TestEveryOutageIsPacedFromItsOwnBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.policy.Rules[alerting.TickerSyncTimeout] = patient(w.policy.Rules[alerting.TickerSyncTimeout])
		down := func(is bool) func() { return func() { w.engine.set(func() { w.engine.down = is }) } }
		w.engine.down = true
		id := w.request()
		time.AfterFunc(5*time.Minute, down(false))
		time.AfterFunc(5*time.Minute+20*time.Second, down(true))
		time.AfterFunc(5*time.Minute+22*time.Second, down(false))
		w.run(10 * time.Minute)
		r := w.wantEnd(id, alerting.Succeeded, "stable")
		assert.Less(t, r.EndedAt.Sub(r.StartedAfter), 33*time.Second, "a short outage costs seconds, also after a long one")
	})
}

// patient waits an hour for the engine.
func patient(rule alerting.Rule) alerting.Rule {
	rule.Guard.EngineWait = time.Hour
	return rule
}

func TestRunOnceTakesOneStepOfEverythingDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.container("other")
		w.policy.Containers = append(w.policy.Containers, "other")
		first := w.request()
		second := w.request(func(work *alerting.Work) { work.Remediation.Container = "other" })
		later := w.request(func(work *alerting.Work) { work.Remediation.NextAt = time.Now().Add(time.Hour) })

		result, err := w.loop("one").RunOnce(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 2, result.Steps)
		assert.False(t, result.Next.IsZero())
		assert.Equal(t, alerting.Verifying, w.store.get(first).Status)
		assert.Equal(t, alerting.Verifying, w.store.get(second).Status)
		assert.Equal(t, alerting.Requested, w.store.get(later).Status)
	})
}

// Cooldown and budget are reckoned over all hosts, so the times on record are
// the store's, however far our own clock is off.
func TestTimesOnRecordAreTheStores(t *testing.T) {
	for _, ahead := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.store.ahead = ahead
			requested := time.Now().Add(ahead)
			id := w.request(func(work *alerting.Work) {
				work.Remediation.RequestedAt, work.Remediation.NextAt = requested, requested
			})
			w.run(2 * time.Minute)
			r := w.store.rows[id].work.Remediation
			require.Equal(t, alerting.Succeeded, r.Status, "ahead %s", ahead)
			require.WithinDuration(t, requested, r.OrderedAt, time.Second)
			require.WithinDuration(t, requested.Add(31*time.Second), r.EndedAt, 3*time.Second)
		})
	}
}
