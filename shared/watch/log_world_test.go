package watch

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

// world is an engine with one container, a recorder and a memory, in a bubble.
type world struct {
	t *testing.T

	mu      sync.Mutex
	c       *alerting.Container // nil: there is none
	away    error               // of every call
	logErr  error               // of the log calls
	readErr error               // of the second look alone
	broken  error               // of a stream right after it was opened
	hangs   bool                // streams are never opened
	ending  bool                // its end was ordered
	lines   []worldLine
	follows map[chan worldLine]context.CancelFunc
	opens   int
	deaf    bool          // streams stand and bring nothing
	step    time.Duration // how far the engine's clock was set
	reads   int

	events  []recorded
	refuse  error // of RecordEvent
	saved   map[string]alerting.WatchMemory
	answers map[string]bool

	hang     bool // of what is saved
	askedAt  time.Time
	asked    int // how often somebody asked for the time then
	spins    bool
	atRecord map[string]alerting.WatchMemory
}

type worldLine struct {
	stamp time.Time
	text  string
}

type recorded struct {
	at  time.Time
	ev  alerting.Event
	key string
}

const theContainer = "async"

func newWorld(t *testing.T) *world {
	w := &world{t: t, follows: map[chan worldLine]context.CancelFunc{}, saved: map[string]alerting.WatchMemory{}, answers: map[string]bool{}}
	w.c = &alerting.Container{ID: "id-1", Name: theContainer, Running: true, StartedAt: w.clock()}
	return w
}

func (w *world) clock() time.Time { return time.Now().Add(w.step).Round(0) }

func (w *world) Clock(context.Context) (time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock(), w.away
}

func (w *world) Inspect(_ context.Context, name string) (*alerting.Container, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away != nil || w.c == nil || name != theContainer {
		return nil, w.away
	}
	c := *w.c
	return &c, nil
}

