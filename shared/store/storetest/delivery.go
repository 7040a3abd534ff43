package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

var deliveries = suite{
	"CRITICAL goes first, then the oldest":                 testOrder,
	"one message is in flight per robot":                   testOneInFlight,
	"no more than 19 messages in any 61 seconds":           testBudget,
	"a lease that ran out leaves UNKNOWN and a word owed":  testLeaseRunsOut,
	"a released lease may be taken at once":                testReleasedLease,
	"a late verdict still counts":                          testLateVerdict,
	"queues tell what waits and since when":                testQueues,
	"a message tells of the newest event and its remedy":   testBrief,
	"a deleted alert does not hold up those behind it":     testBuried,
	"without groups or words there is nothing to claim":    testNothingToClaim,
	"the content that was sent is on record before it is":  testIntentFirst,
	"a rolled back claim leaves the robot and its budget":  testRefusedContent,
	"suppressed words are settled with their reason":       testSuppress,
	"a suppressed word that arrives all the same was sent": testSuppressedInFlight,
}

// bare is a policy that tells the fallback robot and restarts nothing.
func bare(p *alerting.Policy) { p.Rules = nil }

var (
	accepted = alerting.Verdict{Status: alerting.Accepted, Class: alerting.ClassOK}
	robot    = alerting.RobotID(Policy().Fallback)
)

// Pen writes the message about one word, and numbers about many.
type Pen func(alerting.Brief) string

func (write Pen) Word(b alerting.Brief) string { return write(b) }

func (write Pen) Digest(d alerting.Digest) string {
	return fmt.Sprintf("digest critical=%t words=%d alerts=%d services=%d form=%d", d.Critical, d.Words, d.Alerts, d.Services, d.Form)
}

func (write Pen) StormOver(s alerting.Storm) string {
	return fmt.Sprintf("over events=%d alerts=%d messages=%d lost=%d", s.Events, s.Alerts, s.Messages, s.Lost)
}

func (write Pen) Summons(s alerting.Summons) string {
	text := fmt.Sprintf("call for %d", len(s.Alerts))
	for _, a := range s.Alerts {
		text += " " + a.Service
	}
	return text
}

var contentOf Pen = func(b alerting.Brief) string {
	text := fmt.Sprintf("%s %s %s", b.Notification.Kind, b.Alert.Service, b.Alert.Severity)
	if b.Short {
		text += " short"
	}
	return text
}

func claimAs(t testing.TB, s *store.Store, owner string) (*alerting.Claim, time.Time) {
	t.Helper()
	claim, next, err := s.ClaimMessage(t.Context(), robot, []int64{0}, owner, 20*time.Second, contentOf)
	assert.NoError(t, err)
	return claim, next
}

func claim(t testing.TB, s *store.Store) *alerting.Claim {
	t.Helper()
	c, next := claimAs(t, s, "me")
	require.NotNil(t, c, "nothing to claim before %v", next)
	return c
}

func settle(t testing.TB, s *store.Store, c *alerting.Claim, v alerting.Verdict) {
	t.Helper()
	require.NoError(t, s.SettleMessage(t.Context(), c, v, 0))
}

func testOrder(t *testing.T, e Engine) {
	s := e.open(t, bare)
	for i, severity := range []alerting.Severity{alerting.Info, alerting.Error, alerting.Critical, alerting.Warning, alerting.Critical} {
		ev := plainEvent(fmt.Sprint(i))
		ev.Severity = severity
		record(t, s, ev)
	}
	var order []string
	for range 5 {
		c := claim(t, s)
		order = append(order, c.Message.Content)
		settle(t, s, c, accepted)
	}
	require.Equal(t, []string{"FIRING 2 CRITICAL", "FIRING 4 CRITICAL", "FIRING 0 INFO", "FIRING 1 ERROR", "FIRING 3 WARNING"}, order)
	none, next := claimAs(t, s, "me")
	require.Nil(t, none)
	require.True(t, next.IsZero(), "nothing waits")
}

func testOneInFlight(t *testing.T, e Engine) {
	s := e.open(t, bare)
	record(t, s, plainEvent("a"))
	record(t, s, plainEvent("b"))
	first := claim(t, s)
	for _, owner := range []string{"me", "another"} {
		second, next := claimAs(t, s, owner)
		require.Nil(t, second)
		require.WithinDuration(t, time.Now().Add(20*time.Second), next, slack, "come back when the lease ends")
	}
	other, _, err := s.ClaimMessage(t.Context(), "another-robot", []int64{0}, "me", time.Second, contentOf)
	require.NoError(t, err)
	require.NotNil(t, other, "another robot is not held up")
	settle(t, s, first, accepted)
	claim(t, s)
}

