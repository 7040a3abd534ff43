package alerting

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestABreakerIsOpenWhileItsBudgetIsSpent(t *testing.T) {
	g := Guard{Budget: 2, Per: time.Hour}
	done := func(ago time.Duration) Remediation {
		return Remediation{AlertID: int64(ago / time.Minute), Container: "c", Status: Failed, OrderedAt: noon.Add(-ago)}
	}
	for name, tc := range map[string]struct {
		ledger Ledger
		guard  Guard
		want   *Breaker
	}{
		"never acted":            {Ledger{}, g, nil},
		"never acted, no budget": {Ledger{}, Guard{}, nil},
		"one of two":             {Ledger{Past: []Remediation{done(time.Minute)}}, g, nil},
		"one is too old":         {Ledger{Past: []Remediation{done(time.Hour), done(time.Minute)}}, g, nil},
		"spent":                  {Ledger{Past: []Remediation{done(50 * time.Minute), done(time.Minute)}}, g, &Breaker{"c", 2, 2, time.Hour, noon.Add(10 * time.Minute), 1}},
		"a person had more":      {Ledger{Past: []Remediation{done(50 * time.Minute), done(40 * time.Minute), done(time.Minute)}}, g, &Breaker{"c", 3, 2, time.Hour, noon.Add(20 * time.Minute), 1}},
		"re-armed between":       {Ledger{Past: []Remediation{done(50 * time.Minute), done(time.Minute)}, Rearmed: noon.Add(-30 * time.Minute)}, g, nil},
		"no budget at all":       {Ledger{Past: []Remediation{done(2 * time.Hour)}}, Guard{}, &Breaker{Container: "c", AlertID: 120}},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tc.want, tc.ledger.Breaker(tc.guard, Auto, noon)) })
	}
}

func TestTheLongestBreakerCounts(t *testing.T) {
	ever, long, short := &Breaker{}, &Breaker{Until: noon.Add(time.Hour)}, &Breaker{Until: noon}
	assert.True(t, short.Longer(nil))
	assert.True(t, long.Longer(short))
	assert.False(t, short.Longer(long))
	assert.True(t, ever.Longer(long))
	assert.False(t, long.Longer(ever))
}

func TestWhatReArmingPutsInQuestion(t *testing.T) {
	for code, want := range map[string]bool{"budget": true, "cooldown": true, "brake": false, "not_allowed": false, "ladder_end": false, "dry_run": false} {
		r := Remediation{Status: Skipped, Reason: Reason{Code: code}}
		assert.Equal(t, want, r.AwaitsRearm(), code)
	}
	for status, want := range map[RemediationStatus]bool{Failed: true, UnknownOutcome: false, Succeeded: false, Requested: false, Running: false, Verifying: false} {
		r := Remediation{Status: status, Reason: Reason{Code: "budget"}}
		assert.Equal(t, want, r.AwaitsRearm(), status)
	}
}

// After the line of a re-arming the same refusal is news, and is told.
func TestDecidedAgainAtOnce(t *testing.T) {
	p := testPolicy()
	a := opened(p, time.Minute)
	a.Trail = TrailEnd{Seq: 3, Code: "event|told|budget"}
	c := DecideAgain(*a, Reason{Code: "rearmed", Detail: "li"}, noon)
	assert.Equal(t, noon, c.Alert.RecheckAt)
	assert.Equal(t, noon, c.Alert.UpdatedAt)
	assert.Equal(t, 4, c.Decision.Seq)
	assert.Equal(t, "rearmed", c.Alert.Trail.remedyCode())
	assert.Nil(t, c.Remediation)
	assert.Empty(t, c.Notifications)
}

func TestTheLedgerOfDryRunsAddsUp(t *testing.T) {
	var l DryRunLedger
	for _, status := range append([]AlertStatus{"BY_HAND"}, Statuses...) {
		for bits := range 16 {
			l.Enter(DryRunAlert{Status: status, WouldAct: bits&1 > 0, Acted: bits&2 > 0, Handled: bits&4 > 0, Closed: bits&8 > 0})
		}
	}
	assert.Equal(t, DryRunLedger{WouldAct: 16, RecoveredByItself: 1, HandledByPerson: 3, StillOpen: 12}, l)
	assert.Equal(t, l.WouldAct, l.RecoveredByItself+l.HandledByPerson+l.StillOpen)
}

// rehearsed is a dry run about a container that is on the list.
func rehearsed(change func(*Policy, *Alert)) Rehearsal {
	p, a := DefaultPolicy(), &Alert{ID: 1, Type: TickerSyncTimeout, Service: "svc", Severity: Error}
	p.Containers = []string{"svc"}
	if change != nil {
		change(&p, a)
	}
	return Rehearse(State{Alert: a}, "li", p, noon)
}

