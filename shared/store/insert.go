package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
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
	insertNotification = into("INSERT", "alert_notifications", "alert_id, remediation_id, group_id, group_name, kind, severity, priority, status, reason_code, reason_detail, reason_until, attempts, next_us, created_us")
	// REPLACE: who empties alert_records by TRUNCATE starts its ids again at 1,
	// and the lines of the old alert 1 must not keep the new one out.
	insertDecision    = into("REPLACE", "alert_decisions", "alert_id, seq, what, word_code, word_detail, word_until, remedy_code, remedy_detail, remedy_until, note, times, at_us, last_us")
	insertRemediation = into("INSERT", "alert_remediations", remediationInsertColumns)
	insertAnswer      = into("INSERT", "alert_idempotency", "key_hash, body_hash, receipt, expires_us")
	addTotal          = func() insertion {
		i := into("INSERT", "alert_totals", "scope, service_name, alert_type, status, severity, shard, n")
		i.tail = func(d *Dialect) string { return d.AddTotals }
		return i
	}()

	hotInsertions = []insertion{insertAlert, replaceEvent, insertNotification, insertDecision, insertRemediation, insertAnswer, addTotal}
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
	for len(rows) > 0 {
		n := min(chunk, len(rows))
		args := make([]any, 0, n*i.cols)
		for _, row := range rows[:n] {
			args = append(args, row...)
		}
		if _, err := t.exec(ctx, i.statement(d, n), args...); err != nil {
			return fmt.Errorf("%s…: %w", strings.TrimSpace(i.head), err)
		}
		rows = rows[n:]
	}
	return nil
}

// exec runs a statement in the transaction, prepared where it was.
func (t *tx) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if stmt := t.s.stmts.get(query); stmt != nil {
		return t.StmtContext(ctx, stmt).ExecContext(ctx, args...)
	}
	return t.ExecContext(ctx, query, args...)
}

// update runs a statement that must change a row that is there.
func (t *tx) update(ctx context.Context, query string, args ...any) error {
	_, err := t.exec(ctx, query, args...)
	return err
}

// statements keeps the hot path's statements prepared on the writing
// connection, where the dialect gains by it.
type statements struct {
	mu  sync.RWMutex
	all map[string]*sql.Stmt
}

// prepare does so once; it must run outside a transaction, which would hold
// the only connection.
func (p *statements) prepare(ctx context.Context, s *Store) error {
	if !s.dialect.Prepare {
		return nil
	}
	p.mu.RLock()
	done := p.all != nil
	p.mu.RUnlock()
	if done {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all != nil {
		return nil
	}
	queries := []string{updateAlert}
	for _, i := range hotInsertions {
		queries = append(queries, i.statement(&s.dialect, 1))
	}
	all := map[string]*sql.Stmt{}
	for _, q := range queries {
		stmt, err := s.writer.PrepareContext(ctx, q)
		if err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		all[q] = stmt
	}
	p.all = all
	return nil
}

func (p *statements) get(query string) *sql.Stmt {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.all[query]
}

func (p *statements) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, stmt := range p.all {
		_ = stmt.Close()
	}
	p.all = nil
}
