package wecom

import (
	"time"

	"trade-monitor/shared/alerting"
)

// Trials gives what writes the test message to a group that somebody asked for;
// host is where it comes from, for people.
func Trials(o RenderOptions, host string) func(g alerting.Group, by string) string {
	if o.Location == nil {
		o.Location = time.UTC
	}
	return func(g alerting.Group, by string) string { return renderTrial(g, o, by, host, time.Now()) }
}

func renderTrial(g alerting.Group, o RenderOptions, by, host string, now time.Time) string {
	pick := o.Language.Pick
	lines := "**" + pick("【测试】Trade Monitor 测试消息", "[test] Trade Monitor test message") + "**\n" +
		"> " + pick("群：", "group: ") + clip(escapeLine(g.Name), 100) + "\n" +
		"> " + pick("来自：", "from: ") + clip(escapeLine(host), 100) + "\n" +
		"> " + pick("发起：", "asked for by: ") + clip(escapeLine(by), 100) + "\n" +
		"> " + pick("时间：", "time: ") + now.In(o.Location).Format(time.DateTime) + "\n"
	if !g.Enabled {
		lines += "> " + pick("注意：该群已停用，不会收到告警", "note: this group is disabled and gets no alerts") + "\n"
	}
	return as(g.Format(), lines+pick("收到本条即表示机器人可用，无需处理。", "The robot works; there is nothing to do."))
}
