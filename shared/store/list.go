package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"trade-monitor/shared/alerting"
)

// textTotalLimit bounds the count of a search by text, which no index serves.
const textTotalLimit = 1_000

// ListAlerts gives one page, newest first, and its total.
//
// Selections by type, status, severity and service cost the same at any number
// of alerts: the totals are maintained, and say which combinations exist, so
// that the page is merged from the heads of a few index ranges. Deep page
// numbers, times and text are right without that promise.
func (s *Store) ListAlerts(ctx context.Context, f alerting.Filter) (alerting.Page, error) {
	page, err := s.listAlerts(ctx, f)
	return page, s.dialect.wrap(err)
}

func (s *Store) listAlerts(ctx context.Context, f alerting.Filter) (alerting.Page, error) {
	var page alerting.Page
	combos, err := s.combos(ctx, f)
	if err != nil {
		return page, err
	}
	plain := f.From.IsZero() && f.To.IsZero() && f.Text == ""
	if plain {
		for _, c := range combos {
			page.Total += c.n
		}
	} else if page.Total, page.TotalIsLowerBound, err = s.countMatches(ctx, f); err != nil {
		return page, err
	}
	size := max(f.PageSize, 1)
	headOnly := f.Before > 0 || f.Page <= 1
	if plain && headOnly && len(combos) > 0 && len(combos) <= maxHeads && filtered(f) {
		page.Alerts, err = s.heads(ctx, f, combos, size)
	} else {
		page.Alerts, err = s.scan(ctx, f, size)
	}
	if err != nil {
		return page, fmt.Errorf("list alerts: %w", err)
	}
	if len(page.Alerts) == size {
		page.Next = page.Alerts[size-1].ID
	}
	return page, nil
}

// combo is one combination of the four indexed columns and how many alerts
// have it.
type combo struct {
	service, alertType, status, severity string
	n                                    int64
}

// maxHeads bounds the index ranges that a page is merged from.
const maxHeads = 96

// combos reads the totals that the filter selects. Without a service they are
// those of all services, so that their number does not grow with the services.
func (s *Store) combos(ctx context.Context, f alerting.Filter) ([]combo, error) {
	where, args := []string{"scope = ?"}, []any{scopeAll}
	if f.Service != "" {
		args[0] = scopeService
	}
	for _, c := range []struct{ column, value string }{
		{"service_name", f.Service}, {"alert_type", f.Type}, {"status", string(f.Status)}, {"severity", string(f.Severity)},
	} {
		if c.value != "" {
			where = append(where, c.column+" = ?")
			args = append(args, c.value)
		}
	}
	combos, err := collect(ctx, s.reader, func(row scanner) (c combo, err error) {
		return c, row.Scan(&c.service, &c.alertType, &c.status, &c.severity, &c.n)
	}, "SELECT service_name, alert_type, status, severity, SUM(n) FROM alert_totals WHERE "+strings.Join(where, " AND ")+
		" GROUP BY service_name, alert_type, status, severity HAVING SUM(n) <> 0", args...)
	if err != nil {
		return nil, fmt.Errorf("read totals: %w", err)
	}
	return combos, nil
}

// heads merges the newest alerts of each combination.
func (s *Store) heads(ctx context.Context, f alerting.Filter, combos []combo, size int) ([]alerting.Alert, error) {
	var parts []string
	var args []any
	for _, c := range combos {
		where := "alert_type = ? AND status = ? AND severity = ?"
		part := []any{c.alertType, c.status, c.severity}
		if f.Service != "" {
			where = "service_name = ? AND " + where
			part = append([]any{c.service}, part...)
		}
		if f.Before > 0 {
			where += " AND id < ?"
			part = append(part, f.Before)
		}
		parts = append(parts, fmt.Sprintf("SELECT id FROM (SELECT id FROM alert_records WHERE %s ORDER BY id DESC LIMIT %d) h%d", where, size, len(parts)))
		args = append(args, part...)
	}
	ids, err := collect(ctx, s.reader, func(row scanner) (id int64, err error) { return id, row.Scan(&id) },
		strings.Join(parts, " UNION ALL ")+fmt.Sprintf(" ORDER BY 1 DESC LIMIT %d", size), args...)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	where, filterArgs := s.where(f) // minds case, which the collation of the ranges may not
	return collect(ctx, s.reader, s.scanAlert,
		"SELECT "+alertColumns+" FROM alert_records WHERE id IN ("+list(len(ids))+")"+and(where)+" ORDER BY id DESC", append(anys(ids), filterArgs...)...)
}

// scan reads a page by the filter as it stands.
func (s *Store) scan(ctx context.Context, f alerting.Filter, size int) ([]alerting.Alert, error) {
	where, args := s.where(f)
	query := "SELECT " + alertColumns + " FROM alert_records WHERE 1 = 1" + and(where)
	if f.Before > 0 {
		query += " AND id < ?"
		args = append(args, f.Before)
	}
	query += fmt.Sprintf(" ORDER BY id DESC LIMIT %d", size)
	if f.Before == 0 && f.Page > 1 {
		query += " OFFSET ?"
		args = append(args, int64(f.Page-1)*int64(size))
	}
	return collect(ctx, s.reader, s.scanAlert, query, args...)
}

