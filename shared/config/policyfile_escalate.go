package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"trade-monitor/shared/alerting"
)

const never = "never"

// reminder reads the time between two words of one type, which may be never.
func (r *policyReader) reminder(into *time.Duration) func(*yaml.Node, place) {
	const zh, en = "必须是 1s 到 720h 的时长，带单位，如 30s、5m；不重复提醒则写 never", "must be a duration from 1s to 720h with its unit, such as 30s or 5m; write never for no reminders"
	read := r.lasting(into, false, zh, en)
	return func(v *yaml.Node, at place) {
		if v.Kind == yaml.ScalarNode && slices.Contains([]string{never, "0", "0s"}, v.Value) {
			if _, ok := r.text(v, at, zh, en); ok {
				*into = alerting.Never
			}
			return
		}
		read(v, at)
	}
}

// reminders shows what reminder reads; empty: as for every type.
func reminders(d time.Duration) string {
	switch d {
	case 0:
		return ""
	case alerting.Never:
		return never
	}
	return short(d)
}

// escalations is how a rule's steps are shown.
type escalations []alerting.EscalationStep

// escalate reads who is told when nobody acknowledges. It replaces what was there
// before.
func (r *policyReader) escalate(into *[]alerting.EscalationStep) func(*yaml.Node, place) {
	const zh, en = "写成列表，如 [{after: 15m, groups: [值班经理群]}]；不升级则写 []", "write a list such as [{after: 15m, groups: [managers]}]; [] for no escalation"
	return func(v *yaml.Node, at place) {
		switch {
		case v.Kind == yaml.AliasNode:
			return
		case v.Kind != yaml.SequenceNode:
			r.add(v.Line, at, zh, en)
			return
		case len(v.Content) > alerting.MaxSteps:
			r.add(v.Line, at, fmt.Sprintf("最多 %d 步", alerting.MaxSteps), fmt.Sprintf("holds at most %d steps", alerting.MaxSteps))
			return
		}
		var steps []alerting.EscalationStep
		for i, item := range v.Content {
			nth := at
			nth.key = fmt.Sprintf("%s[%d]", at.key, i)
			step := r.escalation(item, nth)
			if i > 0 && step.After > 0 && step.After <= steps[i-1].After {
				r.add(item.Line, nth.below("after"), "必须晚于上一步（"+short(steps[i-1].After)+"）", "must be later than the step before it ("+short(steps[i-1].After)+")")
			}
			steps = append(steps, step)
		}
		r.said[at] = v.Line
		*into = steps
	}
}

func (r *policyReader) escalation(v *yaml.Node, at place) (step alerting.EscalationStep) {
	switch v.Kind {
	case yaml.AliasNode:
		return step
	case yaml.MappingNode:
	default:
		r.add(v.Line, at, "写成 {after: 15m, groups: [群名]}", "write {after: 15m, groups: [name]}")
		return step
	}
	before := len(r.problems)
	r.section(v, at, []field{
		{"after", r.stepTime(&step.After)},
		{"groups", r.words(&step.Groups, 50, named)},
		{"severity", r.minSeverity(&step.Severity)},
	})
	if len(r.problems) > before {
		return step // a key that is misspelt is not missing besides
	}
	if step.After == 0 {
		r.add(v.Line, at.below("after"), "必填：多久无人确认就升级", "is required: after how long without an acknowledgement")
	}
	if len(step.Groups) == 0 {
		r.add(v.Line, at.below("groups"), "必填：至少一个群", "is required: at least one group")
	}
	return step
}

func (r *policyReader) stepTime(into *time.Duration) func(*yaml.Node, place) {
	const zh, en = "必须是 10s 到 24h 的时长，带单位，如 15m、1h", "must be a duration from 10s to 24h with its unit, such as 15m or 1h"
	return func(v *yaml.Node, at place) {
		text, ok := r.text(v, at, zh, en)
		if !ok {
			return
		}
		d, err := time.ParseDuration(text)
		if err != nil || v.Tag != "!!str" || d < alerting.ShortestStep || d > alerting.LongestStep {
			r.add(v.Line, at, zh, en)
			return
		}
		*into = d
	}
}

func (e escalations) text() string {
	steps := make([]string, len(e))
	for i, s := range e {
		steps[i] = "{after: " + short(s.After) + ", groups: [" + strings.Join(s.Groups, ", ") + "]"
		if s.Severity != "" {
			steps[i] += ", severity: " + string(s.Severity)
		}
		steps[i] += "}"
	}
	return "[" + strings.Join(steps, ", ") + "]"
}

func (e escalations) node() *yaml.Node {
	list := sequence(nil)
	for _, s := range e {
		step := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle}
		step.Content = append(step.Content, scalar("after"), scalar(short(s.After)), scalar("groups"), sequence(s.Groups))
		if s.Severity != "" {
			step.Content = append(step.Content, scalar("severity"), scalar(string(s.Severity)))
		}
		list.Content = append(list.Content, step)
	}
	return list
}

// climbs warns of steps of a type that are never taken. Those of defaults are
// meant for types that get worse.
func (r *policyReader) climbs(alertType string, rule alerting.Rule, p *alerting.Policy) {
	severities := raised(alertType, p)
	line, given := r.lineOf(alertType, "escalate")
	if !given || len(severities) == 0 {
		return
	}
	worst := slices.MaxFunc(severities, func(a, b alerting.Severity) int { return a.Rank() - b.Rank() })
	for i, s := range rule.Escalation {
		if worst.Rank() < s.Severity.Rank() {
			at := place{alertType: alertType, key: fmt.Sprintf("escalate[%d].severity", i)}
			r.warn(line, at, "高于监控上报的 "+string(worst)+"：不会升级到这一步", "is above "+string(worst)+", which the watch reports: this step is never taken")
		}
	}
}

// repeats warns of the repeat of every type where the rule of every type has one.
func (r *policyReader) repeats() {
	line, given := r.said[place{key: "repeat"}]
	if _, taken := r.said[place{key: "defaults.repeat"}]; given && taken {
		r.warn(line, place{key: "repeat"}, "没有作用：defaults 中的 repeat 取代了它", "has no effect: the repeat of defaults takes its place")
	}
}
