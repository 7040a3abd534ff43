package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/wecom/wecomtest"
)

// How soon a restart is ordered: from the answer to the event to the moment in
// which POST …/restart arrives at the engine's socket. Beside it, in the same
// run, works what most people have instead: a loop that asks every 5 s for
// unhealthy containers and restarts them, as autoheal does. Its time runs from
// the engine's own word that the container is unhealthy, which is when an event
// would come.

const pollEvery = 5 * time.Second

func TestFaultLatency(t *testing.T) {
	if !proofLong() { // which is measured with nothing beside it
		t.Parallel()
	}
	n := either(15, 60)
	var ours, polled []time.Duration
	var both sync.WaitGroup
	both.Go(func() { t.Run("events", func(t *testing.T) { ours = orderedAfterEvents(t, n) }) })
	both.Go(func() { t.Run("a poller", func(t *testing.T) { polled = orderedByPoller(t, n) }) })
	both.Wait()
	if t.Failed() {
		return
	}
	ratio := float64(quantile(polled, 0.5)) / float64(quantile(ours, 0.5))
	t.Logf("figures: event accepted → restart at the engine's socket: %s", spread(ours))
	t.Logf("figures: unhealthy → restart at the engine's socket, by a poller of %s: %s; the median is %.0f times ours", pollEvery, spread(polled), ratio)
	assert.GreaterOrEqual(t, len(ours), n)
	assert.GreaterOrEqual(t, len(polled), n)
	assert.LessOrEqual(t, quantile(ours, 0.5), either(250*time.Millisecond, 50*time.Millisecond)) // others work beside the short form
	assert.Greater(t, ratio, either(3.0, 20.0))
	if proofLong() {
		keepFigures(t, "latency", fmt.Sprintf("| | |\n|---|---|\n| 事件已回答 200 → 重启命令到达引擎套接字 (event answered → restart at the engine's socket) | %s |\n"+
			"| 同一次运行中，每 5 秒轮询的脚本：不健康 → 重启命令 (in the same run, a poller of 5 s: unhealthy → restart) | %s |\n| 中位数之比 (ratio of the medians) | %.0f |\n",
			spread(ours), spread(polled), ratio))
	}
}

// orderedAfterEvents measures incidents of two containers, one after the other.
// (Three within a minute would be the host's brake.)
func orderedAfterEvents(t *testing.T, n int) (took []time.Duration) {
	engine := dockertest.PrivateEngine(t)
	recorder := recordOrders(t, engine.Engine)
	robots := wecomtest.Start(t)
	robots.Limit(0)
	containers := []*dockertest.Container{engine.Run(t, dockertest.Spec{Name: "one"}), engine.Run(t, dockertest.Spec{Name: "two"})}
	policy, _ := policyAt(t, killsPolicy)
	s := launchOn(t, recorder.Host, robots, "REMEDIATION_CONTAINERS="+containers[0].Name+","+containers[1].Name,
		"ASYNC_MONITOR_LOG_PATTERN=off", "ASYNC_MONITOR_TICKER_TIMEOUT=2s", "ASYNC_MONITOR_CHECK_INTERVAL=1s", "POLICY_FILE="+policy)
	s.isUp(containers...)
	var mu sync.Mutex
	var measuring sync.WaitGroup
	for _, c := range containers {
		measuring.Go(func() {
			for range (n + 1) / 2 {
				d, err := s.oneOrder(recorder, c)
				if err != nil {
					t.Errorf("%s: %v", c.Name, err)
					return
				}
				mu.Lock()
				took = append(took, d)
				mu.Unlock()
			}
		})
	}
	measuring.Wait()
	return took
}

