package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

// hands holds what people see and do by SQL.
var hands = suite{
	"DATETIME columns show the wall clock, whole seconds":  testWallClock,
	"rows by the guide's SQL are readable and untouched":   testGuideRows,
	"a guide's row can be acknowledged and resolved":       testGuideRowResolved,
	"a handled guide's row gets its action":                testGuideRowHandled,
	"a flag that is neither 0 nor 1 is true":               testOddFlags,
	"TRUNCATE of alert_records does not keep the next out": testTruncated,
}

func testWallClock(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	record(t, s, Event(container))
	settle(t, s, claim(t, s), accepted)
	_, err := s.Resolve(t.Context(), 1, "li")
	require.NoError(t, err)
	cells := e.row(t, "SELECT created_at, created_us, updated_at, updated_us, wechat_sent_at, wechat_sent_us, resolved_at, resolved_us FROM alert_records")
	for i := 0; i < len(cells); i += 2 {
		var us int64
		for _, digit := range cells[i+1] {
			us = us*10 + int64(digit-'0')
		}
		at := time.UnixMicro(us)
		require.WithinDuration(t, time.Now(), at, time.Minute)
		require.Equal(t, at.In(Policy().Location).Format("2006-01-02 15:04:05"), cells[i][:19], "cut, not rounded")
	}
	alert := storyOf(t, s, 1).Alert
	require.NotZero(t, alert.CreatedAt.UnixMicro()%1_000_000, "our own columns are finer")
}

const guideRow = "INSERT INTO `alert_records` (`alert_type`, `service_name`, `severity`, `title`, `message`, `status`, `created_at`, `updated_at`) VALUES (?, ?, ?, 'by hand', 'm', ?, '2025-01-02 03:04:05', '2025-01-02 03:04:06')"

func testGuideRows(t *testing.T, e Engine) {
	s := e.open(t)
	e.exec(t, guideRow, alerting.TickerSyncTimeout, container, "ERROR", "OPEN")
	e.exec(t, guideRow, alerting.TickerSyncTimeout, container, "ERROR", "OPEN")
	e.exec(t, guideRow, alerting.TickerSyncTimeout, container, "FATAL", "PROCESSING")
	require.NoError(t, s.Recount(t.Context()))
	const columns = "SELECT id, status, severity, occurrences, fingerprint, created_at, updated_at, wechat_sent, action_taken FROM alert_records WHERE id = 1"
	before := e.row(t, columns)

	receipt := record(t, s, Event(container))
	require.EqualValues(t, 4, receipt.AlertID, "the first event opens an alert of its own")
	require.EqualValues(t, 1, receipt.Occurrences)
	_, err := s.Recheck(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, e.row(t, columns))
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE alert_id < 4"))
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_remediations WHERE alert_id < 4"))

	story := storyOf(t, s, 3)
	at := time.Date(2025, 1, 2, 3, 4, 5, 0, Policy().Location)
	require.Equal(t, at.UTC(), story.Alert.CreatedAt)
	require.Equal(t, at.UTC(), story.Alert.LastSeenAt)
	require.Equal(t, alerting.AlertStatus("PROCESSING"), story.Alert.Status)
	require.False(t, story.Alert.Active())
	require.Len(t, story.Events, 1)
	page, err := s.ListAlerts(t.Context(), alerting.Filter{Status: "PROCESSING", PageSize: 5})
	require.NoError(t, err)
	require.Equal(t, []int64{3}, ids(page.Alerts))
}

func testGuideRowResolved(t *testing.T, e Engine) {
	s := e.open(t)
	for _, status := range []string{"OPEN", "OPEN", "PROCESSING"} {
		e.exec(t, guideRow, "CPU", "a", "ERROR", status)
	}
	require.NoError(t, s.Recount(t.Context()))
	_, err := s.Acknowledge(t.Context(), 1, "li")
	require.NoError(t, err)
	for id := range int64(2) {
		_, err = s.Resolve(t.Context(), id+1, "li")
		require.NoError(t, err)
	}
	_, err = s.Acknowledge(t.Context(), 3, "li")
	var refused *alerting.RefusedError
	require.ErrorAs(t, err, &refused, "a status that is not ours is nobody's to take")
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_notifications"), "nobody was told of it")
	requireTotals(t, e, s)
}

func testGuideRowHandled(t *testing.T, e Engine) {
	s := e.open(t)
	e.exec(t, guideRow, alerting.TickerSyncTimeout, container, "ERROR", "OPEN")
	_, err := s.Handle(t.Context(), 1, "li")
	require.NoError(t, err)
	end(t, s, alerting.Succeeded, "stable")
	require.Equal(t, alerting.Resolved, storyOf(t, s, 1).Alert.Status)
	record(t, s, Event(container))
	require.Equal(t, alerting.Succeeded, storyOf(t, s, 1).Remediations[0].Status, "another identity does not disprove it")
}

func testTruncated(t *testing.T, e Engine) {
	s := e.open(t)
	for range 3 {
		record(t, s, plainEvent("a"))
		record(t, s, over(plainEvent("a")))
	}
	e.exec(t, "DELETE FROM alert_records")
	e.exec(t, e.Renumber)
	receipt := record(t, s, plainEvent("a"))
	require.EqualValues(t, 1, receipt.AlertID)
	require.Equal(t, plainEvent("a").Title, storyOf(t, s, 1).Alert.Title)
	require.NoError(t, s.Recount(t.Context()))
	requireTotals(t, e, s)
}

func testOddFlags(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	e.exec(t, "UPDATE alert_records SET wechat_sent = 2")
	e.exec(t, "INSERT INTO wechat_groups (group_name, webhook_url, is_enabled) VALUES ('two', ?, 2)", string(Policy().Fallback))

	record(t, s, Event(container)) // reads the group and the alert
	groups, err := s.Groups(t.Context())
	require.NoError(t, err)
	require.True(t, groups[0].Enabled)
	require.True(t, storyOf(t, s, 1).Alert.WechatSent)
}
