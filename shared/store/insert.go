package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// insertion is an INSERT that writes many rows of one shape.
type insertion struct {
	head string // INSERT INTO t (a, b) VALUES
	cols int
	tail func(*Dialect) string
}

func into(verb, table, columns string) insertion {
	return insertion{head: fmt.Sprintf("%s INTO %s (%s) VALUES ", verb, table, columns), cols: strings.Count(columns, ",") + 1}
}

// The rows of the hot path. Written in this order they keep the writers of
// several processes from waiting for each other in a circle.
var (
	insertAlert        = into("INSERT", "alert_records", alertInsertColumns)
	replaceEvent       = into("REPLACE", "alert_events", "alert_id, slot, n, severity, title, message, metadata, resolved, notes, received_us")
	insertNotification = into("INSERT", "alert_notifications", "alert_id, remediation_id, group_id, group_name, kind, severity, priority, status, reason_code, reason_detail, reason_until, attempts, next_us, created_us, counted")
	// REPLACE: who empties alert_records by TRUNCATE starts its ids again at 1,
	// and the lines of the old alert 1 must not keep the new one out.
	insertDecision    = into("REPLACE", "alert_decisions", "alert_id, seq, what, word_code, word_detail, word_until, remedy_code, remedy_detail, remedy_until, note, times, at_us, last_us")
	insertRemediation = into("INSERT", "alert_remediations", remediationInsertColumns)
	replaceRecheck    = into("REPLACE", "alert_rechecks", "alert_id, at_us")
	replaceStep       = into("REPLACE", "alert_escalations", "alert_id, at_us")
	insertAnswer      = into("INSERT", "alert_idempotency", "key_hash, body_hash, receipt, expires_us")
	addTotal          = func() insertion {
		i := into("INSERT", "alert_totals", "scope, service_name, alert_type, status, severity, shard, n")
		i.tail = func(d *Dialect) string { return d.AddTotals }
		return i
	}()

	hotInsertions = []insertion{insertAlert, replaceEvent, insertNotification, insertDecision, insertRemediation, replaceRecheck, replaceStep, insertAnswer, addTotal}
)

func (i insertion) statement(d *Dialect, rows int) string {
	values := "(" + list(i.cols) + ")"
	q := i.head + values + strings.Repeat(","+values, rows-1)
	if i.tail != nil {
		q += " " + i.tail(d)
	}
	return q
}

// maxArgs keeps a statement's arguments well below the engines' limits.
const maxArgs = 8_000

// insert writes the rows in order.
func (t *tx) insert(ctx context.Context, i insertion, rows [][]any) error {
	d := &t.s.dialect
	chunk := min(d.RowsPerInsert, maxArgs/i.cols)
	query, holds := "", 0
	args := make([]any, 0, min(chunk, len(rows))*i.cols)
	for len(rows) > 0 {
		n := min(chunk, len(rows))
		if n != holds {
			query, holds = i.statement(d, n), n
		}
		args = args[:0]
		for _, row := range rows[:n] {
			args = append(args, row...)
		}
		if _, err := t.exec(ctx, query, args...); err != nil {
			return fmt.Errorf("%s…: %w", strings.TrimSpace(i.head), err)
		}
		rows = rows[n:]
	}
	return nil
}

// exec runs a statement in the transaction, prepared where it was.
func (t *tx) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if stmt := t.prepared(ctx, query); stmt != nil {
		return stmt.ExecContext(ctx, args...)
	}
	return t.ExecContext(ctx, query, args...)
}

// QueryContext runs a query in the transaction, prepared where it was.
func (t *tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := t.prepared(ctx, query); stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return t.Tx.QueryContext(ctx, query, args...)
}

// prepared is the prepared statement as this transaction uses it, or nil.
func (t *tx) prepared(ctx context.Context, query string) *sql.Stmt {
	if stmt := t.stmts[query]; stmt != nil {
		return stmt
	}
	stmt := t.s.stmts.get(query)
	if stmt == nil {
		stmt = t.s.pings.get(query)
	}
	if stmt == nil {
		return nil
	}
	if t.stmts == nil {
		t.stmts = map[string]*sql.Stmt{}
	}
	t.stmts[query] = t.StmtContext(ctx, stmt)
	return t.stmts[query]
}

// update runs a statement of which nothing is asked but that it runs.
func (t *tx) update(ctx context.Context, query string, args ...any) error {
	_, err := t.exec(ctx, query, args...)
	return err
}
