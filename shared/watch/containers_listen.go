package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

// containerHeard is an event and when it came, by our clock.
type containerHeard struct {
	alerting.ContainerEvent
	at time.Time
}

// containerEvents keeps events between the stream and us: the engine loses them
// for a reader that is slow.
type containerEvents struct {
	mu     sync.Mutex
	events []containerHeard
	more   chan struct{}
}

func (q *containerEvents) put(ev containerHeard) {
	q.mu.Lock()
	q.events = append(q.events, ev)
	q.mu.Unlock()
	select {
	case q.more <- struct{}{}:
	default:
	}
}

func (q *containerEvents) take() []containerHeard {
	q.mu.Lock()
	defer q.mu.Unlock()
	events := q.events
	q.events = nil
	return events
}

// containerLink is one life of the stream.
type containerLink struct {
	*Containers
	life      context.Context // of the watchers, which outlive the link
	queue     *containerEvents
	ended     chan error
	at        time.Time // when it was made, by our clock …
	engineNow time.Time // … and by the engine's
}

// listen follows the engine until the stream ends: subscribe, then look at
// everything, then go through what came meanwhile. In that order nothing falls
// between.
func (c *Containers) listen(ctx context.Context) error {
	if err := c.load(ctx); err != nil {
		return err
	}
	link := &containerLink{Containers: c, life: ctx, queue: &containerEvents{more: make(chan struct{}, 1)}, ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		<-link.ended
	}()
	if err := link.open(ctx); err != nil {
		return err
	}
	select {
	case <-c.missed: // by the stream before this one
	default:
	}
	if err := link.survey(ctx); err != nil {
		return err
	}
	c.deaf.tell(true)
	c.o.Seen("")
	if c.complain {
		c.complain = false
		c.o.Log.Info("容器事件已恢复 (container events are back)")
	}
	return link.follow(ctx)
}

// load asks for the engine's id and brings back what was remembered of its
// containers; once.
func (c *Containers) load(ctx context.Context) error {
	if c.loaded {
		return nil
	}
	asked, cancel := context.WithTimeout(ctx, containerCall)
	defer cancel()
	if c.o.Host == "" {
		id, err := c.engine.ID(asked)
		if err != nil {
			return err
		}
		c.host.Store(&id)
	}
	remembered, err := c.memory.LoadWatches(asked, *c.host.Load())
	if err != nil {
		return fmt.Errorf("load the container watches: %w", err)
	}
	for _, m := range remembered {
		if m.Watch.Kind == alerting.ContainerWatch {
			c.recall(ctx, m)
		}
	}
	c.loaded = true
	return nil
}

func (c *Containers) recall(ctx context.Context, m alerting.WatchMemory) {
	var kept containerMemory
	if err := json.Unmarshal(m.Memory, &kept); err != nil {
		c.o.Log.Warn("容器监视的记录无法读取，重新开始 (the memory of a container watch cannot be read; starting anew)", "container", m.Watch.Name, "error", err)
		return
	}
	if m.Watch.Name == containerDeafName {
		c.deaf.remember(kept)
		return
	}
	one := newContainerOne(c, m.Watch.Name)
	one.remember(m.Watch, kept)
	if c.newest.IsZero() || !one.skip.IsZero() && one.skip.Before(c.newest) {
		c.newest = one.skip // the oldest of them: each knows what it has seen
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.start(ctx, one)
}

// containerBefore is how far back the first stream of all begins: what is about
// to end then may have been ordered a moment before, as by a restart of ours that
// begins with us.
const containerBefore = time.Minute

// begin is where the first stream begins; later ones go on from the last event.
func (l *containerLink) begin(ctx context.Context) error {
	if !l.newest.IsZero() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, containerCall)
	defer cancel()
	now, err := l.engine.Clock(ctx)
	if err == nil {
		l.newest = now.Add(-containerBefore)
	}
	return err
}

// open subscribes and waits until the engine has begun to answer.
func (l *containerLink) open(ctx context.Context) error {
	if err := l.begin(ctx); err != nil {
		l.ended <- err
		return err
	}
	ready := make(chan struct{})
	go func() {
		err := l.engine.Subscribe(ctx, l.newest, sync.OnceFunc(func() { close(ready) }), func(ev alerting.ContainerEvent) {
			l.queue.put(containerHeard{ev, l.o.Now()})
			l.o.Seen(ev.Name)
		})
		if err == nil {
			err = errContainerStream
		}
		l.ended <- err
	}()
	select {
	case <-ready:
	case err := <-l.ended:
		l.ended <- err
		return err
	case <-time.After(containerReady):
		return errContainerSilent
	}
	asked, cancel := context.WithTimeout(ctx, containerCall)
	defer cancel()
	var err error
	l.engineNow, err = l.engine.Clock(asked)
	l.at = l.o.Now()
	return err
}

var (
	errContainerStream = errors.New("the stream of events ended")
	errContainerDeaf   = errors.New("the stream of events does not bring what happens")
	errContainerSilent = errors.New("the engine does not answer the request for its events")
)

// survey has every watched container looked at, with what the engine remembers
// of it.
func (l *containerLink) survey(ctx context.Context) error {
	list, err := l.list(ctx)
	if err != nil {
		return err
	}
	there := containersByName(list)
	past, live := l.split(l.queue.take())
	for _, name := range l.watched(list) {
		if l.dismissed(ctx, name, there[name]) {
			continue
		}
		l.one(l.life, name).put(containerItem{look: true, past: past[name], engineNow: l.engineNow, at: l.at})
	}
	for _, ev := range live {
		l.route(ctx, ev)
	}
	return nil
}

