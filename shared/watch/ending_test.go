package watch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"trade-monitor/shared/alerting"
)

// A service that is being stopped is silent, and runs until its stop time-out. To
// restart it then would start what a person stopped.
func TestAContainerThatIsBeingStoppedIsNotSilent(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		w.ending = true
		_, stop := w.watching()
		defer stop()
		w.tick()
		pass(3*time.Minute + 20*time.Second)
		w.wants()
		w.change(func() { w.c.Running = false })
		w.cut()
		pass(time.Hour)
		w.wants()

		w.restart()
		w.change(func() { w.c.Running, w.ending = true, false })
		pass(glanceEvery)
		w.tick()
		pass(2 * time.Minute)
		w.change(func() { w.ending = true }) // a signal that it does not heed
		pass(90 * time.Second)
		w.wants()
		w.change(func() { w.ending = false })
		pass(time.Second)
		w.wants(silent)
	})
}

func TestContainersSayWhatIsBeingStopped(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() {
			w.settle()
			assert.False(t, w.watch.Ending(containerService))
			assert.False(t, w.watch.Ending("nobody"))
			w.event(containerService, alerting.ContainerEvent{Action: alerting.ContainerKilled, Signal: 1})
			w.settle()
			assert.False(t, w.watch.Ending(containerService), "a signal to reload")
			w.event(containerService, alerting.ContainerEvent{Action: alerting.ContainerKilled, Signal: 15})
			w.settle()
			assert.True(t, w.watch.Ending(containerService))
			w.pass(41 * time.Second)
			assert.False(t, w.watch.Ending(containerService), "it did not end within its stop time-out and 30 s")
			w.stop(containerService)
			w.settle()
			assert.False(t, w.watch.Ending(containerService), "it has ended")
		})
	})
}
