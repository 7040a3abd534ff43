package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"trade-monitor/shared/alerting"
)

// Queues tells what waits for each group.
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
	return queues, nil
}

// ClaimMessage makes the next message to a robot this process's: it takes the
// robot's lease, reserves a slot of its budget, and stores the content, all
// before anything is sent. Without a claim, next says when to ask again; zero
// means that nothing waits.
func (s *Store) ClaimMessage(ctx context.Context, robot string, groups []int64, owner string, lease time.Duration, render func(alerting.Brief) string) (claim *alerting.Claim, next time.Time, err error) {
	if len(groups) == 0 {
		return nil, time.Time{}, nil
	}
	err = s.inTx(ctx, func(t *tx) error {
		claim, next = nil, time.Time{}
		c := claiming{t: t, robot: robot, groups: groups, owner: owner, lease: lease}
		brief, at, err := c.choose(ctx)
		if err != nil || brief == nil {
			next = at
			return err
		}
		claim, err = c.take(ctx, brief, render(*brief))
		return err
	})
	return claim, next, err
}

// claiming is one attempt to claim a message.
type claiming struct {
	t      *tx
	robot  string
	groups []int64
	owner  string
	lease  time.Duration
	state  robotRow
}

// robotRow is a robot as the database keeps it.
type robotRow struct {
	alerting.Robot
	owner string
	lease time.Time
}

// choose locks the robot and picks the word to send, or says when to come
// back.
func (c *claiming) choose(ctx context.Context) (*alerting.Brief, time.Time, error) {
	now := c.t.now
	// A look without a lock first: an idle robot costs its row no write.
	word, next, err := c.dueWord(ctx)
	if err != nil || word == nil {
		return nil, next, err
	}
	if c.state, err = c.t.lockRobot(ctx, c.robot); err != nil {
		return nil, time.Time{}, err
	}
	if c.state.lease.After(now) {
		return nil, c.state.lease, nil
	}
	if err := c.t.abandon(ctx, c.robot); err != nil {
		return nil, time.Time{}, err
	}
	if c.state.PausedUntil.After(now) {
		return nil, c.state.PausedUntil, nil
	}
	if slot, err := c.t.nextSlot(ctx, c.robot); err != nil || slot.After(now) {
		return nil, slot, err
	}
	// Under the lock the word may be another: somebody else may have sent it.
	if word, next, err = c.dueWord(ctx); err != nil || word == nil {
		return nil, next, err
	}
	brief, err := c.t.brief(ctx, *word)
	if errors.Is(err, alerting.ErrNotFound) {
		// Somebody deleted the alert by SQL; nothing is left to be said, and
		// what waits behind this word must not wait for it.
		return nil, now, c.t.bury(ctx, *word)
	}
	return brief, time.Time{}, err
}

// bury settles a word whose alert is gone.
func (t *tx) bury(ctx context.Context, word alerting.Notification) error {
	word.Status, word.Reason, word.SettledAt = alerting.Dead, alerting.Reason{Code: "alert_gone"}, t.now
	return t.saveWord(ctx, word)
}

func (t *tx) saveWord(ctx context.Context, word alerting.Notification) error {
	code, detail, until := reasonCells(word.Reason)
	err := t.update(ctx, "UPDATE alert_notifications SET status = ?, reason_code = ?, reason_detail = ?, reason_until = ?, attempts = ?, next_us = ?, settled_us = ?, message_id = ? WHERE id = ?",
		string(word.Status), code, detail, until, word.Attempts, micros(word.NextAt), micros(word.SettledAt), id(word.MessageID), word.ID)
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

func (c *claiming) dueWord(ctx context.Context) (*alerting.Notification, time.Time, error) {
	in := list(len(c.groups))
	due, err := collect(ctx, c.t, scanNotification, "SELECT "+notificationColumns+" FROM alert_notifications WHERE status = 'PENDING' AND group_id IN ("+in+
		") AND next_us <= ? ORDER BY priority, id LIMIT 1", append(anys(c.groups), c.t.now.UnixMicro())...)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read the next word: %w", err)
	}
	if len(due) > 0 {
		return &due[0], time.Time{}, nil
	}
	var next sql.NullInt64
	err = c.t.QueryRowContext(ctx, "SELECT MIN(next_us) FROM alert_notifications WHERE status = 'PENDING' AND group_id IN ("+in+")", anys(c.groups)...).Scan(&next)
	return nil, instant(next), err
}

