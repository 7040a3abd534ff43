package watch

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

const (
	// containerGlance bounds the look at a container that has just died: people
	// are told by then, with or without what it would have shown.
	containerGlance = 500 * time.Millisecond
	// containerTail is how many lines of its log are told.
	containerTail = 10
	// containerEarly is by how much a program's first line may be older than its
	// start, which the engine notes when it is under way.
	containerEarly = time.Second
	// containerLooks is how often a look that fails is tried.
	containerLooks = 5
)

// containerOne watches one name. Its goroutine waits for nobody else's
// container, and nobody waits for it.
type containerOne struct {
	home  *Containers
	name  string
	more  chan struct{}
	stop  context.CancelFunc
	ended chan struct{}

	// Of its goroutine alone.
	desk  desk
	rec   alerting.ContainerRecord
	facts *alerting.Container // of the last look
	skip  time.Time           // what the engine repeats up to here was judged before our restart

	mu    sync.Mutex
	items []containerItem
	shown containerShown
}

// containerShown is what others may see of a watcher.
type containerShown struct {
	watch  alerting.Watch
	record alerting.ContainerRecord
	self   bool
}

// containerItem is one thing to do: an event to judge, or a look to take.
type containerItem struct {
	at        time.Time // by our clock
	event     alerting.ContainerEvent
	look      bool
	net       bool // by the safety net: no event told of what the look may show
	lost      bool // the engine is not heard any more
	past      []alerting.ContainerEvent
	engineNow time.Time // the engine's clock when ours was at; zero: not known
}

// containerMemory is what is stored of a watcher.
type containerMemory struct {
	SavedAt time.Time
	Record  alerting.ContainerRecord
	Outbox  outbox
}

func newContainerOne(home *Containers, name string) *containerOne {
	o := &containerOne{home: home, name: name, more: make(chan struct{}, 1), ended: make(chan struct{}), desk: home.desk()}
	policy := home.o.Policy()
	o.rec.Name, o.rec.Listed = name, policy.Lists(name)
	o.publish()
	return o
}

// remember goes on where an earlier process ended.
func (o *containerOne) remember(w alerting.Watch, kept containerMemory) {
	o.skip = kept.Record.LastAt
	o.desk.box = kept.Outbox.recall()
	o.rec = kept.Record.Rebase(kept.SavedAt, o.home.o.Now())
	o.rec.Name, o.rec.Blind = o.name, true
	o.shown.watch = w
	o.publish()
	_, o.desk.saved = o.memory()
}

func (o *containerOne) run(ctx context.Context) {
	defer close(o.ended)
	for ctx.Err() == nil {
		o.wait(ctx)
		for item, ok := o.next(); ok; item, ok = o.next() {
			if ctx.Err() != nil {
				return
			}
			o.due(ctx, item.at) // what should have been judged before it
			o.handle(ctx, item)
			o.settle(ctx)
		}
		o.due(ctx, o.home.o.Now())
		o.settle(ctx)
	}
}

func (o *containerOne) settle(ctx context.Context) {
	if !o.shown.self { // only this goroutine changes it
		o.desk.settle(ctx, o.memory)
	}
}

// wait returns when there is something to do.
func (o *containerOne) wait(ctx context.Context) {
	next := o.rec.Deadline()
	if at := o.desk.retryAt; !at.IsZero() && (next.IsZero() || at.Before(next)) {
		next = at
	}
	var timer <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(next.Sub(o.home.o.Now()))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
	case <-o.more:
	case <-timer:
	}
}

// due settles the deadlines that have passed at a time.
func (o *containerOne) due(ctx context.Context, at time.Time) {
	if next := o.rec.Deadline(); next.IsZero() || at.Before(next) {
		return
	}
	ours := false
	if orders := o.home.o.Orders; orders != nil && o.rec.AsksWhose(at) {
		ctx, cancel := context.WithTimeout(ctx, saveTime)
		defer cancel()
		known, err := orders.Ordered(ctx, o.name, o.rec.ID)
		ours = err == nil && known
	}
	o.accept(o.home.rules().Due(o.rec, ours, at))
}

