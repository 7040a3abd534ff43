package alerting

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestReconcile(t *testing.T) {
	started := noon.Add(-time.Hour)
	intent := Remediation{Container: service, ContainerID: "c1", StartedBefore: started, CallLimit: noon.Add(time.Minute)}
	same := Container{ID: "c1", StartedAt: started}
	for name, c := range map[string]struct {
		evidence Trace
		checks   int
		now      time.Time
		do       Doing
		code     string
	}{
		"the container is gone":                       {Trace{}, 0, noon, StepEnd, "no_container"},
		"it was recreated":                            {Trace{Container: &Container{ID: "c2"}, SameBoot: true}, 0, noon, StepEnd, "container_changed"},
		"it started since":                            {Trace{Container: &Container{ID: "c1", StartedAt: noon}, SameBoot: true}, 0, noon, StepVerify, ""},
		"it started since, on a clock set back":       {Trace{Container: &Container{ID: "c1", StartedAt: started.Add(-time.Hour)}, SameBoot: true}, 0, noon, StepVerify, ""},
		"it started since, and the engine, too":       {Trace{Container: &Container{ID: "c1", StartedAt: noon}}, 0, noon, StepVerify, ""},
		"the engine restarted":                        {Trace{Container: &same}, 5, noon, StepEnd, "engine_restarted"},
		"killed, in progress":                         {Trace{Container: &same, SameBoot: true, Killed: true}, 5, noon, StepWait, ""},
		"killed, and the call's time is over":         {Trace{Container: &same, SameBoot: true, Killed: true}, 0, noon.Add(2 * time.Minute), StepEnd, "call_timeout"},
		"untouched at first sight":                    {Trace{Container: &same, SameBoot: true}, 0, noon, StepWait, ""},
		"untouched at the second":                     {Trace{Container: &same, SameBoot: true}, 1, noon, StepIssue, ""},
		"untouched, and the call's time is over, too": {Trace{Container: &same, SameBoot: true}, 0, noon.Add(time.Hour), StepWait, ""},
	} {
		r := intent
		r.Checks = c.checks
		step := r.Reconcile(c.evidence, c.now)
		assert.Equal(t, c.do, step.Do, name)
		assert.Equal(t, c.code, step.Reason.Code, name)
		if c.do == StepEnd {
			assert.Equal(t, UnknownOutcome, step.Status, "what cannot be told is UNKNOWN: "+name)
		}
		if c.do == StepWait {
			assert.True(t, step.Next.After(c.now), name)
		}
	}
}

func TestAssess(t *testing.T) {
	r := Remediation{Container: service, ContainerID: "c1", StartedAfter: noon, ProvenFrom: noon}
	v := Verify{Stable: 30 * time.Second, Healthy: 3 * time.Minute}
	for name, c := range map[string]struct {
		change func(*Container)
		after  time.Duration
		do     Doing
		status RemediationStatus
		code   string
	}{
		"not yet stable":            {func(*Container) {}, 29 * time.Second, StepWait, "", ""},
		"stable":                    {func(*Container) {}, 30 * time.Second, StepEnd, Succeeded, "stable"},
		"it ended":                  {func(c *Container) { c.Running = false }, time.Second, StepEnd, Failed, "not_stable"},
		"it keeps restarting":       {func(c *Container) { c.Restarting = true }, time.Second, StepEnd, Failed, "not_stable"},
		"it restarted again":        {func(c *Container) { c.StartedAt = noon.Add(time.Second) }, time.Minute, StepEnd, Failed, "not_stable"},
		"it was recreated":          {func(c *Container) { c.ID = "c2" }, time.Minute, StepEnd, Failed, "container_changed"},
		"healthy":                   {func(c *Container) { c.Health = Healthy }, time.Second, StepEnd, Succeeded, "healthy"},
		"stable but still starting": {func(c *Container) { c.Health = Starting }, time.Minute, StepWait, "", ""},
		"starting for too long":     {func(c *Container) { c.Health = Starting }, 3 * time.Minute, StepEnd, Failed, "unhealthy"},
		"unhealthy":                 {func(c *Container) { c.Health = Unhealthy }, time.Minute, StepEnd, Failed, "unhealthy"},
	} {
		container := Container{ID: "c1", Running: true, StartedAt: noon, Health: NoHealth}
		c.change(&container)
		now := noon.Add(c.after)
		step := r.Assess(&container, v, NoSymptom, 5*time.Minute, now)
		assert.Equal(t, c.do, step.Do, name)
		assert.Equal(t, c.status, step.Status, name)
		assert.Equal(t, c.code, step.Reason.Code, name)
		if c.do == StepWait {
			assert.True(t, step.Next.After(now) && !step.Next.After(now.Add(time.Second)), name)
		}
	}
	assert.Equal(t, Failed, r.Assess(nil, v, NoSymptom, 5*time.Minute, noon).Status)
}

// The engine's clock may be wrong, and may be set during a restart: the proof
// takes as long as it takes by the store's.
func TestTheProofIsTimedByOneClock(t *testing.T) {
	v := Verify{Stable: 30 * time.Second, Healthy: 3 * time.Minute}
	for _, engine := range []time.Duration{-10 * time.Minute, 0, 10 * time.Minute} {
		r := Remediation{Container: service, ContainerID: "c1", StartedAfter: noon.Add(engine), ProvenFrom: noon}
		c := &Container{ID: "c1", Running: true, StartedAt: noon.Add(engine), Health: NoHealth}
		assert.Equal(t, StepWait, r.Assess(c, v, NoSymptom, time.Minute, noon.Add(29*time.Second)).Do, engine)
		assert.Equal(t, Succeeded, r.Assess(c, v, NoSymptom, time.Minute, noon.Add(30*time.Second)).Status, engine)
	}
}

// Promise 6: recovered means that the original symptom is gone.
func TestARestartThatLeavesTheSymptomDidNotHelp(t *testing.T) {
	r := Remediation{Container: service, ContainerID: "c1", StartedAfter: noon, ProvenFrom: noon}
	v := Verify{Stable: 30 * time.Second, Healthy: 3 * time.Minute}
	up := &Container{ID: "c1", Running: true, StartedAt: noon, Health: NoHealth}
	well, gone := *up, *up
	well.Health, gone.Running = Healthy, false
	for name, c := range map[string]struct {
		container *Container
		symptom   Symptom
		after     time.Duration
		do        Doing
		status    RemediationStatus
		code      string
	}{
		"stable, and the line is not back":     {up, SymptomStays, time.Minute, StepWait, "", ""},
		"stable, and the line is back":         {up, NoSymptom, time.Minute, StepEnd, Succeeded, "stable"},
		"healthy, and the line is not back":    {&well, SymptomStays, time.Minute, StepWait, "", ""},
		"the line is back, and it ended":       {&gone, NoSymptom, time.Second, StepEnd, Failed, "not_stable"},
		"it ended, and the line is not back":   {&gone, SymptomStays, time.Second, StepEnd, Failed, "not_stable"},
		"the line is not back for too long":    {up, SymptomStays, 5 * time.Minute, StepEnd, Failed, "symptom_stays"},
		"healthy, not back for too long":       {&well, SymptomStays, 5 * time.Minute, StepEnd, Failed, "symptom_stays"},
		"the line is back before it is stable": {up, NoSymptom, 5 * time.Second, StepWait, "", ""},
	} {
		step := r.Assess(c.container, v, c.symptom, 5*time.Minute, noon.Add(c.after))
		assert.Equal(t, c.do, step.Do, name)
		assert.Equal(t, c.status, step.Status, name)
		assert.Equal(t, c.code, step.Reason.Code, name)
	}
}
