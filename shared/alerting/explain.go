package alerting

import (
	"slices"
	"time"
)

// GroupState is how far the newest news of an alert has come to a group.
type GroupState string

const (
	// GroupTold: everything that it was owed has arrived.
	GroupTold GroupState = "TOLD"
	// GroupWaiting: it is owed a word that has not arrived yet.
	GroupWaiting GroupState = "WAITING"
	// GroupNotTold: it was owed nothing, or the newest word could not or should
	// not be said.
	GroupNotTold GroupState = "NOT_TOLD"
)

// GroupAccount says what became of telling one group of an alert, and why.
type GroupAccount struct {
	ID      int64 // 0: the robot of WECHAT_WEBHOOK_URL
	Name    string
	State   GroupState
	Why     Reason
	AsOf    time.Time // the now of Why
	Words   int       // that it was owed
	Arrived int       // of them
	Last    *Message  // the newest that tried to carry one of them; nil: none
}

// Explain accounts for every group: those that were owed a word, and by the
// groups and the policy of now those that were not.
func Explain(s *Story, groups []Group, p *Policy, now time.Time) []GroupAccount {
	audience, _ := p.Audience(groups, s.Alert.Type)
	if !Placeholder(p.Fallback) {
		groups = append(slices.Clone(groups), FallbackGroup(p.Fallback))
	}
	var all []GroupAccount
	for _, n := range s.Notifications {
		if !slices.ContainsFunc(all, func(a GroupAccount) bool { return a.ID == n.GroupID }) {
			all = append(all, s.accountOf(n.GroupID, now))
		}
	}
	for _, g := range groups {
		if slices.ContainsFunc(all, func(a GroupAccount) bool { return a.ID == g.ID }) {
			continue
		}
		a := GroupAccount{ID: g.ID, Name: g.Name, State: GroupNotTold, AsOf: now}
		if told := slices.ContainsFunc(audience, func(o Group) bool { return o.ID == g.ID }); told && s.Alert.aboutRobotOf(g) {
			a.Why = Reason{Code: "own_robot"}
		} else if told {
			a.Why, a.AsOf = s.keptFrom(now)
		} else if a.Why = p.laterStep(&s.Alert, g, groups); a.Why.IsZero() {
			a.Why = p.leftOut(g, s.Alert.Type, audience)
		}
		all = append(all, a)
	}
	return all
}

// accountOf goes by the newest of the words that a group was owed: what it says
// of the alert is what counts.
func (s *Story) accountOf(group int64, now time.Time) GroupAccount {
	a := GroupAccount{ID: group, AsOf: now}
	for i := range s.Notifications {
		n := &s.Notifications[i]
		if n.GroupID != group {
			continue
		}
		a.Name, a.Words = n.GroupName, a.Words+1
		if n.Status == Sent {
			a.Arrived++
		}
		if n.Kind != Call { // which says nothing new of the alert
			a.State, a.Why = n.account()
		}
		a.Last = s.newest(group, n.MessageID)
	}
	return a
}

// newest is the last message to a group, or with its word: a digest may have
// gone to another group of the same robot.
func (s *Story) newest(group, carrier int64) *Message {
	for i := range slices.Backward(s.Messages) {
		if m := &s.Messages[i]; m.GroupID == group || m.ID == carrier {
			return m
		}
	}
	return nil
}

// account says where one word stands.
func (n *Notification) account() (GroupState, Reason) {
	switch n.Status {
	case Sent:
		code := "sent"
		if n.Folded {
			code = "folded"
		}
		return GroupTold, Reason{Code: code, Detail: n.GroupName}
	case Pending:
		why := n.Waits
		if why.IsZero() {
			why = n.Reason
		}
		if why.IsZero() {
			why = Reason{Code: "queued"}
		}
		return GroupWaiting, why
	}
	return GroupNotTold, n.Reason
}

// keptFrom is why a group of the audience was owed nothing: what the newest line
// of the trail about telling says, or that the group came to the audience later.
func (s *Story) keptFrom(now time.Time) (Reason, time.Time) {
	for _, d := range slices.Backward(s.Decisions) {
		switch {
		case d.Word.IsZero(), d.What == WhatMessage: // about words that others were owed
			continue
		case d.Word.Code == "told":
			return Reason{Code: "joined_later"}, now
		}
		return d.Word, d.LastAt
	}
	return Reason{Code: "was_not_told"}, now
}

// leftOut is why a group is not in the audience of a type.
func (p *Policy) leftOut(g Group, alertType string, audience []Group) Reason {
	same := slices.IndexFunc(audience, func(o Group) bool { return RobotID(o.Webhook) == RobotID(g.Webhook) })
	named := len(p.Rule(alertType).Groups) > 0
	switch {
	case Placeholder(g.Webhook):
		return Reason{Code: "robot_unset", Detail: g.Name}
	case same >= 0:
		return Reason{Code: "same_robot", Detail: audience[same].Name}
	case !g.Enabled:
		return Reason{Code: "group_off"}
	case named:
		return Reason{Code: "others_named"}
	case g.ID == 0 && len(audience) > 0:
		return Reason{Code: "fallback_unneeded"}
	case g.ID == 0:
		return Reason{Code: "switched_off"}
	}
	return Reason{Code: "other_types", Detail: g.AlertTypes}
}
