package alerting

import (
	"fmt"
	"time"
)

// NotificationStatus is where a word owed to a group stands:
// PENDING → SENT | SUPPRESSED | DEAD.
type NotificationStatus string

const (
	// Pending: owed, and will be tried until it is settled.
	Pending NotificationStatus = "PENDING"
	// Sent: a message that carries it was ACCEPTED.
	Sent NotificationStatus = "SENT"
	// Suppressed: deliberately not said, with a reason.
	Suppressed NotificationStatus = "SUPPRESSED"
	// Dead: cannot be said, with a reason; a person has to look.
	Dead NotificationStatus = "DEAD"
)

// Kind says what a notification tells.
type Kind string

const (
	Firing     Kind = "FIRING"     // the incident began, or goes on
	Escalation Kind = "ESCALATION" // it goes on, and nobody has acknowledged it
	Over       Kind = "RESOLVED"   // it is over
	Outcome    Kind = "OUTCOME"    // what a remediation came to
	Call       Kind = "CALL"       // calls people by phone, behind a word that could not
)

// Notification is word owed to one group about one alert.
type Notification struct {
	ID            int64
	AlertID       int64
	RemediationID int64 // for OUTCOME
	GroupID       int64 // 0: the robot of WECHAT_WEBHOOK_URL
	GroupName     string
	Kind          Kind
	Severity      Severity
	Status        NotificationStatus
	Reason        Reason
	Attempts      int
	Unanswered    int       // of the attempts, those after which people may have seen it
	NextAt        time.Time // not before this instant
	CreatedAt     time.Time
	SettledAt     time.Time
	MessageID     int64 // the message that carried or carries it

	// For people; not stored.
	Folded bool      // the message is a digest of several words
	Waits  Reason    // why it is not sent now, and until when
	AsOf   time.Time // the now of Waits
}

// MessageStatus is where one request to a robot stands:
// SENDING → ACCEPTED | REFUSED | UNKNOWN.
type MessageStatus string

const (
	// Sending: a slot is reserved and the request may be on its way.
	Sending MessageStatus = "SENDING"
	// Accepted: the robot answered errcode 0.
	Accepted MessageStatus = "ACCEPTED"
	// Refused: the robot answered another errcode: it was not shown.
	Refused MessageStatus = "REFUSED"
	// Unknown: no readable answer: it may have been shown. Costs budget.
	Unknown MessageStatus = "UNKNOWN"
)

// Message is what a robot was really sent.
type Message struct {
	ID         int64
	Kind       MessageKind
	Words      int    // how many notifications it was to carry
	Robot      string // RobotID: never the key itself
	GroupID    int64
	Status     MessageStatus
	Format     Format
	Content    string
	People     People // whom a text message calls; not stored
	ErrCode    int
	Error      string
	SentAt     time.Time
	AnsweredAt time.Time
	SlotUntil  time.Time // until when it counts against the robot's budget
}

// The budget of a robot (DESIGN, promise 3). The real limit is 20 messages a
// minute; a slot is freed 61 s after the answer so that neither a fixed nor a
// sliding window at the far end can see a 21st. One of the 20 is never on
// record when it is sent: the emergency word, which is said when the record is
// what is gone. It is kept for that, and the 19 others are for the rest.
const (
	RobotLimit  = 20
	RobotBudget = RobotLimit - 1
	SlotLife    = 61 * time.Second
)

// NextSlot tells when a robot may be sent its next message, whatever it is. Zero
// means now.
func NextSlot(slots []Slot, now time.Time) time.Time {
	u := Load{Slots: slots}.used(now)
	if u.free > 0 {
		return time.Time{}
	}
	return u.first
}

// Verdict is what one attempt to send came to, as the robot client reports it.
type Verdict struct {
	Status  MessageStatus // ACCEPTED, REFUSED or UNKNOWN
	ErrCode int           // WeCom's errcode; 0 with UNKNOWN
	Error   string        // for the record; holds no key
	Class   VerdictClass
}

