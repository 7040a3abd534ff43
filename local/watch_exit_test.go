package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/wecom/wecomtest"
)

var watchLabel = map[string]string{"trade-monitor.watch": "true"}

// launchOn starts the program on an engine, with a robot that is told of
// everything.
func launchOn(t testing.TB, host string, robots *wecomtest.Server, more ...string) *runningService {
	t.Helper()
	s := launch(t, append([]string{
		"DOCKER_HOST=" + host, "WECHAT_WEBHOOK_URL=" + robots.Webhook("ops"), "WECHAT_ALLOWED_HOSTS=" + robots.Host,
	}, more...)...)
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	return s
}

// isUp waits until the program knows that the containers run.
func (s *runningService) isUp(containers ...*dockertest.Container) {
	s.t.Helper()
	for _, c := range containers {
		up := s.stateOf("container", c.Name)("up")
		await(s.t, 20*time.Second, c.Name+" is seen to be up", up)
	}
}

// tellOnly makes one new robot the only one that is told, and gives its key.
func (s *runningService) tellOnly(robots *wecomtest.Server, name string) string {
	s.t.Helper()
	for _, group := range objects(s.get("/api/alerts/wechat-groups").fields, "data") {
		r, err := s.do(http.MethodDelete, "/api/alerts/wechat-groups/"+idOf(group), "", "")
		require.NoError(s.t, err)
		require.Equal(s.t, http.StatusOK, r.status, r.text)
	}
	body, err := json.Marshal(map[string]string{"groupName": name, "webhookUrl": robots.Webhook(name)})
	require.NoError(s.t, err)
	r := s.post("/api/alerts/wechat-groups", string(body))
	require.Equal(s.t, http.StatusOK, r.status, r.text)
	return robots.Key(name)
}

// Exit of a container → alert stored: half of them within 250 ms; → message at
// the robot: each within a second. The processes are killed from the host, so
// that the engine has to find out; each robot gets few messages, so that its
// budget holds none back.
func TestWatchTellsOfAnExitWithinASecond(t *testing.T) {
	engine := dockertest.PrivateEngine(t)
	robots := wecomtest.Start(t)
	s := launchOn(t, engine.Host, robots)
	const perRobot = 5
	var stored, told []time.Duration
	for round := range either(10, 50) / perRobot {
		key := s.tellOnly(robots, fmt.Sprintf("round-%d", round))
		var all []*dockertest.Container
		for range perRobot {
			all = append(all, engine.Run(t, dockertest.Spec{Name: "exit", Labels: watchLabel}))
		}
		s.isUp(all...)
		for _, c := range all {
			time.Sleep(200 * time.Millisecond) // the last one's message is settled
			exit := c.Crash(syscall.SIGKILL)
			message := robots.ExpectWithin(t, 10*time.Second, key, c.Name, "退出码 137（SIGKILL）")
			alerts := s.alarms(c.Name)
			require.Len(t, alerts, 1)
			require.Equal(t, "CONTAINER_DOWN", alerts[0]["alertType"])
			stored = append(stored, at(t, alerts[0], "createdAt").Sub(exit))
			told = append(told, message.At.Sub(exit))
		}
		for _, c := range all {
			c.Remove()
		}
	}
	t.Logf("figures: exit of a container → alert stored: %s", spread(stored))
	t.Logf("figures: exit of a container → message at the robot: %s", spread(told))
	assert.LessOrEqual(t, quantile(stored, 0.5), either(500*time.Millisecond, 250*time.Millisecond)) // others work beside the short form
	assert.LessOrEqual(t, quantile(told, 1), either(3*time.Second, time.Second))
}
