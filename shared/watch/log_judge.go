package watch

import (
	"context"
	"sync/atomic"
	"time"

	"trade-monitor/shared/alerting"
)

// trouble is what keeps a log from being heard. Only run writes it, but for
// standing.
type trouble struct {
	standing   atomic.Bool // the stream stands
	unreadable bool        // by its log driver: nothing to wait for
	failing    time.Time   // since when it could not be heard; zero: it can
	engineAway pacing
	reopening  pacing
	opened     time.Time // when the last stream was
	openAt     time.Time // when the next one may be
	retryAt    time.Time // of a silence that could not be looked at a second time
	why        error
}

// since is how long the log could not be heard.
func (t *trouble) since(now time.Time) time.Duration {
	if t.failing.IsZero() {
		return 0
	}
	return now.Sub(t.failing)
}

// holds is how long the stream must not be opened yet: not at all when the last
// one stood for a while. 0: it is opened now.
func (t *trouble) holds(now time.Time) time.Duration {
	if now.Before(t.openAt) {
		return t.openAt.Sub(now)
	}
	if now.Sub(t.opened) > quickly.to {
		t.reopening.reset()
	}
	t.opened, t.openAt = now, now.Add(t.reopening.next(quickly))
	return 0
}

// troubleWith notes how a stream ended.
func (w *logWatch) troubleWith(err error) {
	if err == nil {
		return
	}
	w.trouble.why = err
	w.trouble.unreadable = unreadable(err)
	if w.trouble.failing.IsZero() {
		w.trouble.failing = w.now()
	}
}

// judgeHearing finds out whether the log can be heard, and tells when it cannot
// and when it can again.
func (w *logWatch) judgeHearing(now time.Time) {
	t := &w.trouble
	if t.standing.Load() && !t.unreadable {
		t.failing, t.why = time.Time{}, nil
	}
	switch {
	case t.unreadable || t.since(now) >= deafAfter:
		w.set(alerting.WatchDeaf, w.deafness())
		if !w.facts.toldDeaf {
			w.facts.toldDeaf = true
			w.owe(w.deaf())
		}
	case t.standing.Load() && w.facts.toldDeaf:
		w.facts.toldDeaf = false
		w.owe(w.hearsAgain())
	}
}

// unreadableFor is how often a log is tried whose driver cannot be read. Another
// run of the container, which may have another one, is tried at once.
const unreadableFor = time.Minute

// confirm looks a second time, by a connection of its own, before a silence is
// told. The watch is deaf, not the service silent, where that look finds what
// the stream did not bring, or cannot be had.
func (w *logWatch) confirm(ctx context.Context) {
	c, err := w.all.engine.Inspect(ctx, w.rule.Container)
	now := w.now()
	if err != nil {
		w.lookAt, w.trouble.retryAt = now, now.Add(time.Second) // the engine is away
		return
	}
	w.mu.Lock()
	if c == nil || !c.Running || c.Paused || c.ID != w.state.ContainerID || !c.StartedAt.Equal(w.state.StartedAt) {
		w.mu.Unlock()
		w.lookAt = now // it stopped, or runs anew: another matter
		return
	}
	since := c.StartedAt.Add(-startSlack)
	if w.state.ProgressStamp.After(c.StartedAt) {
		since = w.ear.since(w.state.ProgressStamp, w.state.ProgressAt, now)
		since = w.ear.unread(w.state, since, now)
	}
	w.mu.Unlock()
	found, err := w.read(ctx, *c, since)
	switch now = w.now(); {
	case found:
		w.falseAlarm(ctx)
	case err != nil:
		w.cannotConfirm(now, err)
	default:
		w.trouble.retryAt, w.trouble.failing = time.Time{}, time.Time{}
		w.silent(ctx, *c, now)
	}
}

