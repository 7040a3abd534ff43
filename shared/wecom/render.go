package wecom

import (
	"fmt"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
)

// RenderOptions say how messages are written.
type RenderOptions struct {
	Language  alerting.Language // empty: Chinese
	Location  *time.Location    // what people's clocks show; nil: UTC
	PublicURL string            // where people reach our API; empty: no link in messages
	LocalURL  string            // where it is reached on its own host, for commands; empty: none without a PublicURL
	Token     bool              // whether it asks for a token
}

const (
	// maxFields and maxFieldBytes bound the metadata in a message: whole
	// values are in the alert's record.
	maxFields     = 8
	maxFieldBytes = 1000
	maxKey        = 40
	maxValue      = 120
	// maxReason bounds what an engine's error may take, in characters.
	maxReason = 160
	timeForm  = "2006-01-02 15:04:05"
)

// The colours of the robot's markdown: green, grey and orange-red.
const (
	green  = "info"
	grey   = "comment"
	orange = "warning"
)

// Render writes the message about one notification: at most MaxMarkdown bytes, or
// MaxText of text, the outcome on the first line. What must not be missing (the remedy, the
// alert's number, what to type next, who is mentioned) has its room before the
// event's own text.
func Render(b alerting.Brief, p RenderOptions, now time.Time) string {
	if p.Location == nil {
		p.Location = time.UTC
	}
	p.PublicURL = strings.TrimRight(p.PublicURL, "/")
	w := words{Brief: b, RenderOptions: p, now: now}
	head, tail, mention := w.head(), w.tail(""), w.mention()
	limit := limit(b.Format)
	if b.Short {
		limit /= 2
	}
	limit -= len(mention)
	mark := p.Language.Pick(cutZh, cutEn)
	head = w.shortened(head, limit-len(tail), limit/2, mark)
	if log := cut(w.log(), min(maxLog, max(limit-len(head)-len(tail), 0)/2), mark); log != "" {
		tail = w.tail(log + "\n\n")
	}
	body := cut(w.quote(), limit-len(head)-len(tail)-2, mark)
	return as(b.Format, cut(head+"\n"+body+"\n"+tail, limit, mark)+mention)
}

// shortened keeps a head that is too long, as a stranger can make it, from taking
// the room of what must not be missing.
func (w *words) shortened(head string, room, least int, mark string) string {
	const lineEnds = 3
	if room = max(room-lineEnds, least); len(head) <= room {
		return head
	}
	return cut(head, room, mark) + "\n"
}

// words writes the parts of one message.
type words struct {
	alerting.Brief
	RenderOptions
	now time.Time
}

// line is "label：value"; the value is text that is safe already.
func (w *words) line(zh, en, value string) string {
	return w.Language.Pick(zh+"：", en+": ") + value + "\n"
}

func (w *words) head() string {
	a := &w.Alert
	text, colour := w.outcome()
	var b strings.Builder
	fmt.Fprintf(&b, "### <font color=%q>%s</font>\n", colour, text)
	if w.Notification.Kind == alerting.Outcome {
		b.WriteString(w.line("告警", "Alert", w.title()))
	}
	b.WriteString(w.line("类型", "Type", escapeLine(clip(a.Type, alerting.MaxType))))
	b.WriteString(w.line("服务", "Service", escapeLine(clip(a.Service, alerting.MaxService))))
	b.WriteString(w.line("严重程度", "Severity", w.severity()))
	b.WriteString(w.times())
	b.WriteString(w.toldBefore())
	b.WriteString(w.fields())
	return b.String()
}

// outcome is the first line: how it stands, before anything else.
func (w *words) outcome() (text, colour string) {
	switch w.Notification.Kind {
	case alerting.Outcome:
		if r := w.Remediation; r != nil {
			if r.Status == alerting.Succeeded {
				return w.verdict(), green
			}
			return w.verdict(), orange
		}
	case alerting.Escalation:
		return w.escalated()
	case alerting.Over:
		return w.Language.Pick("已恢复：", "Recovered: ") + w.title(), green
	}
	word, colour := w.severityWord(), colourOf(w.Alert.Severity)
	if w.Alert.Status == alerting.Resolved {
		// The word was held up, and nobody should act on what is over.
		word, colour = word+w.Language.Pick("（已恢复）", " (recovered)"), grey
	}
	return word + w.Language.Pick("：", ": ") + w.title(), colour
}

func colourOf(s alerting.Severity) string {
	if s == alerting.Info {
		return grey
	}
	return orange
}

func (w *words) title() string {
	title := w.Alert.Title // what comes after the first message is known by its words
	if w.Notification.Kind == alerting.Firing && w.Latest != nil && !w.Latest.Resolved && w.Latest.Title != "" {
		title = w.Latest.Title
	}
	return escapeLine(clip(title, alerting.MaxTitle))
}

func (w *words) verdict() string {
	return escapeLine(clip(w.Remediation.Verdict(w.Language, w.now), maxReason))
}

