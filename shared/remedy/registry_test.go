package remedy_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/remedy"
)

// hostWorld is one host as its registry sees it.
type hostWorld struct {
	t  *testing.T
	mu sync.Mutex

	host   alerting.Host
	mode   alerting.Mode
	there  []alerting.ContainerSummary
	away   bool // the engine
	hangs  bool
	looks  int
	broken bool // the database

	said    []alerting.Runner
	retired []string
	*remedy.Registry
}

func (w *hostWorld) Containers(ctx context.Context) ([]alerting.ContainerSummary, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	if w.hangs {
		w.mu.Unlock()
		<-ctx.Done()
		w.mu.Lock()
		return nil, ctx.Err()
	}
	if w.away {
		return nil, errors.New("connection refused")
	}
	return slices.Clone(w.there), nil
}

func (w *hostWorld) RegisterRunner(_ context.Context, r alerting.Runner) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken {
		return alerting.ErrUnavailable
	}
	r.SeenAt = time.Now()
	w.said = append(w.said, r)
	return nil
}

func (w *hostWorld) RetireRunner(ctx context.Context, owner string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.retired = append(w.retired, owner)
	return ctx.Err()
}

func (w *hostWorld) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *hostWorld) last() alerting.Runner {
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(w.t, w.said)
	return w.said[len(w.said)-1]
}

func (w *hostWorld) counts() (said, looks int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.said), w.looks
}

// inHostWorld runs a registry of a host with two containers, of which one may be
// acted upon.
func inHostWorld(t *testing.T, test func(t *testing.T, w *hostWorld)) {
	synctest.Test(t, func(t *testing.T) {
		w := &hostWorld{t: t, host: alerting.Host{ID: "engine/host", Name: "host"}, mode: alerting.Auto}
		w.there = []alerting.ContainerSummary{{Name: name}, {Name: "neighbour"}}
		w.Registry = remedy.NewRegistry(w, w, remedy.RegistryOptions{
			Owner: "me", Name: "machine",
			Policy: func() alerting.Policy {
				p := alerting.DefaultPolicy()
				p.Mode = w.mode
				return p
			},
			Host: func(context.Context) alerting.Host { return w.host },
		})
		ctx, stop := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { assert.NoError(t, w.Run(ctx)) })
		synctest.Wait()
		test(t, w)
		stop()
		run.Wait()
	})
}

func TestARunnerSaysWhatItMayActUponAtOnceAndEveryFiveSeconds(t *testing.T) {
	inHostWorld(t, func(t *testing.T, w *hostWorld) {
		require.Equal(t, []string{name}, w.last().Containers)
		require.True(t, w.last().Reachable)
		require.Equal(t, alerting.Auto, w.last().Mode)
		w.set(func() { w.there = append(w.there, alerting.ContainerSummary{Name: "labelled", Labelled: true}) })
		time.Sleep(6 * time.Second)
		require.Equal(t, []string{name, "labelled"}, w.last().Containers)
		time.Sleep(time.Minute)
		said, _ := w.counts()
		require.InDelta(t, 14, said, 1)
		require.Less(t, time.Since(w.last().SeenAt), 6*time.Second, "it stays live")
	})
}

func TestWhatComesAndGoesIsSaidAtOnce(t *testing.T) {
	inHostWorld(t, func(t *testing.T, w *hostWorld) {
		time.Sleep(time.Second)
		w.set(func() { w.there = w.there[1:] })
		w.Wake()
		synctest.Wait()
		require.Empty(t, w.last().Containers)
		said, looks := w.counts()
		for range 100 { // a container that crashes in a loop, twenty times a second
			w.Wake()
			time.Sleep(50 * time.Millisecond)
		}
		after, looked := w.counts()
		require.LessOrEqual(t, looked-looks, 11)
		require.LessOrEqual(t, after-said, 1, "which is no news")
	})
}

func TestAnEngineThatIsAwayKeepsWhatItHad(t *testing.T) {
	for name, breaks := range map[string]func(w *hostWorld){
		"away":    func(w *hostWorld) { w.away = true },
		"hanging": func(w *hostWorld) { w.hangs = true },
	} {
		t.Run(name, func(t *testing.T) {
			inHostWorld(t, func(t *testing.T, w *hostWorld) {
				had := w.last().Containers
				w.set(func() { breaks(w) })
				time.Sleep(20 * time.Second)
				require.False(t, w.last().Reachable)
				require.Equal(t, had, w.last().Containers)
				require.Less(t, time.Since(w.last().SeenAt), 10*time.Second, "the runner is at work")
				w.set(func() { w.away, w.hangs = false, false })
				time.Sleep(8 * time.Second)
				require.True(t, w.last().Reachable)
			})
		})
	}
}

func TestARunnerThatEndsSaysSo(t *testing.T) {
	var w *hostWorld
	inHostWorld(t, func(_ *testing.T, world *hostWorld) { w = world })
	require.Equal(t, []string{"me"}, w.retired)
}

func TestWhoHasNoEngineAndHealsNothingIsNoRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &hostWorld{t: t, mode: alerting.Off}
		w.Registry = remedy.NewRegistry(w, w, remedy.RegistryOptions{
			Owner: "me", Name: "machine",
			Policy: func() alerting.Policy { return alerting.Policy{Mode: w.mode} },
			Host:   func(context.Context) alerting.Host { return w.host },
		})
		require.NoError(t, w.RunOnce(t.Context()))
		require.Empty(t, w.said)
		w.mode = alerting.DryRun
		require.NoError(t, w.RunOnce(t.Context()))
		require.Equal(t, "machine", w.last().Host.Name, "its engine may come")
		require.Zero(t, w.looks, "whose containers they are is not known")
	})
}

func TestARunnerIsBackSoonAfterTheDatabase(t *testing.T) {
	inHostWorld(t, func(t *testing.T, w *hostWorld) {
		w.set(func() { w.broken = true })
		time.Sleep(time.Minute)
		w.set(func() { w.broken = false })
		time.Sleep(2500 * time.Millisecond)
		require.Less(t, time.Since(w.last().SeenAt), 3*time.Second)
	})
}

// What was begun must stay with its host to the end.
func TestARemediationKeepsItsHost(t *testing.T) {
	for name, change := range map[string]func(w *world, work *alerting.Work){
		"restarted":       func(*world, *alerting.Work) {},
		"running already": func(_ *world, work *alerting.Work) { work.Remediation.Action = alerting.Start },
		"not answered": func(w *world, _ *alerting.Work) {
			w.engine.restart = func(context.Context, *alerting.Container) error { return errCut }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				id := w.request(func(work *alerting.Work) { change(w, work) })
				w.run(20 * time.Second)
				require.Greater(t, len(w.store.history[id]), 1)
				for _, r := range w.store.history[id] {
					require.Equal(t, "engine/host", r.Host, r.Status)
				}
			})
		})
	}
}
