package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"trade-monitor/shared/alerting"
)

// forgetBatch is how many alerts one transaction deletes: few enough that
// events do not wait for it.
const forgetBatch = 100

// forgetPause is between two of them.
const forgetPause = 20 * time.Millisecond

// ended is an alert that retention may delete.
type ended struct {
	id          int64
	kind        alerting.Alert // type, service, status and severity, as the totals count them
	occurrences int64
	counted     bool // its events are in the total of events
}

// childTables hold what belongs to an alert.
var childTables = []string{"alert_events", "alert_notifications", "alert_messages", "alert_remediations", "alert_evidence", "alert_decisions", "alert_rechecks", "alert_escalations"}

// ForgetAlerts deletes the RESOLVED alerts that nothing has changed for longer
// than age, with all that belongs to them, and tells how many. An alert with
// another status stays, also one that people gave a status of their own; so
// does one with a word still owed or a remediation under way. The totals stay
// exact. Silences go by their end.
func (s *Store) ForgetAlerts(ctx context.Context, age time.Duration) (deleted int64, err error) {
	for after, more := int64(0), true; more; {
		var n int64
		if n, after, more, err = s.forgetSome(ctx, age, after); err != nil {
			return deleted, err
		}
		deleted += n
		if n > 0 {
			select {
			case <-time.After(forgetPause):
			case <-ctx.Done():
				return deleted, ctx.Err()
			}
		}
	}
	return deleted, errors.Join(s.forgetTrials(ctx, age), s.forgetSilences(ctx, age))
}

// forgetSome looks at the alerts behind an id. It ends at the first that is
// younger: ids grow with time, so a pass over what was kept before is short.
func (s *Store) forgetSome(ctx context.Context, age time.Duration, after int64) (deleted, last int64, more bool, err error) {
	now, err := s.clock(ctx)
	if err != nil {
		return 0, after, false, err
	}
	until := s.datetime(now.Add(-age))
	ids, err := collect(ctx, s.reader, func(row scanner) (id int64, err error) { return id, row.Scan(&id) },
		fmt.Sprintf("SELECT id FROM alert_records WHERE id > ? AND created_at < ? ORDER BY id LIMIT %d", forgetBatch), after, until)
	if err != nil || len(ids) == 0 {
		return 0, after, false, s.dialect.wrap(err)
	}
	err = s.inTx(ctx, func(t *tx) error {
		list, err := t.forgettable(ctx, ids, until)
		if err != nil {
			return err
		}
		deleted = int64(len(list))
		return t.forget(ctx, list)
	})
	return deleted, ids[len(ids)-1], len(ids) == forgetBatch, err
}

// forgettable locks the alerts and gives those that may go.
func (t *tx) forgettable(ctx context.Context, ids []int64, until any) ([]ended, error) {
	in := list(len(ids))
	busy, err := collect(ctx, t, func(row scanner) (id int64, err error) { return id, row.Scan(&id) },
		"SELECT alert_id FROM alert_notifications WHERE status = 'PENDING' AND alert_id IN ("+in+") UNION SELECT alert_id FROM alert_remediations WHERE status IN ('REQUESTED', 'RUNNING', 'VERIFYING') AND alert_id IN ("+in+")",
		append(anys(ids), anys(ids)...)...)
	if err != nil {
		return nil, fmt.Errorf("read what is still under way: %w", err)
	}
	owed := map[int64]bool{}
	for _, id := range busy {
		owed[id] = true
	}
	candidates, err := collect(ctx, t, func(row scanner) (e ended, err error) {
		var fingerprint sql.NullString
		err = row.Scan(&e.id, &e.kind.Type, &e.kind.Service, &e.kind.Status, &e.kind.Severity, &e.occurrences, &fingerprint)
		e.counted = fingerprint.Valid
		return e, err
	}, "SELECT id, alert_type, service_name, status, severity, occurrences, fingerprint FROM alert_records WHERE id IN ("+in+") AND status = 'RESOLVED' AND updated_at < ? ORDER BY id"+t.s.dialect.ForUpdate,
		append(anys(ids), until)...)
	if err != nil {
		return nil, fmt.Errorf("read old alerts: %w", err)
	}
	var free []ended
	for _, e := range candidates {
		if !owed[e.id] {
			free = append(free, e)
		}
	}
	return free, nil
}

func (t *tx) forget(ctx context.Context, some []ended) error {
	if len(some) == 0 {
		return nil
	}
	w := newWriter(t)
	ids := make([]any, len(some))
	for i, e := range some {
		ids[i] = e.id
		w.add(&e.kind, -1)
		if e.counted {
			w.totals[totalKey{scope: scopeEvents}] -= e.occurrences
		}
	}
	gone, err := collect(ctx, t, scanRemedyCount, "SELECT action, status, COUNT(*) FROM alert_remediations WHERE alert_id IN ("+list(len(ids))+") GROUP BY action, status", ids...)
	if err != nil {
		return fmt.Errorf("count old remediations: %w", err)
	}
	for _, c := range gone {
		w.countRemedy(c.Action, c.Status, -c.N)
	}
	var words int64
	if err := t.QueryRowContext(ctx, "SELECT COALESCE(SUM(counted), 0) FROM alert_notifications WHERE alert_id IN ("+list(len(ids))+")", ids...).Scan(&words); err != nil {
		return fmt.Errorf("count old words: %w", err)
	}
	w.totals[totalKey{scope: scopeOwed}] -= words
	for _, table := range childTables {
		if err := t.update(ctx, "DELETE FROM "+table+" WHERE alert_id IN ("+list(len(ids))+")", ids...); err != nil {
			return fmt.Errorf("delete from %s: %w", table, err)
		}
	}
	if err := t.update(ctx, "DELETE FROM alert_records WHERE id IN ("+list(len(ids))+")", ids...); err != nil {
		return fmt.Errorf("delete old alerts: %w", err)
	}
	return w.writeTotals(ctx, t.s.shard)
}

// forgetTrials deletes old messages that belong to no alert: also digests, once
// the last alert that they told of is gone.
func (s *Store) forgetTrials(ctx context.Context, age time.Duration) error {
	return s.inTx(ctx, func(t *tx) error {
		err := t.update(ctx, "DELETE FROM alert_messages WHERE alert_id IS NULL AND status <> 'SENDING' AND slot_until < ? "+
			"AND NOT EXISTS (SELECT 1 FROM alert_notifications n WHERE n.message_id = alert_messages.id)", t.now.Add(-age).UnixMicro())
		if err != nil {
			return fmt.Errorf("delete old test messages: %w", err)
		}
		return nil
	})
}
