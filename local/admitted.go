package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"trade-monitor/shared/alerting"
)

// admitted is the policy in force: the configured one, with the containers that
// carry the label added to the allow-list.
type admitted struct {
	current atomic.Pointer[alerting.Policy]

	mu       sync.Mutex
	base     alerting.Policy
	labelled []string
	others   []string // that other hosts may act upon
	changed  func()   // after each change; nil: nobody is told
}

func newAdmitted(base alerting.Policy) *admitted {
	a := &admitted{}
	a.configure(base)
	return a
}

// policy is what decisions are made by.
func (a *admitted) policy() alerting.Policy { return *a.current.Load() }

// onChange has f called after every change of the policy. f must not block.
func (a *admitted) onChange(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed = f
}

// configure replaces the configured policy.
func (a *admitted) configure(base alerting.Policy) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.base = base
	a.combine()
}

func (a *admitted) label(names []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.labelled = names
	a.combine()
}

// elsewhere takes over what other hosts may act upon.
func (a *admitted) elsewhere(names []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if slices.Equal(a.others, names) {
		return
	}
	a.others = names
	a.combine()
}

func (a *admitted) combine() {
	next := a.base
	next.Elsewhere = a.others
	next.Containers = slices.Concat(a.base.Containers, a.labelled)
	slices.Sort(next.Containers)
	next.Containers = slices.Compact(next.Containers)
	a.current.Store(&next)
	if a.changed != nil {
		a.changed()
	}
}

// labels tells which containers carry trade-monitor.restart=true.
type labels interface {
	Labelled(ctx context.Context) ([]string, error)
}

// labelInterval is how soon a newly labelled container is admitted.
const labelInterval = 30 * time.Second

// follow keeps the allow-list in step with the engine until ctx ends. An engine
// that is away leaves the list as it was.
func (a *admitted) follow(ctx context.Context, engine labels, log *slog.Logger) error {
	for {
		if err := a.refresh(ctx, engine); err != nil && ctx.Err() == nil {
			log.Debug("labels of containers cannot be read", "error", err)
		}
		select {
		case <-time.After(labelInterval):
		case <-ctx.Done():
			return nil
		}
	}
}

func (a *admitted) refresh(ctx context.Context, engine labels) error {
	names, err := engine.Labelled(ctx)
	if err != nil {
		return err
	}
	a.label(names)
	return nil
}
