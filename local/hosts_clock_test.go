package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/remedy"
	"trade-monitor/shared/store"
	"trade-monitor/shared/store/mysql"
	"trade-monitor/shared/store/storetest"
)

// wrongHost is a host whose clock is wrong, with an engine whose containers
// behave. Nothing of it goes by the test's own clock.
type wrongHost struct {
	alerting.Host
	ahead time.Duration

	mu         sync.Mutex
	containers map[string]*alerting.Container
	restarts   map[string][]time.Time // by the test's clock
	slow       time.Duration
}

func (h *wrongHost) now() time.Time { return time.Now().Add(h.ahead) }

func (h *wrongHost) Identity(context.Context) (alerting.Host, error) { return h.Host, nil }

func (h *wrongHost) Containers(context.Context) (all []alerting.ContainerSummary, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range h.containers {
		all = append(all, alerting.ContainerSummary{Name: name})
	}
	return all, nil
}

func (h *wrongHost) Inspect(_ context.Context, name string) (*alerting.Container, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.containers[name]; c != nil {
		copied := *c
		return &copied, nil
	}
	return nil, nil
}

func (h *wrongHost) LastLines(context.Context, alerting.Container, time.Time, int) ([]string, error) {
	return nil, nil
}

func (h *wrongHost) Restart(_ context.Context, id string) error {
	time.Sleep(h.slow)
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, c := range h.containers {
		if c.ID == id {
			c.StartedAt = h.now()
			h.restarts[name] = append(h.restarts[name], time.Now())
		}
	}
	return nil
}

func (h *wrongHost) Start(ctx context.Context, id string) error { return h.Restart(ctx, id) }
func (h *wrongHost) Stop(context.Context, string) error         { return nil }

func (h *wrongHost) Recall(context.Context, string) (alerting.Recollection, error) {
	return alerting.Recollection{Mark: "mark", Now: h.now()}, nil
}

func (h *wrongHost) Since(context.Context, string, time.Time, string) (killed, sameBoot bool, err error) {
	return false, true, nil
}

func (h *wrongHost) restarted(name string) []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]time.Time(nil), h.restarts[name]...)
}

// wrongClocks are two hosts, half a minute ahead and behind, with two processes
// each.
type wrongClocks struct {
	t      *testing.T
	hosts  []*wrongHost
	intake *store.Store
}

