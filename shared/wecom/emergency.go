package wecom

import (
	"fmt"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
)

// EmergencyWords write what people read when the database is away, and when it
// is back: as text, which every client shows. The format of their group is in the
// database.
type EmergencyWords struct {
	RenderOptions
	Database string // how people know it, such as "MySQL"; no host, no user
	Process  string // who says so: several may
}

// Down is the emergency word: what, since when, why, what it means, what to do.
func (e EmergencyWords) Down(o alerting.DatabaseOutage, now time.Time) string {
	w := e.scribe()
	pick := w.Language.Pick
	var b strings.Builder
	fmt.Fprintf(&b, "### <font color=%q>%s</font>\n", orange, pick("严重：Trade Monitor 的数据库不可用", "Critical: the database of Trade Monitor is unavailable"))
	b.WriteString(w.line("自", "Since", w.clock(o.Since)+pick("，已 ", ", for ")+w.Language.Duration(now.Sub(o.Since))))
	b.WriteString(w.line("数据库", "Database", escapeLine(clip(e.Database, maxListed))))
	b.WriteString(w.line("原因", "Cause", o.Cause.Text(w.Language, now)))
	b.WriteString(w.line("来自", "Said by", escapeLine(clip(e.Process, maxListed))))
	b.WriteString(w.line("影响", "Meaning", pick(
		"新事件得到 503，调用方应稍后重试；已接收的事件不会丢失；通知和自动处置暂停，数据库恢复后自动继续",
		"new events are answered 503 and callers should repeat them; what was accepted is not lost; telling and healing wait, and go on by themselves when the database is back")))
	b.WriteString(w.line("处理", "To do", pick(
		"请检查数据库是否在运行、磁盘是否已满、网络和账号是否正常；不需要重启 Trade Monitor",
		"see whether the database runs, its disk has room, network and login are in order; Trade Monitor need not be restarted")))
	b.WriteString(pick("未恢复时每 5 分钟提醒一次。", "Said every 5 minutes until it is back."))
	return plain(b.String())
}

// Back says that it is over, and for how long it was.
func (e EmergencyWords) Back(o alerting.DatabaseOutage) string {
	w := e.scribe()
	pick := w.Language.Pick
	away := w.Language.Duration(o.Back.Sub(o.Since))
	var b strings.Builder
	fmt.Fprintf(&b, "### <font color=%q>%s</font>\n", green, pick("数据库已恢复，中断 "+away, "The database is back after "+away))
	b.WriteString(w.line("自", "From", w.clock(o.Since)))
	b.WriteString(w.line("至", "To", w.clock(o.Back)))
	b.WriteString(w.line("数据库", "Database", escapeLine(clip(e.Database, maxListed))))
	b.WriteString(w.line("来自", "Said by", escapeLine(clip(e.Process, maxListed))))
	b.WriteString(pick("等待中的通知和处置现在继续，无需操作。", "What waited goes on now; there is nothing to do."))
	return plain(b.String())
}
