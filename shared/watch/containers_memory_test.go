package watch

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

func TestContainerWatchGoesOnAfterOurOwnRestart(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		for range 15 { // nothing happens, and nothing is told
			w.run(func() { w.pass(20 * time.Second) })
		}
		w.run(func() { w.crash(containerService) })
		w.run(func() { w.pass(time.Second) })
		require.Equal(t, "DOWN", w.told(), "not twice")
		w.start(containerService) // while we are away
		time.Sleep(9 * time.Second)
		w.run(func() { w.pass(500 * time.Millisecond) })
		require.Equal(t, "DOWN", w.told())
		w.run(func() { w.pass(500 * time.Millisecond) })
		assert.Equal(t, "DOWN -DOWN", w.told(), "10 s after its start, whoever looks")

		w.run(func() { w.stop(containerService); w.pass(time.Minute) })
		time.Sleep(30 * time.Second)
		w.run(func() { w.pass(28 * time.Second) })
		require.Equal(t, "DOWN -DOWN", w.told())
		w.run(func() { w.pass(10 * time.Second) })
		assert.Equal(t, "DOWN -DOWN STOPPED", w.told(), "2 min after the stop, and 10 s after we came")
		w.run(func() { w.pass(time.Hour) })
		assert.Equal(t, "DOWN -DOWN STOPPED", w.told())
	})
}

func TestContainerThatDiedWhileWeWereAwayIsTold(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() { w.pass(time.Minute) })
		w.die(containerService, 2)
		time.Sleep(time.Hour)
		w.run(func() {})
		require.Equal(t, "DOWN", w.told())
		assert.Contains(t, w.last().Title, "退出码 2")
	})
}

// A process that ends between the memory and the record repeats the event under
// the same key, whichever of them was stored.
func TestContainerAlarmIsNeitherLostNorDoubledByACrash(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() {
			w.pass(time.Minute)
			w.set(func() { w.unsure = true }) // it is stored, and we do not hear of it
			w.die(containerService, 1)
			w.settle()
		})
		w.set(func() { w.unsure = false })
		w.run(func() { w.pass(time.Minute) })
		assert.Equal(t, "DOWN", w.told())
		assert.Len(t, w.keys, 1)
		for _, n := range w.keys {
			assert.Greater(t, n, 1, "it was offered again")
		}
	})
}

// What was told is remembered before it is told: else nobody would tell its end.
func TestContainerAlarmOfAProcessThatEndedIsResolvedByTheNext(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() {
			w.pass(time.Minute)
			w.set(func() { w.unsure = true })
			w.die(containerService, 1)
		})
		w.set(func() { w.unsure = false })
		w.start(containerService)
		time.Sleep(time.Hour)
		w.run(func() { w.pass(time.Minute) })
		assert.Equal(t, "DOWN -DOWN", w.told())
	})
}

func TestContainerDeadlinesAreJudgedBeforeWhatCameAfterThem(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.o.Rules = alerting.DefaultContainerRules
		w.o.Rules.Settle = 100 * time.Millisecond
		w.running()
		w.run(func() {
			w.crash(containerService)
			w.settle()
			w.set(func() { w.silent[containerService] = true })
			w.event(containerService, alerting.ContainerEvent{Action: alerting.ContainerHealth, Health: alerting.Unhealthy})
			w.pass(50 * time.Millisecond) // it is being looked at, for longer
			w.start(containerService)
			w.pass(150 * time.Millisecond)
			w.crash(containerService)
			w.pass(3 * containerGlance)
			assert.Equal(t, "DOWN -DOWN DOWN", w.told())
		})
	})
}

func TestContainerDeadlinesBearOurClockBeingSetBack(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() { w.stop(containerService); w.pass(time.Minute) })
		w.o.Now = func() time.Time { return time.Now().Add(-time.Hour) }
		w.run(func() { w.pass(2*time.Minute + time.Second) })
		assert.Equal(t, "STOPPED", w.told())
	})
}

func TestContainerEventsWaitForTheDatabase(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() {
			w.pass(time.Minute)
			w.set(func() { w.databaseAway = true })
			for range 50 {
				w.crash(containerService)
				w.pass(time.Second)
				w.start(containerService)
				w.pass(time.Second)
			}
			w.set(func() { w.databaseAway = false })
			w.pass(10 * time.Second)
			assert.Equal(t, "DOWN RESTARTING", w.told(), "of each the newest, in order")
			w.pass(time.Minute)
			assert.Equal(t, "DOWN RESTARTING -DOWN -RESTARTING", w.told())
		})
		assert.Equal(t, 1, strings.Count(w.log.String(), "waits for the database"), "said once per outage")
	})
}

func TestContainerFailureThatWasOverBeforeItCouldBeToldIsNot(t *testing.T) {
	var box outbox
	down := alerting.Event{Type: alerting.ContainerDown}
	up := alerting.Event{Type: alerting.ContainerDown, Resolved: true}
	box.add(down, []string{"1"})
	box.add(up, []string{"2"})
	assert.Empty(t, box.Owed, "nobody heard that it began")

	box.add(down, []string{"3"})
	box.stored()
	box.add(down, []string{"4"})
	box.add(down, []string{"5"})
	require.Len(t, box.Owed, 1)
	assert.Equal(t, []string{"5"}, box.Owed[0].Key, "the newest")
	box.add(up, []string{"6"})
	require.Len(t, box.Owed, 1, "an earlier alarm is in the record")
	assert.True(t, box.Owed[0].Event.Resolved)
	box.add(down, []string{"7"})
	require.Len(t, box.Owed, 2, "in order: over, and a new one")
	box.stored()
	box.stored()
	assert.Equal(t, []string{alerting.ContainerDown}, box.Stored)

	box = outbox{}
	box.add(down, []string{"8"})
	box.Owed[0].Tried = true
	box.add(up, []string{"9"})
	require.Len(t, box.Owed, 1, "the alarm may be in the record, so its end is told")
	assert.True(t, box.Owed[0].Event.Resolved)
}

// While the database is away a failure that comes and goes costs no memory.
func TestContainerEndsThatCannotBeStoredDoNotPileUp(t *testing.T) {
	var box outbox
	down := alerting.Event{Type: alerting.ContainerDown}
	up := alerting.Event{Type: alerting.ContainerDown, Resolved: true}
	box.add(down, []string{"1"})
	box.stored()
	for range 1000 {
		box.add(up, []string{"over"})
		box.add(down, []string{"again"})
	}
	box.add(up, []string{"last"})
	assert.Len(t, box.Owed, 1)
	assert.Equal(t, []string{"last"}, box.Owed[0].Key)

	box = outbox{}
	box.add(down, []string{"2"})
	box.Owed[0].Tried = true // it may be in the record: its end must be told
	box.add(up, []string{"3"})
	box.add(down, []string{"4"})
	box.add(up, []string{"5"})
	require.Len(t, box.Owed, 1)
	assert.True(t, box.Owed[0].Event.Resolved)

	box = outbox{}
	box.add(down, []string{"6"})
	box.Owed[0].Tried = true
	box.add(down, []string{"7"}) // it was told again before anybody knew
	box.add(up, []string{"8"})
	require.Len(t, box.Owed, 1, "the first alarm may be in the record")
}
