package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

var calls = suite{
	"a word that calls by phone is followed by a call":          testCall,
	"a repeat calls nobody, a worse word does":                  testCallOnce,
	"an outcome that leaves the rest to people calls them":      testCallForOutcome,
	"what did not arrive calls nobody, and a late arrival once": testCallAfterArrival,
	"all calls that wait go into one message":                   testCallsTogether,
	"a call whose alert is over is not made":                    testCallOver,
	"a call that the policy no longer asks for is not made":     testCallNobody,
	"a digest calls once for each type":                         testCallsOfDigest,
	"a call that a process left behind is made again":           testCallLeftBehind,
	"a call whose alert was deleted does not hold others up":    testCallBuried,
	"a group of text is called by the message itself":           testTextGroup,
	"a group keeps how its messages are written":                testGroupFormat,

	"more people than a message has room for are called by the next": testCallsOverflow,
	"a text digest that cannot call everybody is followed by a call": testTextDigestOverflow,
	"a digest of very many types calls a few times":                  testCallsOfManyTypes,
}

// phoning calls a mobile number from ERROR on, and everybody from CRITICAL on.
func phoning(p *alerting.Policy) {
	bare(p)
	p.Default.Mentions = []alerting.Mention{
		{From: alerting.Error, Users: []string{"zhang"}, Mobiles: []alerting.Mobile{"13800000000"}},
		{From: alerting.Critical, All: true},
	}
}

// called claims a message that must be a call, and says whom it calls.
func called(t testing.TB, s *store.Store) *alerting.Claim {
	t.Helper()
	c := claim(t, s)
	require.Equal(t, alerting.CallMessage, c.Message.Kind, c.Message.Content)
	require.Equal(t, alerting.Text, c.Message.Post().Format)
	require.Empty(t, c.Message.People.Users, "the message before it mentioned them")
	return c
}

func idle(t testing.TB, s *store.Store, why string) {
	t.Helper()
	c, _ := claimAs(t, s, "me")
	require.Nil(t, c, why)
}

func say(t testing.TB, s *store.Store, severity alerting.Severity, service string) alerting.Receipt {
	t.Helper()
	ev := plainEvent(service)
	ev.Severity = severity
	return record(t, s, ev)
}

func testCall(t *testing.T, e Engine) {
	s := e.open(t, phoning)
	receipt := say(t, s, alerting.Error, "a")
	first := claim(t, s)
	require.Equal(t, alerting.Single, first.Message.Kind)
	require.Equal(t, alerting.Markdown, first.Message.Format)
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_notifications"), "nobody is called before it arrived")
	settle(t, s, first, accepted)
	require.Equal(t, []string{"CALL", "2", "PENDING", "ERROR"}, e.row(t, "SELECT kind, priority, status, severity FROM alert_notifications WHERE id > 1"))

	c := called(t, s)
	require.Equal(t, "call for 1 a", c.Message.Content)
	require.Equal(t, []alerting.Mobile{"13800000000"}, c.Message.People.Mobiles)
	require.False(t, c.Message.People.All)
	settle(t, s, c, accepted)
	idle(t, s, "a call is followed by nothing")
	story := storyOf(t, s, receipt.AlertID)
	require.Len(t, story.Notifications, 2)
	require.Equal(t, alerting.Sent, story.Notifications[1].Status)
	require.Equal(t, []string{"markdown", "text"}, []string{string(story.Messages[0].Format), string(story.Messages[1].Format)})
	last := story.Decisions[len(story.Decisions)-1]
	require.Equal(t, "sent", last.Word.Code)
	require.Equal(t, "呼叫", last.Note)
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_messages WHERE content LIKE '%1380000%'"), "whom it calls is not in the record")
	requireDelivered(t, e)

	s = e.open(t, calling) // userids alone
	say(t, s, alerting.Critical, "b")
	settle(t, s, claim(t, s), accepted)
	idle(t, s, "markdown has called them")
}

