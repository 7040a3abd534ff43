package docker_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
	"trade-monitor/shared/docker/dockertest"
)

// heard collects events.
type heard struct {
	mu     sync.Mutex
	events []alerting.ContainerEvent
	ready  atomic.Int32
	done   chan error
}

func subscribe(ctx context.Context, t *testing.T, e *docker.Engine, since time.Time, slow func()) *heard {
	t.Helper()
	h := &heard{done: make(chan error, 1)}
	go func() {
		h.done <- e.Subscribe(ctx, since, func() { h.ready.Add(1) }, func(ev alerting.ContainerEvent) {
			slow()
			h.mu.Lock()
			defer h.mu.Unlock()
			h.events = append(h.events, ev)
		})
	}()
	require.Eventually(t, func() bool { return h.ready.Load() == 1 }, 10*time.Second, time.Millisecond)
	return h
}

func atOnce() {}

// of are the events of one container.
func (h *heard) of(id string) []alerting.ContainerEvent {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []alerting.ContainerEvent
	for _, ev := range h.events {
		if ev.ID == id {
			found = append(found, ev)
		}
	}
	return found
}

func told(events []alerting.ContainerEvent) []string {
	var all []string
	for _, ev := range events {
		text := string(ev.Action)
		switch ev.Action {
		case alerting.ContainerDied:
			text += fmt.Sprintf(" %d", ev.ExitCode)
		case alerting.ContainerKilled:
			text += fmt.Sprintf(" %d", ev.Signal)
		case alerting.ContainerHealth:
			text += " " + string(ev.Health)
		}
		all = append(all, text)
	}
	return all
}

// expect waits until the container's events are exactly these.
func (h *heard) expect(t *testing.T, id string, want ...string) []alerting.ContainerEvent {
	t.Helper()
	require.Eventually(t, func() bool { return len(h.of(id)) >= len(want) }, 20*time.Second, 10*time.Millisecond, "%q, want %q", told(h.of(id)), want)
	require.Equal(t, want, told(h.of(id)))
	return h.of(id)
}

func (h *heard) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-h.done:
		return err
	case <-time.After(15 * time.Second):
		require.Fail(t, "the subscription did not end")
		return nil
	}
}

func TestEventsTellWhatHappensInOrder(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	h := subscribe(t.Context(), t, e, time.Time{}, atOnce)

	crash := dockertest.Run(t, dockertest.Spec{Name: "crash", Args: []string{"-exit-after", "300ms", "-exit-code", "7"}, Labels: map[string]string{docker.WatchLabel: "true"}})
	events := h.expect(t, crash.ID, "create", "start", "die 7")
	for _, ev := range events {
		assert.Equal(t, crash.Name, ev.Name)
		assert.True(t, ev.Watched)
		assert.WithinDuration(t, time.Now(), ev.At, time.Minute)
	}

	c := dockertest.Run(t, dockertest.Spec{Name: "service", StopTimeout: 3 * time.Second})
	c.Stop()
	h.expect(t, c.ID, "create", "start", "kill 15", "die 0", "stop")
	c.Start()
	c.Restart()
	events = h.expect(t, c.ID, "create", "start", "kill 15", "die 0", "stop", "start", "kill 15", "die 0", "stop", "start")
	assert.False(t, events[0].Watched)
	old := c.Name
	c.Rename(old + "-renamed")
	c.Pause()
	c.Unpause()
	c.Remove()
	events = h.expect(t, c.ID, append(told(events), "rename", "pause", "unpause", "kill 9", "die 137", "destroy")...)
	renamed := events[10]
	assert.Equal(t, old, renamed.OldName)
	assert.Equal(t, old+"-renamed", renamed.Name)
	for i := 1; i < len(events); i++ {
		assert.False(t, events[i].At.Before(events[i-1].At))
	}
}

func TestEventsTellOfMemoryAndHealth(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	h := subscribe(t.Context(), t, e, time.Time{}, atOnce)
	hungry := dockertest.Run(t, dockertest.Spec{Name: "hungry", Memory: 24 << 20, Args: []string{"-eat-after", "300ms"}})
	h.expect(t, hungry.ID, "create", "start", "oom", "die 137")
	facts := inspect(t, e, hungry.Name)
	assert.True(t, facts.OOMKilled)

	ill := dockertest.Run(t, dockertest.Spec{Name: "ill", Health: &dockertest.Health{Interval: 100 * time.Millisecond, Retries: 2}})
	h.expect(t, ill.ID, "create", "start", "health_status healthy")
	ill.Kill("USR1")
	h.expect(t, ill.ID, "create", "start", "health_status healthy", "kill 10", "health_status unhealthy")
	assert.Equal(t, "not well", inspect(t, e, ill.Name).HealthSays())
	ill.Kill("USR1")
	h.expect(t, ill.ID, "create", "start", "health_status healthy", "kill 10", "health_status unhealthy", "kill 10", "health_status healthy")
	assert.Equal(t, "well", inspect(t, e, ill.Name).HealthSays())
}

