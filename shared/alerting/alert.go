package alerting

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// AlertStatus is where an incident stands. OPEN → ACKNOWLEDGED → RESOLVED;
// OPEN may go to RESOLVED directly and nothing leaves RESOLVED.
type AlertStatus string

const (
	// Open: nobody has said that they care for it.
	Open AlertStatus = "OPEN"
	// Acknowledged: a person has; people are still told of changes.
	Acknowledged AlertStatus = "ACKNOWLEDGED"
	// Resolved: it is over. A later event opens a new alert.
	Resolved AlertStatus = "RESOLVED"
)

// Statuses lists the alert states in their order.
var Statuses = []AlertStatus{Open, Acknowledged, Resolved}

// Alert is the stored, de-duplicated record of one incident: its words are
// those of the event that opened it; the later events are kept beside it.
type Alert struct {
	ID             int64
	Type           string
	Service        string
	Severity       Severity // the worst so far
	Title          string
	Message        string
	Metadata       json.RawMessage
	Status         AlertStatus
	Fingerprint    string // empty on rows that the guide's SQL wrote
	Occurrences    int64
	ActionTaken    string
	WechatSent     bool
	WechatSentAt   time.Time
	CreatedAt      time.Time
	UpdatedAt      time.Time
	LastSeenAt     time.Time
	AcknowledgedAt time.Time
	ResolvedAt     time.Time

	// What the next decision needs without reading the history.
	Words      Words
	RecheckAt  time.Time // when a refused remediation is decided again; zero: never
	Trail      TrailEnd
	LatestText string // fingerprint of the newest title and message

	EscalateAt time.Time // when the next step is taken if nobody acknowledges; zero: none is planned
	Escalated  Steps     // that were taken
}

// Words remembers what was last said about an alert.
type Words struct {
	First    time.Time // when the first word was decided; zero: none was, or by an older version
	At       time.Time // when the last word was decided; zero: none was
	Severity Severity
	Text     string // fingerprint of the title and message told
}

// TrailEnd is the last line of an alert's trail, so that an equal decision can
// count up instead of adding a line.
type TrailEnd struct {
	Seq  int
	Code string
}

// Active tells whether the incident is still going on.
func (a *Alert) Active() bool {
	return a.Status == Open || a.Status == Acknowledged
}

// Fingerprint is the identity of an incident: alert type and service name, and
// the values of the metadata labels that the policy names.
func Fingerprint(alertType, service string, labels ...string) string {
	h := sha256.New()
	for _, part := range append([]string{alertType, service}, labels...) {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// textFingerprint tells changed words from repeated ones.
func textFingerprint(title, message string) string {
	h := sha256.New()
	h.Write([]byte(title))
	h.Write([]byte{0})
	h.Write([]byte(message))
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// KeptFirst and KeptLast bound the events whose own text an alert keeps.
const (
	KeptFirst = 50
	KeptLast  = 50
)

// EventSlot is the place of the n-th event (from 1) among those that an alert
// keeps: the first 50 keep theirs, later ones share a ring of 50.
func EventSlot(n int64) int {
	if n <= KeptFirst {
		return int(n - 1)
	}
	return KeptFirst + int((n-KeptFirst-1)%KeptLast)
}

// KeptEvent is one event as the alert keeps it.
type KeptEvent struct {
	AlertID    int64
	N          int64 // 1 for the event that opened the alert
	Severity   Severity
	Title      string
	Message    string
	Metadata   json.RawMessage
	Resolved   bool
	Notes      []string
	ReceivedAt time.Time
}
