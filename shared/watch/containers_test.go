package watch

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

// running is a world whose one container runs.
func (w *containerWorld) running() {
	w.create(containerService)
	w.start(containerService)
}

func TestContainerCrashIsToldAtOnceAndItsEndLater(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() {
			w.pass(time.Hour)
			assert.Equal(t, alerting.WatchUp, w.state(containerService))
			w.crash(containerService)
			w.settle()
			require.Equal(t, "DOWN", w.told())
			assert.Contains(t, w.last().Message, "last words of "+containerService)
			assert.Equal(t, alerting.WatchDown, w.state(containerService))
			w.start(containerService)
			w.pass(9 * time.Second)
			assert.Equal(t, "DOWN", w.told())
			w.pass(time.Second)
			assert.Equal(t, "DOWN -DOWN", w.told())
			assert.Equal(t, alerting.WatchUp, w.state(containerService))
		})
	})
}

func TestContainerThatCannotBeLookedAtHoldsNobodyUp(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.policy.Containers = append(w.policy.Containers, "other")
		w.running()
		w.create("other")
		w.start("other")
		w.run(func() {
			w.pass(time.Minute)
			w.set(func() { w.silent["other"] = true })
			w.die("other", 1)
			w.die(containerService, 1)
			w.settle()
			require.Equal(t, "DOWN", w.told())
			assert.Equal(t, containerService, w.last().Service)
			w.pass(containerGlance)
			assert.Equal(t, "DOWN DOWN", w.told(), "people are told without what could not be seen")
		})
	})
}

// The engine may say that memory ran out just after it said what came of it.
func TestContainerOOMThatIsHeardDuringTheLookIsTheReason(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() {
			w.set(func() { w.silent[containerService] = true })
			w.die(containerService, 137)
			w.pass(20 * time.Millisecond)
			w.event(containerService, alerting.ContainerEvent{Action: alerting.ContainerOOMed})
			w.pass(containerGlance)
			assert.Equal(t, "OOM", w.told())
			w.pass(time.Minute)
			assert.Equal(t, "OOM", w.told())
		})
	})
}

func TestContainerStopIsToldAfterTwoMinutes(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() {
			w.stop(containerService)
			w.pass(119 * time.Second)
			assert.Empty(t, w.told())
			w.pass(time.Second)
			assert.Equal(t, "STOPPED", w.told())
			assert.Contains(t, w.last().Title, "被人为停止")
			w.start(containerService)
			w.settle()
			assert.Equal(t, "STOPPED -STOPPED", w.told())
		})
	})
}

type containerOurs bool

func (o containerOurs) Ordered(_ context.Context, name, id string) (bool, error) {
	return bool(o) && name == containerService && id != "", nil
}

func TestContainerThatWeLeftDownIsToldAsOurs(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.o.Orders = containerOurs(true)
		w.running()
		w.run(func() {
			w.stop(containerService)
			w.pass(2 * time.Minute)
			assert.Equal(t, "STOPPED", w.told())
			assert.Contains(t, w.last().Title, "Trade Monitor 处置后未再运行")
		})
	})
}

func TestContainerStreamMayBeCutAtAnyTime(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() {
			for range 30 {
				w.pass(10 * time.Second)
				w.lose(0)
			}
			w.pass(time.Second)
			assert.Empty(t, w.told())
			w.lose(0)
			w.crash(containerService) // nobody listens
			w.start(containerService)
			w.pass(time.Second)
			assert.Equal(t, "DOWN", w.told())
			w.pass(10 * time.Second)
			assert.Equal(t, "DOWN -DOWN", w.told())
			w.lose(0)
			w.stop(containerService)
			w.start(containerService)
			w.lose(0)
			w.pass(time.Hour)
			assert.Equal(t, "DOWN -DOWN", w.told(), "a restart by a person is nobody's failure")
			w.die(containerService, 1)
			w.pass(time.Second)
			w.lose(0)
			w.pass(time.Hour)
			assert.Equal(t, "DOWN -DOWN DOWN", w.told(), "the engine repeats the last event, and we do not")
		})
	})
}

func TestContainerEngineRestartIsNoFailureOfContainers(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.policy.Containers = append(w.policy.Containers, "other")
		w.running()
		w.create("other")
		w.start("other")
		w.run(func() {
			w.pass(time.Minute)
			w.lose(20 * time.Second)
			w.die(containerService, 255)
			w.die("other", 255)
			w.set(func() { w.remembered = nil })
			w.pass(25 * time.Second)
			w.start(containerService)
			w.pass(4 * time.Second)
			assert.Empty(t, w.told())
			w.pass(10 * time.Second)
			require.Equal(t, "DOWN", w.told(), "the engine did not start this one")
			assert.Equal(t, "other", w.last().Service)
			assert.Contains(t, w.last().Message, "无法观察 Docker 期间")
		})
	})
}

