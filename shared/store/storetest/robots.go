package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// brokenRobots holds who is told that a robot is gone.
var brokenRobots = suite{
	"the other groups are told that a robot is gone, once": testRobotAlarm,
	"a test that works ends the alarm about a robot":       testRobotMended,
	"the only robot's end is on record":                    testOnlyRobotGone,
	"another webhook for the group ends the alarm, too":    testRobotReplaced,
}

var gone = alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassRobotGone, ErrCode: 93000, Error: "errcode 93000"}

// claimOf claims for a group of the table.
func claimOf(t testing.TB, s *store.Store, group int64, webhook string) *alerting.Claim {
	t.Helper()
	c, next, err := s.ClaimMessage(t.Context(), alerting.RobotID(alerting.Secret(webhook)), []int64{group}, "me", 20*time.Second, contentOf)
	require.NoError(t, err)
	require.NotNil(t, c, "nothing to claim before %v", next)
	return c
}

func testRobotAlarm(t *testing.T, e Engine) {
	const one, two = "https://example.com/send?key=1", "https://example.com/send?key=2"
	s := e.open(t, bare)
	e.exec(t, insertGroup, "one", one, "DISK_FULL", 1)
	e.exec(t, insertGroup, "two", two, "CPU", 1)
	record(t, s, plainEvent("a"))
	settle(t, s, claimOf(t, s, 1, one), gone)
	alarm := claimOf(t, s, 2, two)
	require.Equal(t, "FIRING one CRITICAL", alarm.Message.Content, "to who works, whatever it asked for")
	settle(t, s, alarm, accepted)
	e.pass(t, 11*time.Minute)
	settle(t, s, claimOf(t, s, 1, one), gone)
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE group_id = 2"), "once")
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE group_id = 1"), "and not itself")
	require.EqualValues(t, 1, e.count(t, "SELECT occurrences FROM alert_records WHERE alert_type = 'ROBOT_BROKEN'"))
	e.pass(t, 11*time.Minute)
	settle(t, s, claimOf(t, s, 1, one), accepted)
	require.Equal(t, []string{"RESOLVED"}, e.row(t, "SELECT status FROM alert_records WHERE alert_type = 'ROBOT_BROKEN'"))
	require.Equal(t, "RESOLVED one CRITICAL", claimOf(t, s, 2, two).Message.Content)
	requireDelivered(t, e)
}

func testRobotMended(t *testing.T, e Engine) {
	s := e.open(t, bare)
	trial, err := try(t, s, "tester")
	require.NoError(t, err)
	settle(t, s, trial, gone)
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_records"), "who asked is told")
	record(t, s, plainEvent("a"))
	e.pass(t, 11*time.Minute)
	settle(t, s, claim(t, s), gone)
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_records WHERE status = 'OPEN' AND alert_type = 'ROBOT_BROKEN'"))
	trial, err = try(t, s, "tester")
	require.NoError(t, err)
	settle(t, s, trial, accepted)
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_records WHERE status = 'OPEN' AND alert_type = 'ROBOT_BROKEN'"))
}

func testOnlyRobotGone(t *testing.T, e Engine) {
	s := e.open(t, bare)
	record(t, s, plainEvent("a"))
	settle(t, s, claim(t, s), gone)
	story := storyOf(t, s, e.count(t, "SELECT id FROM alert_records WHERE alert_type = 'ROBOT_BROKEN'"))
	assert.Equal(t, "WECHAT_WEBHOOK_URL", story.Alert.Service)
	assert.Empty(t, story.Notifications)
	assert.Equal(t, "no_group", story.Decisions[0].Word.Code)
}

func testRobotReplaced(t *testing.T, e Engine) {
	const old, changed = "https://example.com/send?key=1", "https://example.com/send?key=2"
	s := e.open(t, bare)
	e.exec(t, insertGroup, "one", old, nil, 1)
	record(t, s, plainEvent("a"))
	settle(t, s, claimOf(t, s, 1, old), gone)
	e.exec(t, "UPDATE wechat_groups SET webhook_url = ?", changed)
	settle(t, s, claimOf(t, s, 1, changed), accepted)
	require.Equal(t, []string{"RESOLVED"}, e.row(t, "SELECT status FROM alert_records WHERE alert_type = 'ROBOT_BROKEN'"))
}