func and(where []string) string {
	if len(where) == 0 {
		return ""
	}
	return " AND " + strings.Join(where, " AND ")
}

// where writes the filter as conditions. On columns whose collation ignores
// case the second comparison minds it, and the first keeps the index usable.
func (s *Store) where(f alerting.Filter) (conditions []string, args []any) {
	for _, c := range []struct{ column, value string }{
		{"alert_type", f.Type}, {"service_name", f.Service}, {"status", string(f.Status)}, {"severity", string(f.Severity)},
	} {
		if c.value == "" {
			continue
		}
		conditions = append(conditions, c.column+" = ?")
		args = append(args, c.value)
		if s.dialect.Binary != "" {
			conditions = append(conditions, c.column+s.dialect.Binary+" = ?")
			args = append(args, c.value)
		}
	}
	if !f.From.IsZero() {
		conditions, args = append(conditions, "created_at >= ?"), append(args, s.datetime(f.From))
	}
	if !f.To.IsZero() {
		conditions, args = append(conditions, "created_at < ?"), append(args, s.datetime(f.To))
	}
	if f.Text != "" {
		like := "%" + likeEscape.Replace(f.Text) + "%"
		conditions = append(conditions, "(title LIKE ? ESCAPE '!' OR message LIKE ? ESCAPE '!' OR service_name LIKE ? ESCAPE '!')")
		args = append(args, like, like, like)
	}
	return conditions, args
}

var likeEscape = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

// countMatches counts what no maintained total knows. With text the count is
// bounded.
func (s *Store) countMatches(ctx context.Context, f alerting.Filter) (n int64, lowerBound bool, err error) {
	where, args := s.where(f)
	query := "SELECT COUNT(*) FROM alert_records WHERE 1 = 1" + and(where)
	if f.Text != "" {
		query = fmt.Sprintf("SELECT COUNT(*) FROM (SELECT id FROM alert_records WHERE 1 = 1%s LIMIT %d) m", and(where), textTotalLimit+1)
	}
	if err := s.reader.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		return 0, false, fmt.Errorf("count alerts: %w", err)
	}
	if f.Text != "" && n > textTotalLimit {
		return textTotalLimit, true, nil
	}
	return n, false, nil
}

// topServices bounds the services that Stats names.
const topServices = 100

// Stats counts all alerts, from the maintained totals.
func (s *Store) Stats(ctx context.Context) (alerting.Stats, error) {
	stats := alerting.Stats{ByType: map[string]int64{}, ByService: map[string]int64{}, BySeverity: map[string]int64{}, ByStatus: map[string]int64{}}
	combos, err := s.combos(ctx, alerting.Filter{})
	if err != nil {
		return stats, s.dialect.wrap(err)
	}
	for _, c := range combos {
		stats.Total += c.n
		stats.ByType[c.alertType] += c.n
		stats.BySeverity[c.severity] += c.n
		stats.ByStatus[c.status] += c.n
	}
	services, err := collect(ctx, s.reader, func(row scanner) (c combo, err error) {
		return c, row.Scan(&c.service, &c.n)
	}, fmt.Sprintf("SELECT service_name, SUM(n) FROM alert_totals WHERE scope = 'S' GROUP BY service_name HAVING SUM(n) <> 0 ORDER BY 2 DESC, 1 LIMIT %d", topServices))
	if err != nil {
		return stats, s.dialect.wrap(fmt.Errorf("count services: %w", err))
	}
	for _, c := range services {
		stats.ByService[c.service] = c.n
	}
	return stats, nil
}

// Story gives everything on record about one alert.
func (s *Store) Story(ctx context.Context, id int64) (alerting.Story, error) {
	story, err := s.story(ctx, id)
	return story, s.dialect.wrap(err)
}

