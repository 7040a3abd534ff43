package alerting

import (
	"slices"
	"time"
)

// Rehearsal is a person's order that is not carried out: what would become of
// it.
type Rehearsal struct {
	Action    Action // NoAction: the type has none
	Container string
	Reason    Reason // why nothing would be done; zero: it would be
	Facts     *Facts // nil: the engine was not asked
	Hosts     []Host // live ones that have the container, as far as they said
	At        time.Time

	ask    Ask
	policy Policy
}

// Rehearse decides as Handle does, and changes nothing.
func Rehearse(s State, by string, p Policy, now time.Time) Rehearsal {
	ask, why := order(s, by, &p, now)
	return Rehearsal{Action: ask.Action, Container: ask.Container, Reason: why, At: now, ask: ask, policy: p}
}

// Asks tells whether an engine would be asked, and may be: a container that is
// not on the allow-list is none of our business.
func (r *Rehearsal) Asks(host Host) bool {
	elsewhere := len(r.Hosts) > 0 && !slices.ContainsFunc(r.Hosts, func(h Host) bool { return h.ID == host.ID })
	return r.Action != NoAction && r.policy.Lists(r.Container) && !elsewhere
}

// With is the rehearsal with what the engine says.
func (r Rehearsal) With(facts Facts) Rehearsal {
	r.Facts, r.ask.Facts = &facts, &facts
	r.Reason = r.policy.Guard(r.ask)
	if c := facts.Container; r.Reason.IsZero() && r.Action == Start && c.Running {
		r.Reason = Reason{Code: "runs_already", Detail: r.Container}
	}
	return r
}

// Without is the rehearsal when the engine did not answer.
func (r Rehearsal) Without(detail string) Rehearsal {
	if r.Reason.IsZero() {
		r.Reason = Reason{Code: "no_engine", Detail: detail}
	}
	return r
}

// Text is the answer on one line.
func (r *Rehearsal) Text(lang Language) string {
	if !r.Reason.IsZero() {
		return lang.Pick("演练：不会处置：", "dry run: nothing would be done: ") + r.Reason.Text(lang, r.At)
	}
	would := Remediation{Action: r.Action, Container: r.Container}
	text := lang.Pick("演练：将会"+would.Describe(lang), "dry run: would "+would.Describe(lang))
	switch {
	case r.Facts != nil:
	case len(r.Hosts) == 1:
		text += lang.Pick("；执行时由主机 "+r.Hosts[0].Name+" 询问 Docker", "; the host "+r.Hosts[0].Name+" asks Docker when it is done")
	default:
		text += lang.Pick("；执行时才询问 Docker", "; Docker is asked when it is done")
	}
	return text
}