// lookAhead does a part of the second look before the deadline, where all of it
// would take too long at it.
func (w *logWatch) lookAhead(ctx context.Context, deadline time.Time) {
	w.mu.Lock()
	stamp, now := w.state.ProgressStamp, w.now()
	since := w.ear.unread(w.state, w.ear.since(stamp, w.state.ProgressAt, now), now)
	w.mu.Unlock()
	if w.container != nil {
		if _, err := w.read(ctx, *w.container, since); err != nil {
			w.all.o.Log.Debug("a log could not be read ahead", "container", w.rule.Container, "error", err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now = w.now()
	w.ear.readAfter, w.ear.readOn = stamp, deadline
	if left := deadline.Sub(now); left > lastAhead {
		w.ear.readOn = now.Add(left / 2)
	}
}

// cannotConfirm looks again in a moment: nothing is known, so nothing is told
// but, after a while, that.
func (w *logWatch) cannotConfirm(now time.Time, err error) {
	w.troubleWith(err)
	w.trouble.retryAt = now.Add(time.Second)
	if w.trouble.unreadable {
		w.trouble.retryAt = now.Add(unreadableFor)
	}
	w.trouble.standing.Store(false)
	w.set(alerting.WatchDeaf, w.deafness())
}

// falseAlarm: the stream had missed a line. It is opened anew.
func (w *logWatch) falseAlarm(ctx context.Context) {
	w.all.o.Log.Warn("日志流漏了行，已重新打开 (a log stream had missed lines and is opened anew)", "container", w.rule.Container)
	w.mu.Lock()
	w.facts.falseAlarms++
	w.facts.deafTimes++
	w.mu.Unlock()
	w.trouble.retryAt = time.Time{}
	w.stream.close()
	w.lookAt = w.now()
}

// silent tells of a confirmed silence.
func (w *logWatch) silent(ctx context.Context, c alerting.Container, now time.Time) {
	w.mu.Lock()
	at, due := w.state.Deadline(w.rule)
	if due != alerting.DueSilence || now.Before(at) {
		w.mu.Unlock() // a line came while we looked
		return
	}
	w.state = w.state.Silence(w.rule, now)
	state := w.state
	w.mu.Unlock()
	w.set(alerting.WatchDown, "")
	w.owe(w.fellSilent(state, now, w.lastLines(ctx, c)))
}

// lastTime bounds the read of the last lines: evidence is worth less than a
// second of delay.
const lastTime = 500 * time.Millisecond

// evidenceLines is how many lines an event shows.
const evidenceLines = 5

func (w *logWatch) lastLines(ctx context.Context, c alerting.Container) []string {
	ctx, cancel := context.WithTimeout(ctx, lastTime)
	defer cancel()
	lines, err := w.all.engine.LastLines(ctx, c, c.StartedAt.Add(-startSlack), evidenceLines)
	if err != nil {
		w.all.o.Log.Debug("the last lines cannot be read", "container", w.rule.Container, "error", err)
	}
	return lines
}

// tellUnmatched warns once that the pattern matches nothing. Nothing is ever
// restarted for it.
func (w *logWatch) tellUnmatched(ctx context.Context) {
	if w.container == nil || !w.trouble.standing.Load() {
		w.trouble.retryAt = w.now().Add(time.Second) // what is not heard has not failed to match
		return
	}
	w.mu.Lock()
	w.state.WarnedUnmatched = true
	w.mu.Unlock()
	w.settleRunning()
	w.owe(w.unmatched(w.lastLines(ctx, *w.container)))
}

// tellUnseen warns once that the container was never there: people only when
// somebody asked for this very one.
func (w *logWatch) tellUnseen() {
	w.facts.toldUnseen = true
	if w.facts.state != alerting.WatchUnseen {
		return // the engine is away
	}
	w.all.o.Log.Warn("日志监控：没有这个容器，出现后自动开始 (log watch: there is no such container; it is watched once it is there)", "container", w.rule.Container)
	if w.rule.Required {
		w.owe(w.notFound())
	}
}

// withdraw ends the warnings that are no longer true.
func (w *logWatch) withdraw(seen bool) {
	if seen && w.facts.toldUnseen {
		w.facts.toldUnseen = false
		if w.rule.Required {
			w.owe(w.found())
		}
	}
	w.mu.Lock()
	matched := w.state.Armed && w.state.WarnedUnmatched
	if matched {
		w.state.WarnedUnmatched = false
	}
	w.mu.Unlock()
	if matched {
		w.owe(w.matched())
	}
}
