package wecom

import (
	"trade-monitor/shared/alerting"
)

// Explain says in Chinese and English what a verdict means and how what it says
// is mended, without any key. mend is empty when there is nothing to do.
func Explain(v alerting.Verdict) (what, mend string) {
	if v.Status == alerting.Accepted || v.ErrCode != 0 {
		m := ofCode(v.ErrCode)
		return both(m.zh, m.en), both(m.zhMend, m.enMend)
	}
	// The text of what went wrong on the way is in both languages already.
	switch {
	case v.Class == alerting.ClassRobotGone: // no request was made
		return v.Error, both("请更正 webhook_url，或在 WECHAT_ALLOWED_HOSTS 中加入该主机", "correct webhook_url, or add the host to WECHAT_ALLOWED_HOSTS")
	case v.Status == alerting.Refused: // nobody can have seen it
		return v.Error, both("请检查本机到企业微信的网络、DNS、防火墙和 HTTPS_PROXY", "check the network to WeCom, DNS, the firewall and HTTPS_PROXY")
	}
	return v.Error + "；" + both("结果未知，群里可能已经收到", "the outcome is unknown, the group may have it"),
		both("请到群里查看；没有收到则检查网络和 HTTPS_PROXY 后重试", "look into the group; if it is not there, check the network and HTTPS_PROXY and try again")
}

func both(zh, en string) string {
	if zh == "" {
		return ""
	}
	return zh + " (" + en + ")"
}
