package docker_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
	"trade-monitor/shared/docker/dockertest"
)

func open(t *testing.T, host string) *docker.Engine {
	t.Helper()
	e, err := docker.Open(host)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

func inspect(t *testing.T, e *docker.Engine, name string) alerting.Container {
	t.Helper()
	c, err := e.Inspect(t.Context(), name)
	require.NoError(t, err)
	require.NotNil(t, c, "container %s", name)
	return *c
}

func TestInspectTellsTheFactsThatGuardsNeed(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	plain := dockertest.Run(t, dockertest.Spec{Name: "plain"})
	rich := dockertest.Run(t, dockertest.Spec{
		Name: "rich", Labels: map[string]string{docker.Label: "true", docker.WatchLabel: "true"}, StopTimeout: 3 * time.Second, TTY: true, LogDriver: "local",
		RestartPolicy: "unless-stopped", Health: &dockertest.Health{Interval: 200 * time.Millisecond, Retries: 1},
	})
	created := dockertest.Run(t, dockertest.Spec{Name: "created", Created: true})

	c := inspect(t, e, plain.Name)
	assert.Equal(t, plain.ID, c.ID)
	assert.Equal(t, plain.Name, c.Name)
	assert.True(t, c.Running)
	assert.WithinDuration(t, time.Now(), c.StartedAt, time.Minute)
	assert.Equal(t, alerting.NoHealth, c.Health)
	assert.Equal(t, 10*time.Second, c.StopTimeout, "the engine's default")
	assert.False(t, c.Labelled)
	assert.False(t, c.Self)
	assert.False(t, c.Watched)
	assert.False(t, c.TTY)
	assert.False(t, c.Paused)
	assert.NotEmpty(t, c.LogDriver)
	assert.True(t, c.FinishedAt.IsZero(), "it has not ended yet")
	assert.Empty(t, c.HealthSays())

	c = inspect(t, e, rich.Name)
	assert.True(t, c.Labelled)
	assert.True(t, c.Watched)
	assert.True(t, c.TTY)
	assert.Equal(t, "local", c.LogDriver)
	assert.Equal(t, 3*time.Second, c.StopTimeout)
	assert.Equal(t, "unless-stopped", c.RestartPolicy)

	c = inspect(t, e, created.Name)
	assert.False(t, c.Running)
	assert.True(t, c.StartedAt.Before(time.Unix(0, 0)), "never started: %s", c.StartedAt)
}

func TestInspectFollowsTheHealthCheck(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	c := dockertest.Run(t, dockertest.Spec{Health: &dockertest.Health{Interval: 200 * time.Millisecond, Retries: 2}})
	is := func(want alerting.Health) func() bool {
		return func() bool { return inspect(t, e, c.Name).Health == want }
	}
	require.Eventually(t, is(alerting.Healthy), 20*time.Second, 50*time.Millisecond)
	c.Kill("USR1")
	require.Eventually(t, is(alerting.Unhealthy), 20*time.Second, 50*time.Millisecond)
}

func TestInspectTellsHowAContainerEnded(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	c := dockertest.Run(t, dockertest.Spec{Args: []string{"-exit-after", "50ms", "-exit-code", "7"}})
	c.Until(10*time.Second, "ended", func(s dockertest.State) bool { return !s.Running })
	got := inspect(t, e, c.Name)
	assert.False(t, got.Running)
	assert.Equal(t, 7, got.ExitCode)
	assert.True(t, got.FinishedAt.After(got.StartedAt))
	assert.WithinDuration(t, time.Now(), got.FinishedAt, time.Minute)
}

func TestInspectCountsRestartsOfThePolicyAndSeesAPause(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	c := dockertest.Run(t, dockertest.Spec{RestartPolicy: "always", Args: []string{"-exit-after", "50ms", "-exit-code", "3"}})
	require.Eventually(t, func() bool { return inspect(t, e, c.Name).RestartCount >= 2 }, 20*time.Second, 50*time.Millisecond)
	other := dockertest.Run(t, dockertest.Spec{Name: "other"})
	other.Pause()
	facts := inspect(t, e, other.Name)
	assert.True(t, facts.Paused)
	assert.True(t, facts.Running)
	other.Unpause()
	assert.False(t, inspect(t, e, other.Name).Paused)
}

func TestOnlyTheExactNameFindsAContainer(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	c := dockertest.Run(t, dockertest.Spec{})
	for _, name := range []string{c.ID[:4], c.ID[:12], c.ID, c.Name[:len(c.Name)-1], "tmtest-there-is-no-such-container"} {
		found, err := e.Inspect(t.Context(), name)
		require.NoError(t, err, name)
		assert.Nil(t, found, "%q must find nothing: the engine takes the beginning of an id for a name", name)
	}
}

func TestARestartIsSeenByStartTimeAndKillEvent(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	c := dockertest.Run(t, dockertest.Spec{})
	other := dockertest.Run(t, dockertest.Spec{Name: "other"})
	before := inspect(t, e, c.Name)
	past, err := e.Recall(t.Context(), c.ID)
	require.NoError(t, err)
	require.NotEmpty(t, past.Mark)
	require.Zero(t, past.KilledAt)

	killed, sameBoot, err := e.Since(t.Context(), c.ID, time.Now(), past.Mark)
	require.NoError(t, err)
	assert.False(t, killed, "nothing was ordered")
	assert.True(t, sameBoot)

	require.NoError(t, e.Restart(t.Context(), c.ID))
	after := inspect(t, e, c.Name)
	assert.Equal(t, before.ID, after.ID)
	assert.True(t, after.Running)
	assert.True(t, after.StartedAt.After(before.StartedAt))

	c.Kill("USR2")
	now, err := e.Recall(t.Context(), c.ID)
	require.NoError(t, err)
	assert.True(t, now.KilledAt.After(before.StartedAt) && now.KilledAt.Before(after.StartedAt), "a signal that does not mean the end is none")
	killed, sameBoot, err = e.Since(t.Context(), c.ID, time.Now(), past.Mark)
	require.NoError(t, err)
	assert.True(t, killed, "our clock is later than the kill: the mark's time counts")
	assert.True(t, sameBoot)
	killed, _, err = e.Since(t.Context(), other.ID, time.Now(), past.Mark)
	require.NoError(t, err)
	assert.False(t, killed, "another container's kill is not this one's")
}

func TestARestartUnderWayShowsNothingButItsKillEvent(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	c := dockertest.Run(t, dockertest.Spec{Args: []string{"-ignore-term"}, StopTimeout: 3 * time.Second})
	before := inspect(t, e, c.Name)
	past, err := e.Recall(t.Context(), c.ID)
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err = e.Restart(ctx, c.ID)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var lost *docker.Error
	require.ErrorAs(t, err, &lost)
	assert.True(t, lost.Unreachable())
	assert.True(t, lost.Sent(), "it reached the engine: it must not be called again")
	assert.False(t, lost.Refused())

	during := inspect(t, e, c.Name)
	assert.True(t, during.Running)
	assert.Equal(t, before.StartedAt, during.StartedAt)
	killed, sameBoot, err := e.Since(t.Context(), c.ID, time.Now(), past.Mark)
	require.NoError(t, err)
	assert.True(t, killed)
	assert.True(t, sameBoot)
	require.Eventually(t, func() bool { return inspect(t, e, c.Name).StartedAt.After(before.StartedAt) }, 15*time.Second, 100*time.Millisecond,
		"the engine finishes a restart whose call was given up")
}

func TestStartStartsAndLeavesWhatRunsAlone(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	c := dockertest.Run(t, dockertest.Spec{Created: true})
	require.NoError(t, e.Start(t.Context(), c.ID))
	first := inspect(t, e, c.Name)
	require.True(t, first.Running)
	require.NoError(t, e.Start(t.Context(), c.ID))
	assert.Equal(t, first.StartedAt, inspect(t, e, c.Name).StartedAt)
}

func TestARefusalIsTheEnginesOwnAnswer(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	err := e.Restart(t.Context(), strings.Repeat("0", 64))
	var refused *docker.Error
	require.ErrorAs(t, err, &refused)
	assert.True(t, refused.Refused())
	assert.False(t, refused.Unreachable())
	assert.Contains(t, refused.Detail(), "No such container")
}

func TestLabelledListsRunningAndStopped(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	label := func(value string) map[string]string { return map[string]string{docker.Label: value} }
	running := dockertest.Run(t, dockertest.Spec{Name: "running", Labels: label("true")})
	stopped := dockertest.Run(t, dockertest.Spec{Name: "stopped", Labels: label("true"), Created: true})
	no := dockertest.Run(t, dockertest.Spec{Name: "no", Labels: label("false")})
	names, err := e.Labelled(t.Context())
	require.NoError(t, err)
	assert.Contains(t, names, running.Name)
	assert.Contains(t, names, stopped.Name)
	assert.NotContains(t, names, no.Name)
}

func TestContainersListsAllWithTheirLabels(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	running := dockertest.Run(t, dockertest.Spec{Name: "running", Labels: map[string]string{docker.Label: "true", docker.WatchLabel: "false"}})
	stopped := dockertest.Run(t, dockertest.Spec{Name: "stopped", Labels: map[string]string{docker.WatchLabel: "true"}, Created: true})
	// A legacy link gives the linked container a second name.
	linking := dockertest.Run(t, dockertest.Spec{Name: "linking", Created: true, Network: "bridge", Links: []string{stopped.Name + ":alias"}})
	all, err := e.Containers(t.Context())
	require.NoError(t, err)
	assert.Contains(t, all, alerting.ContainerSummary{ID: running.ID, Name: running.Name, Running: true, Labelled: true})
	assert.Contains(t, all, alerting.ContainerSummary{ID: stopped.ID, Name: stopped.Name, Watched: true})
	assert.Contains(t, all, alerting.ContainerSummary{ID: linking.ID, Name: linking.Name})
	stopped.Start()
	stopped.Pause()
	all, err = e.Containers(t.Context())
	require.NoError(t, err)
	assert.Contains(t, all, alerting.ContainerSummary{ID: stopped.ID, Name: stopped.Name, Running: true, Watched: true}, "paused is running")
}

func TestWhatASocketProxyDenies(t *testing.T) {
	e := open(t, proxy(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	id, err := e.ID(t.Context())
	require.NoError(t, err, "hosts cannot be told apart; all else goes on")
	assert.Empty(t, id)
	now, err := e.Clock(t.Context())
	require.NoError(t, err, "our clock has to do")
	assert.WithinDuration(t, time.Now(), now, time.Second)
	_, err = e.Containers(t.Context())
	require.Error(t, err)
	away := open(t, "unix://"+filepath.Join(t.TempDir(), "none.sock"))
	_, err = away.ID(t.Context())
	assertUnreachable(t, err, false)
	_, err = away.Clock(t.Context())
	assertUnreachable(t, err, false)
}

func TestAnEngineThatIsAwayIsNoErrorAtOpen(t *testing.T) {
	e := open(t, "unix://"+filepath.Join(t.TempDir(), "none.sock"))
	_, err := e.Inspect(t.Context(), "some")
	assertUnreachable(t, err, false)
	assert.Contains(t, err.Error(), "connect: no such file or directory")
	assertUnreachable(t, e.Restart(t.Context(), "some"), false)
	assertUnreachable(t, e.Ping(t.Context()), false)
	_, err = e.Recall(t.Context(), "some")
	assertUnreachable(t, err, false)
}

func assertUnreachable(t *testing.T, err error, sent bool) {
	t.Helper()
	var away *docker.Error
	require.ErrorAs(t, err, &away)
	assert.True(t, away.Unreachable())
	assert.False(t, away.Refused())
	assert.Equal(t, sent, away.Sent())
}

// A proxy between us and the engine, which answers pings and then cannot reach
// the engine, has not heard the engine's verdict.
func TestAProxysErrorIsNotTheEnginesVerdict(t *testing.T) {
	for _, status := range []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout} {
		e := open(t, proxy(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		assertUnreachable(t, e.Restart(t.Context(), "some"), true)
	}
	denies := open(t, proxy(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	var refused *docker.Error
	require.ErrorAs(t, denies.Restart(t.Context(), "some"), &refused)
	assert.True(t, refused.Refused())
}

func TestACutConnectionLeavesOpenWhatHappened(t *testing.T) {
	e := open(t, proxy(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}))
	err := e.Restart(t.Context(), "some")
	assertUnreachable(t, err, true)
	assert.Contains(t, err.Error(), "cut")
}

func proxy(t *testing.T, then http.HandlerFunc) string {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "proxy.sock"))
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/_ping") {
			w.Header().Set("Api-Version", "1.41")
			return
		}
		then(w, r)
	}))
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return "unix://" + listener.Addr().String()
}

