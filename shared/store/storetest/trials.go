package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

var groups = suite{
	"a group is added, changed and removed":               testGroupsAreKept,
	"a row may stand for the robot of the environment":    testEnvironmentGroup,
	"a test message costs budget and the robot's lease":   testTrialCosts,
	"a robot over its rate is not tried, a gone one is":   testTrialOfAPausedRobot,
	"a test that arrives lets what waits be sent":         testTrialHastens,
	"a test hastens every group of the robot, no other":   testTrialHastensTheRobot,
	"a test that a process left behind counts as UNKNOWN": testTrialLeftBehind,
}

func testGroupsAreKept(t *testing.T, e Engine) {
	s := e.Open(t, Setup{Policy: Policy})
	g, err := s.CreateGroup(t.Context(), alerting.Group{Name: "运维", Webhook: "https://h/send?key=test-robot-a", Enabled: true})
	require.NoError(t, err)
	require.NotZero(t, g.ID)
	assert.WithinDuration(t, time.Now(), g.CreatedAt, slack)

	changed, err := s.UpdateGroup(t.Context(), g.ID, func(g alerting.Group) (alerting.Group, error) {
		g.Enabled, g.AlertTypes, g.Description = false, "A,B", "d"
		return g, nil
	})
	require.NoError(t, err)
	all, err := s.Groups(t.Context())
	require.NoError(t, err)
	require.Equal(t, []alerting.Group{changed}, all)
	assert.False(t, changed.Enabled)

	require.NoError(t, s.DeleteGroup(t.Context(), g.ID))
	require.ErrorIs(t, s.DeleteGroup(t.Context(), g.ID), alerting.ErrNotFound)
	_, err = s.UpdateGroup(t.Context(), g.ID, func(g alerting.Group) (alerting.Group, error) { return g, nil })
	require.ErrorIs(t, err, alerting.ErrNotFound)
}

func testEnvironmentGroup(t *testing.T, e Engine) {
	s := e.Open(t, Setup{Policy: Policy})
	e.exec(t, "INSERT INTO wechat_groups (group_name, webhook_url) VALUES ('默认告警群', '${WECHAT_WEBHOOK_URL}')")
	all, err := s.Groups(t.Context())
	require.NoError(t, err)
	require.Equal(t, Policy().Fallback.Reveal(), all[0].Webhook.Reveal())
	_, err = s.UpdateGroup(t.Context(), all[0].ID, func(g alerting.Group) (alerting.Group, error) {
		g.Name = "另一个名字"
		return g, nil
	})
	require.NoError(t, err)
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM wechat_groups WHERE webhook_url = '${WECHAT_WEBHOOK_URL}'"), "the key itself is never written")

	require.Equal(t, []string{"另一个名字"}, record(t, s, Event("svc")).Groups, "and not the fallback besides: it is the same robot")
}

func try(t *testing.T, s *store.Store, owner string) (*alerting.Claim, error) {
	t.Helper()
	return s.ClaimTrial(t.Context(), robot, 0, owner, 20*time.Second, alerting.Post{Format: alerting.Text, Content: "a test"})
}

func refusedAs(t *testing.T, err error, code string) alerting.Reason {
	t.Helper()
	var refused *alerting.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, code, refused.Reason.Code)
	require.False(t, refused.Reason.Until.IsZero(), "it says when to try again")
	return refused.Reason
}

func testTrialCosts(t *testing.T, e Engine) {
	s := e.Open(t, Setup{Policy: Policy})
	for i := range alerting.RobotBudget {
		c, err := try(t, s, "tester")
		require.NoError(t, err, i)
		_, err = try(t, s, "another")
		refusedAs(t, err, "robot_in_flight")
		settle(t, s, c, accepted)
	}
	_, err := try(t, s, "tester")
	refusedAs(t, err, "robot_budget")
	require.EqualValues(t, alerting.RobotBudget, e.count(t, "SELECT COUNT(*) FROM alert_messages WHERE status = 'ACCEPTED' AND alert_id IS NULL AND content = 'a test' AND format = 'text'"))
}

func testTrialOfAPausedRobot(t *testing.T, e Engine) {
	s := e.Open(t, Setup{Policy: Policy})
	c, err := try(t, s, "tester")
	require.NoError(t, err)
	settle(t, s, c, alerting.Verdict{Status: alerting.Refused, ErrCode: 93000, Class: alerting.ClassRobotGone, Error: "errcode 93000"})
	c, err = try(t, s, "tester")
	require.NoError(t, err, "somebody asks whether it is mended")
	settle(t, s, c, alerting.Verdict{Status: alerting.Refused, ErrCode: 45009, Class: alerting.ClassRateLimit, Error: "errcode 45009"})
	_, err = try(t, s, "tester")
	refusedAs(t, err, "robot_rate_limit")
}

func testTrialHastens(t *testing.T, e Engine) {
	woken := 0
	s := e.Open(t, Setup{Policy: Policy, OnCommit: func(c store.Commit) {
		if c.Words {
			woken++
		}
	}})
	record(t, s, Event("svc"))
	settle(t, s, claim(t, s), alerting.Verdict{Status: alerting.Refused, ErrCode: 93000, Class: alerting.ClassRobotGone, Error: "errcode 93000"})
	e.exec(t, "UPDATE alert_notifications SET next_us = next_us + 3600000000")
	c, next := claimAs(t, s, "me")
	require.Nil(t, c)
	require.False(t, next.IsZero())

	before := woken
	trial, err := try(t, s, "tester")
	require.NoError(t, err)
	settle(t, s, trial, accepted)
	require.Greater(t, woken, before, "the loop is woken")
	require.NotNil(t, claim(t, s), "and the word is due")
}

func testTrialLeftBehind(t *testing.T, e Engine) {
	s := e.Open(t, Setup{Policy: Policy})
	_, err := s.ClaimTrial(t.Context(), robot, 0, "gone", time.Millisecond, alerting.Post{Content: "a test"})
	require.NoError(t, err)
	time.Sleep(5 * time.Millisecond)
	_, err = try(t, s, "tester")
	require.NoError(t, err)
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_messages WHERE status = 'UNKNOWN'"))
}

func testTrialHastensTheRobot(t *testing.T, e Engine) {
	s := e.Open(t, Setup{Policy: Policy})
	add := func(name, webhook, types string) int64 {
		g, err := s.CreateGroup(t.Context(), alerting.Group{Name: name, Webhook: alerting.Secret(webhook), AlertTypes: types, Enabled: true})
		require.NoError(t, err)
		return g.ID
	}
	one := add("one", "https://h/send?key=test-robot-a", "A")
	add("two", "https://h/send?key=test-robot-a", "B")
	add("other", "https://h/send?key=test-robot-b", "C")
	for _, alertType := range []string{"A", "B", "C"} {
		ev := Event("svc")
		ev.Type = alertType
		record(t, s, ev)
	}
	e.exec(t, "UPDATE alert_notifications SET next_us = next_us + 3600000000")
	c, err := s.ClaimTrial(t.Context(), alerting.RobotID("https://h/send?key=test-robot-a"), one, "tester", 20*time.Second, alerting.Post{Content: "a test"})
	require.NoError(t, err)
	settle(t, s, c, accepted)
	queues, err := s.Queues(t.Context())
	require.NoError(t, err)
	require.Len(t, queues, 3)
	due := 0
	for _, q := range queues {
		if q.NextAt.Before(time.Now().Add(slack)) {
			due++
		}
	}
	require.Equal(t, 2, due, "both groups of the robot that works, and not the third")
}
