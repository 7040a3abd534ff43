package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/wecom/wecomtest"
)

// metric is the value of one watch's metric, or nothing.
func metric(page, name, kind, watch, more string) string {
	line := regexp.MustCompile(fmt.Sprintf(`(?m)^%s\{host="[^"]*",kind="%s",name="%s"%s\} (\S+)$`, name, kind, regexp.QuoteMeta(watch), more))
	if found := line.FindStringSubmatch(page); found != nil {
		return found[1]
	}
	return ""
}

// shows wants a watch in a state, with everything that is known of it, in the
// API and in the metrics.
func (s *runningService) shows(kind, name, state string, deaf float64, fields ...string) {
	s.t.Helper()
	await(s.t, 20*time.Second, kind+" "+name+" is "+state, s.stateOf(kind, name)(state))
	watch, page := s.watchOf(kind, name), s.get("/metrics").text
	for _, field := range append([]string{"since"}, fields...) {
		at(s.t, watch, field)
	}
	assert.Equal(s.t, 0.0, watch["falseAlarms"])
	assert.Equal(s.t, deaf, watch["deafTimes"], name)
	assert.Equal(s.t, "1", metric(page, "trade_monitor_watch_state", kind, name, fmt.Sprintf(`,state="%s"`, state)), name)
	assert.Equal(s.t, "0", metric(page, "trade_monitor_watch_false_alarms_total", kind, name, ""))
	assert.Equal(s.t, fmt.Sprint(deaf), metric(page, "trade_monitor_watch_deaf_total", kind, name, ""))
	for field, known := range map[string]string{"lastSeenAt": "trade_monitor_watch_last_seen_seconds", "deadlineAt": "trade_monitor_watch_deadline_seconds"} {
		if watch[field] != nil {
			assert.NotEmpty(s.t, metric(page, known, kind, name, ""), "%s of %s", known, name)
		}
	}
}

// GET /api/watches and /metrics show every watch; what is watched is in the
// policy file, and a change of it counts while running.
func TestWatchesAreShownAndFollowThePolicyFile(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	robots := wecomtest.Start(t)
	one := engine.Run(t, dockertest.Spec{Name: "one", Args: []string{"-tick", "300ms"}})
	two := engine.Run(t, dockertest.Spec{Name: "two", Args: []string{"-tick", "300ms", "-line", "order book synced"}})
	mute := engine.Run(t, dockertest.Spec{Name: "mute", LogDriver: "none"})
	logOf := func(name, pattern string) string {
		return fmt.Sprintf("  %s: {pattern: %s, timeout: 5s, interval: 1s}\n", name, pattern)
	}
	file, replace := policyAt(t, "containers: ["+one.Name+"]\nlogs:\n"+logOf(one.Name, "Ticker synced")+logOf(mute.Name, "Ticker synced")+
		"heartbeats:\n  nightly: {period: 24h, grace: 1h, service: reports}\n  feed: {period: 1h, type: FEED_STALE, severity: CRITICAL}\n")
	s := launchOn(t, engine.Host, robots, "POLICY_FILE="+file, "REMEDIATION_MODE=off", "ASYNC_MONITOR_LOG_PATTERN=off")

	s.shows("container", one.Name, "up", 0, "lastSeenAt")
	s.shows("log", one.Name, "up", 0, "lastSeenAt", "deadlineAt")
	s.shows("log", mute.Name, "deaf", 1)
	s.shows("heartbeat", "nightly", "new", 0, "deadlineAt")
	s.get("/api/heartbeats/feed?exit=3")
	s.shows("heartbeat", "feed", "down", 0, "lastSeenAt", "deadlineAt")
	feed := s.watchOf("heartbeat", "feed")
	assert.Equal(t, "FEED_STALE", feed["alertType"])
	assert.Equal(t, "reports", s.watchOf("heartbeat", "nightly")["service"])
	await(t, 5*time.Second, "the failure is told", func() bool { return s.typesOf("feed") == "FEED_STALE" })

	replace("logs: {\n") // a mistake changes nothing
	await(t, 10*time.Second, "degraded", func() bool { return strings.Contains(s.get("/readyz").text, "POLICY_FILE") })
	s.shows("log", one.Name, "up", 0)
	began := time.Now()
	replace("containers: [" + one.Name + ", " + two.Name + "]\nlogs:\n" + logOf(one.Name, "Ticker synced") + logOf(two.Name, "order book synced") +
		"heartbeats:\n  weekly: {period: 168h}\n  feed: {period: 2s, grace: 1s}\n")
	s.shows("log", two.Name, "up", 0, "lastSeenAt", "deadlineAt")
	taken := time.Since(began)
	s.shows("container", two.Name, "up", 0, "lastSeenAt")
	s.shows("heartbeat", "weekly", "new", 0, "deadlineAt")
	gone := func(kind, name string) {
		t.Helper()
		await(t, 10*time.Second, name+" is watched no longer", func() bool { return len(s.watchOf(kind, name)) == 0 })
		assert.Empty(t, metric(s.get("/metrics").text, "trade_monitor_watch_state", kind, name, ".*"))
	}
	gone("log", mute.Name)
	gone("heartbeat", "nightly")
	s.get("/api/heartbeats/feed")
	s.shows("heartbeat", "feed", "up", 0, "lastSeenAt", "deadlineAt")
	s.shows("heartbeat", "feed", "down", 0) // 2 s and 1 s later
	require.Equal(t, 3.0, s.watchOf("heartbeat", "feed")["limitSeconds"])
	two.Kill("USR2") // its ticker stops
	s.shows("log", two.Name, "down", 0)
	s.told(robots, two.Name, "TICKER_SYNC_TIMEOUT", "order book synced")
	t.Logf("figures: change of the policy file → watched: %s", taken.Round(100*time.Millisecond))
}