// accept takes over what the rules decided.
func (o *containerOne) accept(rec alerting.ContainerRecord, notices []alerting.ContainerNotice) {
	o.rec = rec
	policy := o.home.o.Policy()
	for _, n := range notices {
		o.desk.box.add(n.Event(&policy), n.Key())
	}
	o.publish()
}

func (o *containerOne) handle(ctx context.Context, item containerItem) {
	policy := o.home.o.Policy()
	o.rec.Listed = policy.Lists(o.name)
	if item.lost {
		o.rec.Blind = true
		return
	}
	if item.look {
		o.look(ctx, item)
		return
	}
	if o.shown.self && item.event.ID == o.rec.ID {
		return
	}
	o.hear(ctx, item.event, item.at)
}

// hear judges one event.
func (o *containerOne) hear(ctx context.Context, ev alerting.ContainerEvent, at time.Time) {
	inspect, lines := o.home.rules().Looks(o.rec, ev, at)
	sight := o.glance(ctx, ev, inspect, lines)
	if ev.Action == alerting.ContainerDied && inspect {
		// The engine says `oom` before or just after what came of it.
		for _, oom := range o.takeOOMs(ev.ID) {
			o.accept(o.home.rules().Heard(o.rec, oom.event, alerting.ContainerSight{}, at))
		}
	}
	o.accept(o.home.rules().Heard(o.rec, ev, sight, at))
}

// glance looks at a container to which something has just happened, for a
// moment only.
func (o *containerOne) glance(ctx context.Context, ev alerting.ContainerEvent, inspect, lines bool) alerting.ContainerSight {
	var sight alerting.ContainerSight
	if !inspect {
		return sight
	}
	ctx, cancel := context.WithTimeout(ctx, containerGlance)
	defer cancel()
	var both sync.WaitGroup
	known := o.facts
	if lines && known != nil && known.ID == ev.ID {
		both.Go(func() { sight.Lines = o.lines(ctx, known) }) // it need not wait for the other
		lines = false
	}
	c, err := o.home.engine.Inspect(ctx, o.name)
	if err == nil && c != nil && c.ID == ev.ID {
		sight.Container, o.facts = c, c
		if lines {
			both.Go(func() { sight.Lines = o.lines(ctx, c) })
		}
	}
	both.Wait()
	return sight
}

// lines are the last of the container's log. Without them an alarm is told all
// the same.
func (o *containerOne) lines(ctx context.Context, c *alerting.Container) []string {
	since := o.rec.StartedAt
	if since.IsZero() || !c.Running || c.Restarting { // else c may show the run after
		since = c.StartedAt
	}
	since = since.Add(-containerEarly)
	if before := o.rec.Ended; before != nil && before.At.After(since) {
		since = before.At // what the run before wrote says nothing of this one
	}
	lines, err := o.home.engine.LastLines(ctx, *c, since, containerTail)
	if err != nil {
		return nil
	}
	return lines
}

// look sees how the container is, after events may have been missed.
func (o *containerOne) look(ctx context.Context, item containerItem) {
	past := item.past
	if !o.skip.After(item.engineNow) { // else the engine's clock was set back
		past = slices.DeleteFunc(slices.Clone(past), func(ev alerting.ContainerEvent) bool { return !ev.At.After(o.skip) })
	}
	c, err := o.inspect(ctx)
	if err != nil {
		// It cannot be seen. What is known of it has to do until the next look.
		for _, ev := range past {
			o.hear(ctx, ev, item.at)
		}
		o.publish() // that it is blind
		return
	}
	if c != nil && c.Self { // we do not watch ourselves
		o.ourselves(c)
		return
	}
	f := alerting.ContainerFinding{Container: c, Past: past, EngineNow: item.engineNow}
	if c != nil {
		o.facts = c
		if o.rec.Running && (!c.Running || c.Restarting) {
			ctx, cancel := context.WithTimeout(ctx, containerGlance)
			defer cancel()
			f.Lines = o.lines(ctx, c)
		}
	}
	if elapsed := o.home.o.Now().Sub(item.at); !f.EngineNow.IsZero() {
		f.EngineNow = f.EngineNow.Add(elapsed)
	}
	before := o.rec
	o.accept(o.home.rules().Found(o.rec, f, o.home.o.Now()))
	if item.net && before.Known && !before.Blind && (before.ID != o.rec.ID || before.Running != o.rec.Running || before.Present != o.rec.Present) {
		signal(o.home.missed)
	}
	if item.engineNow.After(o.rec.LastAt) {
		o.rec.LastAt, o.rec.LastAction = item.engineNow, ""
	}
}

