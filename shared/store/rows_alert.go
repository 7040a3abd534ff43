package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
)

const alertInsertColumns = "alert_type, service_name, severity, title, message, status, action_taken, wechat_sent, wechat_sent_at, resolved_at, created_at, updated_at, " +
	"fingerprint, metadata, occurrences, created_us, updated_us, last_seen_us, acknowledged_us, resolved_us, wechat_sent_us, " +
	"word_us, word_severity, word_text, latest_text, recheck_us, trail_seq, trail_code, word_first_us, escalate_us, escalated"

const alertColumns = "id, " + alertInsertColumns

const updateAlert = "UPDATE alert_records SET severity = ?, status = ?, action_taken = ?, resolved_at = ?, updated_at = ?, " +
	"occurrences = ?, updated_us = ?, last_seen_us = ?, acknowledged_us = ?, resolved_us = ?, " +
	"word_us = ?, word_severity = ?, word_text = ?, latest_text = ?, recheck_us = ?, trail_seq = ?, trail_code = ?, word_first_us = ?, escalate_us = ?, escalated = ? WHERE id = ?"

func (s *Store) alertRow(a *alerting.Alert) []any {
	return []any{
		a.Type, a.Service, string(a.Severity), a.Title, a.Message, string(a.Status), text(a.ActionTaken), a.WechatSent,
		s.datetime(a.WechatSentAt), s.datetime(a.ResolvedAt), s.datetime(a.CreatedAt), s.datetime(a.UpdatedAt),
		text(a.Fingerprint), text(string(a.Metadata)), a.Occurrences, micros(a.CreatedAt), micros(a.UpdatedAt), micros(a.LastSeenAt),
		micros(a.AcknowledgedAt), micros(a.ResolvedAt), micros(a.WechatSentAt),
		micros(a.Words.At), text(string(a.Words.Severity)), text(a.Words.Text), text(a.LatestText), micros(a.RecheckAt), a.Trail.Seq, text(a.Trail.Code),
		micros(a.Words.First), micros(a.EscalateAt), int64(a.Escalated),
	}
}

func (s *Store) alertUpdate(a *alerting.Alert) []any {
	return []any{
		string(a.Severity), string(a.Status), text(a.ActionTaken), s.datetime(a.ResolvedAt), s.datetime(a.UpdatedAt),
		a.Occurrences, micros(a.UpdatedAt), micros(a.LastSeenAt), micros(a.AcknowledgedAt), micros(a.ResolvedAt),
		micros(a.Words.At), text(string(a.Words.Severity)), text(a.Words.Text), text(a.LatestText), micros(a.RecheckAt), a.Trail.Seq, text(a.Trail.Code),
		micros(a.Words.First), micros(a.EscalateAt), int64(a.Escalated), a.ID,
	}
}

// text is a string column that is NULL when empty.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

type scanner interface{ Scan(...any) error }

func (s *Store) scanAlert(row scanner) (alerting.Alert, error) {
	var a alerting.Alert
	var action, sentAt, resolvedAt, createdAt, updatedAt, fingerprint, metadata, wordSeverity, wordText, latestText, trailCode sql.NullString
	var createdUs, updatedUs, seenUs, ackUs, resolvedUs, sentUs, wordUs, recheckUs, firstUs, escalateUs sql.NullInt64
	var severity, status string
	err := row.Scan(&a.ID, &a.Type, &a.Service, &severity, &a.Title, &a.Message, &status, &action, (*truth)(&a.WechatSent), &sentAt, &resolvedAt, &createdAt, &updatedAt,
		&fingerprint, &metadata, &a.Occurrences, &createdUs, &updatedUs, &seenUs, &ackUs, &resolvedUs, &sentUs,
		&wordUs, &wordSeverity, &wordText, &latestText, &recheckUs, &a.Trail.Seq, &trailCode, &firstUs, &escalateUs, &a.Escalated)
	if err != nil {
		return a, err
	}
	a.Severity, a.Status = alerting.Severity(severity), alerting.AlertStatus(status)
	a.ActionTaken, a.Fingerprint, a.Metadata = action.String, fingerprint.String, rawJSON(metadata)
	a.CreatedAt, a.UpdatedAt = s.when(createdUs, createdAt), s.when(updatedUs, updatedAt)
	a.ResolvedAt, a.WechatSentAt = s.when(resolvedUs, resolvedAt), s.when(sentUs, sentAt)
	a.LastSeenAt, a.AcknowledgedAt, a.RecheckAt = instant(seenUs), instant(ackUs), instant(recheckUs)
	if a.LastSeenAt.IsZero() {
		a.LastSeenAt = a.CreatedAt
	}
	a.EscalateAt = instant(escalateUs)
	a.Words = alerting.Words{First: instant(firstUs), At: instant(wordUs), Severity: alerting.Severity(wordSeverity.String), Text: wordText.String}
	a.LatestText, a.Trail.Code = latestText.String, trailCode.String
	return a, nil
}

