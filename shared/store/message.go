package store

import (
	"context"
	"database/sql"
	"fmt"

	"trade-monitor/shared/alerting"
)

// take makes a message of a kind ours to send.
func (c *claiming) take(ctx context.Context, kind alerting.MessageKind, r alerting.Renderer) (*alerting.Claim, error) {
	groups, err := c.t.s.groups(ctx, c.t)
	if err != nil {
		return nil, err
	}
	c.format = alerting.RobotFormat(groups, c.robot)
	switch kind {
	case alerting.SingleCritical, alerting.Single:
		return c.takeWord(ctx, kind, r)
	case alerting.DigestCritical, alerting.DigestOther:
		return c.takeDigest(ctx, kind, r)
	case alerting.CallMessage:
		return c.takeCalls(ctx, r)
	}
	return c.takeStormOver(ctx, r)
}

func (c *claiming) takeWord(ctx context.Context, kind alerting.MessageKind, r alerting.Renderer) (*alerting.Claim, error) {
	word, err := c.nextWord(ctx, lane(kind == alerting.SingleCritical))
	if err != nil {
		return nil, err
	}
	brief, err := c.t.brief(ctx, word)
	if err != nil {
		return nil, buried(err, c.t.bury(ctx, word))
	}
	m, err := c.reserve(ctx, c.written(alerting.Message{Kind: kind, GroupID: word.GroupID, Words: 1}, brief, r), word.AlertID)
	if err != nil {
		return nil, err
	}
	if err := c.t.update(ctx, "UPDATE alert_notifications SET message_id = ? WHERE id = ?", m.ID, word.ID); err != nil {
		return nil, fmt.Errorf("link message: %w", err)
	}
	word.MessageID = m.ID
	return c.claimFor(m, word, brief), nil
}

// written is a message about one word, in the robot's format.
func (c *claiming) written(m alerting.Message, b *alerting.Brief, r alerting.Renderer) alerting.Message {
	b.Format = c.format
	m.Format, m.Content = c.format, r.Word(*b)
	if m.Format == alerting.Text {
		m.People = b.Mention
	}
	return m
}

// claimFor is the claim of a message about one word, and of the CALL behind it.
func (c *claiming) claimFor(m alerting.Message, word alerting.Notification, b *alerting.Brief) *alerting.Claim {
	claim := c.claim(m, word)
	if b.Mention.ByPhone() && m.Format != alerting.Text { // which calls them itself
		claim.Calls = []alerting.Notification{word.Call(c.t.now)}
	}
	return claim
}

func (c *claiming) claim(m alerting.Message, word alerting.Notification) *alerting.Claim {
	return &alerting.Claim{Message: m, Notification: word, Robot: c.state.Robot, Owner: c.owner}
}

// takeDigest links all that waits of one priority, by one statement, to a message
// that tells of it.
func (c *claiming) takeDigest(ctx context.Context, kind alerting.MessageKind, r alerting.Renderer) (*alerting.Claim, error) {
	critical := kind == alerting.DigestCritical
	first, err := c.nextWord(ctx, lane(critical))
	if err != nil {
		return nil, err
	}
	m, err := c.reserve(ctx, alerting.Message{Kind: kind, GroupID: first.GroupID, Format: c.format}, 0)
	if err != nil {
		return nil, err
	}
	if err := c.link(ctx, m.ID, critical); err != nil {
		return nil, err
	}
	words, err := c.t.digestWords(ctx, m.ID)
	if err != nil {
		return nil, err
	}
	switch m.Words = len(words); m.Words {
	case 0:
		return nil, buried(alerting.ErrNotFound, c.giveBack(ctx, m.ID))
	case 1: // which needs no table of contents
		return c.takeAlone(ctx, m, r)
	}
	d, byPhone := alerting.Fold(words, critical, first.Reason.Form()), []alerting.DigestWord(nil)
	d.Format = c.format
	if d.Mention, byPhone = c.t.policy.MentionAll(words, d.Format); d.Format == alerting.Text {
		m.People = d.Mention
	}
	m.Content = r.Digest(d)
	if err := c.fill(ctx, m, 0); err != nil {
		return nil, err
	}
	claim := c.claim(m, alerting.Notification{})
	for _, w := range byPhone {
		first.AlertID, first.Severity = w.AlertID, w.Severity
		claim.Calls = append(claim.Calls, first.Call(c.t.now))
	}
	return claim, c.brew(ctx, m)
}