// inspect tries for some seconds: one container that cannot be looked at holds
// nobody else up.
func (o *containerOne) inspect(ctx context.Context) (c *alerting.Container, err error) {
	pause := 100 * time.Millisecond
	for range containerLooks {
		asked, cancel := context.WithTimeout(ctx, containerCall)
		c, err = o.home.engine.Inspect(asked, o.name)
		cancel()
		if err == nil || ctx.Err() != nil {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		pause *= 2
	}
	o.home.o.Log.Warn("无法查看容器 (cannot look at a container)", "container", o.name, "error", err)
	return nil, err
}

func (o *containerOne) ourselves(c *alerting.Container) {
	o.rec = alerting.ContainerRecord{Name: o.name, ID: c.ID}
	o.mu.Lock()
	o.shown.self = true
	o.mu.Unlock()
}

// memory is what is stored of it, and the same without what changes all the
// time and is not worth a commit.
func (o *containerOne) memory() (alerting.WatchMemory, string) {
	kept := containerMemory{SavedAt: o.home.o.Now(), Record: o.rec, Outbox: o.desk.box}
	raw, err := json.Marshal(kept)
	if err != nil {
		o.home.o.Log.Error("container memory", "container", o.name, "error", err) // cannot be: plain values
	}
	o.mu.Lock()
	w := o.shown.watch
	o.mu.Unlock()
	kept.SavedAt, kept.Record.LastAt, kept.Record.LastAction, kept.Record.Blind = time.Time{}, time.Time{}, "", false
	kept.Outbox = kept.Outbox.bare()
	compare, _ := json.Marshal(kept)
	return alerting.WatchMemory{Watch: w, Memory: raw}, string(compare)
}

// publish shows others how the container is.
func (o *containerOne) publish() {
	now, policy := o.home.o.Now(), o.home.o.Policy()
	o.mu.Lock()
	defer o.mu.Unlock()
	w := &o.shown.watch
	if state := o.rec.State(); w.State != state {
		w.State, w.Since = state, now
	}
	w.Kind, w.Name, w.Host = alerting.ContainerWatch, o.name, *o.home.host.Load()
	w.AlertType, w.Service = alerting.ContainerDown, o.name
	w.LastSeenAt, w.DeadlineAt, w.Detail = now, o.rec.Deadline(), o.rec.Detail(policy.Language)
	o.shown.record, o.shown.self = o.rec, false
}

// show is the watch; false: there is nothing to show.
func (o *containerOne) show() (alerting.Watch, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.shown.watch, !o.shown.self
}

// differs tells whether the engine's list says otherwise than we believe, or
// whether we do not know.
func (o *containerOne) differs(s alerting.ContainerSummary) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.shown.record
	if o.shown.self {
		return s.ID != r.ID
	}
	// A look that failed is taken again: what is blind is not judged.
	return r.Blind || r.Present != (s.Name != "") || s.Name != "" && (r.ID != s.ID || r.Running != s.Running)
}

// unwanted tells whether nobody asks for the watch any more.
func (o *containerOne) unwanted(listed bool, s alerting.ContainerSummary) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.shown.record
	r.Listed = listed
	switch {
	case listed || s.Watched:
		return false
	case s.Name != "":
		return true // neither listed nor labelled
	case r.Over():
		return true
	default:
		return r.Pending == alerting.NoDoubt && !r.Present && o.home.o.Now().Sub(o.shown.watch.Since) >= containerKept
	}
}
