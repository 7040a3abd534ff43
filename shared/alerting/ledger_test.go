package alerting

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHold(t *testing.T) {
	g := Guard{Cooldown: 5 * time.Minute, Budget: 3, Per: time.Hour}
	ago := func(ds ...time.Duration) (l Ledger) {
		for _, d := range ds {
			l.Restarts = append(l.Restarts, noon.Add(-d))
		}
		return l
	}
	for name, c := range map[string]struct {
		ledger Ledger
		guard  Guard
		manual bool
		code   string
		until  time.Duration
	}{
		"nothing happened":                       {ago(), g, false, "", 0},
		"one is under way":                       {Ledger{Active: &Remediation{RequestedAt: noon.Add(-time.Minute)}}, g, false, "under_way", 4 * time.Minute},
		"one is under way, ordered later":        {Ledger{Active: &Remediation{RequestedAt: noon.Add(-time.Minute), OrderedAt: noon}}, g, false, "under_way", 5 * time.Minute},
		"one is under way and a person asks":     {Ledger{Active: &Remediation{RequestedAt: noon}}, g, true, "under_way", 0},
		"within the cooldown":                    {ago(5*time.Minute - 1), g, false, "cooldown", 1},
		"when the cooldown ends":                 {ago(5 * time.Minute), g, false, "", 0},
		"within the cooldown a person may":       {ago(time.Minute), g, true, "", 0},
		"what was tried cools down too":          {Ledger{Tried: noon.Add(-time.Minute)}, g, false, "cooldown", 4 * time.Minute},
		"the later of tried and restarted":       {Ledger{Tried: noon.Add(-4 * time.Minute), Restarts: []time.Time{noon.Add(-time.Minute)}}, g, false, "cooldown", 4 * time.Minute},
		"two of three":                           {ago(50*time.Minute, 20*time.Minute), g, false, "", 0},
		"three of three":                         {ago(50*time.Minute, 20*time.Minute, 10*time.Minute), g, false, "budget", 10 * time.Minute},
		"four, from people":                      {ago(50*time.Minute, 40*time.Minute, 20*time.Minute, 10*time.Minute), g, false, "budget", 20 * time.Minute},
		"the budget comes before the cooldown":   {ago(50*time.Minute, 20*time.Minute, time.Minute), g, false, "budget", 10 * time.Minute},
		"the oldest just left":                   {ago(time.Hour, 20*time.Minute, 10*time.Minute), g, false, "", 0},
		"beyond the budget a person may":         {ago(3, 2, 1), g, true, "", 0},
		"a cooldown longer than the budget's":    {ago(2 * time.Hour), Guard{Cooldown: 3 * time.Hour, Budget: 1, Per: time.Hour}, false, "cooldown", time.Hour},
		"no budget at all":                       {ago(), Guard{}, false, "budget", 0},
		"no budget at all, and one in the past":  {ago(0), Guard{Per: time.Hour}, false, "budget", 0},
		"no budget at all is no person's matter": {ago(), Guard{}, true, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			why := c.ledger.Hold(service, c.guard, c.manual, noon)
			require.Equal(t, c.code, why.Code)
			if c.until != 0 {
				assert.Equal(t, noon.Add(c.until), why.Until)
			}
			if c.manual {
				assert.Zero(t, why.Until, "no cooldown holds a person, and when the other one ends is not known")
			}
		})
	}
}

// TestHoldKeepsTheBudget: whoever obeys Hold never restarts more often than the
// guard says.
func TestHoldKeepsTheBudget(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	g := Guard{Cooldown: 5 * time.Minute, Budget: 3, Per: time.Hour}
	var l Ledger
	for now := noon; now.Before(noon.Add(48 * time.Hour)); now = now.Add(time.Duration(random.IntN(120)) * time.Second) {
		if l.Hold(service, g, false, now).IsZero() {
			l.Restarts = append(l.Restarts, now)
		}
	}
	require.Greater(t, len(l.Restarts), 100)
	for i := 1; i < len(l.Restarts); i++ {
		require.GreaterOrEqual(t, l.Restarts[i].Sub(l.Restarts[i-1]), g.Cooldown)
		if i >= g.Budget {
			require.GreaterOrEqual(t, l.Restarts[i].Sub(l.Restarts[i-g.Budget]), g.Per)
		}
	}
}

