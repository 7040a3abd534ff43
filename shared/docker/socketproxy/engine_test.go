package socketproxy_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/docker/socketproxy"
)

// before is a proxy in front of the machine's engine for these containers; it
// gives its DOCKER_HOST.
func before(t *testing.T, containers ...string) string {
	t.Helper()
	policy := alerting.DefaultPolicy()
	policy.Containers = containers
	return beforeUnder(t, policy)
}

func beforeUnder(t *testing.T, policy alerting.Policy) string {
	t.Helper()
	p, err := socketproxy.New(socketproxy.Options{
		Host: dockertest.Require(t).Host, Policy: func() alerting.Policy { return policy },
		Self: docker.ReadSelf().Is, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(p)
	server.Config = p.Server(nil)
	server.Start()
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "http", "tcp", 1)
}

func open(t *testing.T, host string) *docker.Engine {
	t.Helper()
	e, err := docker.Open(host)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

// values are what the parameters of our calls may hold.
var values = map[string]string{
	"all": "1", "follow": "1", "stderr": "1", "stdout": "1", "timestamps": "1", "since": "1771984800.000000001", "until": "1771984801", "tail": "10",
	"filters": `{"label":{"trade-monitor.restart=true":true}}`,
}

// A call that is added to the list passes the proxy, or this test says why not.
func TestEveryListedCallPassesForAnAllowedContainer(t *testing.T) {
	c := dockertest.Run(t, dockertest.Spec{StopTimeout: time.Second})
	everything := alerting.DefaultPolicy()
	everything.Containers = []string{c.Name}
	everything.Default.Ladder = []alerting.Action{alerting.Restart, alerting.Start, alerting.Stop}
	base := strings.Replace(beforeUnder(t, everything), "tcp", "http", 1)
	for _, listed := range docker.Calls {
		for _, ref := range []string{c.ID, c.Name} {
			query := url.Values{}
			for _, name := range listed.Query {
				require.Contains(t, values, name, "%s %s: say what this parameter may hold", listed.Method, listed.Path)
				query.Set(name, values[name])
			}
			ctx, leave := context.WithTimeout(t.Context(), 20*time.Second)
			uri := base + "/v1.41" + strings.Replace(listed.Path, "{id}", ref, 1) + "?" + query.Encode()
			req, err := http.NewRequestWithContext(ctx, listed.Method, strings.TrimSuffix(uri, "?"), http.NoBody)
			require.NoError(t, err)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			body := make([]byte, 300)
			if resp.StatusCode >= 300 && resp.StatusCode != http.StatusNotModified { // to start what runs is no change
				n, _ := io.ReadFull(resp.Body, body)
				t.Errorf("%s: %d %s", uri, resp.StatusCode, body[:n])
			}
			_ = resp.Body.Close()
			leave()
		}
	}
}

// What the adapter reads is all there: an answer from which too much was taken
// would differ.
func TestTheAdapterSeesTheSameThroughTheProxy(t *testing.T) {
	c := dockertest.Run(t, dockertest.Spec{
		Args: []string{"-tick", "50ms"}, Labels: map[string]string{docker.Label: "true", docker.WatchLabel: "true", "password": "canary"}, Env: []string{"PASSWORD=canary"},
		TTY: true, StopTimeout: 2 * time.Second, RestartPolicy: "unless-stopped", Health: &dockertest.Health{Interval: time.Second, Retries: 1},
	})
	c.Until(20*time.Second, "healthy", func(s dockertest.State) bool { return s.Health == "healthy" })
	direct, through := open(t, dockertest.Require(t).Host), open(t, before(t)) // admitted by its label

	look := func(e *docker.Engine) *alerting.Container {
		found, err := e.Inspect(t.Context(), c.Name)
		require.NoError(t, err)
		require.NotNil(t, found)
		return found
	}
	before := look(direct)
	same := func() bool { return assert.ObjectsAreEqual(look(direct), look(through)) }
	require.Eventually(t, same, 5*time.Second, 10*time.Millisecond, "but for a probe that comes in between: %+v %+v", look(direct), look(through))
	require.NotEmpty(t, before.Probes)
	for what, ask := range map[string]func(*docker.Engine) (any, error){
		"id":       func(e *docker.Engine) (any, error) { return e.ID(t.Context()) },
		"identity": func(e *docker.Engine) (any, error) { return e.Identity(t.Context()) },
		"containers": func(e *docker.Engine) (any, error) {
			all, err := e.Containers(t.Context())
			return all[slices.IndexFunc(all, func(s alerting.ContainerSummary) bool { return s.ID == c.ID })], err
		},
		"labelled": func(e *docker.Engine) (any, error) {
			all, err := e.Labelled(t.Context())
			return slices.Contains(all, c.Name), err
		},
		"none": func(e *docker.Engine) (any, error) {
			found, err := e.Inspect(t.Context(), c.ID[:12])
			return found == nil, err
		},
	} {
		want, err := ask(direct)
		require.NoError(t, err)
		got, err := ask(through)
		require.NoError(t, err)
		assert.Equal(t, want, got, what)
		assert.NotZero(t, got, what)
	}
	clock, err := through.Clock(t.Context())
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now(), clock, time.Second)
	tail, err := through.LastLines(t.Context(), *before, time.Time{}, 2)
	require.NoError(t, err)
	assert.Len(t, tail, 2)

	past, err := through.Recall(t.Context(), c.ID)
	require.NoError(t, err)
	heard, read := listen(t, through, *before)
	require.NoError(t, through.Restart(t.Context(), c.ID))
	assert.Subset(t, heard(), []alerting.ContainerAction{alerting.ContainerKilled, alerting.ContainerDied, alerting.ContainerStarted})
	assert.Positive(t, read(), "lines were followed to the end of the run")
	assert.NotEqual(t, before.StartedAt, look(direct).StartedAt)
	killed, _, err := through.Since(t.Context(), c.ID, time.Now(), past.Mark)
	require.NoError(t, err)
	assert.True(t, killed, "a mark taken through the proxy is one that is found through it")
}

// listen follows events and log through the proxy until the container's next start.
func listen(t *testing.T, e *docker.Engine, c alerting.Container) (heard func() []alerting.ContainerAction, read func() int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	ready, opened := make(chan bool), make(chan bool)
	events, lines := make(chan []alerting.ContainerAction, 1), make(chan int, 1)
	go func() {
		var all []alerting.ContainerAction
		_ = e.Subscribe(ctx, time.Time{}, func() { close(ready) }, func(ev alerting.ContainerEvent) {
			if ev.ID == c.ID {
				all = append(all, ev.Action)
				if ev.Action == alerting.ContainerStarted {
					events <- all
				}
			}
		})
	}()
	go func() {
		n := 0
		err := e.FollowLog(ctx, c, time.Time{}, 0, func() { close(opened) }, func(alerting.LogLine) { n++ })
		assert.NoError(t, err, "the end of a run is no cut")
		lines <- n
	}()
	<-ready
	<-opened
	time.Sleep(200 * time.Millisecond) // some lines
	return func() []alerting.ContainerAction { return <-events }, func() int { return <-lines }
}

// Whoever has the proxy to himself has no more than the monitor has.
func TestThroughTheProxyTheDockerCommandReachesNothingElse(t *testing.T) {
	image := dockertest.Image(t, dockertest.Service)
	allowed := dockertest.Run(t, dockertest.Spec{Name: "allowed", Image: image, StopTimeout: time.Second})
	stranger := dockertest.Run(t, dockertest.Spec{Name: "stranger", Image: image, Env: []string{"PASSWORD=canary"}})
	stopped := dockertest.Run(t, dockertest.Spec{Name: "stopped", Image: image, Created: true})
	host := before(t, allowed.Name)
	typed := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "timeout", append([]string{"20", "docker"}, args...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "DOCKER_HOST=" + host}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	was := [3]dockertest.State{allowed.State(), stranger.State(), stopped.State()}
	for _, line := range []string{
		"run --rm -v /:/host " + image, "run -d --privileged " + image, "create " + image, "images", "pull x", "rmi " + image, "build -",
		"exec ALLOWED /service whereami", "exec STRANGER /service whereami", "kill ALLOWED", "stop -t 0 STRANGER", "stop -t 0 ALLOWED", "rm -f ALLOWED", "pause ALLOWED", "rename ALLOWED x",
		"update --restart=no ALLOWED", "cp ALLOWED:/service -", "export ALLOWED", "commit ALLOWED", "top ALLOWED", "diff ALLOWED", "stats --no-stream ALLOWED", "attach --no-stdin ALLOWED",
		"restart STRANGER", "start STRANGER", "start STOPPED", "restart STOPPED", "logs STRANGER", "container inspect STRANGER", "restart -t 0 ALLOWED", "logs --details ALLOWED",
		"restart " + stranger.ID, "logs " + stranger.ID[:12], "network ls", "volume ls", "secret ls", "swarm init", "system prune -f", "system df", "version",
	} {
		line = strings.NewReplacer("ALLOWED", allowed.Name, "STRANGER", stranger.Name, "STOPPED", stopped.Name).Replace(line)
		out, err := typed(strings.Fields(line)...)
		assert.Error(t, err, "docker %s: %s", line, out)
		assert.NotContains(t, out, "canary")
		assert.NotContains(t, out, "Ticker")
	}
	assert.Equal(t, was, [3]dockertest.State{allowed.State(), stranger.State(), stopped.State()}, "nobody was touched")

	out, err := typed("ps", "-a", "--no-trunc")
	require.NoError(t, err, out)
	assert.Contains(t, out, stranger.ID, "the list is whole: labels are looked for in it")
	out, err = typed("logs", "--tail", "1", allowed.Name)
	require.NoError(t, err, out)
	assert.Contains(t, out, "Ticker")
	out, err = typed("restart", allowed.Name)
	require.NoError(t, err, out)
	assert.NotEqual(t, was[0].StartedAt, allowed.State().StartedAt)
}
