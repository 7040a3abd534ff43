package watch

import (
	"context"
	"sync/atomic"
	"time"

	"trade-monitor/shared/alerting"
)

// trouble is what keeps a log from being heard. Only run writes it, but for
// waits.
type trouble struct {
	waits      atomic.Bool // run waits for a sign that the log can be heard
	unreadable bool        // by its log driver: nothing that passes soon
	failing    time.Time   // since when nothing was heard of it; zero: it can be heard
	unsure     time.Time   // since when a silence could not be looked at a second time
	engineAway pacing
	reopening  pacing
	opened     time.Time // when the last stream was
	openAt     time.Time // when the next one may be
	retryAt    time.Time // of a silence that could not be looked at a second time
	why        error
}

// since is how long the log could not be heard.
func (t *trouble) since(now time.Time) (d time.Duration) {
	for _, from := range []time.Time{t.failing, t.unsure} {
		if !from.IsZero() {
			d = max(d, now.Sub(from))
		}
	}
	return d
}

// over: there is nothing to hear, or somebody else's trouble.
func (t *trouble) over() { t.failing, t.unsure = time.Time{}, time.Time{} }

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
	t, now := &w.trouble, w.now()
	t.why = err
	if t.unreadable = unreadable(err); t.unreadable {
		t.openAt = now.Add(unreadableFor)
	}
	if t.failing.IsZero() {
		t.failing = now
	}
	t.waits.Store(true)
}

// heard is when the log was last heard: a line of the stream, or a read. That a
// stream was opened proves nothing.
func (w *logWatch) heard() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return later(w.ear.arrived, w.ear.readAt)
}

// hears tells whether the stream that stands is known to be heard.
func (w *logWatch) hears() bool {
	return w.stream != nil && !w.stream.ended() && !w.heard().Before(w.trouble.opened)
}

// judgeHearing finds out whether the log can be heard, and tells when it cannot
// and when it can again.
func (w *logWatch) judgeHearing(now time.Time) {
	t := &w.trouble
	if w.heard().After(t.failing) && !t.unreadable {
		t.failing = time.Time{}
	}
	switch {
	case t.unreadable || t.since(now) >= deafAfter:
		w.set(alerting.WatchDeaf, w.deafness())
		if !w.facts.toldDeaf {
			w.facts.toldDeaf = true
			w.owe(w.deaf())
		}
	case w.facts.toldDeaf && t.since(now) == 0 && w.hears():
		w.facts.toldDeaf, t.why = false, nil
		w.owe(w.hearsAgain())
	}
}

// unreadableFor is how often a log is tried whose driver cannot be read: a proxy
// may have said so. Another run of the container, which may have another driver,
// is tried at once.
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
	if w.all.o.Ending(w.rule.Container) {
		w.trouble.retryAt = now.Add(time.Second) // to restart it would undo that
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
	first := w.heard().IsZero() // this process knows nothing yet but what an earlier one did
	found, err := w.read(ctx, *c, since)
	if now = w.now(); err != nil && !found {
		w.cannotConfirm(now, err)
		return
	}
	w.trouble.retryAt, w.trouble.unreadable = time.Time{}, false
	w.trouble.over()
	w.judgeHearing(now)
	if found {
		if !first {
			w.falseAlarm()
		}
		return
	}
	w.silent(ctx, *c, now)
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
	t := &w.trouble
	t.why, t.unreadable, t.retryAt = err, unreadable(err), now.Add(time.Second)
	if t.unreadable {
		t.retryAt = now.Add(unreadableFor)
	}
	if t.unsure.IsZero() {
		t.unsure = now
	}
	w.set(alerting.WatchDeaf, w.deafness())
}

// falseAlarm: the stream had missed a line. It is opened anew.
func (w *logWatch) falseAlarm() {
	w.all.o.Log.Warn("日志流漏了行，已重新打开 (a log stream had missed lines and is opened anew)", "container", w.rule.Container)
	w.mu.Lock()
	w.facts.falseAlarms++
	w.facts.deafTimes++
	w.mu.Unlock()
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
	if w.container == nil || !w.hears() {
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