func TestWhatTheEngineRemembersIsReplayed(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	before, err := e.Clock(t.Context())
	require.NoError(t, err)
	c := dockertest.Run(t, dockertest.Spec{})
	c.Kill("CONT")
	first := subscribe(t.Context(), t, e, before, atOnce).expect(t, c.ID, "create", "start", "kill 18")

	started := first[1].At
	h := subscribe(t.Context(), t, e, started, atOnce)
	h.expect(t, c.ID, "start", "kill 18") // since is inclusive
	h = subscribe(t.Context(), t, e, started.Add(1), atOnce)
	c.Kill("CONT")
	h.expect(t, c.ID, "kill 18", "kill 18") // what is remembered, then what happens

	h = subscribe(t.Context(), t, e, time.Time{}, atOnce)
	c.Kill("CONT")
	h.expect(t, c.ID, "kill 18") // only what is new
}

// The engine answers before it subscribes; nothing that happens after ready may
// be lost in between.
func TestNothingIsLostRightAfterReady(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	c := dockertest.Run(t, dockertest.Spec{})
	for range 30 {
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan alerting.ContainerEvent, 10)
		done := make(chan error, 1)
		go func() {
			done <- e.Subscribe(ctx, time.Time{}, func() { c.Kill("CONT") }, func(ev alerting.ContainerEvent) {
				if ev.ID == c.ID {
					got <- ev
				}
			})
		}()
		select {
		case ev := <-got:
			assert.Equal(t, alerting.ContainerKilled, ev.Action)
		case <-time.After(10 * time.Second):
			require.Fail(t, "the event right after ready is lost")
		}
		cancel()
		require.Equal(t, context.Canceled, <-done)
	}
}

// The engine keeps 1024 events for a reader who does not read, the sockets some
// hundred, and what comes after that is dropped.
func TestASlowVisitorLosesNothing(t *testing.T) {
	e := open(t, dockertest.Require(t).Host)
	const busy, each = 8, 400
	release := make(chan struct{})
	h := subscribe(t.Context(), t, e, time.Time{}, func() { <-release })
	var all sync.WaitGroup
	var ids []string
	for range busy {
		c := dockertest.Run(t, dockertest.Spec{Created: true})
		ids = append(ids, c.ID)
		all.Go(func() {
			for i := range each {
				c.Rename(fmt.Sprintf("tmtest-%s-%d", c.ID[:12], i)) // the cheapest event there is
			}
		})
	}
	all.Wait()
	time.Sleep(200 * time.Millisecond)
	close(release)
	for _, id := range ids {
		require.Eventually(t, func() bool { return len(h.of(id)) == 1+each }, 20*time.Second, 10*time.Millisecond, "%d of %d", len(h.of(id)), 1+each)
	}
}

func TestASubscriptionEnds(t *testing.T) {
	c := dockertest.Run(t, dockertest.Spec{})
	proxy := dockertest.NewProxy(t, dockertest.Require(t))
	e := open(t, proxy.Host)
	ctx, cancel := context.WithCancel(t.Context())
	h := subscribe(ctx, t, e, time.Time{}, atOnce)
	cancel()
	require.Equal(t, context.Canceled, h.end(t), "with its context")

	h = subscribe(t.Context(), t, e, time.Time{}, atOnce)
	c.Kill("CONT")
	h.expect(t, c.ID, "kill 18")
	proxy.CutAll()
	var cut *docker.Error
	require.ErrorAs(t, h.end(t), &cut, "with its connection")
	assert.True(t, cut.Unreachable())

	proxy.Refuse(true)
	proxy.CutAll()
	err := e.Subscribe(t.Context(), time.Now(), func() { t.Error("ready without a subscription") }, nil)
	require.ErrorAs(t, err, &cut)
	assert.True(t, cut.Unreachable())
	assert.Error(t, e.Subscribe(t.Context(), time.Time{}, nil, nil))
}

func TestAnEnginesEndEndsItsStreams(t *testing.T) {
	private := dockertest.PrivateEngine(t, "--live-restore")
	e := open(t, private.Host)
	c := private.Run(t, dockertest.Spec{Args: []string{"-tick", "100ms"}})
	id, err := e.ID(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, id)
	facts := inspect(t, e, c.Name)
	h := subscribe(t.Context(), t, e, time.Time{}, atOnce)
	s := follow(t.Context(), t, e, facts, time.Time{}, -1)
	s.until(t, 1, "Ticker synced")
	private.Restart()
	_ = h.end(t) // an engine that stops in order may end it without an error
	_ = s.end(t)
	again := follow(t.Context(), t, e, facts, s.stamps[len(s.stamps)-1].Add(1), -1)
	again.until(t, 3, "Ticker synced")
	same, err := e.ID(t.Context())
	require.NoError(t, err)
	assert.Equal(t, id, same, "an engine keeps its id")
	c.Remove()
}
