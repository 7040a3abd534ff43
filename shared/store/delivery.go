package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"trade-monitor/shared/alerting"
)

// Queues tells what waits for each group, if only the word that a storm is over.
func (s *Store) Queues(ctx context.Context) ([]alerting.Queue, error) {
	queues, err := collect(ctx, s.reader, func(row scanner) (q alerting.Queue, err error) {
		var next sql.NullInt64
		err = row.Scan(&q.GroupID, &q.Pending, &next)
		q.NextAt = instant(next)
		return q, err
	}, "SELECT group_id, COUNT(*), MIN(next_us) FROM alert_notifications WHERE status = 'PENDING' GROUP BY group_id")
	if err != nil {
		return nil, s.dialect.wrap(fmt.Errorf("read queues: %w", err))
	}
	storms, err := collect(ctx, s.reader, func(row scanner) (group int64, err error) { return group, row.Scan(&group) },
		"SELECT storm_group FROM alert_robots WHERE storm_us > ? AND storm_group IS NOT NULL", s.now().Add(-stormForgotten).UnixMicro())
	if err != nil {
		return nil, s.dialect.wrap(fmt.Errorf("read storms: %w", err))
	}
	for _, group := range storms {
		i := slices.IndexFunc(queues, func(q alerting.Queue) bool { return q.GroupID == group })
		if i < 0 {
			i, queues = len(queues), append(queues, alerting.Queue{GroupID: group})
		}
		queues[i].Storm = true
	}
	return queues, nil
}

// stormForgotten is after how long nobody is told that a storm is over: its
// robot was not to be reached, or has no group any more.
const stormForgotten = 24 * time.Hour

