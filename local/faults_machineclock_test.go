//go:build clock

package main

import (
	"testing"
	"time"
)

// The clock of the machine is set while a container is being restarted: ours,
// the engine's and the embedded database's all at once. All programs of the
// machine see it: therefore it is behind a build tag, and runs alone. (The
// scoreboard has the engine's clock alone, as of another host.)
func TestFaultsTheMachinesClockIsSet(t *testing.T) {
	for _, step := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
		t.Run(step.String(), func(t *testing.T) {
			row := suffer(t, fault{
				en: "the machine's clock is set by " + step.String() + " during the restart", set: setting{spec: stubborn(3 * time.Second)},
				act: func(w *faultWorld) {
					w.report(targetName)
					w.ordered(1)
					time.Sleep(time.Second)
					setBy(t, step)
				},
				want: restartedOnce,
			})
			t.Logf("figures: %s", row.line())
		})
	}
}
