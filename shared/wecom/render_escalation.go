package wecom

import (
	"strings"

	"trade-monitor/shared/alerting"
)

// escalated is the first line of an escalation: that nobody acknowledged the
// alert, and for how long. Who reads it late is told how it stands by now.
func (w *words) escalated() (text, colour string) {
	a, pick := &w.Alert, w.Language.Pick
	waited := w.Language.Waited(w.Notification.CreatedAt.Sub(a.Words.First))
	now, colour := "", colourOf(a.Severity)
	switch a.Status {
	case alerting.Acknowledged:
		now = pick("，现已确认", "; acknowledged by now")
	case alerting.Resolved:
		now, colour = pick("，现已恢复", "; recovered by now"), grey
	}
	if a.Words.First.IsZero() {
		return pick("升级（无人确认"+now+"）：", "Escalated (nobody acknowledged"+now+"): ") + w.title(), colour
	}
	return pick("升级（"+waited+"无人确认"+now+"）：", "Escalated (nobody acknowledged within "+waited+now+"): ") + w.title(), colour
}

// maxGroups is how many groups a message names, and maxGroup bounds a name, in
// characters.
const (
	maxGroups = 8
	maxGroup  = 40
)

// toldBefore names the groups that have had the alert already: whoever is called
// in knows whom to ask, and that a group got nothing.
func (w *words) toldBefore() string {
	var groups []string
	for _, g := range w.Before[:min(len(w.Before), maxGroups)] {
		name := escapeLine(clip(g.Name, maxGroup))
		if !g.Sent {
			name += w.Language.Pick("（未送达）", " (not delivered)")
		}
		groups = append(groups, name)
	}
	if len(groups) == 0 {
		return ""
	}
	more := ""
	if len(w.Before) > maxGroups {
		more = w.Language.Pick("等", ", and others")
	}
	return w.line("此前已通知", "Told before", strings.Join(groups, w.Language.Pick("、", ", "))+more)
}
