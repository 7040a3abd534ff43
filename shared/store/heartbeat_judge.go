package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

// judged is how many heartbeats one transaction moves on at most.
const judged = 200

// JudgeHeartbeats moves those on whose deadline has come, and gives those with
// an event to post. While nothing is due and nothing owed it writes nothing.
func (s *Store) JudgeHeartbeats(ctx context.Context) (alerting.Judgement, error) {
	j, due, err := s.dueHeartbeats(ctx)
	if err != nil || !due {
		return j, err
	}
	var owed []alerting.Heartbeat
	var more bool
	err = s.inTx(ctx, func(t *tx) error {
		owed, more, err = t.judge(ctx)
		return err
	})
	if err != nil {
		return alerting.Judgement{}, err
	}
	j, _, err = s.dueHeartbeats(ctx)
	j.Owed, j.More = owed, more
	return j, err
}

// dueHeartbeats looks, without a lock, whether there is anything to do.
func (s *Store) dueHeartbeats(ctx context.Context) (j alerting.Judgement, due bool, err error) {
	if j.At, err = s.clock(ctx); err != nil {
		return j, false, err
	}
	var deadline, owed, period sql.NullInt64
	err = s.reader.QueryRowContext(ctx, "SELECT (SELECT MIN(deadline_us) FROM alert_heartbeats WHERE deadline_us IS NOT NULL), "+
		"(SELECT MIN(owed_us) FROM alert_heartbeats WHERE owed_us IS NOT NULL), (SELECT MIN(period_us) FROM alert_heartbeats)").Scan(&deadline, &owed, &period)
	if err != nil {
		return j, false, s.dialect.wrap(fmt.Errorf("look for heartbeats that are due: %w", err))
	}
	j.Next, j.Shortest = instant(deadline), time.Duration(period.Int64)*time.Microsecond
	return j, owed.Valid || deadline.Valid && !j.Next.After(j.At), nil
}

func (t *tx) judge(ctx context.Context) (owed []alerting.Heartbeat, more bool, err error) {
	if err := t.listen(ctx); err != nil {
		return nil, false, err
	}
	late, err := collect(ctx, t, scanName, fmt.Sprintf("SELECT name FROM alert_heartbeats WHERE deadline_us <= ? ORDER BY deadline_us LIMIT %d", judged), t.now.UnixMicro())
	if err != nil {
		return nil, false, fmt.Errorf("find heartbeats that are due: %w", err)
	}
	owing, err := collect(ctx, t, scanName, fmt.Sprintf("SELECT name FROM alert_heartbeats WHERE owed_us IS NOT NULL ORDER BY owed_us LIMIT %d", judged))
	if err != nil {
		return nil, false, fmt.Errorf("find heartbeats that owe an event: %w", err)
	}
	all, err := t.heartbeats(ctx, append(late, owing...))
	if err != nil {
		return nil, false, err
	}
	changed := map[string]alerting.Heartbeat{}
	for name, before := range all {
		after := before.Judge(t.now)
		if !after.Deadline.Equal(before.Deadline) || after.State != before.State {
			changed[name] = after
		}
		if after.Owed != alerting.OwesNothing {
			owed = append(owed, after)
		}
	}
	slices.SortFunc(owed, func(a, b alerting.Heartbeat) int { return a.OwedAt.Compare(b.OwedAt) })
	return owed, max(len(late), len(owing)) == judged, t.saveHeartbeats(ctx, replaceHeartbeat, changed)
}

// SettleHeartbeats notes that the events that these heartbeats owed, under their
// numbers, are on record.
func (s *Store) SettleHeartbeats(ctx context.Context, posted []alerting.Heartbeat) error {
	numbers := map[string]int64{}
	var names []string
	for _, h := range posted {
		numbers[h.Name] = h.Seq
		names = append(names, h.Name)
	}
	if len(names) == 0 {
		return nil
	}
	return s.inTx(ctx, func(t *tx) error {
		_, err := t.changeHeartbeats(ctx, names, func(h alerting.Heartbeat) alerting.Heartbeat { return h.Settled(numbers[h.Name], t.now) })
		return err
	})
}

// liveness is when this process last wrote that it lives.
type liveness struct {
	mu        sync.Mutex
	at        time.Time
	tolerance time.Duration
}

func (l *liveness) last() (time.Time, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at, l.tolerance
}

func (l *liveness) note(at time.Time, tolerance time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at, l.tolerance = at, tolerance
}

// TouchLiveness writes down that we live, and moves the limits of all heartbeats
// by the time for which nobody listened (alerting.Outage): in one transaction
// that holds the row, so that of several processes one moves them. It tells by
// how much.
func (s *Store) TouchLiveness(ctx context.Context, tolerance time.Duration, first bool) (moved time.Duration, err error) {
	err = s.inTx(ctx, func(t *tx) error {
		moved, err = t.touch(ctx, tolerance, first)
		return err
	})
	return moved, err
}

// listen keeps a ping or a judgement from being the first to meet a database
// that had hung, a host that had been suspended, or a clock that was set: then
// the limits are moved first, in the same transaction.
func (t *tx) listen(ctx context.Context) error {
	at, tolerance := t.s.liveness.last()
	if at.IsZero() || alerting.Outage(t.now.Sub(at), tolerance, false) == 0 {
		return nil
	}
	_, err := t.touch(ctx, tolerance, false)
	return err
}

func (t *tx) touch(ctx context.Context, tolerance time.Duration, first bool) (time.Duration, error) {
	times, err := collect(ctx, t, func(row scanner) (us int64, err error) { return us, row.Scan(&us) }, "SELECT alive_us FROM alert_liveness WHERE id = 1"+t.s.dialect.ForUpdate)
	if err != nil {
		return 0, fmt.Errorf("read when we were alive: %w", err)
	}
	t.alive = func() { t.s.liveness.note(t.now, tolerance) }
	if len(times) == 0 {
		return 0, t.update(ctx, "INSERT INTO alert_liveness (id, alive_us) VALUES (1, ?)", t.now.UnixMicro())
	}
	alive := time.UnixMicro(times[0]).UTC()
	moved := alerting.Outage(t.now.Sub(alive), tolerance, first)
	if moved != 0 {
		if err := t.moveHeartbeats(ctx, moved); err != nil {
			return 0, err
		}
	} else if alive.After(t.now) {
		return 0, nil // another process was a moment ahead
	}
	return moved, t.update(ctx, "UPDATE alert_liveness SET alive_us = ? WHERE id = 1", t.now.UnixMicro())
}

func (t *tx) moveHeartbeats(ctx context.Context, d time.Duration) error {
	for after := ""; ; {
		names, err := collect(ctx, t, scanName, fmt.Sprintf("SELECT name FROM alert_heartbeats WHERE name > ? AND state IN (?, ?, ?) ORDER BY name LIMIT %d", judged),
			after, string(alerting.WatchNew), string(alerting.WatchUp), string(alerting.WatchLate))
		if err != nil {
			return fmt.Errorf("find heartbeats to move: %w", err)
		}
		if len(names) == 0 {
			return nil
		}
		if _, err := t.changeHeartbeats(ctx, names, func(h alerting.Heartbeat) alerting.Heartbeat { return h.Move(d, t.now) }); err != nil {
			return err
		}
		after = names[len(names)-1]
	}
}
