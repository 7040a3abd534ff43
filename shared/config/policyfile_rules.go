package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"

	"trade-monitor/shared/alerting"
)

// policy reads the whole document onto the policy of the environment.
func (r *policyReader) policy(root *yaml.Node, p *alerting.Policy) {
	var types, logs, heartbeats *yaml.Node
	r.section(root, place{}, []field{
		{"incidentGap", r.duration(&p.IncidentGap)},
		{"repeat", r.duration(&p.Repeat)},
		{"changedWord", r.duration(&p.ChangedWord)},
		{"containers", r.words(&p.Containers, 500, judge{valid: containerName.MatchString, zh: zhContainer, en: enContainer})},
		{"brake", r.brake(&p.Brake)},
		{"defaults", func(v *yaml.Node, at place) { r.rule(v, at, &p.Default) }},
		{"types", func(v *yaml.Node, _ place) { types = v }},
		{logsSection, func(v *yaml.Node, _ place) { logs = v }},
		{heartbeatsSection, func(v *yaml.Node, _ place) { heartbeats = v }},
	})
	inherit(p)
	if types != nil {
		r.types(types, p)
	}
	if logs != nil {
		r.logs(logs, p)
	}
	if heartbeats != nil {
		r.heartbeats(heartbeats, p)
	}
}

// inherit gives the defaults of the file to the types that are built in. What
// makes them what they are stays, the ownKeys: a default action is meant for
// other types.
func inherit(p *alerting.Policy) {
	p.Rules = maps.Clone(p.Rules)
	for name, own := range p.Rules {
		rule := p.Default
		rule.Action, rule.Ladder, rule.Manual = own.Action, own.Ladder, own.Manual
		rule.Verify.Steady, rule.Symptom = own.Verify.Steady, own.Symptom
		p.Rules[name] = rule
	}
}

// ownKeys are what inherit leaves to a built-in type.
var ownKeys = []string{"action", "manual", "verify.steady", "symptom"}

func (r *policyReader) types(node *yaml.Node, p *alerting.Policy) {
	at := place{key: "types"}
	values := r.mapping(node, at, "写成 类型名称: {…}", "write TYPE: {…}", func(key *yaml.Node) bool { return r.alertType(key, at) })
	for _, name := range slices.Sorted(maps.Keys(values)) {
		rule := p.Rule(name)
		r.rule(values[name], place{alertType: name}, &rule)
		p.Rules[name] = rule
	}
}

// alertType checks the name of a type by what the domain makes of one that an
// event carries: a name that it would change is never met.
func (r *policyReader) alertType(key *yaml.Node, at place) bool {
	ev, err := alerting.Normalise(alerting.Posted{EventType: key.Value, ServiceName: "x", Severity: "INFO", Title: "x", Message: "x"})
	switch {
	case err != nil:
		r.add(key.Line, at.below(legible(key.Value)), fmt.Sprintf("类型名称不能为空，最长 %d 个字符", alerting.MaxType), fmt.Sprintf("the name of a type must not be empty or longer than %d characters", alerting.MaxType))
	case ev.Type != key.Value:
		r.add(key.Line, at.below(legible(key.Value)), "类型名称须为大写，没有多余的空格："+legible(ev.Type), "write the type in capitals and without needless spaces: "+legible(ev.Type))
	default:
		return true
	}
	return false
}

// ruleKeys are the keys of defaults and of a type, in the order of the
// documentation.
var ruleKeys = []string{"action", "manual", "target", "host", "minSeverity", "cooldown", "backoff", "budget", "startGrace", "engineWait", "verify", "symptom", "labels", "groups", "mention", "escalate", "repeat"}

// typeKeys belong to one type: in the defaults, events of every unknown type
// would touch one container, or one host alone.
var typeKeys = []string{"target", "host"}

