package alerting

import (
	"fmt"
	"regexp"
	"time"
)

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
	Container   string
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
	Checks        int // looks at an intent that seems not carried out
}

// Pending tells whether the remediation still holds its container.
func (r *Remediation) Pending() bool {
	switch r.Status {
	case Requested, Running, Verifying:
		return true
	}
	return false
}

// Ledger is what is known of a container's remediations when a decision is
// made: the one that holds it, and the restarts ordered within the budget's
// time, oldest first.
type Ledger struct {
	Active   *Remediation
	Restarts []time.Time
	Tried    time.Time    // when the engine's facts last forbade a requested one
	Last     *Remediation // the newest that ended SUCCEEDED or FAILED
}

// containerName is what the Engine accepts as a name, and not as an id prefix:
// the adapter compares the name of what it found as well.
var containerName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}$`)

// Hold tells why a remediation of the container may not be requested now, or
// gives a zero reason. A person who asks overrides cooldown and budget, never
// another one that is under way.
func (l Ledger) Hold(container string, g Guard, manual bool, now time.Time) Reason {
	if l.Active != nil && manual {
		// No cooldown holds a person; when the other one ends is not known.
		return Reason{Code: "under_way", Detail: container}
	}
	if l.Active != nil {
		since := l.Active.RequestedAt
		if !l.Active.OrderedAt.IsZero() {
			since = l.Active.OrderedAt
		}
		return Reason{Code: "under_way", Detail: container, Until: since.Add(g.Cooldown)}
	}
	if manual {
		return Reason{}
	}
	var within []time.Time
	for _, at := range l.Restarts {
		if now.Sub(at) < g.Per {
			within = append(within, at)
		}
	}
	if len(within) >= g.Budget {
		spent := Reason{Code: "budget", Detail: container}
		if g.Budget > 0 {
			spent.Until = within[len(within)-g.Budget].Add(g.Per)
		}
		return spent
	}
	// A request that the engine's facts forbade cools down too: a repeating
	// event must not ask, and tell, again and again.
	last := l.Tried
	if n := len(l.Restarts); n > 0 && l.Restarts[n-1].After(last) {
		last = l.Restarts[n-1] // whatever Per is: the cooldown may be longer
	}
	if !last.IsZero() && now.Sub(last) < g.Cooldown {
		return Reason{Code: "cooldown", Detail: container, Until: last.Add(g.Cooldown)}
	}
	return Reason{}
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
	HealthSays   string    // what its newest health probe printed
}

// Health is the state of a container's own health check.
type Health string

const (
	NoHealth  Health = "none"
	Starting  Health = "starting"
	Healthy   Health = "healthy"
	Unhealthy Health = "unhealthy"
)

// Guard decides, with the engine's facts, whether an action may go ahead. The
// zero reason means that it may.
func (p *Policy) Guard(r Remediation, c *Container) Reason {
	switch {
	case c == nil:
		return Reason{Code: "no_container", Detail: r.Container}
	case c.Self:
		return Reason{Code: "ourselves", Detail: r.Container}
	case !p.Lists(c.Name) && !c.Labelled:
		return Reason{Code: "not_allowed", Detail: r.Container}
	case r.Action == Restart && !c.Running && r.RequestedBy == "":
		// Somebody stopped it, or it is down for a reason of its own: to start
		// it is not what a restart promises.
		return Reason{Code: "not_running", Detail: r.Container}
	case p.Mode == DryRun:
		return Reason{Code: "dry_run", Detail: r.Container}
	case p.Mode == Off && r.RequestedBy == "":
		return Reason{Code: "mode_off"}
	}
	return Reason{}
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
)

// Evidence is what the engine can tell about a stored intent.
type Evidence struct {
	Container *Container // nil: it is gone
	Killed    bool       // a kill event of the container since the intent
	SameBoot  bool       // the engine has not restarted since the intent
}

// recheck is how long an unchanged container is given before a restart that
// was perhaps never ordered is ordered (DESIGN, promise 4).
const recheck = 2 * time.Second

// Reconcile finds out what became of an intent whose call gave no answer: we
// crashed, or it timed out. It never guesses: an order is given again only when
// two looks agree that the first never arrived.
func (r Remediation) Reconcile(e Evidence, now time.Time) Step {
	c := e.Container
	switch {
	case c == nil:
		return end(UnknownOutcome, Reason{Code: "no_container", Detail: r.Container})
	case c.ID != r.ContainerID:
		return end(UnknownOutcome, Reason{Code: "container_changed"})
	case !c.StartedAt.Equal(r.StartedBefore): // not After: a clock may have been set back
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

// Symptom is what a watch of ours says of what an alert is about.
type Symptom string

const (
	// NoSymptom: no watch says that it is still there; where none looks for it,
	// that the container stays up has to do.
	NoSymptom Symptom = ""
	// SymptomStays: the watch that raised the alarm is not quiet yet.
	SymptomStays Symptom = "stays"
)

// Assess tells whether a restarted container has proven itself: it stays up, and
// the symptom that it was restarted for is gone. Is that still there after
// patience, the restart did not help.
func (r Remediation) Assess(c *Container, v Verify, symptom Symptom, patience time.Duration, now time.Time) Step {
	step := r.assess(c, v, now)
	if symptom != SymptomStays || step.Do != StepEnd || step.Status != Succeeded {
		return step
	}
	if until := r.StartedAfter.Add(patience); now.Before(until) {
		return Step{Do: StepWait, Next: earlier(now.Add(time.Second), until)}
	}
	return end(Failed, Reason{Code: "symptom_stays", Detail: English.Duration(patience)})
}

// assess tells whether it stays up.
func (r Remediation) assess(c *Container, v Verify, now time.Time) Step {
	if c == nil {
		return end(Failed, Reason{Code: "no_container", Detail: r.Container})
	}
	if c.ID != r.ContainerID {
		return end(Failed, Reason{Code: "container_changed"})
	}
	if !c.StartedAt.Equal(r.StartedAfter) {
		return end(Failed, Reason{Code: "not_stable", Detail: fmt.Sprintf("restarted again, exit %d", c.ExitCode)})
	}
	if !c.Running || c.Restarting {
		return end(Failed, Reason{Code: "not_stable", Detail: fmt.Sprintf("exit %d", c.ExitCode)})
	}
	since := now.Sub(c.StartedAt)
	switch c.Health {
	case Healthy:
		return end(Succeeded, Reason{Code: "healthy", Detail: English.Duration(since)})
	case Starting:
		if since < v.Healthy {
			return Step{Do: StepWait, Next: earlier(now.Add(time.Second), c.StartedAt.Add(v.Healthy))}
		}
		return end(Failed, Reason{Code: "unhealthy", Detail: "starting"})
	case Unhealthy:
		return end(Failed, Reason{Code: "unhealthy", Detail: "unhealthy"})
	}
	if since < v.Stable {
		return Step{Do: StepWait, Next: earlier(now.Add(time.Second), c.StartedAt.Add(v.Stable))}
	}
	return end(Succeeded, Reason{Code: "stable", Detail: English.Duration(v.Stable)})
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