// ClaimMessage makes the next message to a robot this process's: it takes the
// robot's lease, reserves a slot of its budget, and stores the content, all
// before anything is sent. Without a claim, next says when to ask again; zero
// means that nothing waits.
func (s *Store) ClaimMessage(ctx context.Context, robot string, groups []int64, owner string, lease time.Duration, r alerting.Renderer) (claim *alerting.Claim, next time.Time, err error) {
	if len(groups) == 0 {
		return nil, time.Time{}, nil
	}
	err = s.inTx(ctx, func(t *tx) error {
		claim = nil
		c := claiming{t: t, robot: robot, groups: groups, owner: owner, lease: lease}
		turn, err := c.turn(ctx)
		if next = turn.At; err != nil || turn.Kind == "" {
			return err
		}
		claim, err = c.take(ctx, turn.Kind, r)
		if errors.Is(err, alerting.ErrNotFound) {
			// Somebody deleted alerts by SQL; nothing is left to be said of them,
			// and what waits behind their words must not wait for it.
			next, err = t.now, nil
		}
		return err
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	return claim, next, nil
}

// claiming is one attempt to claim a message.
type claiming struct {
	t      *tx
	robot  string
	groups []int64
	owner  string
	lease  time.Duration
	state  robotRow
	format alerting.Format // how the robot's messages are written
}

// robotRow is a robot as the database keeps it.
type robotRow struct {
	alerting.Robot
	owner      string
	lease      time.Time
	storm      time.Time // since when there is one, whose end was not told; zero: none
	stormGroup int64
}

// turn locks the robot and decides what it is sent next, or says when to come
// back.
func (c *claiming) turn(ctx context.Context) (alerting.Turn, error) {
	// A look without a lock first: an idle robot costs its row no write.
	look, err := c.look(ctx)
	if err != nil || look.Kind == "" {
		return look, err
	}
	if c.state, err = c.t.lockRobot(ctx, c.robot); err != nil {
		return alerting.Turn{}, err
	}
	now := c.t.now
	if c.state.lease.After(now) {
		return alerting.Turn{At: c.state.lease}, nil
	}
	if err := c.t.abandon(ctx, c.robot); err != nil {
		return alerting.Turn{}, err
	}
	if c.state.PausedUntil.After(now) {
		return alerting.Turn{At: c.state.PausedUntil}, nil
	}
	// Under the lock it may be something else: somebody else may have sent it.
	return c.look(ctx)
}

// look decides what to send by what waits, or when something will be due.
func (c *claiming) look(ctx context.Context) (alerting.Turn, error) {
	return look(ctx, c.t, c.robot, c.groups, c.t.now)
}

func look(ctx context.Context, q querier, robot string, groups []int64, now time.Time) (alerting.Turn, error) {
	load, next, err := load(ctx, q, robot, groups, now)
	if err != nil {
		return alerting.Turn{}, err
	}
	turn := load.Next(now)
	if turn.Kind == "" {
		turn.At = earliest(turn.At, next)
	}
	return turn, nil
}

// load reads what decides; next is when a word that is not due will be.
func load(ctx context.Context, q querier, robot string, groups []int64, now time.Time) (load alerting.Load, next time.Time, err error) {
	type row struct {
		priority int
		alerting.Backlog
		next time.Time
	}
	us := now.UnixMicro()
	rows, err := collect(ctx, q, func(from scanner) (r row, err error) {
		var since, next sql.NullInt64
		err = from.Scan(&r.priority, &r.Words, &since, &next)
		r.Since, r.next = instant(since), instant(next)
		return r, err
	}, "SELECT priority, COUNT(CASE WHEN next_us <= ? THEN 1 END), MIN(CASE WHEN next_us <= ? THEN next_us END), MIN(CASE WHEN next_us > ? THEN next_us END) "+
		"FROM alert_notifications WHERE status = 'PENDING' AND group_id IN ("+list(len(groups))+") GROUP BY priority", append([]any{us, us, us}, anys(groups)...)...)
	if err != nil {
		return load, next, fmt.Errorf("count what waits: %w", err)
	}
	for _, r := range rows {
		switch r.priority {
		case laneCritical:
			load.Critical = r.Backlog
		case laneCalls:
			load.Calls = r.Backlog
		default:
			load.Other = r.Backlog
		}
		next = earliest(next, r.next)
	}
	load.Later = !next.IsZero()
	storms, err := collect(ctx, q, func(from scanner) (us int64, err error) { return us, from.Scan(&us) },
		"SELECT storm_us FROM alert_robots WHERE robot = ? AND storm_us IS NOT NULL", robot)
	if err != nil {
		return load, next, fmt.Errorf("read the robot's storm: %w", err)
	}
	if load.Storm = len(storms) > 0; len(rows) == 0 && !load.Storm {
		return load, next, nil
	}
	load.Slots, err = slots(ctx, q, robot, now)
	return load, next, err
}

// bury settles a word whose alert is gone.
func (t *tx) bury(ctx context.Context, word alerting.Notification) error {
	word.Status, word.Reason, word.SettledAt = alerting.Dead, alerting.Reason{Code: "alert_gone"}, t.now
	return t.saveWord(ctx, word)
}

func (t *tx) saveWord(ctx context.Context, word alerting.Notification) error {
	code, detail, until := reasonCells(word.Reason)
	err := t.update(ctx, "UPDATE alert_notifications SET status = ?, reason_code = ?, reason_detail = ?, reason_until = ?, attempts = ?, unanswered = ?, next_us = ?, settled_us = ?, message_id = ? WHERE id = ?",
		string(word.Status), code, detail, until, word.Attempts, word.Unanswered, micros(word.NextAt), micros(word.SettledAt), id(word.MessageID), word.ID)
	if err != nil {
		return fmt.Errorf("save word: %w", err)
	}
	return nil
}

// id is a reference that is NULL when there is none.
func id(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// nextWord is the first of a lane that is due.
func (c *claiming) nextWord(ctx context.Context, lane int) (alerting.Notification, error) {
	due, err := collect(ctx, c.t, scanNotification, "SELECT "+notificationColumns+" FROM alert_notifications WHERE status = 'PENDING' AND group_id IN ("+list(len(c.groups))+
		") AND priority = ? AND next_us <= ? ORDER BY id LIMIT 1", append(anys(c.groups), lane, c.t.now.UnixMicro())...)
	if err != nil {
		return alerting.Notification{}, fmt.Errorf("read the next word: %w", err)
	}
	if len(due) == 0 {
		return alerting.Notification{}, errors.New("the word that waited is gone")
	}
	return due[0], nil
}

func (t *tx) lockRobot(ctx context.Context, robot string) (robotRow, error) {
	r := robotRow{Robot: alerting.Robot{ID: robot}}
	var owner, code, detail sql.NullString
	var lease, paused, storm, stormGroup sql.NullInt64
	err := t.QueryRowContext(ctx, "SELECT owner, lease_us, paused_us, reason_code, reason_detail, failures, broken, storm_us, storm_group FROM alert_robots WHERE robot = ?"+t.s.dialect.ForUpdate, robot).
		Scan(&owner, &lease, &paused, &code, &detail, &r.Failures, &r.Broken, &storm, &stormGroup)
	if errors.Is(err, sql.ErrNoRows) {
		// Two processes may insert at once: the later one fails on the key, is
		// tried again and finds the row.
		return r, t.update(ctx, "INSERT INTO alert_robots (robot, failures, broken) VALUES (?, 0, 0)", robot)
	}
	if err != nil {
		return r, fmt.Errorf("lock robot: %w", err)
	}
	r.owner, r.lease, r.PausedUntil = owner.String, instant(lease), instant(paused)
	r.storm, r.stormGroup = instant(storm), stormGroup.Int64
	r.PauseReason = alerting.Reason{Code: code.String, Detail: detail.String}
	return r, nil
}

func (t *tx) saveRobot(ctx context.Context, r robotRow) error {
	code, detail, _ := reasonCells(r.PauseReason)
	err := t.update(ctx, "UPDATE alert_robots SET owner = ?, lease_us = ?, paused_us = ?, reason_code = ?, reason_detail = ?, failures = ?, broken = ?, storm_us = ?, storm_group = ? WHERE robot = ?",
		text(r.owner), micros(r.lease), micros(r.PausedUntil), code, detail, r.Failures, r.Broken, micros(r.storm), r.stormGroup, r.ID)
	if err != nil {
		return fmt.Errorf("save robot: %w", err)
	}
	return nil
}

// abandon settles what a process that ended left SENDING: it may have been
// shown until its lease ended, so it counts against the budget; its words are
// owed again.
func (t *tx) abandon(ctx context.Context, robot string) error {
	left, err := collect(ctx, t, scanMessage, "SELECT "+messageColumns+" FROM alert_messages WHERE robot = ? AND status = 'SENDING'", robot)
	if err != nil {
		return fmt.Errorf("read abandoned messages: %w", err)
	}
	why := alerting.Reason{Code: "process_ended"}
	for _, m := range left {
		err := t.update(ctx, "UPDATE alert_messages SET status = 'UNKNOWN', error = ?, answered_us = ?, slot_until = ? WHERE id = ?",
			why.Code, micros(t.now), micros(earliest(m.SlotUntil, t.now.Add(alerting.SlotLife))), m.ID)
		if err != nil {
			return fmt.Errorf("settle abandoned message: %w", err)
		}
		err = t.update(ctx, "UPDATE alert_notifications SET attempts = attempts + 1, unanswered = unanswered + 1, reason_code = ?, reason_detail = NULL, message_id = NULL WHERE message_id = ? AND status = 'PENDING'",
			why.Code, m.ID)
		if err != nil {
			return fmt.Errorf("owe an abandoned word again: %w", err)
		}
	}
	return nil
}

// slots are the used parts of a robot's budget.
func slots(ctx context.Context, q querier, robot string, now time.Time) ([]alerting.Slot, error) {
	slots, err := collect(ctx, q, func(row scanner) (alerting.Slot, error) {
		var kind sql.NullString
		var until sql.NullInt64
		err := row.Scan(&kind, &until)
		return alerting.Slot{Kind: alerting.MessageKind(kind.String), Until: instant(until)}, err
	}, "SELECT kind, slot_until FROM alert_messages WHERE robot = ? AND slot_until > ?", robot, now.UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("read the robot's budget: %w", err)
	}
	return slots, nil
}

func (t *tx) brief(ctx context.Context, n alerting.Notification) (*alerting.Brief, error) {
	alert, err := t.alert(ctx, n.AlertID)
	if err != nil {
		return nil, err
	}
	latest, err := t.latestEvent(ctx, alert, n.Kind)
	if err != nil {
		return nil, fmt.Errorf("read the newest event: %w", err)
	}
	remediation, err := t.newestRemediation(ctx, n.AlertID, n.RemediationID)
	if err != nil {
		return nil, fmt.Errorf("read the newest remediation: %w", err)
	}
	b := &alerting.Brief{Notification: n, Alert: *alert, Latest: latest, Remediation: remediation, Short: n.Reason.Form() != alerting.FullDigest}
	if n.Kind == alerting.Escalation {
		if b.Before, err = t.toldBefore(ctx, n); err != nil {
			return nil, err
		}
	}
	return b, t.mention(ctx, b)
}

// trailWord adds what became of a word to its alert's trail, if the alert is
// still there.
func (t *tx) trailWord(ctx context.Context, word alerting.Notification) error {
	alert, err := t.alert(ctx, word.AlertID)
	if errors.Is(err, alerting.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	w := newWriter(t)
	if _, err := w.apply(ctx, loaded(alert), alerting.Told(*alert, word, t.policy.Language, t.now)); err != nil {
		return err
	}
	return w.finish(ctx)
}

// Suppress settles every word that waits for the groups as not to be said.
func (s *Store) Suppress(ctx context.Context, groups []int64, why alerting.Reason) error {
	if len(groups) == 0 {
		return nil
	}
	for {
		var some int
		err := s.inTx(ctx, func(t *tx) error {
			words, err := collect(ctx, t, scanNotification, "SELECT "+notificationColumns+" FROM alert_notifications WHERE status = 'PENDING' AND group_id IN ("+
				list(len(groups))+") ORDER BY priority, id LIMIT 100"+t.s.dialect.ForUpdate, anys(groups)...)
			if err != nil {
				return fmt.Errorf("read words to suppress: %w", err)
			}
			some = len(words)
			for _, word := range words {
				if err := t.suppress(ctx, word, why); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || some == 0 {
			return err
		}
	}
}

func (t *tx) suppress(ctx context.Context, word alerting.Notification, why alerting.Reason) error {
	word.Status, word.Reason, word.SettledAt = alerting.Suppressed, why, t.now
	if err := t.saveWord(ctx, word); err != nil {
		return err
	}
	return t.trailWord(ctx, word)
}
