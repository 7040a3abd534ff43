package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

const containerService = "aifuturetrade-async-service"

var (
	errContainerAway     = errors.New("the engine is away")
	errContainerDatabase = errors.New("the database is away")
)

// containerWorld is one host in a bubble: an engine that behaves as the real
// one does, a record and a memory.
type containerWorld struct {
	t      *testing.T
	policy alerting.Policy
	o      ContainerOptions
	began  time.Time
	log    strings.Builder
	watch  *Containers

	mu         sync.Mutex
	containers map[string]*alerting.Container
	remembered []alerting.ContainerEvent
	streams    map[chan alerting.ContainerEvent]bool
	cut        chan struct{} // closed to end all streams
	away       bool
	silent     map[string]bool // containers that cannot be looked at
	ahead      time.Duration   // the engine's clock
	lists      int
	inspects   int

	databaseAway bool
	unsure       bool // what is stored is answered with an error
	recorded     []alerting.Event
	when         []time.Duration
	keys         map[string]int // how often each was offered
	memories     map[string]alerting.WatchMemory
	saves        int
}

func newContainerWorld(t *testing.T) *containerWorld {
	w := &containerWorld{
		t: t, policy: alerting.DefaultPolicy(), began: time.Now(),
		containers: map[string]*alerting.Container{}, streams: map[chan alerting.ContainerEvent]bool{}, cut: make(chan struct{}),
		silent: map[string]bool{}, ahead: 3 * time.Hour, keys: map[string]int{}, memories: map[string]alerting.WatchMemory{},
	}
	w.o = ContainerOptions{
		Policy: func() alerting.Policy {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.policy
		},
		Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	return w
}

// inContainerWorld plays a story in a bubble.
func inContainerWorld(t *testing.T, story func(t *testing.T, w *containerWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { story(t, newContainerWorld(t)) })
}

// run runs the watch while a story is told, and ends it.
func (w *containerWorld) run(story func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	w.watch = NewContainers(w, w, w, w.o)
	ended := make(chan error, 1)
	go func() { ended <- w.watch.Run(ctx) }()
	w.settle()
	story()
	w.settle()
	cancel()
	require.NoError(w.t, <-ended)
}

// settle lets everything happen that needs no time worth speaking of.
func (w *containerWorld) settle() { time.Sleep(time.Millisecond); synctest.Wait() }

func (w *containerWorld) pass(d time.Duration) { w.settle(); time.Sleep(d); synctest.Wait() }

// told is what is in the record: "DOWN", and "-DOWN" when it is over.
func (w *containerWorld) told() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var words []string
	for _, ev := range w.recorded {
		word := strings.TrimPrefix(ev.Type, "CONTAINER_")
		if ev.Resolved {
			word = "-" + word
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func (w *containerWorld) last() alerting.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(w.t, w.recorded)
	return w.recorded[len(w.recorded)-1]
}

func (w *containerWorld) state(name string) alerting.WatchState {
	for _, watch := range w.watch.Watches() {
		if watch.Name == name {
			return watch.State
		}
	}
	return "none"
}

func (w *containerWorld) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// The engine, as those who use it see it.

func (w *containerWorld) now() time.Time { return time.Now().Add(w.ahead).Round(0) }

func (w *containerWorld) create(name string, change ...func(*alerting.Container)) {
	w.set(func() {
		c := &alerting.Container{ID: fmt.Sprintf("id-%d-of-%s", len(w.remembered), name), Name: name, Health: alerting.NoHealth, StopTimeout: 10 * time.Second}
		for _, f := range change {
			f(c)
		}
		w.containers[name] = c
		w.happens(c, alerting.ContainerEvent{Action: alerting.ContainerCreated})
	})
}

func (w *containerWorld) start(name string) {
	w.set(func() {
		c := w.containers[name]
		if c.Restarting {
			c.RestartCount++
		}
		c.Running, c.Restarting, c.StartedAt = true, false, w.now()
		w.happens(c, alerting.ContainerEvent{Action: alerting.ContainerStarted})
	})
}

func (w *containerWorld) die(name string, code int) {
	w.set(func() {
		c := w.containers[name]
		c.Running, c.ExitCode, c.FinishedAt = false, code, w.now()
		w.happens(c, alerting.ContainerEvent{Action: alerting.ContainerDied, ExitCode: code})
	})
}

// crash is a death that the restart policy is about to undo.
func (w *containerWorld) crash(name string) {
	w.set(func() {
		c := w.containers[name]
		c.Running, c.Restarting, c.ExitCode, c.FinishedAt = true, true, 1, w.now()
		w.happens(c, alerting.ContainerEvent{Action: alerting.ContainerDied, ExitCode: 1})
	})
}

func (w *containerWorld) event(name string, ev alerting.ContainerEvent) {
	w.set(func() { w.happens(w.containers[name], ev) })
}

func (w *containerWorld) stop(name string) {
	w.event(name, alerting.ContainerEvent{Action: alerting.ContainerKilled, Signal: 15})
	w.die(name, 143)
	w.event(name, alerting.ContainerEvent{Action: alerting.ContainerWasStop})
}

func (w *containerWorld) remove(name string) {
	w.set(func() {
		c := w.containers[name]
		delete(w.containers, name)
		w.happens(c, alerting.ContainerEvent{Action: alerting.ContainerDestroyed})
	})
}

func (w *containerWorld) rename(from, to string) {
	w.set(func() {
		c := w.containers[from]
		delete(w.containers, from)
		w.containers[to], c.Name = c, to
		w.happens(c, alerting.ContainerEvent{Action: alerting.ContainerRenamed, OldName: from})
	})
}

func (w *containerWorld) happens(c *alerting.Container, ev alerting.ContainerEvent) {
	w.ahead += time.Microsecond // no two at the same instant
	ev.At, ev.ID, ev.Name, ev.Watched = w.now(), c.ID, c.Name, c.Watched
	w.remembered = append(w.remembered, ev)
	for stream := range w.streams {
		stream <- ev
	}
}

// lose cuts the streams; for how long no new one is possible.
func (w *containerWorld) lose(d time.Duration) {
	w.set(func() {
		close(w.cut)
		w.cut, w.away = make(chan struct{}), d > 0
		clear(w.streams)
	})
	if d > 0 {
		time.AfterFunc(d, func() { w.set(func() { w.away = false }) })
	}
	w.settle()
}

// The engine, as the watch sees it.

func (w *containerWorld) ID(context.Context) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return "engine", w.reach()
}

func (w *containerWorld) reach() error {
	if w.away {
		return errContainerAway
	}
	return nil
}

func (w *containerWorld) Clock(context.Context) (time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now(), w.reach()
}

func (w *containerWorld) Subscribe(ctx context.Context, since time.Time, ready func(), visit func(alerting.ContainerEvent)) error {
	w.mu.Lock()
	if err := w.reach(); err != nil {
		w.mu.Unlock()
		return err
	}
	stream := make(chan alerting.ContainerEvent, 1000)
	w.streams[stream] = true
	cut := w.cut
	for _, ev := range w.remembered[max(len(w.remembered)-256, 0):] {
		if !since.IsZero() && !ev.At.Before(since) { // inclusive
			stream <- ev
		}
	}
	w.mu.Unlock()
	ready()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-cut:
			return nil
		case ev := <-stream:
			visit(ev)
		}
	}
}

