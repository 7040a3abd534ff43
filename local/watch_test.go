package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/wecom/wecomtest"
)

// launchWatching starts the program so that it watches a container's log by itself,
// with a threshold of 5 s.
func launchWatching(t testing.TB, engine *dockertest.Private, robots *wecomtest.Server, container string, more ...string) *runningService {
	t.Helper()
	s := launch(t, append([]string{
		"DOCKER_HOST=" + engine.Host,
		"WECHAT_WEBHOOK_URL=" + robots.Webhook("ops"), "WECHAT_ALLOWED_HOSTS=" + robots.Host,
		"REMEDIATION_CONTAINERS=" + container, "ASYNC_MONITOR_CONTAINER=" + container,
		"ASYNC_MONITOR_TICKER_TIMEOUT=5s", "ASYNC_MONITOR_CHECK_INTERVAL=1s",
	}, more...)...)
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	return s
}

// watchOf is how one watch is, by GET /api/watches.
func (s *runningService) watchOf(kind, name string) map[string]any {
	s.t.Helper()
	for _, w := range objects(s.get("/api/watches").fields, "data") {
		if w["kind"] == kind && w["name"] == name {
			return w
		}
	}
	return map[string]any{}
}

func (s *runningService) stateOf(kind, name string) func(want string) func() bool {
	return func(want string) func() bool {
		return func() bool { return s.watchOf(kind, name)["state"] == want }
	}
}

// The guide's first sentence, without a line of code in the service: its ticker
// falls silent, people are told, it is restarted, and that it is back is told.
func TestTheGuidesFirstSentence(t *testing.T) {
	engine := dockertest.PrivateEngine(t)
	c := engine.Run(t, dockertest.Spec{Name: "async", Args: []string{"-line", "Ticker synced, 320 symbols", "-tick", "500ms"}})
	robots := wecomtest.Start(t)
	s := launchWatching(t, engine, robots, c.Name)
	log := s.stateOf("log", c.Name)
	await(t, 10*time.Second, "armed", log("up"))
	before := c.State().StartedAt

	c.Kill("USR2") // the ticker stops
	alarm := robots.ExpectWithin(t, 12*time.Second, robots.Key("ops"), "Ticker同步超时告警", "Ticker数据同步已超过5秒未输出日志", "Ticker synced, 320 symbols", "minutesSinceLastSync", "lastSyncTime")
	assert.NotContains(t, alarm.Content, "已恢复")
	over := robots.ExpectWithin(t, 30*time.Second, robots.Key("ops"), "已恢复", "历时")
	assert.NotEmpty(t, over.Content)
	await(t, 10*time.Second, "the ticker is back", log("up"))
	after := c.State().StartedAt
	assert.NotEqual(t, before, after, "it was restarted")

	// The restart still proves itself; nothing more is told, nothing more done.
	story := func() map[string]any { return s.story(1) }
	await(t, 60*time.Second, "the restart succeeded", func() bool {
		return objects(story(), "remediations")[0]["status"] == "SUCCEEDED"
	})
	robots.ExpectNoMore(t, robots.Key("ops"), 2*time.Second)
	assert.Equal(t, after, c.State().StartedAt, "once")
	alert := story()
	assert.Equal(t, "RESOLVED", alert["status"])
	require.Len(t, objects(alert, "remediations"), 1)
	assert.Equal(t, float64(1), s.get("/api/alerts").fields["total"], "our own restart is no other alert")
}

// Promise 6: a restart that does not bring the ticker back is no recovery,
// however stably the container runs.
func TestWatchARestartThatDoesNotHelpIsNoRecovery(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t)
	c := engine.Run(t, dockertest.Spec{Name: "stuck", Args: []string{"-tick", "500ms", "-silent-after", "5s", "-first-run-only"}})
	robots := wecomtest.Start(t)
	policy, _ := policyAt(t, "types: {TICKER_SYNC_TIMEOUT: {symptom: 15s, verify: {stable: 3s}}}")
	s := launchWatching(t, engine, robots, c.Name, "POLICY_FILE="+policy)
	robots.ExpectWithin(t, 30*time.Second, robots.Key("ops"), "Ticker同步超时告警")
	outcome := robots.ExpectWithin(t, 40*time.Second, robots.Key("ops"), "未恢复，请处理", "15秒 后症状仍在")
	assert.NotContains(t, outcome.Content, "已恢复（")
	alert := s.story(1)
	assert.Equal(t, "OPEN", alert["status"])
	assert.Equal(t, "FAILED", objects(alert, "remediations")[0]["status"])
}
