package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"trade-monitor/shared/alerting"
)

const silenceColumns = "id, alert_type, service_name, severity, starts_us, ends_us, author, comment, hold_remediation, created_us, ended_by"

func scanSilence(row scanner) (alerting.Silence, error) {
	var s alerting.Silence
	var alertType, service, severity, endedBy sql.NullString
	var starts, ends, created sql.NullInt64
	err := row.Scan(&s.ID, &alertType, &service, &severity, &starts, &ends, &s.Author, &s.Comment, (*truth)(&s.HoldRemediation), &created, &endedBy)
	s.AlertType, s.Service, s.Severity, s.EndedBy = alertType.String, service.String, alerting.Severity(severity.String), endedBy.String
	s.StartsAt, s.EndsAt, s.CreatedAt = instant(starts), instant(ends), instant(created)
	return s, err
}

// selectSilences reads what keeps words back now. The share of a lock makes
// whoever ends a silence wait for the events that were held against it: what
// they plan for its end is then there to be brought forward.
func selectSilences(d *Dialect) string {
	return "SELECT " + silenceColumns + " FROM alert_silences WHERE ends_us > ? AND starts_us <= ?" + d.ForShare
}

// silences are those in force, read once. Where an alert is locked they are read
// before it, as EndSilence does.
func (t *tx) silences(ctx context.Context) (alerting.Silences, error) {
	if t.quiet != nil {
		return *t.quiet, nil
	}
	now := t.now.UnixMicro()
	all, err := collect(ctx, t, scanSilence, selectSilences(&t.s.dialect), now, now)
	if err != nil {
		return nil, fmt.Errorf("read silences: %w", err)
	}
	t.quiet = (*alerting.Silences)(&all)
	return all, nil
}

// shownSilences is how many are listed at most, the newest first.
const shownSilences = 1_000

// Silences lists those that are not over, or all; the newest first. now is the
// instant that says how they stand.
func (s *Store) Silences(ctx context.Context, all bool) (list alerting.Silences, now time.Time, err error) {
	if now, err = s.clock(ctx); err != nil {
		return nil, now, err
	}
	after := now.UnixMicro()
	if all {
		after = 0
	}
	list, err = collect(ctx, s.reader, scanSilence, fmt.Sprintf("SELECT "+silenceColumns+" FROM alert_silences WHERE ends_us > ? ORDER BY id DESC LIMIT %d", shownSilences), after)
	if err != nil {
		return nil, now, s.dialect.wrap(fmt.Errorf("list silences: %w", err))
	}
	return list, now, nil
}

// Silence gives one, and the instant that says how it stands. ErrNotFound:
// there is none.
func (s *Store) Silence(ctx context.Context, id int64) (one alerting.Silence, now time.Time, err error) {
	if now, err = s.clock(ctx); err != nil {
		return one, now, err
	}
	one, err = silence(ctx, s.reader, "", id)
	return one, now, s.dialect.wrap(err)
}

func silence(ctx context.Context, q querier, lock string, id int64) (alerting.Silence, error) {
	found, err := collect(ctx, q, scanSilence, "SELECT "+silenceColumns+" FROM alert_silences WHERE id = ?"+lock, id)
	if err != nil {
		return alerting.Silence{}, fmt.Errorf("read silence: %w", err)
	}
	if len(found) == 0 {
		return alerting.Silence{}, alerting.ErrNotFound
	}
	return found[0], nil
}