func newWrongClocks(t *testing.T, policy func() alerting.Policy) *wrongClocks {
	db := storetest.MariaDB(t)
	open := func() *store.Store {
		s, err := mysql.Open(mysql.Options{Host: db.Host, Port: db.Port, User: db.User, Password: alerting.Secret(db.Password), Database: db.Name,
			Location: time.UTC, Policy: policy, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	raw, err := mysql.OpenDB(mysql.Options{Host: db.Host, Port: db.Port, User: db.User, Password: alerting.Secret(db.Password), Database: db.Name})
	require.NoError(t, err)
	require.NoError(t, mysql.Migrate(t.Context(), raw, slog.New(slog.DiscardHandler)))
	require.NoError(t, raw.Close())
	w := &wrongClocks{t: t, intake: open()}
	ctx, stop := context.WithCancel(context.Background())
	var crew sync.WaitGroup
	t.Cleanup(func() { stop(); crew.Wait() })
	for i, ahead := range []time.Duration{30 * time.Second, -30 * time.Second} {
		name := fmt.Sprint("host-", i)
		h := &wrongHost{Host: alerting.Host{ID: "engine-of-" + name + "/" + name, Name: name}, ahead: ahead, slow: 500 * time.Millisecond,
			containers: map[string]*alerting.Container{}, restarts: map[string][]time.Time{}}
		w.hosts = append(w.hosts, h)
		for n := range 2 {
			s, owner := open(), fmt.Sprint(name, "-", n)
			loop := remedy.New(s, h, remedy.Options{Owner: owner, Policy: policy, Poll: 200 * time.Millisecond, Now: h.now})
			registry := remedy.NewRegistry(s, h, remedy.RegistryOptions{Owner: owner, Policy: policy, Host: loop.Host})
			crew.Go(func() { _ = registry.Run(ctx) })
			crew.Go(func() { _ = loop.Run(ctx) })
		}
	}
	return w
}

func (h *wrongHost) has(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.containers[name] = &alerting.Container{ID: "id-" + name, Name: name, Running: true, StartedAt: h.now().Add(-time.Hour), Health: alerting.NoHealth, StopTimeout: time.Second}
}

func (w *wrongClocks) event(service string) alerting.Receipt {
	w.t.Helper()
	r, err := w.intake.RecordEvent(w.t.Context(), storetest.Event(service), nil)
	require.NoError(w.t, err)
	return r
}

func (w *wrongClocks) remediations(alert int64) []alerting.Remediation {
	story, err := w.intake.Story(w.t.Context(), alert)
	require.NoError(w.t, err)
	return story.Remediations
}

// Clocks that are half a minute wrong, in both directions, change nothing: what
// counts is the database's.
func TestHostClocksThatDifferChangeNothing(t *testing.T) {
	t.Parallel()
	const cooldown, stable = 6 * time.Second, 2 * time.Second
	policy := func() alerting.Policy {
		p := alerting.DefaultPolicy()
		p.Containers = []string{"on-0", "on-1", "nowhere"}
		rule := p.Rules[alerting.TickerSyncTimeout]
		rule.Guard.Cooldown, rule.Guard.Budget, rule.Guard.EngineWait, rule.Verify.Stable, rule.Symptom = cooldown, 2, 8*time.Second, stable, time.Minute
		p.Rules[alerting.TickerSyncTimeout] = rule
		p.Brake.Containers = 0
		return p
	}
	w := newWrongClocks(t, policy)
	hosts := w.hosts
	for i, h := range hosts {
		h.has(fmt.Sprint("on-", i))
	}
	await(t, 20*time.Second, "all are registered with what they have", func() bool {
		runners, err := w.intake.Runners(t.Context())
		require.NoError(t, err)
		ready := 0
		for _, r := range runners {
			if len(r.Containers) == 1 {
				ready++
			}
		}
		return ready == 4
	})
	t.Run("hosts", func(t *testing.T) {
		for i, h := range hosts {
			t.Run(fmt.Sprint(h.ahead), func(t *testing.T) {
				t.Parallel()
				w.cooldownAndBudget(t, h, fmt.Sprint("on-", i), cooldown, stable)
			})
		}
		t.Run("nowhere", func(t *testing.T) {
			t.Parallel()
			begun, id := time.Now(), w.event("nowhere").AlertID
			await(t, 20*time.Second, "no host has it", func() bool { return w.remediations(id)[0].Status == alerting.Skipped })
			require.Equal(t, "no_container", w.remediations(id)[0].Reason.Code)
			require.Less(t, time.Since(begun), 8*time.Second, "when all have said so, not when the time is over")
		})
	})
	for i := range hosts {
		require.Empty(t, hosts[1-i].restarted(fmt.Sprint("on-", i)), "nobody else touched it")
	}
}

// cooldownAndBudget restarts a container twice, as soon as is allowed, and then no
// more.
func (w *wrongClocks) cooldownAndBudget(t *testing.T, h *wrongHost, name string, cooldown, stable time.Duration) {
	first := w.event(name)
	ended := func(alert int64, n int, status alerting.RemediationStatus) func() bool {
		return func() bool {
			all := w.remediations(alert)
			return len(all) >= n && all[n-1].Status == status
		}
	}
	await(t, 20*time.Second, "proven", ended(first.AlertID, 1, alerting.Succeeded))
	r := w.remediations(first.AlertID)[0]
	require.WithinDuration(t, h.restarted(name)[0], r.OrderedAt, 2*time.Second, "by the database's clock")
	require.GreaterOrEqual(t, r.EndedAt.Sub(r.OrderedAt), stable)
	require.Less(t, r.EndedAt.Sub(r.OrderedAt), stable+4*time.Second)

	again := w.event(name) // within the cooldown: it is decided again when that ends
	require.Equal(t, "cooldown", again.NotRemedied.Code)
	assert.WithinDuration(t, r.OrderedAt.Add(cooldown), again.NotRemedied.Until, time.Second)
	await(t, 20*time.Second, "restarted again", func() bool { return len(h.restarted(name)) == 2 })
	times := h.restarted(name)
	require.GreaterOrEqual(t, times[1].Sub(times[0]), cooldown-200*time.Millisecond)
	require.Less(t, times[1].Sub(times[0]), cooldown+5*time.Second)
	await(t, 20*time.Second, "proven again", func() bool {
		all := w.remediations(again.AlertID)
		return all[len(all)-1].Status == alerting.Succeeded
	})
	time.Sleep(cooldown)
	spent := w.event(name)
	require.Equal(t, "budget", spent.NotRemedied.Code)
	time.Sleep(2 * time.Second)
	require.Len(t, h.restarted(name), 2)
}