// oneOrder reports a fault, waits for its order, and then until another one can
// be reported.
func (s *runningService) oneOrder(recorder *orderRecorder, c *dockertest.Container) (time.Duration, error) {
	before := len(recorder.all(c.ID))
	r, err := s.do(http.MethodPost, "/api/events/notify", "application/json", ticker(c.Name).json())
	accepted := time.Now()
	if err != nil || r.status != http.StatusOK || r.object("remediation")["status"] != "REQUESTED" {
		return 0, fmt.Errorf("%w %s", err, r.text)
	}
	for deadline := accepted.Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		story, err := s.do(http.MethodGet, fmt.Sprintf("/api/alerts/%d", r.number("alertId")), "", "")
		if err != nil {
			return 0, err
		}
		if story.object("data")["status"] != "RESOLVED" {
			continue
		}
		time.Sleep(1100 * time.Millisecond) // the cooldown, and then at no even time
		orders := recorder.all(c.ID)[before:]
		if len(orders) != 1 {
			return 0, fmt.Errorf("%d orders", len(orders))
		}
		return orders[0].At.Sub(accepted), nil
	}
	return 0, fmt.Errorf("the alert %d does not end", r.number("alertId"))
}

// orderedByPoller measures the loop on containers that fall ill at random
// instants.
func orderedByPoller(t *testing.T, n int) (took []time.Duration) {
	const ill = 5
	engine := dockertest.PrivateEngine(t)
	recorder, events := recordOrders(t, engine.Engine), followEvents(t, engine.Engine)
	ctx, stop := context.WithCancel(t.Context())
	var polling sync.WaitGroup
	polling.Go(func() { pollUnhealthy(ctx, &dockertest.Engine{Host: recorder.Host}) })
	defer polling.Wait()
	defer stop()
	var mu sync.Mutex
	var falling sync.WaitGroup
	for range ill {
		c := engine.Run(t, dockertest.Spec{Name: "ill", Health: &dockertest.Health{Interval: 2 * time.Second, Retries: 1}})
		falling.Go(func() {
			for range (n + ill - 1) / ill {
				d, err := fallsIll(recorder, events, c)
				if err != nil {
					t.Errorf("%s: %v", c.Name, err)
					return
				}
				mu.Lock()
				took = append(took, d)
				mu.Unlock()
			}
		})
	}
	falling.Wait()
	return took
}

// fallsIll makes a container ill at some instant and gives how long after the
// engine's word the poller's order came.
func fallsIll(recorder *orderRecorder, events *engineEvents, c *dockertest.Container) (time.Duration, error) {
	unhealthy, ordered := len(events.of(c.ID, "health_status: unhealthy")), len(recorder.all(c.ID))
	until := func(what string, holds func() bool) error {
		for deadline := time.Now().Add(60 * time.Second); !holds(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				return fmt.Errorf("not %s in time", what)
			}
		}
		return nil
	}
	if err := until("healthy", func() bool { return len(events.of(c.ID, "health_status: healthy")) > ordered }); err != nil {
		return 0, err
	}
	time.Sleep(time.Duration(rand.Int64N(int64(pollEvery))))
	c.Kill("USR1")
	if err := until("unhealthy", func() bool { return len(events.of(c.ID, "health_status: unhealthy")) > unhealthy }); err != nil {
		return 0, err
	}
	if err := until("restarted", func() bool { return len(recorder.all(c.ID)) > ordered }); err != nil {
		return 0, err
	}
	return recorder.all(c.ID)[ordered].At.Sub(events.of(c.ID, "health_status: unhealthy")[unhealthy].Heard), nil
}

// pollUnhealthy is what autoheal does: ask, restart what is unhealthy, one after
// the other, sleep, again.
func pollUnhealthy(ctx context.Context, engine *dockertest.Engine) {
	client := &http.Client{Transport: unixTransport(engine.Host)}
	ask := func(method, path string, into any) error {
		req, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		if into == nil {
			return nil
		}
		return json.NewDecoder(res.Body).Decode(into)
	}
	filter := url.Values{"filters": {`{"health":["unhealthy"]}`}}
	for ctx.Err() == nil {
		var found []struct{ ID string }
		if ask(http.MethodGet, "/containers/json?"+filter.Encode(), &found) == nil {
			for _, c := range found {
				_ = ask(http.MethodPost, "/containers/"+c.ID+"/restart?t=10", nil)
			}
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
		}
	}
}

// unixTransport speaks to a unix:///… socket.
func unixTransport(host string) http.RoundTripper {
	return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", strings.TrimPrefix(host, "unix://"))
	}}
}
