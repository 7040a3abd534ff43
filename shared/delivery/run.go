package delivery

import (
	"context"
	"time"
)

// Run delivers until ctx ends: it waits for a wake, the next deadline or the
// poll, and makes a pass that does not wait for its robots. It returns nil when
// every message in flight has been settled.
func (l *Loop) Run(ctx context.Context) error {
	r := runner{loop: l, ended: make(chan drained), lanes: map[string]*lane{}, wanted: l.o.Now()}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		var due <-chan time.Time
		if at := r.nextPass(); !at.IsZero() {
			timer.Reset(at.Sub(l.o.Now()))
			due = timer.C
		}
		select {
		case <-ctx.Done():
		case <-l.wake:
			r.wanted = l.o.Now()
		case d := <-r.ended:
			r.note(d)
		case <-due:
			r.pass(ctx)
		}
	}
	for ; r.running > 0; r.running-- {
		<-r.ended
	}
	return nil
}

// runner is the state of one Run; only its goroutine touches it.
type runner struct {
	loop    *Loop
	ended   chan drained
	running int
	lanes   map[string]*lane // by robot

	wanted   time.Time // a pass was asked for; zero: none was
	last     time.Time // when the last pass was made
	failures int       // of passes in a row
}

// lane is what the runner remembers of one robot.
type lane struct {
	running  bool
	due      time.Time // when to look again; zero: nothing waits
	held     time.Time // after an error: not before
	failures int       // in a row
}

// nextPass is when the next pass is to be made; zero: when woken.
func (r *runner) nextPass() time.Time {
	at := r.wanted
	for _, lane := range r.lanes {
		if !lane.running {
			at = earliest(at, lane.due)
		}
	}
	if poll := r.loop.o.Poll; poll > 0 {
		at = earliest(at, r.last.Add(poll))
	}
	if at.IsZero() || r.last.IsZero() {
		return at
	}
	floor := r.last.Add(max(gap, retryAfter(r.failures)))
	if at.Before(floor) {
		return floor
	}
	return at
}

// retryAfter is how long to wait after failures in a row: 1 s doubling to 10 s.
func retryAfter(failures int) time.Duration {
	const base, limit = time.Second, 10 * time.Second
	switch {
	case failures == 0:
		return 0
	case failures > 4:
		return limit
	}
	return min(base<<(failures-1), limit)
}

// pass starts a drain for every robot that has words waiting and none.
func (r *runner) pass(ctx context.Context) {
	targets, err := r.loop.survey(ctx)
	now := r.loop.o.Now()
	r.last = now
	switch {
	case err == nil:
		r.failures, r.wanted = 0, time.Time{}
		r.forget(targets)
	case ctx.Err() == nil:
		r.failures++
		r.wanted = now // which nextPass puts off
		r.loop.o.Log.Error("delivery waits for the database", "error", err, "failures", r.failures)
	}
	for _, t := range targets {
		r.start(ctx, t, now)
	}
}

func (r *runner) start(ctx context.Context, t target, now time.Time) {
	one := r.lanes[t.robot]
	if one == nil {
		one = &lane{}
		r.lanes[t.robot] = one
	}
	if one.held.After(now) {
		one.due = one.held
		return
	}
	if !r.loop.enter(t) {
		if !one.running { // a RunOnce has it, and its end is not told to us
			one.due = now.Add(time.Second)
		}
		return // its drain looks again by itself
	}
	one.running = true
	r.running++
	go func() { r.ended <- r.loop.drain(ctx, t) }()
}

// forget drops the robots that have nothing waiting any more.
func (r *runner) forget(targets []target) {
	waiting := map[string]bool{}
	for _, t := range targets {
		waiting[t.robot] = true
	}
	for robot, lane := range r.lanes {
		if !lane.running && !waiting[robot] {
			delete(r.lanes, robot)
		}
	}
}

// note records the end of a drain.
func (r *runner) note(d drained) {
	now := r.loop.o.Now()
	one := r.lanes[d.robot]
	r.running--
	one.running, one.due = false, d.next
	if d.err != nil {
		one.failures++
		one.held = now.Add(retryAfter(one.failures))
		one.due = one.held
		r.loop.o.Log.Error("delivery to a robot was interrupted", "robot", d.robot, "error", d.err, "failures", one.failures)
		return
	}
	one.failures, one.held = 0, time.Time{}
	if soon := now.Add(2 * gap); !one.due.IsZero() && one.due.Before(soon) {
		one.due = soon // the store's clock is behind ours: do not spin
	}
}
