package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
)

// rearmLooks is how many of a container's newest remediations are looked at for
// alerts that a re-armed breaker concerns.
const rearmLooks = 1_000

// Rearm closes a container's breaker: what was ordered before no longer counts.
// The active alerts that it held are decided again at once.
// alerting.ErrNotFound: nothing was ever decided about such a container.
func (s *Store) Rearm(ctx context.Context, container, by string) (done alerting.Rearmed, err error) {
	err = s.inTx(ctx, func(t *tx) error {
		newest, err := t.newestOf(ctx, container)
		if err != nil {
			return err
		}
		if len(newest) == 0 {
			return alerting.ErrNotFound
		}
		done = alerting.Rearmed{Container: container, By: clipTo(by, 100), At: t.now}
		if err := t.update(ctx, "REPLACE INTO alert_rearms (container, at_us, rearmed_by) VALUES (?, ?, ?)", container, micros(t.now), done.By); err != nil {
			return fmt.Errorf("re-arm: %w", err)
		}
		var held []int64
		for alert, r := range newest {
			if r.AwaitsRearm() {
				held = append(held, alert)
			}
		}
		done.Alerts, err = t.decideAgain(ctx, held, alerting.Reason{Code: "rearmed", Detail: by})
		return err
	})
	return done, err
}

// newestOf is the newest remediation of each alert among those of a container.
func (t *tx) newestOf(ctx context.Context, container string) (map[int64]alerting.Remediation, error) {
	all, err := collect(ctx, t, scanRemediation, "SELECT "+remediationColumns+
		fmt.Sprintf(" FROM alert_remediations WHERE container = ? ORDER BY requested_us DESC, id DESC LIMIT %d", rearmLooks), container)
	if err != nil {
		return nil, fmt.Errorf("read the remediations of a container: %w", err)
	}
	newest := map[int64]alerting.Remediation{}
	for _, r := range all {
		if _, later := newest[r.AlertID]; !later {
			newest[r.AlertID] = r
		}
	}
	return newest, nil
}

// decideAgain lets those of the alerts that are active be decided again at
// once, and tells which these are.
func (t *tx) decideAgain(ctx context.Context, ids []int64, why alerting.Reason) (active []int64, err error) {
	slices.Sort(ids) // in one order, so that two of us do not wait for each other in a circle
	w := newWriter(t)
	for _, id := range ids {
		alert, err := t.alert(ctx, id)
		if errors.Is(err, alerting.ErrNotFound) || err == nil && !alert.Active() {
			continue
		}
		if err != nil {
			return nil, err
		}
		if _, err := w.apply(ctx, loaded(alert), alerting.DecideAgain(*alert, why, t.now)); err != nil {
			return nil, err
		}
		active = append(active, id)
	}
	return active, w.finish(ctx)
}

// ReleaseBrake ends the brake of a host, by its id or its name, before its time,
// and lets the alerts that it held be decided again at once.
func (s *Store) ReleaseBrake(ctx context.Context, host, by string) (done alerting.Rearmed, err error) {
	err = s.inTx(ctx, func(t *tx) error {
		b, err := t.brakeOf(ctx, host)
		if err != nil {
			return err
		}
		if !b.Engaged(t.now) {
			return &alerting.RefusedError{Reason: alerting.Reason{Code: "brake_off", Detail: b.HostName}}
		}
		done = alerting.Rearmed{Host: alerting.Host{ID: b.Host, Name: b.HostName}, By: clipTo(by, 100), At: t.now}
		err = t.update(ctx, "UPDATE alert_brakes SET until_us = ?, released_by = ?, owed = NULL WHERE host = ?", micros(t.now), done.By, b.Host)
		if err != nil {
			return fmt.Errorf("release the brake: %w", err)
		}
		held, err := t.heldBy(ctx, b)
		if err != nil {
			return err
		}
		if err := t.letGo(ctx, b, held); err != nil {
			return err
		}
		if done.Alerts, err = t.decideAgain(ctx, held, alerting.Reason{Code: "brake_released", Detail: by}); err != nil {
			return err
		}
		return t.tell(ctx, b.Event(&t.policy, true))
	})
	return done, err
}

const brakeColumns = "host, host_name, engaged_us, until_us, containers, released_by"

func scanBrake(row scanner) (b alerting.Brake, err error) {
	var engaged, until sql.NullInt64
	var containers string
	var by sql.NullString
	err = row.Scan(&b.Host, &b.HostName, &engaged, &until, &containers, &by)
	b.EngagedAt, b.Until, b.ReleasedBy = instant(engaged), instant(until), by.String
	if containers != "" {
		b.Containers = strings.Split(containers, ",")
	}
	return b, err
}

