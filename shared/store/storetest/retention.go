package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

var retention = suite{
	"only old alerts that ended are deleted, with all of theirs": testForget,
	"the totals stay exact":                            testForgetTotals,
	"many are deleted in batches while events come in": testForgetMany,
}

const aMonth = 30 * 24 * time.Hour

// age makes everything on record d older.
func (e Engine) age(t testing.TB, days int, where string) {
	t.Helper()
	shift := fmt.Sprintf("created_at - INTERVAL %d DAY", days)
	updated := fmt.Sprintf("updated_at - INTERVAL %d DAY", days)
	if !e.SeveralProcesses { // SQLite
		shift, updated = fmt.Sprintf("datetime(created_at, '-%d days')", days), fmt.Sprintf("datetime(updated_at, '-%d days')", days)
	}
	e.exec(t, "UPDATE alert_records SET created_at = "+shift+", updated_at = "+updated+" WHERE "+where)
}

func testForget(t *testing.T, e Engine) {
	s := e.Open(t, Setup{Policy: Policy})
	for _, service := range []string{"ended", "owed", "open", "young", "strange"} {
		record(t, s, Event(service))
		ev := Event(service)
		ev.Resolved = true
		if service != "open" {
			record(t, s, ev)
		}
	}
	e.exec(t, "UPDATE alert_notifications SET status = 'SENT' WHERE alert_id <> 2")
	e.exec(t, "UPDATE alert_remediations SET status = 'SKIPPED'")
	e.exec(t, "UPDATE alert_records SET status = 'CLOSED' WHERE service_name = 'strange'")
	e.age(t, 31, "service_name <> 'young'")

	deleted, err := s.ForgetAlerts(t.Context(), aMonth)
	require.NoError(t, err)
	require.EqualValues(t, 1, deleted)
	_, err = s.Story(t.Context(), 1)
	require.ErrorIs(t, err, alerting.ErrNotFound)
	for _, table := range []string{"alert_events", "alert_notifications", "alert_messages", "alert_remediations", "alert_decisions", "alert_rechecks"} {
		assert.Zero(t, e.count(t, "SELECT COUNT(*) FROM "+table+" WHERE alert_id = 1"), table)
	}
	for id := int64(2); id <= 5; id++ {
		story, err := s.Story(t.Context(), id)
		require.NoError(t, err)
		assert.NotEmpty(t, story.Decisions, "%s stays, with its trail", story.Alert.Service)
	}
}

// sums compares the totals with what they count.
func (e Engine) requireExactTotals(t *testing.T) {
	t.Helper()
	alerts := e.count(t, "SELECT COUNT(*) FROM alert_records")
	require.Equal(t, alerts, e.count(t, "SELECT COALESCE(SUM(n), 0) FROM alert_totals WHERE scope = 'A'"))
	require.Equal(t, alerts, e.count(t, "SELECT COALESCE(SUM(n), 0) FROM alert_totals WHERE scope = 'S'"))
	require.Equal(t, e.count(t, "SELECT COALESCE(SUM(occurrences), 0) FROM alert_records WHERE fingerprint IS NOT NULL"), e.count(t, "SELECT COALESCE(SUM(n), 0) FROM alert_totals WHERE scope = 'E'"), "events accepted = Σ occurrences")
}

func testForgetTotals(t *testing.T, e Engine) {
	s := e.Open(t, Setup{Policy: Policy})
	storm(t, s, 7, 400)
	e.exec(t, "UPDATE alert_notifications SET status = 'SENT'")
	e.exec(t, "INSERT INTO alert_records (alert_type, service_name, severity, title, message, status, created_at, updated_at) VALUES ('OLD', 'by hand', 'ERROR', 't', 'm', 'RESOLVED', '2020-01-01 00:00:00', '2020-01-01 00:00:00')")
	require.NoError(t, s.Recount(t.Context()))
	e.requireExactTotals(t)
	e.age(t, 31, "id % 2 = 0")
	gone := e.count(t, "SELECT COUNT(*) FROM alert_records WHERE status = 'RESOLVED' AND (id % 2 = 0 OR service_name = 'by hand')")
	require.NotZero(t, gone)

	deleted, err := s.ForgetAlerts(t.Context(), aMonth)
	require.NoError(t, err)
	require.GreaterOrEqual(t, deleted, int64(1))
	e.requireExactTotals(t)
}

func testForgetMany(t *testing.T, e Engine) {
	s := e.Open(t, Setup{Policy: Policy})
	batch := make([]alerting.Event, 0, 700)
	for i := range 350 {
		ev := plainEvent(fmt.Sprintf("svc-%d", i))
		over := ev
		over.Resolved = true
		batch = append(batch, ev, over)
	}
	_, err := s.RecordEvents(t.Context(), batch)
	require.NoError(t, err)
	e.exec(t, "UPDATE alert_notifications SET status = 'SENT'")
	e.age(t, 31, "1 = 1")

	done := make(chan int64, 1)
	go func() {
		n, err := s.ForgetAlerts(t.Context(), aMonth)
		assert.NoError(t, err)
		done <- n
	}()
	for i := range 50 {
		record(t, s, plainEvent(fmt.Sprintf("new-%d", i)))
	}
	require.EqualValues(t, 350, <-done)
	require.EqualValues(t, 50, e.count(t, "SELECT COUNT(*) FROM alert_records"))
	e.requireExactTotals(t)
}
