package config

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"trade-monitor/shared/alerting"
)

// short writes a duration as people do: 5m, not 5m0s. time.ParseDuration reads
// it back.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// setting is one value of a policy: a scalar or a list.
type setting struct {
	at    place
	value any // string, int, float64, []string, mentions or escalations
}

func (s setting) text() string {
	switch v := s.value.(type) {
	case []string:
		return "[" + strings.Join(v, ", ") + "]"
	case mentions:
		return v.text()
	case escalations:
		return v.text()
	}
	return fmt.Sprint(s.value) // a factor from 1 to 10 as 2 or 1.5
}

// masked is the text for a log.
func (s setting) masked() string {
	if v, ok := s.value.(mentions); ok {
		return v.masked()
	}
	return s.text()
}

// settings lists what a policy file can say, with the value that holds.
func settings(p *alerting.Policy, types []string) []setting {
	all := []setting{
		{place{key: "incidentGap"}, short(p.IncidentGap)},
		{place{key: "repeat"}, short(p.Repeat)},
		{place{key: "changedWord"}, short(p.ChangedWord)},
		{place{key: "containers"}, p.Containers},
		{place{key: "brake.containers"}, p.Brake.Containers},
		{place{key: "brake.per"}, short(p.Brake.Per)},
		{place{key: "brake.hold"}, short(p.Brake.Hold)},
	}
	all = append(all, ruleSettings(place{key: "defaults"}, p.Default)...)
	for _, name := range types {
		all = append(all, ruleSettings(place{alertType: name}, p.Rule(name))...)
	}
	return append(all, watchSettings(p)...)
}

func ruleSettings(at place, rule alerting.Rule) []setting {
	all := []setting{
		{at.below("action"), steps(rule)},
		{at.below("manual"), string(rule.Manual)},
		{at.below("target"), rule.Target},
		{at.below("host"), rule.Host},
		{at.below("minSeverity"), string(cmp.Or(rule.MinSeverity, alerting.Info))},
		{at.below("cooldown"), short(rule.Guard.Cooldown)},
		{at.below("backoff"), rule.Guard.Backoff},
		{at.below("budget.max"), rule.Guard.Budget},
		{at.below("budget.per"), short(rule.Guard.Per)},
		{at.below("startGrace"), short(rule.Guard.StartGrace)},
		{at.below("engineWait"), short(rule.Guard.EngineWait)},
		{at.below("verify.stable"), short(rule.Verify.Stable)},
		{at.below("verify.healthy"), short(rule.Verify.Healthy)},
		{at.below("verify.steady"), short(rule.Verify.Steady)},
		{at.below("symptom"), short(rule.Symptom)},
		{at.below("labels"), rule.Labels},
		{at.below("groups"), rule.Groups},
		{at.below("mention"), mentions(rule.Mentions)},
		{at.below("escalate"), escalations(rule.Escalation)},
		{at.below("repeat"), reminders(rule.Repeat)},
	}
	return slices.DeleteFunc(all, func(s setting) bool { text, ok := s.value.(string); return ok && text == "" })
}

// steps is what a rule does by itself, as people write it: a word or a ladder.
func steps(rule alerting.Rule) any {
	if len(rule.Ladder) == 0 {
		return string(rule.Action)
	}
	var words []string
	for _, step := range rule.Ladder {
		words = append(words, string(step))
	}
	return words
}

// Changes lists the values in which next differs, as "key: before → after", fit for
// a log.
func (in PolicyInForce) Changes(next PolicyInForce) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(in.Policy.Rules)), maps.Keys(next.Policy.Rules))
	slices.Sort(names)
	names = slices.Compact(names)
	before := map[place]setting{}
	for _, s := range settings(&in.Policy, names) {
		before[s.at] = s
	}
	var changes []string
	for _, s := range settings(&next.Policy, names) {
		was, had := before[s.at]
		delete(before, s.at)
		switch {
		case !had:
			changes = append(changes, fmt.Sprintf("%s: - → %s", s.at, s.masked()))
		case was.text() != s.text():
			changes = append(changes, fmt.Sprintf("%s: %s → %s", s.at, was.masked(), s.masked()))
		}
	}
	for at, was := range before {
		changes = append(changes, fmt.Sprintf("%s: %s → -", at, was.masked()))
	}
	return changes
}

