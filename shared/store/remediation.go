package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"trade-monitor/shared/alerting"
)

// lease makes a remediation the owner's and gives its alert; nil: somebody
// deleted the alert by SQL, and the remediation, which would hold its container
// for ever, was ended.
func (t *tx) lease(ctx context.Context, r alerting.Remediation, owner string, lease time.Duration) (*alerting.Alert, error) {
	alerts, err := collect(ctx, t, t.s.scanAlert, "SELECT "+alertColumns+" FROM alert_records WHERE id = ?", r.AlertID)
	if err != nil {
		return nil, fmt.Errorf("read the alert of a remediation: %w", err)
	}
	if len(alerts) == 0 {
		end := alerting.UnknownOutcome
		if r.Status == alerting.Requested {
			end = alerting.Skipped
		}
		err := t.update(ctx, "UPDATE alert_remediations SET status = ?, reason_code = 'alert_gone', reason_detail = NULL, reason_until = NULL, ended_us = ?, next_us = NULL, owner = NULL, lease_us = NULL WHERE id = ?",
			string(end), micros(t.now), r.ID)
		if err != nil {
			return nil, fmt.Errorf("end a remediation without an alert: %w", err)
		}
		return nil, nil
	}
	if err := t.update(ctx, "UPDATE alert_remediations SET owner = ?, lease_us = ? WHERE id = ?", owner, micros(t.now.Add(lease)), r.ID); err != nil {
		return nil, fmt.Errorf("lease remediation: %w", err)
	}
	return &alerts[0], nil
}

// symptom asks the watches of what an alert is about. A log that is silent, a
// heartbeat that is down and a container that failed have a line of their own;
// an alarm that somebody else posted is no watch's to prove wrong. host is where
// the container was acted upon, whose watches alone can tell; empty: all are
// asked.
func (t *tx) symptom(ctx context.Context, alert *alerting.Alert, host string) (alerting.Symptom, error) {
	engine := alerting.Host{ID: host}.Engine()
	var down int
	err := t.QueryRowContext(ctx, "SELECT (SELECT COUNT(*) FROM alert_watches WHERE kind = ? AND state = ? AND alert_type = ? AND service_name = ? AND (host = ? OR ? = '')) + "+
		"(SELECT COUNT(*) FROM alert_heartbeats WHERE state = ? AND alert_type = ? AND service_name = ?) + "+
		"(SELECT COUNT(*) FROM alert_watches WHERE kind = ? AND state = ? AND service_name = ? AND (host = ? OR ? = ''))",
		string(alerting.LogWatch), string(alerting.WatchDown), alert.Type, alert.Service, engine, host,
		string(alerting.WatchDown), alert.Type, alert.Service,
		string(alerting.ContainerWatch), string(alerting.StateBehind(alert.Type)), alert.Service, engine, host).Scan(&down)
	if err != nil {
		return alerting.NoSymptom, fmt.Errorf("ask the watches for the symptom: %w", err)
	}
	if down > 0 {
		return alerting.SymptomStays, nil
	}
	return alerting.NoSymptom, nil
}

// SaveRemediation stores a remediation's next state; when its status changed,
// also what follows for the alert: trail, action_taken, words, resolution. A
// lease of 0 gives it back. ErrLeaseLost: it is another process's by now.
func (s *Store) SaveRemediation(ctx context.Context, owner string, r alerting.Remediation, lease time.Duration) error {
	return s.inTx(ctx, func(t *tx) error {
		on, before, err := t.held(ctx, owner, &r)
		if err != nil {
			return err
		}
		return t.carryOn(ctx, on, before, owner, r, lease)
	})
}

// held locks a remediation's alert and the remediation, which must be owner's,
// and tells the status that is stored.
func (t *tx) held(ctx context.Context, owner string, r *alerting.Remediation) (*record, alerting.RemediationStatus, error) {
	if _, err := t.silences(ctx); err != nil {
		return nil, "", err
	}
	alert, err := t.alert(ctx, r.AlertID)
	if err != nil {
		return nil, "", err
	}
	var holder sql.NullString
	var status string
	err = t.QueryRowContext(ctx, "SELECT owner, status FROM alert_remediations WHERE id = ?"+t.s.dialect.ForUpdate, r.ID).Scan(&holder, &status)
	if err != nil {
		return nil, "", fmt.Errorf("lock remediation %d: %w", r.ID, err)
	}
	if holder.String != owner {
		return nil, "", alerting.ErrLeaseLost
	}
	return loaded(alert), alerting.RemediationStatus(status), nil
}