func TestGuard(t *testing.T) {
	good := Container{Name: service, Running: true}
	for name, c := range map[string]struct {
		mode      Mode
		action    Action
		by        string
		container func(*Container)
		code      string
	}{
		"may":                             {Auto, Restart, "", func(*Container) {}, ""},
		"ourselves, whatever the list":    {Auto, Restart, "li", func(c *Container) { c.Self, c.Labelled = true, true }, "ourselves"},
		"another name than the list's":    {Auto, Restart, "", func(c *Container) { c.Name = "prefix" }, "not_allowed"},
		"admitted by its label":           {Auto, Restart, "", func(c *Container) { c.Name, c.Labelled = "other", true }, ""},
		"stopped, by policy":              {Auto, Restart, "", func(c *Container) { c.Running = false }, "not_running"},
		"stopped, by a person":            {Auto, Restart, "li", func(c *Container) { c.Running = false }, ""},
		"stopped, to be started":          {Auto, Start, "", func(c *Container) { c.Running = false }, ""},
		"dry-run":                         {DryRun, Restart, "", func(*Container) {}, "dry_run"},
		"dry-run holds for a person, too": {DryRun, Restart, "li", func(*Container) {}, "dry_run"},
		"off":                             {Off, Restart, "", func(*Container) {}, "mode_off"},
		"off, by a person":                {Off, Restart, "li", func(*Container) {}, ""},
	} {
		container := good
		c.container(&container)
		p := testPolicy(func(p *Policy) { p.Mode = c.mode })
		assert.Equal(t, c.code, p.Guard(Remediation{Container: service, Action: c.action, RequestedBy: c.by}, &container).Code, name)
	}
	assert.Equal(t, "no_container", testPolicy().Guard(Remediation{Container: service}, nil).Code)
}

func TestReconcile(t *testing.T) {
	started := noon.Add(-time.Hour)
	intent := Remediation{Container: service, ContainerID: "c1", StartedBefore: started, CallLimit: noon.Add(time.Minute)}
	same := Container{ID: "c1", StartedAt: started}
	for name, c := range map[string]struct {
		evidence Evidence
		checks   int
		now      time.Time
		do       Doing
		code     string
	}{
		"the container is gone":                       {Evidence{}, 0, noon, StepEnd, "no_container"},
		"it was recreated":                            {Evidence{Container: &Container{ID: "c2"}, SameBoot: true}, 0, noon, StepEnd, "container_changed"},
		"it started since":                            {Evidence{Container: &Container{ID: "c1", StartedAt: noon}, SameBoot: true}, 0, noon, StepVerify, ""},
		"it started since, on a clock set back":       {Evidence{Container: &Container{ID: "c1", StartedAt: started.Add(-time.Hour)}, SameBoot: true}, 0, noon, StepVerify, ""},
		"it started since, and the engine, too":       {Evidence{Container: &Container{ID: "c1", StartedAt: noon}}, 0, noon, StepVerify, ""},
		"the engine restarted":                        {Evidence{Container: &same}, 5, noon, StepEnd, "engine_restarted"},
		"killed, in progress":                         {Evidence{Container: &same, SameBoot: true, Killed: true}, 5, noon, StepWait, ""},
		"killed, and the call's time is over":         {Evidence{Container: &same, SameBoot: true, Killed: true}, 0, noon.Add(2 * time.Minute), StepEnd, "call_timeout"},
		"untouched at first sight":                    {Evidence{Container: &same, SameBoot: true}, 0, noon, StepWait, ""},
		"untouched at the second":                     {Evidence{Container: &same, SameBoot: true}, 1, noon, StepIssue, ""},
		"untouched, and the call's time is over, too": {Evidence{Container: &same, SameBoot: true}, 0, noon.Add(time.Hour), StepWait, ""},
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
	r := Remediation{Container: service, ContainerID: "c1", StartedAfter: noon}
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

// Promise 6: recovered means that the original symptom is gone.
func TestARestartThatLeavesTheSymptomDidNotHelp(t *testing.T) {
	r := Remediation{Container: service, ContainerID: "c1", StartedAfter: noon}
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

func TestNextSlot(t *testing.T) {
	var slots []time.Time
	for i := range RobotBudget - 1 {
		slots = append(slots, noon.Add(time.Duration(i+1)*time.Second))
	}
	assert.True(t, NextSlot(slots, noon).IsZero(), "19 are used")
	slots = append(slots, noon)
	assert.True(t, NextSlot(slots, noon).IsZero(), "the 20th is free by now")
	slots = append(slots, noon.Add(time.Hour))
	assert.Equal(t, noon.Add(time.Second), NextSlot(slots, noon), "when the first is")
}

// TestNoWindowSeesA21st: whoever asks NextSlot before each message, and frees
// the slot SlotLife after the answer, however late that is, never sends more
// than 20 within any 60 seconds, wherever the far end lets a window begin.
func TestNoWindowSeesA21st(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 2))
		var slots, arrivals []time.Time
		for now := noon; now.Before(noon.Add(10 * time.Minute)); {
			if at := NextSlot(slots, now); at.After(now) {
				now = at
				continue
			}
			answer := now.Add(time.Duration(random.IntN(1+int(seed)*200)) * time.Millisecond)
			arrivals = append(arrivals, now.Add(time.Duration(random.Float64()*float64(answer.Sub(now)))))
			slots = append(slots, answer.Add(SlotLife))
			now = answer.Add(time.Duration(random.IntN(300)) * time.Millisecond)
		}
		slices.SortFunc(arrivals, time.Time.Compare)
		for i := RobotBudget; i < len(arrivals); i++ {
			require.Greater(t, arrivals[i].Sub(arrivals[i-RobotBudget]), time.Minute, "seed %d", seed)
		}
		require.Greater(t, len(arrivals), RobotBudget)
	}
}
