package main

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"trade-monitor/shared/store"
)

// loop is one thing that runs beside the server for as long as it does.
type loop struct {
	name string
	run  func(context.Context) error
}

// loops runs them and knows which are alive.
type loops struct {
	log     *slog.Logger
	all     []loop // the first of them is begun early
	alive   []atomic.Bool
	begun   atomic.Bool // the first one is
	started atomic.Bool // all are
	done    sync.WaitGroup
	ctx     context.Context
	cancel  context.CancelFunc
}

// newLoops keeps some loops. The first does not wait for the database.
func newLoops(log *slog.Logger, all ...loop) *loops {
	l := &loops{log: log, all: all, alive: make([]atomic.Bool, len(all))}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// begin runs the first loop until stop.
func (l *loops) begin() {
	l.run(0)
	l.begun.Store(true)
}

// start runs all the others until stop.
func (l *loops) start() {
	for i := 1; i < len(l.all); i++ {
		l.run(i)
	}
	l.started.Store(true)
}

func (l *loops) run(i int) {
	l.alive[i].Store(true)
	l.done.Go(func() { l.keep(l.ctx, i) })
}

// keep runs one loop again when it ends before its time: a panic in one event
// must not silence the service. Meanwhile /healthz says no.
func (l *loops) keep(ctx context.Context, i int) {
	for {
		err := l.guarded(ctx, i)
		l.alive[i].Store(false)
		if ctx.Err() != nil {
			return
		}
		l.log.Error("loop ended and is started again", "loop", l.all[i].name, "error", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
		l.alive[i].Store(true)
	}
}

func (l *loops) guarded(ctx context.Context, i int) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	return l.all[i].run(ctx)
}

// stop ends them and waits until each has settled what it had in flight, or
// until ctx ends.
func (l *loops) stop(ctx context.Context) error {
	l.cancel()
	ended := make(chan struct{})
	go func() { l.done.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("loops still at work: %w", ctx.Err())
	}
}

// dead names the loops that do not run. Before start only the first can be
// dead: the database may be away.
func (l *loops) dead() []string {
	var names []string
	for i := range l.all {
		running := l.started.Load() || i == 0 && l.begun.Load()
		if running && !l.alive[i].Load() {
			names = append(names, l.all[i].name)
		}
	}
	return names
}

// wakes tells the loops and the journal what a commit left to do. It exists
// before they do, because the store does.
type wakes struct {
	words, remedies, steps func()
	note                   func(store.Commit)
}

func (w *wakes) commit(c store.Commit) {
	w.note(c)
	if c.Words {
		w.words()
	}
	if c.Remedies {
		w.remedies()
	}
	if c.Steps {
		w.steps()
	}
}

// repeat runs work at once and then every interval, until ctx ends.
func repeat(interval time.Duration, log *slog.Logger, name string, work func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for {
			if err := work(ctx); err != nil && ctx.Err() == nil {
				log.Warn("housekeeping failed", "task", name, "error", err)
			}
			select {
			case <-time.After(interval):
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// paced runs work at once and then again and again, a hundred times as long
// apart as it takes, and no more often than every minute: at most a hundredth
// of one core, however large the record.
func paced(log *slog.Logger, name string, work func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for {
			begun := time.Now()
			if err := work(ctx); err != nil && ctx.Err() == nil {
				log.Warn("housekeeping failed", "task", name, "error", err)
			}
			select {
			case <-time.After(max(time.Minute, 100*time.Since(begun))):
			case <-ctx.Done():
				return nil
			}
		}
	}
}
