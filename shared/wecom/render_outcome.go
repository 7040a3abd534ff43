package wecom

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"trade-monitor/shared/alerting"
)

const (
	// maxLog bounds the end of a container's log in a message, in bytes; all of
	// it that was kept is in the alert's record.
	maxLog      = 900
	logLines    = 3
	maxLogLine  = 200 // characters
	timeOfClock = "15:04:05"
)

// outcomeOf is the remediation that the message tells the end of, or nil.
func (w *words) outcomeOf() *alerting.Remediation {
	if w.Notification.Kind != alerting.Outcome {
		return nil
	}
	return w.Remediation
}

// before is how the container was before it was acted on.
func (w *words) before() string {
	r := w.outcomeOf()
	if r == nil || r.Evidence == nil {
		return ""
	}
	return w.line("现场", "Before", escapeLine(clip(r.Evidence.Summary(w.Language), maxReason)))
}

// log is how the container's log ended then, for whoever has to find out why it
// did not help. What it wrote is a stranger's text.
func (w *words) log() string {
	r := w.outcomeOf()
	if r == nil || r.Evidence == nil || r.Status != alerting.Failed && r.Status != alerting.UnknownOutcome {
		return ""
	}
	var lines []string
	for _, line := range r.Evidence.LastLines(logLines) {
		if line = escapeLine(clip(line, maxLogLine)); line != "" {
			lines = append(lines, "> "+line)
		}
	}
	if len(lines) == 0 && r.Evidence.Missing != "" {
		return "> " + w.Language.Pick("日志读不到：", "its log could not be read: ") + escapeLine(clip(r.Evidence.Missing, maxReason))
	}
	return strings.Join(lines, "\n")
}

// after is how long it took, and when it is decided again.
func (w *words) after() string {
	r := w.outcomeOf()
	if r == nil {
		return ""
	}
	var b strings.Builder
	if r.Status == alerting.Succeeded && r.EndedAt.After(r.RequestedAt) && !r.RequestedAt.IsZero() {
		b.WriteString(w.line("处置用时", "Took", w.Language.Duration(r.EndedAt.Sub(r.RequestedAt))))
	}
	if at := w.Alert.RecheckAt; w.Alert.Active() && at.After(w.now) {
		b.WriteString(w.line("下一次判断", "Decided again at", at.In(w.Location).Format(timeOfClock)))
	}
	return b.String()
}

// handled are the types that have an action for people to ask for.
var handled = []string{
	alerting.TickerSyncTimeout, alerting.ContainerDown, alerting.ContainerStopped, alerting.ContainerOOM, alerting.ContainerUnhealthy, alerting.ContainerRestarting,
}

// next is what a person would ask for: to re-arm a breaker that is open, to run
// the action of an alert that has one, else to say that they care for it.
func (w *words) next() string {
	a := &w.Alert
	switch {
	case w.Notification.Kind == alerting.Over, !a.Active():
		return ""
	case w.Notification.Kind == alerting.Escalation && a.Status == alerting.Open:
		return "acknowledge" // which is what nobody did
	case w.Remediation != nil && w.Remediation.Pending():
		return ""
	case w.outcomeOf() != nil && w.Remediation.Reason.Code == "budget":
		return "rearm"
	case w.Remediation != nil, slices.Contains(handled, a.Type):
		return "handle"
	case a.Status == alerting.Open:
		return "acknowledge"
	}
	return ""
}

// command is what to type next. Without an address of ours only what the
// program itself can be told is shown.
func (w *words) command() string {
	next := w.next()
	switch {
	case next == "":
		return ""
	case next == "rearm":
		name := url.PathEscape(w.Remediation.Container) // no sign in it means anything in markdown
		command := w.post("/api/remediation/containers/" + name + "/rearm")
		if command == "" {
			command = "`trade-monitor rearm " + name + "`"
		}
		return w.typed("复位熔断", "Re-arm", command)
	case next == "handle":
		return w.typed("手动处置", "Handle it", w.post(fmt.Sprintf("/api/alerts/%d/handle", w.Alert.ID)))
	}
	path := fmt.Sprintf("/api/alerts/%d/acknowledge", w.Alert.ID)
	if w.PublicURL+w.LocalURL == "" && w.Notification.Kind == alerting.Escalation {
		return w.line("确认", "Acknowledge", "`POST "+path+"`") // whoever is called in must be able to
	}
	return w.typed("确认", "Acknowledge", w.post(path))
}

// typed is a command and what it does; where it works on our own host alone, it
// says so.
func (w *words) typed(zh, en, command string) string {
	switch {
	case command == "":
		return ""
	case w.PublicURL == "":
		zh, en = zh+"（在服务所在主机上）", en+" (on the service's host)"
	}
	return w.line(zh, en, command)
}

// post is the command that asks our API for something; empty: it has no address.
func (w *words) post(path string) string {
	base := w.PublicURL
	if base == "" {
		base = w.LocalURL
	}
	if base == "" {
		return ""
	}
	token := ""
	if w.Token {
		token = `-H "Authorization: Bearer $TOKEN" `
	}
	return "`curl -X POST " + token + base + path + "`"
}
