package alerting

import (
	"fmt"
	"time"
)

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
	if r.Action == Stop {
		return r.assessStop(c, v, now)
	}
	step := r.assess(c, v, now)
	if symptom != SymptomStays || step.Do != StepEnd || step.Status != Succeeded {
		return step
	}
	if until := r.ProvenFrom.Add(patience); now.Before(until) {
		return Step{Do: StepWait, Next: earlier(now.Add(time.Second), until)}
	}
	return end(Failed, Reason{Code: "symptom_stays", Detail: English.Duration(patience)})
}

// Yield turns a failure into an outcome that is not known when a person, and not
// the container, ended its run: who stops or restarts it during the proof has
// taken it over, and the next step of the ladder would be in their way.
func (r Remediation) Yield(step Step, past Recollection) Step {
	if !past.KilledAt.After(r.StartedAfter) {
		return step
	}
	return end(UnknownOutcome, Reason{Code: "person_took_over", Detail: r.Container})
}

// Yields tells whether a person may be behind a failure.
func (s Step) Yields() bool {
	return s.Do == StepEnd && s.Status == Failed && s.Reason.Code == "not_stable"
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
	since := now.Sub(r.ProvenFrom)
	switch c.Health {
	case Healthy:
		if since < v.Steady {
			return Step{Do: StepWait, Next: earlier(now.Add(time.Second), r.ProvenFrom.Add(v.Steady))}
		}
		return end(Succeeded, Reason{Code: "healthy", Detail: English.Duration(since)})
	case Starting:
		if since < v.Healthy {
			return Step{Do: StepWait, Next: earlier(now.Add(time.Second), r.ProvenFrom.Add(v.Healthy))}
		}
		return end(Failed, Reason{Code: "unhealthy", Detail: "starting"})
	case Unhealthy:
		return end(Failed, Reason{Code: "unhealthy", Detail: "unhealthy"})
	}
	if since < v.Stable {
		return Step{Do: StepWait, Next: earlier(now.Add(time.Second), r.ProvenFrom.Add(v.Stable))}
	}
	return end(Succeeded, Reason{Code: "stable", Detail: English.Duration(v.Stable)})
}

// assessStop tells whether a container that was stopped stays so: its restart
// policy, or somebody, may start it.
func (r Remediation) assessStop(c *Container, v Verify, now time.Time) Step {
	switch {
	case c == nil:
		return end(Succeeded, Reason{Code: "stopped", Detail: r.Container}) // --rm: it cannot run again
	case c.ID != r.ContainerID:
		return end(Failed, Reason{Code: "container_changed"})
	case c.Running || !c.StartedAt.Equal(r.StartedBefore):
		return end(Failed, Reason{Code: "runs_again", Detail: r.Container})
	}
	if until := r.ProvenFrom.Add(v.Stable); now.Before(until) {
		return Step{Do: StepWait, Next: earlier(now.Add(time.Second), until)}
	}
	return end(Succeeded, Reason{Code: "stopped", Detail: r.Container})
}
