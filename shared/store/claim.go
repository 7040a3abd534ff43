package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"trade-monitor/shared/alerting"
)

// claimBatch bounds what one look claims.
const claimBatch = 50

// ClaimRemediations leases the remediations that are due, and are host's to
// carry on, to owner. What nobody takes is ended. next is when there is more to
// do; zero: nothing is planned.
func (s *Store) ClaimRemediations(ctx context.Context, owner string, host alerting.Host, lease time.Duration) (work []alerting.Work, next time.Time, err error) {
	p, err := s.survey(ctx, alerting.Runner{Owner: owner, Host: host})
	if err != nil || p == nil {
		return nil, time.Time{}, err
	}
	work, failed := s.claim(ctx, p, owner, lease)
	return work, p.next, errors.Join(failed, s.expire(ctx, p))
}

// ExpireRemediations ends the remediations that no runner takes, or whose host is
// gone, where no runner is at work that would do so, and tells people. next is
// when it may have something to do again; zero: nothing is under way.
func (s *Store) ExpireRemediations(ctx context.Context) (next time.Time, err error) {
	p, err := s.survey(ctx, alerting.Runner{})
	if err != nil || p == nil {
		return time.Time{}, err
	}
	return p.next, s.expire(ctx, p)
}

// underWay is a remediation that has not ended, as far as it matters to who is to
// carry it on.
type underWay struct {
	alerting.Remediation
	kind  sql.NullString // the type of its alert; NULL: the alert was deleted
	lease time.Time
}

// due is when it is next to be looked at.
func (u *underWay) due() time.Time {
	if u.lease.After(u.NextAt) {
		return u.lease
	}
	return u.NextAt
}

const selectUnderWay = "SELECT r.id, r.container, r.status, r.host, r.requested_us, r.next_us, r.call_limit_us, r.lease_us, a.alert_type " +
	"FROM alert_remediations r LEFT JOIN alert_records a ON a.id = r.alert_id WHERE r.active_key IS NOT NULL"

func scanUnderWay(row scanner) (u underWay, err error) {
	var host sql.NullString
	var requested, next, limit, lease sql.NullInt64
	err = row.Scan(&u.ID, &u.Container, (*string)(&u.Status), &host, &requested, &next, &limit, &lease, &u.kind)
	u.Host = host.String
	u.RequestedAt, u.NextAt, u.CallLimit, u.lease = instant(requested), instant(next), instant(limit), instant(lease)
	return u, err
}

// placed is what one look at all remediations under way came to.
type placed struct {
	me   alerting.Runner
	mine []underWay // due, and ours
	over []underWay // that nobody takes
	next time.Time
}

// survey finds out whose each remediation is, without any lock: there is seldom
// anything, and what is others' must not wait for us. nil: nothing is under way.
func (s *Store) survey(ctx context.Context, me alerting.Runner) (*placed, error) {
	all, err := collect(ctx, s.reader, scanUnderWay, selectUnderWay)
	if err != nil {
		return nil, s.dialect.wrap(fmt.Errorf("look for remediations: %w", err))
	}
	if len(all) == 0 {
		return nil, nil
	}
	// Not by the statement: an engine may then read the whole table in that order.
	slices.SortFunc(all, func(a, b underWay) int { return cmp.Compare(a.ID, b.ID) })
	now, err := s.clock(ctx)
	if err != nil {
		return nil, err
	}
	runners, err := s.Runners(ctx)
	if err != nil {
		return nil, err
	}
	p, policy := &placed{me: me}, s.policy()
	for _, u := range all {
		p.put(u, place(&policy, u, runners, me, now), now)
	}
	return p, nil
}

func place(policy *alerting.Policy, u underWay, runners []alerting.Runner, me alerting.Runner, now time.Time) alerting.Step {
	if !u.kind.Valid && me.Owner != "" {
		return alerting.Step{Do: alerting.StepClaim} // to end it: it would hold its container for ever
	}
	return policy.Place(alerting.Placement{Remediation: &u.Remediation, Type: u.kind.String, Runners: runners, Me: me, Now: now})
}

func (p *placed) put(u underWay, step alerting.Step, now time.Time) {
	at, due := u.due(), !u.due().After(now)
	switch step.Do {
	case alerting.StepWait:
		at = step.Next // what its host does meanwhile, that one wakes itself for
	case alerting.StepEnd:
		if due {
			p.over = append(p.over, u)
			return
		}
	case alerting.StepClaim:
		if due && len(p.mine) < claimBatch {
			p.mine = append(p.mine, u)
			return // when it is leased, its lease says when
		}
	}
	p.soonest(at)
}