// brakeOf locks the brake of a host by its id, or by its name where one host
// alone has it.
func (t *tx) brakeOf(ctx context.Context, host string) (*alerting.Brake, error) {
	all, err := collect(ctx, t, scanBrake, "SELECT "+brakeColumns+" FROM alert_brakes WHERE host = ? OR host_name = ? ORDER BY host"+t.s.dialect.ForUpdate, host, host)
	if err != nil {
		return nil, fmt.Errorf("lock the brake: %w", err)
	}
	if at := slices.IndexFunc(all, func(b alerting.Brake) bool { return b.Host == host }); at >= 0 {
		return &all[at], nil
	}
	engaged := slices.DeleteFunc(slices.Clone(all), func(b alerting.Brake) bool { return !b.Engaged(t.now) })
	switch {
	case len(all) == 0:
		return nil, alerting.ErrNotFound
	case len(engaged) > 1:
		return nil, &alerting.RefusedError{Reason: alerting.Reason{Code: "which_host", Detail: host}}
	case len(engaged) == 1:
		return &engaged[0], nil
	}
	return &all[0], nil
}

// heldBy are the alerts that wait for the end of a brake.
func (t *tx) heldBy(ctx context.Context, b *alerting.Brake) ([]int64, error) {
	ids, err := collect(ctx, t, func(row scanner) (id int64, err error) { return id, row.Scan(&id) },
		"SELECT c.alert_id FROM alert_rechecks c WHERE EXISTS (SELECT 1 FROM alert_remediations r WHERE r.alert_id = c.alert_id AND r.status = 'SKIPPED' AND r.reason_code = 'brake' AND r.reason_detail = ? AND r.ended_us >= ?) ORDER BY c.alert_id LIMIT 1000",
		b.HostName, micros(b.EngagedAt))
	if err != nil {
		return nil, fmt.Errorf("read what the brake held: %w", err)
	}
	return ids, nil
}

// letGo ends the refusals of a brake: they said until when they hold.
func (t *tx) letGo(ctx context.Context, b *alerting.Brake, held []int64) error {
	const ended = "UPDATE alert_remediations SET reason_until = ? WHERE status = 'SKIPPED' AND reason_code = 'brake' AND reason_detail = ? AND reason_until > ? AND "
	args := []any{micros(t.now), b.HostName, micros(t.now)}
	if len(b.Containers) > 0 {
		where := "container IN (" + list(len(b.Containers)) + ") AND requested_us >= ?"
		all := append(slices.Concat(args, anys(b.Containers)), micros(b.EngagedAt.Add(-longestRun)))
		if err := t.update(ctx, ended+where, all...); err != nil {
			return fmt.Errorf("end refusals of the brake: %w", err)
		}
	}
	for some := range slices.Chunk(held, 500) {
		if err := t.update(ctx, ended+"alert_id IN ("+list(len(some))+")", slices.Concat(args, anys(some))...); err != nil {
			return fmt.Errorf("end refusals of the brake: %w", err)
		}
	}
	return nil
}

// endBrakes tells of brakes whose time is over, each once, and when the next
// one's is. A host has one row.
func (s *Store) endBrakes(ctx context.Context, now time.Time) (next time.Time, err error) {
	owed, err := collect(ctx, s.reader, scanBrake, "SELECT "+brakeColumns+" FROM alert_brakes WHERE owed = 'over'")
	if err != nil {
		return time.Time{}, s.dialect.wrap(fmt.Errorf("read the brakes: %w", err))
	}
	for _, b := range owed {
		if b.Until.After(now) {
			next = earliest(next, b.Until)
			continue
		}
		if err := s.inTx(ctx, func(t *tx) error { return t.endBrake(ctx, &b) }); err != nil {
			return time.Time{}, err
		}
	}
	return next, nil
}

// endBrake tells that a brake is over, unless another process was first, or it
// was engaged anew.
func (t *tx) endBrake(ctx context.Context, b *alerting.Brake) error {
	done, err := t.exec(ctx, "UPDATE alert_brakes SET owed = NULL WHERE host = ? AND owed = 'over' AND until_us <= ?", b.Host, micros(t.now))
	if err != nil {
		return fmt.Errorf("end the brake: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return err
	}
	return t.tell(ctx, b.Event(&t.policy, true))
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
