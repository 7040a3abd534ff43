package watch

import (
	"context"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

const (
	// unseenAfter is how long a container may be missing at first before that is
	// worth a word: others of the same compose project may start before it.
	unseenAfter = time.Minute
	// glanceEvery is how often a container that is not there, or does not run, is
	// looked for when no event of the engine says anything.
	glanceEvery = 30 * time.Second
	// confirmTime bounds the second look at a silence. A log of many gigabytes may
	// take it; the verdict is then late, and never false.
	confirmTime = 30 * time.Second
	// saveEvery is how often progress alone is stored: after our own restart the
	// log is read from there.
	saveEvery = 10 * time.Second
	// deafAfter is how long a log that cannot be read, for a reason that may pass,
	// is only a nuisance.
	deafAfter = time.Minute
)

// logWatch watches one container's log. One goroutine (run) decides; the
// streams only note what they hear. It wakes at deadlines and when something
// happened, never to look whether a line came: a deadline that a line moved is
// found moved when it comes.
type logWatch struct {
	all  *Logs
	host string
	rule alerting.LogRule

	wake chan struct{} // something happened to the container
	news chan struct{} // a match that somebody waits for

	mu    sync.Mutex // guards what follows: streams write it, too
	state alerting.LogState
	ear   ear
	facts logFacts

	// Of run alone.
	container *alerting.Container // as last seen; nil: none
	stream    *stream
	lookAt    time.Time // zero: no need to
	missing   time.Time // since when the engine says that there is none
	trouble   trouble
	desk      desk
	kept      time.Time // the stamp of progress that is worth storing …
	keptAt    time.Time // … since then
}

// logFacts are what people and metrics see beside the state.
type logFacts struct {
	state       alerting.WatchState
	since       time.Time
	detail      string
	falseAlarms int64
	deafTimes   int64
	seen        bool // the container was there at some time
	toldUnseen  bool
	toldDeaf    bool
}

func newLogWatch(all *Logs, host string, rule alerting.LogRule, m alerting.WatchMemory) *logWatch {
	w := &logWatch{all: all, host: host, rule: rule, wake: make(chan struct{}, 1), news: make(chan struct{}, 1)}
	w.desk = desk{recorder: all.recorder, memory: all.memory, log: all.o.Log, now: all.o.Now}
	w.facts.state, w.facts.since = alerting.WatchUnseen, all.o.Now()
	w.recall(m)
	w.lookAt = all.o.Now()
	return w
}

func (w *logWatch) now() time.Time { return w.all.o.Now() }

// look wakes the watch.
func (w *logWatch) look() { signal(w.wake) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (w *logWatch) run(ctx context.Context) {
	defer func() {
		w.stream.close()
		w.keep(ctx)
	}()
	for ctx.Err() == nil {
		now := w.now()
		if w.stream.ended() || !w.lookAt.IsZero() && !now.Before(w.lookAt) {
			w.inspect(ctx)
		}
		w.judge(ctx)
		w.desk.settle(ctx, w.remember)
		w.rest(ctx, w.next())
	}
}

// rest waits for the next deadline, an event, a match that is waited for, or
// the end of the stream.
func (w *logWatch) rest(ctx context.Context, until time.Time) {
	var timer <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(until.Sub(w.now()))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
	case <-w.wake:
		w.lookAt = w.now()
	case <-w.news:
	case <-w.stream.done():
	case <-ctx.Done():
	}
}

// next is the first of all deadlines; zero: there is none.
func (w *logWatch) next() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, due := w.state.Deadline(w.rule)
	if due == alerting.DueSilence {
		at = w.ear.aheadAt(w.state, at, w.rule.Timeout)
	}
	if !at.IsZero() && at.Before(w.trouble.retryAt) {
		at = w.trouble.retryAt // cannot be judged before it can be heard
	}
	at = soonest(at, w.unseenAt())
	return soonest(soonest(at, w.lookAt), w.desk.retryAt)
}

// unseenAt is when to warn that the container was never there: some time after
// the engine said so first, and while it says so; zero: never. The lock is held.
func (w *logWatch) unseenAt() time.Time {
	if w.facts.state != alerting.WatchUnseen || w.missing.IsZero() || w.facts.seen || w.facts.toldUnseen {
		return time.Time{}
	}
	return w.missing.Add(unseenAfter)
}

