package remedy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"trade-monitor/shared/alerting"
)

const (
	// claimLease covers one step without a restart call: the engine's answers
	// are bounded by 5 s each.
	claimLease = 30 * time.Second
	// callMargin is what a restart call may take beyond the stop time-out.
	callMargin = 30 * time.Second
	// leaseMargin is how long an intent stays ours beyond its call's limit, so
	// that nobody judges it while its outcome is being stored.
	leaseMargin = 30 * time.Second
	// graceStep and graceSave bound the end of Run: steps in flight may finish,
	// then their calls are given up and what is known of them is stored.
	graceStep = 7 * time.Second
	graceSave = time.Second
	// shortest keeps the loop from spinning when the store's clock is behind
	// ours: to it, what we think due is not.
	shortest = 250 * time.Millisecond
)

// Options are what a Loop needs besides its parts.
type Options struct {
	Owner  string                 // names this process in leases
	Policy func() alerting.Policy // what is in force now
	Log    *slog.Logger
	Poll   time.Duration    // how often to look for what other processes left; 0: never
	Now    func() time.Time // nil: time.Now
	// Stopped tells whether the watch of a container knows that it was stopped on
	// somebody's order, longer ago than the engine remembers; nil: nothing does.
	Stopped func(container string) bool
}

// Loop carries remediations out. It is safe for concurrent use.
type Loop struct {
	store  Store
	engine Engine
	host   identity
	proofs proofs
	o      Options
	wake   chan struct{}
	outage outage
	steps  sync.WaitGroup
	skew   atomic.Int64 // how far the store's clock was ahead of ours at the last claim

	mu     sync.Mutex
	flying map[int64]bool
}

// Result tells what one pass did.
type Result struct {
	Steps int       // remediations that were carried one step on
	Next  time.Time // when there is more to do; zero: nothing is planned
}

// New makes a loop; Run starts it.
func New(store Store, engine Engine, o Options) *Loop {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Stopped == nil {
		o.Stopped = func(string) bool { return false }
	}
	return &Loop{store: store, engine: engine, host: identity{eyes: engine}, proofs: proofs{known: map[int64]proof{}}, o: o, wake: make(chan struct{}, 1), flying: map[int64]bool{}}
}

// Wake tells the loop that there is new work. It never blocks.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Host is the engine that this loop works on; without an id until it was reached.
func (l *Loop) Host(ctx context.Context) alerting.Host { return l.host.known(ctx) }

// Run works until ctx ends. Containers are put right side by side: none waits
// for another one's restart. At the end no new work is taken; steps in flight
// get 8 s. A restart call that takes longer is left to be reconciled: its
// intent is stored. Run always returns nil.
func (l *Loop) Run(ctx context.Context) error {
	// A step outlives ctx by its grace.
	work, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	var failing time.Duration
	for ctx.Err() == nil {
		steps, next, err := l.look(ctx)
		for _, s := range steps {
			l.steps.Go(func() {
				l.complain(l.fly(work, s))
				l.Wake() // its next deadline is stored by now
			})
		}
		pause := l.until(next)
		if failing = backoff(failing, err); err != nil {
			pause = failing
		}
		if ctx.Err() == nil {
			l.complain(err)
		}
		l.rest(ctx, pause, err == nil)
	}
	l.drain(giveUp)
	return nil
}

// RunOnce claims what is due, carries each one step on, and waits for that.
func (l *Loop) RunOnce(ctx context.Context) (Result, error) {
	steps, next, err := l.look(ctx)
	failed := make([]error, len(steps))
	var all sync.WaitGroup
	for i, s := range steps {
		all.Go(func() { failed[i] = l.fly(ctx, s) })
	}
	all.Wait()
	return Result{Steps: len(steps), Next: next}, errors.Join(append(failed, err)...)
}

// look finds what is due. Trouble with one kind of work does not hide the
// other.
func (l *Loop) look(ctx context.Context) (steps []*step, next time.Time, err error) {
	recheck, failed := l.store.Recheck(ctx)
	if failed != nil {
		err = fmt.Errorf("recheck: %w", failed)
	}
	claimed, next, failed := l.store.ClaimRemediations(ctx, l.o.Owner, l.host.known(ctx), claimLease)
	if failed != nil {
		err = errors.Join(err, fmt.Errorf("claim remediations: %w", failed))
	}
	for _, w := range claimed {
		if l.takeOff(w.Remediation.ID) {
			skew := w.At.Sub(l.o.Now())
			l.skew.Store(int64(skew))
			steps = append(steps, &step{loop: l, r: w.Remediation, alert: w.Alert, symptom: w.Symptom, policy: l.o.Policy(), stop: ctx.Done(), skew: skew})
		}
	}
	return steps, soonest(recheck, next), err
}

// fly takes one step. Its error names the remediation.
func (l *Loop) fly(ctx context.Context, s *step) error {
	id := s.r.ID
	defer l.land(id)
	if err := s.take(ctx); err != nil {
		return fmt.Errorf("remediation %d: %w", id, err)
	}
	return nil
}

// takeOff keeps one remediation from being in two steps at a time, should a
// step outlive its lease.
func (l *Loop) takeOff(id int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flying[id] {
		return false
	}
	l.flying[id] = true
	return true
}

func (l *Loop) land(id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.flying, id)
}

func (l *Loop) complain(err error) {
	if err != nil {
		l.o.Log.Warn("remediation is held up", "error", err)
	}
}

// until is how long nothing needs to be done; below 0: until woken.
func (l *Loop) until(next time.Time) time.Duration {
	pause := time.Duration(-1)
	if !next.IsZero() {
		pause = max(next.Sub(l.o.Now().Add(time.Duration(l.skew.Load()))), shortest)
	}
	if l.o.Poll > 0 && (pause < 0 || pause > l.o.Poll) {
		pause = l.o.Poll
	}
	return pause
}

// rest waits; wakes do not cut a wait for a database that is away short.
func (l *Loop) rest(ctx context.Context, pause time.Duration, wakes bool) {
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
	case <-timer:
	case <-wake:
	}
}

func (l *Loop) drain(giveUp context.CancelFunc) {
	done := make(chan struct{})
	go func() {
		l.steps.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-time.After(graceStep):
	}
	giveUp()
	select {
	case <-done:
	case <-time.After(graceSave):
	}
}

// backoff doubles from 1 s to 10 s while there are errors.
func backoff(last time.Duration, err error) time.Duration {
	switch {
	case err == nil:
		return 0
	case last == 0:
		return time.Second
	}
	return min(2*last, 10*time.Second)
}

func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
