package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

var events = suite{
	"an event opens an alert and everything that follows":  testOpens,
	"a second event folds and explains itself":             testFolds,
	"a worse event raises the alert and leaves the first":  testRaises,
	"after the incident gap the next event opens another":  testIncidentGap,
	"RESOLVED ends the alert, and the story tells it last": testResolved,
	"RESOLVED with nothing open stores nothing":            testResolvedNothing,
	"open, resolve and open again in one batch":            testBatchOfIncidents,
	"the first and the last 50 events keep their text":     testKeptEvents,
	"a cut title keeps the original":                       testOriginal,
	"no such alert":                                        testNotFound,
}

func testOpens(t *testing.T, e Engine) {
	var commits []store.Commit
	s := e.Open(t, Setup{Policy: Policy, OnCommit: func(c store.Commit) { commits = append(commits, c) }})
	receipt := record(t, s, Event(container))
	require.EqualValues(t, 1, receipt.AlertID)
	require.Equal(t, []string{"WECHAT_WEBHOOK_URL"}, receipt.Groups)
	require.Equal(t, alerting.Requested, receipt.RemediationStatus)

	story := storyOf(t, s, 1)
	require.Equal(t, alerting.Open, story.Alert.Status)
	require.WithinDuration(t, time.Now(), story.Alert.CreatedAt, slack)
	require.JSONEq(t, string(Event(container).Metadata), string(story.Alert.Metadata))
	require.Len(t, story.Events, 1)
	require.Len(t, story.Notifications, 1)
	require.Len(t, story.Remediations, 1)
	require.Len(t, story.Decisions, 1)
	require.Len(t, commits, 1)
	require.True(t, commits[0].Words && commits[0].Remedies)
	require.Len(t, commits[0].Happenings, 1)
	require.True(t, commits[0].Happenings[0].Opened)
	require.EqualValues(t, 1, commits[0].Happenings[0].Alert.ID)
}

func testFolds(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	record(t, s, Event(container))
	receipt := record(t, s, Event(container))
	require.EqualValues(t, 3, receipt.Occurrences)
	require.Equal(t, "under_way", receipt.NotRemedied.Code)
	require.Equal(t, "repeat_wait", receipt.NotTold.Code)

	story := storyOf(t, s, 1)
	require.Len(t, story.Events, 3)
	require.Len(t, story.Notifications, 1)
	require.Len(t, story.Decisions, 2, "equal decisions in a row count up")
	require.EqualValues(t, 2, story.Decisions[1].Count)
	require.Len(t, story.Remediations, 2, "the refusal is recorded once")
}

func testRaises(t *testing.T, e Engine) {
	s := e.open(t)
	mild, bad := plainEvent("a"), plainEvent("a")
	mild.Severity, bad.Severity = alerting.Warning, alerting.Critical
	record(t, s, mild)
	record(t, s, bad)
	record(t, s, mild)
	inOneBatch := plainEvent("b")
	inOneBatch.Severity = alerting.Info
	worse := inOneBatch
	worse.Severity = alerting.Error
	_, err := s.RecordEvents(t.Context(), []alerting.Event{inOneBatch, worse})
	require.NoError(t, err)

	story := storyOf(t, s, 1)
	assert.Equal(t, alerting.Critical, story.Alert.Severity, "the worst so far stays")
	assert.Equal(t, []alerting.Severity{alerting.Warning, alerting.Critical, alerting.Warning}, severities(story.Events))
	assert.Equal(t, []alerting.Severity{alerting.Info, alerting.Error}, severities(storyOf(t, s, 2).Events))
	assert.EqualValues(t, 1, storyOf(t, s, 1).Events[0].N)
}

func severities(events []alerting.KeptEvent) (all []alerting.Severity) {
	for _, e := range events {
		all = append(all, e.Severity)
	}
	return all
}

func testIncidentGap(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, plainEvent("a"))
	e.pass(t, 29*time.Minute)
	require.EqualValues(t, 1, record(t, s, plainEvent("a")).AlertID, "within the gap it is the same incident")
	e.pass(t, 30*time.Minute)
	receipt := record(t, s, plainEvent("a"))
	require.EqualValues(t, 2, receipt.AlertID)
	require.EqualValues(t, 1, receipt.Occurrences)
	require.NotEmpty(t, receipt.Groups, "a new incident is told")

	stale := storyOf(t, s, 1)
	assert.Equal(t, alerting.Resolved, stale.Alert.Status)
	assert.EqualValues(t, 2, stale.Alert.Occurrences)
	last := stale.Decisions[len(stale.Decisions)-1]
	assert.Equal(t, alerting.WhatResolved, last.What)
	assert.Equal(t, "incident_gap", last.Word.Code)
	assert.Equal(t, alerting.Open, storyOf(t, s, 2).Alert.Status)
}

