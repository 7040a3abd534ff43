package store

import (
	"context"
	"fmt"
	"time"

	"trade-monitor/shared/alerting"
)

// Lates finds what is overdue: each by an index, so that it may be asked often.
func (s *Store) Lates(ctx context.Context) (found []alerting.Finding, err error) {
	err = s.snapshot(ctx, func(t *tx) error {
		found = nil
		for _, look := range []func(context.Context) ([]alerting.Finding, error){t.lateWords, t.lateMessages, t.lateRemediations, t.latePlans} {
			some, err := look(ctx)
			if err != nil {
				return fmt.Errorf("look for what is overdue: %w", err)
			}
			for _, f := range some {
				if f.Count > 0 {
					found = append(found, f)
				}
			}
		}
		return nil
	})
	return found, err
}

// lateWords are those that are due for robots that nobody looks after.
func (t *tx) lateWords(ctx context.Context) ([]alerting.Finding, error) {
	type queue struct {
		group int64
		alerting.Finding
	}
	scan := finding(alerting.LateWords)
	due, err := collect(ctx, t, func(row scanner) (q queue, err error) {
		q.Finding, err = scan(behind{row, &q.group})
		return q, err
	}, "SELECT group_id, COUNT(*), MIN(id), MIN(COALESCE(next_us, created_us)) FROM alert_notifications WHERE status = 'PENDING' AND COALESCE(next_us, created_us) <= ? GROUP BY group_id ORDER BY group_id",
		alerting.LateSince(t.now).UnixMicro())
	if err != nil || len(due) == 0 {
		return nil, err
	}
	robots, err := t.robots(ctx)
	if err != nil {
		return nil, err
	}
	var all audit
	for _, q := range due {
		lane, err := t.lane(ctx, robots[q.group], q.Since)
		if err != nil {
			return nil, err
		}
		if lane.Stuck(t.now) {
			all.add(q.Finding)
		}
	}
	return all.odd, nil
}

// behind scans a row whose first column goes elsewhere.
type behind struct {
	scanner
	first any
}

func (b behind) Scan(dest ...any) error { return b.scanner.Scan(append([]any{b.first}, dest...)...) }

// robots are those of the groups that can be told, by the groups' ids.
func (t *tx) robots(ctx context.Context) (map[int64]string, error) {
	groups, err := t.s.groups(ctx, t.Tx) // not prepared: those statements are the writer's
	if err != nil {
		return nil, err
	}
	robots := map[int64]string{0: alerting.RobotID(t.policy.Fallback)}
	for _, g := range groups {
		if g.Enabled && !alerting.Placeholder(g.Webhook) {
			robots[g.ID] = alerting.RobotID(g.Webhook)
		}
	}
	return robots, nil
}

// passing is how soon after a word was due others must have gone for it to count
// as passed over: had we been away at the time, nothing would have.
const passing = 10 * time.Minute

// lane reads what tells whether a robot is looked after.
func (t *tx) lane(ctx context.Context, robot string, since time.Time) (alerting.Lane, error) {
	lane := alerting.Lane{Robot: alerting.Robot{ID: robot}, Since: since}
	type state struct{ paused, failures, broken, slot, passed int64 }
	rows, err := collect(ctx, t, func(row scanner) (r state, err error) {
		return r, row.Scan(&r.paused, &r.failures, &r.broken, &r.slot, &r.passed)
	}, "SELECT COALESCE(r.paused_us, 0), r.failures, r.broken, COALESCE((SELECT MAX(m.slot_until) FROM alert_messages m WHERE m.robot = r.robot), 0), "+
		"(SELECT COUNT(*) FROM alert_messages m WHERE m.robot = r.robot AND m.slot_until > ? AND m.slot_until <= ? AND m.status = 'ACCEPTED' AND m.words > 0) FROM alert_robots r WHERE r.robot = ?",
		since.Add(alerting.SlotLife).UnixMicro(), since.Add(alerting.SlotLife+passing).UnixMicro(), robot)
	if err != nil || len(rows) == 0 {
		return lane, err
	}
	r := rows[0]
	lane.Robot.Failures, lane.Robot.Broken, lane.Passed = int(r.failures), r.broken != 0, r.passed > 0
	lane.Robot.PausedUntil = time.UnixMicro(r.paused).UTC()
	if r.slot > 0 {
		lane.LastSent = time.UnixMicro(r.slot).UTC().Add(-alerting.SlotLife)
	}
	return lane, nil
}

func (t *tx) lateMessages(ctx context.Context) ([]alerting.Finding, error) {
	return collect(ctx, t, finding(alerting.LateMessages),
		"SELECT COUNT(*), MIN(m.id), MIN(m.sent_us) FROM alert_robots r CROSS JOIN alert_messages m WHERE m.robot = r.robot AND m.status = 'SENDING' AND m.slot_until <= ?",
		slotOfLease(t.now.Add(-alerting.LeaseGrace)))
}

func (t *tx) lateRemediations(ctx context.Context) ([]alerting.Finding, error) {
	under, err := collect(ctx, t, scanUnderWay, selectUnderWay)
	if err != nil {
		return nil, err
	}
	var late audit
	for _, u := range under {
		if !t.policy.Late(&u.Remediation, u.kind.String, u.due(), t.now) {
			continue
		}
		f := alerting.Finding{Check: alerting.LateRemediations, Count: 1, Since: u.RequestedAt, Example: u.ID}
		if u.Status == alerting.Requested {
			f.Check = alerting.LateRequests
		}
		late.add(f)
	}
	return late.odd, nil
}

// latePlans are alerts that should have been decided again, or escalated.
func (t *tx) latePlans(ctx context.Context) ([]alerting.Finding, error) {
	since := alerting.LateSince(t.now).UnixMicro()
	rechecks, err := collect(ctx, t, finding(alerting.LateRechecks), "SELECT COUNT(*), MIN(alert_id), MIN(at_us) "+t.s.rechecks()+"at_us <= ?", since)
	if err != nil {
		return nil, err
	}
	escalations, err := collect(ctx, t, finding(alerting.LateEscalations), "SELECT COUNT(*), MIN(alert_id), MIN(at_us) FROM alert_escalations WHERE at_us <= ?", since)
	return append(rechecks, escalations...), err
}
