package main

import (
	"context"
	"slices"
	"time"

	"trade-monitor/local/doctor"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/wecom"
)

func (e *examination) client() *wecom.Client {
	return wecom.New(wecom.Options{AllowedHosts: e.cfg.AllowedHosts, Proxy: e.cfg.HTTPSProxy})
}

const robotMend = "在企业微信群里添加机器人，把它的 Webhook 写入 .env 的 WECHAT_WEBHOOK_URL，或 wechat_groups 的 webhook_url；然后运行 trade-monitor wechat-test " +
	"(add a robot to the WeCom group, write its webhook into WECHAT_WEBHOOK_URL in .env or webhook_url of wechat_groups, and run trade-monitor wechat-test)"

func (e *examination) listed(ctx context.Context) ([]alerting.Group, error) {
	if e.open.err != nil {
		return nil, e.open.err
	}
	return e.open.Groups(ctx)
}

// groups tells who would not be told, and why.
func (e *examination) groups(ctx context.Context) []doctor.Finding {
	groups, err := e.listed(ctx)
	if err != nil && !e.open.fresh {
		return unknown(err)
	}
	findings := append(e.badGroups(groups), oddFormats(groups)...)
	if len(groups) > 0 && !slices.ContainsFunc(groups, func(g alerting.Group) bool { return g.Enabled }) {
		findings = append(findings, failed("把需要的行改为 is_enabled = 1 (set is_enabled = 1 where it is wanted)", "wechat_groups 的 %d 个群全部停用 (all groups are disabled)", len(groups)))
	}
	if w := e.cfg.Webhook; !alerting.Placeholder(w) {
		if err := e.client().Check(w); err != nil {
			findings = append(findings, failed("改正 .env 中的 WECHAT_WEBHOOK_URL，或 WECHAT_ALLOWED_HOSTS (correct it in .env, or WECHAT_ALLOWED_HOSTS)", "WECHAT_WEBHOOK_URL: %v", err))
		}
	}
	for _, alertType := range []string{alerting.TickerSyncTimeout, alerting.ContainerDown} {
		if reached(groups, e.cfg, alertType) == 0 {
			findings = append(findings, failed(robotMend, "%s 不会通知任何人 (nobody is told of this type)", alertType))
		}
	}
	return orFine(findings, "%d 个，各类告警都有人收到 (groups; every type reaches somebody)", len(groups))
}

func (e *examination) badGroups(groups []alerting.Group) (findings []doctor.Finding) {
	client := e.client()
	for _, g := range groups {
		if !g.Enabled || g.FromEnv && !alerting.Placeholder(g.Webhook) {
			continue
		}
		if alerting.Placeholder(g.Webhook) {
			findings = append(findings, failed(robotMend, "群“%s” (id %d) 的 Webhook 未配置或仍是示例地址 (its webhook is not set or still the example)", g.Name, g.ID))
		} else if err := client.Check(g.Webhook); err != nil {
			findings = append(findings, failed("改正 webhook_url，或在 WECHAT_ALLOWED_HOSTS 中加入该主机 (correct webhook_url, or add the host to WECHAT_ALLOWED_HOSTS)", "群“%s” (id %d): %v", g.Name, g.ID, err))
		}
	}
	return findings
}

// oddFormats tells of groups whose messages are written otherwise than their row
// says.
func oddFormats(groups []alerting.Group) (findings []doctor.Finding) {
	for _, g := range groups {
		used := alerting.RobotFormat(groups, alerting.RobotID(g.Webhook))
		switch _, known := alerting.ParseFormat(g.MessageFormat); {
		case !g.Enabled || alerting.Placeholder(g.Webhook):
		case !known:
			findings = append(findings, warned("message_format 写 markdown 或 text (let message_format be markdown or text)",
				"群“%s” (id %d) 的 message_format 是 %q，按 markdown 发送 (not known, sent as markdown)", g.Name, g.ID, g.MessageFormat))
		case used != g.Format():
			findings = append(findings, warned("让同一机器人的群使用同一种 message_format (give the groups of one robot one message_format)",
				"群“%s” (id %d) 与另一个群共用机器人，按后者的格式 %s 发送 (it shares a robot with another group, whose format %[3]s is used)", g.Name, g.ID, used))
		}
	}
	return findings
}

// robots tells which ones WeCom has refused.
func (e *examination) robots(ctx context.Context) []doctor.Finding {
	groups, err := e.listed(ctx)
	if err != nil {
		return unknown(err)
	}
	robots, err := e.open.Robots(ctx)
	if err != nil {
		return unknown(err)
	}
	var findings []doctor.Finding
	told := map[string]bool{} // a robot may be in several groups
	for _, g := range append(groups, alerting.FallbackGroup(e.cfg.Webhook)) {
		state, why := robots.Of(g.Webhook)
		if robot := alerting.RobotID(g.Webhook); state == alerting.RobotGone && !alerting.Placeholder(g.Webhook) && !told[robot] {
			told[robot] = true
			findings = append(findings, failed("在企业微信中重新添加或启用机器人，更新 webhook_url，再运行 trade-monitor wechat-test (add or enable the robot again in WeCom, update webhook_url, then trade-monitor wechat-test)",
				"群“%s”的机器人已失效 (its robot is gone): %s", g.Name, why.Detail))
		}
	}
	return orFine(findings, "没有失效的机器人 (none is known to be gone)")
}

// network asks every robot's host for a connection, and sends nothing else.
func (e *examination) network(ctx context.Context) []doctor.Finding {
	groups, _ := e.listed(ctx) // without the database there is still the fallback
	client := e.client()
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	var findings []doctor.Finding
	asked := map[string]bool{}
	for _, g := range append(groups, alerting.FallbackGroup(e.cfg.Webhook)) {
		host := wecom.Host(g.Webhook)
		if !g.Enabled || alerting.Placeholder(g.Webhook) || client.Check(g.Webhook) != nil || asked[host] {
			continue
		}
		asked[host] = true
		if err := client.Reach(ctx, g.Webhook); err != nil {
			findings = append(findings, failed("检查本机的网络、DNS、防火墙和 HTTPS_PROXY；证书问题用 SSL_CERT_FILE 加入公司 CA (check the network, DNS, the firewall and HTTPS_PROXY; for a certificate add the company's CA by SSL_CERT_FILE)", "%v", err))
		}
	}
	return orFine(findings, "%d 个主机可达 (hosts answer)", len(asked))
}