func testCallOnce(t *testing.T, e Engine) {
	s := e.open(t, phoning)
	say(t, s, alerting.Warning, "a")
	settle(t, s, claim(t, s), accepted)
	idle(t, s, "too mild")
	say(t, s, alerting.Error, "a")
	settle(t, s, claim(t, s), accepted)
	settle(t, s, called(t, s), accepted)
	for range 2 {
		e.pass(t, 15*time.Minute)
		say(t, s, alerting.Error, "a")
	}
	settle(t, s, claim(t, s), accepted)
	idle(t, s, "a repeat")
	say(t, s, alerting.Critical, "a")
	settle(t, s, claim(t, s), accepted)
	c := called(t, s)
	require.True(t, c.Message.People.All)
	settle(t, s, c, accepted)
	ev := over(plainEvent("a"))
	record(t, s, ev)
	settle(t, s, claim(t, s), accepted)
	idle(t, s, "the end")
	requireDelivered(t, e)
}

func testCallForOutcome(t *testing.T, e Engine) {
	s := e.open(t, func(p *alerting.Policy) {
		rule := p.Rules[alerting.TickerSyncTimeout]
		rule.Mentions = []alerting.Mention{{From: alerting.Error, Mobiles: []alerting.Mobile{"13800000000"}}}
		rule.Guard.Budget = 0 // the breaker is open
		p.Rules = map[string]alerting.Rule{alerting.TickerSyncTimeout: rule}
	})
	record(t, s, Event(container))
	settle(t, s, claim(t, s), accepted)
	settle(t, s, called(t, s), accepted)
	e.exec(t, "INSERT INTO alert_remediations (id, alert_id, action, container, status, reason_code, requested_us) VALUES (99, 1, 'restart', 'x', 'FAILED', 'not_stable', 1)")
	for i := range 2 {
		e.pass(t, 20*time.Second)
		e.exec(t, "INSERT INTO alert_notifications (alert_id, remediation_id, group_id, group_name, kind, severity, priority, status, next_us, created_us) VALUES (1, 99, 0, 'WECHAT_WEBHOOK_URL', 'OUTCOME', 'ERROR', 1, 'PENDING', 1, 1)")
		c := claim(t, s)
		require.Equal(t, alerting.Outcome, c.Notification.Kind)
		settle(t, s, c, accepted)
		if i == 0 {
			settle(t, s, called(t, s), accepted)
			e.exec(t, "UPDATE alert_remediations SET status = 'SUCCEEDED' WHERE id = 99")
		}
	}
	e.pass(t, 20*time.Second)
	idle(t, s, "it helped")
}

func testCallAfterArrival(t *testing.T, e Engine) {
	s := e.open(t, phoning)
	say(t, s, alerting.Error, "a")
	settle(t, s, claim(t, s), noAnswer)
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_notifications"))
	e.pass(t, 20*time.Second)
	late := claim(t, s)
	e.pass(t, 21*time.Second)
	again, _ := claimAs(t, s, "another") // the lease ran out
	require.NotNil(t, again)
	settle(t, s, late, accepted)
	settle(t, s, again, accepted)
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE kind = 'CALL'"), "it arrived twice, and is called for once")
	settle(t, s, called(t, s), accepted)
	requireDelivered(t, e)
}

func testCallsTogether(t *testing.T, e Engine) {
	s := e.open(t, phoning)
	say(t, s, alerting.Error, "first")
	settle(t, s, claim(t, s), accepted)
	settle(t, s, called(t, s), accepted)
	for _, severity := range []alerting.Severity{alerting.Error, alerting.Critical} {
		say(t, s, severity, string(severity))
		settle(t, s, claim(t, s), accepted)
	}
	none, next := claimAs(t, s, "me")
	require.Nil(t, none, "people were called a moment ago")
	require.WithinDuration(t, time.Now().Add(15*time.Second), next, slack)
	waits := storyOf(t, s, 2).Notifications[1].Waits
	require.Equal(t, "calls_apart", waits.Code, "no budget is used up: it does not go for this reason")
	require.WithinDuration(t, time.Now().Add(15*time.Second), waits.Until, slack)
	e.pass(t, 15*time.Second)
	both := called(t, s)
	require.Equal(t, "call for 2 CRITICAL ERROR", both.Message.Content)
	require.Equal(t, 2, both.Message.Words)
	require.Equal(t, alerting.People{Mobiles: []alerting.Mobile{"13800000000"}, All: true}, both.Message.People)
	settle(t, s, both, accepted)
	story := storyOf(t, s, 3)
	require.True(t, story.Notifications[1].Folded)
	require.Equal(t, "folded", story.Decisions[len(story.Decisions)-1].Word.Code)
	require.Equal(t, both.Message.ID, story.Messages[1].ID)
	require.Equal(t, []string{"CALL 1 1", "CALL 2 1", "CRITICAL 1 1", "SINGLE 1 2"}, kindsOf(t, e))
	requireDelivered(t, e)
}

