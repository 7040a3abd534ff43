package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/wecom/wecomtest"
)

// Our own kill -9 at any instant around a restart: the container's StartedAt
// changes exactly once for each incident, no incident is lost, and each ends
// with its proof, or with people being told that it cannot be told.

// killsPolicy lets one incident follow another at once.
const killsPolicy = `
defaults: {cooldown: 1s, budget: {max: 100, per: 1h}, verify: {stable: 1s, healthy: 10s}, symptom: 10m}
types: {TICKER_SYNC_TIMEOUT: {symptom: 5s}}
`

// The stages in which a kill can find a restart. What the recorder holds an
// order for makes the short ones long enough to be hit.
var killStages = []string{"before the order", "order sent, not at the engine", "while it is stopped", "started, not answered", "in verification", "after it"}

const (
	holdLooks  = 40 * time.Millisecond  // each answer of the engine before the order
	holdOrder  = 400 * time.Millisecond // the order: the intent is stored by then
	holdAnswer = 500 * time.Millisecond // its answer
	stopPhase  = time.Second            // the container ignores SIGTERM
	// wholeStory is from the event to some time after the verification.
	wholeStory = 200*time.Millisecond + holdOrder + stopPhase + 500*time.Millisecond + holdAnswer + 2500*time.Millisecond
)

// killWorld is a program of its own with a container of its own; engines are
// shared.
type killWorld struct {
	*runningService
	t        *testing.T
	engine   *dockertest.Engine
	recorder *orderRecorder
	events   *engineEvents
	robots   *wecomtest.Server
	target   *dockertest.Container
	stages   map[string]int
	unknown  int
	took     []time.Duration // kill → the incident's end
}

func newKillWorld(t *testing.T, engine *dockertest.Engine, events *engineEvents, n int) *killWorld {
	t.Helper()
	w := &killWorld{t: t, engine: engine, events: events, robots: wecomtest.Start(t), recorder: recordOrders(t, engine), stages: map[string]int{}}
	w.robots.Limit(0)
	w.target = engine.Run(t, dockertest.Spec{Name: fmt.Sprintf("kills-%d", n), StopTimeout: stopPhase, Args: []string{"-ignore-term", "-tick", "1h"}})
	policy, _ := policyAt(t, killsPolicy)
	w.runningService = launch(t, "DOCKER_HOST="+w.recorder.Host, "WECHAT_WEBHOOK_URL="+w.robots.Webhook("ops"), "WECHAT_ALLOWED_HOSTS="+w.robots.Host,
		"REMEDIATION_CONTAINERS="+w.target.Name, "ASYNC_MONITOR_LOG_PATTERN=off", "ASYNC_MONITOR_TICKER_TIMEOUT=2s", "ASYNC_MONITOR_CHECK_INTERVAL=1s", "POLICY_FILE="+policy)
	w.ready()
	w.isUp(w.target)
	w.recorder.slow(holdLooks)
	w.recorder.hook(
		func(ctx context.Context, _ order) int { wait(ctx, holdOrder); return 0 },
		func(ctx context.Context, _ order) { wait(ctx, holdAnswer) })
	return w
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (w *killWorld) ready() {
	w.t.Helper()
	await(w.t, 30*time.Second, "ready", func() bool { return w.get("/readyz").status == http.StatusOK })
}

// incident reports one, kills the program at an instant, starts it again, and
// waits for the end.
func (w *killWorld) incident(instant time.Duration) {
	w.t.Helper()
	orders, starts := len(w.recorder.all("")), len(w.events.of(w.target.ID, "start"))
	ev := ticker(w.target.Name)
	ev.Metadata = nil
	answered := make(chan int64, 1)
	began := time.Now()
	go func() { answered <- w.postUntilAnswered(ev, fmt.Sprintf("incident-%d-%s", orders, instant)) }()
	time.Sleep(time.Until(began.Add(instant)))
	w.kill()
	killed := time.Now()
	w.start()
	id := <-answered
	require.NotZero(w.t, id, "the event is answered in the end")
	last := w.settled(id, killed.Add(60*time.Second))
	w.took = append(w.took, time.Since(killed))

	status := last["status"]
	if status == "UNKNOWN" {
		w.unknown++
	}
	require.Contains(w.t, []any{"SUCCEEDED", "UNKNOWN"}, status, "killed %s after the event: %v", instant, last)
	time.Sleep(200 * time.Millisecond) // the engine's events
	started := w.events.of(w.target.ID, "start")[starts:]
	require.Len(w.t, started, 1, "killed %s after the event (%s): its StartedAt changes once: %v\n%v", instant, code(last), started, w.recorder.all("")[orders:])
	w.stages[w.stage(killed, orders, started[0], last)]++
	if status == "UNKNOWN" {
		await(w.t, 10*time.Second, "people are told", func() bool {
			return strings.Contains(strings.Join(saidOf(w.robots, "ops", w.target.Name), "\n"), "请处理")
		})
	}
	require.Equal(w.t, "RESOLVED", w.story(id)["status"], "no incident stays open")
}

// postUntilAnswered is a caller who repeats his request until it is answered.
func (w *killWorld) postUntilAnswered(ev event, key string) int64 {
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		w.mu.RLock()
		url := w.url
		w.mu.RUnlock()
		req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, url+"/api/events/notify", strings.NewReader(ev.json()))
		if err != nil {
			return 0
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", key)
		res, err := w.client.Do(req)
		if err != nil {
			continue
		}
		if r, err := read(res); err == nil && r.status == http.StatusOK {
			return r.number("alertId")
		}
	}
	return 0
}

