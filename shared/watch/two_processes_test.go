package watch

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"trade-monitor/shared/alerting"
)

// Two processes with one database and one engine see the same things. What they
// tell goes by the same keys, so that the record takes it once; and each of them
// goes on alone.
func TestTwoProcessesTellOfOneSilenceOnce(t *testing.T) {
	logBubble(t, func(t *testing.T, w *world) {
		_, stopOne := w.watching()
		w.tick()
		pass(time.Minute)
		_, stopTwo := w.watching()
		for range 3 {
			w.tick()
			pass(3*time.Minute + time.Second)
			w.tick()
			pass(time.Second)
		}
		w.wants(silent, over, silent, over, silent, over)
		stopOne()
		w.tick()
		pass(3*time.Minute + time.Second)
		_, stopOne = w.watching()
		pass(time.Second)
		stopTwo()
		w.tick()
		pass(time.Second)
		w.wants(silent, over, silent, over, silent, over, silent, over)
		stopOne()
	})
}

func TestTwoProcessesTellOfOneCrashOnce(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() {
			w.pass(time.Minute)
			ctx, cancel := context.WithCancel(t.Context())
			second := NewContainers(w, w, w, w.o)
			ended := make(chan error, 1)
			go func() { ended <- second.Run(ctx) }()
			w.pass(time.Minute)
			w.crash(containerService)
			w.pass(time.Second)
			w.start(containerService)
			w.pass(time.Minute)
			w.event(containerService, alerting.ContainerEvent{Action: alerting.ContainerHealth, Health: alerting.Unhealthy})
			w.pass(time.Minute)
			w.event(containerService, alerting.ContainerEvent{Action: alerting.ContainerHealth, Health: alerting.Healthy})
			w.pass(time.Minute)
			cancel()
			assert.NoError(t, <-ended)
			w.pass(10 * time.Minute)
			w.die(containerService, 1)
			w.pass(time.Second)
			assert.Equal(t, "DOWN -DOWN UNHEALTHY -UNHEALTHY DOWN", w.told())
		})
	})
}
