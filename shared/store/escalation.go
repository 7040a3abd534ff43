package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"trade-monitor/shared/alerting"
)

// stepsAtOnce bounds what one look takes.
const stepsAtOnce = 100

// Escalate takes the steps of escalations whose time has come, a hundred at most,
// each once over all processes; more: further ones may be due. next is when there
// is something to do again; zero: nothing is planned.
func (s *Store) Escalate(ctx context.Context) (next time.Time, more bool, err error) {
	if policy := s.policy(); !policy.Escalates() {
		return time.Time{}, false, nil // what is planned is for processes that know of steps
	}
	planned, err := collect(ctx, s.reader, func(row scanner) (p plannedStep, err error) {
		var at sql.NullInt64
		err = row.Scan(&p.alert, &at)
		p.at = instant(at)
		return p, err
	}, fmt.Sprintf("SELECT alert_id, at_us FROM alert_escalations ORDER BY at_us LIMIT %d", stepsAtOnce))
	if err != nil || len(planned) == 0 {
		return time.Time{}, false, s.dialect.wrap(err)
	}
	now, err := s.clock(ctx)
	if err != nil {
		return time.Time{}, false, err
	}
	var failed []error
	for _, p := range planned {
		at := p.at
		if !at.After(now) {
			if at, err = s.stepUp(ctx, p.alert); err != nil {
				failed = append(failed, fmt.Errorf("escalate alert %d: %w", p.alert, err))
			}
			if errors.Is(err, alerting.ErrUnavailable) {
				break
			}
		}
		next = earliest(next, at)
	}
	if more = len(planned) == stepsAtOnce && !planned[stepsAtOnce-1].at.After(now); more {
		next = now
	}
	return next, more && len(failed) == 0, errors.Join(failed...)
}

type plannedStep struct {
	alert int64
	at    time.Time
}

// stepUp decides one alert's step under its lock; next is when its next one comes.
func (s *Store) stepUp(ctx context.Context, id int64) (next time.Time, err error) {
	err = s.inTx(ctx, func(t *tx) error {
		silences, err := t.silences(ctx)
		if err != nil {
			return err
		}
		alert, err := t.alert(ctx, id)
		gone := errors.Is(err, alerting.ErrNotFound)
		if err != nil && !gone {
			return err
		}
		if gone || alert.EscalateAt.IsZero() {
			// Somebody acknowledged it a moment ago, or deleted it by SQL.
			return t.update(ctx, "DELETE FROM alert_escalations WHERE alert_id = ?", id)
		}
		groups, err := t.s.groups(ctx, t)
		if err != nil {
			return err
		}
		change := alerting.StepUp(alerting.State{Alert: alert, Silences: silences}, &t.policy, groups, t.now)
		w := newWriter(t)
		after, err := w.apply(ctx, loaded(alert), change)
		if err != nil {
			return err
		}
		next = after.alert.EscalateAt
		return w.finish(ctx)
	})
	return next, err
}

// maxBefore bounds the groups that an escalation names as told before.
const maxBefore = 20

// toldBefore are the groups that words about the alert were owed to before the
// step of an escalation, in the order in which they were.
func (t *tx) toldBefore(ctx context.Context, n alerting.Notification) ([]alerting.ToldGroup, error) {
	before, err := collect(ctx, t, func(row scanner) (g alerting.ToldGroup, err error) {
		return g, row.Scan(&g.Name, (*truth)(&g.Sent))
	}, fmt.Sprintf("SELECT group_name, MAX(CASE WHEN status = 'SENT' THEN 1 ELSE 0 END) FROM alert_notifications "+
		"WHERE alert_id = ? AND created_us < ? GROUP BY group_id, group_name ORDER BY MIN(id) LIMIT %d", maxBefore), n.AlertID, micros(n.CreatedAt))
	if err != nil {
		return nil, fmt.Errorf("read who was told before: %w", err)
	}
	return before, nil
}
