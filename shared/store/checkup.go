package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"trade-monitor/shared/alerting"
)

// What a person who looks for a fault asks of the record. Nothing here changes
// anything.

// CheckSchema tells whether the tables are of our version: ErrSchema, or that
// the database cannot be read.
func (s *Store) CheckSchema(ctx context.Context) error {
	return s.dialect.wrap(s.checkSchema(ctx, s.reader))
}

func (s *Store) checkSchema(ctx context.Context, q querier) error {
	var version int64
	rows, err := collect(ctx, q, func(row scanner) (v int64, err error) { return v, row.Scan(&v) }, "SELECT COALESCE(MAX(version_id), 0) FROM alert_schema_version WHERE is_applied = 1")
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if len(rows) > 0 {
		version = rows[0]
	}
	if version < s.version {
		return fmt.Errorf("%w: version %d of %d", alerting.ErrSchema, version, s.version)
	}
	return nil
}

// errProbe rolls a probe back.
var errProbe = errors.New("a probe, rolled back")

// MayWrite tells whether rows can be written, without leaving one.
func (s *Store) MayWrite(ctx context.Context) error {
	err := s.inTx(ctx, func(t *tx) error {
		if err := t.update(ctx, "INSERT INTO alert_idempotency (key_hash, body_hash, receipt, expires_us) VALUES ('doctor-probe', '', '', ?)", t.now.UnixMicro()); err != nil {
			return err
		}
		return errProbe
	})
	if errors.Is(err, errProbe) {
		return nil
	}
	return err
}

// Clock is what counts as now for leases and budgets.
func (s *Store) Clock(ctx context.Context) (time.Time, error) { return s.clock(ctx) }

// Overdue is what waits for one group though it is due.
type Overdue struct {
	GroupID   int64
	GroupName string
	Count     int64
	Since     time.Time // of the oldest
	Reason    alerting.Reason
}

// Overdue lists the groups with words that have been PENDING for longer than
// age.
func (s *Store) Overdue(ctx context.Context, age time.Duration) ([]Overdue, error) {
	now, err := s.clock(ctx)
	if err != nil {
		return nil, err
	}
	list, err := collect(ctx, s.reader, func(row scanner) (o Overdue, err error) {
		var code, detail sql.NullString
		var since sql.NullInt64
		err = row.Scan(&o.GroupID, &o.GroupName, &o.Count, &since, &code, &detail)
		o.Since, o.Reason = instant(since), alerting.Reason{Code: code.String, Detail: detail.String}
		return o, err
	}, "SELECT group_id, MAX(group_name), COUNT(*), MIN(created_us), MAX(reason_code), MAX(reason_detail) FROM alert_notifications WHERE status = 'PENDING' AND created_us <= ? GROUP BY group_id ORDER BY group_id",
		now.Add(-age).UnixMicro())
	if err != nil {
		return nil, s.dialect.wrap(fmt.Errorf("read what is overdue: %w", err))
	}
	return list, nil
}

// Robots lists those that were sent anything, and how it stands with them.
func (s *Store) Robots(ctx context.Context) (robots alerting.Robots, err error) {
	if robots.Now, err = s.clock(ctx); err != nil {
		return robots, err
	}
	robots.All, err = collect(ctx, s.reader, func(row scanner) (r alerting.Robot, err error) {
		var code, detail sql.NullString
		var paused sql.NullInt64
		err = row.Scan(&r.ID, &paused, &code, &detail, &r.Failures, &r.Broken)
		r.PausedUntil, r.PauseReason = instant(paused), alerting.Reason{Code: code.String, Detail: detail.String}
		return r, err
	}, "SELECT robot, paused_us, reason_code, reason_detail, failures, broken FROM alert_robots ORDER BY robot")
	if err != nil {
		return robots, s.dialect.wrap(fmt.Errorf("read the robots: %w", err))
	}
	return robots, nil
}

// StuckRemediations counts those that have not come to an end for longer than
// age.
func (s *Store) StuckRemediations(ctx context.Context, age time.Duration) (int64, error) {
	now, err := s.clock(ctx)
	if err != nil {
		return 0, err
	}
	var n int64
	err = s.reader.QueryRowContext(ctx, "SELECT COUNT(*) FROM alert_remediations WHERE status IN ('REQUESTED', 'RUNNING', 'VERIFYING') AND requested_us <= ?", now.Add(-age).UnixMicro()).Scan(&n)
	if err != nil {
		return 0, s.dialect.wrap(fmt.Errorf("read stuck remediations: %w", err))
	}
	return n, nil
}
