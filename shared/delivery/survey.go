package delivery

import (
	"context"
	"fmt"
	"slices"

	"trade-monitor/shared/alerting"
)

// target is one robot with words waiting: two groups may share it.
type target struct {
	robot   string // alerting.RobotID
	webhook alerting.Secret
	groups  []int64
}

// survey finds the robots that have words waiting, in the order of their
// groups. Words for groups that can no longer be told are settled here; when
// that fails there is an error, and still all the targets: those who can be told
// do not wait for it.
func (l *Loop) survey(ctx context.Context) ([]target, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	queues, err := l.store.Queues(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the queues: %w", err)
	}
	queues = slices.DeleteFunc(queues, func(q alerting.Queue) bool { return q.Pending == 0 && !q.Storm })
	if len(queues) == 0 {
		return nil, nil
	}
	groups, err := l.store.Groups(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the groups: %w", err)
	}
	targets, gone := route(queues, groups, l.o.Fallback())
	if len(gone) > 0 {
		l.o.Log.Warn("groups are gone or disabled; their words are not delivered", "groups", gone)
		if err := l.store.Suppress(ctx, gone, alerting.Reason{Code: "group_gone"}); err != nil {
			return targets, fmt.Errorf("settle the words of lost groups: %w", err)
		}
	}
	return targets, nil
}

// route finds the robot of every queue. gone are the groups without one.
func route(queues []alerting.Queue, groups []alerting.Group, fallback alerting.Secret) (targets []target, gone []int64) {
	webhooks := map[int64]alerting.Secret{}
	if !switchedOff(groups, fallback) {
		webhooks[0] = fallback
	}
	for _, g := range groups {
		if g.Enabled {
			webhooks[g.ID] = g.Webhook
		}
	}
	place := map[string]int{}
	for _, q := range queues {
		webhook := webhooks[q.GroupID]
		if alerting.Placeholder(webhook) {
			if q.Pending > 0 {
				gone = append(gone, q.GroupID)
			}
			continue
		}
		robot := alerting.RobotID(webhook)
		i, seen := place[robot]
		if !seen {
			i = len(targets)
			place[robot] = i
			targets = append(targets, target{robot: robot, webhook: webhook})
		}
		targets[i].groups = append(targets[i].groups, q.GroupID)
	}
	return targets, gone
}

// switchedOff tells whether a person disabled a group with the fallback's
// robot, the same rule by which alerting.Audience leaves the fallback out.
func switchedOff(groups []alerting.Group, fallback alerting.Secret) bool {
	robot := alerting.RobotID(fallback)
	return slices.ContainsFunc(groups, func(g alerting.Group) bool {
		return !g.Enabled && alerting.RobotID(g.Webhook) == robot
	})
}
