package store

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"trade-monitor/shared/alerting"
)

// CreateGroup adds a row to wechat_groups and gives it back with its id.
func (s *Store) CreateGroup(ctx context.Context, g alerting.Group) (created alerting.Group, err error) {
	err = s.inTx(ctx, func(t *tx) error {
		written, err := t.exec(ctx, "INSERT INTO wechat_groups (group_name, webhook_url, alert_types, is_enabled, message_format, description, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			g.Name, webhookCell(g), text(g.AlertTypes), g.Enabled, formatCell(g), text(g.Description), t.s.datetime(t.now), t.s.datetime(t.now))
		if err != nil {
			return fmt.Errorf("create group: %w", err)
		}
		id, err := written.LastInsertId()
		if err != nil {
			return fmt.Errorf("create group: %w", err)
		}
		created, err = t.group(ctx, id)
		return err
	})
	return created, err
}

// SeedGroup adds a group when there is none at all, and tells whether it did.
func (s *Store) SeedGroup(ctx context.Context, g alerting.Group) (added bool, err error) {
	groups, err := s.Groups(ctx)
	if err != nil || len(groups) > 0 {
		return false, err
	}
	_, err = s.CreateGroup(ctx, g)
	return err == nil, err
}

// UpdateGroup stores what change makes of a group. ErrNotFound: there is none.
func (s *Store) UpdateGroup(ctx context.Context, id int64, change func(alerting.Group) (alerting.Group, error)) (updated alerting.Group, err error) {
	err = s.inTx(ctx, func(t *tx) error {
		g, err := t.group(ctx, id)
		if err != nil {
			return err
		}
		if g, err = change(g); err != nil {
			return err
		}
		err = t.update(ctx, "UPDATE wechat_groups SET group_name = ?, webhook_url = ?, alert_types = ?, is_enabled = ?, message_format = ?, description = ?, updated_at = ? WHERE id = ?",
			g.Name, webhookCell(g), text(g.AlertTypes), g.Enabled, formatCell(g), text(g.Description), t.s.datetime(t.now), id)
		if err != nil {
			return fmt.Errorf("update group: %w", err)
		}
		// Words may wait that can now be said, or need no longer be.
		t.commit.Words = true
		updated, err = t.group(ctx, id)
		return err
	})
	return updated, err
}

// DeleteGroup removes a row. What waits for the group is settled by the delivery
// loop as group_gone. ErrNotFound: there is none.
func (s *Store) DeleteGroup(ctx context.Context, id int64) error {
	return s.inTx(ctx, func(t *tx) error {
		if _, err := t.group(ctx, id); err != nil {
			return err
		}
		t.commit.Words = true
		if err := t.update(ctx, "DELETE FROM wechat_groups WHERE id = ?", id); err != nil {
			return fmt.Errorf("delete group: %w", err)
		}
		return nil
	})
}

// webhookCell is what the column holds: of a group that goes by the
// environment never the key itself.
func webhookCell(g alerting.Group) string {
	if g.FromEnv {
		return alerting.EnvironmentWebhook.Reveal()
	}
	return g.Webhook.Reveal()
}

func formatCell(g alerting.Group) string { return cmp.Or(g.MessageFormat, string(alerting.Markdown)) }

func (t *tx) group(ctx context.Context, id int64) (alerting.Group, error) {
	groups, err := collect(ctx, t, t.s.scanGroup, "SELECT "+groupColumns+" FROM wechat_groups WHERE id = ?"+t.s.dialect.ForUpdate, id)
	if err != nil {
		return alerting.Group{}, fmt.Errorf("read group: %w", err)
	}
	if len(groups) == 0 {
		return alerting.Group{}, alerting.ErrNotFound
	}
	return groups[0], nil
}

// ClaimTrial makes a test message this process's to send: like ClaimMessage it
// takes the robot's lease, reserves a slot and stores the content first. A robot
// that rests is tried all the same, since a person asks whether it is mended;
// but not one that pauses because it is over its rate. RefusedError: not now.
func (s *Store) ClaimTrial(ctx context.Context, robot string, group int64, owner string, lease time.Duration, p alerting.Post) (*alerting.Claim, error) {
	return s.claimWordless(ctx, alerting.Message{Kind: alerting.TestMessage, GroupID: group, Format: p.Format, Content: p.Content}, robot, owner, lease)
}

// claimWordless claims a message that carries no notification, and does not wait
// for its turn.
func (s *Store) claimWordless(ctx context.Context, m alerting.Message, robot, owner string, lease time.Duration) (claim *alerting.Claim, err error) {
	m.Format = cmp.Or(m.Format, alerting.Markdown)
	err = s.inTx(ctx, func(t *tx) error {
		c := claiming{t: t, robot: robot, owner: owner, lease: lease}
		if c.state, err = t.lockRobot(ctx, robot); err != nil {
			return err
		}
		if err := c.mayTry(ctx); err != nil {
			return err
		}
		message, err := c.reserve(ctx, m, 0)
		if err != nil {
			return err
		}
		claim = &alerting.Claim{Message: message, Robot: c.state.Robot, Owner: owner}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claim, nil
}

func (c *claiming) mayTry(ctx context.Context) error {
	now := c.t.now
	if c.state.lease.After(now) {
		return &alerting.RefusedError{Reason: alerting.Reason{Code: "robot_in_flight", Until: c.state.lease}}
	}
	if err := c.t.abandon(ctx, c.robot); err != nil {
		return err
	}
	if c.state.PausedUntil.After(now) && c.state.PauseReason.Code == "robot_"+string(alerting.ClassRateLimit) {
		why := c.state.PauseReason
		why.Until = c.state.PausedUntil
		return &alerting.RefusedError{Reason: why}
	}
	slots, err := slots(ctx, c.t, c.robot, now)
	if slot := alerting.NextSlot(slots, now); err == nil && slot.After(now) {
		return &alerting.RefusedError{Reason: alerting.Reason{Code: "robot_budget", Until: slot}}
	}
	return err
}

// hasten lets what waits for a robot, in whatever group, be tried at once: it
// works.
func (t *tx) hasten(ctx context.Context, robot string) error {
	groups, err := t.s.groups(ctx, t)
	if err != nil {
		return err
	}
	var ids []int64
	for _, g := range append(groups, alerting.FallbackGroup(t.policy.Fallback)) {
		if alerting.RobotID(g.Webhook) == robot {
			ids = append(ids, g.ID)
		}
	}
	t.commit.Words = true
	if len(ids) == 0 {
		return nil // the group was changed while its message was under way
	}
	now := t.now.UnixMicro()
	err = t.update(ctx, "UPDATE alert_notifications SET next_us = ? WHERE status = 'PENDING' AND group_id IN ("+list(len(ids))+") AND next_us > ?",
		append(append([]any{now}, anys(ids)...), now)...)
	if err != nil {
		return fmt.Errorf("hasten what waits: %w", err)
	}
	return nil
}
