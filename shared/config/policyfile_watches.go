package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"trade-monitor/shared/alerting"
)

// The sections of what is watched; their keys are names of containers and of
// heartbeats.
const (
	logsSection       = "logs"
	heartbeatsSection = "heartbeats"
)

// maxWatches bounds each section: every log is a connection to the engine.
const maxWatches = 1000

// named gives the values of a section by their names.
func (r *policyReader) named(node *yaml.Node, section string, valid func(string) bool, zh, en string) (names []string, values map[string]*yaml.Node) {
	at := place{key: section}
	values = r.mapping(node, at, "写成 名称: {…}", "write NAME: {…}", func(key *yaml.Node) bool {
		if !valid(key.Value) {
			r.add(key.Line, at.below(legible(key.Value)), zh, en)
			return false
		}
		return true
	})
	if len(values) > maxWatches {
		r.add(node.Line, at, fmt.Sprintf("最多 %d 项", maxWatches), fmt.Sprintf("holds at most %d items", maxWatches))
		return nil, nil
	}
	return slices.Sorted(maps.Keys(values)), values
}

// logs reads whose logs are watched besides the environment's; one of the same
// name changes that one.
func (r *policyReader) logs(node *yaml.Node, p *alerting.Policy) {
	names, values := r.named(node, logsSection, containerName.MatchString, zhContainer, enContainer)
	p.Logs = slices.Clone(p.Logs)
	for _, name := range names {
		i := slices.IndexFunc(p.Logs, func(l alerting.LogRule) bool { return l.Container == name })
		if i < 0 {
			i = len(p.Logs)
			p.Logs = append(p.Logs, r.async.logRule(name))
			p.Logs[i].Required = true
		}
		r.log(values[name], place{section: logsSection, alertType: name}, &p.Logs[i])
	}
}

func (r *policyReader) log(node *yaml.Node, at place, rule *alerting.LogRule) {
	r.section(node, at, []field{
		{"pattern", r.pattern(&rule.Progress)},
		{"timeout", r.duration(&rule.Timeout)},
		{"interval", r.duration(&rule.Interval)},
		{"type", r.typeName(&rule.AlertType)},
		{"severity", r.severityOf(&rule.Severity)},
		{"service", r.serviceName(&rule.Service)},
	})
}

func (r *policyReader) pattern(into *alerting.LinePattern) func(*yaml.Node, place) {
	const zh, en = "必须是正则表达式（RE2 语法）", "must be a regular expression (RE2 syntax)"
	return func(v *yaml.Node, at place) {
		text, ok := r.text(v, at, zh, en)
		if !ok {
			return
		}
		match, err := regexp.Compile(text)
		if err != nil || text == "" {
			r.add(v.Line, at, zh, en)
			return
		}
		*into = alerting.NewLinePattern(match)
	}
}

func (r *policyReader) typeName(into *string) func(*yaml.Node, place) {
	zh := fmt.Sprintf("必须是大写的告警类型，最长 %d 个字符", alerting.MaxType)
	en := fmt.Sprintf("must be an alert type in capitals, at most %d characters", alerting.MaxType)
	return func(v *yaml.Node, at place) {
		text, ok := r.text(v, at, zh, en)
		if !ok {
			return
		}
		ev, err := alerting.Normalise(alerting.Posted{EventType: text, ServiceName: "x", Severity: "INFO", Title: "x", Message: "x"})
		if err != nil || ev.Type != text {
			r.add(v.Line, at, zh, en)
			return
		}
		*into = text
	}
}

func (r *policyReader) serviceName(into *string) func(*yaml.Node, place) {
	zh := fmt.Sprintf("必须是服务名，最长 %d 个字符", alerting.MaxService)
	en := fmt.Sprintf("must be the name of a service, at most %d characters", alerting.MaxService)
	return func(v *yaml.Node, at place) {
		text, ok := r.text(v, at, zh, en)
		if ok && !isLabel(text) {
			r.add(v.Line, at, zh, en)
			return
		}
		*into = text
	}
}

