package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

var (
	verdicts = suite{
		"over its rate a robot pauses for a minute":            testRateLimit,
		"a robot that is gone is tried every ten minutes":      testRobotGone,
		"a refused content is dead and does not stop the next": testBadWords,
		"a word that is never taken steps aside":               testStepsAside,
		"what was never shown is not repeated rarely":          testUnanswered,
		"the same failure again adds no line to the trail":     testRepeatedFailure,
		"a long error is cut to its column":                    testLongError,
	}
	reconciliation = suite{
		"SENT, wechat_sent and ACCEPTED agree at any moment": testAgree,
	}
)

func testRateLimit(t *testing.T, e Engine) {
	s := e.open(t, bare)
	record(t, s, plainEvent("a"))
	settle(t, s, claim(t, s), alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassRateLimit, ErrCode: 45009, Error: "api freq out of limit"})
	none, next := claimAs(t, s, "me")
	require.Nil(t, none)
	require.WithinDuration(t, time.Now().Add(time.Minute), next, slack)
	word := storyOf(t, s, 1).Notifications[0]
	require.Equal(t, alerting.Pending, word.Status)
	require.Equal(t, "robot_rate_limit", word.Reason.Code)
	e.pass(t, time.Minute)
	c := claim(t, s)
	require.Equal(t, 1, c.Robot.Failures)
	require.Equal(t, "robot_rate_limit", c.Robot.PauseReason.Code)
	settle(t, s, c, accepted)
	require.Equal(t, []string{"0", "NULL", "NULL", "NULL"}, e.row(t, "SELECT failures, paused_us, reason_code, owner FROM alert_robots"), "well again")
}

func testRobotGone(t *testing.T, e Engine) {
	s := e.open(t, bare)
	record(t, s, plainEvent("a"))
	settle(t, s, claim(t, s), alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassRobotGone, ErrCode: 93000, Error: "invalid webhook url"})
	require.Equal(t, []string{"1"}, e.row(t, "SELECT broken FROM alert_robots"))
	_, next := claimAs(t, s, "me")
	require.WithinDuration(t, time.Now().Add(10*time.Minute), next, slack)
	e.pass(t, 10*time.Minute)
	c := claim(t, s)
	require.True(t, c.Robot.Broken)
	settle(t, s, c, accepted)
	require.Equal(t, []string{"0"}, e.row(t, "SELECT broken FROM alert_robots"))
}

func testBadWords(t *testing.T, e Engine) {
	s := e.open(t, bare)
	record(t, s, plainEvent("a"))
	record(t, s, plainEvent("b"))
	settle(t, s, claim(t, s), alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassBadWords, ErrCode: 40058, Error: "content too long"})
	story := storyOf(t, s, 1)
	require.Equal(t, alerting.Dead, story.Notifications[0].Status)
	require.Equal(t, alerting.Reason{Code: "bad_words", Detail: "content too long"}, story.Notifications[0].Reason)
	require.Equal(t, alerting.Refused, story.Messages[0].Status)
	require.Equal(t, 40058, story.Messages[0].ErrCode)
	require.False(t, story.Alert.WechatSent)
	require.Equal(t, "b", storyOf(t, s, claim(t, s).Notification.AlertID).Alert.Service, "at once")
}

func testStepsAside(t *testing.T, e Engine) {
	s := e.open(t, bare)
	record(t, s, plainEvent("a"))
	record(t, s, plainEvent("b"))
	busy := alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassBusy, ErrCode: -1, Error: "system busy"}
	for range 5 {
		c := claim(t, s)
		require.EqualValues(t, 1, c.Notification.AlertID)
		settle(t, s, c, busy)
		e.pass(t, 40*time.Second) // longer than the robot rests, shorter than a word steps aside
	}
	require.EqualValues(t, 2, claim(t, s).Notification.AlertID)
}

// The robot refuses, and then cuts connections: only the cuts count.
func testUnanswered(t *testing.T, e Engine) {
	s := e.open(t, bare)
	record(t, s, plainEvent("a"))
	limited := alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassRateLimit, ErrCode: 45009, Error: "api freq out of limit"}
	for _, v := range []alerting.Verdict{limited, limited, noAnswer, noAnswer} {
		settle(t, s, claim(t, s), v)
		e.pass(t, 70*time.Second)
	}
	settle(t, s, claim(t, s), noAnswer)
	e.pass(t, 70*time.Second)
	none, next := claimAs(t, s, "me")
	require.Nil(t, none)
	require.WithinDuration(t, time.Now().Add(10*time.Minute-70*time.Second), next, slack)
	require.Equal(t, []string{"5", "3"}, e.row(t, "SELECT attempts, unanswered FROM alert_notifications"))
}

