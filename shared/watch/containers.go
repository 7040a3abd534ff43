package watch

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"trade-monitor/shared/alerting"
)

// ContainerStream is what the watch needs of the engine to follow its events.
type ContainerStream interface {
	ID(ctx context.Context) (string, error)
	Clock(ctx context.Context) (time.Time, error)
	Subscribe(ctx context.Context, since time.Time, ready func(), visit func(alerting.ContainerEvent)) error
}

// ContainerSource is what it needs to look at containers.
type ContainerSource interface {
	Containers(ctx context.Context) ([]alerting.ContainerSummary, error)
	Inspect(ctx context.Context, name string) (*alerting.Container, error)
	LastLines(ctx context.Context, c alerting.Container, since time.Time, n int) ([]string, error)
}

// ContainerEngine is an engine whose containers are watched.
type ContainerEngine interface {
	ContainerStream
	ContainerSource
}

// ContainerOrders tells whether a remediation of ours has to do with a
// container: one is under way, or was lately. Another host may have a container
// of the same name; the engine's id tells them apart.
type ContainerOrders interface {
	Ordered(ctx context.Context, container, id string) (bool, error)
}

// ContainerOptions are what the watch needs besides its parts.
type ContainerOptions struct {
	Policy func() alerting.Policy // what is in force now: the list, the language, the clock; required
	Host   string                 // the engine's id; empty: it is asked
	Orders ContainerOrders        // nil: whose order it was is not known
	Seen   func(container string) // told of each event's container, and of "" when the stream stands anew; must not block. nil: nobody is
	Log    *slog.Logger           // nil: nothing is logged
	Now    func() time.Time       // nil: time.Now; with a monotonic reading
	Rules  alerting.ContainerRules
	Check  time.Duration // between the safety net's lists; 0: 2 min
	Deaf   time.Duration // how long an engine may be away before that is told; 0: 2 min
}

const (
	// containerCall bounds the calls to an engine that are not streams.
	containerCall = 5 * time.Second
	// containerReady bounds the beginning of the stream.
	containerReady = 10 * time.Second
	// containerReplay is how long after a connection events may come that are
	// older than it.
	containerReplay = 2 * time.Second
	// containerAhead is by how much an event may be ahead of the engine's clock
	// as we reckon it.
	containerAhead = time.Minute
	// containerSteady is how long a stream must have lived for its loss to be
	// no sign of an engine that cannot be used.
	containerSteady = 5 * time.Second
	// containerSeen is how many events are remembered, to tell apart those that
	// the engine repeats: it remembers 256.
	containerSeen = 1024
	// containerKept is how long a container that only a label had watched stays
	// on show after its end was told.
	containerKept = 24 * time.Hour
)

// Containers watches what the engine says of containers, and turns it into
// events. It is safe for concurrent use; Run is called once.
type Containers struct {
	engine   ContainerEngine
	recorder Recorder
	memory   Memory
	o        ContainerOptions
	wake     chan struct{}
	missed   chan struct{} // the safety net caught what the stream should have brought
	crew     sync.WaitGroup
	deaf     *containerDeaf
	host     atomic.Pointer[string] // the engine's id

	// Of Run's goroutine alone.
	loaded   bool
	seen     map[containerEventKey]bool
	order    []containerEventKey
	newest   time.Time // the last event, by the engine's clock
	complain bool      // the log tells already that the engine is away

	mu   sync.Mutex
	ones map[string]*containerOne
}

type containerEventKey struct {
	at     int64
	id     string
	action alerting.ContainerAction
}

// NewContainers makes the watch; Run starts it.
func NewContainers(engine ContainerEngine, recorder Recorder, memory Memory, o ContainerOptions) *Containers {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rules == (alerting.ContainerRules{}) {
		o.Rules = alerting.DefaultContainerRules
	}
	if o.Check == 0 {
		o.Check = 2 * time.Minute
	}
	if o.Deaf == 0 {
		o.Deaf = 2 * time.Minute
	}
	if o.Seen == nil {
		o.Seen = func(string) {}
	}
	c := &Containers{
		engine: engine, recorder: recorder, memory: memory, o: o,
		wake: make(chan struct{}, 1), missed: make(chan struct{}, 1), seen: map[containerEventKey]bool{}, ones: map[string]*containerOne{},
	}
	c.host.Store(&o.Host)
	c.deaf = newContainerDeaf(c)
	return c
}