// link makes what waits the message's.
func (c *claiming) link(ctx context.Context, message int64, critical bool) error {
	where := " WHERE status = 'PENDING' AND group_id IN (" + list(len(c.groups)) + ") AND priority = ? AND next_us <= ?"
	args := append(anys(c.groups), lane(critical), c.t.now.UnixMicro())
	var bound sql.NullInt64
	err := c.t.QueryRowContext(ctx, fmt.Sprintf("SELECT MAX(id) FROM (SELECT id FROM alert_notifications%s ORDER BY id LIMIT %d) AS oldest", where, alerting.MaxFolded), args...).Scan(&bound)
	if err != nil {
		return fmt.Errorf("bound a digest: %w", err)
	}
	err = c.t.update(ctx, "UPDATE alert_notifications SET message_id = ?"+where+" AND id <= ?", append(append([]any{message}, args...), bound.Int64)...)
	if err != nil {
		return fmt.Errorf("link a digest: %w", err)
	}
	return nil
}

// lane is the priority of CRITICAL words, or that of the others.
func lane(critical bool) int {
	if critical {
		return laneCritical
	}
	return laneOther
}

// digestWords reads what a digest tells. Words whose alert somebody deleted by
// SQL are settled on the way: nothing is left to be said.
func (t *tx) digestWords(ctx context.Context, message int64) ([]alerting.DigestWord, error) {
	lost := 0
	words, err := collect(ctx, t, func(row scanner) (alerting.DigestWord, error) {
		var w alerting.DigestWord
		var created sql.NullInt64
		var alertType, service, title, status, action, remedy, why sql.NullString
		var told sql.NullInt64
		err := row.Scan(&w.AlertID, (*string)(&w.Kind), (*string)(&w.Severity), &created, &alertType, &service, &title, &status, &action, &remedy, &why, &told)
		if remedy.Valid {
			w.Remediation = &alerting.Remediation{Status: alerting.RemediationStatus(remedy.String), Reason: alerting.Reason{Code: why.String}}
		}
		if told.Valid {
			w.Told = alerting.Severities[told.Int64]
		}
		w.Type, w.Service, w.Title, w.At = alertType.String, service.String, title.String, instant(created)
		w.Over = alerting.AlertStatus(status.String) == alerting.Resolved
		w.InHand = alerting.AlertStatus(status.String) == alerting.Acknowledged
		if w.Kind == alerting.Outcome && action.String != "" {
			w.Title = action.String
		}
		if !alertType.Valid {
			lost++
		}
		return w, err
	}, "SELECT n.alert_id, n.kind, n.severity, n.created_us, a.alert_type, a.service_name, a.title, a.status, a.action_taken, r.status, r.reason_code, "+t.toldRank()+
		" FROM alert_notifications n LEFT JOIN alert_records a ON a.id = n.alert_id LEFT JOIN alert_remediations r ON r.id = n.remediation_id WHERE n.message_id = ? ORDER BY n.id", message)
	if err != nil {
		return nil, fmt.Errorf("read the words of a digest: %w", err)
	}
	if lost == 0 {
		return words, nil
	}
	err = t.update(ctx, "UPDATE alert_notifications SET status = 'DEAD', reason_code = 'alert_gone', reason_detail = NULL, settled_us = ?, message_id = NULL "+
		"WHERE message_id = ? AND NOT EXISTS (SELECT 1 FROM alert_records a WHERE a.id = alert_notifications.alert_id)", micros(t.now), message)
	if err != nil {
		return nil, fmt.Errorf("settle words of deleted alerts: %w", err)
	}
	return t.digestWords(ctx, message)
}

// takeAlone tells of the only word of a digest as of any other.
func (c *claiming) takeAlone(ctx context.Context, m alerting.Message, r alerting.Renderer) (*alerting.Claim, error) {
	words, err := collect(ctx, c.t, scanNotification, "SELECT "+notificationColumns+" FROM alert_notifications WHERE message_id = ?", m.ID)
	if err != nil || len(words) != 1 {
		return nil, fmt.Errorf("read the word of a digest: %w", err)
	}
	brief, err := c.t.brief(ctx, words[0])
	if err != nil {
		return nil, fmt.Errorf("read the alert of a digest: %w", err)
	}
	m = c.written(m, brief, r)
	return c.claimFor(m, words[0], brief), c.fill(ctx, m, words[0].AlertID)
}

// fill stores what a digest says, once that is known.
func (c *claiming) fill(ctx context.Context, m alerting.Message, alert int64) error {
	if err := c.t.update(ctx, "UPDATE alert_messages SET content = ?, words = ?, alert_id = ? WHERE id = ?", m.Content, m.Words, id(alert), m.ID); err != nil {
		return fmt.Errorf("store a digest: %w", err)
	}
	return nil
}

