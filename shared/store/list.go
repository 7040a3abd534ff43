package store

import (
	"context"
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
		page.Alerts, page.Next, err = s.heads(ctx, f, combos, size)
	} else {
		page.Alerts, page.Next, err = s.scan(ctx, f, size)
	}
	if err != nil {
		return page, fmt.Errorf("list alerts: %w", err)
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
	// Scope and service begin the table's key; scopeAll has no service.
	where, args := []string{"scope = ?", "service_name = ?"}, []any{scopeAll, f.Service}
	if f.Service != "" {
		args[0] = scopeService
	}
	f.Service = ""
	for _, c := range columnsOf(f) {
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

// heads merges the newest alerts of each combination. Each range minds case, as
// where does: ranges that took each other's rows would crowd rows out of the
// page.
func (s *Store) heads(ctx context.Context, f alerting.Filter, combos []combo, size int) (page []alerting.Alert, next int64, err error) {
	var parts []string
	var args []any
	for _, c := range combos {
		var m matching
		if f.Service != "" {
			m.equal(s, "service_name", c.service)
		}
		m.equal(s, "alert_type", c.alertType)
		m.equal(s, "status", c.status)
		m.equal(s, "severity", c.severity)
		m.before(f.Before)
		parts = append(parts, fmt.Sprintf("SELECT id FROM (SELECT id FROM alert_records WHERE 1 = 1%s ORDER BY id DESC LIMIT %d) h%d", m.and(), size+1, len(parts)))
		args = append(args, m.args...)
	}
	ids, err := collect(ctx, s.reader, func(row scanner) (id int64, err error) { return id, row.Scan(&id) },
		strings.Join(parts, " UNION ALL ")+fmt.Sprintf(" ORDER BY 1 DESC LIMIT %d", size+1), args...)
	if err != nil || len(ids) == 0 {
		return nil, 0, err
	}
	if len(ids) > size { // the one more tells that there is a next page
		ids = ids[:size]
		next = ids[size-1]
	}
	m := s.still(f)
	page, err = collect(ctx, s.reader, s.scanAlert,
		"SELECT "+alertColumns+" FROM alert_records WHERE id IN ("+list(len(ids))+")"+m.and()+" ORDER BY id DESC", append(anys(ids), m.args...)...)
	return page, next, err
}

// scan reads a page by the filter as it stands.
func (s *Store) scan(ctx context.Context, f alerting.Filter, size int) (page []alerting.Alert, next int64, err error) {
	m := s.where(f)
	m.before(f.Before)
	query := "SELECT " + alertColumns + " FROM alert_records WHERE 1 = 1" + m.and() + fmt.Sprintf(" ORDER BY id DESC LIMIT %d", size+1)
	args := m.args
	if f.Before == 0 && f.Page > 1 {
		query += " OFFSET ?"
		args = append(args, int64(f.Page-1)*int64(size))
	}
	page, err = collect(ctx, s.reader, s.scanAlert, query, args...)
	if len(page) > size {
		page = page[:size]
		next = page[size-1].ID
	}
	return page, next, err
}

// matching is a list of conditions with their arguments.
type matching struct {
	conditions []string
	args       []any
}

func (m *matching) add(condition string, args ...any) {
	m.conditions, m.args = append(m.conditions, condition), append(m.args, args...)
}

// equal asks for a value to the letter. On columns whose collation ignores case
// the second comparison minds it, and the first keeps the index usable.
func (m *matching) equal(s *Store, column, value string) {
	m.add(column+" = ?", value)
	if s.dialect.Binary != "" {
		m.add(column+s.dialect.Binary+" = ?", value)
	}
}

func (m *matching) before(id int64) {
	if id > 0 {
		m.add("id < ?", id)
	}
}

func (m *matching) and() string {
	if len(m.conditions) == 0 {
		return ""
	}
	return " AND " + strings.Join(m.conditions, " AND ")
}

// columnValue is what a filter asks of one column; empty: nothing.
type columnValue struct{ column, value string }

func columnsOf(f alerting.Filter) []columnValue {
	return []columnValue{{"alert_type", f.Type}, {"service_name", f.Service}, {"status", string(f.Status)}, {"severity", string(f.Severity)}}
}

// still asks the filter's columns again of alerts that were found by them: one
// may have changed since. No index serves these conditions, on purpose: SQLite
// would rather walk all alerts of a type and status than look up a page's ids.
func (s *Store) still(f alerting.Filter) (m matching) {
	for _, c := range columnsOf(f) {
		if c.value != "" {
			m.equal(s, "COALESCE("+c.column+", '')", c.value)
		}
	}
	return m
}

// where writes the filter as conditions.
func (s *Store) where(f alerting.Filter) (m matching) {
	for _, c := range columnsOf(f) {
		if c.value != "" {
			m.equal(s, c.column, c.value)
		}
	}
	if !f.From.IsZero() {
		m.add("created_at >= ?", s.datetime(f.From))
	}
	if !f.To.IsZero() {
		m.add("created_at < ?", s.datetime(f.To))
	}
	if f.Text != "" {
		like := "%" + likeEscape.Replace(f.Text) + "%"
		m.add("(title LIKE ? ESCAPE '!' OR message LIKE ? ESCAPE '!' OR service_name LIKE ? ESCAPE '!')", like, like, like)
	}
	return m
}

var likeEscape = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

// countMatches counts what no maintained total knows. With text the count is
// bounded.
func (s *Store) countMatches(ctx context.Context, f alerting.Filter) (n int64, lowerBound bool, err error) {
	m := s.where(f)
	query := "SELECT COUNT(*) FROM alert_records WHERE 1 = 1" + m.and()
	if f.Text != "" {
		query = fmt.Sprintf("SELECT COUNT(*) FROM (SELECT id FROM alert_records WHERE 1 = 1%s LIMIT %d) m", m.and(), textTotalLimit+1)
	}
	if err := s.reader.QueryRowContext(ctx, query, m.args...).Scan(&n); err != nil {
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
	stats.Remediations, err = collect(ctx, s.reader, scanRemedyCount,
		"SELECT alert_type, status, SUM(n) FROM alert_totals WHERE scope = ? AND service_name = '' GROUP BY alert_type, status HAVING SUM(n) <> 0 ORDER BY alert_type, status", scopeRemedies)
	if err != nil {
		return stats, s.dialect.wrap(fmt.Errorf("count remediations: %w", err))
	}
	return stats, nil
}

func scanRemedyCount(row scanner) (c alerting.RemediationCount, err error) {
	return c, row.Scan(&c.Action, &c.Status, &c.N)
}

// filtered tells whether any of the four columns is selected; without one the
// primary key alone gives the page.
func filtered(f alerting.Filter) bool {
	return f.Type != "" || f.Service != "" || f.Status != "" || f.Severity != ""
}
