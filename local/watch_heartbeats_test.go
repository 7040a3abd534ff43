package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fleet is services that ping one program, as a shell loop with curl would:
// once in a while, and again at once where there was no answer.
type fleet struct {
	*runningService
	period, grace, every time.Duration
	client               *http.Client
	pinging              sync.WaitGroup

	mu   sync.Mutex
	dead map[string]chan struct{} // closed when the service dies
}

// launchFleet starts the program and a number of services that ping it.
func launchFleet(t testing.TB, services int, period, grace, every time.Duration, settings ...string) *fleet {
	t.Helper()
	f := &fleet{runningService: launch(t, append(settings, "REMEDIATION_MODE=off", "ASYNC_MONITOR_LOG_PATTERN=off")...), period: period, grace: grace, every: every,
		client: &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, dead: map[string]chan struct{}{}}
	await(t, 20*time.Second, "ready", func() bool { return f.get("/readyz").status == http.StatusOK })
	for n := range services {
		name := fmt.Sprintf("service-%d", n)
		require.NoError(t, f.ping(name))
		dies := make(chan struct{})
		f.dead[name] = dies
		f.pinging.Go(func() { f.live(name, dies) })
	}
	t.Cleanup(func() {
		for n := range services {
			f.die(fmt.Sprintf("service-%d", n))
		}
		f.pinging.Wait()
	})
	return f
}

func (f *fleet) live(name string, dies <-chan struct{}) {
	pause := f.every
	for {
		select {
		case <-dies:
			return
		case <-time.After(pause):
		}
		if pause = f.every; f.ping(name) != nil {
			pause = 100 * time.Millisecond
		}
	}
}

func (f *fleet) ping(name string) error {
	f.runningService.mu.RLock()
	url := f.url
	f.runningService.mu.RUnlock()
	res, err := f.client.Get(fmt.Sprintf("%s/api/heartbeats/%s?period=%s&grace=%s", url, name, f.period, f.grace))
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

func (f *fleet) die(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if dies := f.dead[name]; dies != nil {
		close(dies)
		delete(f.dead, name)
	}
}

// reported lists the services that alerts are about, and the alerts.
func (f *fleet) reported(t *testing.T) (names []string, alerts []map[string]any) {
	t.Helper()
	alerts = allAlerts(t, f.runningService)
	for _, alert := range alerts {
		require.Equal(t, "HEARTBEAT_DOWN", alert["alertType"])
		names = append(names, alert["serviceName"].(string))
	}
	slices.Sort(names)
	return names, alerts
}

// ending is a way in which the program ends.
type ending struct {
	name string
	of   func(*runningService)
}

var (
	byKill = ending{"kill -9", (*runningService).kill}
	byStop = ending{"stop", func(s *runningService) { s.stop() }}
)

// Trade Monitor is down for ten periods, then up: no alarm for services that
// were alive all the time, and one within a period and its grace for those that
// died meanwhile.
func TestWatchHeartbeatsOverOurOwnDowntime(t *testing.T) {
	t.Parallel()
	period, services := either(2*time.Second, 6*time.Second), either(20, 200)
	grace, dying := period/2, services/4
	type scene struct {
		*fleet
		name string
		ends ending
		back time.Time
	}
	var scenes []*scene
	for database, settings := range map[string]func(testing.TB) []string{"SQLite": func(testing.TB) []string { return nil }, "MariaDB": mariaDB} {
		for _, ends := range []ending{byKill, byStop} {
			f := launchFleet(t, services, period, grace, period*3/4, settings(t)...)
			scenes = append(scenes, &scene{fleet: f, name: database + ", " + ends.name, ends: ends})
		}
	}
	time.Sleep(2 * period)
	var dead []string
	for n := range dying {
		dead = append(dead, fmt.Sprintf("service-%d", n))
	}
	slices.Sort(dead)
	for _, s := range scenes {
		names, _ := s.reported(t)
		require.Empty(t, names, "%s: alarms before it went", s.name)
		s.ends.of(s.runningService)
		for _, name := range dead {
			s.die(name)
		}
	}
	time.Sleep(10 * period)
	for _, s := range scenes {
		s.start()
		await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
		s.back = time.Now()
	}
	time.Sleep(2*period + grace)
	for _, s := range scenes {
		names, alerts := s.reported(t)
		require.Equal(t, dead, names, "%s: exactly those that died, each once", s.name)
		var took []time.Duration
		for _, alert := range alerts {
			took = append(took, at(t, alert, "createdAt").Sub(s.back))
			assert.EqualValues(t, 1, alert["occurrences"], "%s: %s", s.name, alert["serviceName"])
			assert.Equal(t, "OPEN", alert["status"])
		}
		assert.LessOrEqual(t, quantile(took, 1), period+grace+time.Second, s.name)
		t.Logf("figures: down for 10 periods (%s, then up): alive %d, false alarms 0; died meanwhile %d, told after %s (period %s, grace %s)",
			s.name, services-dying, dying, spread(took), period, grace)
	}
}

// However often we are restarted, what is dead is told, once, and what lives is
// not: also when no life of ours is as long as a period.
func TestWatchHeartbeatsOverManyRestarts(t *testing.T) {
	t.Parallel()
	services := either(20, 60)
	period, grace, life, lives := either(4*time.Second, 30*time.Second), either(2*time.Second, 10*time.Second), either(3*time.Second, 20*time.Second), either(5, 15)
	for database, settings := range map[string]func(testing.TB) []string{"SQLite": func(testing.TB) []string { return nil }, "MariaDB": mariaDB} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			f := launchFleet(t, services, period, grace, period/2, settings(t)...)
			var dead []string
			for n := range 5 {
				dead = append(dead, fmt.Sprintf("service-%d", n))
				f.die(dead[n])
			}
			began := time.Now()
			for n := range lives {
				time.Sleep(life)
				[]ending{byKill, byStop}[n%2].of(f.runningService)
				f.start()
			}
			await(t, 20*time.Second, "ready", func() bool { return f.get("/readyz").status == http.StatusOK })
			restarted := time.Since(began)
			await(t, period+grace+2*time.Second, "the dead are told", func() bool {
				names, _ := f.reported(t)
				return len(names) >= len(dead)
			})
			time.Sleep(period + grace)
			names, alerts := f.reported(t)
			require.Equal(t, dead, names, "exactly the dead, each once")
			var took []time.Duration
			for _, alert := range alerts {
				took = append(took, at(t, alert, "createdAt").Sub(began))
			}
			t.Logf("figures: %d restarts in %s (%s): alive %d, false alarms 0; dead %d, told after %s (period %s, grace %s)",
				lives, restarted.Round(time.Second), database, services-len(dead), len(dead), spread(took), period, grace)
		})
	}
}
