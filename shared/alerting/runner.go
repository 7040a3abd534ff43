package alerting

import (
	"slices"
	"strings"
	"time"
)

// Runner is a process that carries remediations out on one engine, as it last
// described itself. Processes that share a database know each other by it.
type Runner struct {
	Owner      string   // as in leases
	Host       Host     // without an id: its engine was not reached yet
	Mode       Mode     // its own; it is asked where the container is
	Reachable  bool     // its engine answers
	Containers []string // that its policy, or their label, lets it act upon; of an engine that is away, the last known
	SeenAt     time.Time
}

const (
	// RunnerInterval is how often a runner describes itself, at the latest.
	RunnerInterval = 5 * time.Second
	// runnerAlive is how old a description may be of one that is at work.
	runnerAlive = 15 * time.Second
	// hostKnown is how long a host without a live runner is waited for.
	hostKnown = 24 * time.Hour
	// RunnerKept is how long its description is kept.
	RunnerKept = 7 * 24 * time.Hour
)

// Live tells whether the runner is at work, by the clock that SeenAt is by.
func (r *Runner) Live(now time.Time) bool { return now.Sub(r.SeenAt) < runnerAlive }

// Gone is when a runner that ends in order was last seen, so that nobody waits
// to find out.
func Gone(now time.Time) time.Time { return now.Add(-runnerAlive) }

// goes is how far it goes with a container.
func (r *Runner) goes(container string) int {
	switch {
	case r.Mode == Off || !slices.Contains(r.Containers, container):
		return 0
	case r.Mode == DryRun:
		return 1
	}
	return 2
}

// shortID is how much of an engine's id tells it from others.
const shortID = 9

// Is tells whether a policy's word for a host means this one: its name, its id as
// the API shows it, or the beginning of that.
func (h Host) Is(named string) bool {
	return named != "" && (named == h.Name || named == h.ID || len(named) >= shortID-1 && strings.HasPrefix(h.ID, named))
}

// Engine is the engine's own id, by which watches go; empty: it does not say.
func (h Host) Engine() string {
	id, _, _ := strings.Cut(h.ID, "/")
	return strings.TrimPrefix(id, "?")
}

// Label is how people call it.
func (h Host) Label() string {
	if h.Name == "" {
		return h.ID
	}
	return h.Name
}

// Site is a host as all its runners describe it. Two processes on one engine
// are one.
type Site struct {
	Host
	Live      bool
	Mode      Mode      // of its newest runner
	Reachable bool      // some live runner's engine answers
	SeenAt    time.Time // the newest description
	Runners   int       // that are live
	// Containers are those of the live runners, else the last known.
	Containers []string

	mine      bool
	published time.Time // the newest description by a live runner whose engine answered
}

// Sites are the hosts that share a database: those that are live, or were seen
// within a day.
func Sites(runners []Runner, now time.Time) []Site { return sites(runners, Runner{}, now) }

func sites(runners []Runner, me Runner, now time.Time) (all []Site) {
	runners = slices.Clone(runners)
	slices.SortStableFunc(runners, func(a, b Runner) int { return b.SeenAt.Compare(a.SeenAt) })
	for i := range runners {
		r := &runners[i]
		mine := me.Owner != "" && (r.Owner == me.Owner || r.Host.ID != "" && r.Host.ID == me.Host.ID)
		live := r.Live(now) || r.Owner == me.Owner
		at := slices.IndexFunc(all, func(s Site) bool { return s.ID == r.Host.ID && s.ID != "" })
		switch {
		case at >= 0:
		case !live && (r.Host.ID == "" || now.Sub(r.SeenAt) >= hostKnown):
			continue // forgotten, or nobody can tell which it was
		default:
			at = len(all)
			all = append(all, Site{Host: r.Host, Mode: r.Mode, SeenAt: r.SeenAt, Containers: r.Containers})
		}
		all[at].add(r, mine, live)
	}
	if me.Owner != "" && !slices.ContainsFunc(all, func(s Site) bool { return s.mine }) {
		all = append(all, Site{Host: me.Host, Live: true, mine: true, SeenAt: now}) // it has not said yet what it has
	}
	return all
}

// add takes one runner's description in; they come newest first.
func (s *Site) add(r *Runner, mine, live bool) {
	s.mine = s.mine || mine
	if !live {
		return
	}
	s.Live = true
	s.Runners++
	if s.Runners > 1 {
		s.Containers = slices.Concat(s.Containers, r.Containers)
		slices.Sort(s.Containers)
		s.Containers = slices.Compact(s.Containers)
	}
	if r.Reachable {
		s.Reachable, s.published = true, later(s.published, r.SeenAt)
	}
}

func (s *Site) has(container string) bool { return slices.Contains(s.Containers, container) }

// labels name hosts for people: with their ids where names do not tell them apart.
func labels(hosts []Site) string {
	called := map[string]int{}
	for i := range hosts {
		called[hosts[i].Label()]++
	}
	names := make([]string, len(hosts))
	for i := range hosts {
		names[i] = hosts[i].Label()
		if called[names[i]] > 1 {
			names[i] += " " + strings.TrimRight(hosts[i].ID[:min(shortID, len(hosts[i].ID))], ":-/")
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
