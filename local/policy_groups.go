package main

import (
	"context"
	"slices"
	"time"

	"trade-monitor/shared/alerting"
)

// groupsInterval is how often the groups that the policy names are looked for.
// A policy that names none costs no look.
const groupsInterval = 10 * time.Second

type groupLister interface {
	Groups(ctx context.Context) ([]alerting.Group, error)
}

// missingGroups warns of groups that the policy names and that cannot be told,
// once per change. No alarm is lost by them (Policy.Audience), but it is told to
// more people than was meant.
func (f *policyFile) missingGroups(db groupLister) func(context.Context) error {
	var said []string
	return func(ctx context.Context) error {
		policy := f.inForce.policy()
		if len(policy.MissingGroups(nil)) == 0 { // it names none
			said = nil
			return nil
		}
		groups, err := db.Groups(ctx)
		if err != nil {
			return err
		}
		missing := policy.MissingGroups(groups)
		if !slices.Equal(missing, said) {
			f.sayMissing(missing)
		}
		said = missing
		return nil
	}
}

func (f *policyFile) sayMissing(missing []string) {
	for _, one := range missing {
		f.log.Warn("策略文件指定的群无法通知，请检查名称和 wechat_groups (the policy names a group that cannot be told)", "where", one)
	}
	if len(missing) == 0 {
		f.log.Info("策略文件指定的群都可通知 (all groups that the policy names can be told)")
	}
}
