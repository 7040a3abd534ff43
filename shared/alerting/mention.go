package alerting

import (
	"regexp"
	"slices"
	"strings"
)

// Mention says whom messages mention from a severity on.
type Mention struct {
	From  Severity
	Users []string // WeCom userids
}

// MaxMentions bounds the people of one rule, so that a message has room for all
// of them.
const MaxMentions = 20

var userID = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.@-]{0,63}$`)

// UserID tells whether s can be a WeCom userid (the account of a member): up to
// 64 letters, digits, _ . @ and -. "all" is none: it means everybody, and a
// markdown message cannot say that.
func UserID(s string) bool {
	return userID.MatchString(s) && !strings.EqualFold(s, "all")
}

// Mention picks the people whom the message about a word mentions. told are the
// severities at which the group was told of this alert before. People are called
// by a group's first word, by one of a worse severity, and when a remediation
// leaves the rest to them; never by a repeat, nor about what is over.
func (p *Policy) Mention(b *Brief, told []Severity) []string {
	if !b.Alert.Active() || !b.calls(told) {
		return nil
	}
	var users []string
	for _, m := range p.Rule(b.Alert.Type).Mentions {
		for _, user := range m.Users {
			if b.Notification.Severity.Rank() >= m.From.Rank() && !slices.Contains(users, user) {
				users = append(users, user)
			}
		}
	}
	return users
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
