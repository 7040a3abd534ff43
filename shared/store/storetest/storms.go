package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

var storms = suite{
	"what is too much goes into one message, CRITICAL first":    testFolded,
	"every word of a digest says which message carried it":      testFoldedStory,
	"a digest that fails leaves its words owed":                 testFailedDigest,
	"a digest that is refused is cut, and kills no word":        testRefusedDigest,
	"a digest that was left behind is sent again":               testDigestLeftBehind,
	"words that were suppressed meanwhile were said":            testDigestSuppressed,
	"one word in a digest's turn reads as any other":            testDigestOfOne,
	"words of deleted alerts do not hold a digest up":           testDigestBuried,
	"the end of a storm is told, with its numbers":              testStormOver,
	"the end of a storm that was refused is told again":         testStormOverRefused,
	"an alert with two words in one digest has two lines":       testTwoWordsInOne,
	"a digest is kept as long as an alert that it told of":      testDigestKept,
	"thousands of words are claimed and settled in few seconds": testThousands,
}

// flood records words and lets the time pass that they are collected for.
func flood(t testing.TB, e Engine, s *store.Store, n int, severity alerting.Severity) {
	t.Helper()
	var events []alerting.Event
	for i := range n {
		ev := plainEvent(fmt.Sprintf("%s-%d", severity, i))
		ev.Severity = severity
		events = append(events, ev)
	}
	_, err := s.RecordEvents(t.Context(), events)
	require.NoError(t, err)
	e.pass(t, 3*time.Second)
}

// sendAll claims and settles until nothing can be sent now.
func sendAll(t testing.TB, s *store.Store) (contents []string) {
	t.Helper()
	for {
		c, _ := claimAs(t, s, "me")
		if c == nil {
			return contents
		}
		contents = append(contents, c.Message.Content)
		settle(t, s, c, accepted)
	}
}

func testFolded(t *testing.T, e Engine) {
	s := e.open(t, bare)
	flood(t, e, s, 30, alerting.Error)
	flood(t, e, s, 30, alerting.Critical)
	first := sendAll(t, s)
	require.Len(t, first, 9)
	for i := range 8 {
		require.Equal(t, fmt.Sprintf("FIRING CRITICAL-%d CRITICAL", i), first[i])
	}
	require.Equal(t, "digest critical=true words=22 alerts=22 services=22 form=0", first[8])
	requireDelivered(t, e)
	e.pass(t, 6*time.Second)
	require.Equal(t, []string{"digest critical=false words=30 alerts=30 services=30 form=0"}, sendAll(t, s))
	require.Equal(t, []string{"CRITICAL 1 8", "CRITICAL_DIGEST 22 1", "DIGEST 30 1"}, kindsOf(t, e))
	require.EqualValues(t, 60, e.count(t, "SELECT COUNT(*) FROM alert_records WHERE wechat_sent = 1"))
	requireDelivered(t, e)
}

// kindsOf lists the kinds of messages with their words, and how many there are.
func kindsOf(t testing.TB, e Engine) (kinds []string) {
	t.Helper()
	rows, err := e.SQL(t).Query("SELECT kind, words, COUNT(*) FROM alert_messages GROUP BY kind, words ORDER BY kind, words")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var kind string
		var words, n int
		require.NoError(t, rows.Scan(&kind, &words, &n))
		kinds = append(kinds, fmt.Sprint(kind, " ", words, " ", n))
	}
	return kinds
}

