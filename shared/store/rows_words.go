package store

import (
	"context"
	"database/sql"
	"fmt"

	"trade-monitor/shared/alerting"
)

const notificationColumns = "id, alert_id, remediation_id, group_id, group_name, kind, severity, status, reason_code, reason_detail, reason_until, attempts, next_us, created_us, settled_us, message_id, unanswered"

// The lanes in which words wait, alert_notifications.priority.
const (
	laneCritical = 0
	laneOther    = 1
	laneCalls    = 2
)

// laneOf is where a word waits: what calls people goes by itself.
func laneOf(n *alerting.Notification) int {
	switch {
	case n.Kind == alerting.Call:
		return laneCalls
	case n.Severity == alerting.Critical:
		return laneCritical
	}
	return laneOther
}

func notificationRow(n *alerting.Notification) []any {
	code, detail, until := reasonCells(n.Reason)
	return []any{
		n.AlertID, n.RemediationID, n.GroupID, n.GroupName, string(n.Kind), string(n.Severity), laneOf(n),
		string(n.Status), code, detail, until, n.Attempts, micros(n.NextAt), micros(n.CreatedAt), 1,
	}
}

func scanNotification(row scanner) (alerting.Notification, error) {
	var n alerting.Notification
	var kind, severity, status string
	var reason reasonScan
	var next, created, settled, message sql.NullInt64
	err := row.Scan(&n.ID, &n.AlertID, &n.RemediationID, &n.GroupID, &n.GroupName, &kind, &severity, &status,
		&reason.code, &reason.detail, &reason.until, &n.Attempts, &next, &created, &settled, &message, &n.Unanswered)
	n.Kind, n.Severity, n.Status = alerting.Kind(kind), alerting.Severity(severity), alerting.NotificationStatus(status)
	n.Reason, n.NextAt, n.CreatedAt, n.SettledAt, n.MessageID = reason.value(), instant(next), instant(created), instant(settled), message.Int64
	return n, err
}

const messageColumns = "id, robot, group_id, status, content, errcode, error, sent_us, answered_us, slot_until, kind, words, format"

func scanMessage(row scanner) (alerting.Message, error) {
	var m alerting.Message
	var status string
	var errText, kind, format sql.NullString
	var sent, answered, slot sql.NullInt64
	err := row.Scan(&m.ID, &m.Robot, &m.GroupID, &status, &m.Content, &m.ErrCode, &errText, &sent, &answered, &slot, &kind, &m.Words, &format)
	m.Kind, m.Format = alerting.MessageKind(kind.String), alerting.Markdown // of an older version: it knew no other
	if format.Valid {
		m.Format = alerting.Format(format.String)
	}
	m.Status, m.Error = alerting.MessageStatus(status), errText.String
	m.SentAt, m.AnsweredAt, m.SlotUntil = instant(sent), instant(answered), instant(slot)
	return m, err
}

func decisionRow(d *alerting.Decision) []any {
	word, wordDetail, wordUntil := reasonCells(d.Word)
	remedy, remedyDetail, remedyUntil := reasonCells(d.Remedy)
	return []any{
		d.AlertID, d.Seq, string(d.What), word, wordDetail, wordUntil, remedy, remedyDetail, remedyUntil,
		text(d.Note), d.Count, micros(d.At), micros(d.LastAt),
	}
}

const decisionColumns = "alert_id, seq, what, word_code, word_detail, word_until, remedy_code, remedy_detail, remedy_until, note, times, at_us, last_us"

func scanDecision(row scanner) (alerting.Decision, error) {
	var d alerting.Decision
	var what string
	var word, remedy reasonScan
	var note sql.NullString
	var at, last sql.NullInt64
	err := row.Scan(&d.AlertID, &d.Seq, &what, &word.code, &word.detail, &word.until, &remedy.code, &remedy.detail, &remedy.until, &note, &d.Count, &at, &last)
	d.What, d.Word, d.Remedy, d.Note = alerting.What(what), word.value(), remedy.value(), note.String
	d.At, d.LastAt = instant(at), instant(last)
	return d, err
}

func reasonCells(r alerting.Reason) (code, detail, until any) {
	return text(r.Code), text(clipCell(r.Detail)), micros(r.Until)
}

// clipCell keeps a detail within its VARCHAR(500).
func clipCell(s string) string { return clipTo(s, 500) }

func clipTo(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n])
	}
	return s
}

type reasonScan struct {
	code, detail sql.NullString
	until        sql.NullInt64
}

func (r reasonScan) value() alerting.Reason {
	return alerting.Reason{Code: r.code.String, Detail: r.detail.String, Until: instant(r.until)}
}

const groupColumns = "id, group_name, webhook_url, alert_types, is_enabled, message_format, description, created_at, updated_at"

const selectGroups = "SELECT " + groupColumns + " FROM wechat_groups ORDER BY id"

func (s *Store) scanGroup(row scanner) (alerting.Group, error) {
	var g alerting.Group
	var webhook string
	var types, description, created, updated sql.NullString
	err := row.Scan(&g.ID, &g.Name, &webhook, &types, (*truth)(&g.Enabled), &g.MessageFormat, &description, &created, &updated)
	g.Webhook, g.AlertTypes, g.Description = alerting.Secret(webhook), types.String, description.String
	if g.FromEnv = g.Webhook == alerting.EnvironmentWebhook; g.FromEnv {
		g.Webhook = s.policy().Fallback
	}
	g.CreatedAt, g.UpdatedAt = s.fromDatetime(created), s.fromDatetime(updated)
	return g, err
}

func (s *Store) groups(ctx context.Context, q querier) ([]alerting.Group, error) {
	groups, err := collect(ctx, q, s.scanGroup, selectGroups)
	if err != nil {
		return nil, fmt.Errorf("read groups: %w", err)
	}
	return groups, nil
}

// Groups lists the WeCom groups of the table, disabled ones too.
func (s *Store) Groups(ctx context.Context) ([]alerting.Group, error) {
	groups, err := s.groups(ctx, s.reader)
	return groups, s.dialect.wrap(err)
}
