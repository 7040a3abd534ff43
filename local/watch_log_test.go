package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
	"trade-monitor/shared/docker/dockertest"
)

// The proofs of the log watch: on the built program and a real engine, with a
// threshold of 5 s. Nobody is told and nothing restarted here: what counts is
// when an alert is on record, and that there is none.

const silence = 5 * time.Second

// logsPolicy is a policy file that watches the logs of some containers.
func logsPolicy(t testing.TB, names ...string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("logs:\n")
	for _, name := range names {
		fmt.Fprintf(&b, "  %s: {pattern: Ticker synced, timeout: %s, interval: 1m}\n", name, silence)
	}
	file := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o600))
	return file
}

// listening starts the program with the logs of some containers watched.
func launchListening(t testing.TB, names []string, more ...string) *runningService {
	t.Helper()
	s := launch(t, append([]string{"DOCKER_HOST=" + dockertest.Require(t).Host, "REMEDIATION_MODE=off", "ASYNC_MONITOR_LOG_PATTERN=off", "REMEDIATION_CONTAINERS=", "POLICY_FILE=" + logsPolicy(t, names...)}, more...)...)
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	return s
}

// alarms are the alerts about a service, newest first.
func (s *runningService) alarms(service string) []map[string]any {
	s.t.Helper()
	return objects(s.get("/api/alerts?pageSize=200&serviceName="+service).fields, "data")
}

// at reads a time of an answer.
func at(t testing.TB, o map[string]any, name string) time.Time {
	t.Helper()
	text, _ := o[name].(string)
	when, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err, "%s of %v", name, o)
	return when
}

// lastTick is when the engine got the container's newest line that matches.
func lastTick(t testing.TB, e *docker.Engine, name string) (newest time.Time) {
	t.Helper()
	c, err := e.Inspect(t.Context(), name)
	require.NoError(t, err)
	require.NotNil(t, c)
	require.NoError(t, e.ReadLog(t.Context(), *c, time.Time{}, func(line alerting.LogLine) {
		if strings.Contains(string(line.Text), "Ticker synced") {
			newest, _ = line.At()
		}
	}))
	require.False(t, newest.IsZero(), "it ticked")
	return newest
}

