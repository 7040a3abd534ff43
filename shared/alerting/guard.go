package alerting

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Ask is an action that the policy or a person wants, with everything that may
// speak against it. It is asked when an event is decided, without what the
// engine knows; and again, with that, in the transaction that stores the intent.
type Ask struct {
	Type      string
	Severity  Severity
	Action    Action // NoAction: the ladder has no step left
	Rung      int
	Container string // the name of the target
	By        string // a person; empty: the policy
	Ledger    Ledger
	SeenAt    time.Time // of the last event of the alert; with Facts
	Symptom   Symptom   // what our watches say; with Facts
	Silenced  Reason    // why a silence holds the healing; zero: none does
	Brake     *Brake    // of the target's host; nil: not known yet which it is
	Facts     *Facts    // nil: the engine was not asked yet
	Now       time.Time
}

// Facts are what the engine says of the target.
type Facts struct {
	Container *Container // nil: there is none
	KilledAt  time.Time  // when somebody last gave it a signal that means its end; zero: the engine remembers none
	Ordered   bool       // the container watch knows that it does not run on somebody's order
	Now       time.Time  // by the engine's clock, which StartedAt and KilledAt are by
}

// guard is one thing that can speak against an action. Everything that is ever
// refused is refused by one of them.
type guard struct {
	code    string
	people  bool // it holds people back, too: a person's order is meant, but may be a mistake
	refuses func(p *Policy, rule Rule, q *Ask) (Reason, bool)
}

// guards are asked in this order: the first refusal is the reason that is given.
// What can never be put right by waiting comes first.
var guards = []guard{
	{"mode_off", false, func(p *Policy, _ Rule, _ *Ask) (Reason, bool) { return Reason{}, p.Mode == Off }},
	{"bad_target", true, func(_ *Policy, _ Rule, q *Ask) (Reason, bool) {
		return Reason{}, !containerName.MatchString(q.Container)
	}},
	{"no_container", true, func(_ *Policy, _ Rule, q *Ask) (Reason, bool) {
		return Reason{Detail: q.Container}, q.Facts != nil && q.Facts.Container == nil
	}},
	{"ourselves", true, func(_ *Policy, _ Rule, q *Ask) (Reason, bool) {
		return Reason{Detail: q.Container}, q.known() && q.Facts.Container.Self
	}},
	{"not_allowed", true, notAllowed},
	{"below_severity", false, func(_ *Policy, rule Rule, q *Ask) (Reason, bool) {
		return Reason{Detail: string(rule.MinSeverity)}, rule.MinSeverity != "" && q.Severity.Rank() < rule.MinSeverity.Rank()
	}},
	{"silenced", false, func(_ *Policy, _ Rule, q *Ask) (Reason, bool) { return q.Silenced, !q.Silenced.IsZero() }},
	{"under_way", true, underWay},
	{"ladder_end", false, func(_ *Policy, _ Rule, q *Ask) (Reason, bool) {
		return Reason{Detail: q.Container}, q.Action == NoAction
	}},
	{"brake", false, func(p *Policy, _ Rule, q *Ask) (Reason, bool) { return q.Brake.holds(p.Brake, q.Container, q.Now) }},
	{"budget", false, func(p *Policy, rule Rule, q *Ask) (Reason, bool) {
		until, spent := q.Ledger.Spent(rule.Guard, p.Mode, q.Now)
		return Reason{Detail: q.Container, Until: until}, spent
	}},
	{"cooldown", false, func(p *Policy, rule Rule, q *Ask) (Reason, bool) {
		why := q.Ledger.cools(rule.Guard, p.Mode, q.Now)
		if why.Code == "cooldown" {
			why.Detail = q.Container
		}
		return why, !why.IsZero()
	}},
	{"in_hand_of_person", true, inHand},
	{"stopped_by_person", false, stoppedByPerson},
	{"paused", false, func(_ *Policy, _ Rule, q *Ask) (Reason, bool) {
		return Reason{Detail: q.Container}, q.known() && q.Facts.Container.Paused
	}},
	{"not_running", false, notRunning},
	{"starting", false, starting},
	{"symptom_gone", false, recoveredLate},
	{"dry_run", true, func(p *Policy, _ Rule, q *Ask) (Reason, bool) {
		return Reason{Detail: q.Container}, q.Facts != nil && p.Mode == DryRun
	}},
}

// Guard decides whether an action may go ahead. The zero reason means that it
// may. A reason with a time is decided again at that time.
func (p *Policy) Guard(q Ask) Reason {
	rule := p.Rule(q.Type)
	for _, g := range guards {
		if q.By != "" && !g.people {
			continue
		}
		if why, refused := g.refuses(p, rule, &q); refused {
			if why.Code == "" {
				why.Code = g.code
			}
			return why
		}
	}
	return Reason{}
}