func runs(running bool) Facts {
	return Facts{Now: noon, Container: &Container{ID: "id", Name: "svc", Running: running, StartedAt: noon.Add(-time.Hour), FinishedAt: noon.Add(-time.Minute)}}
}

func TestARehearsalIsDecidedAsTheOrder(t *testing.T) {
	down := func(p *Policy, a *Alert) { a.Type = ContainerDown }
	for name, tc := range map[string]struct {
		change func(*Policy, *Alert)
		facts  Facts
		action Action
		code   string
	}{
		"restart what runs":              {nil, runs(true), Restart, ""},
		"restart what is down, on order": {nil, runs(false), Restart, ""},
		"start what is down":             {down, runs(false), Start, ""},
		"start what runs":                {down, runs(true), Start, "runs_already"},
		"there is none":                  {nil, Facts{Now: noon}, Restart, "no_container"},
		"in a dry run":                   {func(p *Policy, _ *Alert) { p.Mode = DryRun }, runs(true), Restart, "dry_run"},
		"with the mode off":              {func(p *Policy, _ *Alert) { p.Mode = Off }, runs(true), Restart, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := rehearsed(tc.change)
			require.True(t, r.Reason.IsZero())
			require.True(t, r.Asks(Host{}))
			r = r.With(tc.facts)
			assert.Equal(t, tc.action, r.Action)
			assert.Equal(t, tc.code, r.Reason.Code)
			assert.NotNil(t, r.Facts)
		})
	}
}

func TestARehearsalAsksOnlyTheRightEngine(t *testing.T) {
	here := Host{ID: "one", Name: "one"}
	stranger := rehearsed(func(_ *Policy, a *Alert) { a.Service = "stranger" })
	assert.False(t, stranger.Asks(here))
	plain := rehearsed(func(_ *Policy, a *Alert) { a.Type = "DISK_FULL" })
	assert.Equal(t, "no_action", plain.Reason.Code)
	assert.False(t, plain.Asks(here))
	r := rehearsed(nil)
	assert.True(t, r.Asks(here), "it may be the only one")
	has := func(h Host, names ...string) Runner {
		return Runner{Owner: h.ID, Host: h, Reachable: true, SeenAt: noon, Containers: names}
	}
	two := Host{ID: "two", Name: "two"}
	elsewhere := r.Among([]Runner{has(here), has(two, "svc")})
	assert.Equal(t, two, elsewhere.Host)
	assert.False(t, elsewhere.Asks(here))
	ours := r.Among([]Runner{has(here, "svc"), has(two)})
	assert.True(t, ours.Asks(here))
	both := r.Among([]Runner{has(here, "svc"), has(two, "svc")})
	assert.Equal(t, Reason{Code: "two_hosts", Detail: "one, two"}, both.Reason)
	assert.False(t, both.Asks(here))
	named := rehearsed(func(p *Policy, _ *Alert) {
		rule := p.Rules[TickerSyncTimeout]
		rule.Host = "two"
		p.Rules = map[string]Rule{TickerSyncTimeout: rule}
	})
	chosen := named.Among([]Runner{has(here, "svc"), has(two, "svc")})
	assert.Equal(t, []any{two, true}, []any{chosen.Host, chosen.Reason.IsZero()})
	absent := named.Among([]Runner{has(here, "svc"), has(two)})
	assert.False(t, absent.Asks(here), "the policy says where")
}

func TestARehearsalIsSaidInBothLanguages(t *testing.T) {
	r := rehearsed(nil)
	assert.Equal(t, "演练：将会重启容器 svc；执行时才询问 Docker", r.Text(Chinese))
	assert.Equal(t, "dry run: would restart container svc; Docker is asked when it is done", r.Text(English))
	away := r.Without("refused")
	assert.Equal(t, "dry run: nothing would be done: Docker cannot be reached: refused", away.Text(English))
	known := r.With(runs(true))
	assert.Equal(t, "演练：将会重启容器 svc", known.Text(Chinese))
	gone := r.With(Facts{Now: noon})
	assert.Equal(t, "演练：不会处置：容器 svc 不存在", gone.Text(Chinese))
	elsewhere := gone.Without("refused")
	assert.Equal(t, "no_container", elsewhere.Reason.Code, "a refusal that is known stays")
	r.Host = Host{ID: "two", Name: "two"}
	assert.Equal(t, "dry run: would restart container svc; the host two asks Docker when it is done", r.Text(English))
}
