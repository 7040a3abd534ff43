package alerting

import (
	"slices"
	"strings"
	"time"
)

// Silence keeps words back for a time: those about the alerts that it covers.
// What goes on when it ends is told then. Healing goes on, unless the silence
// holds it too.
type Silence struct {
	ID              int64
	AlertType       string   // exactly; empty: any
	Service         string   // exactly, or what begins so, when it ends in *; empty: any
	Severity        Severity // this one and the milder ones; empty: any
	StartsAt        time.Time
	EndsAt          time.Time // from this instant on it is over
	Author          string
	Comment         string
	HoldRemediation bool // nothing is restarted by policy either
	CreatedAt       time.Time
	EndedBy         string // who ended it before its time; empty: nobody
}

// SilenceState is where a silence stands: PENDING → ACTIVE → EXPIRED, by the
// clock alone.
type SilenceState string

const (
	// SilencePending: it has not begun, and keeps nothing back.
	SilencePending SilenceState = "PENDING"
	// SilenceActive: it keeps words back.
	SilenceActive SilenceState = "ACTIVE"
	// SilenceExpired: it is over, and stays on record.
	SilenceExpired SilenceState = "EXPIRED"
)

// State is where the silence stands.
func (s *Silence) State(now time.Time) SilenceState {
	switch {
	case !now.Before(s.EndsAt):
		return SilenceExpired
	case now.Before(s.StartsAt):
		return SilencePending
	}
	return SilenceActive
}

// Covers tells whether the silence is about such an alert. A severity covers the
// milder ones as well: who silences warnings does not want to hear of notices,
// and wants to hear when it gets worse. Our own alarms are covered by their
// exact type alone: whoever silences a service did not mean that we may fail
// without a word.
func (s *Silence) Covers(alertType, service string, severity Severity) bool {
	switch {
	case s.AlertType != "" && s.AlertType != alertType:
		return false
	case s.AlertType == "" && slices.Contains(ownAlarms, alertType):
		return false
	case s.Severity != "" && severity.Rank() > s.Severity.Rank():
		return false
	}
	if prefix, open := strings.CutSuffix(s.Service, "*"); open {
		return strings.HasPrefix(service, prefix)
	}
	return s.Service == "" || s.Service == service
}

// Reason says who keeps something back, why, and until when; zero of nil.
func (s *Silence) Reason() Reason {
	if s == nil {
		return Reason{}
	}
	return Reason{Code: silenced, Detail: s.Author + ": " + s.Comment, Until: s.EndsAt}
}

// silenced is the code of Silence.Reason.
const silenced = "silenced"

// End ends the silence now. One that is over stays as it is.
func (s Silence) End(by string, now time.Time) Silence {
	if s.State(now) != SilenceExpired {
		s.EndsAt, s.EndedBy = now, by
	}
	return s
}

// Silences are those on record.
type Silences []Silence

// For is the silence that keeps words about such an alert back now, or nil. Of
// several it is the one that ends last.
func (all Silences) For(alertType, service string, severity Severity, now time.Time) *Silence {
	return all.last(func(s *Silence) bool {
		return s.State(now) == SilenceActive && s.Covers(alertType, service, severity)
	})
}

// Holding is the silence that keeps the policy from acting on such an alert
// now, or nil.
func (all Silences) Holding(alertType, service string, severity Severity, now time.Time) *Silence {
	return all.last(func(s *Silence) bool {
		return s.HoldRemediation && s.State(now) == SilenceActive && s.Covers(alertType, service, severity)
	})
}

// Active counts those that keep words back now.
func (all Silences) Active(now time.Time) (n int) {
	for i := range all {
		if all[i].State(now) == SilenceActive {
			n++
		}
	}
	return n
}

func (all Silences) last(wanted func(*Silence) bool) *Silence {
	var last *Silence
	for i := range all {
		if s := &all[i]; wanted(s) && (last == nil || s.EndsAt.After(last.EndsAt)) {
			last = s
		}
	}
	return last
}

// KeptBack stands in Words.Text for news that a silence kept back: whatever the
// next words are, they have not been said. (A real fingerprint is hexadecimal.)
const KeptBack = "silenced"

// kept tells whether a silence kept news back that nobody was told since.
func (w Words) kept() bool { return w.Text == KeptBack }

// tell owes a word to the audience, unless a silence keeps it back.
func (c *Change) tell(audience []Group, kind Kind, now time.Time) Reason {
	s := c.silences.For(c.Alert.Type, c.Alert.Service, c.Alert.Severity, now)
	if s == nil {
		c.owe(audience, kind, now)
		return Reason{Code: "told", Detail: names(audience)}
	}
	c.Alert.keepBack(kind, s.EndsAt)
	return s.Reason()
}

// keepBack plans that what goes on is told when the silence ends. That it goes
// on as people know already is no news: the next event says so in its turn.
func (a *Alert) keepBack(kind Kind, until time.Time) {
	known := kind == Firing && !a.Words.At.IsZero() && a.LatestText == a.Words.Text && a.Severity.Rank() <= a.Words.Severity.Rank()
	if known || !a.Active() {
		return
	}
	a.Words.Text = KeptBack
	a.RecheckAt = sooner(a.RecheckAt, until)
}

// sooner is the earlier of two times; the zero time is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
