package alerting

import (
	"cmp"
	"slices"
	"time"
)

// DigestWord is one word that a digest carries, with what is told of its alert.
type DigestWord struct {
	AlertID  int64
	Kind     Kind
	Severity Severity
	Type     string
	Service  string
	Title    string // of the alert; of an outcome: what was done
	Action   string // of what a CALL is for: what was done about it; empty: nothing
	Over     bool   // the alert is over by now
	InHand   bool   // somebody has acknowledged it by now
	At       time.Time

	// Whether it calls people. Told is the worst severity at which the group was
	// told of the alert before, empty: never; it is known where the policy calls
	// anybody.
	Told        Severity
	Remediation *Remediation // of an outcome: its status and reason
}

// DigestForm is how much a digest says. One that WeCom refused is cut again: a
// word that somebody wrote must not keep hundreds from being told.
type DigestForm int

const (
	FullDigest  DigestForm = iota
	ShortDigest            // half as long
	BareDigest             // numbers only, no word that a stranger wrote
)

// Digest is everything that one message tells of many words.
type Digest struct {
	Critical bool // it carries the CRITICAL words
	Form     DigestForm
	Words    int
	Alerts   int
	Services int
	From, To time.Time // when the first and the last of the words came
	Sections []DigestSection
	Format   Format
	Mention  People // from the policy alone
}

// DigestSection is what a digest tells of one alert type: that it is so, what
// remediations came to, or that it is over.
type DigestSection struct {
	Kind     Kind
	Type     string
	Severity Severity // the worst
	Words    int
	Lines    []DigestLine // one for each service: the worst first, then the newest
}

// DigestLine is what a digest tells of one service.
type DigestLine struct {
	Words      int
	DigestWord // the worst of them, and of those the newest
}

// Fold makes a digest of some words.
func Fold(words []DigestWord, critical bool, form DigestForm) Digest {
	d := Digest{Critical: critical, Form: form, Words: len(words)}
	alerts, services := map[int64]bool{}, map[string]bool{}
	type section struct {
		kind      Kind
		alertType string
	}
	lines := map[section]map[string]*DigestLine{}
	for _, w := range words {
		alerts[w.AlertID], services[w.Service] = true, true
		d.From, d.To = sooner(d.From, w.At), later(d.To, w.At)
		in := section{w.Kind, w.Type}
		if lines[in] == nil {
			lines[in] = map[string]*DigestLine{}
		}
		if lines[in][w.Service] == nil {
			lines[in][w.Service] = &DigestLine{DigestWord: w}
		}
		lines[in][w.Service].add(w)
	}
	d.Alerts, d.Services = len(alerts), len(services)
	for in, of := range lines {
		s := DigestSection{Kind: in.kind, Type: in.alertType}
		for _, line := range of {
			s.Words += line.Words
			s.Lines = append(s.Lines, *line)
			if s.Severity.Rank() <= line.Severity.Rank() {
				s.Severity = line.Severity
			}
		}
		slices.SortFunc(s.Lines, DigestLine.compare)
		d.Sections = append(d.Sections, s)
	}
	slices.SortFunc(d.Sections, DigestSection.compare)
	return d
}

// Firing tells whether it tells of anything that is wrong.
func (d Digest) Firing() bool {
	return slices.ContainsFunc(d.Sections, func(s DigestSection) bool { return s.Kind == Firing || s.Kind == Escalation })
}

// add counts a word; the line shows the worst, and of those the newest.
func (l *DigestLine) add(w DigestWord) {
	l.Words++
	if w.Severity.Rank() > l.Severity.Rank() || w.Severity == l.Severity && !w.At.Before(l.At) {
		l.DigestWord = w
	}
}

func (l DigestLine) compare(o DigestLine) int {
	return cmp.Or(cmp.Compare(o.Severity.Rank(), l.Severity.Rank()), o.At.Compare(l.At), cmp.Compare(l.Service, o.Service))
}

// What is wrong goes before what was done about it, and that before what is over.
var kindOrder = []Kind{Firing, Escalation, Outcome, Over}

func (s DigestSection) compare(o DigestSection) int {
	return cmp.Or(cmp.Compare(slices.Index(kindOrder, s.Kind), slices.Index(kindOrder, o.Kind)),
		cmp.Compare(o.Severity.Rank(), s.Severity.Rank()), cmp.Compare(o.Words, s.Words), cmp.Compare(s.Type, o.Type))
}

// Storm is what one robot was told while more waited than it could be told
// singly.
type Storm struct {
	From, To time.Time // its first and its last message
	Events   int64     // all events of its alerts
	Alerts   int64
	Messages int64 // that arrived, but for the one that says that it is over
	Lost     int64 // words that could not be said
	Format   Format
}

// Renderer writes messages. It is called within transactions: it must not block.
type Renderer interface {
	Word(b Brief) string
	Digest(d Digest) string
	StormOver(s Storm) string
	Summons(s Summons) string // always text
}

// Form is how much a digest says whose oldest word was refused for a reason.
func (r Reason) Form() DigestForm {
	switch r.Code {
	case tooLong:
		return ShortDigest
	case digestRefused:
		return BareDigest
	}
	return FullDigest
}

// Why words that were refused for their content are tried again.
const (
	tooLong       = "too_long"
	digestRefused = "digest_refused"
)

// AfterDigest settles a notification by the verdict on a digest that carried it
// with others. No verdict on a digest makes a word undeliverable.
func (n Notification) AfterDigest(v Verdict, now time.Time) Notification {
	if v.Class != ClassBadWords && v.Class != ClassTooLong {
		return n.AfterVerdict(v, now)
	}
	n.Attempts++
	switch n.Reason.Form() {
	case FullDigest:
		n.Reason = Reason{Code: tooLong, Detail: v.Error}
	case ShortDigest:
		n.Reason = Reason{Code: digestRefused, Detail: v.Error}
	case BareDigest:
		n.Reason.Detail = v.Error
		n.NextAt = now.Add(min(time.Duration(max(1, n.Attempts-maxTries))*time.Minute, time.Hour))
	}
	return n
}
