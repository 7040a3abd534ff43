package alerting

import "time"

// RemediationState is how putting things right stands: who can act, and what
// holds it back.
type RemediationState struct {
	Mode     Mode      // of the process that answers
	Hosts    []Site    // that say of themselves that they remediate; none on the embedded database, which has one process
	Brakes   []Brake   // that were ever engaged, those that are over included
	Breakers []Breaker // that are open
	At       time.Time
}

// Breaker is the breaker of a container whose restarts are used up.
type Breaker struct {
	Container string
	Restarts  int // within Per
	Budget    int
	Per       time.Duration
	Until     time.Time // when the first of them no longer counts; zero: there is no budget at all
	AlertID   int64     // of its newest remediation
}

// Breaker is the container's breaker by a rule; nil: it is closed.
func (l *Ledger) Breaker(g Guard, mode Mode, now time.Time) *Breaker {
	until, spent := l.Spent(g, mode, now)
	if !spent || len(l.Past) == 0 {
		return nil
	}
	newest := &l.Past[len(l.Past)-1]
	b := &Breaker{Container: newest.Container, Budget: g.Budget, Per: g.Per, Until: until, AlertID: newest.AlertID}
	for _, at := range l.acted(mode) {
		if now.Sub(at) < g.Per {
			b.Restarts++
		}
	}
	return b
}

// Longer tells whether b stays open for longer than another one, which may be
// nil.
func (b *Breaker) Longer(other *Breaker) bool {
	switch {
	case other == nil || b.Until.IsZero():
		return true
	case other.Until.IsZero():
		return false
	}
	return b.Until.After(other.Until)
}

// AwaitsRearm tells whether a remediation came to an end that is in question
// again when a person re-arms the breaker.
func (r *Remediation) AwaitsRearm() bool {
	held := r.Reason.Code == "budget" || r.Reason.Code == "cooldown"
	return r.Status == Failed || r.Status == Skipped && held
}

// Rearmed is what the re-arming of a breaker, or the release of a brake, came
// to.
type Rearmed struct {
	Container string // of the breaker
	Host      Host   // of the brake
	By        string
	At        time.Time
	Alerts    []int64 // that are decided again
}

// DecideAgain lets an alert be decided again at once: a person took away what
// held its remediation.
func DecideAgain(a Alert, why Reason, now time.Time) Change {
	c := Change{Alert: &a}
	a.RecheckAt, a.UpdatedAt = now, now
	c.Decision = a.append(Decision{What: WhatRemediation, Remedy: why}, now)
	return c
}

// DryRunLedger tells what became of the alerts that would have been acted upon
// in a dry run, and were not by policy later.
type DryRunLedger struct {
	WouldAct          int64 // the sum of the others
	RecoveredByItself int64 // over, without a person
	HandledByPerson   int64 // over, and a person had handled or resolved it
	StillOpen         int64
}

// DryRunAlert is what the ledger needs of one alert.
type DryRunAlert struct {
	Status          AlertStatus
	WouldAct        bool // a dry run by policy
	Acted           bool // an action by policy that was really ordered
	Handled, Closed bool // by a person
}

// Enter counts one alert.
func (l *DryRunLedger) Enter(a DryRunAlert) {
	if !a.WouldAct || a.Acted {
		return
	}
	l.WouldAct++
	switch {
	case a.Status != Resolved:
		l.StillOpen++
	case a.Handled || a.Closed:
		l.HandledByPerson++
	default:
		l.RecoveredByItself++
	}
}

// RemediationCount is how many remediations of an action ended in a status.
type RemediationCount struct {
	Action Action
	Status RemediationStatus
	N      int64
}

// ContainerName tells whether a name is one that a container can have.
func ContainerName(name string) bool { return containerName.MatchString(name) }