func (w *world) FollowLog(ctx context.Context, c alerting.Container, since time.Time, backlog int, opened func(), visit func(alerting.LogLine)) error {
	w.mu.Lock()
	if err := errors.Join(w.away, w.logErr); err != nil {
		w.mu.Unlock()
		return err
	}
	if w.hangs {
		w.mu.Unlock()
		<-ctx.Done()
		return ctx.Err()
	}
	if err := w.broken; err != nil {
		w.mu.Unlock()
		opened()
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	feed := make(chan worldLine, 10000)
	w.follows[feed] = cancel
	w.opens++
	old := w.since(since)
	if len(old) > backlog {
		old = old[len(old)-backlog:]
	}
	if w.deaf {
		old = nil
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.follows, feed)
		w.mu.Unlock()
	}()
	opened()
	for _, l := range old {
		visit(l.line())
	}
	for {
		select {
		case l := <-feed:
			if !l.stamp.Before(since) { // as the engine does
				visit(l.line())
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (l worldLine) line() alerting.LogLine {
	return alerting.LogLine{Stamp: []byte(l.stamp.UTC().Format("2006-01-02T15:04:05.000000000Z07:00")), Text: []byte(l.text)}
}

func (w *world) since(since time.Time) (some []worldLine) {
	for _, l := range w.lines {
		if !l.stamp.Before(since) {
			some = append(some, l)
		}
	}
	return some
}

func (w *world) ReadLog(_ context.Context, _ alerting.Container, since time.Time, visit func(alerting.LogLine)) error {
	w.mu.Lock()
	w.reads++
	err := errors.Join(w.away, w.logErr, w.readErr)
	some := w.since(since)
	w.mu.Unlock()
	if err != nil {
		return err
	}
	for _, l := range some {
		visit(l.line())
	}
	return nil
}

func (w *world) LastLines(_ context.Context, _ alerting.Container, since time.Time, n int) (texts []string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	some := w.since(since)
	for _, l := range some[max(0, len(some)-n):] {
		texts = append(texts, l.text)
	}
	return texts, w.logErr
}

func (w *world) RecordEvent(_ context.Context, ev alerting.Event, idem *alerting.Idempotency) (alerting.Receipt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return alerting.Receipt{}, w.refuse
	}
	if !w.answers[idem.Key] {
		w.answers[idem.Key] = true
		w.events = append(w.events, recorded{time.Now(), ev, idem.Key})
		w.remembers()
	}
	return alerting.Receipt{}, nil
}

func (w *world) LoadWatches(context.Context, string) (all []alerting.WatchMemory, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.saved {
		all = append(all, m)
	}
	return all, w.refuse
}

func (w *world) SaveWatch(ctx context.Context, m alerting.WatchMemory) error {
	w.waits(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse == nil {
		w.saved[string(m.Watch.Kind)+m.Watch.Name] = m
	}
	return w.refuse
}

func (w *world) ForgetWatch(_ context.Context, kind alerting.WatchKind, name, _ string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.saved, string(kind)+name)
	return nil
}

// print is a line of the container.
func (w *world) print(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := worldLine{w.clock(), text}
	w.lines = append(w.lines, l)
	if !w.deaf {
		for feed := range w.follows {
			feed <- l
		}
	}
}

func (w *world) tick() { w.print("Ticker synced, 320 symbols") }

// ticks ticks every period for d.
func (w *world) ticks(period, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		w.tick()
		pass(period)
	}
}

// cut ends all streams.
func (w *world) cut() {
	w.mu.Lock()
	for _, cancel := range w.follows {
		cancel()
	}
	w.mu.Unlock()
	synctest.Wait()
}

// change changes the container or the engine.
func (w *world) change(f func()) {
	w.mu.Lock()
	f()
	w.mu.Unlock()
}

// restart is a restart of the container; the streams end with its old run.
func (w *world) restart() {
	w.change(func() { w.c.StartedAt = w.clock() })
	w.cut()
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) policy() alerting.Policy {
	p := alerting.DefaultPolicy()
	p.Logs = []alerting.LogRule{{
		Container: theContainer, Progress: alerting.NewLinePattern(regexp.MustCompile("Ticker synced")), Timeout: 3 * time.Minute, Interval: time.Minute,
		AlertType: alerting.TickerSyncTimeout, Severity: alerting.Error, Required: true,
	}}
	return p
}

// watching runs the log watches until the returned function ends them.
func (w *world) watching(policy ...func(*alerting.Policy)) (logs *Logs, stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	logs = NewLogs(w, w, w, LogOptions{
		Policy: func() alerting.Policy {
			p := w.policy()
			for _, change := range policy {
				change(&p)
			}
			return p
		},
		Host: func(context.Context) (string, error) { return "engine-1", nil }, Now: w.now,
		Ending: func(string) bool { w.mu.Lock(); defer w.mu.Unlock(); return w.ending },
	})
	done := make(chan struct{})
	go func() { _ = logs.Run(ctx); close(done) }()
	synctest.Wait()
	return logs, func() { cancel(); <-done }
}

// told lists what was recorded: "TYPE" or "TYPE over".
func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := []string{}
	for _, r := range w.events {
		text := r.ev.Type
		if r.ev.Resolved {
			text += " over"
		}
		all = append(all, text)
	}
	return all
}

func (w *world) last() recorded {
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(w.t, w.events)
	return w.events[len(w.events)-1]
}

func (r recorded) field(t *testing.T, name string) any {
	fields := map[string]any{}
	require.NoError(t, json.Unmarshal(r.ev.Metadata, &fields))
	return fields[name]
}

func only(t *testing.T, logs *Logs) alerting.Watch {
	t.Helper()
	all := logs.Watches()
	require.Len(t, all, 1)
	return all[0]
}

// bubble runs a test with a world of its own; the watches must not outlive it.
func logBubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t)) })
}

const (
	silent = alerting.TickerSyncTimeout
	over   = alerting.TickerSyncTimeout + " over"
)

func (w *world) wants(told ...string) {
	w.t.Helper()
	if told == nil {
		told = []string{}
	}
	assert.Equal(w.t, told, w.told())
}