func (l *containerLink) list(ctx context.Context) ([]alerting.ContainerSummary, error) {
	asked, cancel := context.WithTimeout(ctx, containerCall)
	defer cancel()
	return l.engine.Containers(asked)
}

// watched is the list, what carries the label, and what was watched so far.
func (c *Containers) watched(list []alerting.ContainerSummary) []string {
	policy := c.o.Policy()
	names := slices.Clone(policy.Containers)
	for _, s := range list {
		if s.Watched {
			names = append(names, s.Name)
		}
	}
	for _, one := range c.all() {
		names = append(names, one.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// split parts the events from before the connection, by name, from later ones.
func (l *containerLink) split(events []containerHeard) (past map[string][]alerting.ContainerEvent, live []containerHeard) {
	past = map[string][]alerting.ContainerEvent{}
	for _, ev := range events {
		switch {
		case !l.fresh(ev.ContainerEvent), l.ahead(ev):
		case l.isPast(ev):
			past[ev.Name] = append(past[ev.Name], ev.ContainerEvent)
		default:
			live = append(live, ev)
		}
	}
	return past, live
}

// ahead: its time is yet to come, so that it is from before the engine's clock
// was set back. What came of it shows the look.
func (l *containerLink) ahead(ev containerHeard) bool {
	since := ev.at.Sub(l.at)
	return since <= containerReplay && ev.At.After(l.engineNow.Add(since+containerAhead))
}

// isPast: it happened before the connection, so that the look at the container
// shows what came of it. Later an event cannot be old, whatever its time says:
// the engine's clock was set back.
func (l *containerLink) isPast(ev containerHeard) bool {
	return !ev.At.After(l.engineNow) && ev.at.Sub(l.at) <= containerReplay
}

// fresh tells whether the event is a new one: those of the last moment are
// repeated at every connection.
func (c *Containers) fresh(ev alerting.ContainerEvent) bool {
	key := containerEventKey{ev.At.UnixNano(), ev.ID, ev.Action}
	if c.seen[key] {
		return false
	}
	c.newest = ev.At
	c.seen[key] = true
	c.order = append(c.order, key)
	if len(c.order) > containerSeen {
		delete(c.seen, c.order[0])
		c.order = c.order[1:]
	}
	return true
}

// follow hands events on until the stream ends.
func (l *containerLink) follow(ctx context.Context) error {
	check := time.NewTicker(l.o.Check)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-l.ended:
			l.drain(ctx)
			l.ended <- err
			return err
		case <-l.queue.more:
			l.drain(ctx)
			continue
		case <-l.missed:
			return errContainerDeaf // a proxy may have forgotten it
		case <-check.C:
		case <-l.wake:
		}
		if err := l.check(ctx); err != nil {
			return err // an engine that does not answer has no stream either
		}
	}
}

func (l *containerLink) drain(ctx context.Context) {
	for _, ev := range l.queue.take() {
		if !l.fresh(ev.ContainerEvent) || l.ahead(ev) {
			continue
		}
		if one := l.find(ev.Name); one != nil && l.isPast(ev) {
			one.put(containerItem{look: true, past: []alerting.ContainerEvent{ev.ContainerEvent}, engineNow: l.engineNow, at: l.at})
			continue
		}
		l.route(ctx, ev)
	}
}

// route gives an event to the watcher of its container, and of the name that
// the container had before.
func (l *containerLink) route(ctx context.Context, ev containerHeard) {
	policy := l.o.Policy()
	if ev.Action == alerting.ContainerRenamed {
		if old := l.find(ev.OldName); old != nil {
			old.put(containerItem{event: ev.ContainerEvent, at: ev.at})
		}
	}
	if l.find(ev.Name) == nil && !ev.Watched && !policy.Lists(ev.Name) {
		return
	}
	one := l.one(l.life, ev.Name)
	if ev.Action == alerting.ContainerRenamed {
		one.put(containerItem{look: true, at: ev.at}) // it brings a state along
		return
	}
	one.put(containerItem{event: ev.ContainerEvent, at: ev.at})
}

// check is the safety net: one list, compared with what we believe. It also
// finds what was put on the list of watched containers, or taken from it.
func (l *containerLink) check(ctx context.Context) error {
	list, err := l.list(ctx)
	if err != nil {
		return err
	}
	there := containersByName(list)
	for _, name := range l.watched(list) {
		if l.dismissed(ctx, name, there[name]) {
			continue
		}
		if one := l.one(l.life, name); one.differs(there[name]) {
			one.put(containerItem{look: true, net: true, at: l.o.Now()})
		}
	}
	return nil
}

// dismissed ends the watch of a container that nobody asks for any more.
func (l *containerLink) dismissed(ctx context.Context, name string, s alerting.ContainerSummary) bool {
	policy, one := l.o.Policy(), l.find(name)
	if one == nil || !one.unwanted(policy.Lists(name), s) {
		return false
	}
	l.drop(ctx, one)
	return true
}

func containersByName(list []alerting.ContainerSummary) map[string]alerting.ContainerSummary {
	there := map[string]alerting.ContainerSummary{}
	for _, s := range list {
		there[s.Name] = s
	}
	return there
}
