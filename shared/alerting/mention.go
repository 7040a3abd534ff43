package alerting

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Mention says whom messages call from a severity on.
type Mention struct {
	From    Severity
	Users   []string // WeCom userids
	Mobiles []Mobile
	All     bool // everybody in the group
}

// People are whom one message calls.
type People struct {
	Users   []string // WeCom userids, which any message can mention
	Mobiles []Mobile // as a text message alone can
	All     bool     // likewise
}

// ByPhone tells whether it takes a text message to call them all.
func (p People) ByPhone() bool { return len(p.Mobiles) > 0 || p.All }

// Nobody tells whether there is nobody to call.
func (p People) Nobody() bool { return len(p.Users) == 0 && !p.ByPhone() }

// with adds people, each of them once, up to what a message has room for.
func (p People) with(users []string, mobiles []Mobile, all bool) People {
	p.Users, p.Mobiles, p.All = oncePlus(p.Users, users), oncePlus(p.Mobiles, mobiles), p.All || all
	return p
}

func oncePlus[T comparable](list, more []T) []T {
	for _, one := range more {
		if len(list) < MaxMentions && !slices.Contains(list, one) {
			list = append(list, one)
		}
	}
	return list
}

// MaxMentions bounds the people of one rule, and the userids and the mobile
// numbers of one message, so that it has room for all of them.
const MaxMentions = 20

// Everybody is how a text message calls the whole group.
const Everybody = "@all"

// Mobile is a person's mobile number: every way of formatting it hides its
// middle. Reveal is the one way to the number.
type Mobile string

// Reveal returns the number, for the policy's file and for WeCom.
func (m Mobile) Reveal() string { return string(m) }

// String shows the first three digits and the last four, enough to recognise
// one's own: 138****0000.
func (m Mobile) String() string {
	if len(m) < 8 {
		return strings.Repeat("*", len(m))
	}
	return string(m[:3]) + "****" + string(m[len(m)-4:])
}

// Format keeps every verb of package fmt from printing the number.
func (m Mobile) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, m.String()) }

// MarshalText keeps encoders from writing the number.
func (m Mobile) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

var (
	chineseMobile = regexp.MustCompile(`^(?:\+?86)?(1[3-9][0-9]{9})$`)
	foreignMobile = regexp.MustCompile(`^\+[0-9]{5,20}$`)
	parted        = strings.NewReplacer(" ", "", "-", "")
)

// ParseMobile reads a mobile number as people write it: a Chinese one with or
// without +86, any other one with its + and country. Spaces and hyphens do not
// matter.
func ParseMobile(word string) (m Mobile, ok bool) {
	word = parted.Replace(word)
	if own := chineseMobile.FindStringSubmatch(word); own != nil {
		return Mobile(own[1]), true
	}
	return Mobile(word), foreignMobile.MatchString(word)
}

var userID = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.@-]{0,63}$`)

// UserID tells whether s can be a WeCom userid (the account of a member): up to
// 64 letters, digits, _ . @ and -. "all" is none: it means everybody, and a
// markdown message cannot say that.
func UserID(s string) bool {
	return userID.MatchString(s) && !strings.EqualFold(s, "all")
}

// people are whom the rule of a type names for a severity.
func (p *Policy) people(alertType string, severity Severity) (named People) {
	for _, m := range p.Rule(alertType).Mentions {
		if severity.Rank() >= m.From.Rank() {
			named = named.with(m.Users, m.Mobiles, m.All)
		}
	}
	return named
}

// CallsForUs are whom a CRITICAL word about Trade Monitor itself calls: those of
// the defaults.
func (p *Policy) CallsForUs() (named People) {
	for _, m := range p.Default.Mentions {
		named = named.with(m.Users, m.Mobiles, m.All)
	}
	return named
}

// Calls tells whether any rule names anybody: whether it matters what a group
// was told before.
func (p *Policy) Calls() bool {
	if len(p.Default.Mentions) > 0 {
		return true
	}
	for _, rule := range p.Rules {
		if len(rule.Mentions) > 0 {
			return true
		}
	}
	return false
}

// Mention picks the people whom the message about a word calls. told are the
// severities at which the group was told of this alert before. People are called
// by a group's first word, by one of a worse severity, and when a remediation
// leaves the rest to them; never by a repeat, nor about what is over.
func (p *Policy) Mention(b *Brief, told []Severity) People {
	if !b.Alert.Active() || !b.calls(told) {
		return People{}
	}
	return p.people(b.Alert.Type, b.Notification.Severity)
}

func (b *Brief) calls(told []Severity) bool {
	switch b.Notification.Kind {
	case Firing:
		return !slices.ContainsFunc(told, func(s Severity) bool { return s.Rank() >= b.Notification.Severity.Rank() })
	case Escalation:
		return b.Alert.Status == Open // else somebody has it by now
	case Outcome:
		return b.Remediation != nil && b.Remediation.asksPeople()
	}
	return false
}

// asksPeople tells whether the outcome leaves the rest to a person: it did not
// help, nobody knows, or the breaker is open.
func (r *Remediation) asksPeople() bool {
	switch r.Status {
	case Failed, UnknownOutcome:
		return true
	case Skipped:
		return r.Reason.Code == "budget"
	}
	return false
}
