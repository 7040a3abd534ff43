package alerting

import "time"

// Rehearsal is a person's order that is not carried out: what would become of
// it.
type Rehearsal struct {
	Action    Action // NoAction: the type has none
	Container string
	Reason    Reason // why nothing would be done; zero: it would be
	Facts     *Facts // nil: the engine was not asked
	Host      Host   // that would carry it out; zero: not known, or there is no other
	At        time.Time

	ask    Ask
	policy Policy
}

// Rehearse decides as Handle does, and changes nothing.
func Rehearse(s State, by string, p Policy, now time.Time) Rehearsal {
	ask, why := order(s, by, &p, now)
	return Rehearsal{Action: ask.Action, Container: ask.Container, Reason: why, At: now, ask: ask, policy: p}
}

// Among is the rehearsal with the hosts that share the database, which decide
// where it would be carried out as they do for an order.
func (r Rehearsal) Among(runners []Runner) Rehearsal {
	q := Placement{Remediation: &Remediation{Container: r.Container}, Now: r.At}
	among := r.policy.Rule(r.ask.Type).hosts(Sites(runners, r.At))
	switch whose, certain := q.holders(among); {
	case len(whose) == 1:
		r.Host = whose[0].Host
	case len(whose) > 1 && certain && r.Reason.IsZero():
		r.Reason = Reason{Code: "two_hosts", Detail: labels(whose)}
	case r.policy.Rule(r.ask.Type).Host != "" && len(among) == 1:
		r.Host = among[0].Host
	}
	return r
}

// Asks tells whether an engine is the one to be asked, and may be: a container
// that is not on the allow-list is none of our business.
func (r *Rehearsal) Asks(host Host) bool {
	here := r.Host.ID == "" || r.Host.ID == host.ID
	return r.Action != NoAction && r.policy.Lists(r.Container) && here && r.Reason.Code != "two_hosts"
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
	case r.Host.ID != "":
		text += lang.Pick("；执行时由主机 "+r.Host.Label()+" 询问 Docker", "; the host "+r.Host.Label()+" asks Docker when it is done")
	default:
		text += lang.Pick("；执行时才询问 Docker", "; Docker is asked when it is done")
	}
	return text
}