func (p *placed) soonest(at time.Time) {
	if !at.IsZero() && (p.next.IsZero() || at.Before(p.next)) {
		p.next = at
	}
}

// claim leases what is ours and still as it was seen.
func (s *Store) claim(ctx context.Context, p *placed, owner string, lease time.Duration) (work []alerting.Work, err error) {
	if len(p.mine) == 0 {
		return nil, nil
	}
	ids, seen := make([]any, len(p.mine)), map[int64]underWay{}
	for i, u := range p.mine {
		ids[i], seen[u.ID] = u.ID, u
	}
	err = s.inTx(ctx, func(t *tx) error {
		work = nil
		due, err := collect(ctx, t, scanRemediation, "SELECT "+remediationColumns+" FROM alert_remediations WHERE id IN ("+list(len(ids))+
			") AND active_key IS NOT NULL AND COALESCE(next_us, 0) <= ? AND (lease_us IS NULL OR lease_us <= ?) ORDER BY id"+t.s.dialect.ForUpdate,
			append(ids[:len(ids):len(ids)], t.now.UnixMicro(), t.now.UnixMicro())...)
		if err != nil {
			return fmt.Errorf("read due remediations: %w", err)
		}
		for _, r := range due {
			if was := seen[r.ID]; r.Status != was.Status || r.Host != was.Host {
				continue // another host has begun it meanwhile
			}
			if work, err = t.take(ctx, work, r, owner, lease); err != nil {
				return err
			}
			p.soonest(t.now.Add(lease))
		}
		return nil
	})
	return work, err
}

// take leases one remediation and adds it to the work.
func (t *tx) take(ctx context.Context, work []alerting.Work, r alerting.Remediation, owner string, lease time.Duration) ([]alerting.Work, error) {
	alert, err := t.lease(ctx, r, owner, lease)
	if err != nil || alert == nil {
		return work, err
	}
	symptom := alerting.NoSymptom
	if r.Status == alerting.Verifying {
		if symptom, err = t.symptom(ctx, alert, r.Host); err != nil {
			return work, err
		}
	}
	return append(work, alerting.Work{Remediation: r, Alert: *alert, At: t.now, Symptom: symptom}), nil
}

// expire ends what nobody takes. One that cannot be ended now does not keep the
// others.
func (s *Store) expire(ctx context.Context, p *placed) error {
	var failed []error
	for _, u := range p.over {
		if err := s.expireOne(ctx, u.ID, p.me); err != nil {
			failed = append(failed, fmt.Errorf("remediation %d, which nobody takes: %w", u.ID, err))
		}
	}
	return errors.Join(failed...)
}

// expireOne decides it again under lock: a runner may be back.
func (s *Store) expireOne(ctx context.Context, id int64, me alerting.Runner) error {
	return s.inTx(ctx, func(t *tx) error {
		var of sql.NullInt64
		if err := t.QueryRowContext(ctx, "SELECT alert_id FROM alert_remediations WHERE id = ?", id).Scan(&of); err != nil {
			return fmt.Errorf("read a remediation: %w", err)
		}
		alert, err := t.alert(ctx, of.Int64)
		if err != nil {
			return err
		}
		due, err := collect(ctx, t, scanRemediation, "SELECT "+remediationColumns+" FROM alert_remediations WHERE id = ? AND active_key IS NOT NULL AND COALESCE(next_us, 0) <= ? AND (lease_us IS NULL OR lease_us <= ?)"+
			t.s.dialect.ForUpdate, id, t.now.UnixMicro(), t.now.UnixMicro())
		if err != nil || len(due) == 0 {
			return err // another process was first
		}
		runners, err := readRunners(ctx, t)
		if err != nil {
			return err
		}
		r := due[0]
		step := t.policy.Place(alerting.Placement{Remediation: &r, Type: alert.Type, Runners: runners, Me: me, Now: t.now})
		if step.Do != alerting.StepEnd {
			return nil
		}
		before := r.Status
		if step.Status == alerting.Skipped {
			r.Skip(step.Reason, t.now)
		} else {
			r.Status, r.Reason, r.EndedAt, r.NextAt = step.Status, step.Reason, t.now, time.Time{}
		}
		return t.carryOn(ctx, loaded(alert), before, "", r, 0)
	})
}
