package alerting

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// State is everything stored about one fingerprint, read under its lock.
type State struct {
	Alert  *Alert // the open one, or nil
	Ledger Ledger // of the container that the alert's remediation would touch
	// Symptom is what our own watches say of what the alert is about.
	Symptom  Symptom
	Silences Silences // that may keep words about it back, or hold its remediation
}

// Change is what a decision writes, all of it in one transaction. What is nil
// or empty is not written.
type Change struct {
	Stale         *Alert // closed before Alert is written
	StaleDecision *Decision
	Alert         *Alert
	Event         *KeptEvent
	Notifications []Notification
	Remediation   *Remediation // a new one when its ID is 0, else its next state
	Disproved     *Remediation // an earlier success that turned out to be none
	Decision      *Decision

	silences Silences // asked before a word is owed
}

// Receipt is what the author of an event is told.
type Receipt struct {
	AlertID           int64 // 0: a RESOLVED event with nothing open
	Status            AlertStatus
	Occurrences       int64
	Groups            []string // the first MaxListed that are told
	MoreGroups        int      // told besides
	NotTold           Reason
	RemediationStatus RemediationStatus // empty: no action for this type
	NotRemedied       Reason
	Notes             []string
	At                time.Time
}

// Fingerprint is the identity of the incident that the event belongs to.
func (p *Policy) Fingerprint(ev *Event) string {
	var labels []string
	for _, key := range p.Rule(ev.Type).Labels {
		labels = append(labels, ev.Label(key))
	}
	return Fingerprint(ev.Type, ev.Service, labels...)
}

// Decide is the central decision: what one event changes, given what is stored
// about its fingerprint, the policy, the groups and the time.
func Decide(s State, ev Event, p *Policy, groups []Group, now time.Time) (Change, Receipt) {
	if ev.Resolved {
		return decideResolved(s, ev, p, groups, now)
	}
	c := Change{silences: s.Silences}
	alert := s.Alert
	if alert != nil && now.Sub(alert.LastSeenAt) >= p.IncidentGap {
		c.Stale, c.StaleDecision = closeStale(*alert, p, now)
		alert = nil
	}
	opened, was := alert == nil, Severity("")
	if opened {
		c.Alert = openAlert(ev, p, now)
		c.Disproved = s.Ledger.disprovedBy(c.Alert.Fingerprint, p.Rule(ev.Type), now)
		if ev.Original != "" {
			c.Event = keep(c.Alert, ev, now)
		}
	} else {
		c.Alert, was = fold(*alert, ev, now), alert.Severity
		c.Event = keep(c.Alert, ev, now)
	}

	audience, unusable := p.audience(c.Alert, groups)
	remedy, skipped := c.decideRemedy(s, p, now)
	word := c.decideWord(audience, p, ev, now)
	if skipped && remedy.Code == "budget" && word.Code != "told" {
		c.tell(audience, Outcome, now) // the breaker opened: a person is asked
	}
	c.Alert.planEscalation(p, was, s.Silences)
	notes := slices.Clone(ev.Notes)
	if c.Disproved != nil {
		notes = append(notes, c.Disproved.Reason.Text(p.Language, now))
	}
	d := Decision{What: WhatEvent, Word: word, Remedy: remedy, Note: joined(append(notes, unusable, ev.from(p.Language))...)}
	c.Decision = c.Alert.append(d, now)
	return c, c.receipt(remedy, word, ev, now)
}

func openAlert(ev Event, p *Policy, now time.Time) *Alert {
	return &Alert{
		Type: ev.Type, Service: ev.Service, Severity: ev.Severity,
		Title: ev.Title, Message: ev.Message, Metadata: ev.Metadata,
		Status: Open, Fingerprint: p.Fingerprint(&ev), Occurrences: 1,
		CreatedAt: now, UpdatedAt: now, LastSeenAt: now,
		LatestText: textFingerprint(ev.Title, ev.Message),
	}
}

