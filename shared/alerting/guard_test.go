package alerting

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every guard, for the policy and for a person who asks.
func TestGuards(t *testing.T) {
	const policy, person = "", "li"
	started := noon.Add(-time.Hour)
	good := Container{ID: "c1", Name: service, Running: true, StartedAt: started, FinishedAt: started.Add(-time.Second), StopTimeout: 10 * time.Second, Health: NoHealth}
	sees := func(change func(*Container)) func(*Policy, *Ask) {
		return func(_ *Policy, q *Ask) { change(q.Facts.Container) }
	}
	asks := func(change func(*Ask)) func(*Policy, *Ask) { return func(_ *Policy, q *Ask) { change(q) } }
	killed := func(ago time.Duration, running bool) func(*Policy, *Ask) {
		return asks(func(q *Ask) { q.Facts.KilledAt, q.Facts.Container.Running = noon.Add(-ago), running })
	}
	oursEnded := func(q *Ask) {
		q.Ledger.Enter(&Remediation{Status: Failed, ContainerID: "c1", StartedBefore: started, OrderedAt: noon.Add(-time.Hour)})
	}
	triedInVain := func(q *Ask) {
		q.Ledger.Enter(&Remediation{Status: Failed, ContainerID: "c1", StartedBefore: started, OrderedAt: noon.Add(-30 * time.Minute), EndedAt: noon.Add(-29 * time.Minute)})
	}
	failedBefore := func(q *Ask) {
		q.Rung, q.SeenAt = 1, noon.Add(-2*time.Hour)
		q.Ledger.Enter(&Remediation{Status: Failed, ContainerID: "c1", OrderedAt: noon.Add(-time.Hour), StartedAfter: started})
	}
	for name, c := range map[string]struct {
		given  func(*Policy, *Ask)
		policy string
		person string
		until  time.Duration // of what the policy is told; 0: none
	}{
		"all is well":                            {asks(func(*Ask) {}), "", "", 0},
		"off":                                    {func(p *Policy, _ *Ask) { p.Mode = Off }, "mode_off", "", 0},
		"a target that is no name":               {asks(func(q *Ask) { q.Container = "../x" }), "bad_target", "bad_target", 0},
		"gone":                                   {asks(func(q *Ask) { q.Facts.Container = nil }), "no_container", "no_container", 0},
		"ourselves, whatever the list":           {sees(func(c *Container) { c.Self, c.Labelled = true, true }), "ourselves", "ourselves", 0},
		"another name than the list's":           {sees(func(c *Container) { c.Name = "prefix" }), "not_allowed", "not_allowed", 0},
		"admitted by its label":                  {sees(func(c *Container) { c.Name, c.Labelled = "other", true }), "", "", 0},
		"not on the list, before anybody looked": {asks(func(q *Ask) { q.Container, q.Facts = "other", nil }), "not_allowed", "not_allowed", 0},
		"not severe enough": {func(p *Policy, _ *Ask) {
			rule := p.Rules[TickerSyncTimeout]
			rule.MinSeverity = Critical
			p.Rules[TickerSyncTimeout] = rule
		}, "below_severity", "", 0},
		"silenced":                                    {asks(func(q *Ask) { q.Silenced = Reason{Code: "silenced", Until: noon.Add(time.Hour)} }), "silenced", "", time.Hour},
		"under way":                                   {asks(func(q *Ask) { q.Ledger = active(Remediation{RequestedAt: noon}) }), "under_way", "under_way", 5 * time.Minute},
		"no step left":                                {asks(func(q *Ask) { q.Action = NoAction }), "ladder_end", "", 0},
		"the brake holds":                             {asks(func(q *Ask) { q.Brake = &Brake{Until: noon.Add(time.Minute)} }), "brake", "", time.Minute},
		"the brake was on":                            {asks(func(q *Ask) { q.Brake = &Brake{Until: noon} }), "", "", 0},
		"the third container within a minute":         {asks(func(q *Ask) { q.Brake = &Brake{Recent: []string{"a", "b"}} }), "brake", "", 10 * time.Minute},
		"the second":                                  {asks(func(q *Ask) { q.Brake = &Brake{Recent: []string{"a"}} }), "", "", 0},
		"one of the two once more":                    {asks(func(q *Ask) { q.Brake = &Brake{Recent: []string{"a", service}} }), "", "", 0},
		"out of budget":                               {asks(func(q *Ask) { q.Ledger = restarted(30*time.Minute, 20*time.Minute, 10*time.Minute) }), "budget", "", 30 * time.Minute},
		"cooling down":                                {asks(func(q *Ask) { q.Ledger = restarted(time.Minute) }), "cooldown", "", 4 * time.Minute},
		"somebody is stopping it":                     {killed(5*time.Second, true), "in_hand_of_person", "in_hand_of_person", 15 * time.Second},
		"it did not heed a signal":                    {killed(20*time.Second, true), "", "", 0},
		"a signal of the run before":                  {killed(2*time.Hour, true), "", "", 0},
		"somebody stopped it":                         {killed(time.Minute, false), "stopped_by_person", "", 0},
		"somebody stopped it, the watch knows":        {asks(func(q *Ask) { q.Facts.Ordered, q.Facts.Container.Running = true, false }), "stopped_by_person", "", 0},
		"we stopped it":                               {asks(func(q *Ask) { killed(time.Minute, false)(nil, q); oursEnded(q); q.Rung = 1 }), "", "", 0},
		"we are stopping it":                          {asks(func(q *Ask) { killed(time.Second, true)(nil, q); oursEnded(q) }), "", "", 0},
		"somebody stops it, after we tried in vain":   {asks(func(q *Ask) { killed(time.Second, true)(nil, q); triedInVain(q) }), "in_hand_of_person", "in_hand_of_person", 19 * time.Second},
		"somebody stopped it, after we tried in vain": {asks(func(q *Ask) { killed(time.Minute, false)(nil, q); triedInVain(q); q.Rung = 1 }), "stopped_by_person", "", 0},
		"paused":                                      {sees(func(c *Container) { c.Paused = true }), "paused", "", 0},
		"down by itself":                              {sees(func(c *Container) { c.Running = false }), "not_running", "", 0},
		"down after a restart that failed":            {asks(func(q *Ask) { q.Facts.Container.Running, q.Rung = false, 1 }), "", "", 0},
		"down, to be started":                         {asks(func(q *Ask) { q.Facts.Container.Running, q.Action = false, Start }), "", "", 0},
		"its health check is starting":                {sees(func(c *Container) { c.Health, c.StartedAt = Starting, noon.Add(-time.Minute) }), "starting", "", 2 * time.Minute},
		"its health check starts for ever":            {sees(func(c *Container) { c.Health, c.StartedAt = Starting, noon.Add(-3*time.Minute) }), "", "", 0},
		"somebody restarted it":                       {sees(func(c *Container) { c.StartedAt = noon.Add(-10 * time.Second) }), "starting", "", 20 * time.Second},
		"somebody restarted it a while ago":           {sees(func(c *Container) { c.StartedAt = noon.Add(-30 * time.Second) }), "", "", 0},
		"started, and the clock was set back since":   {sees(func(c *Container) { c.StartedAt, c.FinishedAt = noon.Add(10*time.Minute), noon.Add(9*time.Minute) }), "", "", 0},
		"signalled, and the clock was set back since": {killed(-10*time.Minute, true), "", "", 0},
		"started just after the engine was asked":     {sees(func(c *Container) { c.StartedAt = noon.Add(time.Second) }), "starting", "", 31 * time.Second},
		"its first start":                             {sees(func(c *Container) { c.StartedAt, c.FinishedAt = noon.Add(-time.Second), time.Time{} }), "", "", 0},
		"a restart of ours has a cooldown": {asks(func(q *Ask) {
			q.Facts.Container.StartedAt = noon.Add(-10 * time.Second)
			q.Ledger.Enter(&Remediation{Status: Failed, ContainerID: "c1", OrderedAt: noon.Add(-time.Hour), StartedAfter: noon.Add(-10 * time.Second)})
		}), "", "", 0},
		"well by now, after a step that failed": {asks(func(q *Ask) { failedBefore(q) }), "symptom_gone", "", 0},
		"well by now, and an event since":       {asks(func(q *Ask) { failedBefore(q); q.SeenAt = noon }), "", "", 0},
		"well by now, but for the watch":        {asks(func(q *Ask) { failedBefore(q); q.Symptom = SymptomStays }), "", "", 0},
		"still ill after a step that failed":    {asks(func(q *Ask) { failedBefore(q); q.Facts.Container.Health = Unhealthy }), "", "", 0},
		"a person restarted it since the event": {asks(func(q *Ask) { q.SeenAt = started.Add(-time.Minute) }), "symptom_gone", "", 0},
		"the same, by another clock": {asks(func(q *Ask) {
			q.SeenAt, q.Facts.Now, q.Facts.Container.StartedAt = started.Add(-time.Minute), noon.Add(time.Hour), started.Add(time.Hour)
		}), "symptom_gone", "", 0},
		"the same, and the watch complains":     {asks(func(q *Ask) { q.SeenAt, q.Symptom = started.Add(-time.Minute), SymptomStays }), "", "", 0},
		"the same, and it is not well":          {asks(func(q *Ask) { q.SeenAt, q.Facts.Container.Health = started.Add(-time.Minute), Unhealthy }), "", "", 0},
		"told with its start":                   {asks(func(q *Ask) { q.SeenAt = started.Add(-time.Second) }), "", "", 0},
		"an event of the run":                   {asks(func(q *Ask) { q.SeenAt = started.Add(time.Minute) }), "", "", 0},
		"that it restarts is what is wrong":     {asks(func(q *Ask) { q.Type, q.Facts.Container.StartedAt = ContainerRestarting, noon.Add(-time.Second) }), "", "", 0},
		"dry-run":                               {func(p *Policy, _ *Ask) { p.Mode = DryRun }, "dry_run", "dry_run", 0},
		"dry-run, before anybody looked":        {func(p *Policy, q *Ask) { p.Mode, q.Facts = DryRun, nil }, "", "", 0},
		"the worst first: gone, and no step":    {asks(func(q *Ask) { q.Action, q.Facts.Container = NoAction, nil }), "no_container", "no_container", 0},
		"silenced and dry: what would not have": {func(p *Policy, q *Ask) { p.Mode, q.Silenced = DryRun, Reason{Code: "silenced"} }, "silenced", "dry_run", 0},
	} {
		t.Run(name, func(t *testing.T) {
			for by, want := range map[string]string{policy: c.policy, person: c.person} {
				container := good
				p := testPolicy()
				q := Ask{Type: TickerSyncTimeout, Severity: Error, Action: Restart, Container: service, By: by, Facts: &Facts{Container: &container, Now: noon}, Now: noon}
				c.given(p, &q)
				why := p.Guard(q)
				require.Equal(t, want, why.Code, "asked by %q", by)
				if by == policy && c.until != 0 {
					assert.Equal(t, noon.Add(c.until), why.Until)
				}
				if why.Code != "" {
					assert.NotContains(t, why.Text(Chinese, noon), "{", "%s has a sentence", why.Code)
				}
			}
		})
	}
}

