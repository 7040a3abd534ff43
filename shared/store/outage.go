package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"trade-monitor/shared/alerting"
)

// Look is Ready, and tells whether this process is the one that speaks first
// when the database is away: of several on one database the one that has the
// lease, which every look renews. The embedded database has one process.
func (s *Store) Look(ctx context.Context, owner string) (first bool, err error) {
	err = s.look(ctx, func(t *tx) error {
		first, err = t.speaksFirst(ctx, owner)
		return err
	})
	return first && err == nil, err
}

// speakerLease outlives two looks that failed.
const speakerLease = 15 * time.Second

// The lease is a row of the table of answers, which needs no migration: one that
// is over is deleted with the answers that are.
const speakerKey = "emergency-speaker"

func (t *tx) speaksFirst(ctx context.Context, owner string) (bool, error) {
	if t.s.dialect.Clock == "" {
		return true, nil
	}
	var holder string
	var until int64
	err := t.QueryRowContext(ctx, "SELECT receipt, expires_us FROM alert_idempotency WHERE key_hash = ?"+t.s.dialect.ForUpdate, speakerKey).Scan(&holder, &until)
	lease := t.now.Add(speakerLease).UnixMicro()
	switch {
	case errors.Is(err, sql.ErrNoRows):
		// Of two that insert at once the later one fails on the key, is tried again
		// and finds the row.
		err = t.update(ctx, "INSERT INTO alert_idempotency (key_hash, body_hash, receipt, expires_us) VALUES (?, '', ?, ?)", speakerKey, owner, lease)
	case err != nil:
		return false, fmt.Errorf("read who speaks first: %w", err)
	case holder != owner && until > t.now.UnixMicro():
		return false, nil
	default:
		err = t.update(ctx, "UPDATE alert_idempotency SET receipt = ?, expires_us = ? WHERE key_hash = ?", owner, lease, speakerKey)
	}
	if err != nil {
		return false, fmt.Errorf("lease the emergency word: %w", err)
	}
	return true, nil
}

// unanswered is how long a request may have been on its way of which no answer
// is known.
const unanswered = 10 * time.Second

// RecordSpoken stores emergency words that were sent without the database, so
// that they are counted against their robots' budgets; now is the instant on the
// clock of their times.
func (s *Store) RecordSpoken(ctx context.Context, words []alerting.Spoken, now time.Time) error {
	return s.inTx(ctx, func(t *tx) error {
		shift := t.now.Sub(now) // to the database's clock
		for _, w := range words {
			if _, err := t.lockRobot(ctx, w.Robot); err != nil {
				return err
			}
			answered := w.AnsweredAt
			if answered.IsZero() {
				answered = w.SentAt.Add(unanswered)
			}
			answered = answered.Add(shift)
			_, err := t.exec(ctx, "INSERT INTO alert_messages (robot, group_id, alert_id, status, content, errcode, error, sent_us, answered_us, slot_until, kind, words, format) VALUES (?, 0, NULL, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
				w.Robot, string(w.Status), w.Content, w.ErrCode, text(clipCell(w.Error)), micros(w.SentAt.Add(shift)), micros(answered), micros(answered.Add(alerting.SlotLife)), string(alerting.Emergency), string(alerting.Text))
			if err != nil {
				return fmt.Errorf("store an emergency word: %w", err)
			}
		}
		return nil
	})
}

// ClaimNotice claims a message that tells of ourselves, as ClaimTrial does. It is
// for the robot of WECHAT_WEBHOOK_URL.
func (s *Store) ClaimNotice(ctx context.Context, robot, owner string, lease time.Duration, content string) (*alerting.Claim, error) {
	return s.claimWordless(ctx, alerting.Message{Kind: alerting.Emergency, Format: alerting.Text, Content: content}, robot, owner, lease)
}
