package alerting

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// restarted is a ledger of restarts by the policy, so long ago, for alert 7.
func restarted(ago ...time.Duration) (l Ledger) {
	for i, d := range ago {
		l.Enter(&Remediation{
			ID: int64(i + 1), AlertID: 7, Fingerprint: Fingerprint(TickerSyncTimeout, service), Action: Restart, Container: service,
			Status: Failed, Rung: i, OrderedAt: noon.Add(-d), EndedAt: noon.Add(-d),
		})
	}
	return l
}

// tried is a ledger of one request that the engine's facts forbade.
func tried(ago time.Duration, why Reason) (l Ledger) {
	l.Enter(&Remediation{ID: 1, Container: service, Status: Skipped, Reason: why, EndedAt: noon.Add(-ago)})
	return l
}

// ranAlready is a ledger of a start that was not needed, and of no use.
func ranAlready(ago time.Duration) (l Ledger) {
	l.Enter(&Remediation{ID: 1, AlertID: 7, Action: Start, Container: service, Status: Failed, Reason: Reason{Code: "not_stable"}, RequestedAt: noon.Add(-ago), StartedAfter: noon.Add(-ago), EndedAt: noon})
	return l
}

func active(r Remediation) (l Ledger) {
	r.Status = Requested
	l.Enter(&r)
	return l
}

func rearmed(l Ledger, ago time.Duration) Ledger {
	l.Rearmed = noon.Add(-ago)
	return l
}

func TestBudgetAndCooldown(t *testing.T) {
	g := Guard{Cooldown: 5 * time.Minute, Budget: 3, Per: time.Hour}
	slower := g
	slower.Backoff = 2
	refused := Reason{Code: "not_running"}
	for name, c := range map[string]struct {
		ledger Ledger
		guard  Guard
		by     string
		code   string
		until  time.Duration
	}{
		"nothing happened":                       {restarted(), g, "", "", 0},
		"one is under way":                       {active(Remediation{RequestedAt: noon.Add(-time.Minute)}), g, "", "under_way", 4 * time.Minute},
		"one is under way, ordered later":        {active(Remediation{RequestedAt: noon.Add(-time.Minute), OrderedAt: noon}), g, "", "under_way", 5 * time.Minute},
		"one is under way and a person asks":     {active(Remediation{RequestedAt: noon}), g, "li", "under_way", 0},
		"within the cooldown":                    {restarted(5*time.Minute - 1), g, "", "cooldown", 1},
		"when the cooldown ends":                 {restarted(5 * time.Minute), g, "", "", 0},
		"within the cooldown a person may":       {restarted(time.Minute), g, "li", "", 0},
		"re-armed, there is no cooldown":         {rearmed(restarted(time.Minute), time.Second), g, "", "", 0},
		"what was tried cools down too":          {tried(time.Minute, refused), g, "", "cooldown", 4 * time.Minute},
		"what ends by itself, until it does":     {tried(time.Second, Reason{Code: "starting", Until: noon.Add(9 * time.Second)}), g, "", "starting", 9 * time.Second},
		"what has ended by itself":               {tried(time.Minute, Reason{Code: "starting", Until: noon}), g, "", "", 0},
		"what ran already and failed cools down": {ranAlready(time.Minute), g, "", "cooldown", 4 * time.Minute},
		"two of three":                           {restarted(50*time.Minute, 20*time.Minute), g, "", "", 0},
		"three of three":                         {restarted(50*time.Minute, 20*time.Minute, 10*time.Minute), g, "", "budget", 10 * time.Minute},
		"three of three, and re-armed since":     {rearmed(restarted(50*time.Minute, 20*time.Minute, 10*time.Minute), time.Minute), g, "", "", 0},
		"re-armed, and three since":              {rearmed(restarted(50*time.Minute, 20*time.Minute, 10*time.Minute), 51*time.Minute), g, "", "budget", 10 * time.Minute},
		"four, from people":                      {restarted(50*time.Minute, 40*time.Minute, 20*time.Minute, 10*time.Minute), g, "", "budget", 20 * time.Minute},
		"the budget comes before the cooldown":   {restarted(50*time.Minute, 20*time.Minute, time.Minute), g, "", "budget", 10 * time.Minute},
		"the oldest just left":                   {restarted(time.Hour, 20*time.Minute, 10*time.Minute), g, "", "", 0},
		"beyond the budget a person may":         {restarted(3, 2, 1), g, "li", "", 0},
		"a cooldown longer than the budget's":    {restarted(2 * time.Hour), Guard{Cooldown: 3 * time.Hour, Budget: 1, Per: time.Hour}, "", "cooldown", time.Hour},
		"the first wait of a back-off":           {restarted(4 * time.Minute), slower, "", "cooldown", time.Minute},
		"the second is twice as long":            {restarted(20*time.Minute, 6*time.Minute), slower, "", "cooldown", 4 * time.Minute},
		"after a quiet hour it is short again":   {restarted(70*time.Minute, 6*time.Minute), slower, "", "", 0},
		"no budget at all":                       {restarted(), Guard{}, "", "budget", 0},
		"no budget at all, and one in the past":  {restarted(0), Guard{Per: time.Hour}, "", "budget", 0},
		"no budget at all is no person's matter": {restarted(), Guard{}, "li", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPolicy(func(p *Policy) {
				rule := p.Rules[TickerSyncTimeout]
				rule.Guard = c.guard
				p.Rules[TickerSyncTimeout] = rule
			})
			why := p.Guard(Ask{Type: TickerSyncTimeout, Action: Restart, Container: service, By: c.by, Ledger: c.ledger, Now: noon})
			require.Equal(t, c.code, why.Code)
			if c.until != 0 {
				assert.Equal(t, noon.Add(c.until), why.Until)
			}
			if c.by != "" {
				assert.Zero(t, why.Until, "no cooldown holds a person, and when the other one ends is not known")
			}
		})
	}
}

