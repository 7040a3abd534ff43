package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"trade-monitor/shared/alerting"
)

const watchColumns = "kind, name, host, state, since_us, last_seen_us, deadline_us, limit_us, alert_type, service_name, detail, false_alarms, deaf_times"

// maxWatchDetail is how much of a detail is kept, in characters.
const maxWatchDetail = 2_000

func scanWatch(row scanner) (alerting.WatchMemory, error) { return scanWatchInto(row) }

func scanWatchMemory(row scanner) (alerting.WatchMemory, error) {
	var memory sql.NullString
	m, err := scanWatchInto(row, &memory)
	if memory.String != "" {
		m.Memory = json.RawMessage(memory.String)
	}
	return m, err
}

func scanWatchInto(row scanner, more ...any) (m alerting.WatchMemory, err error) {
	w := &m.Watch
	var since, seen, deadline sql.NullInt64
	var limit int64
	var detail sql.NullString
	err = row.Scan(append([]any{(*string)(&w.Kind), &w.Name, &w.Host, (*string)(&w.State), &since, &seen, &deadline, &limit,
		&w.AlertType, &w.Service, &detail, &w.FalseAlarms, &w.DeafTimes}, more...)...)
	w.Since, w.LastSeenAt, w.DeadlineAt = instant(since), instant(seen), instant(deadline)
	w.Limit, w.Detail = time.Duration(limit)*time.Microsecond, detail.String
	return m, err
}

// Watches lists every watch: the heartbeats by name, then those of containers
// and their logs.
func (s *Store) Watches(ctx context.Context) ([]alerting.Watch, error) {
	beats, err := s.Heartbeats(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := collect(ctx, s.reader, scanWatch, "SELECT "+watchColumns+" FROM alert_watches WHERE name NOT LIKE ':%' ORDER BY kind, name, host") // what begins so is memory of no container
	if err != nil {
		return nil, s.dialect.wrap(fmt.Errorf("read watches: %w", err))
	}
	lang := s.policy().Language
	all := make([]alerting.Watch, 0, len(beats)+len(rows))
	for i := range beats {
		all = append(all, beats[i].Watch(lang))
	}
	for _, m := range rows {
		all = append(all, m.Watch)
	}
	return all, nil
}

// LoadWatches gives what the watches of one engine's containers kept.
func (s *Store) LoadWatches(ctx context.Context, host string) ([]alerting.WatchMemory, error) {
	all, err := collect(ctx, s.reader, scanWatchMemory, "SELECT "+watchColumns+", memory FROM alert_watches WHERE host = ? ORDER BY kind, name", host)
	if err != nil {
		return nil, s.dialect.wrap(fmt.Errorf("read the memory of watches: %w", err))
	}
	return all, nil
}

// SaveWatch keeps the state and the memory of the watch of a container.
func (s *Store) SaveWatch(ctx context.Context, m alerting.WatchMemory) error {
	return s.inTx(ctx, func(t *tx) error {
		w := &m.Watch
		err := t.update(ctx, "REPLACE INTO alert_watches ("+watchColumns+", memory, updated_us) VALUES ("+list(15)+")",
			string(w.Kind), w.Name, w.Host, string(w.State), micros(w.Since), micros(w.LastSeenAt), micros(w.DeadlineAt), w.Limit.Microseconds(),
			w.AlertType, w.Service, text(clipTo(w.Detail, maxWatchDetail)), w.FalseAlarms, w.DeafTimes, text(string(m.Memory)), t.now.UnixMicro())
		if err != nil {
			return fmt.Errorf("save a watch: %w", err)
		}
		return nil
	})
}

// ForgetWatch removes what a watch kept. It is no error when there is nothing.
func (s *Store) ForgetWatch(ctx context.Context, kind alerting.WatchKind, name, host string) error {
	return s.inTx(ctx, func(t *tx) error {
		if err := t.update(ctx, "DELETE FROM alert_watches WHERE kind = ? AND name = ? AND host = ?", string(kind), name, host); err != nil {
			return fmt.Errorf("forget a watch: %w", err)
		}
		return nil
	})
}
