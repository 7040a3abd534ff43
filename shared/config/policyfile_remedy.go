package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"trade-monitor/shared/alerting"
)

// maxSteps bounds a ladder; whoever needs more of them needs people.
const maxSteps = 10

const (
	zhEscalate = "只有 escalate 就是不自动处置：请写 action: none"
	enEscalate = "escalate alone means that nothing is done: write action: none"
)

// acting are the words for what may be done to a container.
var acting = []alerting.Action{alerting.Restart, alerting.Start, alerting.Stop}

// action reads one word, which is done again and again, or a ladder of steps.
func (r *policyReader) action(rule *alerting.Rule) func(*yaml.Node, place) {
	const zh, en = "只能是 none | restart | start | stop，或步骤的列表，如 [restart, restart, escalate]", "must be one of none | restart | start | stop, or a list of steps such as [restart, restart, escalate]"
	return func(v *yaml.Node, at place) {
		if v.Kind == yaml.SequenceNode {
			if ladder := r.ladder(v, at); ladder != nil {
				rule.Action, rule.Ladder = ladder[0], ladder
			}
			return
		}
		text, ok := r.text(v, at, zh, en)
		switch word := alerting.Action(text); {
		case !ok:
		case word == alerting.Escalate:
			r.add(v.Line, at, zhEscalate, enEscalate)
		case word == alerting.NoAction || slices.Contains(acting, word):
			rule.Action, rule.Ladder = word, nil
		default:
			r.add(v.Line, at, zh, en)
		}
	}
}

// ladder reads the steps; nil: they were complained about.
func (r *policyReader) ladder(v *yaml.Node, at place) []alerting.Action {
	r.said[at] = v.Line
	switch n := len(v.Content); {
	case n == 0:
		r.add(v.Line, at, "没有步骤：不自动处置请写 action: none", "holds no step: for no action write action: none")
		return nil
	case n > maxSteps:
		r.add(v.Line, at, fmt.Sprintf("最多 %d 步", maxSteps), fmt.Sprintf("holds at most %d steps", maxSteps))
		return nil
	}
	before := len(r.problems)
	var steps []alerting.Action
	for i, item := range v.Content {
		nth := at
		nth.key = fmt.Sprintf("%s[%d]", at.key, i)
		steps = append(steps, r.step(item, nth, i == 0, i == len(v.Content)-1))
	}
	if len(r.problems) > before {
		return nil
	}
	return steps
}

func (r *policyReader) step(v *yaml.Node, at place, first, last bool) alerting.Action {
	const zh, en = "步骤只能是 restart | start | stop，最后一步也可以是 escalate（请人处理）", "a step must be one of restart | start | stop; the last may be escalate, which asks people"
	text, ok := r.text(v, at, zh, en)
	switch word := alerting.Action(text); {
	case !ok:
	case word == alerting.Escalate && first:
		r.add(v.Line, at, zhEscalate, enEscalate)
	case word == alerting.Escalate && !last:
		r.add(v.Line, at, "escalate 只能是最后一步：它之后的步骤永远不会执行", "escalate must be the last step: what comes after it is never done")
	case word == alerting.Escalate || slices.Contains(acting, word):
		return word
	default:
		r.add(v.Line, at, zh, en)
	}
	return alerting.NoAction
}

// manual reads what is done when a person asks: one thing.
func (r *policyReader) manual(into *alerting.Action) func(*yaml.Node, place) {
	const zh, en = "只能是 none | restart | start | stop", "must be one of none | restart | start | stop"
	return func(v *yaml.Node, at place) {
		text, ok := r.text(v, at, zh, en)
		switch word := alerting.Action(text); {
		case !ok:
		case word == alerting.NoAction || slices.Contains(acting, word):
			*into = word
		default:
			r.add(v.Line, at, zh, en)
		}
	}
}

// minSeverity: INFO is what holds without one.
func (r *policyReader) minSeverity(into *alerting.Severity) func(*yaml.Node, place) {
	read := r.severityOf(into)
	return func(v *yaml.Node, at place) {
		read(v, at)
		if *into == alerting.Info {
			*into = ""
		}
	}
}

func (r *policyReader) factor(into *float64) func(*yaml.Node, place) {
	const zh, en = "必须是 1 到 10 的数，如 2 或 1.5；1 表示不加长", "must be a number from 1 to 10 such as 2 or 1.5; 1 is no growth"
	return func(v *yaml.Node, at place) {
		text, ok := r.text(v, at, zh, en)
		if !ok {
			return
		}
		f, err := strconv.ParseFloat(text, 64)
		number := v.Tag == "!!int" || v.Tag == "!!float"
		if err != nil || !number || !(f >= 1 && f <= 10) { // so that NaN is none
			r.add(v.Line, at, zh, en)
			return
		}
		*into = f
	}
}

// maxEngine is as much as the record keeps of an engine's id and name.
const maxEngine = 200

// engineName is a host's name, or an engine's id and its host's name; ? is the id
// of one that does not tell it.
var engineName = regexp.MustCompile(`^(\?/)?[A-Za-z0-9][A-Za-z0-9_.:/-]*$`)

// host reads the id or the name of an engine, as GET /api/remediation shows it.
func (r *policyReader) host(into *string) func(*yaml.Node, place) {
	const zh, en = "必须是主机的名称或 id（docker info 的 Name，或 GET /api/remediation 所示）", "must be the name or the id of a host: Name of docker info, or as GET /api/remediation shows it"
	return func(v *yaml.Node, at place) {
		text, ok := r.text(v, at, zh, en)
		switch {
		case !ok:
		case strings.Contains(text, "://"):
			r.add(v.Line, at, "写主机的名称，不要写地址", "write the host's name, not an address")
		case len(text) > maxEngine || !engineName.MatchString(text):
			r.add(v.Line, at, zh, en)
		default:
			*into = text
		}
	}
}

// brake reads when a host is held.
func (r *policyReader) brake(into *alerting.BrakeRule) func(*yaml.Node, place) {
	const off = "{containers: 0}"
	return func(v *yaml.Node, at place) {
		if v.Kind == yaml.ScalarNode && v.Tag != "!!null" {
			r.add(v.Line, at, "写成 {containers: 3, per: 1m, hold: 10m}；关闭请写 "+off, "write {containers: 3, per: 1m, hold: 10m}; to switch it off "+off)
			return
		}
		r.section(v, at, []field{
			{"containers", r.whole(&into.Containers, func(n int) bool { return n == 0 || n >= 2 && n <= 100 },
				"必须是 2 到 100 的整数；0 表示关闭刹车", "must be a whole number from 2 to 100; 0 switches the brake off")},
			{"per", r.duration(&into.Per)},
			{"hold", r.duration(&into.Hold)},
		})
	}
}