// Whoever obeys the guards never restarts more often than the policy says.
func TestTheGuardsKeepTheBudget(t *testing.T) {
	for _, backoff := range []float64{1, 1.5} {
		random := rand.New(rand.NewPCG(1, 1))
		p := testPolicy(func(p *Policy) {
			rule := p.Rules[TickerSyncTimeout]
			rule.Guard.Backoff = backoff
			p.Rules[TickerSyncTimeout] = rule
		})
		g := p.Rule(TickerSyncTimeout).Guard
		var l Ledger
		for now := noon; now.Before(noon.Add(48 * time.Hour)); now = now.Add(time.Duration(random.IntN(120)) * time.Second) {
			if p.Guard(Ask{Type: TickerSyncTimeout, Action: Restart, Container: service, Ledger: l, Now: now}).IsZero() {
				l.Enter(&Remediation{Status: Failed, OrderedAt: now, EndedAt: now})
			}
		}
		require.Greater(t, len(l.Past), 100)
		for i := 1; i < len(l.Past); i++ {
			require.GreaterOrEqual(t, l.Past[i].OrderedAt.Sub(l.Past[i-1].OrderedAt), g.Cooldown)
			if i >= g.Budget {
				require.GreaterOrEqual(t, l.Past[i].OrderedAt.Sub(l.Past[i-g.Budget].OrderedAt), g.Per)
			}
		}
	}
}

// What a dry run would have done holds the dry run back as the deed would have,
// and nothing once the mode is auto.
func TestADryRunCountsInADryRunOnly(t *testing.T) {
	ledger := tried(time.Minute, Reason{Code: "dry_run"})
	for mode, code := range map[Mode]string{DryRun: "cooldown", Auto: ""} {
		p := testPolicy(func(p *Policy) { p.Mode = mode })
		require.Equal(t, code, p.Guard(Ask{Type: TickerSyncTimeout, Action: Restart, Container: service, Ledger: ledger, Now: noon}).Code, mode)
	}
}

