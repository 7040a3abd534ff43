package store

import (
	"context"
	"fmt"

	"trade-monitor/shared/alerting"
)

// tellOfRobot alarms the other groups when a group's robot is gone, and tells
// them when it works again, each once. A test that somebody asked for alarms
// nobody: who asked is told.
func (t *tx) tellOfRobot(ctx context.Context, claim *alerting.Claim, v alerting.Verdict) error {
	gone := v.Class == alerting.ClassRobotGone && claim.Message.Kind != alerting.TestMessage
	if !gone && v.Status != alerting.Accepted {
		return nil
	}
	group, err := t.groupOf(ctx, claim.Message)
	if err != nil {
		return err
	}
	ev := alerting.RobotEvent(group, v, t.policy.Language)
	var open int
	if err := t.QueryRowContext(ctx, "SELECT COUNT(*) FROM alert_records WHERE open_key = ?", t.policy.Fingerprint(&ev)).Scan(&open); err != nil {
		return fmt.Errorf("look for the robot's alarm: %w", err)
	}
	if gone == (open > 0) {
		return nil
	}
	b := &batchTx{t: t, w: newWriter(t), results: make([]result, 1), without: claim.Message.Robot}
	if alerting.RobotID(t.policy.Fallback) == claim.Message.Robot {
		t.policy.Fallback = "" // of this transaction
	}
	return b.run(ctx, []*call{{ctx: ctx, event: ev}})
}

// groupOf names the group that a message was for.
func (t *tx) groupOf(ctx context.Context, m alerting.Message) (string, error) {
	if m.GroupID == 0 {
		return alerting.FallbackGroup("").Name, nil
	}
	groups, err := t.s.groups(ctx, t)
	if err != nil {
		return "", err
	}
	for _, g := range groups {
		if g.ID == m.GroupID {
			return g.Name, nil
		}
	}
	return fmt.Sprint("id ", m.GroupID), nil // deleted meanwhile
}