// testBudget: tests use the budget as well as words do, so 19 are 19: one of the
// robot's 20 is for the emergency word.
func testBudget(t *testing.T, e Engine) {
	s := e.open(t, bare)
	for i := range 8 {
		ev := plainEvent(fmt.Sprint(i))
		if i < 7 {
			record(t, s, ev)
		}
		ev.Type, ev.Severity = "CPU", alerting.Critical
		record(t, s, ev)
	}
	for i := range 15 {
		settle(t, s, claim(t, s), accepted)
		if i == 9 {
			e.pass(t, 30*time.Second)
		}
	}
	for range 4 {
		c, err := try(t, s, "tester")
		require.NoError(t, err)
		settle(t, s, c, accepted)
	}
	record(t, s, plainEvent("one more"))
	again := e.open(t, bare) // the budget outlives the process
	none, next := claimAs(t, again, "me")
	require.Nil(t, none)
	require.Equal(t, e.count(t, "SELECT MIN(slot_until) FROM alert_messages"), next.UnixMicro(), "when the first slot is free")
	e.pass(t, 10*time.Second)
	none, _ = claimAs(t, again, "me")
	require.Nil(t, none)
	e.pass(t, 22*time.Second)
	settle(t, again, claim(t, again), accepted)
	requireDelivered(t, e)
}

func testLeaseRunsOut(t *testing.T, e Engine) {
	s := e.open(t, bare)
	record(t, s, plainEvent("a"))
	lost := claim(t, s)
	e.pass(t, 21*time.Second)
	again, _ := claimAs(t, s, "another")
	require.NotNil(t, again, "the word is owed again")
	require.Equal(t, lost.Notification.ID, again.Notification.ID)
	require.Equal(t, 1, again.Notification.Attempts)
	story := storyOf(t, s, 1)
	require.Len(t, story.Messages, 2)
	require.Equal(t, alerting.Unknown, story.Messages[0].Status)
	require.Equal(t, "process_ended", story.Messages[0].Error)
	require.WithinDuration(t, time.Now().Add(alerting.SlotLife), story.Messages[0].SlotUntil, slack, "it may have been shown: it costs budget")
	settle(t, s, again, accepted)
	requireDelivered(t, e)
}

func testReleasedLease(t *testing.T, e Engine) {
	s := e.open(t, bare)
	record(t, s, plainEvent("a"))
	claim(t, s)
	require.NoError(t, s.ReleaseLeases(t.Context(), "nobody"))
	none, _ := claimAs(t, s, "me")
	require.Nil(t, none, "another's lease is not released")
	require.NoError(t, s.ReleaseLeases(t.Context(), "me"))
	settle(t, s, claim(t, s), accepted)
	requireDelivered(t, e)
}

func testLateVerdict(t *testing.T, e Engine) {
	s := e.open(t, bare)
	record(t, s, plainEvent("a"))
	late := claim(t, s)
	e.pass(t, 21*time.Second)
	next, _ := claimAs(t, s, "another")
	settle(t, s, late, accepted) // it arrived after all
	story := storyOf(t, s, 1)
	require.Equal(t, alerting.Sent, story.Notifications[0].Status)
	require.Equal(t, late.Message.ID, story.Notifications[0].MessageID)
	none, _ := claimAs(t, s, "third")
	require.Nil(t, none)
	settle(t, s, next, alerting.Verdict{Status: alerting.Unknown, Class: alerting.ClassBusy, Error: "cut"})
	require.Equal(t, alerting.Sent, storyOf(t, s, 1).Notifications[0].Status, "sent stays sent")
	requireDelivered(t, e)
}

func testQueues(t *testing.T, e Engine) {
	s := e.open(t, bare)
	queues, err := s.Queues(t.Context())
	require.NoError(t, err)
	require.Empty(t, queues)
	e.exec(t, insertGroup, "one", "https://example.com/send?key=1", "DISK_FULL", 1)
	record(t, s, plainEvent("a"))
	record(t, s, plainEvent("b"))
	other := plainEvent("a")
	other.Type = "CPU"
	record(t, s, other)
	queues, err = s.Queues(t.Context())
	require.NoError(t, err)
	require.Len(t, queues, 2)
	require.EqualValues(t, 0, queues[0].GroupID)
	require.EqualValues(t, 1, queues[0].Pending)
	require.EqualValues(t, 2, queues[1].Pending)
	require.WithinDuration(t, time.Now(), queues[1].NextAt, slack)
}

func testBrief(t *testing.T, e Engine) {
	s := e.open(t)
	ev := Event(container)
	record(t, s, ev)
	var briefs []alerting.Brief
	render := Pen(func(b alerting.Brief) string { briefs = append(briefs, b); return "x" })
	c, _, err := s.ClaimMessage(t.Context(), robot, []int64{0}, "me", time.Second, render)
	require.NoError(t, err)
	settle(t, s, c, accepted)
	require.Nil(t, briefs[0].Latest, "the alert's own words are those of its only event")
	require.Equal(t, alerting.Restart, briefs[0].Remediation.Action)
	ev.Message, ev.Severity = "still", alerting.Critical
	record(t, s, ev)
	_, _, err = s.ClaimMessage(t.Context(), robot, []int64{0}, "me", time.Second, render)
	require.NoError(t, err)
	require.NotNil(t, briefs[1].Latest)
	require.Equal(t, "still", briefs[1].Latest.Message)
	require.EqualValues(t, 2, briefs[1].Latest.N)
}