func testFoldedStory(t *testing.T, e Engine) {
	s := e.open(t, bare)
	for i := range 12 {
		record(t, s, plainEvent(fmt.Sprint("ERROR-", i)))
	}
	waiting := storyOf(t, s, 1).Notifications[0]
	require.Equal(t, "overload", waiting.Waits.Code, "why it is not sent yet")
	require.WithinDuration(t, time.Now().Add(2*time.Second), waiting.Waits.Until, slack)
	e.pass(t, 3*time.Second)
	require.Len(t, sendAll(t, s), 1)
	id := e.count(t, "SELECT id FROM alert_records WHERE service_name = 'ERROR-2'")
	story := storyOf(t, s, id)
	require.Len(t, story.Messages, 1, "the message that carried it is part of its story")
	require.Equal(t, 12, story.Messages[0].Words)
	require.Equal(t, alerting.DigestOther, story.Messages[0].Kind)
	word := story.Notifications[0]
	require.Equal(t, alerting.Sent, word.Status)
	require.True(t, word.Folded)
	require.Equal(t, story.Messages[0].ID, word.MessageID)
	require.Equal(t, 1, word.Attempts)
	require.True(t, word.Waits.IsZero())
	last := story.Decisions[len(story.Decisions)-1]
	require.Equal(t, alerting.Reason{Code: "folded", Detail: "WECHAT_WEBHOOK_URL"}, last.Word)
	require.Equal(t, 2, last.Seq)
	require.Equal(t, fmt.Sprintf("告警，消息 %d", word.MessageID), last.Note)
	require.Equal(t, alerting.TrailEnd{Seq: 2, Code: "message|folded||"}, story.Alert.Trail)
	require.Equal(t, word.SettledAt, story.Alert.WechatSentAt)
	record(t, s, plainEvent("ERROR-2"))
	require.Len(t, storyOf(t, s, id).Decisions, 3, "the trail goes on")

	flood(t, e, s, 1, alerting.Warning)
	single := claim(t, s)
	settle(t, s, single, accepted)
	require.False(t, storyOf(t, s, single.Notification.AlertID).Notifications[0].Folded)
}

var noAnswer = alerting.Verdict{Status: alerting.Unknown, Class: alerting.ClassBusy, Error: "cut"}

