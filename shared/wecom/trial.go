package wecom

import (
	"time"

	"trade-monitor/shared/alerting"
)

// Trials gives what writes the test message to a group; host is where it comes
// from, for people.
func Trials(o RenderOptions, host string) func(alerting.Group) string {
	if o.Location == nil {
		o.Location = time.UTC
	}
	return func(g alerting.Group) string { return renderTrial(g, o, host, time.Now()) }
}

func renderTrial(g alerting.Group, o RenderOptions, host string, now time.Time) string {
	pick := o.Language.Pick
	lines := "**" + pick("【测试】Trade Monitor 测试消息", "[test] Trade Monitor test message") + "**\n" +
		"> " + pick("群：", "group: ") + clip(escapeLine(g.Name), 100) + "\n" +
		"> " + pick("来自：", "from: ") + clip(escapeLine(host), 100) + "\n" +
		"> " + pick("时间：", "time: ") + now.In(o.Location).Format(time.DateTime) + "\n"
	if !g.Enabled {
		lines += "> " + pick("注意：该群已停用，不会收到告警", "note: this group is disabled and gets no alerts") + "\n"
	}
	return lines + pick("收到本条即表示机器人可用，无需处理。", "The robot works; there is nothing to do.")
}

// ExplainVerdict says what became of a message, and how a failure is mended.
func ExplainVerdict(v alerting.Verdict, lang alerting.Language) string {
	switch {
	case v.Status == alerting.Accepted, v.ErrCode != 0:
		return Explain(v.ErrCode, lang)
	case v.Class == alerting.ClassRobotGone:
		return v.Error + lang.Pick("；请更正 webhook_url，或在 WECHAT_ALLOWED_HOSTS 中加入该主机", "; correct webhook_url, or add the host to WECHAT_ALLOWED_HOSTS")
	case v.Status == alerting.Refused:
		return v.Error + lang.Pick("；请检查本机到企业微信的网络、DNS 和 HTTPS_PROXY", "; check the network to WeCom, DNS and HTTPS_PROXY")
	}
	return v.Error + lang.Pick("；结果未知，群里可能已经收到；请检查网络和 HTTPS_PROXY 后重试", "; the outcome is unknown, the group may have it; check the network and HTTPS_PROXY and try again")
}
