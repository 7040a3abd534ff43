package config

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"

	"trade-monitor/shared/alerting"
)

// users judges the people to mention. Messages are markdown, which knows
// userids alone.
var users = judge{
	valid: func(word string) bool { zh, _ := noUser(word); return zh == "" && alerting.UserID(word) },
	zh:    "必须是企业微信 userid（成员的“账号”），如 zhang.san", en: "must be a WeCom userid (a member's account) such as zhang.san",
	mend: noUser,
}

var mobileNumber = regexp.MustCompile(`^(\+?86)?[- ]?1[3-9][0-9]([- ]?[0-9]{4}){2}$`)

// noUser tells what people write where a userid belongs.
func noUser(word string) (zh, en string) {
	switch {
	case strings.EqualFold(strings.Trim(word, "<@> "), "all"):
		return "@all 只在 text 消息中有效，而告警用 markdown 发送，目前不支持；请逐个写 userid", "@all works in text messages only, and alerts are markdown: not supported yet; write each person's userid"
	case mobileNumber.MatchString(word):
		return "手机号只在 text 消息中有效，而告警用 markdown 发送，目前不支持；请写该成员的 userid", "mobile numbers work in text messages only, and alerts are markdown: not supported yet; write the member's userid"
	case strings.HasPrefix(word, "@"), strings.HasPrefix(word, "<@"):
		return "只写 userid，不要写 @ 和尖括号", "write the userid alone, without @ and brackets"
	}
	return "", ""
}

// mentions is how a rule's mention is shown.
type mentions []alerting.Mention

// mention reads [userid, …] for every severity, or {SEVERITY: [userid, …]} for
// those from a severity on. It replaces what was there before.
func (r *policyReader) mention(into *[]alerting.Mention) func(*yaml.Node, place) {
	return func(v *yaml.Node, at place) {
		lists, whole := r.mentionLists(v, at)
		if lists == nil {
			return
		}
		var all []alerting.Mention
		count := 0
		for _, severity := range alerting.Severities {
			node, given := lists[string(severity)]
			if !given {
				continue
			}
			var people []string
			below := at
			if !whole {
				below = at.below(string(severity))
			}
			r.words(&people, alerting.MaxMentions, users)(node, below)
			if len(people) > 0 {
				all = append(all, alerting.Mention{From: severity, Users: people})
			}
			count += len(people)
		}
		if count > alerting.MaxMentions {
			r.add(v.Line, at, fmt.Sprintf("合计最多 %d 人", alerting.MaxMentions), fmt.Sprintf("at most %d people in all", alerting.MaxMentions))
		}
		r.said[at] = v.Line
		*into = all
	}
}

// mentionLists gives the lists of a mention by severity; whole: it is one list,
// for every severity. nil: it was complained about.
func (r *policyReader) mentionLists(v *yaml.Node, at place) (lists map[string]*yaml.Node, whole bool) {
	const zh, en = "写成 [userid, …]，或按最低严重程度 {ERROR: [userid, …]}", "write [userid, …], or by the lowest severity {ERROR: [userid, …]}"
	switch v.Kind {
	case yaml.SequenceNode:
		return map[string]*yaml.Node{string(alerting.Info): v}, true
	case yaml.MappingNode:
		return r.mapping(v, at, zh, en, func(key *yaml.Node) bool { return r.severity(key, at) }), false
	case yaml.AliasNode:
		return nil, false
	}
	r.add(v.Line, at, zh, en)
	return nil, false
}

func (r *policyReader) severity(key *yaml.Node, at place) bool {
	for _, severity := range alerting.Severities {
		if key.Value == string(severity) {
			return true
		}
	}
	r.add(key.Line, at.below(legible(key.Value)), "只能是 INFO | WARNING | ERROR | CRITICAL（大写）", "must be one of INFO | WARNING | ERROR | CRITICAL, in capitals")
	return false
}

func (m mentions) text() string {
	parts := make([]string, len(m))
	for i, one := range m {
		parts[i] = string(one.From) + ": [" + strings.Join(one.Users, ", ") + "]"
	}
	if len(parts) == 0 {
		return "[]"
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (m mentions) node() *yaml.Node {
	if len(m) == 0 {
		return sequence(nil)
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle}
	for _, one := range m {
		n.Content = append(n.Content, scalar(string(one.From)), sequence(one.Users))
	}
	return n
}