// Summary is what the robot said, for the record.
func (v Verdict) Summary() string {
	if v.Error == "" {
		return fmt.Sprintf("errcode %d", v.ErrCode)
	}
	return v.Error
}

// VerdictClass says what to do about a verdict.
type VerdictClass string

const (
	ClassOK        VerdictClass = "ok"
	ClassBusy      VerdictClass = "busy"       // -1, 45033, 5xx, cut, slow: try again soon
	ClassRateLimit VerdictClass = "rate_limit" // 45009: this robot pauses ≥ 60 s
	ClassRobotGone VerdictClass = "robot_gone" // 93000, 93004, 93008: the robot is broken
	ClassTooLong   VerdictClass = "too_long"   // 40058, 45002: it is cut once more
	ClassBadWords  VerdictClass = "bad_words"  // 40008, 44004: this message will never be taken
)

// Robot is what is known of one WeCom robot.
type Robot struct {
	ID          string
	PausedUntil time.Time
	PauseReason Reason
	Failures    int // in a row
	Broken      bool
}

// AfterVerdict gives the robot's next state: how long it rests after a
// failure. jitter is in [0,1).
func (r Robot) AfterVerdict(v Verdict, now time.Time, jitter float64) Robot {
	switch v.Class {
	case ClassOK, ClassTooLong, ClassBadWords:
		r.Failures, r.PausedUntil, r.PauseReason, r.Broken = 0, time.Time{}, Reason{}, false
		return r
	}
	r.Failures++
	wait := backoff(time.Second, time.Minute, r.Failures, jitter)
	switch v.Class {
	case ClassRateLimit:
		wait = max(wait, time.Minute) + time.Duration(jitter*float64(5*time.Second))
	case ClassRobotGone:
		r.Broken = true
		wait = brokenRetry
	}
	r.PausedUntil = now.Add(wait)
	r.PauseReason = Reason{Code: "robot_" + string(v.Class), Detail: v.Error}
	return r
}

// brokenRetry is how often a broken robot is tried with the oldest word, so
// that putting it back into its group is enough to mend it.
const brokenRetry = 10 * time.Minute

// backoff doubles from base to limit with the number of failures, less up to
// half of it by jitter, so that what failed together does not return together.
func backoff(base, limit time.Duration, failures int, jitter float64) time.Duration {
	d := limit
	if failures < 1 {
		failures = 1
	}
	if shift := failures - 1; shift < 16 && base<<shift < limit {
		d = base << shift
	}
	return d - time.Duration(jitter*float64(d)/2)
}

// maxTries is how often one word may be answered without being taken before it
// steps aside for those behind it.
const maxTries = 5

// maxUnknown is how often one word may go out without an answer before it is
// repeated rarely: each time people may have seen it already.
const maxUnknown = 3

// AfterVerdict settles a notification by the verdict on the message that
// carried it. What was not shown for a passing reason stays PENDING.
func (n Notification) AfterVerdict(v Verdict, now time.Time) Notification {
	n.Attempts++
	if v.Status == Unknown {
		n.Unanswered++
	}
	switch v.Class {
	case ClassOK:
		n.Status, n.SettledAt, n.Reason = Sent, now, Reason{}
	case ClassTooLong, ClassBadWords:
		if v.Class == ClassTooLong && n.Reason.Form() == FullDigest {
			n.Reason = Reason{Code: tooLong, Detail: v.Error}
			return n
		}
		n.Status, n.SettledAt = Dead, now
		n.Reason = Reason{Code: "bad_words", Detail: v.Error}
	default:
		n.Reason = Reason{Code: "robot_" + string(v.Class), Detail: v.Error}
		switch {
		case v.Status == Unknown && n.Unanswered >= maxUnknown:
			n.NextAt = now.Add(min(time.Duration(n.Unanswered-maxUnknown+1)*10*time.Minute, time.Hour))
		case v.Class == ClassBusy && n.Attempts >= maxTries:
			n.NextAt = now.Add(min(time.Duration(n.Attempts-maxTries+1), 10) * time.Minute)
		}
	}
	return n
}