// YAML writes the policy as a file that says the same, each value with where
// it comes from. Of a type it shows what makes it differ from the defaults.
func (in PolicyInForce) YAML() ([]byte, error) {
	names := slices.Sorted(maps.Keys(in.Policy.Rules))
	all := settings(&in.Policy, names)
	implied, usual := in.implied(names), map[string]string{}
	for _, s := range ruleSettings(place{}, in.Policy.Default) {
		usual[s.at.key] = s.text()
	}
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range all {
		path := strings.Split(s.at.key, ".")
		if s.at.alertType != "" {
			always := s.at.section != "" || slices.Contains([]string{"action", "manual", "symptom"}, s.at.key)
			if !always && usual[s.at.key] == s.text() && implied[s.at] == s.text() {
				continue
			}
			path = append([]string{s.at.under(), s.at.alertType}, path...)
		}
		insert(root, path, s.node(in.origin(s.at)))
	}
	var out bytes.Buffer
	dumper, err := yaml.NewDumper(&out, yaml.WithIndent(2), yaml.WithLineWidth(-1))
	if err != nil {
		return nil, fmt.Errorf("write the policy: %w", err)
	}
	if err := dumper.Dump(root); err != nil {
		return nil, fmt.Errorf("write the policy: %w", err)
	}
	if err := dumper.Close(); err != nil {
		return nil, fmt.Errorf("write the policy: %w", err)
	}
	return out.Bytes(), nil
}

// implied is what the types would have if the file said nothing but the
// defaults: a built-in one keeps what is its own.
func (in PolicyInForce) implied(types []string) map[place]string {
	p := alerting.DefaultPolicy()
	p.Default = in.Policy.Default
	inherit(&p)
	values := map[place]string{}
	for _, name := range types {
		for _, s := range ruleSettings(place{alertType: name}, p.Rule(name)) {
			values[s.at] = s.text()
		}
	}
	return values
}

func (s setting) node(comment string) *yaml.Node {
	n := scalar("")
	switch v := s.value.(type) {
	case string:
		n.Value = v
	case int:
		n.Tag, n.Value = "!!int", strconv.Itoa(v)
	case float64:
		n.Tag, n.Value = "!!float", s.text()
		if v == math.Trunc(v) {
			n.Tag = "!!int" // as it is written
		}
	case []string:
		n = sequence(v)
	case mentions:
		n = v.node()
	case escalations:
		n = v.node()
	}
	n.LineComment = "# " + comment
	return n
}

func scalar(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}

func sequence(items []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
	for _, item := range items {
		n.Content = append(n.Content, scalar(item))
	}
	return n
}

// insert puts a value below the keys of path, making the mappings on the way.
func insert(in *yaml.Node, path []string, value *yaml.Node) {
	for i := 0; i+1 < len(in.Content); i += 2 {
		if in.Content[i].Value == path[0] {
			insert(in.Content[i+1], path[1:], value)
			return
		}
	}
	in.Content = append(in.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: path[0]})
	if len(path) == 1 {
		in.Content = append(in.Content, value)
		return
	}
	below := &yaml.Node{Kind: yaml.MappingNode}
	in.Content = append(in.Content, below)
	insert(below, path[1:], value)
}

// origin says where a value comes from.
func (in PolicyInForce) origin(at place) string {
	if line, ok := in.said[at]; ok {
		return fmt.Sprintf("策略文件第 %d 行 (file, line %d)", line, line)
	}
	if names, ok := in.environment[at]; ok {
		return "环境变量 (environment): " + names
	}
	if at.section != "" {
		if names, ok := in.environment[place{section: at.section, alertType: at.alertType}]; ok {
			return "环境变量 (environment): " + names
		}
		return "默认 (default)"
	}
	_, builtIn := alerting.DefaultPolicy().Rules[at.alertType]
	if at.alertType != "" && !(builtIn && slices.Contains(ownKeys, at.key)) {
		return "同 defaults (as defaults)"
	}
	return "默认 (default)"
}