func testRepeatedFailure(t *testing.T, e Engine) {
	s := e.open(t, bare)
	record(t, s, plainEvent("a"))
	for range 12 {
		settle(t, s, claim(t, s), alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassBusy, ErrCode: -1, Error: "system busy"})
		e.pass(t, 15*time.Minute)
	}
	story := storyOf(t, s, 1)
	require.Len(t, story.Messages, 12)
	require.Equal(t, 12, story.Notifications[0].Attempts)
	require.Len(t, story.Decisions, 2, "the event, and that the robot is busy")
	settle(t, s, claim(t, s), accepted)
	require.Equal(t, "sent", storyOf(t, s, 1).Decisions[2].Word.Code)
}

func testLongError(t *testing.T, e Engine) {
	s := e.open(t, bare)
	record(t, s, plainEvent("a"))
	settle(t, s, claim(t, s), alerting.Verdict{Status: alerting.Unknown, Class: alerting.ClassBusy, Error: fmt.Sprintf("%0600d错", 1)})
	require.Len(t, storyOf(t, s, 1).Messages[0].Error, 500)
}

// requireDelivered is promise 2 for words: what is owed is settled or waits,
// SENT is carried by an ACCEPTED message, and wechat_sent is set exactly where
// one was.
func requireDelivered(t testing.TB, e Engine) {
	t.Helper()
	owed := e.count(t, "SELECT COUNT(*) FROM alert_notifications")
	settled := e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE status IN ('SENT', 'SUPPRESSED', 'DEAD', 'PENDING')")
	assert.Equal(t, owed, settled)
	assert.Equal(t, owed, e.count(t, "SELECT SUM(n) FROM alert_totals WHERE scope = 'W'"), "words owed")
	assert.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_notifications n LEFT JOIN alert_messages m ON m.id = n.message_id WHERE n.status = 'SENT' AND (m.status IS NULL OR m.status <> 'ACCEPTED')"),
		"SENT without an ACCEPTED message")
	const sent = "EXISTS (SELECT 1 FROM alert_notifications n WHERE n.alert_id = a.id AND n.status = 'SENT')"
	assert.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_records a WHERE a.wechat_sent = 1 AND NOT "+sent), "wechat_sent without a word SENT")
	assert.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_records a WHERE (a.wechat_sent = 0 OR a.wechat_sent_at IS NULL OR a.wechat_sent_us IS NULL) AND "+sent), "a word SENT without wechat_sent")
}

func testAgree(t *testing.T, e Engine) {
	s := e.open(t, bare)
	outcomes := []alerting.Verdict{
		accepted,
		{Status: alerting.Refused, Class: alerting.ClassBadWords, ErrCode: 40058},
		{Status: alerting.Unknown, Class: alerting.ClassBusy, Error: "no answer"},
		{Status: alerting.Refused, Class: alerting.ClassRateLimit, ErrCode: 45009},
	}
	for i := range 12 {
		record(t, s, plainEvent(fmt.Sprint(i)))
	}
	for i := range 40 {
		c, _ := claimAs(t, s, "me")
		requireDelivered(t, e)
		if c != nil && i%7 != 6 { // every seventh is never answered
			settle(t, s, c, outcomes[i%len(outcomes)])
		}
		requireDelivered(t, e)
		e.pass(t, 70*time.Second)
	}
	require.Positive(t, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE status = 'SENT'"))
	require.Positive(t, e.count(t, "SELECT COUNT(*) FROM alert_messages WHERE status = 'UNKNOWN'"))
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE status = 'PENDING'"), "in the end nothing is overdue")
	first := storyOf(t, s, 1).Alert
	require.True(t, first.WechatSent)
	settledAt := storyOf(t, s, 1).Notifications[0].SettledAt
	require.Equal(t, settledAt, first.WechatSentAt, "sent when its message was accepted")
}
