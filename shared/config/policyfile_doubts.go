package config

import (
	"fmt"
	"slices"
	"time"

	"trade-monitor/shared/alerting"
)

// steps warns of actions that will be refused, or never come to it.
func (r *policyReader) steps(alertType string, rule alerting.Rule) {
	if rule.Action == alerting.NoAction {
		return
	}
	at := place{alertType: alertType, key: "action"}
	if alertType == "" {
		at.key = "defaults.action"
	}
	if line, given := r.lineOf(alertType, "action"); given {
		if zh, en := pointless(alertType, rule); zh != "" {
			r.warn(line, at, zh, en)
		}
	}
	acts := len(rule.Ladder)
	if acts > 0 && rule.Ladder[acts-1] == alerting.Escalate {
		acts--
	}
	if line, given := r.lineOf(alertType, "action", "budget.max"); given && acts > rule.Guard.Budget {
		r.warn(line, at, fmt.Sprintf("有 %d 步，而 budget.max 是 %d：每 %s 内执行不到后面的步骤，预算用完即请人处理", acts, rule.Guard.Budget, short(rule.Guard.Per)),
			fmt.Sprintf("has %d steps, and budget.max is %d: the last ones are never reached within %s, people are asked when the budget is used up", acts, rule.Guard.Budget, short(rule.Guard.Per)))
	}
	if line, given := r.lineOf(alertType, "backoff", "budget.max"); given && rule.Guard.Backoff > 1 && rule.Guard.Budget == 1 {
		at.key = at.key[:len(at.key)-len("action")] + "backoff"
		r.warn(line, at, "没有作用：budget.max 是 1", "has no effect: budget.max is 1")
	}
}

// pointless tells why what a type does first, or does after a stop, does not
// help.
func pointless(alertType string, rule alerting.Rule) (zh, en string) {
	stop := slices.Index(rule.Ladder, alerting.Stop)
	switch {
	case alertType == alerting.ContainerStopped:
		return "会被拒绝：容器是有人停止的，不会自动处置", "refused: somebody stopped the container, which is never acted on by itself"
	case alertType == alerting.ContainerDown && rule.Action != alerting.Start:
		return "容器已不在运行，第一步请写 start（" + string(rule.Action) + " 会被拒绝或没有意义）", "the container does not run: let the first step be start; " + string(rule.Action) + " is refused, or does nothing"
	case alertType == alerting.ContainerUnhealthy && rule.Action == alerting.Start:
		return "容器在运行，start 没有意义：请写 restart", "the container runs, so that start does nothing: write restart"
	case stop >= 0 && slices.ContainsFunc(rule.Ladder[stop:], func(a alerting.Action) bool { return a == alerting.Restart || a == alerting.Start }):
		return "stop 之后的步骤会再次启动容器：通常 stop 之后应为 escalate", "a step after stop starts the container again: after stop there should be escalate"
	}
	return "", ""
}

// unmet warns of terms of an action that what our own watches report never
// meets.
func (r *policyReader) unmet(alertType string, rule alerting.Rule, p *alerting.Policy) {
	severities := raised(alertType, p)
	if len(severities) == 0 {
		return
	}
	worst := slices.MaxFunc(severities, func(a, b alerting.Severity) int { return a.Rank() - b.Rank() })
	line, given := r.lineOf(alertType, "minSeverity")
	if !given {
		line, given = r.lineOf("", "minSeverity")
	}
	if given && rule.Action != alerting.NoAction && worst.Rank() < rule.MinSeverity.Rank() {
		r.warn(line, place{alertType: alertType, key: "minSeverity"}, "高于监控上报的 "+string(worst)+"：不会自动处置", "is above "+string(worst)+", which the watch reports: nothing is done by itself")
	}
	if line, given := r.lineOf(alertType, "verify.steady", "symptom"); given && rule.Verify.Steady > rule.Symptom {
		r.warn(line, place{alertType: alertType, key: "verify.steady"}, "长于 symptom（"+short(rule.Symptom)+"）：症状仍在时，要等 steady 结束才算未恢复",
			"longer than symptom ("+short(rule.Symptom)+"): a symptom that stays makes the restart fail only when steady is over")
	}
}

// raised are the severities at which our own watches report a type; none: they
// do not.
func raised(alertType string, p *alerting.Policy) (all []alerting.Severity) {
	for _, l := range p.Logs {
		if l.AlertType == alertType {
			all = append(all, l.Severity)
		}
	}
	for _, h := range p.Heartbeats {
		if whole := h.Declare(nil, time.Time{}); whole.AlertType == alertType {
			all = append(all, whole.Severity)
		}
	}
	switch alertType {
	case alerting.ContainerUnhealthy:
		all = append(all, alerting.Error)
	case alerting.ContainerDown, alerting.ContainerOOM, alerting.ContainerRestarting:
		all = append(all, alerting.Critical)
	}
	return all
}

// brakes judges the brake of the hosts.
func (r *policyReader) brakes(b alerting.BrakeRule) {
	for _, key := range []string{"brake.per", "brake.hold"} {
		if line, given := r.lineOf("", key); given && b.Containers == 0 {
			r.warn(line, place{key: key}, "没有作用：刹车已关闭（containers: 0）", "has no effect: the brake is switched off (containers: 0)")
		}
	}
	if line, given := r.lineOf("", "brake.per", "brake.hold"); given && b.Containers > 0 && b.Hold < b.Per {
		r.warn(line, place{key: "brake.hold"}, "短于 per（"+short(b.Per)+"）：刹车结束后，之前的处置仍计入，可能立即再次刹车", "shorter than per ("+short(b.Per)+"): what was done before still counts when it ends, and may engage it again at once")
	}
}
