package wecom

import (
	"strings"

	"trade-monitor/shared/alerting"
)

// mention is the last line: it calls the people whom the policy names, and
// whoever is no userid is left out. It is the only place of a message that can
// hold a mention: what events say is escaped. At most MaxMentions people are
// called, so that the line has some 1400 bytes.
func (w *words) mention() string {
	if w.Format == alerting.Text {
		return "" // the lists of its request call them
	}
	var called []string
	for _, user := range w.Mention.Users {
		if alerting.UserID(user) && len(called) < alerting.MaxMentions {
			called = append(called, "<@"+user+">")
		}
	}
	if len(called) == 0 {
		return ""
	}
	return "\n" + strings.TrimRight(w.line("请关注", "Attention", strings.Join(called, " ")), "\n")
}
