package alerting

import (
	"slices"
	"strings"
	"time"
)

// Placement is the question which of the processes that share a database
// carries a remediation on.
type Placement struct {
	Remediation *Remediation
	Type        string   // of its alert
	Runners     []Runner // all that are on record; none: nobody keeps such a record, as there is one process only
	Me          Runner   // who asks: Owner, and Host as far as it is known; zero: somebody who has no engine
	Now         time.Time
}

const (
	// hostAway is how long the host of a begun remediation may be without a
	// runner, beyond the call's limit.
	hostAway = 10 * time.Minute
	// claimMargin is what the host that a remediation belongs to is given beyond
	// the time that requests wait: then it ends it itself, and knows better why.
	claimMargin = 30 * time.Second
)

// Place answers it: the one who asks takes it (StepClaim), or leaves it
// (StepWait), or it is over (StepEnd).
func (p *Policy) Place(q Placement) Step {
	all := sites(q.Runners, q.Me, q.Now)
	if q.Me.Owner == "" && slices.ContainsFunc(all, func(s Site) bool { return s.Live }) {
		return Step{Do: StepWait} // they see to it, by their own policy
	}
	if q.Remediation.Status != Requested {
		return q.begun(all)
	}
	rule := p.Rule(q.Type)
	among := rule.hosts(all)
	wait := q.Remediation.RequestedAt.Add(max(rule.Guard.EngineWait, RunnerInterval))
	if q.forestalls() {
		return p.leaveTo(q, nil, wait.Add(claimMargin), p.Language.Pick("本机的另一个进程没有处理", "the other process on this host did nothing"))
	}
	if q.alone(all) && len(among) > 0 {
		return Step{Do: StepClaim}
	}
	whose, certain := q.holders(among)
	switch {
	case len(whose) == 1:
		return p.leaveTo(q, whose, wait.Add(claimMargin), p.Language.Pick("主机 "+labels(whose)+" 有该容器，但没有处理", labels(whose)+" has the container and did nothing"))
	case len(whose) > 1 && certain:
		return end(Skipped, Reason{Code: "two_hosts", Detail: labels(whose)})
	case rule.Host != "" && len(among) == 1 && among[0].Live:
		// The policy says where: that engine's own answer is the reason.
		return p.leaveTo(q, among, wait.Add(claimMargin), p.Language.Pick("主机 "+labels(among)+" 没有处理", labels(among)+" did nothing"))
	case q.nowhere(among):
		return p.leaveTo(q, among, wait.Add(claimMargin), p.Language.Pick("没有主机有该容器", "no host has the container"))
	}
	return p.leaveTo(q, nil, wait, p.missing(q, rule, all, among))
}

// hosts are those that the rule may mean.
func (r Rule) hosts(all []Site) []Site {
	if r.Host == "" {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(s Site) bool { return !s.Is(r.Host) })
}

// alone tells whether the one who asks need not wait for others: there are none,
// or none is at work and which engine is ours will show.
func (q *Placement) alone(all []Site) bool {
	others := slices.DeleteFunc(slices.Clone(all), func(s Site) bool { return s.mine })
	away := !slices.ContainsFunc(others, func(s Site) bool { return s.Live })
	return q.Me.Owner != "" && (len(others) == 0 || q.Me.Host.ID == "" && away)
}

// forestalls tells whether another process on our engine goes further than we do:
// one that only tells people must not refuse what that one would do.
func (q *Placement) forestalls() bool {
	me := slices.IndexFunc(q.Runners, func(r Runner) bool { return r.Owner == q.Me.Owner })
	if me < 0 || q.Me.Host.ID == "" {
		return false
	}
	ours := q.Runners[me].goes(q.Remediation.Container)
	return slices.ContainsFunc(q.Runners, func(r Runner) bool {
		return r.Host.ID == q.Me.Host.ID && r.Live(q.Now) && r.Reachable && r.goes(q.Remediation.Container) > ours
	})
}

// holders are the live hosts that have the container. certain: their engines
// answer. One whose engine is away counts if nobody else has it.
func (q *Placement) holders(among []Site) (whose []Site, certain bool) {
	var away []Site
	for _, s := range among {
		switch {
		case !s.Live || !s.has(q.Remediation.Container):
		case s.Reachable:
			whose = append(whose, s)
		default:
			away = append(away, s)
		}
	}
	if len(whose) > 0 {
		return whose, true
	}
	return away, false
}

// nowhere tells whether it is certain that no host has the container: each has
// said since the request what it has.
func (q *Placement) nowhere(among []Site) bool {
	return len(among) > 0 && !slices.ContainsFunc(among, func(s Site) bool {
		return !s.Live || !s.Reachable || s.published.Before(q.Remediation.RequestedAt)
	})
}

// leaveTo leaves it to the hosts that it belongs to, which may be the one that
// asks, until it is over because nobody took it.
func (p *Policy) leaveTo(q Placement, whose []Site, until time.Time, why string) Step {
	switch {
	case slices.ContainsFunc(whose, func(s Site) bool { return s.mine }):
		return Step{Do: StepClaim}
	case q.Now.Before(until):
		return Step{Do: StepWait, Next: until}
	}
	return end(Skipped, Reason{Code: "unclaimed", Detail: why})
}

// missing says what is known of the container that no live host has.
func (p *Policy) missing(q Placement, rule Rule, all, among []Site) string {
	pick := func(keep func(Site) bool) []Site {
		return slices.DeleteFunc(slices.Clone(among), func(s Site) bool { return !keep(s) })
	}
	live := pick(func(s Site) bool { return s.Live })
	had := pick(func(s Site) bool { return !s.Live && s.has(q.Remediation.Container) })
	deaf := pick(func(s Site) bool { return s.Live && !s.Reachable })
	lang := p.Language
	switch {
	case len(had) > 0:
		return lang.Pick("主机 "+labels(had)+" 上曾有该容器，那里的 Trade Monitor 没有运行", labels(had)+" had the container, and no Trade Monitor runs there now")
	case rule.Host != "" && len(live) == 0:
		return lang.Pick("策略指定的主机 "+rule.Host+" 上没有运行 Trade Monitor", "no Trade Monitor runs on the host that the policy names, "+rule.Host)
	case len(deaf) > 0:
		return lang.Pick("主机 "+labels(deaf)+" 的 Docker 无法连接", "the Docker of "+labels(deaf)+" cannot be reached")
	case !slices.ContainsFunc(all, func(s Site) bool { return s.Live }):
		return lang.Pick("没有 Trade Monitor 在任何主机上运行", "no Trade Monitor runs on any host")
	}
	return lang.Pick("没有主机有该容器", "no host has the container")
}

// begun places a remediation whose intent is stored: only the engine that it was
// meant for can tell what became of it.
func (q *Placement) begun(all []Site) Step {
	r := q.Remediation
	free := r.Host == "" || r.Host == q.Me.Host.ID || len(q.Runners) == 0 || q.Me.Host.ID == "" && q.alone(all)
	if q.Me.Owner != "" && free {
		return Step{Do: StepClaim}
	}
	since := later(r.RequestedAt, r.CallLimit)
	_, name, _ := strings.Cut(r.Host, "/")
	if at := slices.IndexFunc(all, func(s Site) bool { return s.ID == r.Host }); at >= 0 {
		if all[at].Live {
			return Step{Do: StepWait}
		}
		since, name = later(since, all[at].SeenAt), all[at].Label()
	}
	if until := since.Add(hostAway); q.Now.Before(until) {
		return Step{Do: StepWait, Next: until}
	}
	return end(UnknownOutcome, Reason{Code: "host_away", Detail: name})
}