func (t *tx) lockRobot(ctx context.Context, robot string) (robotRow, error) {
	r := robotRow{Robot: alerting.Robot{ID: robot}}
	var owner, code, detail sql.NullString
	var lease, paused sql.NullInt64
	err := t.QueryRowContext(ctx, "SELECT owner, lease_us, paused_us, reason_code, reason_detail, failures, broken FROM alert_robots WHERE robot = ?"+t.s.dialect.ForUpdate, robot).
		Scan(&owner, &lease, &paused, &code, &detail, &r.Failures, &r.Broken)
	if errors.Is(err, sql.ErrNoRows) {
		// Two processes may insert at once: the later one fails on the key, is
		// tried again and finds the row.
		return r, t.update(ctx, "INSERT INTO alert_robots (robot, failures, broken) VALUES (?, 0, 0)", robot)
	}
	if err != nil {
		return r, fmt.Errorf("lock robot: %w", err)
	}
	r.owner, r.lease, r.PausedUntil = owner.String, instant(lease), instant(paused)
	r.PauseReason = alerting.Reason{Code: code.String, Detail: detail.String}
	return r, nil
}

func (t *tx) saveRobot(ctx context.Context, r robotRow) error {
	code, detail, _ := reasonCells(r.PauseReason)
	err := t.update(ctx, "UPDATE alert_robots SET owner = ?, lease_us = ?, paused_us = ?, reason_code = ?, reason_detail = ?, failures = ?, broken = ? WHERE robot = ?",
		text(r.owner), micros(r.lease), micros(r.PausedUntil), code, detail, r.Failures, r.Broken, r.ID)
	if err != nil {
		return fmt.Errorf("save robot: %w", err)
	}
	return nil
}

// abandon settles what a process that ended left SENDING: it may have been
// shown, so it counts against the budget; its word is owed again.
func (t *tx) abandon(ctx context.Context, robot string) error {
	left, err := collect(ctx, t, scanMessage, "SELECT "+messageColumns+" FROM alert_messages WHERE robot = ? AND status = 'SENDING'", robot)
	if err != nil {
		return fmt.Errorf("read abandoned messages: %w", err)
	}
	why := alerting.Reason{Code: "process_ended"}
	for _, m := range left {
		err := t.update(ctx, "UPDATE alert_messages SET status = 'UNKNOWN', error = ?, answered_us = ?, slot_until = ? WHERE id = ?",
			why.Code, micros(t.now), micros(t.now.Add(alerting.SlotLife)), m.ID)
		if err != nil {
			return fmt.Errorf("settle abandoned message: %w", err)
		}
		err = t.update(ctx, "UPDATE alert_notifications SET attempts = attempts + 1, reason_code = ?, reason_detail = NULL, message_id = NULL WHERE message_id = ? AND status = 'PENDING'",
			why.Code, m.ID)
		if err != nil {
			return fmt.Errorf("owe an abandoned word again: %w", err)
		}
	}
	return nil
}

func (t *tx) nextSlot(ctx context.Context, robot string) (time.Time, error) {
	slots, err := collect(ctx, t, func(row scanner) (time.Time, error) {
		var until sql.NullInt64
		err := row.Scan(&until)
		return instant(until), err
	}, "SELECT slot_until FROM alert_messages WHERE robot = ? AND slot_until > ?", robot, t.now.UnixMicro())
	if err != nil {
		return time.Time{}, fmt.Errorf("read the robot's budget: %w", err)
	}
	return alerting.NextSlot(slots, t.now), nil
}

func (t *tx) brief(ctx context.Context, n alerting.Notification) (*alerting.Brief, error) {
	alert, err := t.alert(ctx, n.AlertID)
	if err != nil {
		return nil, err
	}
	latest, err := t.latestEvent(ctx, alert)
	if err != nil {
		return nil, fmt.Errorf("read the newest event: %w", err)
	}
	remediation, err := t.newestRemediation(ctx, n.AlertID, n.RemediationID)
	if err != nil {
		return nil, fmt.Errorf("read the newest remediation: %w", err)
	}
	b := &alerting.Brief{Notification: n, Alert: *alert, Latest: latest, Remediation: remediation}
	return b, t.mention(ctx, b)
}

