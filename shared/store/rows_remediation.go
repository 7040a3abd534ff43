package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
)

const remediationInsertColumns = "alert_id, fingerprint, action, container, status, reason_code, reason_detail, reason_until, requested_by, " +
	"requested_us, ordered_us, ended_us, next_us, container_id, started_before, started_after, engine_mark, call_limit_us, checks, rung, host, proven_us"

const remediationColumns = "id, " + remediationInsertColumns

var updateRemediation = "UPDATE alert_remediations SET " + strings.ReplaceAll(remediationInsertColumns, ",", " = ?,") +
	" = ?, owner = ?, lease_us = ? WHERE id = ?"

func remediationRow(r *alerting.Remediation) []any {
	code, detail, until := reasonCells(r.Reason)
	return []any{
		r.AlertID, text(r.Fingerprint), string(r.Action), r.Container, string(r.Status), code, detail, until, text(clipTo(r.RequestedBy, 100)),
		micros(r.RequestedAt), micros(r.OrderedAt), micros(r.EndedAt), micros(r.NextAt), text(r.ContainerID),
		nanos(r.StartedBefore), nanos(r.StartedAfter), text(r.EngineMark), micros(r.CallLimit), r.Checks, r.Rung, text(r.Host), micros(r.ProvenFrom),
	}
}

func scanRemediation(row scanner) (alerting.Remediation, error) {
	var r alerting.Remediation
	var action, status string
	var reason reasonScan
	var fingerprint, by, containerID, mark sql.NullString
	var requested, ordered, ended, next, limit, proven sql.NullInt64
	var before, after, host sql.NullString
	err := row.Scan(&r.ID, &r.AlertID, &fingerprint, &action, &r.Container, &status, &reason.code, &reason.detail, &reason.until, &by,
		&requested, &ordered, &ended, &next, &containerID, &before, &after, &mark, &limit, &r.Checks, &r.Rung, &host, &proven)
	r.Fingerprint, r.Action, r.Status = fingerprint.String, alerting.Action(action), alerting.RemediationStatus(status)
	r.Reason, r.RequestedBy, r.ContainerID, r.EngineMark, r.Host = reason.value(), by.String, containerID.String, mark.String, host.String
	r.RequestedAt, r.OrderedAt, r.EndedAt, r.NextAt, r.CallLimit = instant(requested), instant(ordered), instant(ended), instant(next), instant(limit)
	r.StartedBefore, r.StartedAfter, r.ProvenFrom = fromNanos(before), fromNanos(after), instant(proven)
	return r, err
}

// longestRun is how long before its order or its end a remediation may have
// been requested: it is found by the time of the request, which has an index.
const longestRun = time.Hour

// horizon is how far back the rules of the policy look.
func horizon(p *alerting.Policy) time.Duration {
	back := func(r alerting.Rule) time.Duration { return max(r.Guard.Per, r.Guard.Cooldown, r.Symptom) }
	longest := back(p.Default)
	for _, rule := range p.Rules {
		longest = max(longest, back(rule))
	}
	return longest + longestRun
}

// ledgers reads what is known of the containers' remediations, as far back as
// any rule asks; without the remediation of an id (0: with all).
func (t *tx) ledgers(ctx context.Context, containers []string, without int64) (map[string]*alerting.Ledger, error) {
	ledgers := make(map[string]*alerting.Ledger, len(containers))
	if len(containers) == 0 {
		return ledgers, nil
	}
	args := append(anys(containers), t.now.Add(-horizon(&t.policy)).UnixMicro(), without)
	rows, err := collect(ctx, t, scanRemediation,
		"SELECT "+remediationColumns+" FROM alert_remediations WHERE container IN ("+list(len(containers))+
			") AND (status <> 'SKIPPED' OR ended_us > requested_us) AND (active_key IS NOT NULL OR requested_us > ?) AND id <> ? ORDER BY id", args...)
	if err != nil {
		return nil, fmt.Errorf("read remediations: %w", err)
	}
	for i := range rows {
		enter(ledgers, &rows[i])
	}
	if len(rows) == 0 {
		return ledgers, nil
	}
	return ledgers, t.rearmed(ctx, ledgers, containers)
}

// rearmed adds when people re-armed the containers' breakers.
func (t *tx) rearmed(ctx context.Context, ledgers map[string]*alerting.Ledger, containers []string) error {
	type rearm struct {
		container string
		at        time.Time
	}
	rows, err := collect(ctx, t, func(row scanner) (r rearm, err error) {
		var at sql.NullInt64
		err = row.Scan(&r.container, &at)
		r.at = instant(at)
		return r, err
	}, "SELECT container, at_us FROM alert_rearms WHERE container IN ("+list(len(containers))+")", anys(containers)...)
	if err != nil {
		return fmt.Errorf("read re-armed breakers: %w", err)
	}
	for _, r := range rows {
		if l := ledgers[r.container]; l != nil {
			l.Rearmed = r.at
		}
	}
	return nil
}

// enter adds a remediation to its container's ledger.
func enter(ledgers map[string]*alerting.Ledger, r *alerting.Remediation) {
	l := ledgers[r.Container]
	if l == nil {
		l = &alerting.Ledger{}
		ledgers[r.Container] = l
	}
	l.Enter(r)
}
