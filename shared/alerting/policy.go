package alerting

import (
	"slices"
	"time"
)

// Action is what may be done to a container.
type Action string

const (
	NoAction Action = "none"
	Restart  Action = "restart"
	Start    Action = "start"
	Stop     Action = "stop"
	// Escalate is the step of a ladder that leaves it to people.
	Escalate Action = "escalate"
)

// Mode says how far remediation may go.
type Mode string

const (
	Auto   Mode = "auto"    // act
	DryRun Mode = "dry-run" // decide and record, touch nothing
	Off    Mode = "off"     // do not even decide
)

// TickerSyncTimeout and ContainerDown are the guide's alert types.
const (
	TickerSyncTimeout = "TICKER_SYNC_TIMEOUT"
	ContainerDown     = "CONTAINER_DOWN"
)

// Policy is everything that shapes a decision and is not stored: one value,
// replaced as a whole.
type Policy struct {
	Mode       Mode
	Containers []string // the allow-list, exact names
	// Elsewhere are the containers that runners on other hosts may act upon: what
	// happens to them may be requested here, and is done by them, by their own list.
	Elsewhere []string
	Fallback  Secret // WECHAT_WEBHOOK_URL
	Language  Language
	Location  *time.Location // what people's clocks show

	IncidentGap time.Duration // this long without an event ends an incident
	Repeat      time.Duration // between words while events go on
	ChangedWord time.Duration // the same, when the words changed
	Rules       map[string]Rule
	Default     Rule // for types without a rule
	Brake       BrakeRule

	Logs       []LogRule              // whose logs are watched
	Heartbeats []HeartbeatDeclaration // that are expected, beside those that pings declare
}

// Rule is the policy of one alert type.
type Rule struct {
	Action   Action    // by itself, again and again; with a ladder its first step
	Ladder   []Action  // one step for each remediation of an incident; empty: Action
	Manual   Action    // when a person asks
	Target   string    // the container to act on; empty: the one that the service name names
	Labels   []string  // metadata keys that are part of the identity
	Groups   []string  // names or numbers of the groups to tell; empty: those that want the type
	Mentions []Mention // whom messages mention
	// Escalation is who is told when nobody acknowledges: at most MaxSteps, each
	// later than the one before.
	Escalation []EscalationStep
	Repeat     time.Duration // between words while events go on; 0: as Policy.Repeat; Never
	Guard      Guard         // when the action is held back
	// MinSeverity: events below it are told, and nothing is done; empty: all count.
	MinSeverity Severity
	Host        string        // the id or name of the engine, where several have a container of that name
	Verify      Verify        // what proves that it worked
	Symptom     time.Duration // how long one event proves the symptom
}

// Guard holds an action back.
type Guard struct {
	Cooldown   time.Duration // after a restart of the container
	Budget     int           // restarts of the container …
	Per        time.Duration // … within this time
	Backoff    float64       // by which the cooldown grows with each restart within Per; up to 1: it does not
	StartGrace time.Duration // after a container was started again, by others
	EngineWait time.Duration // how long a request waits for an unreachable engine
}

// Verify says what proves a recovery.
type Verify struct {
	Stable  time.Duration // without a health check: running this long
	Healthy time.Duration // with one: healthy within this …
	Steady  time.Duration // … and running this long
}

// Never is a Rule.Repeat that does not come: time alone brings no further word.
const Never time.Duration = -1

// RepeatOf is the time between two words about an alert of a type while events
// go on, or Never.
func (p *Policy) RepeatOf(alertType string) time.Duration {
	if own := p.Rule(alertType).Repeat; own != 0 {
		return own
	}
	return p.Repeat
}

// Step is what a ladder's step does; NoAction: people are asked.
func (r Rule) Step(rung int) Action {
	switch {
	case len(r.Ladder) == 0:
		return r.Action
	case rung >= len(r.Ladder) || r.Ladder[rung] == Escalate:
		return NoAction
	}
	return r.Ladder[rung]
}

// DefaultPolicy is DESIGN §3: what holds without any policy file.
func DefaultPolicy() Policy {
	rule := Rule{
		Action:  NoAction,
		Manual:  NoAction,
		Guard:   Guard{Cooldown: 5 * time.Minute, Budget: 3, Per: time.Hour, Backoff: 1, StartGrace: 30 * time.Second, EngineWait: 2 * time.Minute},
		Verify:  Verify{Stable: 30 * time.Second, Healthy: 3 * time.Minute},
		Symptom: 5 * time.Minute, // threshold 3 min + interval 60 s + 60 s
	}
	ticker, down, ill := rule, rule, rule
	ticker.Action, ticker.Manual = Restart, Restart
	down.Manual = Start  // it does not run
	ill.Manual = Restart // it does
	unwell := ill
	// Longer than a check of Docker's default takes to fail: three probes, 30 s
	// apart, after 91 s.
	unwell.Verify.Steady = 2 * time.Minute
	return Policy{
		Mode:        Auto,
		Containers:  []string{"aifuturetrade-async-service"},
		Language:    Chinese,
		Location:    time.FixedZone("Asia/Shanghai", 8*3600),
		IncidentGap: 30 * time.Minute,
		Repeat:      30 * time.Minute,
		ChangedWord: 5 * time.Minute,
		Rules: map[string]Rule{
			TickerSyncTimeout: ticker,
			ContainerDown:     down, ContainerStopped: down, ContainerOOM: down,
			ContainerUnhealthy: unwell, ContainerRestarting: ill,
		},
		Default: rule,
		Brake:   BrakeRule{Containers: 3, Per: time.Minute, Hold: 10 * time.Minute},
	}
}

// Rule gives the rule of an alert type.
func (p *Policy) Rule(alertType string) Rule {
	if rule, ok := p.Rules[alertType]; ok {
		return rule
	}
	rule := p.Default
	if slices.Contains(ownAlarms, alertType) {
		rule.Action, rule.Ladder, rule.Manual = NoAction, nil, NoAction // there is nothing to restart
	}
	return rule
}

// Target is the container that the remediation of an alert touches: the one that
// the rule names, whatever an event says, else the one that the service names.
func (p *Policy) Target(alertType, service string) string {
	if target := p.Rule(alertType).Target; target != "" {
		return target
	}
	return service
}

// Admits tells whether the container may be acted upon: the list names it, or its
// own label admits it.
func (p *Policy) Admits(c *Container) bool { return p.Lists(c.Name) || c.Labelled }

// Lists tells whether the allow-list names the container.
func (p *Policy) Lists(container string) bool {
	return slices.Contains(p.Containers, container)
}

// Reaches tells whether the list here, or that of another host, names the
// container: something may be requested for it.
func (p *Policy) Reaches(container string) bool {
	return p.Lists(container) || slices.Contains(p.Elsewhere, container)
}
