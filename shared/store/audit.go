package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"trade-monitor/shared/alerting"
)

// auditPart is how many rows one statement of an audit reads: a server may
// give up a statement that takes too long, and so does our driver.
const auditPart = 100_000

// Differences finds where the record does not add up (DESIGN, promise 2). It reads
// the whole record, without locks: what is added up, in one snapshot; what is
// compared row by row, a part at a time, so that no snapshot is kept for long.
// What people changed by SQL, as they may, must have been recounted before.
func (s *Store) Differences(ctx context.Context) (found []alerting.Finding, err error) {
	var a audit
	err = s.atOnce(ctx, func(q querier) error {
		a = audit{}
		for _, sum := range []func(context.Context, querier) error{a.readTotals, a.sumAlerts, a.sumWords} {
			if err := sum(ctx, q); err != nil {
				return err
			}
		}
		return nil
	})
	for _, look := range []func(context.Context, querier) error{a.flags, a.uncarried, a.statuses} {
		if err == nil {
			err = look(ctx, s.reader)
		}
	}
	if err != nil {
		return nil, s.dialect.wrap(fmt.Errorf("compare the record: %w", err))
	}
	return a.findings(), nil
}

// atOnce reads in one snapshot, however many statements it takes.
func (s *Store) atOnce(ctx context.Context, f func(querier) error) error {
	level := sql.LevelDefault // on an embedded database every reading transaction is one
	if s.dialect.Clock != "" {
		level = sql.LevelRepeatableRead
	}
	snapshot, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: level})
	if err != nil {
		return fmt.Errorf("begin to read: %w", err)
	}
	defer snapshot.Rollback() //nolint:errcheck // it only read
	return f(snapshot)
}

// audit is one look at the whole record.
type audit struct {
	totals               map[string]int64 // by scope
	alerts, events, rows int64
	odd                  []alerting.Finding // added up by add
}

// readTotals reads what was counted when it happened.
func (a *audit) readTotals(ctx context.Context, q querier) error {
	a.totals = map[string]int64{}
	_, err := collect(ctx, q, func(row scanner) (struct{}, error) {
		var scope string
		var n int64
		err := row.Scan(&scope, &n)
		a.totals[scope] = n
		return struct{}{}, err
	}, "SELECT scope, SUM(n) FROM alert_totals WHERE scope IN ('A', 'B', 'E', 'W') GROUP BY scope")
	return err
}

// sumAlerts adds up the events that alerts took.
func (a *audit) sumAlerts(ctx context.Context, q querier) error {
	return inParts(ctx, q, "alert_records", func(after, to int64) error {
		sums, err := collect(ctx, q, scanPair, "SELECT COUNT(*), COALESCE(SUM(CASE WHEN fingerprint IS NOT NULL THEN occurrences ELSE 0 END), 0) FROM alert_records WHERE id > ? AND id <= ?", after, to)
		for _, n := range sums {
			a.alerts, a.events = a.alerts+n[0], a.events+n[1]
		}
		return err
	})
}

// sumWords counts the words on record that were counted when they were owed, and
// those with a status that no loop knows.
func (a *audit) sumWords(ctx context.Context, q querier) error {
	return inParts(ctx, q, "alert_notifications", func(after, to int64) error {
		sums, err := collect(ctx, q, scanPair, "SELECT COALESCE(SUM(counted), 0), COUNT(CASE WHEN status NOT IN ('PENDING', 'SENT', 'SUPPRESSED', 'DEAD') THEN 1 END) FROM alert_notifications WHERE id > ? AND id <= ?", after, to)
		for _, n := range sums {
			a.rows += n[0]
			a.add(alerting.Finding{Check: alerting.UnknownStatusesLeft, Count: n[1]})
		}
		return err
	})
}

func scanPair(row scanner) (n [2]int64, err error) { return n, row.Scan(&n[0], &n[1]) }

// flags compares wechat_sent with the words. (A word that is older than its alert
// was about another one, of which a TRUNCATE gave the number free.)
func (a *audit) flags(ctx context.Context, q querier) error {
	const told = "EXISTS (SELECT 1 FROM alert_notifications n WHERE n.alert_id = a.id AND n.status = 'SENT' AND n.created_us >= a.created_us)"
	return inParts(ctx, q, "alert_records", func(after, to int64) error {
		return a.look(ctx, q, func(row scanner) (f alerting.Finding, err error) {
			var flag truth
			var since sql.NullInt64
			err = row.Scan(&flag, &f.Count, &f.Example, &since)
			f.Since, f.Check = instant(since), alerting.WordWithoutFlag
			if flag {
				f.Check = alerting.FlagWithoutWord
			}
			return f, err
		}, "SELECT a.wechat_sent <> 0, COUNT(*), MIN(a.id), MIN(a.created_us) FROM alert_records a WHERE a.id > ? AND a.id <= ? AND a.fingerprint IS NOT NULL "+
			"AND (a.wechat_sent <> 0) <> "+told+" GROUP BY a.wechat_sent <> 0", after, to)
	})
}

// uncarried looks for words that are SENT without proof.
func (a *audit) uncarried(ctx context.Context, q querier) error {
	return inParts(ctx, q, "alert_notifications", func(after, to int64) error {
		return a.look(ctx, q, finding(alerting.UncarriedCheck), "SELECT COUNT(*), MIN(n.id), MIN(n.settled_us) FROM alert_notifications n LEFT JOIN alert_messages m ON m.id = n.message_id "+
			"WHERE n.id > ? AND n.id <= ? AND n.status = 'SENT' AND (m.id IS NULL OR m.status <> 'ACCEPTED')", after, to)
	})
}

