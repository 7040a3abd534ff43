package remedy_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"trade-monitor/shared/alerting"
)

// The engine says back what a container was given: the command that cannot be run,
// the options of a volume that cannot be mounted.
func TestWhatTheEngineRefusesIsToldWithoutSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.engine.restart = func(context.Context, *alerting.Container) error {
			return &engineError{text: `OCI runtime create failed: exec: "/app --token=hunter2hunter2": not found; mount data: username=u,password=hunter2hunter2`, sent: true}
		}
		id := w.request()
		w.run(time.Minute)
		r := w.wantEnd(id, alerting.Failed, "engine_error")
		assert.NotContains(t, r.Reason.Detail, "hunter2")
		assert.Contains(t, r.Reason.Detail, "OCI runtime create failed")
	})
}