func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// inspect asks the engine how the container is, and listens to it when it runs.
func (w *logWatch) inspect(ctx context.Context) {
	if w.stream.ended() {
		w.troubleWith(w.stream.err)
		w.stream = nil
	}
	c, err := w.all.engine.Inspect(ctx, w.rule.Container)
	var clock time.Time
	if err == nil && c != nil && c.Running {
		clock, err = w.all.engine.Clock(ctx)
	}
	now := w.now()
	if err != nil {
		w.lookAt = now.Add(w.trouble.engineAway.next(slowly))
		w.trouble.over() // not the log's trouble, and not ours to tell
		w.set(alerting.WatchDeaf, w.text("Docker 不可达", "Docker cannot be reached"))
		return
	}
	w.trouble.engineAway.reset()
	w.lookAt = time.Time{}
	w.container = c
	w.see(c, now, clock)
	switch {
	case c == nil || !c.Running || c.Paused:
		w.stream.close()
		w.stream = nil
		w.lookAt = now.Add(glanceEvery)
		w.trouble.over()
		if c == nil && w.missing.IsZero() {
			w.missing = now
		}
		w.settleIdle(c)
	case w.stream == nil || w.stream.of(*c):
		w.listen(ctx, *c)
	}
}

func (w *logWatch) see(c *alerting.Container, now, clock time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.state
	w.state = w.state.See(c, now, clock)
	if c != nil {
		w.facts.seen = true
	}
	if !w.state.Running {
		return
	}
	w.ear.clock(now, clock)
	if w.state.ProgressAt.IsZero() && !w.state.ProgressStamp.IsZero() {
		// Known from before our restart: put it on our clock.
		w.state.ProgressAt = w.ear.instant(w.state.ProgressStamp, now)
	}
	if was.ContainerID != w.state.ContainerID || !was.StartedAt.Equal(w.state.StartedAt) {
		w.trouble.unreadable, w.trouble.openAt = false, time.Time{} // another run may have another log driver
	}
}

// settleIdle is the state of a watch whose container does not run.
func (w *logWatch) settleIdle(c *alerting.Container) {
	switch {
	case c == nil && !w.facts.seen:
		w.set(alerting.WatchUnseen, w.text("没有这个容器", "there is no such container"))
	case c == nil:
		w.set(alerting.WatchSuspended, w.text("容器不存在", "the container is gone"))
	case c.Paused:
		w.set(alerting.WatchSuspended, w.text("容器已暂停", "the container is paused"))
	default:
		w.set(alerting.WatchSuspended, w.text("容器未在运行", "the container does not run"))
	}
}

// judge looks into what has come due.
func (w *logWatch) judge(ctx context.Context) {
	now := w.now()
	w.mu.Lock()
	at, due := w.state.Deadline(w.rule)
	ahead := due == alerting.DueSilence && now.Before(at) && !now.Before(w.ear.aheadAt(w.state, at, w.rule.Timeout))
	owes := w.ear.over
	w.ear.over = nil
	seen, unseen := w.facts.seen, w.unseenAt()
	w.mu.Unlock()
	if owes != nil {
		w.owe(w.recovered(*owes))
	}
	w.withdraw(seen)
	if !unseen.IsZero() && !now.Before(unseen) {
		w.tellUnseen()
	}
	if due != alerting.DueSilence || now.Before(at) {
		w.trouble.unsure = time.Time{} // it moves
	}
	w.judgeHearing(now)
	switch {
	case ahead:
		w.lookAhead(ctx, at)
		w.settleRunning()
	case at.IsZero() || now.Before(at) || now.Before(w.trouble.retryAt):
		w.settleRunning()
	case due == alerting.DueUnmatched:
		w.tellUnmatched(ctx)
	default:
		w.confirm(ctx)
	}
}

// settleRunning is the state of a watch that listens and has nothing to tell.
func (w *logWatch) settleRunning() {
	w.mu.Lock()
	running, silent, armed := w.state.Running, w.state.Silent, w.state.Armed
	w.mu.Unlock()
	switch {
	case !running || w.stream == nil || w.stream.ended() || w.trouble.since(w.now()) > 0:
	case silent:
		w.set(alerting.WatchDown, "")
	case armed:
		w.set(alerting.WatchUp, "")
	default:
		w.set(alerting.WatchNew, w.text("还没有匹配的日志行", "no line has matched yet"))
	}
}

// set changes what people see.
func (w *logWatch) set(state alerting.WatchState, detail string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if state == alerting.WatchDeaf && w.facts.state != state {
		w.facts.deafTimes++
	}
	if w.facts.state != state {
		w.facts.state, w.facts.since = state, w.now()
	}
	w.facts.detail = detail
}

func (w *logWatch) text(zh, en string) string { return w.all.o.Policy().Language.Pick(zh, en) }

// watch is the watch as people, programs and metrics see it.
func (w *logWatch) watch() alerting.Watch {
	w.mu.Lock()
	defer w.mu.Unlock()
	deadline, _ := w.state.Deadline(w.rule)
	return alerting.Watch{
		Kind: alerting.LogWatch, Name: w.rule.Container, Host: w.host, State: w.facts.state, Since: w.facts.since,
		AlertType: w.rule.AlertType, Service: w.rule.ServiceName(), LastSeenAt: w.state.ProgressAt, DeadlineAt: deadline,
		Limit: w.rule.Timeout, Detail: w.facts.detail, FalseAlarms: w.facts.falseAlarms, DeafTimes: w.facts.deafTimes,
	}
}