// rules are the ones in force: what proves that a sick container is well is the
// policy's to say.
func (c *Containers) rules() alerting.ContainerRules {
	rules, policy := c.o.Rules, c.o.Policy()
	rules.Steady = policy.Rule(alerting.ContainerUnhealthy).Verify.Steady
	return rules
}

// Ending tells whether somebody, perhaps we ourselves, has ordered the end of a
// watched container that still runs.
func (c *Containers) Ending(name string) bool {
	one := c.find(name)
	if one == nil {
		return false
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	return c.o.Rules.Ending(one.shown.record, c.o.Now())
}

// Stopped tells whether a watched container does not run on somebody's order.
func (c *Containers) Stopped(name string) bool {
	one := c.find(name)
	if one == nil {
		return false
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	r := one.shown.record
	return !r.Blind && r.Present && r.Ordered && !r.Running
}

func (c *Containers) desk() desk {
	return desk{recorder: c.recorder, memory: c.memory, log: c.o.Log, now: c.o.Now}
}

// Wake says that the list may have changed. It never blocks.
func (c *Containers) Wake() { signal(c.wake) }

// Watches tells how every watched container is, by name.
func (c *Containers) Watches() []alerting.Watch {
	policy := c.o.Policy()
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []alerting.Watch
	for _, one := range c.ones {
		if w, ok := one.show(); ok {
			all = append(all, w)
		}
	}
	for _, name := range policy.Containers {
		if c.ones[name] == nil { // not looked at yet
			all = append(all, alerting.Watch{
				Kind: alerting.ContainerWatch, Name: name, Host: *c.host.Load(), State: alerting.WatchUnseen,
				AlertType: alerting.ContainerDown, Service: name,
			})
		}
	}
	c.deaf.mark(all, policy.Language)
	slices.SortFunc(all, func(a, b alerting.Watch) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Run watches until ctx ends, and returns nil. A stream that is lost is opened
// again, and what was missed is looked up.
func (c *Containers) Run(ctx context.Context) error {
	c.crew.Go(func() { c.deaf.run(ctx) })
	defer c.crew.Wait()
	var pause time.Duration
	for ctx.Err() == nil {
		began := c.o.Now()
		err := c.listen(ctx)
		c.lost()
		if c.o.Now().Sub(began) >= containerSteady {
			pause = 0
		}
		c.grumble(ctx, err)
		pause = min(max(2*pause, 100*time.Millisecond), 5*time.Second)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// lost tells everybody that the engine is not heard.
func (c *Containers) lost() {
	c.deaf.tell(false)
	for _, one := range c.all() {
		one.put(containerItem{lost: true, at: c.o.Now()})
	}
}

// grumble logs the loss of the engine, once per loss.
func (c *Containers) grumble(ctx context.Context, err error) {
	if ctx.Err() != nil || c.complain {
		return
	}
	c.complain = true
	c.o.Log.Warn("容器事件中断，正在重连 (container events are interrupted; reconnecting)", "error", err)
}

// one gives the watcher of a name, and starts it when there is none.
func (c *Containers) one(ctx context.Context, name string) *containerOne {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.ones[name]
	if one == nil {
		one = newContainerOne(c, name)
		c.start(ctx, one)
	}
	return one
}

func (c *Containers) start(ctx context.Context, one *containerOne) {
	ctx, one.stop = context.WithCancel(ctx)
	c.ones[one.name] = one
	c.crew.Go(func() { one.run(ctx) })
}

func (c *Containers) find(name string) *containerOne {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ones[name]
}

// all lists the watchers that there are.
func (c *Containers) all() []*containerOne {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*containerOne
	for _, one := range c.ones {
		all = append(all, one)
	}
	return all
}

// drop ends the watch of a name and forgets it.
func (c *Containers) drop(ctx context.Context, one *containerOne) {
	one.stop()
	<-one.ended
	ctx, cancel := context.WithTimeout(ctx, containerCall)
	defer cancel()
	if err := c.memory.ForgetWatch(ctx, alerting.ContainerWatch, one.name, *c.host.Load()); err != nil {
		c.o.Log.Warn("忘记容器监视失败 (cannot forget a container watch)", "container", one.name, "error", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ones, one.name)
}
