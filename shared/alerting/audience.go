package alerting

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Audience picks the groups to tell about an alert type, each robot once: those
// that its rule names, whatever types they ask for themselves, else those that
// the function Audience picks. A name that no group has must not lose an alarm:
// then the others are told as well. note says what could not be told and why;
// empty: nothing is wrong.
func (p *Policy) Audience(groups []Group, alertType string) (told []Group, note string) {
	named := p.Rule(alertType).Groups
	if _, own := p.Rules[alertType]; !own && slices.Contains(ownAlarms, alertType) {
		named = nil // what defaults say is meant for alerts of services
	}
	if len(named) == 0 {
		return Audience(groups, p.Fallback, alertType), ""
	}
	told, off, lost := p.choose(groups, named)
	why := Reason{Code: "named_partly", Detail: p.cannotBeTold(off, lost)}
	switch {
	case len(off)+len(lost) == 0:
		return told, ""
	case len(lost) > 0 || len(told) == 0:
		why.Code = "named_nobody"
		told = eachRobotOnce(append(told, Audience(groups, p.Fallback, alertType)...))
	}
	return told, why.Text(p.Language, time.Time{})
}

// MissingGroups lists, for each rule that names groups, what cannot be told:
// "types.A.groups: …". It is what a start and a doctor warn of.
func (p *Policy) MissingGroups(groups []Group) []string {
	var found []string
	look := func(where string, rule Rule) {
		if _, off, lost := p.choose(groups, rule.Groups); len(off)+len(lost) > 0 {
			found = append(found, where+".groups: "+p.cannotBeTold(off, lost))
		}
	}
	climb := func(where string, rule Rule) {
		for i, step := range rule.Escalation {
			look(fmt.Sprintf("%s.escalate[%d]", where, i), Rule{Groups: step.Groups})
		}
	}
	look("defaults", p.Default)
	climb("defaults", p.Default)
	for alertType, rule := range p.Rules {
		if !slices.Equal(rule.Groups, p.Default.Groups) {
			look("types."+alertType, rule)
		}
		if !slices.EqualFunc(rule.Escalation, p.Default.Escalation, EscalationStep.equal) {
			climb("types."+alertType, rule)
		}
	}
	slices.Sort(found)
	return found
}

// choose finds the groups of some names: those to tell, the names of which
// every row is disabled (a person switched them off), and the names that lead
// to no robot.
func (p *Policy) choose(groups []Group, names []string) (told []Group, off, lost []string) {
	for _, name := range names {
		rows := p.namedGroups(groups, name)
		usable := slices.DeleteFunc(slices.Clone(rows), func(g Group) bool { return !g.Enabled || Placeholder(g.Webhook) })
		switch {
		case len(usable) > 0:
			told = append(told, usable...)
		case len(rows) > 0 && !slices.ContainsFunc(rows, func(g Group) bool { return g.Enabled }):
			off = append(off, name)
		default:
			lost = append(lost, name)
		}
	}
	return eachRobotOnce(told), off, lost
}

// namedGroups are the rows of a name, or else the row of a number. The robot of
// WECHAT_WEBHOOK_URL is named as messages name it.
func (p *Policy) namedGroups(groups []Group, name string) []Group {
	name = strings.TrimSpace(name)
	rows := pick(groups, func(g Group) bool { return strings.TrimSpace(g.Name) == name })
	if len(rows) == 0 {
		rows = pick(groups, func(g Group) bool { return strconv.FormatInt(g.ID, 10) == name })
	}
	if fallback := FallbackGroup(p.Fallback); len(rows) == 0 && name == fallback.Name {
		fallback.Enabled = !slices.ContainsFunc(groups, func(g Group) bool { return !g.Enabled && RobotID(g.Webhook) == RobotID(p.Fallback) })
		rows = []Group{fallback}
	}
	return rows
}

func pick(groups []Group, wanted func(Group) bool) (some []Group) {
	for _, g := range groups {
		if wanted(g) {
			some = append(some, g)
		}
	}
	return some
}

func eachRobotOnce(groups []Group) []Group {
	seen := map[string]bool{}
	return pick(groups, func(g Group) bool {
		robot := RobotID(g.Webhook)
		again := seen[robot]
		seen[robot] = true
		return !again
	})
}

func (p *Policy) cannotBeTold(off, lost []string) string {
	var all []string
	for _, name := range lost {
		all = append(all, name+p.Language.Pick("（没有这个群，或没有机器人地址）", " (no such group, or no robot)"))
	}
	for _, name := range off {
		all = append(all, name+p.Language.Pick("（已停用）", " (disabled)"))
	}
	return strings.Join(all, p.Language.Pick("、", ", "))
}

// MaxListed is how many group names a receipt lists: it is kept for a day with
// each Idempotency-Key, in a column of 64 KiB.
const MaxListed = 50

// list puts the groups of some notifications on the receipt.
func (r *Receipt) list(told []Notification) {
	for _, n := range told[:min(len(told), MaxListed)] {
		r.Groups = append(r.Groups, n.GroupName)
	}
	r.MoreGroups = len(told) - len(r.Groups)
}