// CreateSilence stores what draft makes of the store's now. RefusedError: too
// many are not over.
func (s *Store) CreateSilence(ctx context.Context, draft func(now time.Time) (alerting.Silence, error)) (made alerting.Silence, err error) {
	err = s.inTx(ctx, func(t *tx) error {
		if made, err = draft(t.now); err != nil {
			return err
		}
		var n int
		if err := t.QueryRowContext(ctx, "SELECT COUNT(*) FROM alert_silences WHERE ends_us > ?", t.now.UnixMicro()).Scan(&n); err != nil {
			return fmt.Errorf("count silences: %w", err)
		}
		if n >= alerting.MaxSilences {
			return &alerting.RefusedError{Reason: alerting.Reason{Code: "too_many_silences", Detail: strconv.Itoa(alerting.MaxSilences)}}
		}
		written, err := t.exec(ctx, "INSERT INTO alert_silences (alert_type, service_name, severity, starts_us, ends_us, author, comment, hold_remediation, created_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			text(made.AlertType), text(made.Service), text(string(made.Severity)), micros(made.StartsAt), micros(made.EndsAt), made.Author, made.Comment, made.HoldRemediation, micros(made.CreatedAt))
		if err != nil {
			return fmt.Errorf("create silence: %w", err)
		}
		if made.ID, err = written.LastInsertId(); err != nil {
			return fmt.Errorf("create silence: %w", err)
		}
		return nil
	})
	return made, err
}

// EndSilence ends a silence now; its row stays, with who ended it. What it kept
// back, words, remediations and steps of escalations, is decided again at once. One that is over stays
// as it is. ErrNotFound: there is none.
func (s *Store) EndSilence(ctx context.Context, id int64, by string) (ended alerting.Silence, err error) {
	err = s.inTx(ctx, func(t *tx) error {
		before, err := t.lockSilence(ctx, id)
		if err != nil {
			return err
		}
		if ended = before.End(by, t.now); ended == before {
			return nil
		}
		if err := t.update(ctx, "UPDATE alert_silences SET ends_us = ?, ended_by = ? WHERE id = ?", micros(ended.EndsAt), text(ended.EndedBy), id); err != nil {
			return fmt.Errorf("end silence: %w", err)
		}
		t.commit.Remedies, t.commit.Steps = true, true
		if err := t.bringForward(ctx, &before, "recheck_us", "alert_rechecks", ">", t.now); err != nil {
			return err
		}
		// Of steps only those that were put off to its end: the others have a time
		// of their own.
		return t.bringForward(ctx, &before, "escalate_us", "alert_escalations", "=", before.EndsAt)
	})
	return ended, err
}

// lockSilence locks a silence as whoever records events does, the index by which
// they find it first and then its row: the other way round each would wait for
// the other, time and again while events come.
func (t *tx) lockSilence(ctx context.Context, id int64) (alerting.Silence, error) {
	seen, err := silence(ctx, t, "", id)
	if err != nil {
		return seen, err
	}
	_, err = collect(ctx, t, func(row scanner) (same int64, err error) { return same, row.Scan(&same) },
		"SELECT id FROM alert_silences WHERE ends_us = ?"+t.s.dialect.ForUpdate, micros(seen.EndsAt))
	if err != nil {
		return seen, fmt.Errorf("lock silence: %w", err)
	}
	return silence(ctx, t, t.s.dialect.ForUpdate, id)
}

// hurried is how many alerts one statement brings forward.
const hurried = 500

// bringForward lets the alerts that a silence covers be decided again now,
// where that is planned, in a column and a list, for a time after or at one.
func (t *tx) bringForward(ctx context.Context, s *alerting.Silence, column, listed, compare string, when time.Time) error {
	waiting, err := collect(ctx, t, func(row scanner) (a alerting.Alert, err error) {
		return a, row.Scan(&a.ID, &a.Type, &a.Service, &a.Severity)
	}, "SELECT a.id, a.alert_type, a.service_name, a.severity FROM "+listed+" r JOIN alert_records a ON a.id = r.alert_id WHERE r.at_us "+compare+" ? ORDER BY a.id", when.UnixMicro())
	if err != nil {
		return fmt.Errorf("read what waits for a silence: %w", err)
	}
	var ids []int64
	for _, a := range waiting {
		if s.Covers(a.Type, a.Service, a.Severity) {
			ids = append(ids, a.ID)
		}
	}
	now := t.now.UnixMicro()
	for some := range slices.Chunk(ids, hurried) {
		for _, q := range []string{"UPDATE alert_records SET " + column + " = ? WHERE " + column + " > ? AND id", "UPDATE " + listed + " SET at_us = ? WHERE at_us > ? AND alert_id"} {
			if err := t.update(ctx, q+" IN ("+list(len(some))+")", append([]any{now, now}, anys(some)...)...); err != nil {
				return fmt.Errorf("bring forward what waits for a silence: %w", err)
			}
		}
	}
	return nil
}

// forgetSilences deletes those that ended long ago.
func (s *Store) forgetSilences(ctx context.Context, age time.Duration) error {
	return s.inTx(ctx, func(t *tx) error {
		if err := t.update(ctx, "DELETE FROM alert_silences WHERE ends_us < ?", t.now.Add(-age).UnixMicro()); err != nil {
			return fmt.Errorf("delete old silences: %w", err)
		}
		return nil
	})
}