func (s *Store) story(ctx context.Context, id int64) (alerting.Story, error) {
	var story alerting.Story
	alerts, err := collect(ctx, s.reader, s.scanAlert, "SELECT "+alertColumns+" FROM alert_records WHERE id = ?", id)
	if err != nil {
		return story, fmt.Errorf("read alert %d: %w", id, err)
	}
	if len(alerts) == 0 {
		return story, alerting.ErrNotFound
	}
	story.Alert = alerts[0]
	if story.Events, err = collect(ctx, s.reader, scanEvent, "SELECT "+eventColumns+" FROM alert_events WHERE alert_id = ? ORDER BY received_us, n", id); err != nil {
		return story, fmt.Errorf("read events of %d: %w", id, err)
	}
	if len(story.Events) == 0 || story.Events[0].N != 1 {
		story.Events = append([]alerting.KeptEvent{firstEvent(&story.Alert)}, story.Events...)
	}
	if story.Notifications, err = collect(ctx, s.reader, scanNotification, "SELECT "+notificationColumns+" FROM alert_notifications WHERE alert_id = ? ORDER BY id", id); err != nil {
		return story, fmt.Errorf("read notifications of %d: %w", id, err)
	}
	if story.Messages, err = collect(ctx, s.reader, scanMessage, "SELECT "+messageColumns+
		" FROM alert_messages WHERE alert_id = ? ORDER BY id", id); err != nil {
		return story, fmt.Errorf("read messages of %d: %w", id, err)
	}
	if story.Remediations, err = collect(ctx, s.reader, scanRemediation, "SELECT "+remediationColumns+" FROM alert_remediations WHERE alert_id = ? ORDER BY id", id); err != nil {
		return story, fmt.Errorf("read remediations of %d: %w", id, err)
	}
	story.Decisions, err = collect(ctx, s.reader, scanDecision, "SELECT "+decisionColumns+" FROM alert_decisions WHERE alert_id = ? ORDER BY seq", id)
	if err != nil {
		return story, fmt.Errorf("read decisions of %d: %w", id, err)
	}
	return story, nil
}

// firstEvent is the event that opened an alert: the alert keeps its words, so
// it needs no row of its own unless its title had to be cut.
func firstEvent(a *alerting.Alert) alerting.KeptEvent {
	return alerting.KeptEvent{AlertID: a.ID, N: 1, Severity: a.Severity, Title: a.Title, Message: a.Message, Metadata: a.Metadata, ReceivedAt: a.CreatedAt}
}

// latestEvent is the newest event that is not the first, or nil.
func (t *tx) latestEvent(ctx context.Context, a *alerting.Alert) (*alerting.KeptEvent, error) {
	events, err := collect(ctx, t, scanEvent, "SELECT "+eventColumns+" FROM alert_events WHERE alert_id = ? AND slot = ?", a.ID, alerting.EventSlot(a.Occurrences))
	if err != nil || len(events) == 0 {
		return nil, err
	}
	return &events[0], nil
}

// newestRemediation is the alert's newest remediation, or the one with the id.
func (t *tx) newestRemediation(ctx context.Context, alertID, id int64) (*alerting.Remediation, error) {
	found, err := collect(ctx, t, scanRemediation, "SELECT "+remediationColumns+
		" FROM alert_remediations WHERE alert_id = ? AND (id = ? OR ? = 0) ORDER BY id DESC LIMIT 1", alertID, id, id)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// Recount makes the totals what the alerts are: rows that people insert, change
// or delete by SQL are unknown to the maintained ones. It reads one snapshot,
// in which alerts and deltas agree, so writers go on meanwhile.
func (s *Store) Recount(ctx context.Context) error {
	snapshot, err := s.reader.BeginTx(ctx, &sql.TxOptions{Isolation: s.snapshotLevel(), ReadOnly: true})
	if err != nil {
		return s.dialect.wrap(fmt.Errorf("recount: %w", err))
	}
	defer snapshot.Rollback() //nolint:errcheck // it only read
	drift := map[totalKey]int64{}
	for _, q := range []struct {
		sign  int64
		query string
	}{
		{1, "SELECT 'A', '', alert_type" + s.dialect.Binary + ", status" + s.dialect.Binary + ", severity" + s.dialect.Binary + ", COUNT(*) FROM alert_records GROUP BY 3, 4, 5"},
		{1, "SELECT 'S', service_name" + s.dialect.Binary + ", alert_type" + s.dialect.Binary + ", status" + s.dialect.Binary + ", severity" + s.dialect.Binary + ", COUNT(*) FROM alert_records GROUP BY 2, 3, 4, 5"},
		{-1, "SELECT scope, service_name, alert_type, status, severity, SUM(n) FROM alert_totals WHERE scope IN ('A', 'S') GROUP BY scope, service_name, alert_type, status, severity"},
	} {
		if err := tally(ctx, snapshot, drift, q.sign, q.query); err != nil {
			return s.dialect.wrap(fmt.Errorf("recount: %w", err))
		}
	}
	return s.inTx(ctx, func(t *tx) error {
		w := newWriter(t)
		w.totals = drift
		return w.writeTotals(ctx)
	})
}

func (s *Store) snapshotLevel() sql.IsolationLevel {
	if s.dialect.Clock == "" {
		return sql.LevelDefault // a reading transaction of SQLite is a snapshot
	}
	return sql.LevelRepeatableRead
}

func tally(ctx context.Context, q querier, into map[totalKey]int64, sign int64, query string) error {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var k totalKey
		var n int64
		if err := rows.Scan(&k.scope, &k.service, &k.alertType, &k.status, &k.severity, &n); err != nil {
			return err
		}
		into[k] += sign * n
	}
	return rows.Err()
}

// filtered tells whether any of the four columns is selected; without one the
// primary key alone gives the page.
func filtered(f alerting.Filter) bool {
	return f.Type != "" || f.Service != "" || f.Status != "" || f.Severity != ""
}
