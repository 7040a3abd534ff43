package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"trade-monitor/shared/alerting"
)

// SettleMessage stores the verdict on a claimed message: message, words, alerts,
// trails and robot in one transaction, and gives the lease back.
func (s *Store) SettleMessage(ctx context.Context, claim *alerting.Claim, v alerting.Verdict, jitter float64) error {
	return s.inTx(ctx, func(t *tx) error {
		if err := t.settleRobot(ctx, claim, v, jitter); err != nil {
			return err
		}
		err := t.update(ctx, "UPDATE alert_messages SET status = ?, errcode = ?, error = ?, answered_us = ?, slot_until = ? WHERE id = ?",
			string(v.Status), v.ErrCode, text(clipCell(v.Error)), micros(t.now), micros(t.now.Add(alerting.SlotLife)), claim.Message.ID)
		if err != nil {
			return fmt.Errorf("settle message: %w", err)
		}
		switch {
		case claim.Message.Kind == alerting.TestMessage && v.Status == alerting.Accepted:
			err = t.hasten(ctx, claim.Message.Robot)
		case claim.Message.Words == 1:
			err = t.settleWord(ctx, claim, v)
		case claim.Message.Words > 1:
			err = t.settleDigest(ctx, claim, v)
		}
		if err != nil {
			return err
		}
		return t.tellOfRobot(ctx, claim, v)
	})
}

// settleRobot gives the robot its next state and the lease back, if it is still
// the claim's.
func (t *tx) settleRobot(ctx context.Context, claim *alerting.Claim, v alerting.Verdict, jitter float64) error {
	robot, err := t.lockRobot(ctx, claim.Message.Robot)
	if err != nil || robot.owner != claim.Owner {
		return err
	}
	robot.Robot = robot.AfterVerdict(v, t.now, jitter)
	robot.owner, robot.lease = "", time.Time{}
	// What may have been shown is not said again.
	if claim.Message.Kind == alerting.StormOver && (v.Status != alerting.Refused || robot.PausedUntil.IsZero()) {
		robot.storm = time.Time{}
	}
	return t.saveRobot(ctx, robot)
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
		err = t.update(ctx, "UPDATE alert_records SET "+markSent+" WHERE id = ?", append(t.sentCells(), word.AlertID)...)
		if err != nil {
			return fmt.Errorf("mark alert as sent: %w", err)
		}
		if err := t.owe(ctx, claim.Calls, func(int64) bool { return true }); err != nil {
			return err
		}
	}
	if word.Status == alerting.Pending && word.Reason.Code == words[0].Reason.Code {
		return nil // the trail says so already; the word counts its attempts
	}
	return t.trailWord(ctx, word)
}

const markSent = "wechat_sent = 1, wechat_sent_at = COALESCE(wechat_sent_at, ?), wechat_sent_us = COALESCE(wechat_sent_us, ?), updated_at = ?, updated_us = ?"

func (t *tx) sentCells() []any {
	return []any{t.s.datetime(t.now), micros(t.now), t.s.datetime(t.now), micros(t.now)}
}

// settleDigest settles the words of a digest, however many, by few statements.
func (t *tx) settleDigest(ctx context.Context, claim *alerting.Claim, v alerting.Verdict) error {
	message := claim.Message.ID
	words, err := collect(ctx, t, func(row scanner) (n alerting.Notification, err error) {
		var code sql.NullString
		err = row.Scan(&n.ID, &n.AlertID, &n.GroupName, (*string)(&n.Kind), (*string)(&n.Status), &n.Attempts, &n.Unanswered, &code)
		n.Reason.Code, n.MessageID, n.Folded = code.String, message, true
		return n, err
	}, "SELECT id, alert_id, group_name, kind, status, attempts, unanswered, reason_code FROM alert_notifications WHERE message_id = ? ORDER BY alert_id, id"+t.s.dialect.ForUpdate, message)
	if err != nil {
		return fmt.Errorf("read the words of a digest: %w", err)
	}
	if v.Status == alerting.Accepted {
		return t.digestArrived(ctx, claim, words, v)
	}
	words = slices.DeleteFunc(words, func(n alerting.Notification) bool { return n.Status != alerting.Pending })
	return t.digestFailed(ctx, message, words, v)
}

// digestArrived: also words that were suppressed while it was under way were said.
func (t *tx) digestArrived(ctx context.Context, claim *alerting.Claim, words []alerting.Notification, v alerting.Verdict) error {
	message := claim.Message.ID
	words = slices.DeleteFunc(words, func(n alerting.Notification) bool { return n.Status == alerting.Sent })
	err := t.update(ctx, "UPDATE alert_notifications SET status = 'SENT', reason_code = NULL, reason_detail = NULL, reason_until = NULL, attempts = attempts + 1, settled_us = ? "+
		"WHERE message_id = ? AND status <> 'SENT'", micros(t.now), message)
	if err != nil {
		return fmt.Errorf("settle the words of a digest: %w", err)
	}
	for i := range words {
		words[i] = words[i].AfterDigest(v, t.now)
	}
	if err := t.trailDigest(ctx, words, true); err != nil {
		return err
	}
	return t.owe(ctx, claim.Calls, func(alert int64) bool {
		return slices.ContainsFunc(words, func(n alerting.Notification) bool { return n.AlertID == alert })
	})
}

