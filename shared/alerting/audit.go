package alerting

import (
	"slices"
	"time"
)

// Check names one thing that the auditor looks at.
type Check string

// The differences: two sides that are written independently and must agree.
const (
	EventsCheck         Check = "events"
	OwedCheck           Check = "owed"
	UncarriedCheck      Check = "sent_without_message"
	FlagWithoutWord     Check = "flag_without_word"
	WordWithoutFlag     Check = "word_without_flag"
	UnknownStatusesLeft Check = "unknown_status"
)

// What can be overdue.
const (
	LateWords        Check = "words"
	LateMessages     Check = "messages"
	LateRequests     Check = "requests"
	LateRemediations Check = "remediations"
	LateRechecks     Check = "rechecks"
	LateEscalations  Check = "escalations"
)

// Differences and Lates list them.
var (
	Differences = []Check{EventsCheck, OwedCheck, UncarriedCheck, FlagWithoutWord, WordWithoutFlag, UnknownStatusesLeft}
	Lates       = []Check{LateWords, LateMessages, LateRequests, LateRemediations, LateRechecks, LateEscalations}
)

// Finding is something that is not as it must be.
type Finding struct {
	Check   Check
	Count   int64
	Since   time.Time // of the oldest; zero: not known
	Example int64     // the id of one: see Check.sentence; 0: none
	Times   int       // in how many audits in a row; set by Judge
}

// Audit is what one look at the record found.
type Audit struct {
	At       time.Time
	Compared bool // the differences were looked for, too: they cost a scan of the record
	Findings []Finding
}

// Healed counts what an audit put right.
type Healed struct {
	Messages int64 // left SENDING by a process that ended
	Leases   int64 // of robots, that were over
}

// Any tells whether there was anything.
func (h Healed) Any() bool { return h.Messages+h.Leases > 0 }

const (
	// lateAfter is how long what is due may wait before that is a finding.
	lateAfter = 5 * time.Minute
	// LeaseGrace is how long after its lease a message may be SENDING: whoever
	// claims next settles it, and a late answer still may.
	LeaseGrace = 2 * time.Minute
	// HealAfter is how long after its end a lease is nobody's any more.
	HealAfter = time.Minute
	// passedOver is how long a word may see others go before it.
	passedOver = time.Hour
	// unending is how long after the limit of its call a remediation may take,
	// beyond what its proof needs.
	unending = time.Hour
	// auditKept is how long a finding of nothing counts as one.
	auditKept = 5 * time.Minute
	// alarmAgain is how often the alarm is posted while it goes on: well within
	// the incident gap, so that it stays one alert.
	alarmAgain = 10 * time.Minute
	// twice is how often in a row something must be found before it counts.
	twice = 2
)

// LateSince is until when something must have been due to be overdue.
func LateSince(now time.Time) time.Time { return now.Add(-lateAfter) }

// Lane is what waits for one robot though it has been due for long.
type Lane struct {
	Robot    Robot
	Since    time.Time // when the oldest word became due
	LastSent time.Time // of its newest message; zero: none
	// Passed: words went to the robot soon after the oldest became due.
	Passed bool
}

// Stuck tells whether nobody does anything about it. A robot that rests, is
// broken, or uses its budget up is looked after: a storm takes its time.
func (l Lane) Stuck(now time.Time) bool {
	switch {
	case l.Robot.Broken, l.Robot.PausedUntil.After(now), l.Since.After(LateSince(now)):
		return false
	case !l.LastSent.After(LateSince(now)):
		return true
	}
	return l.Passed && l.Robot.Failures == 0 && now.Sub(l.Since) >= passedOver
}

// Late tells whether a remediation that is under way is past all its limits: it
// should have ended, or been looked at. due is when it was to be looked at next.
func (p *Policy) Late(r *Remediation, alertType string, due, now time.Time) bool {
	rule := p.Rule(alertType)
	if r.Status == Requested {
		wait := max(rule.Guard.EngineWait, RunnerInterval) + claimMargin
		return now.Sub(later(r.RequestedAt, due)) >= wait+lateAfter || now.Sub(r.RequestedAt) >= wait+unending
	}
	proof := rule.Verify.Stable + rule.Verify.Healthy + rule.Verify.Steady + rule.Symptom
	return now.Sub(later(r.RequestedAt, due)) >= hostAway+lateAfter || now.Sub(later(r.RequestedAt, r.CallLimit)) >= proof+unending
}

// Standing is how the record stands by the newest audits.
type Standing struct {
	At       time.Time // of the newest; zero: there was none
	Findings []Finding
}

// Judge is how it stands after one more audit. A difference that this one did not
// look for is as it was.
func (s Standing) Judge(a Audit) Standing {
	next := Standing{At: a.At}
	for _, check := range slices.Concat(Differences, Lates) {
		before, found := s.Found(check), a.found(check)
		if !a.Compared && slices.Contains(Differences, check) {
			if before.Count > 0 {
				next.Findings = append(next.Findings, before)
			}
			continue
		}
		if found.Count > 0 {
			found.Times = before.Times + 1
			next.Findings = append(next.Findings, found)
		}
	}
	return next
}

// Found is the finding of a check; its count is 0 where all is well.
func (s Standing) Found(check Check) Finding { return Audit{Findings: s.Findings}.found(check) }

func (a Audit) found(check Check) Finding {
	if at := slices.IndexFunc(a.Findings, func(f Finding) bool { return f.Check == check }); at >= 0 {
		return a.Findings[at]
	}
	return Finding{Check: check}
}

// Stuck are the findings that did not go away by themselves.
func (s Standing) Stuck() []Finding {
	return slices.DeleteFunc(slices.Clone(s.Findings), func(f Finding) bool { return f.Times < twice })
}

// Unsure tells whether a difference was found that must be looked for again
// before anything is said.
func (s Standing) Unsure() bool {
	return slices.ContainsFunc(s.Findings, func(f Finding) bool { return f.Times < twice && slices.Contains(Differences, f.Check) })
}

// Clean tells whether the newest audit, which must be new, found nothing.
func (s Standing) Clean(now time.Time) bool {
	return !s.At.IsZero() && now.Sub(s.At) < auditKept && len(s.Findings) == 0
}
