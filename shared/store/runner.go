package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"trade-monitor/shared/alerting"
)

const runnerColumns = "owner, host, host_name, mode, reachable, containers, seen_us"

func scanRunner(row scanner) (r alerting.Runner, err error) {
	var reachable truth
	var containers string
	var seen sql.NullInt64
	err = row.Scan(&r.Owner, &r.Host.ID, &r.Host.Name, (*string)(&r.Mode), &reachable, &containers, &seen)
	r.Reachable, r.SeenAt = bool(reachable), instant(seen)
	if json.Unmarshal([]byte(containers), &r.Containers) != nil {
		r.Containers, r.Reachable = nil, false // a row that a person wrote: what it has is not known
	}
	return r, err
}

// Runners lists the processes that carry remediations out, as far as they share
// a database: those of the last days, too. alerting.Sites tells the hosts.
func (s *Store) Runners(ctx context.Context) ([]alerting.Runner, error) {
	all, err := readRunners(ctx, s.reader)
	return all, s.dialect.wrap(err)
}

func readRunners(ctx context.Context, q querier) ([]alerting.Runner, error) {
	all, err := collect(ctx, q, scanRunner, "SELECT "+runnerColumns+" FROM alert_runners ORDER BY host, owner")
	if err != nil {
		return nil, fmt.Errorf("read the runners: %w", err)
	}
	return all, nil
}

// RegisterRunner stores what a runner says of itself, as of now by the database's
// clock, and forgets those that have been gone for long.
func (s *Store) RegisterRunner(ctx context.Context, r alerting.Runner) error {
	names := r.Containers
	if names == nil {
		names = []string{}
	}
	containers, err := json.Marshal(names)
	if err != nil {
		return fmt.Errorf("write the containers: %w", err)
	}
	return s.inTx(ctx, func(t *tx) error {
		err := t.update(ctx, "REPLACE INTO alert_runners ("+runnerColumns+") VALUES ("+list(7)+")",
			r.Owner, clipTo(r.Host.ID, 200), clipTo(r.Host.Name, 200), string(r.Mode), r.Reachable, string(containers), t.now.UnixMicro())
		if err != nil {
			return fmt.Errorf("register the runner: %w", err)
		}
		if err := t.update(ctx, "DELETE FROM alert_runners WHERE seen_us < ?", t.now.Add(-alerting.RunnerKept).UnixMicro()); err != nil {
			return fmt.Errorf("forget old runners: %w", err)
		}
		return nil
	})
}

// RetireRunner notes that a runner is no longer at work. What its host had stays
// known.
func (s *Store) RetireRunner(ctx context.Context, owner string) error {
	return s.inTx(ctx, func(t *tx) error {
		gone := alerting.Gone(t.now).UnixMicro()
		if err := t.update(ctx, "UPDATE alert_runners SET seen_us = ? WHERE owner = ? AND seen_us > ?", gone, owner, gone); err != nil {
			return fmt.Errorf("retire the runner: %w", err)
		}
		return nil
	})
}
