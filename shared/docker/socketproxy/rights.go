package socketproxy

import (
	"maps"
	"slices"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
)

// subject is what a call is about, as far as rights go.
type subject struct {
	name           string // the container's own, not what the caller wrote
	restart, watch bool   // by label
	ours           bool   // this proxy's container, or the monitor's
}

// admits tells whether a call may be made on the container; nil: it may.
//
// REMEDIATION_MODE is not looked at: a person may act in every mode, and the
// proxy cannot tell who asks.
func (s subject) admits(c call, p alerting.Policy) error {
	listed := s.restart || p.Lists(s.name)
	switch {
	case c.Acts && s.ours:
		return s.refused(c, "ours", "绝不处置 Trade Monitor 自己 (Trade Monitor itself is never touched)")
	case c.Acts && !listed:
		return s.refused(c, "not_allowed", "%s 不在 REMEDIATION_CONTAINERS 或策略文件的 containers 中，也没有标签 %s=true "+
			"(neither named there nor labelled)", s.name, docker.Label)
	case c.Acts && !asks(p, c.action()):
		return s.refused(c, "never_asked", "策略中没有任何规则要求这个动作 (no rule of the policy asks for this action): %s", c.action())
	case !c.Acts && !listed && !s.watched(p):
		return s.refused(c, "not_watched", "%s 既不在名单或监控之中，也没有标签 %s=true 或 %s=true (neither on the list nor watched nor labelled)",
			s.name, docker.Label, docker.WatchLabel)
	}
	return nil
}

// asks tells whether anything in the policy asks for an action: where nothing
// ever stops a container, nobody needs the right to.
func asks(p alerting.Policy, action alerting.Action) bool {
	byRule := func(r alerting.Rule) bool {
		return r.Action == action || r.Manual == action || slices.Contains(r.Ladder, action)
	}
	return byRule(p.Default) || slices.ContainsFunc(slices.Collect(maps.Values(p.Rules)), byRule)
}

func (s subject) watched(p alerting.Policy) bool {
	return s.watch || slices.ContainsFunc(p.Logs, func(l alerting.LogRule) bool { return l.Container == s.name })
}

func (s subject) refused(c call, kind, format string, args ...any) *refusal {
	no := c.refused(kind, format, args...)
	no.container = s.name
	return no
}