// Every guard of the list is one that the table above meets.
func TestEveryGuardHasAReasonInBothLanguages(t *testing.T) {
	for _, g := range guards {
		words, known := reasonWords[g.code]
		require.True(t, known, g.code)
		assert.NotEmpty(t, words[0], g.code)
		assert.NotEmpty(t, words[1], g.code)
	}
}

func TestTheBrakeNamesWhatItHolds(t *testing.T) {
	p := testPolicy()
	b := Brake{Host: "h", HostName: "trading-1", Recent: []string{"b", "a"}}
	why := Reason{Code: "brake", Until: noon.Add(10 * time.Minute)}
	b = b.Engage(why, "c", noon)
	assert.True(t, b.Engaged(noon))
	assert.False(t, b.Engaged(why.Until))
	assert.Equal(t, []string{"a", "b", "c"}, b.Containers)
	ev := b.Event(p, false)
	assert.Equal(t, Critical, ev.Severity)
	assert.Contains(t, ev.Message, "a, b, c")
	assert.True(t, b.Event(p, true).Resolved)
}

func TestEvidence(t *testing.T) {
	c := &Container{
		Running: true, StartedAt: noon.Add(-3 * time.Hour), Health: Unhealthy, RestartCount: 2, ExitCode: 137, OOMKilled: true,
		Probes: []Probe{{Output: "old"}, {Output: "token=abcdef123456 refused", ExitCode: 1}},
	}
	lines := []string{"first", "password: hunter2hunter2"}
	e := TakeEvidence(c, lines, "", noon)
	assert.Equal(t, []string{"first", "password: ***"}, e.Lines)
	assert.Equal(t, "token=*** refused", e.Probes[1].Output)
	assert.Equal(t, "运行中 3小时，曾因内存不足被终止（OOM），健康检查 unhealthy，重启策略已重启 2 次", e.Summary(Chinese))
	assert.Equal(t, []string{"token=*** refused", "password: ***"}, e.LastLines(1))
	c.Running = false
	assert.Equal(t, "not running, exit code 137, killed for want of memory (OOM), health unhealthy, restarted 2 times by its restart policy", TakeEvidence(c, nil, "x", noon).Summary(English))
	var many []string
	for range 80 {
		many = append(many, "line")
	}
	assert.Len(t, TakeEvidence(c, many, "", noon).Lines, EvidenceLines)
}
