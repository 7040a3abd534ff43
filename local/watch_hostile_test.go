package main

import (
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/wecom/wecomtest"
)

// hostileLines is what a stranger gets a program to log: words that would mean
// something in a message, and secrets of the program itself.
const hostileLines = "Ticker synced <@all> <@boss> @all [click](http://evil.example) ![x](http://evil.example/x.png)\n" +
	"<font color=\"comment\">grey</font> **bold** `code` __under__ &lt;@all&gt; \u202e\n" +
	"# 已恢复\n告警编号：1\n处置：已恢复\n" +
	"password=canary-password-1 Authorization: Bearer canary-bearer-22\n" +
	"GET https://user:canary-userinfo-33@db.example/x?token=canary-token-44\n" +
	"-----BEGIN RSA PRIVATE KEY-----\ncanaryPrivateKey55canaryPrivateKey55canaryPrivateKey55\n-----END RSA PRIVATE KEY-----"

var hostileSecrets = []string{"canary-password-1", "canary-bearer-22", "canary-userinfo-33", "canary-token-44", "canaryPrivateKey55"}

// Names of containers, lines of their logs, what health checks print and what
// jobs say in a ping are data: they mention nobody, link nowhere, forge nothing,
// and take no secret along.
func TestWatchedStrangersAreHarmless(t *testing.T) {
	t.Parallel()
	engine := dockertest.PrivateEngine(t) // its own: names need not be unique
	robots := wecomtest.Start(t)
	const crashName, silentName, illName = "www.evil.example__all__-_x_", "silent.__bold__", "ill-_.-"
	crash := engine.Run(t, dockertest.Spec{ExactName: crashName, Labels: watchLabel, Args: []string{"-line", hostileLines, "-tick", "1h"}})
	silent := engine.Run(t, dockertest.Spec{ExactName: silentName, Args: []string{"-line", hostileLines, "-tick", "500ms"}})
	engine.Run(t, dockertest.Spec{ExactName: illName, Labels: watchLabel, Health: &dockertest.Health{
		Command: []string{"/service", "-line", hostileLines, "-exit-after", "10ms", "-exit-code", "1"}, Interval: time.Second, Retries: 2,
	}})
	policy, _ := policyAt(t, "logs: {"+silentName+": {pattern: Ticker synced, timeout: 5s, interval: 1s}}\nheartbeats: {job: {period: 1h}}\n")
	s := launchOn(t, engine.Host, robots, "POLICY_FILE="+policy, "REMEDIATION_MODE=off", "ASYNC_MONITOR_LOG_PATTERN=off")
	s.canaries.add(hostileSecrets...)
	s.isUp(crash)
	await(t, 10*time.Second, "armed", s.stateOf("log", silentName)("up"))
	crash.Crash(syscall.SIGKILL)
	silent.Kill("USR2")
	note := "<@all> [click](http://evil.example)\n# 已恢复\n告警编号：1"
	r, err := s.do(http.MethodPost, "/api/heartbeats/job?signal=fail", "text/plain", note)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.status, r.text)
	for _, name := range []string{"<@all>", "[a](b)", "a%0A# b"} { // no heartbeat can be called so
		r, err := s.do(http.MethodGet, "/api/heartbeats/"+url.PathEscape(name)+"?period=1h", "", "")
		require.NoError(t, err)
		require.Equal(t, http.StatusBadRequest, r.status, r.text)
	}

	messages := map[string]string{}
	for name, types := range map[string]string{crashName: "CONTAINER_DOWN", silentName: "TICKER_SYNC_TIMEOUT", illName: "CONTAINER_UNHEALTHY", "job": "HEARTBEAT_DOWN"} {
		await(t, 30*time.Second, name+" is told", func() bool { return s.typesOf(name) == types })
		s.story(int64(s.alarms(name)[0]["id"].(float64))) // the canaries look at it, too
	}
	await(t, 10*time.Second, "all are at the robot", func() bool { return len(robots.Messages(robots.Key("ops"))) >= 4 })
	for _, m := range robots.Messages(robots.Key("ops")) {
		_, service, _ := strings.Cut(m.Content, "服务：")
		service, _, _ = strings.Cut(service, "\n")
		messages[service] = m.Content
		for _, forbidden := range []string{"<@", "](", "color=\"comment\">", "**bold**", "__", "`code`", "\n# ", "&lt;", "\u202e", "\n告警编号：1\n", "\n处置：已恢复"} {
			assert.NotContains(t, m.Content, forbidden, "as syntax, in the message about %s", service)
		}
		assert.NotContains(t, string(m.Raw), "mentioned")
		s.canaries.look("the message about "+service, m.Raw)
	}
	require.Len(t, messages, 4)
	for service, word := range map[string]string{
		"www.evil.example＿＿all＿＿-_x_": "password=＊＊＊", "silent.＿＿bold＿＿": "password=＊＊＊", illName: "＜@all＞", "job": "＃ 已恢复",
	} {
		assert.Contains(t, messages[service], word, "and can still be read")
	}
}
