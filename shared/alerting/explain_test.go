package alerting

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func robotURL(key string) Secret {
	return Secret("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=" + key)
}

// The group whose robot is gone is not told so, which is not because it came later.
func TestAGroupIsNotToldOfItsOwnRobot(t *testing.T) {
	groups := []Group{{ID: 1, Name: "ops", Enabled: true, Webhook: robotURL("a")}, {ID: 2, Name: "others", Enabled: true, Webhook: robotURL("b")}, {ID: 3, Name: "new", Enabled: true, Webhook: robotURL("c")}}
	p := DefaultPolicy()
	s := &Story{
		Alert:         Alert{Type: RobotBroken, Service: "ops"},
		Notifications: []Notification{{ID: 1, GroupID: 2, GroupName: "others", Status: Sent}},
		Decisions:     []Decision{{Word: Reason{Code: "told", Detail: "others"}}},
	}
	got := map[string]string{}
	for _, a := range Explain(s, groups, &p, noon) {
		got[a.Name] = a.Why.Code
	}
	assert.Equal(t, map[string]string{"others": "sent", "ops": "own_robot", "new": "joined_later"}, got)
}

// Every group gets an answer to "why did we (not) hear of it".
func TestEveryGroupIsAccountedFor(t *testing.T) {
	groups := []Group{
		{ID: 1, Name: "ops", Enabled: true, Webhook: robotURL("a")},
		{ID: 2, Name: "off", Webhook: robotURL("b")},
		{ID: 3, Name: "example", Enabled: true, Webhook: robotURL("YOUR_KEY_HERE")},
		{ID: 4, Name: "others", Enabled: true, Webhook: robotURL("d"), AlertTypes: "CONTAINER_DOWN"},
		{ID: 5, Name: "twin", Enabled: true, Webhook: robotURL("a")},
		{ID: 6, Name: "slow", Enabled: true, Webhook: robotURL("f")},
		{ID: 7, Name: "new", Enabled: true, Webhook: robotURL("g")},
		{ID: 8, Name: "queue", Enabled: true, Webhook: robotURL("h")},
	}
	p := DefaultPolicy()
	p.Fallback = robotURL("z")
	s := &Story{
		Alert: Alert{Type: TickerSyncTimeout},
		Notifications: []Notification{
			{ID: 1, GroupID: 1, GroupName: "ops", Status: Sent, MessageID: 11},
			{ID: 2, GroupID: 6, GroupName: "slow", Status: Sent, MessageID: 12, Folded: true},
			{ID: 3, GroupID: 6, GroupName: "slow", Status: Pending, MessageID: 13, Reason: Reason{Code: "robot_busy", Detail: "HTTP 502"}, Waits: Reason{Code: "overload", Until: noon.Add(time.Minute)}},
			{ID: 4, GroupID: 9, GroupName: "gone", Status: Suppressed, Reason: Reason{Code: "group_gone"}},
			{ID: 5, GroupID: 8, GroupName: "queue", Status: Pending},
		},
		Messages: []Message{
			{ID: 11, GroupID: 1, Status: Accepted}, {ID: 12, GroupID: 1, Status: Accepted}, {ID: 13, GroupID: 6, Status: Unknown, Error: "HTTP 502"},
		},
		Decisions: []Decision{{Word: Reason{Code: "told", Detail: "ops, slow"}}, {What: WhatMessage, Word: Reason{Code: "sent", Detail: "ops"}}},
	}
	want := map[string][2]string{
		"ops": {"TOLD", "sent"}, "slow": {"WAITING", "overload"}, "gone": {"NOT_TOLD", "group_gone"}, "queue": {"WAITING", "queued"}, "off": {"NOT_TOLD", "group_off"},
		"example": {"NOT_TOLD", "robot_unset"}, "others": {"NOT_TOLD", "other_types"}, "twin": {"NOT_TOLD", "same_robot"}, "new": {"NOT_TOLD", "joined_later"},
		"WECHAT_WEBHOOK_URL": {"NOT_TOLD", "fallback_unneeded"},
	}
	got := map[string][2]string{}
	for _, a := range Explain(s, groups, &p, noon) {
		got[a.Name] = [2]string{string(a.State), a.Why.Code}
		assert.NotContains(t, a.Why.Text(Chinese, noon), "{}")
		assert.NotEqual(t, a.Why.Code, a.Why.Text(English, noon), "it has a sentence")
		if a.Name == "slow" {
			require.Equal(t, 2, a.Words)
			require.Equal(t, 1, a.Arrived)
			require.Equal(t, Unknown, a.Last.Status, "the newest message")
		}
	}
	assert.Equal(t, want, got)
}

// A call is no news of the alert: that it is not made any more leaves the group told.
func TestACallDoesNotChangeWhetherAGroupWasTold(t *testing.T) {
	p := DefaultPolicy()
	groups := []Group{{ID: 1, Name: "ops", Enabled: true, Webhook: robotURL("a")}, {ID: 2, Name: "late", Enabled: true, Webhook: robotURL("b")}}
	s := &Story{
		Alert: Alert{Type: TickerSyncTimeout},
		Notifications: []Notification{
			{GroupID: 1, GroupName: "ops", Kind: Firing, Status: Sent}, {GroupID: 1, GroupName: "ops", Kind: Call, Status: Suppressed, Reason: Reason{Code: "alert_over"}},
		},
		Decisions: []Decision{{What: WhatEvent, Word: Reason{Code: "told", Detail: "ops"}}, {What: WhatMessage, Word: Reason{Code: "alert_over"}}},
	}
	all := Explain(s, groups, &p, noon)
	require.Equal(t, GroupAccount{ID: 1, Name: "ops", State: GroupTold, Why: Reason{Code: "sent", Detail: "ops"}, AsOf: noon, Words: 2, Arrived: 1}, all[0])
	require.Equal(t, "joined_later", all[1].Why.Code, "and it says nothing of another group")
}

// A group of the audience that was owed nothing is told what kept it back.
func TestAGroupThatWasOwedNothingIsToldWhatKeptItBack(t *testing.T) {
	groups := []Group{{ID: 1, Name: "ops", Enabled: true, Webhook: robotURL("a")}}
	p := DefaultPolicy()
	until := noon.Add(time.Hour)
	s := &Story{Alert: Alert{Type: TickerSyncTimeout}, Decisions: []Decision{{Word: Reason{Code: "silenced", Detail: "li: c", Until: until}, LastAt: noon}}}
	require.Equal(t, []GroupAccount{{ID: 1, Name: "ops", State: GroupNotTold, Why: Reason{Code: "silenced", Detail: "li: c", Until: until}, AsOf: noon}}, Explain(s, groups, &p, noon.Add(time.Minute)))

	rule := p.Rules[TickerSyncTimeout]
	rule.Groups = []string{"ops"}
	p.Rules[TickerSyncTimeout] = rule
	groups = append(groups, Group{ID: 2, Name: "rest", Enabled: true, Webhook: robotURL("b")})
	require.Equal(t, "others_named", Explain(s, groups, &p, noon)[1].Why.Code)
	p.Fallback = robotURL("b")
	groups[1].Enabled, rule.Groups = false, nil
	groups[0].AlertTypes = "OTHER"
	p.Rules[TickerSyncTimeout] = rule
	require.Equal(t, "switched_off", Explain(s, groups, &p, noon)[2].Why.Code)
}