func (r *policyReader) severityOf(into *alerting.Severity) func(*yaml.Node, place) {
	const zh, en = "只能是 INFO | WARNING | ERROR | CRITICAL", "must be one of INFO | WARNING | ERROR | CRITICAL"
	return func(v *yaml.Node, at place) {
		text, ok := r.text(v, at, zh, en)
		if !ok {
			return
		}
		severity, known := alerting.ParseSeverity(text)
		if !known {
			r.add(v.Line, at, zh, en)
			return
		}
		*into = severity
	}
}

// heartbeats reads which heartbeats are expected. Each is checked by what the
// domain says of it.
func (r *policyReader) heartbeats(node *yaml.Node, p *alerting.Policy) {
	const zh, en = "名称只能由字母、数字和 _ . - 组成", "a name takes letters, digits and _ . -"
	valid := func(name string) bool { return alerting.CheckHeartbeatName(name) == nil }
	names, values := r.named(node, heartbeatsSection, valid, zh, en)
	p.Heartbeats = nil
	for _, name := range names {
		at := place{section: heartbeatsSection, alertType: name}
		d := alerting.HeartbeatDeclaration{Name: name}
		r.heartbeat(values[name], at, &d)
		if r.said[at.below("period")] == 0 {
			r.add(values[name].Line, at.below("period"), "必填：多久应有一次心跳", "required: how often a ping must come")
			continue
		}
		checked, err := d.Check()
		var bad *alerting.InvalidError
		if errors.As(err, &bad) {
			for _, problem := range bad.Problems {
				r.add(values[name].Line, at.below(problem.Field), problem.Message, problem.Message)
			}
			continue
		}
		p.Heartbeats = append(p.Heartbeats, checked)
	}
}

func (r *policyReader) heartbeat(node *yaml.Node, at place, d *alerting.HeartbeatDeclaration) {
	r.section(node, at, []field{
		{"period", r.span(&d.Period)},
		{"grace", func(v *yaml.Node, at place) {
			grace := time.Duration(0)
			r.span(&grace)(v, at)
			d.Grace = &grace
		}},
		{"type", r.typeName(&d.AlertType)},
		{"service", r.serviceName(&d.Service)},
		{"severity", r.severityOf(&d.Severity)},
	})
}

// span reads a duration whose bounds the domain knows.
func (r *policyReader) span(into *time.Duration) func(*yaml.Node, place) {
	const zh, en = "必须是带单位的时长，如 30s、5m、24h", "must be a duration with its unit, such as 30s, 5m or 24h"
	return func(v *yaml.Node, at place) {
		text, ok := r.text(v, at, zh, en)
		if !ok {
			return
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			r.add(v.Line, at, zh, en)
			return
		}
		*into = d
	}
}

// watchSettings lists what is watched, as settings does the rest.
func watchSettings(p *alerting.Policy) []setting {
	var all []setting
	for _, l := range p.Logs {
		at := place{section: logsSection, alertType: l.Container}
		all = append(all,
			setting{at.below("pattern"), l.Progress.Source()}, setting{at.below("timeout"), short(l.Timeout)}, setting{at.below("interval"), short(l.Interval)},
			setting{at.below("type"), l.AlertType}, setting{at.below("severity"), string(l.Severity)}, setting{at.below("service"), l.Service})
	}
	for _, h := range p.Heartbeats {
		at := place{section: heartbeatsSection, alertType: h.Name}
		all = append(all, setting{at.below("period"), short(h.Period)})
		if h.Grace != nil {
			all = append(all, setting{at.below("grace"), short(*h.Grace)})
		}
		all = append(all, setting{at.below("type"), h.AlertType}, setting{at.below("service"), h.Service}, setting{at.below("severity"), string(h.Severity)})
	}
	return slices.DeleteFunc(all, func(s setting) bool { return strings.TrimSpace(s.text()) == "" })
}
