package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

const (
	// heartbeatShortest is the least time between two passes of Run: a storm of
	// wakes, or a store whose clock is behind ours, costs four looks a second.
	heartbeatShortest = 250 * time.Millisecond
	// Bounds of how often it is written down that we live, by the shortest
	// period: what was not written down is lost to the periods when we die.
	heartbeatTouchMin = time.Second
	heartbeatTouchMax = 5 * time.Second
	// heartbeatTouches is how many of them may be missing before it means that
	// nobody could listen.
	heartbeatTouches = 3
	// heartbeatPosts is how many events are recorded side by side, so that they
	// share commits.
	heartbeatPosts = 32
	// heartbeatLast bounds the last writing, when we are to end.
	heartbeatLast = time.Second
)

// HeartbeatStore keeps heartbeats.
type HeartbeatStore interface {
	// TouchLiveness writes down that we live and moves all limits by the time
	// for which nobody listened (alerting.Outage), once over all processes.
	TouchLiveness(ctx context.Context, tolerance time.Duration, first bool) (moved time.Duration, err error)
	// JudgeHeartbeats moves those on that are due, and gives those that owe an
	// event.
	JudgeHeartbeats(ctx context.Context) (alerting.Judgement, error)
	// SettleHeartbeats notes that the events owed by these, under their
	// numbers, are on record.
	SettleHeartbeats(ctx context.Context, posted []alerting.Heartbeat) error
}

// HeartbeatsOptions are what Heartbeats need besides their parts.
type HeartbeatsOptions struct {
	Language alerting.Language
	Location *time.Location
	Log      *slog.Logger
	// Poll is how often to look for what other processes took; 0: never.
	Poll time.Duration
	// Tolerance is for passes that a schedule makes (RunOnce alone): how far
	// two of them may be apart without anything being wrong. 0: Run makes the
	// passes, and goes by the shortest period.
	Tolerance time.Duration
	Now       func() time.Time // nil: time.Now
}

// Heartbeats judges heartbeats when they are due, and posts what follows. It is
// safe for concurrent use, except that Run and RunOnce are one at a time.
type Heartbeats struct {
	store    HeartbeatStore
	recorder Recorder
	o        HeartbeatsOptions
	wake     chan struct{}
	begun    time.Time // the first touch; zero: there was none
	touched  time.Time // the last one
	shortest time.Duration

	mu   sync.Mutex
	next time.Time // when the next one is judged, by the store's clock; zero: none is
}

// HeartbeatsResult tells what one pass did.
type HeartbeatsResult struct {
	Posted int           // events that were recorded
	Moved  time.Duration // by how much all limits moved
	Next   time.Duration // until the next one is judged; below 0: none is
}

// NewHeartbeats makes the loop; Run starts it.
func NewHeartbeats(store HeartbeatStore, recorder Recorder, o HeartbeatsOptions) *Heartbeats {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Heartbeats{store: store, recorder: recorder, o: o, wake: make(chan struct{}, 1)}
}

// Wake tells the loop that there is something to do. It never blocks.
func (l *Heartbeats) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Changed tells the loop of a heartbeat that was pinged, resumed or declared: it
// is woken when that owes an event, or is judged before all others.
func (l *Heartbeats) Changed(h alerting.Heartbeat) {
	l.mu.Lock()
	sooner := !h.Deadline.IsZero() && (l.next.IsZero() || h.Deadline.Before(l.next))
	if sooner {
		l.next = h.Deadline // the pings that follow need not wake it for later ones
	}
	l.mu.Unlock()
	if sooner || h.Owed != alerting.OwesNothing {
		l.Wake()
	}
}

// Run works until ctx ends, sleeping until the next heartbeat is due. While
// there is none it does nothing at all. Run always returns nil.
func (l *Heartbeats) Run(ctx context.Context) error {
	var failing time.Duration
	for ctx.Err() == nil {
		result, err := l.pass(ctx, l.touchDue(l.o.Now()))
		pause := l.until(result.Next)
		if failing = backoff(failing, err); err != nil {
			pause = failing
			if ctx.Err() == nil {
				l.o.Log.Warn("heartbeats are held up", "error", err)
			}
		}
		l.rest(ctx, pause, err == nil)
	}
	l.leave(ctx)
	return nil
}

// RunOnce makes one pass: it writes down that we live, judges what is due, and
// posts what is owed.
func (l *Heartbeats) RunOnce(ctx context.Context) (HeartbeatsResult, error) {
	return l.pass(ctx, true)
}

func (l *Heartbeats) pass(ctx context.Context, touch bool) (r HeartbeatsResult, err error) {
	r.Next = -1
	if touch {
		if r.Moved, err = l.touch(ctx); err != nil {
			return r, err
		}
	}
	for more := true; more && ctx.Err() == nil; {
		begun := l.o.Now()
		j, err := l.store.JudgeHeartbeats(ctx)
		if err != nil {
			return r, fmt.Errorf("judge heartbeats: %w", err)
		}
		l.remember(j)
		posted, err := l.post(ctx, j.Owed)
		r.Posted += posted
		if err != nil {
			return r, err
		}
		if r.Next = -1; !j.Next.IsZero() {
			r.Next = max(j.Next.Sub(j.At)-l.o.Now().Sub(begun), 0)
		}
		more = j.More
	}
	return r, nil
}