func testResolved(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, plainEvent("a"))
	ending := over(plainEvent("a"))
	ending.Title = "well again"
	receipt := record(t, s, ending)
	require.EqualValues(t, 1, receipt.AlertID)
	require.Equal(t, alerting.Resolved, receipt.Status)
	require.NotEmpty(t, receipt.Groups, "who heard of the beginning hears of the end")

	story := storyOf(t, s, 1)
	assert.EqualValues(t, 1, story.Alert.Occurrences, "an end is not an occurrence")
	assert.False(t, story.Alert.ResolvedAt.IsZero())
	require.Len(t, story.Events, 2)
	assert.False(t, story.Events[0].Resolved)
	assert.Equal(t, plainEvent("a").Title, story.Events[0].Title)
	assert.True(t, story.Events[1].Resolved)
	assert.Equal(t, "well again", story.Events[1].Title)
	require.Len(t, story.Notifications, 2)
	assert.Equal(t, alerting.Over, story.Notifications[1].Kind)
	require.EqualValues(t, 2, record(t, s, plainEvent("a")).AlertID, "an event after the end opens another")
}

func testResolvedNothing(t *testing.T, e Engine) {
	s := e.open(t)
	receipt := record(t, s, over(plainEvent("a")))
	require.Zero(t, receipt.AlertID)
	require.Equal(t, "not_opened", receipt.NotTold.Code)
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_records"))
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_decisions"))
}

func testBatchOfIncidents(t *testing.T, e Engine) {
	s := e.open(t)
	ev := plainEvent("a")
	receipts, err := s.RecordEvents(t.Context(), []alerting.Event{ev, over(ev), ev, ev, over(ev), over(ev), ev})
	require.NoError(t, err)
	var ids []int64
	for _, r := range receipts {
		ids = append(ids, r.AlertID)
	}
	require.Equal(t, []int64{1, 1, 2, 2, 2, 0, 3}, ids)
	for id, status := range map[int64]alerting.AlertStatus{1: alerting.Resolved, 2: alerting.Resolved, 3: alerting.Open} {
		story := storyOf(t, s, id)
		assert.Equal(t, status, story.Alert.Status)
		for i, d := range story.Decisions {
			assert.Equal(t, i+1, d.Seq, "the trail of %d has no gaps", id)
		}
	}
	assert.EqualValues(t, 2, storyOf(t, s, 2).Alert.Occurrences)
	assert.Len(t, storyOf(t, s, 2).Events, 3)
}

func testKeptEvents(t *testing.T, e Engine) {
	s := e.open(t, silent)
	const total = 230
	all := make([]alerting.Event, total)
	for i := range all {
		all[i] = plainEvent("a")
		all[i].Message = fmt.Sprint("number ", i+1)
	}
	for _, part := range [][]alerting.Event{all[:1], all[1:130], all[130:]} { // also many of one ring slot in one batch
		_, err := s.RecordEvents(t.Context(), part)
		require.NoError(t, err)
	}
	story := storyOf(t, s, 1)
	require.EqualValues(t, total, story.Alert.Occurrences)
	require.Len(t, story.Events, 100)
	for i, kept := range story.Events {
		n := int64(i + 1)
		if i >= 50 {
			n = int64(total - 100 + i + 1)
		}
		require.Equal(t, n, kept.N)
		require.Equal(t, fmt.Sprint("number ", n), kept.Message)
	}
}

func testOriginal(t *testing.T, e Engine) {
	s := e.open(t)
	posted := alerting.Posted{
		EventType: "DISK_FULL", ServiceName: "a", Severity: "ERROR", Message: "m",
		Title: strings.Repeat("很长的标题", 100),
	}
	ev, err := alerting.Normalise(posted)
	require.NoError(t, err)
	record(t, s, ev)
	record(t, s, ev)
	story := storyOf(t, s, 1)
	assert.Equal(t, alerting.MaxTitle, len([]rune(story.Alert.Title)))
	require.Len(t, story.Events, 2)
	for _, kept := range story.Events {
		assert.Equal(t, posted.Title, kept.Title)
		assert.NotEmpty(t, kept.Notes)
	}
	assert.Contains(t, story.Decisions[0].Note, "title")
}

func testNotFound(t *testing.T, e Engine) {
	s := e.open(t)
	_, err := s.Story(t.Context(), 7)
	require.ErrorIs(t, err, alerting.ErrNotFound)
	_, err = s.Acknowledge(t.Context(), 7, "li")
	require.ErrorIs(t, err, alerting.ErrNotFound)
	_, err = s.Resolve(t.Context(), 7, "li")
	require.ErrorIs(t, err, alerting.ErrNotFound)
	_, err = s.Handle(t.Context(), 7, "li")
	require.ErrorIs(t, err, alerting.ErrNotFound)
}
