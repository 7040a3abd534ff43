package alerting

import (
	"cmp"
	"slices"
	"time"
)

// Summons is what a text message says that calls people: the lists of its
// request name them, which those of no other message can.
type Summons struct {
	Form   DigestForm
	Alerts []DigestWord // what they are called for, each once: the worst first, then the newest
}

// Summon makes the summons of some CALLs.
func Summon(words []DigestWord, form DigestForm) Summons {
	s := Summons{Form: form, Alerts: slices.Clone(words)}
	slices.SortStableFunc(s.Alerts, func(a, b DigestWord) int {
		return cmp.Or(cmp.Compare(b.Severity.Rank(), a.Severity.Rank()), b.At.Compare(a.At))
	})
	seen := map[int64]bool{}
	s.Alerts = slices.DeleteFunc(s.Alerts, func(w DigestWord) bool {
		again := seen[w.AlertID]
		seen[w.AlertID] = true
		return again
	})
	return s
}

// Call is the word that calls people behind this one.
func (n Notification) Call(now time.Time) Notification {
	return Notification{
		AlertID: n.AlertID, GroupID: n.GroupID, GroupName: n.GroupName, Kind: Call, Severity: n.Severity,
		Status: Pending, NextAt: now, CreatedAt: now,
	}
}

// Answers decides a CALL whose turn has come: whom it calls, or why nobody is
// called any more.
func (p *Policy) Answers(call Notification, a Alert) (People, Reason) {
	if !a.Active() {
		return People{}, Reason{Code: "alert_over"}
	}
	people := p.people(a.Type, call.Severity)
	people.Users = nil // the message that the CALL is behind has mentioned them
	if !people.ByPhone() {
		return People{}, Reason{Code: "nobody_to_call"}
	}
	return people, Reason{}
}

// And adds people, each of them once, up to what a message has room for.
func (p People) And(o People) People { return p.with(o.Users, o.Mobiles, o.All) }

// calls tells whether p calls by phone all whom o does.
func (p People) calls(o People) bool {
	return (p.All || !o.All) && !slices.ContainsFunc(o.Mobiles, func(m Mobile) bool { return !slices.Contains(p.Mobiles, m) })
}

// Join adds the people of one CALL more; false: the message has no room for all
// of them, and they are left for the next.
func (p People) Join(o People) (People, bool) {
	if all := p.And(o); all.calls(o) {
		return all, true
	}
	return p, false
}

// calls tells whether a word of a digest calls people, as Brief.calls tells it of
// one that goes singly.
func (w DigestWord) calls() bool {
	b := Brief{Notification: Notification{Kind: w.Kind, Severity: w.Severity}, Remediation: w.Remediation, Alert: Alert{Status: Open}}
	if w.InHand {
		b.Alert.Status = Acknowledged
	}
	var told []Severity
	if w.Told != "" {
		told = []Severity{w.Told}
	}
	return !w.Over && b.calls(told)
}

// callers are the words of a digest that call people: the worst of each type.
func callers(words []DigestWord) []DigestWord {
	var worst []DigestWord
	place := map[string]int{}
	for _, w := range words {
		i, seen := place[w.Type]
		switch {
		case seen && worst[i].Severity.Rank() >= w.Severity.Rank(), !w.calls():
		case seen:
			worst[i] = w
		default:
			place[w.Type] = len(worst)
			worst = append(worst, w)
		}
	}
	return worst
}

// maxCallers is how many CALLs one digest is followed by that call nobody whom
// another of them does not call: types are what senders make of them, and a
// message that calls people names no more alerts than that.
const maxCallers = 10

// MentionAll picks the people whom a digest calls: those whom the policy names
// for what its words call for. byPhone are the words that a CALL belongs behind,
// where a digest of that format cannot call all of them itself: so many that
// everybody is called, and few beside that.
func (p *Policy) MentionAll(words []DigestWord, f Format) (all People, byPhone []DigestWord) {
	worst := callers(words)
	slices.SortStableFunc(worst, func(a, b DigestWord) int { return cmp.Compare(b.Severity.Rank(), a.Severity.Rank()) })
	behind := roster{}
	for _, w := range worst {
		people := p.people(w.Type, w.Severity)
		all = all.And(people)
		if !people.ByPhone() || f == Text && all.calls(people) {
			continue
		}
		if behind.add(people) || len(byPhone) < maxCallers {
			byPhone = append(byPhone, w)
		}
	}
	return all, byPhone
}

// roster are those whom some CALLs call, however many.
type roster map[Mobile]bool

// add tells whether anybody of them was not called before.
func (r roster) add(p People) (more bool) {
	mobiles := p.Mobiles
	if p.All {
		mobiles = append(mobiles[:len(mobiles):len(mobiles)], Everybody)
	}
	for _, m := range mobiles {
		more = more || !r[m]
		r[m] = true
	}
	return more
}