func (l *Heartbeats) remember(j alerting.Judgement) {
	l.shortest = j.Shortest
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = j.Next
}

// touch writes down that we live. The first time moves whatever gap there is,
// unless passes are far apart by nature.
func (l *Heartbeats) touch(ctx context.Context) (time.Duration, error) {
	first := l.begun.IsZero() && l.o.Tolerance == 0
	moved, err := l.store.TouchLiveness(ctx, l.tolerance(), first)
	if err != nil {
		return 0, fmt.Errorf("note that we live: %w", err)
	}
	l.touched = l.o.Now()
	if l.begun.IsZero() {
		l.begun = l.touched
	}
	if moved > l.tolerance() || moved < 0 {
		l.o.Log.Info("期间没有接收心跳，各心跳的期限已顺延 (nobody listened to heartbeats; their limits were moved)", "by", moved)
	}
	return moved, nil
}

func (l *Heartbeats) tolerance() time.Duration {
	if l.o.Tolerance > 0 {
		return l.o.Tolerance
	}
	return heartbeatTouches * l.interval()
}

// interval is between two touches of a process that has lived for a while.
func (l *Heartbeats) interval() time.Duration {
	if l.shortest == 0 {
		return heartbeatTouchMax
	}
	return min(max(l.shortest/4, heartbeatTouchMin), heartbeatTouchMax)
}

// touchIn is how long after the last touch the next one is. A young process
// touches when it is twice as old as at the last one, so that of whatever life
// it has at least half is written down: restarts in a row must not stop the
// clock of what is dead.
func (l *Heartbeats) touchIn() time.Duration {
	age := l.touched.Sub(l.begun)
	return min(max(age, heartbeatShortest), l.interval())
}

// touchDue: the first pass of a process touches, later ones in their time. While
// there is no heartbeat there is nothing to be late for.
func (l *Heartbeats) touchDue(now time.Time) bool {
	if l.begun.IsZero() {
		return true
	}
	since := now.Sub(l.touched)
	return l.shortest > 0 && (since >= l.touchIn() || since < 0)
}

// until is how long nothing needs to be done; below 0: until woken.
func (l *Heartbeats) until(next time.Duration) time.Duration {
	pause := next
	sooner := func(d time.Duration) {
		if pause < 0 || d < pause {
			pause = d
		}
	}
	if l.shortest > 0 {
		sooner(max(l.touchIn()-l.o.Now().Sub(l.touched), 0))
	}
	if l.o.Poll > 0 {
		sooner(l.o.Poll)
	}
	if pause < 0 {
		return pause
	}
	return max(pause, heartbeatShortest)
}

// rest waits: at least the shortest time also when woken. Wakes do not cut a
// wait for a database that is away short.
func (l *Heartbeats) rest(ctx context.Context, pause time.Duration, wakes bool) {
	least := time.NewTimer(heartbeatShortest)
	defer least.Stop()
	var timer <-chan time.Time
	if pause >= 0 {
		t := time.NewTimer(pause)
		defer t.Stop()
		timer = t.C
	}
	wake := l.wake
	if !wakes {
		wake = nil
	}
	select {
	case <-ctx.Done():
		return
	case <-timer:
		return
	case <-wake:
	}
	select {
	case <-ctx.Done():
	case <-least.C:
	}
}

// leave writes down a last time that we live, so that of an orderly end nothing
// is lost.
func (l *Heartbeats) leave(ctx context.Context) {
	if l.begun.IsZero() || l.shortest == 0 {
		return
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), heartbeatLast)
	defer cancel()
	if _, err := l.touch(last); err != nil {
		l.o.Log.Warn("heartbeats are held up", "error", err)
	}
}

// post records the events that are owed, side by side, and settles those that
// were recorded. One that fails keeps none of the others.
func (l *Heartbeats) post(ctx context.Context, owed []alerting.Heartbeat) (posted int, err error) {
	failed := make([]error, len(owed))
	slots := make(chan struct{}, heartbeatPosts)
	var all sync.WaitGroup
	for i := range owed {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			failed[i] = l.record(ctx, &owed[i])
		})
	}
	all.Wait()
	var done []alerting.Heartbeat
	for i, f := range failed {
		if f == nil {
			done = append(done, owed[i])
		} else if err == nil {
			err = f // the others say the same
		}
	}
	if len(done) > 0 {
		err = errors.Join(err, l.store.SettleHeartbeats(ctx, done))
	}
	return len(done), err
}

func (l *Heartbeats) record(ctx context.Context, h *alerting.Heartbeat) error {
	ev := h.Event(l.o.Language, l.o.Location, l.o.Now())
	if _, err := l.recorder.RecordEvent(ctx, ev, idempotency(h.EventKey()...)); err != nil {
		return fmt.Errorf("heartbeat %s: %w", h.Name, err)
	}
	return nil
}
