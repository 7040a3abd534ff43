package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Steps are those of escalations that are planned.
type Steps interface {
	// Escalate takes some of those whose time has come, each once over all
	// processes; more: further ones are due. next is when there is something to do
	// again; zero: nothing is planned.
	Escalate(ctx context.Context) (next time.Time, more bool, err error)
}

// Escalator takes the steps of escalations when their time has come: it owes
// words, and the Loop says them. It is safe for concurrent use.
type Escalator struct {
	steps Steps
	o     EscalatorOptions
	wake  chan struct{}
}

// EscalatorOptions are what an Escalator needs besides its store.
type EscalatorOptions struct {
	Log  *slog.Logger     // nil: nothing is logged
	Poll time.Duration    // how often to look for what other processes left; 0: never
	Now  func() time.Time // nil: time.Now
}

// NewEscalator makes the loop; Run starts it.
func NewEscalator(steps Steps, o EscalatorOptions) *Escalator {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Escalator{steps: steps, o: o, wake: make(chan struct{}, 1)}
}

// Wake tells it that a step is planned. It never blocks.
func (e *Escalator) Wake() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// maxLooks bounds one pass: after a storm thousands of steps are due at once, and
// the store takes them by the hundred.
const maxLooks = 20

// RunOnce takes what is due now, and tells when there is something to do again;
// zero: nothing is planned.
func (e *Escalator) RunOnce(ctx context.Context) (next time.Time, err error) {
	more := true
	for looks := 0; more && looks < maxLooks; looks++ {
		if next, more, err = e.look(ctx); err != nil {
			return next, fmt.Errorf("take the steps that are due: %w", err)
		}
	}
	return next, nil
}

func (e *Escalator) look(ctx context.Context) (next time.Time, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return e.steps.Escalate(ctx)
}

// Run works until ctx ends, sleeping until the next step is due, a wake, or the
// poll. It always returns nil.
func (e *Escalator) Run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		begun := e.o.Now()
		next, err := e.RunOnce(ctx)
		pause, wake := e.until(next), e.wake
		if failures++; err == nil {
			failures = 0
		} else {
			pause, wake = retryAfter(failures), nil // wakes do not hurry a database that is away
			if ctx.Err() == nil {
				e.o.Log.Warn("escalation is held up", "error", err)
			}
		}
		rest(ctx, pause, wake)
		rest(ctx, max(0, gap-e.o.Now().Sub(begun)), nil) // a storm of wakes costs 20 looks a second
	}
	return nil
}

// until is how long nothing needs to be done; below 0: until woken. It is never
// shorter than gap: to a store whose clock is behind ours nothing may be due yet.
func (e *Escalator) until(next time.Time) time.Duration {
	pause := time.Duration(-1)
	if !next.IsZero() {
		pause = max(next.Sub(e.o.Now()), gap)
	}
	if e.o.Poll > 0 && (pause < 0 || pause > e.o.Poll) {
		pause = e.o.Poll
	}
	return pause
}

// rest waits; a pause below 0 has no end of its own.
func rest(ctx context.Context, pause time.Duration, wake <-chan struct{}) {
	var over <-chan time.Time
	if pause >= 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
	case <-wake:
	case <-over:
	}
}
