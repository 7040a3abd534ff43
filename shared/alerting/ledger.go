package alerting

import "time"

// Ledger is what is known of a container's remediations when a decision is
// made.
type Ledger struct {
	Active  *Remediation  // the one that holds it
	Past    []Remediation // that were ordered, or would have been in a dry run; oldest first
	Tried   *Remediation  // the newest that was requested and then forbidden by the engine's facts
	Last    *Remediation  // the newest that ended SUCCEEDED or FAILED
	Rearmed time.Time     // when a person re-armed the breaker: what is older does not count
}

// Enter adds a remediation, newer than those that are there.
func (l *Ledger) Enter(r *Remediation) {
	if !r.actedAt().IsZero() {
		l.Past = append(l.Past, *r)
	}
	switch {
	case r.Status == Skipped:
		l.Tried = r
	case r.Pending():
		l.Active = r
	case r.Status == Succeeded || r.Status == Failed:
		l.Last = r
	}
}

// actedAt is when the action was ordered, or would have been in a dry run; zero:
// it was not. A start of what runs already needs no order and is an attempt all
// the same: should it not help, it must not come again at once, and for ever.
func (r *Remediation) actedAt() time.Time {
	switch {
	case r.dry():
		return r.EndedAt
	case r.OrderedAt.IsZero() && !r.StartedAfter.IsZero() && r.Status != Skipped:
		return r.RequestedAt
	}
	return r.OrderedAt
}

// dry tells whether it was decided, and not done only because of the mode.
func (r *Remediation) dry() bool { return r.Status == Skipped && r.Reason.Code == "dry_run" }

// acted are the times of the actions that count: what a dry run would have done
// counts in a dry run only.
func (l *Ledger) acted(mode Mode) (times []time.Time) {
	for i := range l.Past {
		r := &l.Past[i]
		if at := r.actedAt(); at.After(l.Rearmed) && (mode == DryRun || !r.dry()) {
			times = append(times, at)
		}
	}
	return times
}

// newest is the container's newest action that was ordered; nil: there is none.
func (l *Ledger) newest() *Remediation {
	for i := len(l.Past) - 1; i >= 0; i-- {
		if !l.Past[i].OrderedAt.IsZero() {
			return &l.Past[i]
		}
	}
	return nil
}

// Spent tells whether the breaker is open, and until when: the budget is used
// up. A zero until with no budget at all: for ever.
func (l *Ledger) Spent(g Guard, mode Mode, now time.Time) (until time.Time, spent bool) {
	var within []time.Time
	for _, at := range l.acted(mode) {
		if now.Sub(at) < g.Per {
			within = append(within, at)
		}
	}
	switch {
	case len(within) < g.Budget:
		return time.Time{}, false
	case g.Budget <= 0:
		return time.Time{}, true
	}
	return within[len(within)-g.Budget].Add(g.Per), true
}

// cools tells until when the container cools down; zero: it does not. With a
// back-off each action within the budget's time makes the next wait longer.
func (l *Ledger) cools(g Guard, mode Mode, now time.Time) Reason {
	acted := l.acted(mode)
	var wait Reason
	if n := len(acted); n > 0 {
		wait = Reason{Code: "cooldown", Until: acted[n-1].Add(g.cooldown(acted, now))}
	}
	// A request that the engine's facts forbade cools down too: a repeating event
	// must not ask, and tell, again and again.
	if t := l.Tried; t != nil && t.EndedAt.After(l.Rearmed) && !(t.dry() && mode != DryRun) {
		tried := Reason{Code: "cooldown", Until: t.EndedAt.Add(g.Cooldown)}
		if !t.Reason.Until.IsZero() {
			tried = t.Reason // it ends by itself, at a time that is known
		}
		if tried.Until.After(wait.Until) {
			wait = tried
		}
	}
	if !wait.Until.After(now) {
		return Reason{}
	}
	return wait
}

// cooldown is how long the newest action cools down, after those before it.
func (g Guard) cooldown(acted []time.Time, now time.Time) time.Duration {
	wait := g.Cooldown
	for _, at := range acted[:len(acted)-1] {
		if g.Backoff > 1 && now.Sub(at) < g.Per {
			wait = min(time.Duration(float64(wait)*g.Backoff), max(g.Per, g.Cooldown))
		}
	}
	return wait
}

// rung is the step of the ladder that comes next for an alert. A success that
// did not last, and so led to this alert, is a step that was taken. What a dry run
// would have done is one in a dry run only.
func (l *Ledger) rung(a *Alert, rule Rule, mode Mode, disproved *Remediation) int {
	if disproved != nil {
		return disproved.Rung + 1
	}
	for i := len(l.Past) - 1; i >= 0; i-- {
		r := &l.Past[i]
		switch {
		case r.RequestedBy != "" || r.Fingerprint != a.Fingerprint, r.dry() && mode != DryRun:
			continue
		case r.AlertID == a.ID && a.ID != 0:
			return r.Rung + 1
		case r.Status == Failed && r.Reason.Code == "symptom_returned" && a.CreatedAt.Sub(r.EndedAt) < rule.Symptom:
			return r.Rung + 1
		}
		return 0
	}
	return 0
}

// disprovedBy tells whether an event of this fingerprint shows that the last
// remediation had not helped after all.
func (l *Ledger) disprovedBy(fingerprint string, rule Rule, now time.Time) *Remediation {
	last := l.Last
	if last == nil || last.Status != Succeeded || last.Fingerprint != fingerprint || last.Action == Stop || now.Sub(last.EndedAt) >= rule.Symptom {
		return nil
	}
	failed := *last
	failed.Status = Failed
	failed.Reason = Reason{Code: "symptom_returned", Detail: English.Duration(now.Sub(last.EndedAt))}
	return &failed
}
