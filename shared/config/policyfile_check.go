package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"trade-monitor/shared/alerting"
)

// contradictions refuses values that are right one by one and cannot all be
// meant.
func (r *policyReader) contradictions(c Config, in *PolicyInForce) {
	p := &in.Policy
	if line, given := r.lineOf("", "changedWord", "repeat"); given && p.ChangedWord > p.Repeat {
		r.add(line, place{key: "changedWord"},
			"不能长于 repeat（"+short(p.Repeat)+"）：内容有变的提醒应更早", "must not be longer than repeat ("+short(p.Repeat)+"): changed words are told earlier")
	}
	r.guards("", p.Default)
	for _, name := range slices.Sorted(maps.Keys(p.Rules)) {
		r.guards(name, p.Rules[name])
	}
	found := c.Async.Timeout + c.Async.CheckInterval
	if line, given := r.lineOf(alerting.TickerSyncTimeout, "symptom"); given && p.Rules[alerting.TickerSyncTimeout].Symptom <= found {
		r.add(line, place{alertType: alerting.TickerSyncTimeout, key: "symptom"},
			"必须长于 ASYNC_MONITOR_TICKER_TIMEOUT + ASYNC_MONITOR_CHECK_INTERVAL（"+short(found)+"），否则无法发现重启后再次停滞",
			"must be longer than ASYNC_MONITOR_TICKER_TIMEOUT + ASYNC_MONITOR_CHECK_INTERVAL ("+short(found)+"), or a stall that returns is never noticed")
	}
}

// lineOf is the last line on which the file gives one of the keys; a rule that
// says none of them takes them from the defaults, where they are judged.
func (r *policyReader) lineOf(alertType string, keys ...string) (line int, given bool) {
	for _, key := range keys {
		if alertType == "" && slices.Contains(nestedKeys, key) {
			key = "defaults." + key
		}
		if at, ok := r.said[place{alertType: alertType, key: key}]; ok {
			line, given = max(line, at), true
		}
	}
	return line, given
}

// nestedKeys are those of a rule, as places name them, but for repeat, which a
// policy has besides.
var nestedKeys = []string{"action", "manual", "target", "host", "minSeverity", "cooldown", "backoff", "budget.max", "budget.per", "startGrace", "engineWait",
	"verify.stable", "verify.healthy", "verify.steady", "symptom", "labels", "groups", "mention", "escalate"}

// policyKeys hold the policy back, and no person.
var policyKeys = []string{"minSeverity", "cooldown", "backoff", "budget.max", "budget.per", "startGrace"}

// guards judges one rule. A budget bites only when it can be spent while its
// first restart still counts: Max restarts take at least Max cooldowns, each
// longer than the one before by the back-off.
func (r *policyReader) guards(alertType string, rule alerting.Rule) {
	g := rule.Guard
	at := place{alertType: alertType, key: "budget"}
	if alertType == "" {
		at.key = "defaults.budget"
	}
	if line, given := r.lineOf(alertType, "cooldown", "backoff", "budget.max", "budget.per"); given {
		needed := spending(g)
		switch {
		case g.Cooldown > g.Per:
			r.add(line, at, fmt.Sprintf("per（%s）短于 cooldown（%s），预算永远用不完：请加长 per 或缩短 cooldown", short(g.Per), short(g.Cooldown)),
				fmt.Sprintf("per (%s) is shorter than cooldown (%s), so that the budget can never be spent: lengthen per or shorten cooldown", short(g.Per), short(g.Cooldown)))
		case needed >= g.Per && g.Backoff > 1:
			r.add(line, at, fmt.Sprintf("预算永远用不完：%d 次至少需要 %s（cooldown %s，每次 × %v），而 per 是 %s。请加长 per，或减小 max、cooldown 或 backoff",
				g.Budget, short(needed), short(g.Cooldown), g.Backoff, short(g.Per)),
				fmt.Sprintf("the budget can never be spent: %d restarts take at least %s (cooldown %s, each time × %v), and per is %s. Make per longer, or max, cooldown or backoff less",
					g.Budget, short(needed), short(g.Cooldown), g.Backoff, short(g.Per)))
		case needed >= g.Per:
			r.add(line, at, fmt.Sprintf("预算永远用不完：%d 次至少需要 %d × %s = %s，而 per 是 %s。请把 per 加长到 %s 以上，或减小 max 或 cooldown",
				g.Budget, g.Budget, short(g.Cooldown), short(needed), short(g.Per), short(needed)),
				fmt.Sprintf("the budget can never be spent: %d restarts take at least %d × %s = %s, and per is %s. Make per longer than %s, or max or cooldown less",
					g.Budget, g.Budget, short(g.Cooldown), short(needed), short(g.Per), short(needed)))
		}
	}
	at.key = at.key[:len(at.key)-len("budget")] + "verify"
	if line, given := r.lineOf(alertType, "verify.stable", "verify.healthy"); given && rule.Verify.Stable > rule.Verify.Healthy {
		r.add(line, at, "stable（"+short(rule.Verify.Stable)+"）不能长于 healthy（"+short(rule.Verify.Healthy)+"）",
			"stable ("+short(rule.Verify.Stable)+") must not be longer than healthy ("+short(rule.Verify.Healthy)+")")
	}
}