func fold(a Alert, ev Event, now time.Time) *Alert {
	a.Occurrences++
	a.LastSeenAt, a.UpdatedAt = now, now
	a.LatestText = textFingerprint(ev.Title, ev.Message)
	if ev.Severity.Rank() > a.Severity.Rank() {
		a.Severity = ev.Severity
	}
	return &a
}

func keep(a *Alert, ev Event, now time.Time) *KeptEvent {
	title := ev.Title
	if ev.Original != "" {
		title = ev.Original
	}
	return &KeptEvent{
		AlertID: a.ID, N: a.Occurrences, Severity: ev.Severity, Title: title, Message: ev.Message,
		Metadata: ev.Metadata, Resolved: ev.Resolved, Notes: ev.Notes, ReceivedAt: now,
	}
}

func closeStale(a Alert, p *Policy, now time.Time) (*Alert, *Decision) {
	a.finish(now)
	why := Reason{Code: "incident_gap", Detail: p.Language.Duration(p.IncidentGap)}
	return &a, a.append(Decision{What: WhatResolved, Word: why}, now)
}

func (a *Alert) finish(now time.Time) {
	a.Status, a.ResolvedAt, a.UpdatedAt, a.RecheckAt, a.EscalateAt = Resolved, now, now, time.Time{}, time.Time{}
}

// decideWord tells the audience, or says why not.
func (c *Change) decideWord(audience []Group, p *Policy, ev Event, now time.Time) Reason {
	if len(audience) == 0 {
		return p.nobody()
	}
	if why := c.Alert.said(p, now); !why.IsZero() {
		return why
	}
	return c.tellFiring(audience, now)
}

// tellFiring owes the word that the alert began or goes on.
func (c *Change) tellFiring(audience []Group, now time.Time) Reason {
	why := c.tell(audience, Firing, now)
	if why.Code == "told" {
		first := c.Alert.Words.First
		if first.IsZero() {
			first = now
		}
		c.Alert.Words = Words{First: first, At: now, Severity: c.Alert.Severity, Text: c.Alert.LatestText}
	}
	return why
}

// nobody says why an audience is empty: a configured fallback is left out only
// where a person switched its robot off.
func (p *Policy) nobody() Reason {
	if Placeholder(p.Fallback) {
		return Reason{Code: "no_group"}
	}
	return Reason{Code: "switched_off"}
}

// said is why no further word about an alert is said now; zero: one may be. A
// worse severity does not wait, nor does what a silence kept back; changed words
// wait less; an acknowledged alert is not repeated just because time passes.
func (a *Alert) said(p *Policy, now time.Time) Reason {
	last, repeat := a.Words, p.RepeatOf(a.Type)
	switch changed := a.LatestText != last.Text; {
	case last.At.IsZero(), last.kept(), a.Severity.Rank() > last.Severity.Rank():
		return Reason{}
	case !changed && a.Status == Acknowledged:
		return Reason{Code: "in_hand"}
	case !changed && repeat == Never:
		return Reason{Code: "no_repeat"}
	case changed && (repeat == Never || p.ChangedWord < repeat):
		repeat = p.ChangedWord
	}
	if until := last.At.Add(repeat); until.After(now) {
		return Reason{Code: "repeat_wait", Until: until}
	}
	return Reason{}
}

