package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"trade-monitor/shared/alerting"
)

const heartbeatColumns = "name, declared, period_us, grace_us, alert_type, service_name, severity, state, since_us, cause, declared_us, last_ping_us, last_ok_us, started_us, down_us, " +
	"last_signal, exit_code, note, paused_by, pings, counted_us, run_us, deadline_us, alarmed, owed, owed_us, seq"

// heartbeatOutline is without the note, of which a list has no use.
const heartbeatOutline = "name, declared, period_us, grace_us, alert_type, service_name, severity, state, since_us, cause, declared_us, last_ping_us, last_ok_us, started_us, down_us, " +
	"last_signal, exit_code, NULL, paused_by, pings, counted_us, run_us, deadline_us, alarmed, owed, owed_us, seq"

var (
	// insertHeartbeat fails where another process declared the name meanwhile,
	// and the transaction is run again and finds it.
	insertHeartbeat  = into("INSERT", "alert_heartbeats", heartbeatColumns)
	replaceHeartbeat = into("REPLACE", "alert_heartbeats", heartbeatColumns)
)

// selectHeartbeats locks in the order of the names, as all writers do.
func selectHeartbeats(d *Dialect, n int) string {
	return "SELECT " + heartbeatColumns + " FROM alert_heartbeats WHERE name IN (" + list(n) + ") ORDER BY name" + d.ForUpdate
}

func heartbeatRow(h *alerting.Heartbeat) []any {
	return []any{
		h.Name, string(h.Declared), h.Period.Microseconds(), h.Grace.Microseconds(), h.AlertType, h.Service, string(h.Severity), string(h.State), micros(h.Since),
		text(string(h.Cause)), micros(h.DeclaredAt), micros(h.LastPingAt), micros(h.LastOKAt), micros(h.StartedAt), micros(h.DownAt),
		text(string(h.LastSignal)), number(h.ExitCode), text(h.Note), text(clipTo(h.PausedBy, 200)), h.Pings, micros(h.CountedFrom), micros(h.RunFrom), micros(h.Deadline),
		h.Alarmed, text(string(h.Owed)), micros(h.OwedAt), h.Seq,
	}
}

func number(n *int64) any {
	if n == nil {
		return nil
	}
	return *n
}

func scanHeartbeat(row scanner) (alerting.Heartbeat, error) {
	var h alerting.Heartbeat
	var period, grace int64
	var cause, signal, note, pausedBy, owed sql.NullString
	var since, declared, pinged, ok, started, down, exit, counted, run, deadline, owedAt sql.NullInt64
	err := row.Scan(&h.Name, (*string)(&h.Declared), &period, &grace, &h.AlertType, &h.Service, (*string)(&h.Severity), (*string)(&h.State), &since,
		&cause, &declared, &pinged, &ok, &started, &down, &signal, &exit, &note, &pausedBy, &h.Pings, &counted, &run, &deadline, (*truth)(&h.Alarmed), &owed, &owedAt, &h.Seq)
	h.Period, h.Grace = time.Duration(period)*time.Microsecond, time.Duration(grace)*time.Microsecond
	h.Since, h.DeclaredAt, h.LastPingAt, h.LastOKAt = instant(since), instant(declared), instant(pinged), instant(ok)
	h.StartedAt, h.DownAt, h.CountedFrom, h.RunFrom = instant(started), instant(down), instant(counted), instant(run)
	h.Deadline, h.OwedAt, h.Note, h.PausedBy = instant(deadline), instant(owedAt), note.String, pausedBy.String
	h.Cause, h.LastSignal, h.Owed = alerting.HeartbeatCause(cause.String), alerting.HeartbeatSignal(signal.String), alerting.HeartbeatDebt(owed.String)
	if exit.Valid {
		h.ExitCode = &exit.Int64
	}
	return h, err
}

// heartbeats locks and reads those of the names that there are.
func (t *tx) heartbeats(ctx context.Context, names []string) (map[string]alerting.Heartbeat, error) {
	found := make(map[string]alerting.Heartbeat, len(names))
	if len(names) == 0 {
		return found, nil
	}
	keys := t.padded(anys(unique(names)))
	rows, err := collect(ctx, t, scanHeartbeat, selectHeartbeats(&t.s.dialect, len(keys)), keys...)
	if err != nil {
		return nil, fmt.Errorf("read heartbeats: %w", err)
	}
	for _, h := range rows {
		found[h.Name] = h
	}
	return found, nil
}

// saveHeartbeats writes heartbeats, in the order of their names.
func (t *tx) saveHeartbeats(ctx context.Context, i insertion, changed map[string]alerting.Heartbeat) error {
	rows := make([][]any, 0, len(changed))
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		h := changed[name]
		rows = append(rows, heartbeatRow(&h))
	}
	return t.insert(ctx, i, rows)
}

// changeHeartbeats locks heartbeats, lets change make the next one of each, and
// writes those. Names that there are none of are left out.
func (t *tx) changeHeartbeats(ctx context.Context, names []string, change func(alerting.Heartbeat) alerting.Heartbeat) (map[string]alerting.Heartbeat, error) {
	all, err := t.heartbeats(ctx, names)
	if err != nil {
		return nil, err
	}
	for name, h := range all {
		all[name] = change(h)
	}
	return all, t.saveHeartbeats(ctx, replaceHeartbeat, all)
}
