package remedy

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"trade-monitor/shared/alerting"
)

// Register keeps what the runners that share a database say of themselves.
type Register interface {
	// RegisterRunner stores it as of now.
	RegisterRunner(ctx context.Context, r alerting.Runner) error
	// RetireRunner notes that the runner is no longer at work.
	RetireRunner(ctx context.Context, owner string) error
}

// Inventory is what a runner's engine has.
type Inventory interface {
	Containers(ctx context.Context) ([]alerting.ContainerSummary, error)
}

const (
	// inventoryTime bounds the look at an engine: one that hangs must not keep
	// the runner from saying that it is at work.
	inventoryTime = 2 * time.Second
	// registerTime bounds the write of it.
	registerTime = 3 * time.Second
	// registerPause is between two looks that events ask for: a container that
	// crashes in a loop is no news each time.
	registerPause = 500 * time.Millisecond
	// registerRetry is after a failure.
	registerRetry = 2 * time.Second
)

// RegistryOptions are what a Registry needs besides its parts.
type RegistryOptions struct {
	Owner  string // as in leases
	Policy func() alerting.Policy
	Host   func(ctx context.Context) alerting.Host // whose containers these are; without an id while it is not known
	Name   string                                  // of the machine, until the engine says its own
	Log    *slog.Logger
}

// Registry tells the other hosts what this one has, for as long as it runs. Run
// is called once.
type Registry struct {
	register  Register
	inventory Inventory
	o         RegistryOptions
	wake      chan struct{}

	// Of Run's goroutine alone.
	said  alerting.Runner // what was last registered
	heard time.Time       // when; zero: it failed, or never was
	fails bool
}

// NewRegistry makes a registry; Run starts it.
func NewRegistry(register Register, inventory Inventory, o RegistryOptions) *Registry {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Registry{register: register, inventory: inventory, o: o, wake: make(chan struct{}, 1)}
}

// Wake says that the engine's containers may be others. It never blocks.
func (g *Registry) Wake() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// Run registers at once, then every alerting.RunnerInterval, and as soon as what
// the host has changes. When ctx ends it says so. It always returns nil.
func (g *Registry) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		g.complain(ctx, g.RunOnce(ctx))
		g.rest(ctx)
	}
	if g.said.Owner == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := g.register.RetireRunner(ctx, g.o.Owner); err != nil {
		g.o.Log.Warn("其他主机要过一会儿才知道本进程已停止 (other hosts will find out a little later that this process has ended)", "error", err)
	}
	return nil
}

// RunOnce looks at the engine, and says what it has if that is news or due.
func (g *Registry) RunOnce(ctx context.Context) error {
	r := g.describe(ctx)
	if r.Host.ID == "" && r.Mode == alerting.Off && !r.Reachable {
		return nil // it only tells people, and has no engine: nobody need wait for it
	}
	if g.same(r) && time.Since(g.heard) < alerting.RunnerInterval {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, registerTime)
	defer cancel()
	if err := g.register.RegisterRunner(ctx, r); err != nil {
		g.heard = time.Time{}
		return fmt.Errorf("register the runner: %w", err)
	}
	g.said, g.heard = r, time.Now()
	return nil
}

// describe is what there is to say. An engine that is away keeps what it had.
func (g *Registry) describe(ctx context.Context) alerting.Runner {
	policy := g.o.Policy()
	r := alerting.Runner{Owner: g.o.Owner, Host: g.o.Host(ctx), Mode: policy.Mode, Containers: g.said.Containers}
	if r.Host.Name == "" {
		r.Host.Name = g.o.Name
	}
	if r.Host.ID == "" {
		return r
	}
	ctx, cancel := context.WithTimeout(ctx, inventoryTime)
	defer cancel()
	all, err := g.inventory.Containers(ctx)
	if err != nil {
		return r
	}
	r.Reachable, r.Containers = true, nil
	for _, c := range all {
		if c.Labelled || policy.Lists(c.Name) {
			r.Containers = append(r.Containers, c.Name)
		}
	}
	slices.Sort(r.Containers)
	return r
}

func (g *Registry) same(r alerting.Runner) bool {
	return g.said.Host == r.Host && g.said.Mode == r.Mode && g.said.Reachable == r.Reachable && slices.Equal(g.said.Containers, r.Containers)
}

func (g *Registry) complain(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	if err != nil && !g.fails {
		g.o.Log.Warn("暂时无法登记本机，其他主机会当作它没有运行 (this host cannot be registered now; to the others it does not run)", "error", err)
	}
	g.fails = err != nil
}

// rest waits until it is time again, or the host may have other containers. What
// comes within registerPause of a look waits for that.
func (g *Registry) rest(ctx context.Context) {
	left := registerRetry
	if !g.heard.IsZero() {
		left = max(alerting.RunnerInterval-time.Since(g.heard), registerPause)
	}
	timer, pause := time.NewTimer(left), time.NewTimer(registerPause)
	defer timer.Stop()
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return
	case <-pause.C:
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-g.wake:
	}
}