func TestContainersAreWatchedByListAndByLabel(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		labelled := func(c *alerting.Container) { c.Watched = true }
		w.create("early", labelled)
		w.start("early")
		w.create("stranger")
		w.start("stranger")
		w.create("ourselves", labelled, func(c *alerting.Container) { c.Self = true })
		w.start("ourselves")
		w.run(func() {
			w.create("late", labelled)
			w.start("late")
			w.settle()
			assert.Equal(t, alerting.WatchUp, w.state("early"))
			assert.Equal(t, alerting.WatchUp, w.state("late"))
			assert.Equal(t, alerting.WatchState("none"), w.state("stranger"))
			assert.Equal(t, alerting.WatchState("none"), w.state("ourselves"))
			assert.Equal(t, alerting.WatchUnseen, w.state(containerService), "on the list, and not there: no alarm")
			for _, name := range []string{"early", "late", "stranger", "ourselves"} {
				w.die(name, 1)
			}
			w.settle()
			assert.Equal(t, "DOWN DOWN", w.told())

			w.set(func() { w.policy.Containers = []string{"stranger"} })
			w.watch.Wake()
			w.settle()
			assert.Equal(t, alerting.WatchDown, w.state("stranger"), "new on the list: no alarm for what it was before")
			assert.Equal(t, alerting.WatchState("none"), w.state(containerService), "no longer on the list")
			assert.Equal(t, "DOWN DOWN", w.told())
		})
		assert.ElementsMatch(t, []string{"early", "late", "stranger"}, slices.Collect(maps.Keys(w.memories)))
	})
}

func TestContainersRecreatedByComposeAreNoFailure(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		labelled := func(c *alerting.Container) { c.Watched = true }
		w.create(containerService, labelled)
		w.start(containerService)
		w.run(func() {
			w.create("0123_"+containerService, labelled) // as Compose does it
			w.stop(containerService)
			w.remove(containerService)
			w.rename("0123_"+containerService, containerService)
			w.start(containerService)
			w.pass(time.Hour)
			assert.Empty(t, w.told())
			assert.Equal(t, alerting.WatchUp, w.state(containerService))
			assert.Equal(t, alerting.WatchState("none"), w.state("0123_"+containerService))
		})
	})
}

func TestContainerEngineThatStaysAwayIsAnAlarmOfItsOwn(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() {
			w.pass(time.Hour)
			w.lose(110 * time.Second)
			w.pass(10 * time.Minute)
			assert.Empty(t, w.told())
			w.lose(10 * time.Minute)
			w.pass(119 * time.Second)
			assert.Equal(t, alerting.WatchUp, w.state(containerService))
			w.pass(time.Second)
			require.Equal(t, "WATCH_DEAF", w.told())
			assert.Equal(t, "docker", w.last().Service)
			assert.Equal(t, alerting.Error, w.last().Severity)
			assert.Equal(t, alerting.WatchDeaf, w.state(containerService))
		})
		w.run(func() { // another process of ours
			w.pass(10 * time.Minute)
			assert.Equal(t, "WATCH_DEAF -WATCH_DEAF", w.told())
			assert.Equal(t, alerting.WatchUp, w.state(containerService))
		})
		assert.Equal(t, []string{containerService}, slices.Collect(maps.Keys(w.memories)))
	})
}

func TestContainerEngineThatWasNeverThereIsNoAlarm(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.away = true
		w.run(func() { w.pass(time.Hour) })
		assert.Empty(t, w.told())
		assert.Equal(t, 1, strings.Count(w.log.String(), "\n"), "%s", &w.log)
	})
}

func TestContainerWatchCostsNothingWhileNothingHappens(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() {
			w.pass(time.Second)
			w.set(func() { w.lists, w.inspects, w.saves = 0, 0, 0 })
			w.pass(time.Hour)
			w.set(func() {
				assert.Equal(t, 30, w.lists, "one list every 2 min")
				assert.Zero(t, w.inspects)
				assert.Zero(t, w.saves)
			})
		})
	})
}

func TestContainerWatchFindsWhatNoEventTold(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() {
			w.pass(time.Minute)
			w.set(func() { w.containers[containerService].Running = false }) // its events were lost
			w.pass(2*time.Minute + 10*time.Second)
			assert.Equal(t, "DOWN", w.told())
		})
	})
}

func TestContainerWatchBearsAClockThatIsSetBack(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() {
			w.pass(time.Minute)
			w.set(func() { w.ahead = -time.Hour })
			for range 3 {
				w.crash(containerService)
				w.pass(time.Second)
				w.start(containerService)
				w.pass(time.Second)
			}
			assert.Equal(t, "DOWN DOWN RESTARTING", w.told())
			w.pass(time.Minute)
			assert.Equal(t, "DOWN DOWN RESTARTING -DOWN -RESTARTING", w.told())
			w.set(func() { w.ahead -= time.Hour })
			w.lose(0)
			w.pass(time.Minute)
			w.die(containerService, 1)
			w.settle()
			assert.Equal(t, "DOWN DOWN RESTARTING -DOWN -RESTARTING DOWN", w.told())
		})
		w.set(func() { w.ahead -= time.Hour })
		w.start(containerService)
		w.run(func() { w.pass(10 * time.Second) })
		assert.Equal(t, "DOWN DOWN RESTARTING -DOWN -RESTARTING DOWN -DOWN", w.told())
	})
}

func TestContainerMemoryThatCannotBeReadIsNoEnd(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.memories[containerService] = alerting.WatchMemory{Watch: alerting.Watch{Kind: alerting.ContainerWatch, Name: containerService}, Memory: []byte("{")}
		w.memories["heart"] = alerting.WatchMemory{Watch: alerting.Watch{Kind: alerting.HeartbeatWatch, Name: "heart"}}
		w.run(func() {
			w.settle()
			assert.Equal(t, alerting.WatchUp, w.state(containerService))
			assert.Equal(t, alerting.WatchState("none"), w.state("heart"))
		})
	})
}

func TestContainerWatchEndsAtOnce(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.set(func() { w.silent[containerService] = true })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- NewContainers(w, w, w, w.o).Run(ctx) }()
		time.Sleep(time.Second)
		cancel()
		synctest.Wait()
		select {
		case err := <-ended:
			require.NoError(t, err)
		default:
			t.Fatal("it has not ended")
		}
	})
}
