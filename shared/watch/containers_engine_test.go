package watch_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/watch"
)

// containerLedger is a record and a memory, for tests on real engines.
type containerLedger struct {
	t  *testing.T
	mu sync.Mutex

	keys     map[string]bool
	events   []alerting.Event
	at       []time.Time
	memories map[string]alerting.WatchMemory
}

func (l *containerLedger) RecordEvent(_ context.Context, ev alerting.Event, idem *alerting.Idempotency) (alerting.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.keys[idem.Key] {
		l.keys[idem.Key] = true
		l.events, l.at = append(l.events, ev), append(l.at, time.Now())
	}
	return alerting.Receipt{}, nil
}

func (l *containerLedger) LoadWatches(context.Context, string) ([]alerting.WatchMemory, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []alerting.WatchMemory
	for _, m := range l.memories {
		all = append(all, m)
	}
	return all, nil
}

func (l *containerLedger) SaveWatch(_ context.Context, m alerting.WatchMemory) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.memories[m.Watch.Name] = m
	return nil
}

func (l *containerLedger) ForgetWatch(_ context.Context, _ alerting.WatchKind, name, _ string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.memories, name)
	return nil
}

// told is what is in the record about a container, "-" before what is over.
func (l *containerLedger) told(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var words []string
	for _, ev := range l.events {
		if ev.Service != name {
			continue
		}
		word := strings.TrimPrefix(ev.Type, "CONTAINER_")
		if ev.Resolved {
			word = "-" + word
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// until waits for a story to be told, and fails when another one is.
func (l *containerLedger) until(name, story string) alerting.Event {
	l.t.Helper()
	for end := time.Now().Add(20 * time.Second); l.told(name) != story; time.Sleep(5 * time.Millisecond) {
		require.True(l.t, time.Now().Before(end), "want %q, got %q", story, l.told(name))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ev := range slices.Backward(l.events) {
		if ev.Service == name {
			return ev
		}
	}
	return alerting.Event{}
}

// lasts makes sure that for a while nothing else is told.
func (l *containerLedger) lasts(name, story string, d time.Duration) {
	l.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		require.Equal(l.t, story, l.told(name))
	}
}

// quickly are the rules with times that a test can wait for.
func quickly() alerting.ContainerRules {
	rules := alerting.DefaultContainerRules
	rules.Stopped, rules.Settle, rules.Calm, rules.Reconnect = 2*time.Second, time.Second, 4*time.Second, 3*time.Second
	return rules
}

// watchContainers watches what carries the label, and the names, for as long as
// the test runs or until it is stopped.
func watchContainers(t *testing.T, host string, l *containerLedger, names ...string) (containers *watch.Containers, engine *docker.Engine, stop func()) {
	t.Helper()
	engine, err := docker.Open(host)
	require.NoError(t, err)
	policy := alerting.DefaultPolicy()
	policy.Containers = names
	containers = watch.NewContainers(engine, l, l, watch.ContainerOptions{Policy: func() alerting.Policy { return policy }, Rules: quickly(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- containers.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
		engine.Close()
	})
	t.Cleanup(stop)
	return containers, engine, stop
}

func newContainerLedger(t *testing.T) *containerLedger {
	return &containerLedger{t: t, keys: map[string]bool{}, memories: map[string]alerting.WatchMemory{}}
}

// watchIs waits for a container to be seen in a state.
func watchIs(t *testing.T, c *watch.Containers, name string, state alerting.WatchState) {
	t.Helper()
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(c.Watches(), func(w alerting.Watch) bool { return w.Name == name && w.State == state })
	}, 20*time.Second, 10*time.Millisecond, "%s is %s", name, state)
}

var watched = map[string]string{"trade-monitor.watch": "true"}

func TestContainerCrashOnARealEngine(t *testing.T) {
	t.Parallel()
	l := newContainerLedger(t)
	watchContainers(t, dockertest.Require(t).Host, l)
	c := dockertest.Run(t, dockertest.Spec{Labels: watched, Args: []string{"-line", "同步失败 password=hunter2", "-exit-after", "1200ms", "-exit-code", "7"}})
	ev := l.until(c.Name, "DOWN")
	assert.Contains(t, ev.Title, "退出码 7")
	assert.Contains(t, ev.Message, "同步失败 password=***")
	fields := alerting.MetadataFields(ev.Metadata)
	assert.NotEmpty(t, fields)
	assert.Contains(t, string(ev.Metadata), `"exitCode":7`)
	assert.Contains(t, string(ev.Metadata), `"ranSeconds":1.`)
	assert.NotContains(t, ev.Message, "hunter2")
}

func TestContainerOOMOnARealEngine(t *testing.T) {
	t.Parallel()
	l := newContainerLedger(t)
	watchContainers(t, dockertest.Require(t).Host, l)
	c := dockertest.Run(t, dockertest.Spec{Labels: watched, Memory: 16 << 20, Args: []string{"-eat-after", "500ms"}})
	ev := l.until(c.Name, "OOM")
	assert.Contains(t, string(ev.Metadata), `"signal":"SIGKILL"`)
	assert.Contains(t, string(ev.Metadata), `"oomKilled":true`)
	l.lasts(c.Name, "OOM", 3*time.Second)
}

func TestContainerHealthOnARealEngine(t *testing.T) {
	t.Parallel()
	l := newContainerLedger(t)
	watchContainers(t, dockertest.Require(t).Host, l)
	c := dockertest.Run(t, dockertest.Spec{Labels: watched, Health: &dockertest.Health{Interval: 300 * time.Millisecond, Retries: 1}})
	c.Until(20*time.Second, "healthy", func(s dockertest.State) bool { return s.Health == "healthy" })
	c.Kill("USR1") // it falls ill; that is no order to end
	ev := l.until(c.Name, "UNHEALTHY")
	assert.Contains(t, ev.Message, "not well", "what the probe printed")
	c.Kill("USR1")
	l.until(c.Name, "UNHEALTHY -UNHEALTHY")
}

func TestContainerOrdersOnARealEngine(t *testing.T) {
	t.Parallel()
	l := newContainerLedger(t)
	containers, engine, _ := watchContainers(t, dockertest.Require(t).Host, l)
	c := dockertest.Run(t, dockertest.Spec{Labels: watched})
	watchIs(t, containers, c.Name, alerting.WatchUp)
	require.NoError(t, engine.Restart(t.Context(), c.ID)) // as our remediation does
	c.Restart()
	l.lasts(c.Name, "", 3*time.Second)
	watchIs(t, containers, c.Name, alerting.WatchUp)

	c.Stop()
	watchIs(t, containers, c.Name, alerting.WatchStopped)
	l.until(c.Name, "STOPPED")
	c.Start()
	l.until(c.Name, "STOPPED -STOPPED")
	c.Kill("KILL")
	l.until(c.Name, "STOPPED -STOPPED STOPPED")
	c.Start()
	l.until(c.Name, "STOPPED -STOPPED STOPPED -STOPPED")

	// A signal from the host is nobody's order that the engine knows of.
	require.NoError(t, syscall.Kill(containerProcess(t, c.ID), syscall.SIGKILL))
	l.until(c.Name, "STOPPED -STOPPED STOPPED -STOPPED DOWN")
	c.Start()
	l.until(c.Name, "STOPPED -STOPPED STOPPED -STOPPED DOWN -DOWN")
}

func TestContainerRecreatedOnARealEngine(t *testing.T) {
	t.Parallel()
	l := newContainerLedger(t)
	containers, _, _ := watchContainers(t, dockertest.Require(t).Host, l)
	c := dockertest.Run(t, dockertest.Spec{Labels: watched})
	watchIs(t, containers, c.Name, alerting.WatchUp)
	c.Remove()
	again := dockertest.Run(t, dockertest.Spec{Labels: watched, ExactName: c.Name})
	l.lasts(c.Name, "", 3*time.Second)
	watchIs(t, containers, c.Name, alerting.WatchUp)
	again.Remove()
	ev := l.until(c.Name, "STOPPED")
	assert.Contains(t, ev.Title, "已被删除")
}

func TestContainerRestartLoopOnARealEngine(t *testing.T) {
	t.Parallel()
	l := newContainerLedger(t)
	containers, _, _ := watchContainers(t, dockertest.Require(t).Host, l)
	c := dockertest.Run(t, dockertest.Spec{Labels: watched, RestartPolicy: "always", Args: []string{"-exit-after", "100ms", "-exit-code", "1"}})
	watchIs(t, containers, c.Name, alerting.WatchRestarting)
	require.Eventually(t, func() bool { return strings.HasPrefix(l.told(c.Name), "DOWN DOWN RESTARTING") }, 20*time.Second, 20*time.Millisecond)

	late := newContainerLedger(t) // one that comes while it loops
	c.Until(20*time.Second, "between two starts", func(s dockertest.State) bool { return s.Restarting })
	watchContainers(t, dockertest.Require(t).Host, late)
	require.Eventually(t, func() bool { return strings.Contains(late.told(c.Name), "RESTARTING") }, 20*time.Second, 20*time.Millisecond)
}

func TestContainerWatchBehindAProxyThatCuts(t *testing.T) {
	t.Parallel()
	l := newContainerLedger(t)
	engine := dockertest.Require(t)
	proxy := dockertest.NewProxy(t, engine)
	c := dockertest.Run(t, dockertest.Spec{Labels: watched})
	containers, _, _ := watchContainers(t, proxy.Host, l)
	watchIs(t, containers, c.Name, alerting.WatchUp)
	for range 4 {
		proxy.CutAll()
		time.Sleep(300 * time.Millisecond)
	}
	c.Restart()
	l.lasts(c.Name, "", 3*time.Second)
	proxy.CutAll()
	require.NoError(t, syscall.Kill(containerProcess(t, c.ID), syscall.SIGKILL))
	ev := l.until(c.Name, "DOWN")
	assert.Contains(t, ev.Title, "退出码 137")
	proxy.CutAll()
	c.Start()
	l.until(c.Name, "DOWN -DOWN")
	proxy.CutAll()
	c.Stop()
	l.until(c.Name, "DOWN -DOWN STOPPED")
}

func TestContainerWatchOverAnEngineRestart(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	l := newContainerLedger(t)
	comes := engine.Run(t, dockertest.Spec{Name: "comes", Labels: watched, RestartPolicy: "always"})
	stays := engine.Run(t, dockertest.Spec{Name: "stays", Labels: watched})
	containers, _, _ := watchContainers(t, engine.Host, l)
	watchIs(t, containers, comes.Name, alerting.WatchUp)
	watchIs(t, containers, stays.Name, alerting.WatchUp)
	engine.Restart()
	comes.Until(20*time.Second, "running", func(s dockertest.State) bool { return s.Running })
	watchIs(t, containers, comes.Name, alerting.WatchUp)
	require.Eventually(t, func() bool { return l.told(stays.Name) != "" }, 20*time.Second, 20*time.Millisecond, "the engine does not start this one")
	assert.Contains(t, []string{"DOWN", "STOPPED"}, l.told(stays.Name), "whether the engine said that it stopped it is chance")
	l.lasts(comes.Name, "", 3*time.Second)
	watchIs(t, containers, comes.Name, alerting.WatchUp)
}

func TestContainerWatchOverOurOwnRestartsOnARealEngine(t *testing.T) {
	t.Parallel()
	l := newContainerLedger(t)
	host := dockertest.Require(t).Host
	c := dockertest.Run(t, dockertest.Spec{Labels: watched})
	for range 5 {
		containers, _, stop := watchContainers(t, host, l)
		watchIs(t, containers, c.Name, alerting.WatchUp)
		stop()
	}
	require.NoError(t, syscall.Kill(containerProcess(t, c.ID), syscall.SIGKILL))
	c.Until(10*time.Second, "ended", func(s dockertest.State) bool { return !s.Running })
	for range 3 {
		containers, _, stop := watchContainers(t, host, l)
		watchIs(t, containers, c.Name, alerting.WatchDown)
		l.until(c.Name, "DOWN")
		stop()
	}
	c.Start()
	c.Stop()
	watchContainers(t, host, l)
	l.until(c.Name, "DOWN STOPPED")
}

// From the exit of a process to the event's record: half of them within 250 ms.
func TestContainerExitIsRecordedWithinAQuarterOfASecond(t *testing.T) {
	l := newContainerLedger(t)
	containers, _, _ := watchContainers(t, dockertest.Require(t).Host, l)
	var took []time.Duration
	for range 20 {
		c := dockertest.Run(t, dockertest.Spec{Labels: watched})
		watchIs(t, containers, c.Name, alerting.WatchUp)
		process := containerProcess(t, c.ID)
		time.Sleep(200 * time.Millisecond)
		began := time.Now()
		require.NoError(t, syscall.Kill(process, syscall.SIGKILL))
		ev := l.until(c.Name, "DOWN")
		require.Contains(t, ev.Message, "Ticker synced", "with its last lines")
		l.mu.Lock()
		at := slices.IndexFunc(l.events, func(ev alerting.Event) bool { return ev.Service == c.Name })
		took = append(took, l.at[at].Sub(began))
		l.mu.Unlock()
		c.Remove()
	}
	slices.Sort(took)
	t.Logf("exit → recorded: min %s, p50 %s, p90 %s, max %s", took[0], took[10], took[18], took[19])
	assert.LessOrEqual(t, took[10], 250*time.Millisecond)
}

// containerProcess finds the first process of a container by its control group.
func containerProcess(t *testing.T, id string) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	require.NoError(t, err)
	for _, file := range files {
		groups, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(groups), id) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			require.NoError(t, err)
			return pid
		}
	}
	t.Fatalf("no process is in the control group of %s", id)
	return 0
}
