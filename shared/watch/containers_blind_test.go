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
