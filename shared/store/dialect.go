package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
)

// Dialect is what differs between the engines.
type Dialect struct {
	Name string
	// Clock is the statement that reads the database's clock in microseconds
	// since the epoch; empty: this process is alone and its own clock counts.
	Clock string
	// ForUpdate is the suffix that locks the rows that a SELECT reads.
	ForUpdate string
	// ForShare is the suffix that keeps the rows that a SELECT reads as they
	// are until the transaction ends.
	ForShare string
	// AddTotals ends the INSERT that adds to alert_totals.
	AddTotals string
	// Binary is the suffix of a comparison that minds case on columns whose
	// collation does not.
	Binary string
	// RowsPerInsert bounds the rows of one INSERT: many where a statement is a
	// round trip, one where a prepared statement is a function call.
	RowsPerInsert int
	// Prepare keeps statements prepared on the writing connection.
	Prepare bool
	// Kind tells what an error of the driver means.
	Kind func(error) ErrorKind
}

// ErrorKind is what a database error means to us.
type ErrorKind int

const (
	// Other: an error of ours or of the data.
	Other ErrorKind = iota
	// Retry: a deadlock, a lock time-out, or a key that another writer was
	// first to insert: the same transaction may pass now.
	Retry
	// Unreachable: no connection, or the server is going away.
	Unreachable
	// Schema: a table or column is missing.
	Schema
)

// wrap gives a database error its meaning for callers.
func (d *Dialect) wrap(err error) error {
	if err == nil || errors.Is(err, alerting.ErrUnavailable) || errors.Is(err, alerting.ErrSchema) {
		return err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, sql.ErrConnDone), d.Kind(err) == Unreachable:
		return &kindError{kind: alerting.ErrUnavailable, cause: err}
	case d.Kind(err) == Schema:
		return &kindError{kind: alerting.ErrSchema, cause: err}
	}
	return err
}

// kindError is a database error under one of alerting's names.
type kindError struct {
	kind  error
	cause error
}

func (e *kindError) Error() string   { return e.kind.Error() + ": " + e.cause.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.cause} }

// micros is an instant as the database keeps it: microseconds since the epoch,
// or NULL for the zero time.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// instant reads what micros wrote.
func instant(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return time.UnixMicro(us.Int64).UTC()
}

// datetimeLayout is how the guide's DATETIME columns are written: whole
// seconds, on the clock of TZ.
const datetimeLayout = "2006-01-02 15:04:05"

func (s *Store) datetime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.In(s.location).Format(datetimeLayout)
}

// fromDatetime reads a DATETIME column: the only time that rows written by
// hand have.
func (s *Store) fromDatetime(text sql.NullString) time.Time {
	if !text.Valid || len(text.String) < len(datetimeLayout) {
		return time.Time{}
	}
	t, err := time.ParseInLocation(datetimeLayout, strings.Replace(text.String[:len(datetimeLayout)], "T", " ", 1), s.location)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// list writes n placeholders: ?,?,?
func list(n int) string {
	return strings.TrimSuffix(strings.Repeat("?,", n), ",")
}

func anys[T any](values []T) []any {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = v
	}
	return all
}

// nanos keeps an instant of the Engine to the nanosecond: StartedAt is compared
// for equality. Text, because both engines keep it exactly.
func nanos(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func fromNanos(s sql.NullString) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s.String)
	if err != nil {
		return time.Time{}
	}
	return t
}

// truth reads a TINYINT(1) as MySQL does: what is not 0 is true. People write
// such columns by hand, and a 2 must not make the row unreadable.
type truth bool

func (t *truth) Scan(value any) error {
	var n sql.NullInt64
	if err := n.Scan(value); err != nil {
		return err
	}
	*t = n.Int64 != 0
	return nil
}