// decideRemedy requests the next step of the rule's ladder, or says why not.
// skipped is true when a new refusal was recorded.
func (c *Change) decideRemedy(s State, p *Policy, now time.Time) (why Reason, skipped bool) {
	a := c.Alert
	rule, target := p.Rule(a.Type), p.Target(a.Type, a.Service)
	if rule.Action == NoAction {
		return Reason{}, false
	}
	rung := s.Ledger.rung(a, rule, p.Mode, c.Disproved)
	action := rule.Step(rung)
	why = p.Guard(Ask{Type: a.Type, Severity: a.Severity, Action: action, Rung: rung, Container: target, Ledger: s.Ledger, Silenced: s.Silences.Holding(a.Type, a.Service, a.Severity, now).Reason(), Now: now})
	if why.Code != "mode_off" { // what another process has planned is not for this one to drop
		a.RecheckAt = why.recheck(now)
	}
	if !why.IsZero() && a.Trail.remedyCode() == why.Code {
		return why, false // said before: the trail counts it
	}
	if action == NoAction {
		action = rule.Action
	}
	c.Remediation = newRemediation(a, action, rung, target, now)
	if why.IsZero() {
		return Reason{Code: "requested", Detail: target}, false
	}
	c.Remediation.Skip(why, now)
	return why, true
}

// recheck is when a refused action is decided again; zero: with the next event.
// A breaker that closes by itself asks for none. A remediation that holds the
// container may take longer than its cooldown: it is looked at again.
func (r Reason) recheck(now time.Time) time.Time {
	switch {
	case r.Code == "budget":
		return time.Time{}
	case r.Code == "under_way" && !r.Until.IsZero():
		return later(r.Until, now.Add(stillUnderWay))
	}
	return r.Until
}

// stillUnderWay is how soon what another remediation keeps from the container is
// decided again, when that one lasts.
const stillUnderWay = 30 * time.Second

func newRemediation(a *Alert, action Action, rung int, target string, now time.Time) *Remediation {
	return &Remediation{
		AlertID: a.ID, Fingerprint: a.Fingerprint, Action: action, Rung: rung, Container: target,
		Status: Requested, Reason: Reason{Code: "policy_ladder"}, RequestedAt: now, NextAt: now,
	}
}

// Skip is the remediation, refused.
func (r *Remediation) Skip(why Reason, now time.Time) {
	r.Status, r.Reason, r.EndedAt, r.NextAt = Skipped, why, now, time.Time{}
	r.OrderedAt, r.CallLimit = time.Time{}, time.Time{} // whatever was intended, nothing was ordered
}

// owe adds a word for each group of the audience.
func (c *Change) owe(audience []Group, kind Kind, now time.Time) {
	for _, g := range audience {
		c.Notifications = append(c.Notifications, Notification{
			AlertID: c.Alert.ID, GroupID: g.ID, GroupName: g.Name, Kind: kind,
			Severity: c.Alert.Severity, Status: Pending, NextAt: now, CreatedAt: now,
		})
	}
}

func (c *Change) receipt(remedy, word Reason, ev Event, now time.Time) Receipt {
	r := Receipt{AlertID: c.Alert.ID, Status: c.Alert.Status, Occurrences: c.Alert.Occurrences, Notes: ev.Notes, At: now}
	if word.Code == "told" {
		r.list(c.Notifications)
	} else {
		r.NotTold = word
	}
	switch {
	case remedy.IsZero():
		r.NotRemedied = Reason{Code: "no_action"}
	case remedy.Code == "requested":
		r.RemediationStatus = Requested
	default:
		r.RemediationStatus, r.NotRemedied = Skipped, remedy
	}
	return r
}

func decideResolved(s State, ev Event, p *Policy, groups []Group, now time.Time) (Change, Receipt) {
	if s.Alert == nil {
		return Change{}, Receipt{NotTold: Reason{Code: "not_opened"}, NotRemedied: Reason{Code: "not_opened"}, Notes: ev.Notes, At: now}
	}
	alert := *s.Alert
	c := Change{Alert: &alert, silences: s.Silences}
	c.Event = keep(c.Alert, ev, now)
	audience, unusable := p.audience(&alert, groups)
	word := c.tellOver(audience, Over, now)
	alert.finish(now)
	note := joined(Reason{Code: "by_sender"}.Text(p.Language, now), unusable, ev.from(p.Language))
	c.Decision = c.Alert.append(Decision{What: WhatResolved, Word: word, Note: note}, now)
	receipt := c.receipt(Reason{}, word, ev, now)
	receipt.NotRemedied = Reason{Code: "by_sender"}
	return c, receipt
}