// statuses looks for those that no loop knows in what is left.
func (a *audit) statuses(ctx context.Context, q querier) error {
	for _, query := range []string{
		"SELECT COUNT(*), NULL, NULL FROM alert_messages WHERE status NOT IN ('SENDING', 'ACCEPTED', 'REFUSED', 'UNKNOWN')",
		"SELECT COUNT(*), NULL, NULL FROM alert_remediations WHERE status NOT IN ('REQUESTED', 'RUNNING', 'VERIFYING', " + overs + ")",
	} {
		if err := a.look(ctx, q, finding(alerting.UnknownStatusesLeft), query); err != nil {
			return err
		}
	}
	return nil
}

// finding scans how many there are, the first of them, and since when.
func finding(check alerting.Check) func(scanner) (alerting.Finding, error) {
	return func(row scanner) (alerting.Finding, error) {
		f := alerting.Finding{Check: check}
		var example, since sql.NullInt64
		err := row.Scan(&f.Count, &example, &since)
		f.Example, f.Since = example.Int64, instant(since)
		return f, err
	}
}

func (a *audit) look(ctx context.Context, q querier, scan func(scanner) (alerting.Finding, error), query string, args ...any) error {
	found, err := collect(ctx, q, scan, query, args...)
	for _, f := range found {
		a.add(f)
	}
	return err
}

// add joins a finding with what the same check found in another part.
func (a *audit) add(f alerting.Finding) {
	for i, of := range a.odd {
		if of.Check == f.Check {
			f.Count += of.Count
			f.Since = earliest(of.Since, f.Since)
			if of.Example != 0 {
				f.Example = of.Example
			}
			a.odd[i] = f
			return
		}
	}
	a.odd = append(a.odd, f)
}

// inParts goes through a table by its ids, over the gaps between them, however
// wide: some programs number rows by the time.
func inParts(ctx context.Context, q querier, table string, f func(after, to int64) error) error {
	for after := int64(math.MinInt64); ; {
		next, err := collect(ctx, q, func(row scanner) (id sql.NullInt64, err error) { return id, row.Scan(&id) }, "SELECT MIN(id) FROM "+table+" WHERE id > ?", after)
		if err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
		if len(next) == 0 || !next[0].Valid {
			return nil
		}
		first := next[0].Int64
		to := first + auditPart - 1
		if to < first {
			to = math.MaxInt64
		}
		if err := f(first-1, to); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
		after = to
	}
}

// findings compares the sums with what was counted. Until a recount has taken its
// baseline there is nothing to compare with; nor while alerts that somebody
// deleted by SQL are not recounted.
func (a *audit) findings() []alerting.Finding {
	if a.totals[scopeBaseline] > 0 {
		a.add(alerting.Finding{Check: alerting.OwedCheck, Count: apart(a.totals[scopeOwed], a.rows)})
		if a.totals[scopeAll] == a.alerts {
			a.add(alerting.Finding{Check: alerting.EventsCheck, Count: apart(a.totals[scopeEvents], a.events)})
		}
	}
	var found []alerting.Finding
	for _, f := range a.odd {
		if f.Count > 0 {
			found = append(found, f)
		}
	}
	return found
}

func apart(a, b int64) int64 { return max(a, b) - min(a, b) }

// Heal settles what processes left that ended, where nobody comes to claim it,
// and wakes the loops if there was anything.
func (s *Store) Heal(ctx context.Context) (healed alerting.Healed, err error) {
	now, err := s.clock(ctx)
	if err != nil {
		return healed, err
	}
	// Without a lock first: there is seldom anything.
	robots, err := collect(ctx, s.reader, func(row scanner) (robot string, err error) { return robot, row.Scan(&robot) },
		"SELECT r.robot FROM alert_robots r WHERE r.lease_us <= ? OR (r.lease_us IS NULL AND EXISTS (SELECT 1 FROM alert_messages m WHERE m.robot = r.robot AND m.status = 'SENDING' AND m.slot_until <= ?)) ORDER BY r.robot",
		now.Add(-alerting.HealAfter).UnixMicro(), slotOfLease(now.Add(-alerting.HealAfter)))
	if err != nil {
		return healed, s.dialect.wrap(fmt.Errorf("look for what is to be healed: %w", err))
	}
	for _, robot := range robots {
		var one alerting.Healed
		if err := s.inTx(ctx, func(t *tx) (err error) { one, err = t.heal(ctx, robot); return err }); err != nil {
			return healed, err
		}
		healed.Messages, healed.Leases = healed.Messages+one.Messages, healed.Leases+one.Leases
	}
	return healed, nil
}

// slotOfLease is until when the slot of a message is taken that is SENDING, by
// the end of its lease.
func slotOfLease(end time.Time) int64 { return end.Add(alerting.SlotLife).UnixMicro() }

// heal decides under the robot's lock: somebody may have claimed it meanwhile.
func (t *tx) heal(ctx context.Context, robot string) (healed alerting.Healed, err error) {
	r, err := t.lockRobot(ctx, robot)
	if err != nil || r.lease.After(t.now.Add(-alerting.HealAfter)) {
		return healed, err
	}
	err = t.QueryRowContext(ctx, "SELECT COUNT(*) FROM alert_messages WHERE robot = ? AND status = 'SENDING'", robot).Scan(&healed.Messages)
	if err != nil {
		return healed, fmt.Errorf("count what was left behind: %w", err)
	}
	if err := t.abandon(ctx, robot); err != nil {
		return healed, err
	}
	if !r.lease.IsZero() {
		healed.Leases = 1
		r.owner, r.lease = "", time.Time{}
		if err := t.saveRobot(ctx, r); err != nil {
			return healed, err
		}
	}
	t.commit.Words = true
	return healed, nil
}