func openEngine(t testing.TB, host string) *docker.Engine {
	t.Helper()
	e, err := docker.Open(host)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

// stall makes the ticker of a container stop, waits for the verdict, and gives
// how long after the threshold it fell. Then the ticker goes on.
func (s *runningService) stall(t testing.TB, e *docker.Engine, c *dockertest.Container) time.Duration {
	t.Helper()
	before := len(s.alarms(c.Name))
	c.Kill("USR2")
	time.Sleep(100 * time.Millisecond) // it has heard; soon its last line may be rotated away
	last := lastTick(t, e, c.Name)
	await(t, silence+10*time.Second, c.Name+" is silent", func() bool { return len(s.alarms(c.Name)) > before })
	late := at(t, s.alarms(c.Name)[0], "createdAt").Sub(last.Add(silence))
	c.Kill("USR2")
	await(t, 10*time.Second, c.Name+" is back", func() bool { return s.alarms(c.Name)[0]["status"] == "RESOLVED" })
	return late
}

// heardAgain waits for a new line of the container: a run that has shown nothing
// yet has its grace.
func (s *runningService) heardAgain(t testing.TB, name string) {
	t.Helper()
	from := time.Now()
	await(t, 30*time.Second, "working and heard", func() bool {
		w := s.watchOf("log", name)
		return w["state"] == "up" && w["lastSeenAt"] != nil && at(t, w, "lastSeenAt").After(from)
	})
}

// verdictWithin is the promise: a deadline, not a poll. Times of the record are
// in milliseconds, cut.
func verdictWithin(t testing.TB, late time.Duration) {
	t.Helper()
	assert.GreaterOrEqual(t, late, -time.Millisecond, "not before the threshold")
	assert.LessOrEqual(t, late, time.Second, "within a second of it")
}

func TestWatchVerdictsFallAtTheThreshold(t *testing.T) {
	t.Parallel()
	e := openEngine(t, dockertest.Require(t).Host)
	var stalling, steady []*dockertest.Container
	var names []string
	for range either(4, 20) {
		stalling = append(stalling, dockertest.Run(t, dockertest.Spec{Name: "stalls", Args: []string{"-tick", "300ms"}}))
	}
	for range either(2, 10) {
		steady = append(steady, dockertest.Run(t, dockertest.Spec{Name: "steady", Args: []string{"-tick", "4s"}}))
	}
	for _, c := range append(stalling, steady...) {
		names = append(names, c.Name)
	}
	s := launchListening(t, names, "DOCKER_HOST="+dockertest.Require(t).Host)
	for _, name := range names {
		await(t, 20*time.Second, name+" is armed", s.stateOf("log", name)("up"))
	}
	var mu sync.Mutex
	var lates []time.Duration
	var all sync.WaitGroup
	began := time.Now()
	for _, c := range stalling {
		all.Go(func() {
			for range either(1, 5) {
				late := s.stall(t, e, c)
				mu.Lock()
				lates = append(lates, late)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for _, late := range lates {
		verdictWithin(t, late)
	}
	for _, c := range steady {
		assert.Empty(t, s.alarms(c.Name), "every 4 s is often enough")
		assert.Zero(t, s.watchOf("log", c.Name)["falseAlarms"])
	}
	t.Logf("figures: threshold 5 s → verdict later by: %s; no alarm of %d services that log every 4 s, in %s", spread(lates), len(steady), time.Since(began).Round(time.Second))
}

// disturbance is what happens to a log while its service works.
type disturbance struct {
	spec   dockertest.Spec
	during func(t *testing.T, d *disturbed)
}

// disturbed is one running scene.
type disturbed struct {
	*runningService
	c     *dockertest.Container
	proxy *dockertest.Proxy
	until time.Time
}

// lasts tells whether the disturbance still goes on, and waits a little.
func (d *disturbed) lasts(pause time.Duration) bool {
	time.Sleep(min(pause, max(time.Until(d.until), 0)))
	return time.Now().Before(d.until)
}

func rest(t *testing.T, d *disturbed) {
	for d.lasts(time.Second) {
	}
}

var disturbances = map[string]disturbance{
	"log rotation": {
		spec:   dockertest.Spec{Args: []string{"-chatter", "2000"}, LogDriver: "json-file", LogOptions: map[string]string{"max-size": "512k", "max-file": "2"}},
		during: rest,
	},
	"10,000 other lines a second": {spec: dockertest.Spec{Args: []string{"-chatter", "10000"}, LogOptions: map[string]string{"max-size": "20m", "max-file": "2"}}, during: rest},
	"very long lines":             {spec: dockertest.Spec{Args: []string{"-long", "200000"}, LogOptions: map[string]string{"max-size": "5m", "max-file": "2"}}, during: rest},
	"a TTY":                       {spec: dockertest.Spec{TTY: true}, during: rest},
	"the driver local":            {spec: dockertest.Spec{LogDriver: "local"}, during: rest},
	"a stream that is cut": {during: func(t *testing.T, d *disturbed) {
		d.proxy.CutEvery(either(2*time.Second, 10*time.Second))
		rest(t, d)
	}},
	"an engine that hangs": {during: func(t *testing.T, d *disturbed) {
		for d.lasts(3 * time.Second) {
			d.proxy.Hang(true)
			time.Sleep(2 * time.Second)
			d.proxy.Hang(false)
		}
	}},
	"restarts of the container": {during: func(t *testing.T, d *disturbed) {
		for d.lasts(3 * time.Second) {
			d.c.Restart()
		}
	}},
	"recreation under the same name": {during: func(t *testing.T, d *disturbed) {
		for d.lasts(3 * time.Second) {
			name := d.c.Name
			d.c.Remove()
			d.c = dockertest.Run(t, dockertest.Spec{ExactName: name, Args: ticking})
		}
	}},
	"a pause of the container": {during: func(t *testing.T, d *disturbed) {
		d.c.Pause()
		rest(t, d)
		d.c.Unpause()
	}},
	"our own restarts": {during: func(t *testing.T, d *disturbed) {
		for d.lasts(either(3*time.Second, 20*time.Second)) {
			d.kill()
			d.start()
		}
	}},
}

// ticking is how a service works.
var ticking = []string{"-tick", "1s"}

func TestWatchNoFalseAndNoMissedAlarm(t *testing.T) {
	t.Parallel()
	for name, d := range disturbances {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			engine := dockertest.Require(t)
			d.spec.Name = "disturbed"
			d.spec.Args = append(append([]string{}, ticking...), d.spec.Args...)
			c := engine.Run(t, d.spec)
			proxy := dockertest.NewProxy(t, engine)
			scene := &disturbed{c: c, proxy: proxy, runningService: launchListening(t, []string{c.Name}, "DOCKER_HOST="+proxy.Host)}
			scene.disturb(t, d)
		})
	}
}

// disturb lets the disturbance happen, wants no alarm, and then makes the
// service fall silent, which must be told.
func (d *disturbed) disturb(t *testing.T, of disturbance) {
	t.Helper()
	up := d.stateOf("log", d.c.Name)("up")
	await(t, 20*time.Second, "armed", up)
	d.until = time.Now().Add(either(12*time.Second, time.Minute))
	if t.Name() == "TestWatchNoFalseAndNoMissedAlarm/our_own_restarts" && proofLong() {
		d.until = time.Now().Add(5 * time.Minute)
	}
	of.during(t, d)
	d.proxy.CutEvery(0)
	d.heardAgain(t, d.c.Name)
	assert.Empty(t, d.alarms(d.c.Name), "no false alarm")
	falseAlarms := d.watchOf("log", d.c.Name)["falseAlarms"]

	began := time.Now()
	late := d.stall(t, openEngine(t, dockertest.Require(t).Host), d.c)
	verdictWithin(t, late)
	t.Logf("figures: %-32s no false alarm; then silence told %4d ms after the threshold (disproved by the second look: %v; %s)",
		strings.TrimPrefix(t.Name(), "TestWatchNoFalseAndNoMissedAlarm/"), late.Milliseconds(), falseAlarms, time.Since(began).Round(time.Second))
}

// An engine that restarts takes its containers with it; those with a restart
// policy come back, and their logs go on.
func TestWatchAnEngineThatRestarts(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	c := engine.Run(t, dockertest.Spec{Name: "survives", Args: ticking, RestartPolicy: "always"})
	s := launchListening(t, []string{c.Name}, "DOCKER_HOST="+engine.Host)
	up := s.stateOf("log", c.Name)("up")
	await(t, 20*time.Second, "armed", up)
	for range either(1, 5) {
		engine.Restart()
		s.heardAgain(t, c.Name)
	}
	assert.Empty(t, s.alarms(c.Name), "no false alarm")
	late := s.stall(t, openEngine(t, engine.Host), c)
	verdictWithin(t, late)
	t.Logf("figures: %-32s no false alarm; then silence told %4d ms after the threshold", "restarts of dockerd", late.Milliseconds())
}

// A log that cannot be read is our own alarm, and never a silence.
func TestWatchALogDriverThatCannotBeRead(t *testing.T) {
	t.Parallel()
	c := dockertest.Run(t, dockertest.Spec{Name: "unreadable", Args: ticking, LogDriver: "none"})
	s := launchListening(t, []string{c.Name}, "DOCKER_HOST="+dockertest.Require(t).Host)
	await(t, 10*time.Second, "deaf, and said so", func() bool { return len(s.alarms(c.Name)) == 1 })
	time.Sleep(2*silence + 2*time.Second)
	all := s.alarms(c.Name)
	require.Len(t, all, 1)
	assert.Equal(t, "WATCH_DEAF", all[0]["alertType"])
	assert.Equal(t, float64(1), all[0]["occurrences"])
	assert.Contains(t, all[0]["message"], "日志驱动 none 不支持读取")
	watch := s.watchOf("log", c.Name)
	assert.Equal(t, "deaf", watch["state"])
	assert.Equal(t, float64(1), watch["deafTimes"])
	assert.Contains(t, s.get("/readyz").text, "监控失聪 (watches that cannot hear): log "+c.Name)
	assert.Contains(t, s.get("/readyz").text, `"status":"degraded"`)
	t.Logf("figures: %-32s WATCH_DEAF told once, no silence", "a driver that cannot be read")
}