func testFailedDigest(t *testing.T, e Engine) {
	s := e.open(t, bare)
	flood(t, e, s, 12, alerting.Error)
	settle(t, s, claim(t, s), noAnswer)
	requireDelivered(t, e)
	require.EqualValues(t, 12, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE status = 'PENDING' AND attempts = 1 AND reason_code = 'robot_busy'"))
	require.Equal(t, "robot_busy", storyOf(t, s, 1).Decisions[1].Word.Code)
	require.Equal(t, "robot_busy", storyOf(t, s, 1).Notifications[0].Waits.Code, "its robot rests")
	record(t, s, plainEvent("late"))
	for range 2 {
		e.pass(t, 20*time.Second)
		settle(t, s, claim(t, s), noAnswer)
	}
	require.Len(t, storyOf(t, s, 1).Decisions, 2, "the same failure again adds no line")
	require.EqualValues(t, 12, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE unanswered = 3 AND next_us > ?", time.Now().UnixMicro()), "people may have seen them thrice: they are repeated rarely")
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE attempts = 2"), "and the other at once")
	e.pass(t, 15*time.Minute)
	require.Equal(t, "digest critical=false words=13 alerts=13 services=13 form=0", claim(t, s).Message.Content)
}

func testRefusedDigest(t *testing.T, e Engine) {
	s := e.open(t, bare)
	flood(t, e, s, 12, alerting.Error)
	tooLong := alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassTooLong, ErrCode: 40058, Error: "errcode 40058"}
	for form := range 3 {
		require.Equal(t, fmt.Sprintf("digest critical=false words=12 alerts=12 services=12 form=%d", form), claimAgain(t, e, s, tooLong))
	}
	require.EqualValues(t, 12, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE status = 'PENDING'"))
	e.pass(t, 2*time.Minute)
	require.Equal(t, "digest critical=false words=12 alerts=12 services=12 form=2", sendAll(t, s)[0])
	require.EqualValues(t, 12, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE status = 'SENT' AND attempts = 4"))
	requireDelivered(t, e)
}

func claimAgain(t testing.TB, e Engine, s *store.Store, v alerting.Verdict) string {
	t.Helper()
	c := claim(t, s)
	settle(t, s, c, v)
	e.pass(t, 20*time.Second)
	return c.Message.Content
}

func testDigestLeftBehind(t *testing.T, e Engine) {
	s := e.open(t, bare)
	flood(t, e, s, 12, alerting.Error)
	lost := claim(t, s)
	e.pass(t, 21*time.Second)
	again, next := claimAs(t, s, "another")
	require.Nil(t, again, "it may have been shown until its lease ended: it counts as a digest")
	require.WithinDuration(t, time.Now().Add(4*time.Second), next, slack)
	e.pass(t, 5*time.Second)
	again, _ = claimAs(t, s, "another")
	require.NotNil(t, again)
	require.Equal(t, 12, again.Message.Words)
	settle(t, s, lost, accepted) // it arrived after all
	requireDelivered(t, e)
	settle(t, s, again, accepted)
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE status <> 'SENT' OR message_id <> ?", again.Message.ID))
	requireDelivered(t, e)
}

func testDigestSuppressed(t *testing.T, e Engine) {
	for _, c := range []struct {
		verdict alerting.Verdict
		status  string
	}{{accepted, "SENT"}, {noAnswer, "SUPPRESSED"}} {
		s := e.open(t, bare)
		flood(t, e, s, 12, alerting.Error)
		flying := claim(t, s)
		require.NoError(t, s.Suppress(t.Context(), []int64{0}, alerting.Reason{Code: "group_gone"}))
		settle(t, s, flying, c.verdict)
		require.EqualValues(t, 12, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE status = ? AND message_id = ?", c.status, flying.Message.ID))
		requireDelivered(t, e)
		e.pass(t, time.Hour)
	}
}

func testDigestOfOne(t *testing.T, e Engine) {
	s := e.open(t, bare)
	flood(t, e, s, 7, alerting.Error)
	require.Len(t, sendAll(t, s), 7)
	for i := range 4 {
		record(t, s, plainEvent(fmt.Sprint("calm-", i)))
		require.Len(t, sendAll(t, s), 1, "at once, as nothing else waits")
	}
	flood(t, e, s, 1, alerting.Warning)
	require.Equal(t, []string{"FIRING WARNING-0 WARNING"}, sendAll(t, s))
	require.Equal(t, []string{"DIGEST 1 1", "SINGLE 1 11"}, kindsOf(t, e))
	story := storyOf(t, s, e.count(t, "SELECT id FROM alert_records WHERE service_name = 'WARNING-0'"))
	require.False(t, story.Notifications[0].Folded)
	require.Equal(t, "sent", story.Decisions[1].Word.Code)
	requireDelivered(t, e)
}

func testDigestBuried(t *testing.T, e Engine) {
	s := e.open(t, bare)
	flood(t, e, s, 12, alerting.Error)
	e.exec(t, "DELETE FROM alert_records WHERE service_name IN ('ERROR-0', 'ERROR-1', 'ERROR-2', 'ERROR-3', 'ERROR-4')")
	require.Equal(t, []string{"digest critical=false words=7 alerts=7 services=7 form=0"}, sendAll(t, s))
	require.EqualValues(t, 5, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE status = 'DEAD' AND reason_code = 'alert_gone'"))

	e.pass(t, time.Hour)
	flood(t, e, s, 12, alerting.Warning)
	e.exec(t, "DELETE FROM alert_records WHERE service_name LIKE 'WARNING%'")
	require.Empty(t, sendAll(t, s))
	require.EqualValues(t, 17, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE status = 'DEAD'"))
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_messages WHERE status = 'SENDING'"), "no slot is used for nothing")
	record(t, s, plainEvent("next"))
	settle(t, s, claim(t, s), accepted)
}

func testStormOver(t *testing.T, e Engine) {
	s := e.open(t, bare)
	flood(t, e, s, 3, alerting.Critical)
	require.Len(t, sendAll(t, s), 3)
	flood(t, e, s, 25, alerting.Error)
	flood(t, e, s, 25, alerting.Error) // the same alerts: events without a word
	require.Len(t, sendAll(t, s), 1)
	queues, err := s.Queues(t.Context())
	require.NoError(t, err)
	require.Len(t, queues, 1, "the robot is looked after although nothing waits")
	require.True(t, queues[0].Storm)
	none, next := claimAs(t, s, "me")
	require.Nil(t, none)
	require.WithinDuration(t, time.Now().Add(alerting.StormQuiet), next, slack)
	e.pass(t, alerting.StormQuiet)
	e.exec(t, "UPDATE alert_notifications SET status = 'DEAD' WHERE alert_id = (SELECT id FROM alert_records WHERE service_name = 'ERROR-24')") // as if it could not be said
	c := claim(t, s)
	require.Equal(t, "over events=53 alerts=28 messages=4 lost=1", c.Message.Content)
	require.Equal(t, alerting.StormOver, c.Message.Kind)
	require.Zero(t, c.Message.Words)
	settle(t, s, c, accepted)
	require.Empty(t, sendAll(t, s), "once")
	queues, err = s.Queues(t.Context())
	require.NoError(t, err)
	require.Empty(t, queues)

	flood(t, e, s, 12, alerting.Info)
	e.pass(t, time.Minute)
	require.Len(t, sendAll(t, s), 1)
	e.pass(t, time.Minute)
	require.Empty(t, sendAll(t, s), "a dozen alerts are no storm")
}

func testStormOverRefused(t *testing.T, e Engine) {
	s := e.open(t, bare)
	flood(t, e, s, 25, alerting.Error)
	require.Len(t, sendAll(t, s), 1)
	e.pass(t, time.Minute)
	settle(t, s, claim(t, s), alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassBusy, ErrCode: -1})
	e.pass(t, time.Minute)
	c := claim(t, s)
	require.Equal(t, "over events=25 alerts=25 messages=1 lost=0", c.Message.Content)
	settle(t, s, c, noAnswer)
	e.pass(t, time.Minute)
	require.Empty(t, sendAll(t, s), "it may have been shown")
}

func testTwoWordsInOne(t *testing.T, e Engine) {
	s := e.open(t, bare)
	flood(t, e, s, 12, alerting.Error)
	id := record(t, s, over(plainEvent("ERROR-4"))).AlertID
	e.pass(t, 3*time.Second)
	require.Equal(t, []string{"digest critical=false words=13 alerts=12 services=12 form=0"}, sendAll(t, s))
	story := storyOf(t, s, id)
	require.Len(t, story.Decisions, 4)
	require.Equal(t, 4, story.Alert.Trail.Seq)
	require.Len(t, story.Messages, 1)
	requireDelivered(t, e)
}

func testDigestKept(t *testing.T, e Engine) {
	s := e.open(t, bare)
	flood(t, e, s, 12, alerting.Error)
	require.Len(t, sendAll(t, s), 1)
	for i := range 11 {
		record(t, s, over(plainEvent(fmt.Sprint("ERROR-", i))))
	}
	e.exec(t, "UPDATE alert_notifications SET status = 'SUPPRESSED' WHERE status = 'PENDING'")
	for _, open := range []int64{1, 0} {
		e.pass(t, 48*time.Hour)
		e.exec(t, "UPDATE alert_records SET updated_at = '2020-01-01 00:00:00', created_at = '2020-01-01 00:00:00'")
		_, err := s.ForgetAlerts(t.Context(), 24*time.Hour)
		require.NoError(t, err)
		require.EqualValues(t, open, e.count(t, "SELECT COUNT(*) FROM alert_records"))
		require.EqualValues(t, open, e.count(t, "SELECT COUNT(*) FROM alert_messages"))
		requireDelivered(t, e)
		e.exec(t, "UPDATE alert_records SET status = 'RESOLVED'")
	}
}

// testThousands bounds what claiming and settling take, generously: a statement
// for each word would take minutes.
func testThousands(t *testing.T, e Engine) {
	const n = 10_000
	s := e.open(t, bare)
	for part := range 4 {
		events := make([]alerting.Event, n/4)
		for i := range events {
			events[i] = plainEvent(fmt.Sprint(part, "-", i))
		}
		_, err := s.RecordEvents(t.Context(), events)
		require.NoError(t, err)
	}
	e.pass(t, 3*time.Second)
	begun := time.Now()
	c := claim(t, s)
	claimed := time.Since(begun)
	settle(t, s, c, accepted)
	t.Logf("%d words: claimed in %s, settled in %s", n, claimed.Round(time.Millisecond), (time.Since(begun) - claimed).Round(time.Millisecond))
	require.Equal(t, n, c.Message.Words)
	require.Less(t, time.Since(begun), slack)
	require.EqualValues(t, n, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE status = 'SENT'"))
	require.EqualValues(t, n, e.count(t, "SELECT COUNT(*) FROM alert_decisions WHERE word_code = 'folded'"))
	requireDelivered(t, e)
}