// spending is how long it takes at least to use a budget up and cool down. Where
// it is as long as Per, the back-off stops growing: more does not matter.
func spending(g alerting.Guard) time.Duration {
	sum, wait := time.Duration(0), g.Cooldown
	for range g.Budget {
		sum += wait
		wait = min(time.Duration(float64(wait)*max(g.Backoff, 1)), max(g.Per, g.Cooldown))
	}
	return sum
}

// doubts warns of what may be meant and seldom is.
func (r *policyReader) doubts(c Config, in *PolicyInForce) {
	p := &in.Policy
	for _, name := range slices.Sorted(maps.Keys(p.Rules)) {
		rule := p.Rules[name]
		r.reach(name, rule, p)
		r.idle(name, rule)
		r.steps(name, rule)
		r.unmet(name, rule, p)
		r.climbs(name, rule, p)
		if line, given := r.lineOf(name, "action"); given && c.Mode == alerting.Off && rule.Action != alerting.NoAction {
			r.warn(line, place{alertType: name, key: "action"}, "REMEDIATION_MODE=off，不会自动执行", "REMEDIATION_MODE=off: it is not done by itself")
		}
	}
	r.reach("", p.Default, p)
	r.steps("", p.Default)
	r.brakes(p.Brake)
	r.repeats()
	if line, given := r.lineOf("", "symptom"); given {
		r.outlives(line, place{key: "defaults.symptom"}, p.Default.Symptom, p.IncidentGap)
	}
	gapLine, gapGiven := r.lineOf("", "incidentGap")
	for _, name := range slices.Sorted(maps.Keys(p.Rules)) {
		line, given := r.lineOf(name, "symptom")
		if given || gapGiven {
			r.outlives(max(line, gapLine), place{alertType: name, key: "symptom"}, p.Rules[name].Symptom, p.IncidentGap)
		}
	}
}

func (r *policyReader) outlives(line int, at place, symptom, gap time.Duration) {
	if symptom > gap {
		r.warn(line, at, "长于 incidentGap（"+short(gap)+"）：告警结束后仍会被视为症状存在", "longer than incidentGap ("+short(gap)+"): the symptom outlives its incident")
	}
}

// reach warns of an action that the allow-list keeps from its container. A
// label on the container may still admit it, which cannot be seen from here.
func (r *policyReader) reach(alertType string, rule alerting.Rule, p *alerting.Policy) {
	line, given := r.lineOf(alertType, "action", "manual", "target")
	if containers, said := r.said[place{key: "containers"}]; said && !given {
		line, given = containers, alertType == "" || rule.Target != "" // the others are told of once, by the defaults
	}
	at := place{alertType: alertType, key: "action"}
	if alertType == "" {
		at.key = "defaults.action"
	}
	acts := rule.Action != alerting.NoAction || rule.Manual != alerting.NoAction
	switch {
	case !given || !acts:
	case rule.Target != "" && !p.Lists(rule.Target):
		r.warn(line, place{alertType: alertType, key: "target"}, "容器不在允许列表 containers 中：会被拒绝，除非容器带有标签 trade-monitor.restart=true",
			"the container is not on the list `containers`: refused, unless it carries the label trade-monitor.restart=true")
	case rule.Target == "" && len(p.Containers) == 0:
		r.warn(line, at, "允许列表 containers 为空：会被拒绝，除非容器带有标签 trade-monitor.restart=true",
			"the list `containers` is empty: refused, unless the container carries the label trade-monitor.restart=true")
	}
}

// idle warns of settings of an action that a type does not have.
func (r *policyReader) idle(alertType string, rule alerting.Rule) {
	zh, en := "没有作用：该类型没有自动处置（action: none）", "has no effect: this type does nothing by itself (action: none)"
	acts := append(slices.Clone(rule.Ladder), rule.Action, rule.Manual)
	var keys []string
	switch {
	case rule.Action == alerting.NoAction && rule.Manual == alerting.NoAction:
		keys = nestedKeys[2:slices.Index(nestedKeys, "labels")]
	case rule.Action == alerting.NoAction:
		keys = policyKeys
	case !slices.Contains(acts, alerting.Restart) && !slices.Contains(acts, alerting.Start):
		zh, en = "没有作用：该类型只会停止容器", "has no effect: this type only stops the container"
		keys = []string{"verify.healthy", "verify.steady"}
	}
	for _, key := range keys {
		if line, given := r.lineOf(alertType, key); given {
			r.warn(line, place{alertType: alertType, key: key}, zh, en)
		}
	}
}
