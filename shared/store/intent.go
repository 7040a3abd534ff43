package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
)

// Intend stores an intent, or refuses it. All guards are asked in the same
// transaction, with the ledger of the container and the brake of the host under
// lock, so that no two processes can both find room for the last restart.
func (s *Store) Intend(ctx context.Context, owner string, i alerting.Intent, lease time.Duration) (refused alerting.Reason, err error) {
	err = s.inTx(ctx, func(t *tx) error {
		r := i.Remediation
		on, before, err := t.held(ctx, owner, &r)
		if err != nil {
			return err
		}
		brake, err := t.lockBrake(ctx, i.Host, r.ID)
		if err != nil {
			return err
		}
		i.Alert = on.alert
		if refused, err = t.refusal(ctx, &i, brake); err != nil {
			return err
		}
		if refused.IsZero() || refused.Code == "dry_run" {
			if err := t.saveEvidence(ctx, &r, i.Evidence); err != nil {
				return err
			}
		}
		if refused.IsZero() {
			r.Host = i.Host.ID
			return t.carryOn(ctx, on, before, owner, r, lease)
		}
		r.Skip(refused, t.now)
		if err := t.carryOn(ctx, on, before, owner, r, 0); err != nil {
			return err
		}
		if refused.Code != "brake" || brake.Engaged(t.now) {
			return nil
		}
		return t.engage(ctx, brake.Engage(refused, r.Container, t.now))
	})
	return refused, err
}

// refusal asks every guard.
func (t *tx) refusal(ctx context.Context, i *alerting.Intent, brake *alerting.Brake) (alerting.Reason, error) {
	if i.Alert.Status == alerting.Resolved && i.Remediation.RequestedBy == "" {
		return alerting.Reason{Code: "alert_over"}, nil
	}
	ledger, err := t.ledger(ctx, i.Remediation.Container, i.Remediation.ID)
	if err != nil {
		return alerting.Reason{}, err
	}
	symptom, err := t.symptom(ctx, &i.Alert, i.Host.ID)
	if err != nil {
		return alerting.Reason{}, err
	}
	silences, err := t.silences(ctx)
	if err != nil {
		return alerting.Reason{}, err
	}
	held := silences.Holding(i.Alert.Type, i.Alert.Service, i.Alert.Severity, t.now)
	return t.policy.Guard(i.Ask(ledger, symptom, held.Reason(), brake, t.now)), nil
}

func (t *tx) saveEvidence(ctx context.Context, r *alerting.Remediation, e *alerting.Evidence) error {
	if e == nil {
		return nil
	}
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write evidence: %w", err)
	}
	if err := t.update(ctx, "REPLACE INTO alert_evidence (remediation_id, alert_id, evidence) VALUES (?, ?, ?)", r.ID, r.AlertID, string(text)); err != nil {
		return fmt.Errorf("store evidence: %w", err)
	}
	return nil
}

// giveEvidence adds the evidence to remediations, those of one alert or a single
// one: an alert that goes on for weeks has more evidence than a message may read.
func (s *Store) giveEvidence(ctx context.Context, q querier, key string, id int64, remediations []alerting.Remediation) error {
	if len(remediations) == 0 {
		return nil
	}
	type row struct {
		id   int64
		text string
	}
	rows, err := collect(ctx, q, func(from scanner) (r row, err error) { return r, from.Scan(&r.id, &r.text) },
		"SELECT remediation_id, evidence FROM alert_evidence WHERE "+key+" = ?", id)
	if err != nil {
		return fmt.Errorf("read evidence: %w", err)
	}
	for _, r := range rows {
		at := slices.IndexFunc(remediations, func(one alerting.Remediation) bool { return one.ID == r.id })
		var e alerting.Evidence
		if at < 0 || json.Unmarshal([]byte(r.text), &e) != nil {
			continue // a row that a person wrote must not hide the story
		}
		remediations[at].Evidence = &e
	}
	return nil
}

// lockBrake reads a host's brake under lock, and which containers of it were
// acted upon lately by policy, without one remediation.
func (t *tx) lockBrake(ctx context.Context, host alerting.Host, without int64) (*alerting.Brake, error) {
	b := alerting.Brake{Host: host.ID, HostName: host.Name}
	var engaged, until sql.NullInt64
	var containers string
	var by sql.NullString
	err := t.QueryRowContext(ctx, "SELECT engaged_us, until_us, containers, released_by FROM alert_brakes WHERE host = ?"+t.s.dialect.ForUpdate, host.ID).
		Scan(&engaged, &until, &containers, &by)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		// Two processes may insert at once: the later one fails on the key, is
		// tried again and finds the row, and the lock.
		err = t.update(ctx, "INSERT INTO alert_brakes (host, host_name, engaged_us, until_us, containers) VALUES (?, ?, 0, 0, '')", host.ID, host.Name)
		if err != nil {
			return nil, fmt.Errorf("make the brake: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("lock the brake: %w", err)
	}
	b.EngagedAt, b.Until, b.ReleasedBy = instant(engaged), instant(until), by.String
	if containers != "" {
		b.Containers = strings.Split(containers, ",")
	}
	since := t.now.Add(-t.policy.Brake.Per)
	if !b.Engaged(t.now) && b.Until.After(since) {
		since = b.Until // whoever released it knows of what was done before
	}
	b.Recent, err = collect(ctx, t, func(row scanner) (name string, err error) { return name, row.Scan(&name) },
		"SELECT container FROM alert_remediations WHERE ordered_us > ? AND host = ? AND requested_by IS NULL AND id <> ?",
		since.UnixMicro(), host.ID, without)
	if err != nil {
		return nil, fmt.Errorf("read what was acted upon: %w", err)
	}
	b.Recent = unique(b.Recent) // for DISTINCT, SQLite would walk all remediations instead
	return &b, nil
}

// engage stores that the brake holds, and tells people in the same transaction.
func (t *tx) engage(ctx context.Context, b alerting.Brake) error {
	err := t.update(ctx, "UPDATE alert_brakes SET host_name = ?, engaged_us = ?, until_us = ?, containers = ?, released_by = NULL, owed = 'over' WHERE host = ?",
		b.HostName, micros(b.EngagedAt), micros(b.Until), strings.Join(b.Containers, ","), b.Host)
	if err != nil {
		return fmt.Errorf("engage the brake: %w", err)
	}
	return t.tell(ctx, b.Event(&t.policy, false))
}

// tell records an event of our own, by the rules of any other.
func (t *tx) tell(ctx context.Context, ev alerting.Event) error {
	b := &batchTx{t: t, w: newWriter(t), results: make([]result, 1)}
	return b.run(ctx, []*call{{ctx: ctx, event: ev}})
}
