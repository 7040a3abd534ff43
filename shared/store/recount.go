package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
)

// Recount makes the totals what the alerts are: rows that people insert, change
// or delete by SQL are unknown to the maintained ones. It reads one snapshot,
// in which alerts and deltas agree, so writers go on meanwhile. Recounts of
// several processes wait for each other: two that saw the same drift would
// mend it twice.
func (s *Store) Recount(ctx context.Context) error {
	s.recounting.Lock()
	defer s.recounting.Unlock()
	err := s.recountAlone
	if s.dialect.Clock != "" {
		err = s.recountShared
	}
	if err := err(ctx); err != nil {
		return s.dialect.wrap(fmt.Errorf("recount: %w", err))
	}
	return nil
}

// recountAlone counts on a reading connection, so that on an embedded database
// the one writer is free meanwhile.
func (s *Store) recountAlone(ctx context.Context) error {
	snapshot, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer snapshot.Rollback() //nolint:errcheck // it only read
	drift, err := s.drift(ctx, snapshot)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(t *tx) error { return t.mend(ctx, drift, s.shard) })
}

// recountShard is the one that recounts alone add to: no writer has touched
// its rows since the snapshot, which some servers insist on.
const recountShard = -1

// recountShared counts and mends in one transaction. The row that it locks
// first keeps other recounts away; the snapshot is taken after that.
func (s *Store) recountShared(ctx context.Context) error {
	return s.inTxAt(ctx, sql.LevelRepeatableRead, func(t *tx) error {
		if err := t.insert(ctx, addTotal, [][]any{{"R", "", "", "", "", recountShard, 0}}); err != nil {
			return err
		}
		drift, err := s.drift(ctx, t)
		if err != nil {
			return err
		}
		return t.mend(ctx, drift, recountShard)
	})
}

func (t *tx) mend(ctx context.Context, drift map[totalKey]int64, shard int) error {
	w := newWriter(t)
	w.totals = drift
	return w.writeTotals(ctx, shard)
}

// counting adds or takes away what a query counts.
type counting struct {
	sign  int64
	query string
}

// drift is how far the alerts are ahead of their totals. Those that the auditor
// compares are not mended: that would hide what they are there to show. Two
// exceptions are no fault: there is no baseline yet, and alerts were deleted by
// SQL, with their events.
func (s *Store) drift(ctx context.Context, q querier) (map[totalKey]int64, error) {
	exact := s.dialect.Binary
	kind := "alert_type" + exact + ", status" + exact + ", severity" + exact
	drift := map[totalKey]int64{}
	err := tallies(ctx, q, drift, []counting{
		{1, "SELECT 'A', '', " + kind + ", COUNT(*) FROM alert_records GROUP BY 3, 4, 5"},
		{1, "SELECT 'S', service_name" + exact + ", " + kind + ", COUNT(*) FROM alert_records GROUP BY 2, 3, 4, 5"},
		{1, "SELECT 'H', '', action, status, '', COUNT(*) FROM alert_remediations WHERE status IN (" + overs + ") GROUP BY action, status"},
		{-1, "SELECT scope, service_name, alert_type, status, severity, SUM(n) FROM alert_totals WHERE scope IN ('A', 'S', 'H') GROUP BY scope, service_name, alert_type, status, severity"},
	})
	if err != nil {
		return nil, err
	}
	based := map[totalKey]int64{}
	if err := tally(ctx, q, based, 1, "SELECT 'B', '', '', '', '', COALESCE(SUM(n), 0) FROM alert_totals WHERE scope = 'B'"); err != nil {
		return nil, err
	}
	baseline := totalKey{scope: scopeBaseline}
	switch {
	case based[baseline] == 0:
		drift[baseline] = 1
		err = tallies(ctx, q, drift, slices.Concat(countEvents, countWords))
	case gone(drift):
		err = tallies(ctx, q, drift, countEvents)
	}
	return drift, err
}

// What the auditor's totals are begun with.
var (
	countEvents = []counting{
		{1, "SELECT 'E', '', '', '', '', COALESCE(SUM(occurrences), 0) FROM alert_records WHERE fingerprint IS NOT NULL"},
		{-1, "SELECT 'E', '', '', '', '', COALESCE(SUM(n), 0) FROM alert_totals WHERE scope = 'E'"},
	}
	countWords = []counting{
		{1, "SELECT 'W', '', '', '', '', COALESCE(SUM(counted), 0) FROM alert_notifications"},
		{-1, "SELECT 'W', '', '', '', '', COALESCE(SUM(n), 0) FROM alert_totals WHERE scope = 'W'"},
	}
)

// gone tells whether some alerts are fewer than the totals say: of one service
// and type, as people may insert as many as they delete. What they change
// besides, status and severity, makes no difference.
func gone(drift map[totalKey]int64) bool {
	alerts := map[totalKey]int64{}
	for k, n := range drift {
		if k.scope == scopeService {
			alerts[totalKey{service: k.service, alertType: k.alertType}] += n
		}
	}
	for _, n := range alerts {
		if n < 0 {
			return true
		}
	}
	return false
}

func tallies(ctx context.Context, q querier, into map[totalKey]int64, all []counting) error {
	for _, c := range all {
		if err := tally(ctx, q, into, c.sign, c.query); err != nil {
			return err
		}
	}
	return nil
}

func tally(ctx context.Context, q querier, into map[totalKey]int64, sign int64, query string) error {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var k totalKey
		var n int64
		if err := rows.Scan(&k.scope, &k.service, &k.alertType, &k.status, &k.severity, &n); err != nil {
			return err
		}
		into[k] += sign * n
	}
	return rows.Err()
}
