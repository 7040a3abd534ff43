package watchdog

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Watchdog watches one service. Make it with New.
type Watchdog struct {
	o     Options
	began time.Time // the monotonic clock's zero: a step of the wall clock is no stall

	progress atomic.Int64 // nanoseconds since began of the last Progress; 0: none
	stalled  atomic.Bool  // the loop wants to be woken by Progress
	moved    chan struct{}

	mu   sync.Mutex
	stop context.CancelFunc
	done chan struct{}
}

// New makes a watchdog. The time-out runs from here on until the first
// Progress. Nothing happens before Run or Start.
func New(o Options) (*Watchdog, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	return &Watchdog{o: o, began: time.Now(), moved: make(chan struct{}, 1)}, nil
}

// Progress says that the work moved. It is cheap, never blocks, and may be
// called from any goroutine.
func (w *Watchdog) Progress() {
	if w == nil {
		return
	}
	w.progress.Store(int64(max(time.Since(w.began), 1)))
	if w.stalled.Load() {
		select {
		case w.moved <- struct{}{}:
		default:
		}
	}
}

// Start runs the watchdog in the background until Stop. A second Start does
// nothing.
func (w *Watchdog) Start() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	w.stop, w.done = stop, done
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
}

// Stop ends what Start began, and waits for it. What was still owed to Trade
// Monitor is dropped.
func (w *Watchdog) Stop() {
	if w == nil {
		return
	}
	w.mu.Lock()
	stop, done := w.stop, w.done
	w.stop, w.done = nil, nil
	w.mu.Unlock()
	if stop != nil {
		stop()
		<-done
	}
}

// Run watches until ctx ends. Call it once at a time. A panic in a callback or
// a transport is logged, and the watch goes on.
func (w *Watchdog) Run(ctx context.Context) {
	if w == nil {
		return
	}
	l := &loop{w: w}
	for ctx.Err() == nil {
		l.wait(ctx, l.guardedStep(ctx))
	}
}

// last gives the time of the last progress, of New when there was none, and
// whether there was.
func (w *Watchdog) last() (at time.Time, synced bool) {
	since := w.progress.Load()
	return w.began.Add(time.Duration(since)), since > 0
}

// loop is what the watch remembers between two steps.
type loop struct {
	w        *Watchdog
	stalled  bool
	repeatAt time.Time // of the next alarm while stalled
	owed     *owed
}

// guardedStep keeps a panic away from the host. A second later all is tried
// again.
func (l *loop) guardedStep(ctx context.Context) (next time.Time) {
	defer func() {
		if p := recover(); p != nil {
			next = time.Now().Add(time.Second)
			defer func() { _ = recover() }() // a logger that panics has nobody left to tell
			l.w.o.Log.Error("watchdog: panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	return l.step(ctx)
}

// step does what is due and tells when it wants to be called again.
func (l *loop) step(ctx context.Context) time.Time {
	l.judge(time.Now())
	if l.owed != nil && !time.Now().Before(l.owed.next) {
		l.try(ctx)
	}
	// Read afresh: the work may have moved, and no longer wake us, meanwhile.
	last, _ := l.w.last()
	deadline := last.Add(l.w.o.Timeout)
	next := deadline
	if l.stalled {
		next = l.repeatAt
		if deadline.After(time.Now()) {
			return time.Now()
		}
	}
	if l.owed != nil && l.owed.next.Before(next) {
		next = l.owed.next
	}
	return next
}

// judge finds out whether the work is stalled, and what is owed then. A newer
// word replaces an older one that never arrived: an alarm about a stall that is
// over would restart a service that works. The end is told whatever the answers
// to the alarm were: one that got none may have arrived.
func (l *loop) judge(now time.Time) {
	last, synced := l.w.last()
	s := stall{quiet: now.Sub(last)}
	if synced {
		s.lastSync = last
	}
	switch stalled := s.quiet >= l.w.o.Timeout; {
	case stalled && (!l.stalled || !now.Before(l.repeatAt)):
		l.stalled, l.repeatAt = true, now.Add(l.w.o.CheckInterval)
		l.w.stalled.Store(true)
		l.replace(false, s, now)
	case !stalled && l.stalled:
		l.stalled = false
		l.w.stalled.Store(false)
		l.replace(true, s, now)
	}
}

func (l *loop) replace(resolved bool, s stall, now time.Time) {
	next, err := l.w.owe(resolved, s, now)
	if err != nil {
		l.w.o.Log.Error("watchdog", "error", err)
	}
	l.owed = next
}

// wait returns at the time, when the work moves, or when ctx ends.
func (l *loop) wait(ctx context.Context, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-l.w.moved:
	}
}