// when prefers our own column to the guide's, which rows written by hand have.
func (s *Store) when(us sql.NullInt64, datetime sql.NullString) time.Time {
	if us.Valid {
		return instant(us)
	}
	return s.fromDatetime(datetime)
}

func rawJSON(s sql.NullString) json.RawMessage {
	if !s.Valid || s.String == "" {
		return nil
	}
	return json.RawMessage(s.String)
}

// querier is a connection pool or a transaction.
type querier interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

// collect reads every row of a query.
func collect[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// openAlerts locks and reads the open alerts of the fingerprints, which must
// be sorted.
func (t *tx) openAlerts(ctx context.Context, fingerprints []string) (map[string]*alerting.Alert, error) {
	if len(fingerprints) == 0 {
		return nil, nil
	}
	keys := t.padded(anys(fingerprints))
	alerts, err := collect(ctx, t, t.s.scanAlert, selectOpen(&t.s.dialect, len(keys)), keys...)
	if err != nil {
		return nil, fmt.Errorf("read open alerts: %w", err)
	}
	open := make(map[string]*alerting.Alert, len(alerts))
	for i := range alerts {
		open[alerts[i].Fingerprint] = &alerts[i]
	}
	return open, nil
}

func selectOpen(d *Dialect, keys int) string {
	return "SELECT " + alertColumns + " FROM alert_records WHERE open_key IN (" + list(keys) + ")" + d.ForUpdate
}

// alert locks and reads one alert.
func (t *tx) alert(ctx context.Context, id int64) (*alerting.Alert, error) {
	alerts, err := collect(ctx, t, t.s.scanAlert, "SELECT "+alertColumns+" FROM alert_records WHERE id = ?"+t.s.dialect.ForUpdate, id)
	if err != nil {
		return nil, fmt.Errorf("read alert %d: %w", id, err)
	}
	if len(alerts) == 0 {
		return nil, alerting.ErrNotFound
	}
	return &alerts[0], nil
}

func scanEvent(row scanner) (alerting.KeptEvent, error) {
	var e alerting.KeptEvent
	var severity string
	var metadata, notes sql.NullString
	var received sql.NullInt64
	err := row.Scan(&e.AlertID, &e.N, &severity, &e.Title, &e.Message, &metadata, &e.Resolved, &notes, &received)
	e.Severity, e.Metadata, e.ReceivedAt = alerting.Severity(severity), rawJSON(metadata), instant(received)
	if notes.String != "" {
		e.Notes = strings.Split(notes.String, "\n")
	}
	return e, err
}

const eventColumns = "alert_id, n, severity, title, message, metadata, resolved, notes, received_us"

// resolvedSlot keeps the event that ended an alert apart from the ring.
const resolvedSlot = alerting.KeptFirst + alerting.KeptLast

func eventSlot(e *alerting.KeptEvent) int {
	if e.Resolved {
		return resolvedSlot
	}
	return alerting.EventSlot(e.N)
}

func eventRow(e *alerting.KeptEvent) []any {
	return []any{
		e.AlertID, eventSlot(e), e.N, string(e.Severity), e.Title, e.Message, text(string(e.Metadata)),
		e.Resolved, text(strings.Join(e.Notes, "\n")), micros(e.ReceivedAt),
	}
}
