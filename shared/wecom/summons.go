package wecom

import (
	"fmt"
	"strings"

	"trade-monitor/shared/alerting"
)

// Summons writes the text message that calls people: at most MaxText bytes. Whom
// it calls is in the lists of its request, not in its words.
func (p RenderOptions) Summons(s alerting.Summons) string { return plain(p.scribe().summons(s)) }

// maxSummoned is how many alerts a summons names, while there is room.
const maxSummoned = 10

func (w *words) summons(s alerting.Summons) string {
	pick := w.Language.Pick
	limit, mark := MaxText, pick(cutZh, cutEn)
	if s.Form != alerting.FullDigest {
		limit /= 2
	}
	switch {
	case s.Form == alerting.BareDigest:
		return fmt.Sprintf(pick("%d 条告警需要处理", "%d alerts need somebody"), len(s.Alerts))
	case len(s.Alerts) == 1:
		return cut(w.summonsFor(s.Alerts[0]), limit, mark)
	}
	head := fmt.Sprintf(pick("%d 条告警需要处理：", "%d alerts need somebody:"), len(s.Alerts))
	for most := min(maxSummoned, len(s.Alerts)); most > 0; most-- {
		if text := head + w.summoned(s.Alerts, most); len(text) <= limit {
			return text
		}
	}
	return cut(head+w.summoned(s.Alerts, 1), limit, mark)
}

// summonsFor is about one alert, and complete: personal WeChat shows nothing else.
func (w *words) summonsFor(a alerting.DigestWord) string {
	text := w.severityOf(a) + escapeLine(clip(a.Title, alerting.MaxTitle)) + "\n" +
		w.line("服务", "Service", escapeLine(clip(a.Service, alerting.MaxService)))
	if a.Action != "" {
		text += w.line("处置", "Action", escapeLine(clip(a.Action, maxReason)))
	}
	return text + strings.TrimRight(w.line("告警编号", "Alert id", fmt.Sprint(a.AlertID)), "\n")
}

func (w *words) summoned(alerts []alerting.DigestWord, most int) string {
	var b strings.Builder
	for _, a := range alerts[:most] {
		fmt.Fprintf(&b, "\n%s%s%s%s%s #%d", w.severityOf(a), escapeLine(clip(a.Title, maxListed)),
			w.Language.Pick("（", " ("), escapeLine(clip(a.Service, maxListed)), w.Language.Pick("）", ")"), a.AlertID)
	}
	if left := len(alerts) - most; left > 0 {
		fmt.Fprintf(&b, w.Language.Pick("\n另有 %d 条", "\nand %d more"), left)
	}
	return b.String()
}

func (w *words) severityOf(a alerting.DigestWord) string {
	return severityWord(w.Language, a.Severity) + w.Language.Pick("：", ": ")
}
