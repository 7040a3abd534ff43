//go:build clock

package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
)

// This proof sets the clock of the machine, which all of its programs see:
// therefore it is behind a build tag, and runs alone. (The rules are held in
// make test, by a clock that is made up: TestTheClockMayBeSet in shared/watch.)

// setBy sets the machine's clock by d, and back when the test ends; the way back
// is reckoned on a clock that nobody sets.
func setBy(t *testing.T, d time.Duration) {
	t.Helper()
	shift := func(d time.Duration) {
		now := syscall.NsecToTimeval(time.Now().Add(d).UnixNano())
		require.NoError(t, syscall.Settimeofday(&now))
	}
	shift(d)
	t.Cleanup(func() { shift(-d) })
}

func TestWatchAClockThatIsSet(t *testing.T) {
	for _, step := range []time.Duration{-10 * time.Minute, 10 * time.Minute, -7 * time.Second, 7 * time.Second} {
		t.Run(step.String(), func(t *testing.T) {
			engine := dockertest.PrivateEngine(t)
			c := engine.Run(t, dockertest.Spec{Name: "clock", Args: ticking})
			proxy := dockertest.NewProxy(t, engine.Engine)
			s := launchListening(t, []string{c.Name}, "DOCKER_HOST="+proxy.Host)
			await(t, 20*time.Second, "armed", s.stateOf("log", c.Name)("up"))
			setBy(t, step)
			for range 4 { // streams are opened anew on the other clock
				time.Sleep(3 * time.Second)
				proxy.CutAll()
			}
			time.Sleep(4 * time.Second)
			assert.Empty(t, s.alarms(c.Name), "no false alarm")
			assert.Equal(t, "up", s.watchOf("log", c.Name)["state"])

			began := time.Now()
			c.Kill("USR2")
			await(t, silence+10*time.Second, "silence is told", func() bool { return len(s.alarms(c.Name)) == 1 })
			took := time.Since(began)
			assert.InDelta(t, silence.Seconds(), took.Seconds(), 1.6, "the ticker stopped up to a second before we said so")
			t.Logf("figures: clock set by %-8s no false alarm; then silence told after %s (threshold 5 s)", step, took.Round(10*time.Millisecond))
		})
	}
}
