package watch

import (
	"context"
	"errors"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

// ear is what the streams of a log watch note. Its lines carry stamps of the
// engine's clock, which may be set, and arrive on ours, which does not jump: what
// arrives live is taken as written now, and only older lines are dated by their
// stamps.
type ear struct {
	ours, engines time.Time // one instant on both clocks

	line    [40]byte // stamp of the newest line, whatever it says
	lineLen int
	arrived time.Time // of that line
	others  int       // lines since the newest match
	between float64   // lines a second between the last two
	readAt  time.Time // when the log was last read to its end

	// A second look at a busy log begins before the deadline: up to which line
	// it came, after which match, and when it goes on.
	read, readAfter time.Time
	readOn          time.Time

	over *silence // a silence that a line has ended, and nobody told of yet
}

// silence is one that is over.
type silence struct {
	from, to       time.Time // on our clock
	stamp, started time.Time // of the line before it, and of the run
}

// clock notes what the engine's clock shows at an instant of ours.
func (e *ear) clock(now, engine time.Time) { e.ours, e.engines = now, engine }

// engineNow is what the engine's clock would show now, had nobody set it.
func (e *ear) engineNow(now time.Time) time.Time { return e.engines.Add(now.Sub(e.ours)) }

// instant puts a stamp on our clock; never later than now.
func (e *ear) instant(stamp, now time.Time) time.Time {
	return now.Add(-max(e.engineNow(now).Sub(stamp), 0))
}

// since is from where a log has to be read so that nothing newer than a line
// is missed: just behind it, or earlier where the engine's clock was set back
// since. at is when the line was heard.
func (e *ear) since(stamp, at, now time.Time) time.Time {
	behind := stamp.Add(time.Nanosecond)
	if expected := e.engineNow(now).Add(-now.Sub(at)); expected.Before(stamp.Add(-clockSlack)) {
		return expected
	}
	return behind
}

// aheadAt is when the second look has to begin so that it is over at the
// deadline: before it where much else is written between two matches, and then
// again each time that half of the rest has passed.
func (e *ear) aheadAt(s alerting.LogState, deadline time.Time, timeout time.Duration) time.Time {
	lines := max(float64(e.others), e.between*timeout.Seconds())
	switch {
	case lines < manyLines || s.ProgressStamp.IsZero():
		return deadline
	case e.readAfter.Equal(s.ProgressStamp):
		return e.readOn
	}
	return deadline.Add(-min(time.Duration(2*lines/readRate*float64(time.Second)), timeout/2))
}

const (
	// lastAhead is how short before a deadline no look ahead is worth it.
	lastAhead = 300 * time.Millisecond
	// manyLines is how many lines are read in no time.
	manyLines = 5_000
	// readRate is how many lines a second a busy engine gives at least.
	readRate = 20_000
)

// unread is from where a second look has to read on: since, or behind what it
// has read already.
func (e *ear) unread(s alerting.LogState, since, now time.Time) time.Time {
	if e.readAfter.Equal(s.ProgressStamp) && e.read.After(since) && !e.ahead(e.read, now) {
		return e.read
	}
	return since
}

// ahead tells whether a stamp is of a clock that was set back since.
func (e *ear) ahead(stamp, now time.Time) bool { return stamp.After(e.engineNow(now).Add(clockSlack)) }

// clockSlack is what the two clocks may differ by without one having been set.
const clockSlack = 2 * time.Second

// stamp is that of the newest line; false: there was none.
func (e *ear) stamp() (time.Time, bool) {
	return alerting.LogLine{Stamp: e.line[:e.lineLen]}.At()
}

// hear takes in one line. old: it may have been written before the stream was
// opened.
func (w *logWatch) hear(line alerting.LogLine, old bool) {
	matches := w.rule.Progress.Matches(line.Text)
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ear.lineLen = copy(w.ear.line[:], line.Stamp)
	w.ear.arrived = now
	w.sign()
	if !matches {
		w.ear.others++
		return
	}
	stamp, stamped := line.At()
	at := now
	if old && stamped {
		if !stamp.After(w.state.ProgressStamp) || w.ear.ahead(stamp, now) {
			return // heard before; or the clock was set, and read sorts that out
		}
		at = w.ear.instant(stamp, now)
	}
	w.progress(at, stamp)
}

// progress records a match; the lock is held.
func (w *logWatch) progress(at, stamp time.Time) {
	// The deadline comes nearer with a run's first progress, and later with all
	// other: only then is there something to wake up for.
	from, waited := w.state.ProgressAt, w.state.Silent || !w.state.Armed || !w.state.Moved()
	was := w.state
	next, over := was.Progress(at, stamp)
	if gap := next.ProgressAt.Sub(from); gap > 0 {
		w.ear.between = float64(w.ear.others) / gap.Seconds()
	}
	w.state, w.ear.others = next, 0
	if over {
		w.ear.over = &silence{from: from, to: at, stamp: was.ProgressStamp, started: was.StartedAt}
	}
	if waited {
		signal(w.news)
	}
}

// backlog is how many old lines a stream begins with at most. More may have
// been written since: they are read apart, without holding the stream up.
const backlog = 1000

// oldFor is how long after its opening a stream may bring old lines.
const oldFor = 2 * time.Second

// stream is one following read of a log.
type stream struct {
	id      string
	started time.Time
	cancel  context.CancelFunc
	end     chan struct{}
	err     error // of the end, valid once end is closed
}

func (s *stream) done() <-chan struct{} {
	if s == nil {
		return nil
	}
	return s.end
}

func (s *stream) ended() bool {
	if s == nil {
		return false
	}
	select {
	case <-s.end:
		return true
	default:
		return false
	}
}

// of tells whether the stream belongs to another run of the container.
func (s *stream) of(c alerting.Container) bool {
	return s.id != c.ID || !s.started.Equal(c.StartedAt)
}

func (s *stream) close() {
	if s != nil {
		s.cancel()
		<-s.end
	}
}

// listen opens the stream anew, from where the last one ended.
func (w *logWatch) listen(ctx context.Context, c alerting.Container) {
	w.stream.close()
	now := w.now()
	if pause := w.trouble.holds(now); pause > 0 {
		w.stream, w.lookAt = nil, now.Add(pause)
		return
	}
	w.trouble.unreadable = false
	w.trouble.waits.Store(true)
	since := w.from(c, now)
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{id: c.ID, started: c.StartedAt, cancel: cancel, end: make(chan struct{})}
	w.stream = s
	go func() {
		defer close(s.end)
		s.err = w.follow(ctx, c, since)
	}()
}

// from is where a stream has to begin: behind the newest line that was heard,
// or, the first time, far enough back to know how the service stands.
func (w *logWatch) from(c alerting.Container, now time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if stamp, ok := w.ear.stamp(); ok {
		return w.ear.since(stamp, w.ear.arrived, now)
	}
	if w.state.HeardSince.IsZero() {
		w.state.HeardSince = now
	}
	if !w.state.ProgressStamp.IsZero() {
		return w.ear.since(w.state.ProgressStamp, w.state.ProgressAt, now)
	}
	past := w.ear.engineNow(now).Add(-max(3*w.rule.Timeout, 10*time.Minute))
	if c.StartedAt.After(past) {
		return c.StartedAt.Add(-startSlack)
	}
	return past
}

// startSlack is by how much a run's first line may be stamped before its start
// (up to 3 ms were seen on Engine 20.10).
const startSlack = 5 * time.Millisecond

// openTime bounds the beginning of an answer: nothing else ends a request that a
// proxy has forgotten.
const openTime = 10 * time.Second

var errNotOpened = errors.New("docker logs: no answer in time")

// follow reads the stream, and beside it what the stream's backlog may lack.
func (w *logWatch) follow(ctx context.Context, c alerting.Container, since time.Time) error {
	bounded, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := time.AfterFunc(openTime, cancel)
	opened := w.now()
	var sweeps sync.WaitGroup
	defer sweeps.Wait()
	stands := func() {
		limit.Stop()
		opened = w.now()
		sweeps.Go(func() { w.sweep(ctx, c, since) })
	}
	err := w.all.engine.FollowLog(bounded, c, since, backlog, stands, func(line alerting.LogLine) {
		w.hear(line, w.now().Sub(opened) < oldFor)
	})
	if !limit.Stop() && bounded.Err() != nil && ctx.Err() == nil {
		return errNotOpened
	}
	return err
}

// sweep reads everything since then once.
func (w *logWatch) sweep(ctx context.Context, c alerting.Container, since time.Time) {
	_, _ = w.read(ctx, c, since) // what it lacks, the second look at a silence finds
}

// sign wakes run where it waits for a sign that the log can be heard.
func (w *logWatch) sign() {
	if w.trouble.waits.Load() && w.trouble.waits.Swap(false) {
		signal(w.news)
	}
}

// read reads everything since then by a connection of its own, takes in the
// newest match, and tells whether there was one that was not heard before. A
// log is in the order in which it was written, whatever its stamps say: what
// stands before a line that is known, or before one of a clock that was set
// back since, is older than that.
func (w *logWatch) read(ctx context.Context, c alerting.Container, since time.Time) (found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, confirmTime)
	defer cancel()
	clock, err := w.all.engine.Clock(ctx) // anew: it may have been set since
	if err != nil {
		return false, err
	}
	w.mu.Lock()
	w.ear.clock(w.now(), clock)
	known, hears := w.state.ProgressStamp, w.ear
	w.mu.Unlock()
	setBack := since.Before(known)
	var newest time.Time
	var end ear // the newest line that was read
	err = w.all.engine.ReadLog(ctx, c, since, func(line alerting.LogLine) {
		end.lineLen = copy(end.line[:], line.Stamp)
		if !w.rule.Progress.Matches(line.Text) {
			return
		}
		switch stamp, ok := line.At(); {
		case !ok:
		case stamp.Equal(known), hears.ahead(stamp, w.now()):
			newest = time.Time{}
		case stamp.After(known), setBack:
			newest = stamp
		}
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.ear.readAt = w.now()
		w.sign()
	}
	if read, ok := end.stamp(); ok && err == nil {
		w.ear.read, w.ear.readAfter = read, known
	}
	if newest.IsZero() {
		return false, err
	}
	if !w.state.ProgressStamp.Equal(known) && !newest.After(w.state.ProgressStamp) {
		return true, err // the stream brought it meanwhile, or a newer one
	}
	w.progress(w.ear.instant(newest, w.now()), newest)
	return true, err
}

// unreadable tells that an error will not pass by itself.
func unreadable(err error) bool {
	var e interface{ Unreadable() bool }
	return errors.As(err, &e) && e.Unreadable()
}
