package watch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// While a container cannot be looked at after a connection nothing of it is
// judged. That must end by itself, or no stop would ever be told again.
func TestContainerThatCouldNotBeLookedAtIsLookedAtAgain(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() {
			w.pass(time.Minute)
			w.set(func() { w.silent[containerService] = true })
			w.lose(time.Second)
			w.pass(time.Minute) // all looks have failed by now
			w.set(func() { w.silent[containerService] = false })
			w.pass(3 * time.Minute)
			w.stop(containerService)
			w.pass(2*time.Minute + time.Second)
			assert.Equal(t, "STOPPED", w.told())
		})
	})
}

// A stream that stands and brings nothing is one that a proxy forgot. The list
// finds what it did not bring; from then on another stream has to.
func TestContainerStreamThatBringsNothingIsOpenedAnew(t *testing.T) {
	inContainerWorld(t, func(t *testing.T, w *containerWorld) {
		w.running()
		w.run(func() {
			w.pass(time.Minute)
			w.set(func() { clear(w.streams) }) // they stand, and nobody sends
			w.die(containerService, 1)
			w.pass(2*time.Minute + 11*time.Second)
			assert.Equal(t, "DOWN", w.told(), "by the list")
			w.start(containerService)
			w.pass(time.Minute)
			assert.Equal(t, "DOWN -DOWN", w.told())
			w.die(containerService, 1)
			w.settle()
			assert.Equal(t, "DOWN -DOWN DOWN", w.told(), "at once, by a stream that works")
		})
	})
}
