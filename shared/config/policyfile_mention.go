package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"trade-monitor/shared/alerting"
)

// callees judges the people to call: by userid, by mobile number, or everybody.
var callees = judge{
	valid: func(word string) bool { _, ok := callee(word); return ok },
	zh:    "必须是企业微信 userid（成员的“账号”，如 zhang.san）、手机号或 @all", en: "must be a WeCom userid (a member's account, such as zhang.san), a mobile number or @all",
	mend: noCallee,
}

// callee reads one of the three shapes. What can be a mobile number is one:
// accounts of eleven digits that begin as mobile numbers do are not mentioned as
// userids.
func callee(word string) (m alerting.Mention, ok bool) {
	if strings.EqualFold(word, alerting.Everybody) {
		return alerting.Mention{All: true}, true
	}
	if mobile, ok := alerting.ParseMobile(word); ok {
		return alerting.Mention{Mobiles: []alerting.Mobile{mobile}}, true
	}
	return alerting.Mention{Users: []string{word}}, alerting.UserID(word)
}

// noCallee tells what people write instead.
func noCallee(word string) (zh, en string) {
	switch {
	case strings.EqualFold(strings.Trim(word, "<@> "), "all"):
		return "所有人写成 '@all'", "write '@all' for everybody"
	case strings.HasPrefix(word, "@"), strings.HasPrefix(word, "<@"):
		return "只写 userid，不要写 @ 和尖括号", "write the userid alone, without @ and brackets"
	}
	return "", ""
}

// calling is a severity's part of a mention.
func calling(from alerting.Severity, words []string) alerting.Mention {
	m := alerting.Mention{From: from}
	for _, word := range words {
		one, _ := callee(word)
		m.Users, m.Mobiles, m.All = append(m.Users, one.Users...), append(m.Mobiles, one.Mobiles...), m.All || one.All
	}
	return m
}

// mentions is how a rule's mention is shown.
type mentions []alerting.Mention

// mention reads [person, …] for every severity, or {SEVERITY: [person, …]} for
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
			r.words(&people, alerting.MaxMentions, callees)(node, below)
			r.digits(node.Line, below, people)
			if len(people) > 0 {
				all = append(all, calling(severity, people))
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

var onlyDigits = regexp.MustCompile(`^[0-9]{8,15}$`)

// digits warns of userids that somebody meant as mobile numbers: nobody would be
// called by phone.
func (r *policyReader) digits(line int, at place, people []string) {
	for _, word := range people {
		if one, _ := callee(word); len(one.Users) > 0 && onlyDigits.MatchString(word) {
			r.warn(line, at, word[:3]+"… 不是 11 位的手机号，当作 userid：手机号请检查位数，其他国家或地区写 '+' 和区号", word[:3]+"… has not the 11 digits of a mobile number and is taken for a userid: check it, and write numbers of other countries with '+' and the code")
		}
	}
}

// mentionLists gives the lists of a mention by severity; whole: it is one list,
// for every severity. nil: it was complained about.
func (r *policyReader) mentionLists(v *yaml.Node, at place) (lists map[string]*yaml.Node, whole bool) {
	const zh, en = "写成 [userid 或手机号, …]，或按最低严重程度 {ERROR: [userid 或手机号, …]}", "write [userid or mobile number, …], or by the lowest severity {ERROR: [userid or mobile number, …]}"
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

// calledBy are the people of one severity as a file names them; shown writes a
// mobile number.
func calledBy(m alerting.Mention, shown func(alerting.Mobile) string) []string {
	words := slices.Clone(m.Users)
	for _, mobile := range m.Mobiles {
		words = append(words, shown(mobile))
	}
	if m.All {
		words = append(words, alerting.Everybody)
	}
	return words
}

func (m mentions) text() string { return m.line(alerting.Mobile.Reveal) }

// masked is the text for a log: nobody's number is in it.
func (m mentions) masked() string { return m.line(alerting.Mobile.String) }

func (m mentions) line(shown func(alerting.Mobile) string) string {
	parts := make([]string, len(m))
	for i, one := range m {
		parts[i] = string(one.From) + ": [" + strings.Join(calledBy(one, shown), ", ") + "]"
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
		n.Content = append(n.Content, scalar(string(one.From)), sequence(calledBy(one, alerting.Mobile.Reveal)))
	}
	return n
}
