package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/wecom/wecomtest"
)

// A group whose robot is gone hears nothing: the others are told, once, and what
// waited is sent when a test arrives there.
func TestTheOtherGroupsAreToldThatARobotIsGone(t *testing.T) {
	robots, env := robotsFor(t)
	s := launch(t, env...)
	trade, ops := robots.Key("trade"), robots.Key("ops")
	s.addGroup("交易组", robots.Webhook("trade"))
	s.addGroup("运维", robots.Webhook("ops"))
	robots.Fail(trade, wecomtest.ErrCode(93008))
	s.notify(ticker("svc"))
	robots.ExpectWithin(t, 3*time.Second, ops, "Ticker同步超时告警")
	robots.ExpectWithin(t, 3*time.Second, ops, "群机器人已失效", "交易组", "errcode 93008")
	robots.ExpectNoMore(t, trade, 0)
	group := objects(s.get("/api/alerts/wechat-groups").fields, "data")[0]
	assert.Equal(t, "BROKEN", group["robotState"])
	assert.Contains(t, group["robotReason"].(map[string]any)["text"], "93008")
	assert.Contains(t, s.get("/metrics").text, `trade_monitor_robot_state{group="1",state="BROKEN"} 1`)
	ready := s.get("/readyz")
	assert.Equal(t, http.StatusOK, ready.status)
	assert.Contains(t, ready.text, `"degraded"`)
	assert.Contains(t, ready.text, "群机器人失效 (groups whose robot is gone): 交易组\"")
	account := objects(s.story(1), "groups")[0]
	assert.Equal(t, "WAITING", account["state"])
	assert.Equal(t, "robot_robot_gone", account["reason"].(map[string]any)["code"])
	assert.EqualValues(t, 93008, account["lastMessage"].(map[string]any)["errCode"])

	own := objects(s.story(int64(s.alarms("交易组")[0]["id"].(float64))), "groups")
	assert.Equal(t, "交易组 own_robot", accountOf(own, "交易组"), "it was never to be told of its own robot, now or later")

	require.Equal(t, http.StatusOK, s.post("/api/alerts/wechat-groups/1/test", "").status)
	robots.ExpectWithin(t, 3*time.Second, trade, "测试消息")
	robots.ExpectWithin(t, 3*time.Second, trade, "Ticker同步超时告警")
	robots.ExpectWithin(t, 3*time.Second, ops, "已恢复：群机器人已失效", "交易组")
	robots.ExpectNoMore(t, ops, time.Second)
	robots.ExpectNoMore(t, trade, 0)
	assert.NotContains(t, s.get("/readyz").text, "robot is gone")
	assert.Equal(t, "OK", objects(s.get("/api/alerts/wechat-groups").fields, "data")[0]["robotState"])
	assert.Equal(t, "TOLD", objects(s.story(1), "groups")[0]["state"])
	alarm := s.alarms("交易组")
	require.Len(t, alarm, 1)
	assert.Equal(t, "ROBOT_BROKEN", alarm[0]["alertType"])
	assert.Equal(t, "RESOLVED", alarm[0]["status"])
}

// accountOf is why a group was or was not told.
func accountOf(groups []map[string]any, name string) string {
	for _, g := range groups {
		if g["groupName"] == name {
			return fmt.Sprint(name, " ", g["reason"].(map[string]any)["code"])
		}
	}
	return name + " has no account"
}

// What WeCom says is too long is cut once.
func TestAMessageThatIsTooLongIsCutOnce(t *testing.T) {
	robots, env := robotsFor(t)
	s := launch(t, env...)
	key := robots.Key("fallback")
	robots.Fail(key, wecomtest.ErrCode(40058))
	s.notify(ticker("svc"))
	m := robots.ExpectWithin(t, 3*time.Second, key, "Ticker同步超时告警")
	assert.LessOrEqual(t, len(m.Content), 2048)
	await(t, 3*time.Second, "the word is settled", func() bool { return objects(s.story(1), "notifications")[0]["status"] == "SENT" })
	assert.Len(t, objects(s.story(1), "messages"), 2)
}
