package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/wecom/wecomtest"
)

// Nobody acknowledges, and the managers are told; somebody does, and they are not.
func TestWhatNobodyAcknowledgesIsEscalated(t *testing.T) {
	t.Parallel()
	robots := wecomtest.Start(t)
	file := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`types:
  DISK_FULL:
    repeat: never
    escalate:
      - {after: 10s, groups: [值班经理群]}
      - {after: 1h, groups: [总监群], severity: CRITICAL}
`), 0o600))
	s := launch(t, "REMEDIATION_MODE=off", "POLICY_FILE="+file, "WECHAT_ALLOWED_HOSTS="+robots.Host)
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	for name, types := range map[string]string{"值班群": "DISK_FULL", "值班经理群": "NOTHING"} {
		r := s.post("/api/alerts/wechat-groups", fmt.Sprintf(`{"groupName":%q,"webhookUrl":%q,"alertTypes":%q}`, name, robots.Webhook(name), types))
		require.Equal(t, http.StatusOK, r.status, r.text)
	}
	duty, managers := robots.Key("值班群"), robots.Key("值班经理群")
	disk := func(service string) event {
		ev := ticker(service)
		ev.EventType, ev.Title = "DISK_FULL", "磁盘已满"
		return ev
	}

	begun := time.Now()
	s.notify(disk("left"))
	s.notify(disk("taken"))
	require.NotNil(t, s.story(1)["escalatesAt"])
	robots.ExpectWithin(t, 10*time.Second, duty, "磁盘已满", "left")
	robots.ExpectWithin(t, 10*time.Second, duty, "磁盘已满", "taken")
	require.Equal(t, http.StatusOK, s.post("/api/alerts/2/acknowledge", `{"by":"wang"}`).status)
	require.Nil(t, s.story(2)["escalatesAt"])
	require.Equal(t, "no_repeat", s.notify(disk("left")).object("notification")["reasonCode"])

	m := robots.ExpectWithin(t, 30*time.Second, managers, "升级（", "秒无人确认）：磁盘已满", "left", "此前已通知：值班群\n", "/api/alerts/1/acknowledge")
	assert.GreaterOrEqual(t, m.At.Sub(begun), 10*time.Second)
	robots.ExpectNoMore(t, managers, time.Second)
	story := s.story(1)
	assert.EqualValues(t, 1, story["escalated"])
	assert.Nil(t, story["escalatesAt"], "the next step is for CRITICAL alerts")
	trail := objects(story, "trail")
	steps := 0
	for _, line := range trail {
		if line["what"] == "escalated" {
			steps++
		}
	}
	assert.Equal(t, 1, steps)

	over := disk("left")
	over.Status = "RESOLVED"
	s.notify(over)
	robots.ExpectWithin(t, 10*time.Second, managers, "已恢复：磁盘已满")
	robots.ExpectWithin(t, 10*time.Second, duty, "已恢复：磁盘已满")
	robots.ExpectNoMore(t, duty, 100*time.Millisecond)
}