func TestErrorsDoNotRepeatTheAddress(t *testing.T) {
	const secret = "s3cr3t-in-the-address"
	for _, host := range []string{"ftp://" + secret, secret, "tcp://user:" + secret + "@ /"} {
		_, err := docker.Open(host)
		require.Error(t, err, host)
		assert.NotContains(t, err.Error(), secret)
	}
	e := open(t, "tcp://"+secret+".invalid:1")
	err := e.Ping(t.Context())
	require.Error(t, err)
	for ; err != nil; err = errors.Unwrap(err) {
		assert.NotContains(t, err.Error(), secret)
	}
}

// A socket proxy on TCP is used directly, whatever HTTP_PROXY says.
func TestAnEngineOnTCP(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://proxy.invalid:1")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		if strings.HasSuffix(r.URL.Path, "/restart") {
			assert.Equal(t, "/v1.41/containers/some/restart", r.URL.Path, "in the version that the engine speaks")
			assert.Empty(t, r.URL.RawQuery, "the container's own stop time-out")
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	t.Cleanup(server.Close)
	for _, scheme := range []string{"tcp", "http"} {
		e := open(t, strings.Replace(server.URL, "http", scheme, 1))
		require.NoError(t, e.Ping(t.Context()))
		require.NoError(t, e.Restart(t.Context(), "some"))
	}
}
