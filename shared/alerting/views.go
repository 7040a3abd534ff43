package alerting

import "time"

// Filter selects alerts. Empty fields select everything.
type Filter struct {
	Type, Service string
	Status        AlertStatus
	Severity      Severity
	From, To      time.Time // created at or after From and before To
	Text          string    // found in title, message or service name

	Page     int   // from 1; ignored with Before
	PageSize int   // 1 to 200
	Before   int64 // cursor: alerts older than this id; 0: from the newest
}

// Page is one page of alerts, newest first.
type Page struct {
	Alerts            []Alert
	Total             int64
	TotalIsLowerBound bool  // more may match than were counted
	Next              int64 // cursor of the next page; 0: this is the last
}

// Story is everything on record about one alert.
type Story struct {
	Alert         Alert
	Events        []KeptEvent // oldest first
	Notifications []Notification
	Messages      []Message
	Remediations  []Remediation
	Decisions     []Decision
	Groups        []GroupAccount // what became of telling each group
}

// Stats counts alerts, and remediations that are over.
type Stats struct {
	Total      int64
	ByType     map[string]int64
	ByService  map[string]int64 // the 100 services with the most alerts
	BySeverity map[string]int64
	ByStatus   map[string]int64

	Remediations []RemediationCount
}

// Idempotency identifies a request that may be repeated.
type Idempotency struct {
	Key  string // a hash of caller, path and Idempotency-Key
	Body string // a hash of the body
}

// IdempotencyLife is how long a repeated request gets the first one's answer.
const IdempotencyLife = 24 * time.Hour

// Brief is all that a message about one notification may tell.
type Brief struct {
	Notification Notification
	Alert        Alert
	Latest       *KeptEvent   // the newest event, when it is not the one that opened the alert
	Remediation  *Remediation // the one that the notification is about, else the alert's newest; nil: none
	Before       []ToldGroup  // of an ESCALATION: who was told of the alert before it
	Mention      People       // whom the message calls: from the policy alone
	Format       Format       // how it is written
	Short        bool         // WeCom refused the whole as too long: half of it must do
}

// ToldGroup is a group that a word about an alert was owed to.
type ToldGroup struct {
	Name string
	Sent bool // a message with it arrived
}

// Claim is one message that is this process's to send: its slot is reserved
// and its content stored.
type Claim struct {
	Message      Message
	Notification Notification   // the only word that it carries, else empty
	Calls        []Notification // the CALLs that are owed when it arrives
	Robot        Robot
	Owner        string
}

// Trial is what one test message to a group's robot came to.
type Trial struct {
	Group   Group
	By      string // who asked
	Verdict Verdict
	At      time.Time     // when it was sent
	Took    time.Duration // of the request to the robot
}

// Queue is what waits for one group.
type Queue struct {
	GroupID int64
	Pending int64
	NextAt  time.Time // when the first of it may be tried
	Storm   bool      // its robot owes the word that a storm is over
}

// Work is one remediation that is this process's to carry on.
type Work struct {
	Remediation Remediation
	Alert       Alert
	At          time.Time // the store's now: what the remediation's times are measured by
	// Symptom is how the watch that raised the alarm is while the remediation
	// is VERIFYING.
	Symptom Symptom
}

// Happening is a committed line of an alert's trail, as alert.log shows it.
type Happening struct {
	Alert    Alert
	Decision Decision
	Opened   bool
}