// carryOn writes a remediation's next state and what follows from it.
func (t *tx) carryOn(ctx context.Context, on *record, before alerting.RemediationStatus, owner string, r alerting.Remediation, lease time.Duration) error {
	w := newWriter(t)
	if before == r.Status {
		w.remedies = append(w.remedies, held[*alerting.Remediation]{on, &r})
	} else if err := t.settle(ctx, w, on, r); err != nil {
		return err
	}
	t.commit.Remedies = true
	if err := w.finish(ctx); err != nil {
		return err
	}
	if lease <= 0 || !r.Pending() {
		return nil
	}
	return t.update(ctx, "UPDATE alert_remediations SET owner = ?, lease_us = ? WHERE id = ?", owner, micros(t.now.Add(lease)), r.ID)
}

func (t *tx) settle(ctx context.Context, w *writer, on *record, r alerting.Remediation) error {
	silences, err := t.silences(ctx)
	if err != nil {
		return err
	}
	groups, err := t.s.groups(ctx, t)
	if err != nil {
		return err
	}
	if !r.Pending() && r.EndedAt.IsZero() {
		r.EndedAt = t.now
	}
	_, err = w.apply(ctx, on, alerting.Settle(alerting.State{Alert: &on.alert, Silences: silences}, r, &t.policy, groups, t.now))
	return err
}

// Recheck decides again what was refused for a time that is over, tells that
// brakes are over, and when the next such time ends.
func (s *Store) Recheck(ctx context.Context) (next time.Time, err error) {
	now, err := s.clock(ctx)
	if err != nil {
		return time.Time{}, err
	}
	brake, err := s.endBrakes(ctx, now)
	if err != nil {
		return time.Time{}, err
	}
	from := s.rechecks()
	due, err := collect(ctx, s.reader, func(row scanner) (id int64, err error) { return id, row.Scan(&id) },
		"SELECT alert_id "+from+"at_us <= ? ORDER BY at_us LIMIT 100", now.UnixMicro())
	if err != nil {
		return time.Time{}, s.dialect.wrap(fmt.Errorf("read re-checks: %w", err))
	}
	for _, id := range due {
		if err := s.recheckOne(ctx, id); err != nil {
			return time.Time{}, err
		}
	}
	var us sql.NullInt64
	if err := s.reader.QueryRowContext(ctx, "SELECT MIN(at_us) "+from+"at_us IS NOT NULL").Scan(&us); err != nil {
		return time.Time{}, s.dialect.wrap(fmt.Errorf("read the next re-check: %w", err))
	}
	return earliest(brake, instant(us)), nil
}

// rechecks are those that are for this process. One that does not act, such as
// the functions of the cloud, tells what a silence kept back, and leaves the rest
// to those that do: its refusal would be the last word.
func (s *Store) rechecks() string {
	policy := s.policy()
	if policy.Mode == alerting.Off {
		return "FROM alert_rechecks JOIN alert_records ON id = alert_id WHERE word_text = '" + alerting.KeptBack + "' AND "
	}
	return "FROM alert_rechecks WHERE "
}

func (s *Store) recheckOne(ctx context.Context, id int64) error {
	return s.inTx(ctx, func(t *tx) error {
		silences, err := t.silences(ctx)
		if err != nil {
			return err
		}
		alert, err := t.alert(ctx, id)
		gone := errors.Is(err, alerting.ErrNotFound)
		if err != nil && !gone {
			return err
		}
		if gone || alert.RecheckAt.IsZero() {
			// Another process was first, or the row outlived its alert's wish.
			return t.update(ctx, "DELETE FROM alert_rechecks WHERE alert_id = ?", id)
		}
		if alert.RecheckAt.After(t.now) {
			return nil
		}
		ledger, err := t.ledger(ctx, t.policy.Target(alert.Type, alert.Service), 0)
		if err != nil {
			return err
		}
		groups, err := t.s.groups(ctx, t)
		if err != nil {
			return err
		}
		symptom, err := t.symptom(ctx, alert, "")
		if err != nil {
			return err
		}
		change := alerting.Recheck(alerting.State{Alert: alert, Ledger: ledger, Symptom: symptom, Silences: silences}, &t.policy, groups, t.now)
		w := newWriter(t)
		if _, err := w.apply(ctx, loaded(alert), change); err != nil {
			return err
		}
		return w.finish(ctx)
	})
}

// orderedLately is how long after its order a restart of ours still explains how
// a container is.
const orderedLately = 10 * time.Minute