// tellOver owes the end of an alert to those who were told of its beginning.
func (c *Change) tellOver(audience []Group, kind Kind, now time.Time) Reason {
	switch {
	case c.Alert.Words.At.IsZero():
		return Reason{Code: "was_not_told"}
	case len(audience) == 0:
		return Reason{Code: "no_group"}
	}
	return c.tell(audience, kind, now)
}

// joined puts the notes of one decision into a line.
func joined(notes ...string) string {
	return strings.Join(slices.DeleteFunc(notes, func(s string) bool { return s == "" }), "; ")
}

func names(groups []Group) string {
	all := make([]string, len(groups))
	for i, g := range groups {
		all[i] = g.Name
	}
	return strings.Join(all, ", ")
}

// Recheck decides again what was held for a time that is over: a refused
// remediation, the step after one that failed, if the symptom is still there,
// and news that a silence kept back.
func Recheck(s State, p *Policy, groups []Group, now time.Time) Change {
	alert := *s.Alert
	c := Change{Alert: &alert, silences: s.Silences}
	alert.RecheckAt = time.Time{}
	if !alert.Active() {
		return c
	}
	d, skipped := Decision{What: WhatRecheck}, false
	switch rule := p.Rule(alert.Type); {
	case rule.Action == NoAction: // it is about words
	case p.Mode == Off: // so it is for us; the rest is for a process that acts
		alert.RecheckAt = s.Alert.RecheckAt
	case !s.symptomStays(rule, now):
		d.Remedy = Reason{Code: "symptom_gone"}
	default:
		d.Remedy, skipped = c.decideRemedy(s, p, now)
	}
	d.Word, d.Note = c.tellLater(skipped && d.Remedy.Code == "budget", p, groups, now)
	alert.planEscalation(p, alert.Severity, s.Silences)
	if !d.Word.IsZero() || !d.Remedy.IsZero() {
		c.Decision = c.Alert.append(d, now)
	}
	return c
}

// tellLater tells what a silence kept back and goes on, and asks a person when
// the breaker opened.
func (c *Change) tellLater(breaker bool, p *Policy, groups []Group, now time.Time) (word Reason, note string) {
	kept := c.Alert.Words.kept()
	audience, unusable := p.audience(c.Alert, groups)
	switch {
	case !kept && (!breaker || len(audience) == 0):
		return Reason{}, ""
	case len(audience) == 0:
		return p.nobody(), unusable
	case kept:
		return c.tellFiring(audience, now), unusable // which shows the newest remediation, too
	}
	return c.tell(audience, Outcome, now), unusable
}

// symptomStays tells whether there is reason to believe that what an alert is
// about is not over: a watch of ours says so, or our last action for it failed,
// or its last event is young.
func (s *State) symptomStays(rule Rule, now time.Time) bool {
	last := s.Ledger.Last
	failed := last != nil && last.Status == Failed && last.AlertID == s.Alert.ID
	return s.Symptom == SymptomStays || failed || now.Sub(s.Alert.LastSeenAt) < rule.Symptom
}

// Label is the value of one metadata key, as text; empty when it is not there.
func (ev *Event) Label(key string) string {
	fields := MetadataFields(ev.Metadata)
	for _, f := range fields {
		if f.Key == key {
			return f.Value
		}
	}
	return ""
}

// Describe names a remediation as people do.
func (r *Remediation) Describe(lang Language) string {
	action := map[Action][2]string{Restart: {"重启容器", "restart container"}, Start: {"启动容器", "start container"}, Stop: {"停止容器", "stop container"}}[r.Action]
	return fmt.Sprintf("%s %s", lang.Pick(action[0], action[1]), r.Container)
}
