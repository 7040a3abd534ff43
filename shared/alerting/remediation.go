package alerting

import "time"

// RemediationStatus is where one execution of an action stands:
// REQUESTED → RUNNING → VERIFYING → SUCCEEDED | FAILED | UNKNOWN, or SKIPPED.
type RemediationStatus string

const (
	// Requested: decided; nothing has been done.
	Requested RemediationStatus = "REQUESTED"
	// Running: the intent is stored and the engine may have been called. After
	// a crash nobody calls again before looking.
	Running RemediationStatus = "RUNNING"
	// Verifying: the container was restarted; whether that helped is not known.
	Verifying RemediationStatus = "VERIFYING"
	// Succeeded: the proof that the rule asks for is there. The same symptom
	// within Rule.Symptom still turns it into FAILED.
	Succeeded RemediationStatus = "SUCCEEDED"
	// Failed: it did not help; a person is asked.
	Failed RemediationStatus = "FAILED"
	// UnknownOutcome: whether it happened cannot be told; a person is asked.
	UnknownOutcome RemediationStatus = "UNKNOWN"
	// Skipped: not done, with the reason.
	Skipped RemediationStatus = "SKIPPED"
)

// Remediation is one execution of an action on a container.
type Remediation struct {
	ID          int64
	AlertID     int64
	Fingerprint string
	Action      Action
	Rung        int // which step of the policy's ladder, from 0
	Container   string
	Host        string // the id of the engine that it is on; empty: no runner has claimed it
	Status      RemediationStatus
	Reason      Reason
	RequestedBy string // a person's name; empty: policy
	RequestedAt time.Time
	OrderedAt   time.Time // when the intent was committed
	EndedAt     time.Time
	NextAt      time.Time // when the loop looks at it again

	// The intent: what the container was before anything was done.
	ContainerID   string
	StartedBefore time.Time
	StartedAfter  time.Time
	EngineMark    string // what the engine's memory held then
	CallLimit     time.Time
	ProvenFrom    time.Time // when it was first seen to be as it should: the proof is timed by the store's clock, which no engine's can disturb
	Checks        int       // looks at an intent that seems not carried out

	Evidence *Evidence // how the container was before; nil: not asked for, or none was taken
}

// Pending tells whether the remediation still holds its container.
func (r *Remediation) Pending() bool {
	switch r.Status {
	case Requested, Running, Verifying:
		return true
	}
	return false
}

// Container is what the engine says of a container: the facts that guards and
// verification need.
type Container struct {
	ID            string
	Name          string
	Running       bool
	Restarting    bool
	StartedAt     time.Time
	ExitCode      int
	OOMKilled     bool
	Health        Health
	Labelled      bool // carries trade-monitor.restart=true
	Self          bool // it is the one we run in
	StopTimeout   time.Duration
	RestartPolicy string

	// What the watches need besides.
	Watched      bool      // carries trade-monitor.watch=true
	TTY          bool      // its log is one stream without frames
	LogDriver    string    // json-file, local, journald, none …
	Paused       bool      // its processes are frozen
	FinishedAt   time.Time // of its last run; zero: it has not ended yet
	RestartCount int       // by its restart policy since it was last started by hand
	Probes       []Probe   // what its health check answered, oldest first
}

// HealthSays is what the newest health probe printed.
func (c Container) HealthSays() string {
	if len(c.Probes) == 0 {
		return ""
	}
	return c.Probes[len(c.Probes)-1].Output
}

// Health is the state of a container's own health check.
type Health string

const (
	NoHealth  Health = "none"
	Starting  Health = "starting"
	Healthy   Health = "healthy"
	Unhealthy Health = "unhealthy"
)

// Recollection is what the engine remembers of its own past.
type Recollection struct {
	Mark     string    // identifies the newest thing that it remembers; empty: it remembers nothing
	KilledAt time.Time // when the container was last sent a signal that means its end; zero: not as far as it remembers
	Now      time.Time // by its clock
}

// Host is an engine, and so the machine that it runs on.
type Host struct {
	ID   string // empty: it was not reached yet
	Name string
}

// Intent is an action that is about to be ordered, and all that its guards and
// the record need. It is stored, or refused, in one transaction.
type Intent struct {
	Remediation Remediation
	Alert       Alert
	Host        Host
	Facts       Facts
	Evidence    *Evidence // nil: kept from an earlier intent, or not taken
}

// Ask is the question whether the intent may go ahead.
func (i *Intent) Ask(ledger Ledger, symptom Symptom, silenced Reason, brake *Brake, now time.Time) Ask {
	r := &i.Remediation
	return Ask{
		Type: i.Alert.Type, Severity: i.Alert.Severity, Action: r.Action, Rung: r.Rung, Container: r.Container, By: r.RequestedBy,
		Ledger: ledger, SeenAt: i.Alert.LastSeenAt, Symptom: symptom, Silenced: silenced, Brake: brake, Facts: &i.Facts, Now: now,
	}
}

// Step is what to do next with an intent or a verification.
type Step struct {
	Do     Doing
	Status RemediationStatus // for StepEnd
	Reason Reason            // for StepEnd
	Next   time.Time         // for StepWait
}

// Doing names a step.
type Doing string

const (
	StepWait   Doing = "wait"   // look again at Next
	StepIssue  Doing = "issue"  // the restart was never ordered: order it
	StepVerify Doing = "verify" // the restart happened: watch the container
	StepEnd    Doing = "end"    // settle with Status and Reason
	StepClaim  Doing = "claim"  // it is ours to carry on
)

// Trace is what the engine can tell about a stored intent.
type Trace struct {
	Container *Container // nil: it is gone
	Killed    bool       // a kill event of the container since the intent
	SameBoot  bool       // the engine has not restarted since the intent
}

// recheck is how long an unchanged container is given before a restart that
// was perhaps never ordered is ordered (DESIGN, promise 4).
const recheck = 2 * time.Second

// Done tells whether a container shows that the action was carried out. StartedAt
// is compared for equality: a clock may have been set back.
func (r *Remediation) Done(c *Container) bool {
	if r.Action == Stop {
		return !c.Running && c.StartedAt.Equal(r.StartedBefore)
	}
	return !c.StartedAt.Equal(r.StartedBefore)
}

// Reconcile finds out what became of an intent whose call gave no answer: we
// crashed, or it timed out. It never guesses: an order is given again only when
// two looks agree that the first never arrived.
func (r Remediation) Reconcile(e Trace, now time.Time) Step {
	c := e.Container
	switch {
	case c == nil:
		return end(UnknownOutcome, Reason{Code: "no_container", Detail: r.Container})
	case c.ID != r.ContainerID:
		return end(UnknownOutcome, Reason{Code: "container_changed"})
	case r.Done(c):
		return Step{Do: StepVerify}
	case !e.SameBoot:
		return end(UnknownOutcome, Reason{Code: "engine_restarted"})
	case e.Killed && now.After(r.CallLimit):
		return end(UnknownOutcome, Reason{Code: "call_timeout", Detail: r.Container})
	case e.Killed:
		return Step{Do: StepWait, Next: now.Add(time.Second)}
	case r.Checks == 0:
		return Step{Do: StepWait, Next: now.Add(recheck)}
	}
	return Step{Do: StepIssue}
}

func end(status RemediationStatus, reason Reason) Step {
	return Step{Do: StepEnd, Status: status, Reason: reason}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