func testCallOver(t *testing.T, e Engine) {
	s := e.open(t, phoning)
	receipt := say(t, s, alerting.Error, "a")
	flying := claim(t, s)
	record(t, s, over(plainEvent("a")))
	settle(t, s, flying, accepted)
	none, next := claimAs(t, s, "me")
	require.Nil(t, none, "nobody is to be called")
	require.False(t, next.After(time.Now().Add(slack)), "and what waits behind does not wait for it")
	settle(t, s, claim(t, s), accepted)
	idle(t, s, "nothing is left")
	story := storyOf(t, s, receipt.AlertID)
	var call alerting.Notification
	for _, n := range story.Notifications {
		if n.Kind == alerting.Call {
			call = n
		}
	}
	require.Equal(t, alerting.Suppressed, call.Status)
	require.Equal(t, "alert_over", call.Reason.Code)
	said := false
	for _, d := range story.Decisions {
		said = said || d.Word.Code == "alert_over"
	}
	require.True(t, said, "the trail says so")
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_messages WHERE kind = 'CALL'"), "no slot is used for nothing")
	requireDelivered(t, e)
}

func testCallNobody(t *testing.T, e Engine) {
	s := e.open(t, phoning)
	say(t, s, alerting.Error, "a")
	settle(t, s, claim(t, s), accepted)
	s = e.open(t, bare)
	for range 2 {
		idle(t, s, "nobody is named")
	}
	require.Equal(t, []string{"SUPPRESSED", "nobody_to_call"}, e.row(t, "SELECT status, reason_code FROM alert_notifications WHERE kind = 'CALL'"))
}