// giveBack undoes a reservation that was not needed.
func (c *claiming) giveBack(ctx context.Context, message int64) error {
	if err := c.t.update(ctx, "DELETE FROM alert_messages WHERE id = ?", message); err != nil {
		return fmt.Errorf("give a slot back: %w", err)
	}
	c.state.owner, c.state.lease = "", c.t.now
	return c.t.saveRobot(ctx, c.state)
}

// buried is the error that a word's alert is gone, unless settling it failed.
func buried(gone, failed error) error {
	if failed != nil {
		return failed
	}
	return gone
}

// reserve stores a message as SENDING, which is its slot, and the lease. alert 0:
// it carries no notification, or many.
func (c *claiming) reserve(ctx context.Context, m alerting.Message, alert int64) (alerting.Message, error) {
	until := c.t.now.Add(c.lease)
	m.Robot, m.Status, m.SentAt, m.SlotUntil = c.robot, alerting.Sending, c.t.now, until.Add(alerting.SlotLife)
	written, err := c.t.exec(ctx, "INSERT INTO alert_messages (robot, group_id, alert_id, status, content, errcode, sent_us, slot_until, kind, words, format) VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?)",
		m.Robot, m.GroupID, id(alert), string(m.Status), m.Content, micros(m.SentAt), micros(m.SlotUntil), string(m.Kind), m.Words, string(m.Format))
	if err != nil {
		return m, fmt.Errorf("store message: %w", err)
	}
	if m.ID, err = written.LastInsertId(); err != nil {
		return m, fmt.Errorf("store message: %w", err)
	}
	c.state.owner, c.state.lease = c.owner, until
	return m, c.t.saveRobot(ctx, c.state)
}

// brew notes that there is a storm: what was sent since its first message, and
// how it ends, is told when nothing more comes.
func (c *claiming) brew(ctx context.Context, m alerting.Message) error {
	if !alerting.Storms(m.Words) || c.state.storm.After(c.t.now.Add(-stormForgotten)) {
		return nil
	}
	var first sql.NullInt64
	err := c.t.QueryRowContext(ctx, "SELECT MIN(sent_us) FROM alert_messages WHERE robot = ? AND slot_until > ? AND words > 0", c.robot, c.t.now.UnixMicro()).Scan(&first)
	if err != nil {
		return fmt.Errorf("find the beginning of a storm: %w", err)
	}
	c.state.storm, c.state.stormGroup = instant(first), m.GroupID
	return c.t.saveRobot(ctx, c.state)
}

// takeStormOver tells what a storm came to, by what is on record.
func (c *claiming) takeStormOver(ctx context.Context, r alerting.Renderer) (*alerting.Claim, error) {
	s, err := c.t.storm(ctx, c.robot, c.state)
	if err != nil {
		return nil, err
	}
	s.Format = c.format
	m, err := c.reserve(ctx, alerting.Message{Kind: alerting.StormOver, GroupID: c.state.stormGroup, Format: c.format, Content: r.StormOver(s)}, 0)
	return c.claim(m, alerting.Notification{}), err
}

func (t *tx) storm(ctx context.Context, robot string, state robotRow) (s alerting.Storm, err error) {
	const messages = " FROM alert_messages m "
	const ofStorm = " WHERE m.robot = ? AND m.slot_until > ? AND m.sent_us >= ? AND m.words > 0"
	args := []any{robot, state.storm.UnixMicro(), state.storm.UnixMicro()}
	var from, to sql.NullInt64
	err = t.QueryRowContext(ctx, "SELECT COUNT(*), MIN(m.sent_us), MAX(m.answered_us)"+messages+ofStorm+" AND m.status = 'ACCEPTED'", args...).Scan(&s.Messages, &from, &to)
	if err != nil {
		return s, fmt.Errorf("count the messages of a storm: %w", err)
	}
	s.From, s.To = instant(from), instant(to)
	const words = messages + "JOIN alert_notifications n ON n.message_id = m.id" + ofStorm
	err = t.QueryRowContext(ctx, "SELECT COUNT(*)"+words+" AND n.status = 'DEAD'", args...).Scan(&s.Lost)
	if err != nil {
		return s, fmt.Errorf("count what a storm lost: %w", err)
	}
	err = t.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(SUM(occurrences), 0) FROM alert_records WHERE id IN (SELECT n.alert_id"+words+" AND n.status IN ('SENT', 'DEAD'))", args...).Scan(&s.Alerts, &s.Events)
	if err != nil {
		return s, fmt.Errorf("count the alerts of a storm: %w", err)
	}
	return s, nil
}
