package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"trade-monitor/shared/alerting"
)

// snapshot reads in one transaction that changes nothing and locks nothing.
func (s *Store) snapshot(ctx context.Context, f func(*tx) error) error {
	now, err := s.clock(ctx)
	if err != nil {
		return err
	}
	raw, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return s.dialect.wrap(fmt.Errorf("begin to read: %w", err))
	}
	defer raw.Rollback() //nolint:errcheck // it only read
	return s.dialect.wrap(f(&tx{Tx: raw, s: s, now: now, policy: s.policy()}))
}

// RemediationState shows who can act, which brakes hold and which breakers are
// open. It looks at what was ordered as far back as any rule of the policy does.
func (s *Store) RemediationState(ctx context.Context) (state alerting.RemediationState, err error) {
	err = s.snapshot(ctx, func(t *tx) error {
		state = alerting.RemediationState{Mode: t.policy.Mode, At: t.now}
		var err error
		if state.Hosts, err = t.sites(ctx); err != nil {
			return err
		}
		if state.Brakes, err = collect(ctx, t, scanBrake, "SELECT "+brakeColumns+" FROM alert_brakes WHERE engaged_us > 0 ORDER BY host_name, host"); err != nil {
			return fmt.Errorf("read the brakes: %w", err)
		}
		state.Breakers, err = t.openBreakers(ctx)
		return err
	})
	return state, err
}

// sites are the hosts that said that they remediate.
func (t *tx) sites(ctx context.Context) ([]alerting.Site, error) {
	runners, err := readRunners(ctx, t)
	all := alerting.Sites(runners, t.now)
	slices.SortFunc(all, func(a, b alerting.Site) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	return all, err
}

// openBreakers asks the ledger of every container that was acted upon, and of
// those on the allow-list, which a dry run alone may have touched.
func (t *tx) openBreakers(ctx context.Context) ([]alerting.Breaker, error) {
	since := t.now.Add(-horizon(&t.policy)).UnixMicro()
	acted, err := collect(ctx, t, func(row scanner) (name string, err error) { return name, row.Scan(&name) },
		"SELECT container FROM alert_remediations WHERE ordered_us > ?", since)
	if err != nil {
		return nil, fmt.Errorf("read what was acted upon: %w", err)
	}
	containers := unique(append(acted, t.policy.Containers...))
	ledgers, err := t.ledgers(ctx, containers, 0)
	if err != nil {
		return nil, err
	}
	types, err := t.typesBehind(ctx, ledgers)
	if err != nil {
		return nil, err
	}
	var open []alerting.Breaker
	for _, name := range containers {
		if l := ledgers[name]; l != nil {
			if b := t.breaker(l, types); b != nil {
				open = append(open, *b)
			}
		}
	}
	return open, nil
}

// breaker is the container's breaker that stays open longest: each alert type
// for which it was acted upon has its own budget.
func (t *tx) breaker(l *alerting.Ledger, types map[int64]string) (longest *alerting.Breaker) {
	asked := map[string]bool{}
	for i := range l.Past {
		name := types[l.Past[i].AlertID]
		if asked[name] {
			continue
		}
		asked[name] = true
		if b := l.Breaker(t.policy.Rule(name).Guard, t.policy.Mode, t.now); b != nil && b.Longer(longest) {
			longest = b
		}
	}
	return longest
}

// typesBehind are the types of the alerts that containers were acted upon for.
func (t *tx) typesBehind(ctx context.Context, ledgers map[string]*alerting.Ledger) (map[int64]string, error) {
	types := map[int64]string{}
	var ids []int64
	for _, l := range ledgers {
		for i := range l.Past {
			ids = append(ids, l.Past[i].AlertID)
		}
	}
	slices.Sort(ids)
	for some := range slices.Chunk(slices.Compact(ids), 500) {
		_, err := collect(ctx, t, func(row scanner) (struct{}, error) {
			var id int64
			var name string
			err := row.Scan(&id, &name)
			types[id] = name
			return struct{}{}, err
		}, "SELECT id, alert_type FROM alert_records WHERE id IN ("+list(len(some))+")", anys(some)...)
		if err != nil {
			return nil, fmt.Errorf("read what was acted for: %w", err)
		}
	}
	return types, nil
}

// Rehearse tells what would become of a person's order, and changes nothing.
func (s *Store) Rehearse(ctx context.Context, id int64, by string) (r alerting.Rehearsal, err error) {
	err = s.snapshot(ctx, func(t *tx) error {
		alerts, err := collect(ctx, t, t.s.scanAlert, "SELECT "+alertColumns+" FROM alert_records WHERE id = ?", id)
		if err != nil {
			return fmt.Errorf("read alert %d: %w", id, err)
		}
		if len(alerts) == 0 {
			return alerting.ErrNotFound
		}
		alert := &alerts[0]
		ledger, err := t.ledger(ctx, t.policy.Target(alert.Type, alert.Service), 0)
		if err != nil {
			return err
		}
		runners, err := readRunners(ctx, t)
		r = alerting.Rehearse(alerting.State{Alert: alert, Ledger: ledger}, by, t.policy, t.now).Among(runners)
		return err
	})
	return r, err
}

// dryRunLooks is how many of the newest alerts that were acted upon, or would
// have been, the ledger of dry runs covers.
const dryRunLooks = 10_000

// DryRunLedger tells what became of the alerts that would have been acted upon.
// It reads what hangs on alerts with evidence, which only actions that passed
// every guard have: three look-ups by key for each of the newest 10,000.
func (s *Store) DryRunLedger(ctx context.Context) (ledger alerting.DryRunLedger, err error) {
	_, err = collect(ctx, s.reader, func(row scanner) (struct{}, error) {
		var a alerting.DryRunAlert
		var status string
		err := row.Scan(&status, (*truth)(&a.WouldAct), (*truth)(&a.Acted), (*truth)(&a.Handled), (*truth)(&a.Closed))
		a.Status = alerting.AlertStatus(status)
		ledger.Enter(a)
		return struct{}{}, err
	}, dryRunAlerts)
	if err != nil {
		return alerting.DryRunLedger{}, s.dialect.wrap(fmt.Errorf("read the dry runs: %w", err))
	}
	return ledger, nil
}

// dryRunAlerts: CROSS JOIN keeps SQLite from walking all remediations instead.
var dryRunAlerts = "SELECT a.status, " +
	"MAX(CASE WHEN r.requested_by IS NULL AND r.status = 'SKIPPED' AND r.reason_code = 'dry_run' THEN 1 ELSE 0 END), " +
	"MAX(CASE WHEN r.requested_by IS NULL AND r.ordered_us IS NOT NULL THEN 1 ELSE 0 END), " +
	"MAX(CASE WHEN r.requested_by IS NOT NULL THEN 1 ELSE 0 END), " +
	"EXISTS (SELECT 1 FROM alert_decisions d WHERE d.alert_id = a.id AND d.what = 'resolved' AND d.remedy_code = 'by_person') " +
	fmt.Sprintf("FROM (SELECT DISTINCT alert_id FROM alert_evidence ORDER BY alert_id DESC LIMIT %d) e ", dryRunLooks) +
	"CROSS JOIN alert_records a ON a.id = e.alert_id CROSS JOIN alert_remediations r ON r.alert_id = a.id GROUP BY a.id, a.status"