var severityWords = map[alerting.Severity][2]string{
	alerting.Info:     {"信息", "Info"},
	alerting.Warning:  {"警告", "Warning"},
	alerting.Error:    {"错误", "Error"},
	alerting.Critical: {"严重", "Critical"},
}

func (w *words) severityWord() string { return severityWord(w.Language, w.Alert.Severity) }

func severityWord(lang alerting.Language, s alerting.Severity) string {
	if word, ok := severityWords[s]; ok {
		return lang.Pick(word[0], word[1])
	}
	return escapeLine(clip(string(s), 20)) // a row that a person wrote
}

func (w *words) severity() string {
	if _, ok := severityWords[w.Alert.Severity]; ok && w.Language != alerting.English {
		return w.severityWord() + " " + string(w.Alert.Severity)
	}
	return w.severityWord()
}

func (w *words) times() string {
	a := &w.Alert
	var b strings.Builder
	last := a.LastSeenAt
	if last.IsZero() {
		last = a.CreatedAt
	}
	b.WriteString(w.line("首次", "First", w.clock(a.CreatedAt)))
	b.WriteString(w.line("最近", "Last", w.clock(last)))
	b.WriteString(w.line("次数", "Count", fmt.Sprint(max(a.Occurrences, 1))))
	switch {
	case a.Status == alerting.Resolved && !a.ResolvedAt.IsZero():
		b.WriteString(w.line("恢复", "Over", w.clock(a.ResolvedAt)+w.lasted()))
	case a.Status == alerting.Acknowledged:
		b.WriteString(w.line("状态", "Status", w.Language.Pick("已确认", "acknowledged")))
	}
	return b.String()
}

// lasted is how long the incident took.
func (w *words) lasted() string {
	a := &w.Alert
	if a.CreatedAt.IsZero() || !a.ResolvedAt.After(a.CreatedAt) {
		return ""
	}
	took := w.Language.Duration(a.ResolvedAt.Sub(a.CreatedAt))
	return w.Language.Pick("（历时 "+took+"）", " (after "+took+")")
}

func (w *words) clock(t time.Time) string {
	if t.IsZero() {
		return "—"
	}
	return t.In(w.Location).Format(timeForm)
}

// fields are the event's own labels, such as minutesSinceLastSync. The dot tells
// them from our lines, which a label could otherwise forge.
func (w *words) fields() string {
	metadata := w.Alert.Metadata
	if w.Latest != nil && len(w.Latest.Metadata) > 0 {
		metadata = w.Latest.Metadata
	}
	all := alerting.MetadataFields(metadata)
	var b strings.Builder
	shown := 0
	for _, f := range all {
		key, value := escapeLine(clip(f.Key, maxKey)), escapeLine(clip(f.Value, maxValue))
		text := "· " + w.line(key, key, value)
		if shown == maxFields || b.Len()+len(text) > maxFieldBytes {
			break
		}
		b.WriteString(text)
		shown++
	}
	if left := len(all) - shown; left > 0 {
		fmt.Fprintf(&b, w.Language.Pick("（另有 %d 项）\n", "(%d more)\n"), left)
	}
	return b.String()
}

// quote is the event's message, every line of it marked as said by somebody else.
func (w *words) quote() string {
	message := w.Alert.Message
	if w.Latest != nil && w.Latest.Message != "" {
		message = w.Latest.Message
	}
	// Nothing behind the limit can be shown; escaping never shortens much.
	if len(message) > 4*MaxMarkdown {
		message = message[:4*MaxMarkdown]
	}
	lines := escapeLines(message)
	if len(lines) == 0 {
		return ""
	}
	return "> " + strings.Join(lines, "\n> ") + "\n"
}

// tail is what we did about it, and what a person can do. log is how the
// container's log ended before that.
func (w *words) tail(log string) string {
	var b strings.Builder
	if w.Notification.Kind != alerting.Over {
		b.WriteString(w.line("处置", "Action", w.remedy()))
	}
	b.WriteString(w.before())
	b.WriteString(log)
	b.WriteString(w.after())
	b.WriteString(w.line("告警编号", "Alert id", fmt.Sprint(w.Alert.ID)))
	b.WriteString(w.command())
	return strings.TrimRight(b.String(), "\n")
}

func (w *words) remedy() string {
	r := w.Remediation
	switch {
	case r == nil && w.Alert.ActionTaken != "":
		return escapeLine(clip(w.Alert.ActionTaken, maxReason))
	case r == nil:
		return w.Language.Pick("无自动处置", "none by itself")
	}
	what := escapeLine(clip(r.Describe(w.Language), maxReason))
	skipped := r.Status == alerting.Skipped
	switch told := w.Notification.Kind == alerting.Outcome; {
	case told && skipped: // the first line says why
		return what + w.Language.Pick("（未执行）", " (not done)")
	case told:
		return what
	case skipped:
		return w.verdict()
	}
	return what + w.Language.Pick("，", ", ") + w.verdict()
}