func (w *containerWorld) Containers(context.Context) ([]alerting.ContainerSummary, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lists++
	var all []alerting.ContainerSummary
	for _, c := range w.containers {
		all = append(all, alerting.ContainerSummary{ID: c.ID, Name: c.Name, Running: c.Running && !c.Restarting, Watched: c.Watched})
	}
	return all, w.reach()
}

func (w *containerWorld) Inspect(ctx context.Context, name string) (*alerting.Container, error) {
	w.mu.Lock()
	w.inspects++
	silent, err := w.silent[name], w.reach()
	var found *alerting.Container
	if c := w.containers[name]; c != nil {
		copied := *c
		found = &copied
	}
	w.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return found, err
}

func (w *containerWorld) LastLines(ctx context.Context, c alerting.Container, _ time.Time, n int) ([]string, error) {
	w.mu.Lock()
	silent := w.silent[c.Name]
	w.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return slices.Repeat([]string{"last words of " + c.Name}, min(n, 2)), nil
}

// The record and the memory.

func (w *containerWorld) RecordEvent(ctx context.Context, ev alerting.Event, idem *alerting.Idempotency) (alerting.Receipt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return alerting.Receipt{}, err
	}
	if w.databaseAway {
		return alerting.Receipt{}, errContainerDatabase
	}
	w.keys[idem.Key]++
	if w.keys[idem.Key] == 1 {
		w.recorded = append(w.recorded, ev)
		w.when = append(w.when, time.Since(w.began))
	}
	if w.unsure {
		return alerting.Receipt{}, errContainerDatabase
	}
	return alerting.Receipt{}, nil
}

func (w *containerWorld) LoadWatches(_ context.Context, host string) ([]alerting.WatchMemory, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.Equal(w.t, "engine", host)
	if w.databaseAway {
		return nil, errContainerDatabase
	}
	var all []alerting.WatchMemory
	for _, m := range w.memories {
		all = append(all, m)
	}
	return all, nil
}

func (w *containerWorld) SaveWatch(ctx context.Context, m alerting.WatchMemory) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.databaseAway {
		return errContainerDatabase
	}
	w.saves++
	w.memories[m.Watch.Name] = m
	return nil
}

func (w *containerWorld) ForgetWatch(_ context.Context, _ alerting.WatchKind, name, _ string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.memories, name)
	return nil
}
