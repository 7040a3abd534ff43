package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
	"trade-monitor/shared/wecom/wecomtest"
)

// guideCurl is the guide's last command, word for word but for the port.
const guideCurl = `curl -s -X POST http://localhost:5005/api/events/notify \
  -H "Content-Type: application/json" \
  -d '{
    "eventType": "TICKER_SYNC_TIMEOUT",
    "serviceName": "aifuturetrade-async-service",
    "severity": "ERROR",
    "title": "测试告警",
    "message": "这是一条测试告警消息"
  }'`

func TestTheGuidesCurlIsAnsweredAsTheGuideSays(t *testing.T) {
	s := launch(t, "REMEDIATION_CONTAINERS=aifuturetrade-async-service", "DOCKER_HOST=unix://"+filepath.Join(t.TempDir(), "no-docker.sock"))
	curl := func() string {
		out, err := exec.Command("bash", "-c", strings.ReplaceAll(guideCurl, "http://localhost:5005", s.url)).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	require.True(t, strings.HasPrefix(curl(), `{"success":true,"alertId":1,"message":"事件通知已接收并处理",`), "the guide's fields come first")

	second := curl()
	require.Contains(t, second, `"occurrences":2`, "the second answer explains itself")
	require.Regexp(t, `"status":"SKIPPED","reason":"[^"]*(4分5\d秒|5分钟)`, second, "it says how long until the next restart")

	list := s.get("/api/alerts?page=1&pageSize=20&alertType=TICKER_SYNC_TIMEOUT&status=OPEN")
	require.Equal(t, http.StatusOK, list.status)
	require.EqualValues(t, 1, list.number("total"))
	require.EqualValues(t, 1, list.number("page"))
	require.EqualValues(t, 20, list.number("pageSize"))

	require.Zero(t, s.stop())
	s.start()
	require.EqualValues(t, 1, s.get("/api/alerts").number("total"), "data/ survives a restart")
	log, err := os.ReadFile(filepath.Join(s.dir, "logs", "alert.log"))
	require.NoError(t, err)
	require.Contains(t, string(log), "#1 OPEN ERROR TICKER_SYNC_TIMEOUT aifuturetrade-async-service | 测试告警 | 收到事件")
}

func TestASilentServiceIsToldOfRestartedAndProvenWell(t *testing.T) {
	engine := dockertest.PrivateEngine(t)
	container := engine.Run(t, dockertest.Spec{})
	before := container.State()
	robots := wecomtest.Start(t)
	s := launch(t, "REMEDIATION_CONTAINERS="+container.Name, "DOCKER_HOST="+engine.Host,
		"WECHAT_WEBHOOK_URL="+robots.Webhook("group"), "WECHAT_ALLOWED_HOSTS="+robots.Host)

	answer := s.notify(ticker(container.Name))
	require.Equal(t, http.StatusOK, answer.status, answer.text)
	require.Equal(t, "REQUESTED", answer.object("remediation")["status"])

	robots.ExpectWithin(t, time.Second, robots.Key("group"), "Ticker同步超时告警", container.Name, "minutesSinceLastSync")
	container.Until(10*time.Second, "restarted", func(now dockertest.State) bool { return now.StartedAt.After(before.StartedAt) })
	restarted := container.State()
	robots.ExpectWithin(t, 45*time.Second, robots.Key("group"), "已恢复", container.Name)

	require.Equal(t, restarted.StartedAt, container.State().StartedAt, "StartedAt changed once")
	story := s.story(1)
	require.Equal(t, "RESOLVED", story["status"])
	require.Equal(t, true, story["wechatSent"])
	require.Contains(t, story["actionTaken"], "已恢复")
	remediations := objects(story, "remediations")
	require.Len(t, remediations, 1)
	require.Equal(t, "SUCCEEDED", remediations[0]["status"])
	require.Len(t, objects(story, "messages"), 2)
	require.NotEmpty(t, objects(story, "trail"))

	again := s.notify(ticker(container.Name))
	require.EqualValues(t, 2, again.number("alertId"), "an event after RESOLVED opens a new alert")
	require.Equal(t, "cooldown", again.object("remediation")["reasonCode"])
	robots.ExpectWithin(t, time.Second, robots.Key("group"), "冷却中")
	robots.ExpectNoMore(t, robots.Key("group"), time.Second)
	require.Equal(t, restarted.StartedAt, container.State().StartedAt)
}

func TestAStopIsGracefulAndLeavesNoLease(t *testing.T) {
	robots := wecomtest.Start(t)
	robots.Fail(robots.Key("slow"), wecomtest.Slow(3*time.Second))
	s := launch(t, "REMEDIATION_MODE=off", "WECHAT_WEBHOOK_URL="+robots.Webhook("slow"), "WECHAT_ALLOWED_HOSTS="+robots.Host)
	require.Equal(t, http.StatusOK, s.notify(ticker("svc")).status)
	await(t, 5*time.Second, "the message is on its way", func() bool { return robots.Attempts(robots.Key("slow")) == 1 })

	begun := time.Now()
	require.Zero(t, s.stop())
	require.Less(t, time.Since(begun), 10*time.Second)
	require.Len(t, robots.Messages(robots.Key("slow")), 1, "what was in flight is finished")

	s.start()
	require.Equal(t, "SENT", objects(s.story(1), "notifications")[0]["status"])
	require.Len(t, robots.Messages(robots.Key("slow")), 1, "and is not sent twice")
}

func TestCommandsSayWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		env  []string
		code int
		want string
	}{
		"no such command": {[]string{"dance"}, nil, 2, "没有这个命令"},
		"every bad value": {nil, []string{"PORT=x", "REMEDIATION_MODE=maybe"}, 1, "REMEDIATION_MODE"},
		"help":            {[]string{"help"}, nil, 0, "serve"},
		"version":         {[]string{"version"}, nil, 0, "trade-monitor"},
		"nobody at home":  {[]string{"healthcheck"}, []string{"PORT=1"}, 1, "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(binary(t), test.args...)
			cmd.Dir, cmd.Env = t.TempDir(), test.env
			out, _ := cmd.CombinedOutput()
			require.Equal(t, test.code, cmd.ProcessState.ExitCode(), "%s", out)
			require.Contains(t, string(out), test.want)
		})
	}
}