func (r *policyReader) rule(node *yaml.Node, at place, rule *alerting.Rule) {
	before := rule.Action
	readers := map[string]func(*yaml.Node, place){
		"action":      r.action(rule),
		"manual":      r.manual(&rule.Manual),
		"target":      r.container(&rule.Target),
		"host":        r.host(&rule.Host),
		"minSeverity": r.minSeverity(&rule.MinSeverity),
		"cooldown":    r.duration(&rule.Guard.Cooldown),
		"backoff":     r.factor(&rule.Guard.Backoff),
		"startGrace":  r.durationOrNone(&rule.Guard.StartGrace),
		"engineWait":  r.duration(&rule.Guard.EngineWait),
		"symptom":     r.duration(&rule.Symptom),
		"labels":      r.words(&rule.Labels, 8, judge{valid: isLabel, zh: "必须是 metadata 的名称", en: "must be the name of a metadata key"}),
		"groups":      r.words(&rule.Groups, 50, named),
		"mention":     r.mention(&rule.Mentions),
		"escalate":    r.escalate(&rule.Escalation),
		"repeat":      r.reminder(&rule.Repeat),
		"budget": func(v *yaml.Node, at place) {
			r.section(v, at, []field{{"max", r.budget(&rule.Guard.Budget)}, {"per", r.duration(&rule.Guard.Per)}})
		},
		"verify": func(v *yaml.Node, at place) {
			r.section(v, at, []field{{"stable", r.duration(&rule.Verify.Stable)}, {"healthy", r.duration(&rule.Verify.Healthy)}, {"steady", r.durationOrNone(&rule.Verify.Steady)}})
		},
	}
	var fields []field
	for _, key := range ruleKeys {
		if at.alertType == "" && slices.Contains(typeKeys, key) {
			continue
		}
		fields = append(fields, field{key, readers[key]})
	}
	r.section(node, at, fields)
	r.manualFollows(at, rule, before)
}

// manualFollows: what is done by itself can be asked for by hand, too, unless
// the file says otherwise.
func (r *policyReader) manualFollows(at place, rule *alerting.Rule, before alerting.Action) {
	line, given := r.said[at.below("action")]
	_, manual := r.said[at.below("manual")]
	if given && !manual && rule.Action != alerting.NoAction && rule.Action != before {
		rule.Manual = rule.Action
		r.said[at.below("manual")] = line
	}
}

// text is the text of a value that must be a word of a kind; false: it was
// complained about.
func (r *policyReader) text(v *yaml.Node, at place, zh, en string) (string, bool) {
	switch {
	case v.Kind == yaml.AliasNode, v.Style&yaml.TaggedStyle != 0: // refused already
		return "", false
	case v.Kind == yaml.ScalarNode && v.Tag == "!!null":
		r.add(v.Line, at, "没有值；"+zh, "has no value; "+en)
		return "", false
	case v.Kind != yaml.ScalarNode:
		r.add(v.Line, at, zh, en)
		return "", false
	}
	r.said[at] = v.Line
	return v.Value, true
}

// longestPolicy bounds every duration of a policy.
const longestPolicy = 30 * 24 * time.Hour

func (r *policyReader) duration(into *time.Duration) func(*yaml.Node, place) {
	return r.lasting(into, false, "必须是 1s 到 720h 的时长，带单位，如 30s、5m、1h30m", "must be a duration from 1s to 720h with its unit, such as 30s, 5m or 1h30m")
}

// durationOrNone reads a wait that can be switched off.
func (r *policyReader) durationOrNone(into *time.Duration) func(*yaml.Node, place) {
	return r.lasting(into, true, "必须是 1s 到 720h 的时长，带单位，如 30s、5m；不需要则写 0s", "must be a duration from 1s to 720h with its unit, such as 30s or 5m; 0s for none")
}