// digestFailed keeps the words owed. Those that are alike are settled together.
func (t *tx) digestFailed(ctx context.Context, message int64, words []alerting.Notification, v alerting.Verdict) error {
	type alike struct {
		attempts, unanswered int
		code                 string
	}
	kinds := map[alike]bool{}
	var changed []alerting.Notification
	for _, n := range words {
		kinds[alike{n.Attempts, n.Unanswered, n.Reason.Code}] = true
		if after := n.AfterDigest(v, t.now); after.Reason.Code != n.Reason.Code {
			changed = append(changed, after) // else the trail says so already
		}
	}
	// The most attempts first: a word must not be taken for one that it becomes.
	order := make([]alike, 0, len(kinds))
	for k := range kinds {
		order = append(order, k)
	}
	slices.SortFunc(order, func(a, b alike) int { return cmp.Compare(b.attempts, a.attempts) })
	for _, k := range order {
		after := alerting.Notification{Status: alerting.Pending, Attempts: k.attempts, Unanswered: k.unanswered, Reason: alerting.Reason{Code: k.code}}.AfterDigest(v, t.now)
		code, detail, _ := reasonCells(after.Reason)
		err := t.update(ctx, "UPDATE alert_notifications SET attempts = ?, unanswered = ?, reason_code = ?, reason_detail = ?, next_us = COALESCE(?, next_us) "+
			"WHERE message_id = ? AND status = 'PENDING' AND attempts = ? AND unanswered = ? AND COALESCE(reason_code, '') = ?",
			after.Attempts, after.Unanswered, code, detail, micros(after.NextAt), message, k.attempts, k.unanswered, k.code)
		if err != nil {
			return fmt.Errorf("owe the words of a digest again: %w", err)
		}
	}
	return t.trailDigest(ctx, changed, false)
}

// trailChunk is how many alerts one statement of trailDigest changes.
const trailChunk = 500

// trailDigest adds what became of many words to the trails of their alerts. The
// words are in the order of their alerts.
func (t *tx) trailDigest(ctx context.Context, words []alerting.Notification, sent bool) error {
	for len(words) > 0 {
		n := min(trailChunk, len(words))
		for n < len(words) && words[n].AlertID == words[n-1].AlertID {
			n++ // an alert is changed by one statement
		}
		if err := t.trailSome(ctx, words[:n], sent); err != nil {
			return err
		}
		words = words[n:]
	}
	return nil
}

func (t *tx) trailSome(ctx context.Context, words []alerting.Notification, sent bool) error {
	alerts, err := t.trails(ctx, words)
	if err != nil {
		return err
	}
	// How a trail grows, and how it ends then: few differ.
	type end struct {
		lines int
		code  string
	}
	ends, lines := map[end][]any{}, map[int64]int{}
	rows := make([][]any, 0, len(words))
	for _, word := range words {
		a := alerts[word.AlertID]
		if a == nil {
			continue // deleted by SQL
		}
		c := alerting.Told(*a, word, t.policy.Language, t.now)
		alerts[word.AlertID] = c.Alert
		lines[word.AlertID]++
		rows = append(rows, decisionRow(c.Decision))
		t.commit.Happenings = append(t.commit.Happenings, alerting.Happening{Alert: *c.Alert, Decision: *c.Decision})
	}
	for id, n := range lines {
		e := end{n, alerts[id].Trail.Code}
		ends[e] = append(ends[e], id)
	}
	set, cells := "updated_at = ?, updated_us = ?", []any{t.s.datetime(t.now), micros(t.now)}
	if sent {
		set, cells = markSent, t.sentCells()
	}
	for e, ids := range ends {
		args := slices.Concat(cells, []any{e.lines, e.code}, ids)
		err := t.update(ctx, "UPDATE alert_records SET "+set+", trail_seq = trail_seq + ?, trail_code = ? WHERE id IN ("+list(len(ids))+")", args...)
		if err != nil {
			return fmt.Errorf("settle the alerts of a digest: %w", err)
		}
	}
	return t.insert(ctx, insertDecision, rows)
}

// trails locks the alerts of some words and reads what a line of their trails,
// and of alert.log, takes.
func (t *tx) trails(ctx context.Context, words []alerting.Notification) (map[int64]*alerting.Alert, error) {
	ids := make([]any, 0, len(words))
	for i, word := range words {
		if i == 0 || word.AlertID != words[i-1].AlertID {
			ids = append(ids, word.AlertID)
		}
	}
	alerts, err := collect(ctx, t, func(row scanner) (*alerting.Alert, error) {
		var a alerting.Alert
		var code sql.NullString
		err := row.Scan(&a.ID, &a.Type, &a.Service, (*string)(&a.Severity), &a.Title, (*string)(&a.Status), &a.Trail.Seq, &code)
		a.Trail.Code = code.String
		return &a, err
	}, "SELECT id, alert_type, service_name, severity, title, status, trail_seq, trail_code FROM alert_records WHERE id IN ("+list(len(ids))+") ORDER BY id"+t.s.dialect.ForUpdate, ids...)
	if err != nil {
		return nil, fmt.Errorf("read the trails of a digest: %w", err)
	}
	found := make(map[int64]*alerting.Alert, len(alerts))
	for _, a := range alerts {
		found[a.ID] = a
	}
	return found, nil
}