// Ordered tells whether a remediation has its hands on the container, or had
// them lately: that it stopped was then our doing. The engine's id of it tells it
// from another host's container of that name.
func (s *Store) Ordered(ctx context.Context, container, id string) (bool, error) {
	now, err := s.clock(ctx)
	if err != nil {
		return false, err
	}
	var n int
	err = s.reader.QueryRowContext(ctx, "SELECT COUNT(*) FROM alert_remediations WHERE container = ? AND container_id = ? AND ordered_us IS NOT NULL AND (status IN ('RUNNING', 'VERIFYING') OR ordered_us >= ?)",
		container, id, now.Add(-orderedLately).UnixMicro()).Scan(&n)
	if err != nil {
		return false, s.dialect.wrap(fmt.Errorf("look for orders: %w", err))
	}
	return n > 0, nil
}

func (t *tx) ledger(ctx context.Context, container string, without int64) (alerting.Ledger, error) {
	ledgers, err := t.ledgers(ctx, []string{container}, without)
	if err != nil || ledgers[container] == nil {
		return alerting.Ledger{}, err
	}
	return *ledgers[container], nil
}

// ReleaseLeases gives back what owner holds: at its start, what it left when it
// ended, and at its end, what it cannot finish. An empty owner stands for
// everybody, for a process that knows itself alone.
func (s *Store) ReleaseLeases(ctx context.Context, owner string) error {
	return s.inTx(ctx, func(t *tx) error {
		for _, table := range []string{"alert_remediations", "alert_robots"} {
			err := t.update(ctx, "UPDATE "+table+" SET lease_us = NULL WHERE lease_us IS NOT NULL AND (owner = ? OR ? = '')", owner, owner)
			if err != nil {
				return fmt.Errorf("release leases: %w", err)
			}
		}
		t.commit.Words, t.commit.Remedies = true, true
		return nil
	})
}

// Handle requests the alert's action because a person asked.
func (s *Store) Handle(ctx context.Context, id int64, by string) (alerting.Remediation, error) {
	err := s.onAlert(ctx, id, func(t *tx, alert *alerting.Alert) (alerting.Change, error) {
		ledger, err := t.ledger(ctx, t.policy.Target(alert.Type, alert.Service), 0)
		if err != nil {
			return alerting.Change{}, err
		}
		return alerting.Handle(alerting.State{Alert: alert, Ledger: ledger}, by, &t.policy, t.now)
	})
	if err != nil {
		return alerting.Remediation{}, err
	}
	requested, err := collect(ctx, s.reader, scanRemediation, "SELECT "+remediationColumns+
		" FROM alert_remediations WHERE alert_id = ? ORDER BY id DESC LIMIT 1", id)
	if err != nil || len(requested) == 0 {
		return alerting.Remediation{}, s.dialect.wrap(errors.Join(err, errors.New("the remediation just requested is gone")))
	}
	return requested[0], nil
}

// Acknowledge records that a person cares for the alert.
func (s *Store) Acknowledge(ctx context.Context, id int64, by string) (alerting.Alert, error) {
	return s.personChange(ctx, id, func(t *tx, alert *alerting.Alert) (alerting.Change, error) {
		return alerting.Acknowledge(*alert, by, t.now)
	})
}

// Resolve records that a person ended the alert.
func (s *Store) Resolve(ctx context.Context, id int64, by string) (alerting.Alert, error) {
	return s.personChange(ctx, id, func(t *tx, alert *alerting.Alert) (alerting.Change, error) {
		groups, err := t.s.groups(ctx, t)
		if err != nil {
			return alerting.Change{}, err
		}
		silences, err := t.silences(ctx)
		if err != nil {
			return alerting.Change{}, err
		}
		return alerting.Resolve(alerting.State{Alert: alert, Silences: silences}, by, &t.policy, groups, t.now)
	})
}

func (s *Store) personChange(ctx context.Context, id int64, decide func(*tx, *alerting.Alert) (alerting.Change, error)) (alerting.Alert, error) {
	var after alerting.Alert
	err := s.onAlert(ctx, id, func(t *tx, alert *alerting.Alert) (alerting.Change, error) {
		change, err := decide(t, alert)
		after = *alert
		if change.Alert != nil {
			after = *change.Alert
		}
		return change, err
	})
	return after, err
}

// onAlert locks an alert, asks for a decision and writes it.
func (s *Store) onAlert(ctx context.Context, id int64, decide func(*tx, *alerting.Alert) (alerting.Change, error)) error {
	return s.inTx(ctx, func(t *tx) error {
		alert, err := t.alert(ctx, id)
		if err != nil {
			return err
		}
		change, err := decide(t, alert)
		if err != nil {
			return err
		}
		w := newWriter(t)
		if _, err := w.apply(ctx, loaded(alert), change); err != nil {
			return err
		}
		return w.finish(ctx)
	})
}
