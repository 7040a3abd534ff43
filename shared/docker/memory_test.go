package docker

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
)

func event(at int64, action events.Action, id string) events.Message {
	return events.Message{Type: events.ContainerEventType, Action: action, Actor: events.Actor{ID: id}, TimeNano: at}
}

// probes is a memory of n health probes from a time on.
func probes(n int, from int64) []events.Message {
	memory := make([]events.Message, n)
	for i := range memory {
		memory[i] = event(from+int64(i), "exec_die", "other")
	}
	return memory
}

func TestJudge(t *testing.T) {
	marked := event(1000, events.ActionStart, "ours")
	mark := markOf(marked)
	kill := func(at int64, id string) events.Message { return event(at, events.ActionKill, id) }
	since := time.Unix(0, 2000)
	for name, c := range map[string]struct {
		memory           []events.Message
		mark             string
		killed, sameBoot bool
	}{
		"nothing since":                        {[]events.Message{kill(900, "ours"), marked}, mark, false, true},
		"killed since":                         {[]events.Message{marked, kill(1001, "ours")}, mark, true, true},
		"killed before our clock's since":      {[]events.Message{marked, kill(1500, "ours")}, mark, true, true},
		"another one killed":                   {[]events.Message{marked, kill(1001, "other")}, mark, false, true},
		"died without a kill":                  {[]events.Message{marked, event(1001, events.ActionDie, "ours")}, mark, false, true},
		"restarted, empty memory":              {nil, mark, false, false},
		"restarted, some memory":               {probes(255, 5000), mark, false, false},
		"restarted, killed later":              {append(probes(200, 5000), kill(9000, "ours")), mark, true, false},
		"rolled over":                          {probes(256, 5000), mark, false, false},
		"rolled over, kill remembered":         {append(probes(255, 5000), kill(9000, "ours")), mark, true, true},
		"another event at the mark's time":     {[]events.Message{event(1000, events.ActionStart, "other")}, mark, false, false},
		"the mark is itself a kill":            {[]events.Message{kill(1000, "ours")}, markOf(kill(1000, "ours")), false, true},
		"no mark, killed after since":          {[]events.Message{kill(2001, "ours")}, "", true, false},
		"no mark, killed before since":         {[]events.Message{kill(1999, "ours")}, "", false, false},
		"no mark, full memory, killed":         {append(probes(255, 5000), kill(9000, "ours")), "", true, false},
		"a mark that this program cannot read": {[]events.Message{kill(2001, "ours")}, "?", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			killed, sameBoot := judge(c.memory, "ours", since, c.mark)
			assert.Equal(t, c.killed, killed, "killed")
			assert.Equal(t, c.sameBoot, sameBoot, "sameBoot")
		})
	}
}

func TestAPrivateEnginesRestartIsSeen(t *testing.T) {
	private := dockertest.PrivateEngine(t)
	e, err := Open(private.Host)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	c := private.Run(t, dockertest.Spec{RestartPolicy: "always"})
	past, err := e.Recall(t.Context(), c.ID)
	require.NoError(t, err)
	require.NotEmpty(t, past.Mark)
	since := time.Now()
	_, sameBoot, err := e.Since(t.Context(), c.ID, since, past.Mark)
	require.NoError(t, err)
	require.True(t, sameBoot)

	private.Stop()
	_, err = e.Inspect(t.Context(), c.Name)
	var away *Error
	require.ErrorAs(t, err, &away)
	assert.True(t, away.Unreachable())

	private.Start()
	killed, sameBoot, err := e.Since(t.Context(), c.ID, since, past.Mark)
	require.NoError(t, err, "the engine is used again as soon as it is back")
	assert.False(t, killed)
	assert.False(t, sameBoot)
}

// With --live-restore the container outlives the engine, start time and all:
// the memory alone tells.
func TestARestartUnderLiveRestoreIsSeen(t *testing.T) {
	private := dockertest.PrivateEngine(t, "--live-restore")
	e, err := Open(private.Host)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	c := private.Run(t, dockertest.Spec{})
	before, err := e.Inspect(t.Context(), c.Name)
	require.NoError(t, err)
	past, err := e.Recall(t.Context(), c.ID)
	require.NoError(t, err)
	private.Restart()
	after, err := e.Inspect(t.Context(), c.Name)
	require.NoError(t, err)
	require.True(t, after.Running)
	require.Equal(t, before.StartedAt, after.StartedAt)
	_, sameBoot, err := e.Since(t.Context(), c.ID, time.Now(), past.Mark)
	require.NoError(t, err)
	assert.False(t, sameBoot)
	c.Remove() // it would outlive the engine at the end of the test as well
}

func TestTheEngineRemembersTheNewest256Events(t *testing.T) {
	private := dockertest.PrivateEngine(t)
	e, err := Open(private.Host)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	c := private.Run(t, dockertest.Spec{Args: []string{"-ignore-term"}})
	past, err := e.Recall(t.Context(), c.ID)
	require.NoError(t, err)
	for range remembered + 1 {
		c.Kill("TERM")
	}
	memory, _, err := e.memory(t.Context())
	require.NoError(t, err)
	assert.Len(t, memory, remembered)
	for _, ev := range memory {
		assert.NotEqual(t, past.Mark, markOf(ev), "the mark has rolled out")
	}
	killed, sameBoot, err := e.Since(t.Context(), c.ID, time.Now(), past.Mark)
	require.NoError(t, err)
	assert.True(t, killed)
	assert.True(t, sameBoot, "this engine took the order")
}
