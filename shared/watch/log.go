package watch

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

// LogEngine is what log watches need of the Docker Engine.
type LogEngine interface {
	// Inspect finds a container by its exact name; nil: there is none.
	Inspect(ctx context.Context, name string) (*alerting.Container, error)
	LogReader
}

// LogReader reads containers' logs. An error of it may have the method
// Unreadable() bool: the log driver can never be read.
type LogReader interface {
	// FollowLog streams lines from since on, at most backlog old ones, until the
	// container stops, the stream is cut or ctx ends. opened is called when the
	// stream stands.
	FollowLog(ctx context.Context, c alerting.Container, since time.Time, backlog int, opened func(), visit func(alerting.LogLine)) error
	// ReadLog reads all lines from since on, by a connection of its own.
	ReadLog(ctx context.Context, c alerting.Container, since time.Time, visit func(alerting.LogLine)) error
	// LastLines gives the last n lines from since on, oldest first.
	LastLines(ctx context.Context, c alerting.Container, since time.Time, n int) ([]string, error)
	// Clock is the engine's own clock, by which lines are stamped.
	Clock(ctx context.Context) (time.Time, error)
}

// LogOptions are what log watches need besides their parts.
type LogOptions struct {
	Policy func() alerting.Policy // what is in force now: its Logs are followed
	Host   func(ctx context.Context) (string, error)
	// Ending tells whether somebody has ordered the end of a container that runs
	// still: then it is silent for that reason. It must not block. nil: not known.
	Ending func(container string) bool
	Log    *slog.Logger
	Now    func() time.Time // nil: time.Now; must carry a monotonic reading
}

// Logs keeps one watch for each rule of the policy. It is safe for concurrent
// use.
type Logs struct {
	engine   LogEngine
	recorder Recorder
	memory   Memory
	o        LogOptions
	changed  chan struct{}
	began    time.Time

	mu      sync.Mutex
	running map[string]*runningLog
}

// runningLog is one watch and how it is ended.
type runningLog struct {
	*logWatch
	rule string // as text, to find out that it changed
	stop context.CancelFunc
	done chan struct{}
}

// NewLogs makes the log watches; Run starts them.
func NewLogs(engine LogEngine, recorder Recorder, memory Memory, o LogOptions) *Logs {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Ending == nil {
		o.Ending = func(string) bool { return false }
	}
	return &Logs{engine: engine, recorder: recorder, memory: memory, o: o, changed: make(chan struct{}, 1), began: o.Now(), running: map[string]*runningLog{}}
}

// Changed tells that the policy may have changed. It never blocks.
func (l *Logs) Changed() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// Look tells that something happened to a container, so that its watch looks at
// once instead of at its next deadline. It never blocks. An empty name stands
// for all.
func (l *Logs) Look(container string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, w := range l.running {
		if container == "" || container == name {
			w.look()
		}
	}
}

// Run watches until ctx ends. It always returns nil.
func (l *Logs) Run(ctx context.Context) error {
	host := l.host(ctx)
	known := l.load(ctx, host)
	for ctx.Err() == nil {
		l.adjust(ctx, host, known)
		select {
		case <-l.changed:
		case <-ctx.Done():
		}
	}
	for name, w := range l.snapshot() {
		<-w.done
		l.set(name, nil)
	}
	return nil
}

// host waits for the engine to say its name, under which memories are kept. An
// engine that is away is nothing to watch yet.
func (l *Logs) host(ctx context.Context) string {
	var pause pacing
	for {
		host, err := l.o.Host(ctx)
		if err == nil || ctx.Err() != nil {
			return host
		}
		pause.wait(ctx, slowly)
	}
}

// load waits for the database: without its memory a watch would take up a
// silence as new.
func (l *Logs) load(ctx context.Context, host string) map[string]alerting.WatchMemory {
	var pause pacing
	for ctx.Err() == nil {
		all, err := l.memory.LoadWatches(ctx, host)
		if err == nil {
			known := map[string]alerting.WatchMemory{}
			for _, m := range all {
				if m.Watch.Kind == alerting.LogWatch {
					known[m.Watch.Name] = m
				}
			}
			return known
		}
		l.o.Log.Debug("watches cannot be read", "error", err)
		pause.wait(ctx, slowly)
	}
	return nil
}

// adjust ends the watches that the policy no longer has, and starts those that
// it has anew. A rule that changed is a new watch that knows what the old one
// did. Only Run's goroutine changes what runs; the lock is not held while it
// waits for an end.
func (l *Logs) adjust(ctx context.Context, host string, known map[string]alerting.WatchMemory) {
	rules := map[string]alerting.LogRule{}
	for _, rule := range l.o.Policy().Logs {
		rules[rule.Container] = rule
	}
	for name, w := range l.snapshot() {
		if rule, ok := rules[name]; ok && ruleText(rule) == w.rule {
			continue
		}
		w.stop()
		<-w.done
		known[name], _ = w.remember()
		l.set(name, nil)
	}
	for name := range known {
		if _, ok := rules[name]; !ok {
			l.forget(ctx, name, host)
			delete(known, name)
		}
	}
	running := l.snapshot()
	for name, rule := range rules {
		if running[name] == nil {
			l.set(name, l.start(ctx, host, rule, known[name]))
			delete(known, name) // it knows better from now on
		}
	}
}

func (l *Logs) snapshot() map[string]*runningLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.running)
}

// set makes w the watch of a container; nil: it has none.
func (l *Logs) set(name string, w *runningLog) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w == nil {
		delete(l.running, name)
		return
	}
	l.running[name] = w
}

func (l *Logs) forget(ctx context.Context, name, host string) {
	ctx, cancel := context.WithTimeout(ctx, saveTime)
	defer cancel()
	if err := l.memory.ForgetWatch(ctx, alerting.LogWatch, name, host); err != nil {
		l.o.Log.Warn("a watch that ended stays on record", "container", name, "error", err)
	}
}

func (l *Logs) start(ctx context.Context, host string, rule alerting.LogRule, m alerting.WatchMemory) *runningLog {
	ctx, stop := context.WithCancel(ctx)
	r := &runningLog{logWatch: newLogWatch(l, host, rule, m), rule: ruleText(rule), stop: stop, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.run(ctx)
	}()
	return r
}

// ruleText is everything of a rule that a watch acts by.
func ruleText(r alerting.LogRule) string {
	return strings.Join([]string{r.Progress.String(), r.Timeout.String(), r.Interval.String(), r.AlertType, string(r.Severity), r.Service}, "\x00")
}

// Watches is how the log watches are now, by name. Before the engine was
// reached none can hear.
func (l *Logs) Watches() []alerting.Watch {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []alerting.Watch
	policy := l.o.Policy()
	for _, rule := range policy.Logs {
		if w := l.running[rule.Container]; w != nil {
			all = append(all, w.watch())
			continue
		}
		all = append(all, alerting.Watch{
			Kind: alerting.LogWatch, Name: rule.Container, State: alerting.WatchDeaf, Since: l.began,
			AlertType: rule.AlertType, Service: rule.ServiceName(), Limit: rule.Timeout,
			Detail: policy.Language.Pick("Docker 不可达", "Docker cannot be reached"),
		})
	}
	slices.SortFunc(all, func(a, b alerting.Watch) int { return strings.Compare(a.Name, b.Name) })
	return all
}