func (r *policyReader) lasting(into *time.Duration, none bool, zh, en string) func(*yaml.Node, place) {
	return func(v *yaml.Node, at place) {
		text, ok := r.text(v, at, zh, en)
		if !ok {
			return
		}
		d, err := time.ParseDuration(text)
		inBounds := d >= shortest && d <= longestPolicy || none && d == 0
		if err != nil || v.Tag != "!!str" || !inBounds {
			r.add(v.Line, at, zh, en)
			return
		}
		*into = d
	}
}

func (r *policyReader) budget(into *int) func(*yaml.Node, place) {
	return r.whole(into, func(n int) bool { return n >= 1 && n <= 100 },
		"必须是 1 到 100 的整数；完全不自动处置请写 action: none", "must be a whole number from 1 to 100; for no action at all write action: none")
}

func (r *policyReader) whole(into *int, valid func(int) bool, zh, en string) func(*yaml.Node, place) {
	return func(v *yaml.Node, at place) {
		text, ok := r.text(v, at, zh, en)
		if !ok {
			return
		}
		n, err := strconv.Atoi(text)
		if err != nil || v.Tag != "!!int" || !valid(n) {
			r.add(v.Line, at, zh, en)
			return
		}
		*into = n
	}
}

func (r *policyReader) container(into *string) func(*yaml.Node, place) {
	return func(v *yaml.Node, at place) {
		text, ok := r.text(v, at, zhContainer, enContainer)
		if ok && !containerName.MatchString(text) {
			r.add(v.Line, at, zhContainer, enContainer)
			return
		}
		*into = text
	}
}

// judge tells whether a word may stand in a list, and what to say if not.
type judge struct {
	valid  func(string) bool
	zh, en string
	// mend knows what some wrong words were meant to be; nil, or empty: it does
	// not.
	mend func(word string) (zh, en string)
}

func (j judge) complaint(word string) (zh, en string) {
	if j.mend != nil {
		zh, en = j.mend(word)
	}
	if zh == "" {
		zh, en = j.zh, j.en
	}
	return zh, en
}

// words reads a list; it replaces what was there before.
func (r *policyReader) words(into *[]string, most int, j judge) func(*yaml.Node, place) {
	return func(v *yaml.Node, at place) {
		switch {
		case v.Kind == yaml.AliasNode:
			return
		case v.Kind != yaml.SequenceNode:
			r.add(v.Line, at, "必须是列表，如 [a, b]；没有则写 []", "must be a list such as [a, b]; write [] for none")
			return
		case len(v.Content) > most:
			r.add(v.Line, at, fmt.Sprintf("最多 %d 项", most), fmt.Sprintf("holds at most %d items", most))
			return
		}
		items := make([]string, 0, len(v.Content))
		for i, item := range v.Content {
			nth := place{section: at.section, alertType: at.alertType, key: fmt.Sprintf("%s[%d]", at.key, i)}
			text, ok := r.text(item, nth, j.zh, j.en)
			switch {
			case !ok:
			case !j.valid(text):
				zh, en := j.complaint(text)
				r.add(item.Line, nth, zh, en)
			case slices.Contains(items, text):
				r.add(item.Line, nth, "重复，请只保留一个", "given already: keep one")
			default:
				items = append(items, text)
			}
		}
		r.said[at] = v.Line
		*into = items
	}
}

// named judges the groups to tell. A webhook is a secret: it must not come into
// a policy, which logs show.
var named = judge{
	valid: func(word string) bool { return isLabel(word) && !isWebhook(word) },
	zh:    "必须是 wechat_groups 中的群名或编号", en: "must be the name or the number of a group in wechat_groups",
	mend: func(word string) (zh, en string) {
		if isWebhook(word) {
			return "写群名或编号，不要写 Webhook 地址或 key", "write the group's name or number, not a webhook or key"
		}
		return "", ""
	},
}

func isWebhook(s string) bool { return strings.Contains(s, "://") || strings.Contains(s, "key=") }

func isLabel(s string) bool {
	return s != "" && len(s) <= 100 && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) })
}