func TestTheLadder(t *testing.T) {
	ladder := []Action{Restart, Restart, Escalate}
	p := testPolicy(func(p *Policy) {
		rule := p.Rules[TickerSyncTimeout]
		rule.Ladder, rule.Guard.Budget = ladder, 10
		p.Rules[TickerSyncTimeout] = rule
	})
	fromPeople := restarted(30*time.Minute, 20*time.Minute)
	for i := range fromPeople.Past {
		fromPeople.Past[i].RequestedBy = "li"
	}
	other := restarted(30*time.Minute, 20*time.Minute)
	for i := range other.Past {
		other.Past[i].AlertID = 6
	}
	for name, c := range map[string]struct {
		ledger Ledger
		remedy string
		rung   int
	}{
		"the first step":                  {Ledger{}, "requested", 0},
		"the second":                      {restarted(30 * time.Minute), "requested", 1},
		"people are asked":                {restarted(30*time.Minute, 20*time.Minute), "ladder_end", 2},
		"a person's orders are no steps":  {fromPeople, "requested", 0},
		"another incident's are not ours": {other, "requested", 0},
	} {
		change, _ := Decide(State{Alert: opened(p, time.Minute), Ledger: c.ledger}, event(), p, nil, noon)
		require.Equal(t, c.remedy, change.Decision.Remedy.Code, name)
		assert.Equal(t, c.rung, change.Remediation.Rung, name)
	}
	last := restarted(2 * time.Minute)
	last.Last = &Remediation{ID: 1, Status: Succeeded, Rung: 1, Action: Restart, Fingerprint: Fingerprint(TickerSyncTimeout, service), EndedAt: noon.Add(-time.Minute)}
	change, _ := Decide(State{Ledger: last}, event(), p, nil, noon)
	require.NotNil(t, change.Disproved)
	assert.Equal(t, "ladder_end", change.Decision.Remedy.Code, "a success that did not last was a step")
}

func TestAFailureClimbsWithoutAnotherEvent(t *testing.T) {
	for name, c := range map[string]struct {
		ladder []Action
		rung   int
		status RemediationStatus
		by     string
		again  bool
	}{
		"again and again":         {nil, 0, Failed, "", true},
		"a step is left":          {[]Action{Restart, Stop}, 0, Failed, "", true},
		"no step is left":         {[]Action{Restart, Stop}, 1, Failed, "", false},
		"the next asks people":    {[]Action{Restart, Escalate}, 0, Failed, "", false},
		"not known":               {nil, 0, UnknownOutcome, "", false},
		"it helped":               {nil, 0, Succeeded, "", false},
		"a person's own decision": {nil, 0, Failed, "li", false},
	} {
		p := testPolicy(func(p *Policy) {
			rule := p.Rules[TickerSyncTimeout]
			rule.Ladder = c.ladder
			p.Rules[TickerSyncTimeout] = rule
		})
		ordered := noon.Add(-time.Minute)
		change := Settle(State{Alert: opened(p, time.Minute)}, Remediation{Status: c.status, Rung: c.rung, RequestedBy: c.by, OrderedAt: ordered}, p, nil, noon)
		want := time.Time{}
		if c.again {
			want = ordered.Add(5 * time.Minute)
		}
		assert.Equal(t, want, change.Alert.RecheckAt, name)
	}
	p := testPolicy()
	change := Settle(State{Alert: opened(p, time.Minute)}, Remediation{Action: Start, Status: Failed, Reason: Reason{Code: "not_stable"}, RequestedAt: noon, StartedAfter: noon, EndedAt: noon}, p, nil, noon)
	assert.Equal(t, noon.Add(5*time.Minute), change.Alert.RecheckAt, "nothing was ordered: not at once, and again, and again")
	old := restarted(6 * time.Minute)
	change = Recheck(State{Alert: opened(p, time.Hour), Ledger: old}, p, nil, noon)
	assert.Equal(t, "requested", change.Decision.Remedy.Code, "that it failed is reason enough")
	change = Recheck(State{Alert: opened(p, time.Hour), Symptom: SymptomStays}, p, nil, noon)
	assert.Equal(t, "requested", change.Decision.Remedy.Code, "and so is a watch")
}