func testBuried(t *testing.T, e Engine) {
	s := e.open(t, bare)
	record(t, s, plainEvent("a"))
	record(t, s, plainEvent("b"))
	inFlight := claim(t, s)
	e.exec(t, "DELETE FROM alert_records WHERE id = 1")
	settle(t, s, inFlight, alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassBusy, ErrCode: -1})
	e.pass(t, time.Minute)
	var c *alerting.Claim
	for range 2 {
		if c, _ = claimAs(t, s, "me"); c != nil {
			break
		}
	}
	require.NotNil(t, c)
	require.EqualValues(t, 2, c.Notification.AlertID)
	require.Equal(t, []string{"DEAD", "alert_gone"}, e.row(t, "SELECT status, reason_code FROM alert_notifications WHERE alert_id = 1"))
}

func testNothingToClaim(t *testing.T, e Engine) {
	s := e.open(t, bare)
	c, next, err := s.ClaimMessage(t.Context(), robot, nil, "me", time.Second, contentOf)
	require.NoError(t, err)
	require.Nil(t, c)
	require.True(t, next.IsZero())
	claimAs(t, s, "me")
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_robots"), "an idle robot costs no write")
	require.NoError(t, s.Suppress(t.Context(), nil, alerting.Reason{Code: "group_gone"}))
}

func testIntentFirst(t *testing.T, e Engine) {
	s := e.open(t, bare)
	record(t, s, plainEvent("a"))
	c := claim(t, s)
	require.Equal(t, []string{"SENDING", "FIRING a ERROR", robot, "NULL"},
		e.row(t, "SELECT status, content, robot, answered_us FROM alert_messages WHERE id = ?", c.Message.ID))
	require.Equal(t, []string{"PENDING", fmt.Sprint(c.Message.ID)}, e.row(t, "SELECT status, message_id FROM alert_notifications"))
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_messages WHERE slot_until - sent_us = 81000000"), "the slot is reserved until the lease and 61 s are over")
}

func testRefusedContent(t *testing.T, e Engine) {
	s := e.open(t, bare)
	record(t, s, plainEvent("a"))
	func() {
		defer func() { require.NotNil(t, recover()) }()
		_, _, _ = s.ClaimMessage(t.Context(), robot, []int64{0}, "me", time.Second, Pen(func(alerting.Brief) string { panic("rendering failed") }))
	}()
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_messages"))
	settle(t, s, claim(t, s), accepted)
}

func testSuppress(t *testing.T, e Engine) {
	s := e.open(t, bare)
	for i := range 120 {
		record(t, s, plainEvent(fmt.Sprint(i)))
	}
	require.NoError(t, s.Suppress(t.Context(), []int64{7}, alerting.Reason{Code: "group_gone"}))
	require.EqualValues(t, 120, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE status = 'PENDING'"))
	require.NoError(t, s.Suppress(t.Context(), []int64{0, 7}, alerting.Reason{Code: "group_gone"}))
	require.EqualValues(t, 120, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE status = 'SUPPRESSED' AND reason_code = 'group_gone' AND settled_us IS NOT NULL"))
	story := storyOf(t, s, 1)
	require.Equal(t, "group_gone", story.Decisions[len(story.Decisions)-1].Word.Code, "every \"not sent\" is a line of the trail")
	require.False(t, story.Alert.WechatSent)
	none, next := claimAs(t, s, "me")
	require.Nil(t, none)
	require.True(t, next.IsZero())
	requireDelivered(t, e)
}

func testSuppressedInFlight(t *testing.T, e Engine) {
	s := e.open(t, bare)
	for _, c := range []struct {
		verdict alerting.Verdict
		want    []string
	}{
		{accepted, []string{"SENT", "NULL"}},
		{alerting.Verdict{Status: alerting.Unknown, Class: alerting.ClassBusy}, []string{"SUPPRESSED", "group_gone"}},
		{alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassBadWords, ErrCode: 40058}, []string{"SUPPRESSED", "group_gone"}},
	} {
		receipt := record(t, s, plainEvent(fmt.Sprint(c.verdict.ErrCode, c.verdict.Class)))
		flying := claim(t, s)
		require.NoError(t, s.Suppress(t.Context(), []int64{0}, alerting.Reason{Code: "group_gone"}))
		settle(t, s, flying, c.verdict)
		e.pass(t, time.Minute) // the robot's rest
		require.Equal(t, c.want, e.row(t, "SELECT status, reason_code FROM alert_notifications WHERE alert_id = ?", receipt.AlertID))
	}
	requireDelivered(t, e)
}
