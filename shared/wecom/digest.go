package wecom

import (
	"fmt"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
)

// RenderOptions write the messages of the delivery loop, as of now.
var _ alerting.Renderer = RenderOptions{}

// Word writes the message about one notification.
func (p RenderOptions) Word(b alerting.Brief) string { return Render(b, p, time.Now()) }

// Digest writes the message that carries many notifications: at most
// MaxMarkdown bytes, or MaxText of text, all of them counted, and as many named as fit. It is
// complete without its link.
func (p RenderOptions) Digest(d alerting.Digest) string { return as(d.Format, p.scribe().digest(d)) }

// StormOver writes the message that says that a storm is over, and what it came to.
func (p RenderOptions) StormOver(s alerting.Storm) string {
	return as(s.Format, p.scribe().stormOver(s))
}

func (p RenderOptions) scribe() *words {
	if p.Location == nil {
		p.Location = time.UTC
	}
	p.PublicURL = strings.TrimRight(p.PublicURL, "/")
	return &words{RenderOptions: p}
}

const (
	// maxSections is how many alert types a digest lists, and maxLines how many
	// services of each, while there is room.
	maxSections = 30
	maxLines    = 40
	// maxListed bounds a title and a service within a digest, in characters.
	maxListed = 60
)

func (w *words) digest(d alerting.Digest) string {
	head, tail := w.digestHead(d), w.digestTail(d)
	limit := limit(d.Format)
	if d.Form != alerting.FullDigest {
		limit /= 2
	}
	mark := w.Language.Pick(cutZh, cutEn)
	if d.Form == alerting.BareDigest {
		return cut(strings.TrimRight(head, "\n"), limit, mark)
	}
	// Fewer services of each type, then fewer types, until it fits: what is left
	// out is counted.
	room := limit - len(head) - len(tail)
	for _, most := range []struct{ sections, lines int }{
		{maxSections, maxLines}, {maxSections, 20}, {maxSections, 10}, {maxSections, 5}, {20, 3}, {20, 1}, {10, 1}, {maxSections, 0}, {10, 0}, {3, 0},
	} {
		if body := w.sections(d, most.sections, most.lines); len(body) <= room {
			return strings.TrimRight(head+body+tail, "\n")
		}
	}
	return cut(head+tail, limit, mark)
}

// digestHead is what a reader needs if they read no further.
func (w *words) digestHead(d alerting.Digest) string {
	pick := w.Language.Pick
	what, colour := pick("告警汇总", "Alerts, in one message"), orange
	switch {
	case d.Critical:
		what = pick("严重告警汇总", "CRITICAL alerts, in one message")
	case !d.Firing():
		what, colour = pick("恢复与处置汇总", "Recoveries and outcomes, in one message"), green
	}
	counts := fmt.Sprintf(pick("%d 条告警，%d 个服务", "%d alerts, %d services"), d.Alerts, d.Services)
	if d.Words != d.Alerts {
		counts += fmt.Sprintf(pick("（%d 条通知）", " (%d notifications)"), d.Words)
	}
	return fmt.Sprintf("### <font color=%q>%s</font>\n", colour, what+pick("：", ": ")+counts) +
		w.line("时间", "Time", w.between(d.From, d.To))
}

func (w *words) between(from, to time.Time) string {
	if !to.After(from) {
		return w.clock(from)
	}
	return w.clock(from) + " — " + w.clock(to)
}

// sections lists types and services, and counts what it does not list.
func (w *words) sections(d alerting.Digest, most, lines int) string {
	var b strings.Builder
	left, leftWords := 0, 0
	for i, s := range d.Sections {
		if i >= most {
			left++
			leftWords += s.Words
			continue
		}
		b.WriteString(w.section(s, lines))
	}
	if left > 0 {
		fmt.Fprintf(&b, w.Language.Pick("另有 %d 类，%d 条\n", "and %d more types, %d\n"), left, leftWords)
	}
	return b.String()
}

func (w *words) section(s alerting.DigestSection, most int) string {
	var b strings.Builder
	name := escapeLine(clip(s.Type, alerting.MaxType))
	fmt.Fprintf(&b, w.Language.Pick("**%s** %s：%d 条，%d 个服务\n", "**%s** %s: %d, %d services\n"), name, w.sectionWord(s), s.Words, len(s.Lines))
	shown := 0
	for _, line := range s.Lines[:min(most, len(s.Lines))] {
		b.WriteString(w.listed(line))
		shown += line.Words
	}
	if left := len(s.Lines) - most; most > 0 && left > 0 {
		fmt.Fprintf(&b, w.Language.Pick("> 另有 %d 个服务，%d 条\n", "> and %d more services, %d\n"), left, s.Words-shown)
	}
	return b.String()
}

// sectionWord says how it is with a type: how bad, or that it is over.
func (w *words) sectionWord(s alerting.DigestSection) string {
	switch s.Kind {
	case alerting.Over:
		return w.Language.Pick("已恢复", "recovered")
	case alerting.Outcome:
		return w.Language.Pick("处置结果", "outcome")
	case alerting.Escalation:
		return w.Language.Pick("升级（无人确认），", "escalated (nobody acknowledged), ") + severityWord(w.Language, s.Severity)
	}
	return severityWord(w.Language, s.Severity)
}

// listed is one service: its worst alert, how many there are, and when.
func (w *words) listed(l alerting.DigestLine) string {
	times := ""
	if l.Words > 1 {
		times = fmt.Sprintf(" ×%d", l.Words)
	}
	over := ""
	if l.Over && (l.Kind == alerting.Firing || l.Kind == alerting.Escalation) {
		over = w.Language.Pick("（已恢复）", " (recovered)")
	}
	return fmt.Sprintf("> %s%s%s%s%s #%d %s\n", escapeLine(clip(l.Service, maxListed)), times, w.Language.Pick("：", ": "),
		escapeLine(clip(l.Title, maxListed)), over, l.AlertID, l.At.In(w.Location).Format(time.TimeOnly))
}

// digestTail has the link, if there is one, and who is called.
func (w *words) digestTail(d alerting.Digest) string {
	text := ""
	if w.PublicURL != "" {
		from := d.From.In(w.Location).Truncate(time.Second).Format("2006-01-02T15:04:05Z07:00")
		link := w.PublicURL + "/api/alerts?from=" + strings.ReplaceAll(from, "+", "%2B")
		text = w.line("全部", "All of them", "["+w.Language.Pick("查看", "look")+"]("+link+")")
	}
	w.Mention, w.Format = d.Mention, d.Format
	return strings.TrimRight(text+strings.TrimPrefix(w.mention(), "\n"), "\n")
}

func (w *words) stormOver(s alerting.Storm) string {
	pick := w.Language.Pick
	colour := green
	if s.Lost > 0 {
		colour = orange
	}
	counts := fmt.Sprintf(pick("%d 个事件，%d 个告警，%d 条消息，%d 条丢失", "%d events, %d alerts, %d messages, %d lost"), s.Events, s.Alerts, s.Messages, s.Lost)
	return fmt.Sprintf("### <font color=%q>%s</font>\n", colour, pick("告警风暴已结束", "The storm of alerts is over")) +
		counts + "\n" + strings.TrimRight(w.line("时间", "Time", w.between(s.From, s.To)), "\n")
}