func testCallsOfDigest(t *testing.T, e Engine) {
	s := e.open(t, phoning)
	say(t, s, alerting.Warning, "ERROR-0")
	settle(t, s, claim(t, s), accepted)
	flood(t, e, s, 12, alerting.Error) // of which one gets worse
	var events []alerting.Event
	for i := range 12 {
		ev := plainEvent(fmt.Sprint("cpu-", i))
		ev.Type = "CPU"
		events = append(events, ev)
	}
	_, err := s.RecordEvents(t.Context(), events)
	require.NoError(t, err)
	digest := claim(t, s)
	require.Equal(t, 24, digest.Message.Words)
	settle(t, s, digest, noAnswer)
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE kind = 'CALL'"))
	e.pass(t, 20*time.Second)
	settle(t, s, claim(t, s), accepted)
	require.EqualValues(t, 2, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE kind = 'CALL'"), "one for each type")
	c := called(t, s)
	require.Equal(t, 2, c.Message.Words)
	settle(t, s, c, accepted)
	requireDelivered(t, e)

	e.pass(t, 31*time.Minute)
	_, err = s.RecordEvents(t.Context(), events)
	require.NoError(t, err)
	e.pass(t, 3*time.Second)
	require.Equal(t, 12, claim(t, s).Message.Words)
	require.EqualValues(t, 2, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE kind = 'CALL'"))
}

func testCallLeftBehind(t *testing.T, e Engine) {
	s := e.open(t, phoning)
	for _, service := range []string{"a", "b"} {
		say(t, s, alerting.Error, service)
		settle(t, s, claim(t, s), accepted)
		e.exec(t, "UPDATE alert_notifications SET next_us = created_us + 60000000 WHERE kind = 'CALL'")
	}
	e.pass(t, time.Minute)
	lost := called(t, s)
	require.Equal(t, 2, lost.Message.Words)
	e.pass(t, 21*time.Second+15*time.Second)
	again, _ := claimAs(t, s, "another")
	require.NotNil(t, again)
	require.Equal(t, lost.Message.Content, again.Message.Content)
	settle(t, s, again, accepted)
	require.EqualValues(t, 2, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE kind = 'CALL' AND status = 'SENT' AND message_id = ?", again.Message.ID))
	requireDelivered(t, e)
}

func testCallBuried(t *testing.T, e Engine) {
	s := e.open(t, phoning)
	for _, service := range []string{"a", "b"} {
		say(t, s, alerting.Error, service)
		settle(t, s, claim(t, s), accepted)
		if service == "a" {
			e.exec(t, "UPDATE alert_notifications SET next_us = next_us + 60000000 WHERE kind = 'CALL'")
		}
	}
	e.pass(t, time.Minute)
	e.exec(t, "DELETE FROM alert_records WHERE service_name = 'a'")
	c := called(t, s)
	require.Equal(t, "call for 1 b", c.Message.Content)
	settle(t, s, c, accepted)
	require.Equal(t, []string{"DEAD", "alert_gone"}, e.row(t, "SELECT status, reason_code FROM alert_notifications WHERE kind = 'CALL' ORDER BY id LIMIT 1"))
}

func testTextGroup(t *testing.T, e Engine) {
	s := e.open(t, phoning)
	e.exec(t, insertGroup, "ops", Policy().Fallback.Reveal(), nil, 1)
	e.exec(t, "UPDATE wechat_groups SET message_format = 'text'")
	var formats []alerting.Format
	send := func() *alerting.Claim {
		t.Helper()
		c, _, err := s.ClaimMessage(t.Context(), robot, []int64{1}, "me", 20*time.Second, Pen(func(b alerting.Brief) string {
			formats = append(formats, b.Format)
			return "x"
		}))
		require.NoError(t, err)
		if c != nil {
			settle(t, s, c, accepted)
		}
		return c
	}
	say(t, s, alerting.Critical, "a")
	c := send()
	require.Equal(t, alerting.Post{Format: alerting.Text, Content: "x", People: alerting.People{Users: []string{"zhang"}, Mobiles: []alerting.Mobile{"13800000000"}, All: true}}, c.Message.Post())
	require.Nil(t, send(), "its lists called everybody")
	require.Equal(t, []alerting.Format{alerting.Text}, formats)
	flood(t, e, s, 12, alerting.Error)
	digest := send()
	require.Equal(t, 12, digest.Message.Words)
	require.Equal(t, alerting.Text, digest.Message.Format)
	require.Equal(t, []alerting.Mobile{"13800000000"}, digest.Message.People.Mobiles)
	require.Nil(t, send())
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_messages WHERE format <> 'text'"))
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE kind = 'CALL'"))
}

func testGroupFormat(t *testing.T, e Engine) {
	s := e.open(t)
	e.exec(t, "INSERT INTO wechat_groups (group_name, webhook_url) VALUES ('guide', 'https://example.com/send?key=1')")
	made, err := s.CreateGroup(t.Context(), alerting.Group{Name: "new", Webhook: "https://example.com/send?key=2", Enabled: true})
	require.NoError(t, err)
	require.Equal(t, "markdown", made.MessageFormat)
	text, err := s.CreateGroup(t.Context(), alerting.Group{Name: "text", Webhook: "https://example.com/send?key=3", Enabled: true, MessageFormat: "text"})
	require.NoError(t, err)
	require.Equal(t, alerting.Text, text.Format())
	back, err := s.UpdateGroup(t.Context(), text.ID, func(g alerting.Group) (alerting.Group, error) { g.MessageFormat = "markdown"; return g, nil })
	require.NoError(t, err)
	require.Equal(t, alerting.Markdown, back.Format())
	groups, err := s.Groups(t.Context())
	require.NoError(t, err)
	require.Equal(t, "markdown", groups[0].MessageFormat, "the guide's SQL works as it is")
}