// containerName is what the Engine accepts as a name, and not as an id prefix:
// the adapter compares the name of what it found as well.
var containerName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}$`)

// known tells whether the engine showed the container.
func (q *Ask) known() bool { return q.Facts != nil && q.Facts.Container != nil }

// notAllowed: the policy's list names it, or the container's own label admits
// it. The label that a look a moment ago showed is in the list already.
func notAllowed(p *Policy, _ Rule, q *Ask) (Reason, bool) {
	why := Reason{Detail: q.Container}
	if q.known() {
		return why, !p.Admits(q.Facts.Container)
	}
	return why, !p.Reaches(q.Container)
}

// underWay: no cooldown holds a person; when the other one ends is not known.
func underWay(_ *Policy, rule Rule, q *Ask) (Reason, bool) {
	active := q.Ledger.Active
	if active == nil {
		return Reason{}, false
	}
	why := Reason{Detail: q.Container}
	if q.By != "" {
		return why, true
	}
	since := active.RequestedAt
	if !active.OrderedAt.IsZero() {
		since = active.OrderedAt
	}
	why.Until = since.Add(rule.Guard.Cooldown)
	return why, true
}

// handsOff is how long after its stop time-out a container that was told to end
// and still runs counts as being stopped.
const handsOff = 10 * time.Second

// inHand: somebody, not we, is stopping or restarting it at this moment.
func inHand(_ *Policy, _ Rule, q *Ask) (Reason, bool) {
	if !q.known() || !q.Facts.Container.Running || !q.killedByOthers() {
		return Reason{}, false
	}
	until := q.Facts.KilledAt.Add(q.Facts.Container.StopTimeout + handsOff)
	left := until.Sub(q.Facts.Now)
	return Reason{Detail: q.Container, Until: q.Now.Add(left)}, left > 0 && !q.toCome(q.Facts.KilledAt)
}

// toCome tells whether a time of the engine's is still to come by its own clock,
// which was set back since: it says nothing of how long ago that was, and must not
// hold anything until then.
func (q *Ask) toCome(at time.Time) bool { return at.After(q.Facts.Now.Add(factsAge)) }

// stoppedByPerson: who stopped it knows why.
func stoppedByPerson(_ *Policy, _ Rule, q *Ask) (Reason, bool) {
	if !q.known() || q.Facts.Container.Running {
		return Reason{}, false
	}
	return Reason{Detail: q.Container}, q.killedByOthers() || q.Facts.Ordered && !q.ours(q.Facts.Container.StartedAt)
}

// killedByOthers: a signal that means its end was sent in its present, or last,
// run, and not by us.
func (q *Ask) killedByOthers() bool {
	f := q.Facts
	if !f.KilledAt.After(f.Container.StartedAt) {
		return false
	}
	return !q.ours(f.Container.StartedAt) || q.sinceOurs(f.Now.Sub(f.KilledAt))
}

// sinceOurs tells whether what happened so long ago came after our newest action
// was over: one that the engine refused leaves the run as it was, and who ends it
// later is somebody else.
func (q *Ask) sinceOurs(ago time.Duration) bool {
	last := q.Ledger.newest()
	return !last.EndedAt.IsZero() && ago+factsAge < q.Now.Sub(last.EndedAt)
}

// ours tells whether our newest action ended the run that began at a time.
func (q *Ask) ours(run time.Time) bool {
	last := q.Ledger.newest()
	return last != nil && last.ContainerID == q.Facts.Container.ID && last.StartedBefore.Equal(run)
}

// notRunning: it is down for a reason of its own, and to start it is not what a
// restart promises. After a restart of ours that did not help it is.
func notRunning(_ *Policy, _ Rule, q *Ask) (Reason, bool) {
	return Reason{Detail: q.Container}, q.known() && q.Action == Restart && !q.Facts.Container.Running && q.Rung == 0
}

// starting: it was just started, so that what is told of it is from before, or
// ends by itself. A restart of ours has its cooldown instead.
func starting(_ *Policy, rule Rule, q *Ask) (Reason, bool) {
	if !q.known() || !q.Facts.Container.Running || q.Action == Start {
		return Reason{}, false
	}
	c := q.Facts.Container
	grace := time.Duration(0)
	switch last := q.Ledger.newest(); {
	case c.Health == Starting:
		grace = rule.Verify.Healthy
	case q.Type == ContainerRestarting: // that it was just started is the symptom
	case last != nil && last.ContainerID == c.ID && last.StartedAfter.Equal(c.StartedAt):
	case !c.FinishedAt.IsZero(): // started again; a first start has nothing behind it
		grace = rule.Guard.StartGrace
	}
	left := grace - q.Facts.Now.Sub(c.StartedAt)
	return Reason{Detail: q.Container, Until: q.Now.Add(left)}, left > 0 && !q.toCome(c.StartedAt)
}

// recoveredLate: what was told is of an earlier run, no watch complains, and the
// container has by now proven what a restart would have to. The next step would
// hit a container that is well.
func recoveredLate(_ *Policy, rule Rule, q *Ask) (Reason, bool) {
	if !q.known() || q.Symptom == SymptomStays || !q.toldBefore() {
		return Reason{}, false
	}
	c := q.Facts.Container
	proof := Remediation{Action: Restart, Container: c.Name, ContainerID: c.ID, StartedAfter: c.StartedAt, ProvenFrom: c.StartedAt}
	return Reason{}, proof.assess(c, rule.Verify, q.Facts.Now).Status == Succeeded
}

// toldBefore: no event came since our step that failed, or since somebody else
// started the container anew.
func (q *Ask) toldBefore() bool {
	if last := q.Ledger.newest(); q.Rung > 0 && last != nil && !q.SeenAt.After(last.OrderedAt) {
		return true
	}
	runs := q.Facts.Now.Sub(q.Facts.Container.StartedAt) // by the engine's clock, SeenAt is by the store's
	return q.Facts.Container.Running && !q.SeenAt.IsZero() && q.Now.Sub(q.SeenAt) > runs+factsAge
}

// factsAge is how old the engine's facts may be when the guards are asked: what
// was told so shortly before a start may be of that run.
const factsAge = 2 * time.Second

// BrakeRule says when a host's remediations are held: when many of its
// containers fail at once, the host is what is ill, and restarts make it worse.
type BrakeRule struct {
	Containers int           // so many different containers …
	Per        time.Duration // … within this: the last of them is held
	Hold       time.Duration // how long, unless a person releases the brake
}

// Brake is the state of one host's brake.
type Brake struct {
	Host, HostName   string
	EngagedAt, Until time.Time
	Containers       []string // that had been acted upon when it was engaged, and the one that was held
	ReleasedBy       string
	Recent           []string // the containers that were acted upon within BrakeRule.Per
}

// Engaged tells whether it holds at a time.
func (b *Brake) Engaged(now time.Time) bool { return b != nil && b.Until.After(now) }

func (b *Brake) holds(rule BrakeRule, container string, now time.Time) (Reason, bool) {
	switch {
	case b == nil:
		return Reason{}, false
	case b.Engaged(now):
		return Reason{Detail: b.HostName, Until: b.Until}, true
	}
	others := slices.DeleteFunc(slices.Clone(b.Recent), func(name string) bool { return name == container })
	full := rule.Containers > 0 && len(others)+1 >= rule.Containers
	return Reason{Detail: b.HostName, Until: now.Add(rule.Hold)}, full
}

// Engage is the brake as it is after it refused an action.
func (b Brake) Engage(why Reason, container string, now time.Time) Brake {
	b.EngagedAt, b.Until, b.ReleasedBy = now, why.Until, ""
	b.Containers = append(slices.Clone(b.Recent), container)
	slices.Sort(b.Containers)
	b.Containers = slices.Compact(b.Containers)
	return b
}

// RemediationBrake is the type of the alarm that a brake holds fire.
const RemediationBrake = "REMEDIATION_BRAKE"

// Event tells people of a brake that was engaged, or that it is over.
func (b *Brake) Event(p *Policy, over bool) Event {
	lang := p.Language
	ev := Event{Type: RemediationBrake, Service: b.HostName, Severity: Critical, Resolved: over}
	list := strings.Join(b.Containers, ", ")
	if over {
		ev.Title = lang.Pick("自动处置已恢复", "remediation goes on")
		ev.Message = lang.Pick("刹车已解除，暂缓的处置会重新判断。", "The brake is off; what was held is decided again.")
		return ev
	}
	ev.Title = lang.Pick("多个容器同时异常，暂停自动处置", "many containers fail at once: remediation is held")
	ev.Message = lang.Pick(
		"主机 "+b.HostName+" 上短时间内有多个容器需要处置："+list+"。很可能是主机、网络或数据库的问题，重启无济于事，已暂停自动处置。请先检查主机；确认后可解除：trade-monitor rearm --brake",
		"Several containers of the host "+b.HostName+" needed to be acted on within a short time: "+list+". The host, the network or the database is more likely the cause, which restarts make worse: remediation is held. Look at the host first; to release the brake: trade-monitor rearm --brake")
	return ev
}