// take stores the message as SENDING and takes the robot's lease.
func (c *claiming) take(ctx context.Context, b *alerting.Brief, content string) (*alerting.Claim, error) {
	m, err := c.reserve(ctx, b.Notification.GroupID, b.Alert.ID, content)
	if err != nil {
		return nil, err
	}
	if err := c.t.update(ctx, "UPDATE alert_notifications SET message_id = ? WHERE id = ?", m.ID, b.Notification.ID); err != nil {
		return nil, fmt.Errorf("link message: %w", err)
	}
	n := b.Notification
	n.MessageID = m.ID
	return &alerting.Claim{Message: m, Notification: n, Robot: c.state.Robot, Owner: c.owner}, nil
}

// reserve stores a message as SENDING, which is its slot, and the lease. alert 0:
// it carries no notification.
func (c *claiming) reserve(ctx context.Context, group, alert int64, content string) (alerting.Message, error) {
	until := c.t.now.Add(c.lease)
	m := alerting.Message{
		Robot: c.robot, GroupID: group, Status: alerting.Sending, Content: content,
		SentAt: c.t.now, SlotUntil: until.Add(alerting.SlotLife),
	}
	written, err := c.t.exec(ctx, "INSERT INTO alert_messages (robot, group_id, alert_id, status, content, errcode, sent_us, slot_until) VALUES (?, ?, ?, ?, ?, 0, ?, ?)",
		m.Robot, m.GroupID, id(alert), string(m.Status), m.Content, micros(m.SentAt), micros(m.SlotUntil))
	if err != nil {
		return m, fmt.Errorf("store message: %w", err)
	}
	if m.ID, err = written.LastInsertId(); err != nil {
		return m, fmt.Errorf("store message: %w", err)
	}
	c.state.owner, c.state.lease = c.owner, until
	return m, c.t.saveRobot(ctx, c.state)
}

// SettleMessage stores the verdict on a claimed message: message, word, alert,
// trail and robot in one transaction, and gives the lease back.
func (s *Store) SettleMessage(ctx context.Context, claim *alerting.Claim, v alerting.Verdict, jitter float64) error {
	return s.inTx(ctx, func(t *tx) error {
		robot, err := t.lockRobot(ctx, claim.Message.Robot)
		if err != nil {
			return err
		}
		if robot.owner == claim.Owner {
			robot.Robot = robot.AfterVerdict(v, t.now, jitter)
			robot.owner, robot.lease = "", time.Time{}
			if err := t.saveRobot(ctx, robot); err != nil {
				return err
			}
		}
		err = t.update(ctx, "UPDATE alert_messages SET status = ?, errcode = ?, error = ?, answered_us = ?, slot_until = ? WHERE id = ?",
			string(v.Status), v.ErrCode, text(clipCell(v.Error)), micros(t.now), micros(t.now.Add(alerting.SlotLife)), claim.Message.ID)
		if err != nil {
			return fmt.Errorf("settle message: %w", err)
		}
		if claim.Notification.ID == 0 { // a trial
			if v.Status == alerting.Accepted {
				return t.hasten(ctx, claim.Message.Robot)
			}
			return nil
		}
		return t.settleWord(ctx, claim, v)
	})
}

func (t *tx) settleWord(ctx context.Context, claim *alerting.Claim, v alerting.Verdict) error {
	words, err := collect(ctx, t, scanNotification, "SELECT "+notificationColumns+" FROM alert_notifications WHERE id = ?"+t.s.dialect.ForUpdate, claim.Notification.ID)
	if err != nil {
		return fmt.Errorf("read word: %w", err)
	}
	if len(words) == 0 || (words[0].Status != alerting.Pending && v.Status != alerting.Accepted) || words[0].Status == alerting.Sent {
		return nil // settled while the message was under way; only its arrival changes that
	}
	word := words[0].AfterVerdict(v, t.now)
	if word.Status == alerting.Sent {
		word.MessageID = claim.Message.ID
	}
	if err := t.saveWord(ctx, word); err != nil {
		return err
	}
	if word.Status == alerting.Sent {
		err = t.update(ctx, "UPDATE alert_records SET wechat_sent = 1, wechat_sent_at = COALESCE(wechat_sent_at, ?), wechat_sent_us = COALESCE(wechat_sent_us, ?), updated_at = ?, updated_us = ? WHERE id = ?",
			t.s.datetime(t.now), micros(t.now), t.s.datetime(t.now), micros(t.now), word.AlertID)
		if err != nil {
			return fmt.Errorf("mark alert as sent: %w", err)
		}
	}
	if word.Status == alerting.Pending && word.Reason.Code == words[0].Reason.Code {
		return nil // the trail says so already; the word counts its attempts
	}
	return t.trailWord(ctx, word)
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
