package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

var words = suite{
	"a repeat earns a word after its interval":               testRepeat,
	"changed words earn one earlier":                         testChangedWords,
	"a worse severity is told at once":                       testRaisedWord,
	"an acknowledged alert is not repeated, a change is":     testAcknowledgedWords,
	"groups of the table are told by what they want":         testGroupsOfTheTable,
	"a group that is edited by SQL counts at the next event": testEditedGroup,
	"the word that it is over has what the service said":     testWordsOfTheEnd,
}

func testWordsOfTheEnd(t *testing.T, e Engine) {
	s := e.open(t)
	said := Pen(func(b alerting.Brief) string {
		if b.Latest == nil {
			return "nothing"
		}
		return b.Latest.Message
	})
	next := func() string {
		c, _, err := s.ClaimMessage(t.Context(), robot, []int64{0}, "me", 20*time.Second, said)
		require.NoError(t, err)
		require.NotNil(t, c)
		settle(t, s, c, accepted)
		return c.Message.Content
	}
	for _, events := range []int{1, 3} {
		service := fmt.Sprint("svc-", events)
		for range events {
			record(t, s, plainEvent(service))
		}
		next()
		end := plainEvent(service)
		end.Resolved, end.Message = true, "synchronised again"
		record(t, s, end)
		require.Equal(t, "synchronised again", next(), "after %d events", events)
	}
	receipt := record(t, s, plainEvent("by hand"))
	require.Equal(t, "nothing", next())
	_, err := s.Resolve(t.Context(), receipt.AlertID, "li")
	require.NoError(t, err)
	require.Equal(t, "nothing", next(), "a person says nothing")
}

func testRepeat(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, plainEvent("a"))
	e.pass(t, 29*time.Minute)
	wait := record(t, s, plainEvent("a"))
	require.Equal(t, "repeat_wait", wait.NotTold.Code)
	require.WithinDuration(t, wait.At.Add(time.Minute), wait.NotTold.Until, slack)
	e.pass(t, time.Minute)
	require.NotEmpty(t, record(t, s, plainEvent("a")).Groups)
	require.Equal(t, "repeat_wait", record(t, s, plainEvent("a")).NotTold.Code, "the interval begins again")
	require.Len(t, storyOf(t, s, 1).Notifications, 2)
}

func testChangedWords(t *testing.T, e Engine) {
	s := e.open(t)
	changed := plainEvent("a")
	changed.Message = "now it is the other disk"
	record(t, s, plainEvent("a"))
	require.Equal(t, "repeat_wait", record(t, s, changed).NotTold.Code, "paced")
	e.pass(t, 5*time.Minute)
	require.Equal(t, "repeat_wait", record(t, s, plainEvent("a")).NotTold.Code, "the old words have been said")
	require.NotEmpty(t, record(t, s, changed).Groups)
}

func testRaisedWord(t *testing.T, e Engine) {
	s := e.open(t)
	worse := plainEvent("a")
	worse.Severity = alerting.Critical
	record(t, s, plainEvent("a"))
	require.NotEmpty(t, record(t, s, worse).Groups)
	require.Equal(t, "repeat_wait", record(t, s, worse).NotTold.Code)
	words := storyOf(t, s, 1).Notifications
	require.Len(t, words, 2)
	require.Equal(t, alerting.Critical, words[1].Severity)
}

func testAcknowledgedWords(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, plainEvent("a"))
	_, err := s.Acknowledge(t.Context(), 1, "li")
	require.NoError(t, err)
	for range 3 {
		e.pass(t, 20*time.Minute)
		require.Equal(t, "in_hand", record(t, s, plainEvent("a")).NotTold.Code)
	}
	changed := plainEvent("a")
	changed.Title = "another disk"
	require.NotEmpty(t, record(t, s, changed).Groups)
}

const insertGroup = "INSERT INTO wechat_groups (group_name, webhook_url, alert_types, is_enabled) VALUES (?, ?, ?, ?)"

func testGroupsOfTheTable(t *testing.T, e Engine) {
	s := e.open(t)
	e.exec(t, insertGroup, "all", "https://example.com/send?key=1", nil, 1)
	e.exec(t, insertGroup, "tickers", "https://example.com/send?key=2", "TICKER_SYNC_TIMEOUT， CONTAINER_DOWN", 1)
	e.exec(t, insertGroup, "off", "https://example.com/send?key=3", nil, 0)
	e.exec(t, insertGroup, "the same robot", "https://example.com/send?key=1", nil, 1)
	require.Equal(t, []string{"all"}, record(t, s, plainEvent("a")).Groups)
	require.Equal(t, []string{"all", "tickers"}, record(t, s, Event(container)).Groups)
	groups, err := s.Groups(t.Context())
	require.NoError(t, err)
	require.Len(t, groups, 4)
	require.WithinDuration(t, time.Now(), groups[0].CreatedAt, slack)
	assert.Equal(t, "https://example.com/send?key=1", groups[0].Webhook.Reveal())
}

func testEditedGroup(t *testing.T, e Engine) {
	s := e.open(t)
	e.exec(t, insertGroup, "one", "https://example.com/send?key=1", "DISK_FULL", 1)
	require.Equal(t, []string{"one"}, record(t, s, plainEvent("a")).Groups)
	e.exec(t, "UPDATE wechat_groups SET group_name = 'two'")
	require.Equal(t, []string{"two"}, record(t, s, plainEvent("b")).Groups)
	e.exec(t, "UPDATE wechat_groups SET is_enabled = 0")
	require.Equal(t, []string{"WECHAT_WEBHOOK_URL"}, record(t, s, plainEvent("c")).Groups)
}
