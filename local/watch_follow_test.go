package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker/dockertest"
)

// Following what busy services write must not cost what they do.
func TestWatchFollowingCostsLittle(t *testing.T) {
	const containers, each = 20, 500
	var names []string
	for range containers {
		c := dockertest.Run(t, dockertest.Spec{
			Name: "busy", Args: []string{"-tick", "1s", "-chatter", fmt.Sprint(each)},
			LogOptions: map[string]string{"max-size": "10m", "max-file": "2"},
		})
		names = append(names, c.Name)
	}
	// Without GOGC=50 the heap would still be on its way to its first collection,
	// so little garbage does following make: 42, 47, 38 MiB over ten minutes.
	s := launchListening(t, names, "DOCKER_HOST="+dockertest.Require(t).Host, "GOGC=50")
	for _, name := range names {
		await(t, 30*time.Second, name+" is heard", s.stateOf("log", name)("up"))
	}
	time.Sleep(either(3*time.Second, 30*time.Second)) // what was written before we came is read by then
	requireWritten(t, names[0], each)
	memory, used, began := s.resident(), processorTime(t, s.cmd.Process.Pid), time.Now()
	time.Sleep(either(10*time.Second, 2*time.Minute))
	took := time.Since(began)
	share := float64(processorTime(t, s.cmd.Process.Pid)-used) / float64(took)
	grown := s.resident() - memory
	for _, name := range names {
		assert.Empty(t, s.alarms(name))
	}
	assert.LessOrEqual(t, share, 0.15, "of one core")
	assert.LessOrEqual(t, grown, 8, "MiB more than before")
	t.Logf("figures: following %d containers that write %d lines/s together: %.1f %% of one core over %s; memory %d MiB, %+d MiB meanwhile",
		containers, containers*each, 100*share, took.Round(time.Second), memory, grown)
}

// requireWritten wants a container to write as many lines a second as it was
// told to.
func requireWritten(t *testing.T, name string, each int) {
	t.Helper()
	e := openEngine(t, dockertest.Require(t).Host)
	c, err := e.Inspect(t.Context(), name)
	require.NoError(t, err)
	lines := 0
	require.NoError(t, e.ReadLog(t.Context(), *c, time.Now().Add(-2*time.Second), func(alerting.LogLine) { lines++ }))
	require.InDelta(t, 2*each, lines, float64(each)/2)
}