// settled waits until the incident's remediation is over.
func (w *killWorld) settled(id int64, deadline time.Time) map[string]any {
	w.t.Helper()
	for time.Now().Before(deadline) {
		r, err := w.do(http.MethodGet, fmt.Sprintf("/api/alerts/%d", id), "", "")
		if err == nil && r.status == http.StatusOK {
			all := objects(r.fields["data"].(map[string]any), "remediations")
			if len(all) == 1 && all[0]["endedAt"] != nil {
				return all[0]
			}
			require.LessOrEqual(w.t, len(all), 1)
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Fatalf("the incident %d does not end", id)
	return nil
}

// stage tells by the two witnesses where the kill found the restart.
func (w *killWorld) stage(killed time.Time, orders int, started engineEvent, last map[string]any) string {
	first := w.recorder.all("")[orders]
	switch {
	case killed.Before(first.At):
		return killStages[0]
	case first.Passed.IsZero() || killed.Before(first.Passed):
		return killStages[1]
	case killed.Before(started.Heard):
		return killStages[2]
	case first.Delivered.IsZero() || killed.Before(first.Delivered):
		return killStages[3]
	case killed.Before(when(last, "endedAt")):
		return killStages[4]
	}
	return killStages[5]
}

func TestFaultKills(t *testing.T) {
	t.Parallel()
	worlds, incidents := either(2, 6), either(6, 200)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var all []*killWorld
	var engine *dockertest.Private
	var events *engineEvents
	for n := range worlds {
		if n%4 == 0 { // an engine remembers 256 events, of all its containers together
			engine = dockertest.PrivateEngine(t)
			events = followEvents(t, engine.Engine)
		}
		all = append(all, newKillWorld(t, engine.Engine, events, n))
	}
	instants := make(chan time.Duration, incidents)
	for n := range incidents {
		if slice := wholeStory / time.Duration(incidents); proofLong() {
			instants <- time.Duration(random.Int64N(int64(wholeStory)))
		} else { // a few: one in each part of the time
			instants <- time.Duration(n)*slice + time.Duration(random.Int64N(int64(slice)))
		}
	}
	close(instants)
	began := time.Now()
	var working sync.WaitGroup
	for _, w := range all {
		working.Go(func() {
			t.Run(w.target.Name, func(t *testing.T) {
				w.t, w.runningService.t = t, t
				for instant := range instants {
					w.incident(instant)
				}
			})
		})
	}
	working.Wait()
	if t.Failed() {
		return
	}
	reportKills(t, all, time.Since(began))
}

func reportKills(t *testing.T, all []*killWorld, took time.Duration) {
	t.Helper()
	n, unknown := 0, 0
	stages := map[string]int{}
	var ended []time.Duration
	for _, w := range all {
		for stage, count := range w.stages {
			stages[stage] += count
			n += count
		}
		unknown += w.unknown
		ended = append(ended, w.took...)
	}
	var parts []string
	for _, stage := range killStages {
		parts = append(parts, fmt.Sprintf("%s %d", stage, stages[stage]))
	}
	t.Logf("figures: kill -9 at random instants around a restart: n=%d in %s; StartedAt changed exactly once: %d; lost 0; SUCCEEDED %d, UNKNOWN %d; kill → the end: %s",
		n, took.Round(time.Second), n, n-unknown, unknown, spread(ended))
	t.Logf("figures: of these found it: %s", strings.Join(parts, ", "))
	require.Equal(t, either(6, 200), n)
	if !proofLong() {
		return
	}
	for _, stage := range killStages {
		require.NotZero(t, stages[stage], "no kill found it %s", stage)
	}
	keepFigures(t, "kills", killTable(n, unknown, stages, ended))
}

// killTable is how docs/faults.md keeps it.
func killTable(n, unknown int, stages map[string]int, ended []time.Duration) string {
	words := map[string]string{
		killStages[0]: "命令发出之前 (before the order)", killStages[1]: "意图已入库，命令未到引擎 (intent stored, order not at the engine yet)", killStages[2]: "容器停止期间 (while it is being stopped)",
		killStages[3]: "已启动，回答未到 (started, answer on its way)", killStages[4]: "确认期间 (during verification)", killStages[5]: "结束之后 (after the end)",
	}
	var b strings.Builder
	b.WriteString("| kill -9 的时刻 (found by the kill) | 次数 (n) |\n|---|---|\n")
	for _, stage := range killStages {
		fmt.Fprintf(&b, "| %s | %d |\n", words[stage], stages[stage])
	}
	fmt.Fprintf(&b, "\n%d 次故障 (incidents)：StartedAt 恰好变化一次 (changed exactly once) **%d**，丢失 (lost) 0，SUCCEEDED %d，UNKNOWN %d；kill → 结束 (the end): %s\n",
		n, n, n-unknown, unknown, spread(ended))
	return b.String()
}
