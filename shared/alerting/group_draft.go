package alerting

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// GroupDraft is what a person wants a group to be. What is nil stays as it is.
type GroupDraft struct {
	Name        *string
	Webhook     *Secret // EnvironmentWebhook: the robot of WECHAT_WEBHOOK_URL; masked (***): stays
	AlertTypes  *string // comma-separated; empty: all
	Enabled     *bool
	Format      *string // markdown or text
	Description *string
}

// The lengths that the guide's columns hold.
const (
	maxGroupName = 100 // characters
	maxGroupText = 500 // characters of webhook_url and description; bytes of alert_types
)

// Apply makes the group that the draft describes of the one that is there (a
// new one: Group{Enabled: true}), or names every problem at once. check tells
// why a webhook would not be posted to.
func (d GroupDraft) Apply(g Group, check func(Secret) error) (Group, error) {
	p := &InvalidError{}
	d.name(&g, p)
	d.webhook(&g, check, p)
	d.types(&g, p)
	d.format(&g, p)
	if d.Description != nil {
		g.Description = strings.TrimSpace(*d.Description)
	}
	if d.Description != nil && utf8.RuneCountInString(g.Description) > maxGroupText {
		p.add("description", "最多 500 个字 (at most 500 characters)")
	}
	if d.Enabled != nil {
		g.Enabled = *d.Enabled
	}
	return g, p.orNil()
}

// name checks what is new only: a row that people wrote by SQL can be switched
// off whatever else is in it. So do the others.
func (d GroupDraft) name(g *Group, p *InvalidError) {
	if d.Name == nil && g.Name != "" {
		return
	}
	if d.Name != nil {
		g.Name = strings.TrimSpace(*d.Name)
	}
	p.require("groupName", g.Name, maxGroupName)
	if strings.ContainsFunc(g.Name, unicode.IsControl) {
		p.add("groupName", "不能含换行等控制字符 (no control characters)")
	}
}

func (d GroupDraft) webhook(g *Group, check func(Secret) error, p *InvalidError) {
	if d.keepsWebhook(*g) {
		return
	}
	g.Webhook, g.FromEnv = "", false
	if d.Webhook != nil && !masked(*d.Webhook) {
		g.Webhook = Secret(strings.TrimSpace(d.Webhook.Reveal()))
		g.FromEnv = g.Webhook == EnvironmentWebhook
	}
	switch {
	case g.FromEnv:
	case g.Webhook == "":
		p.add("webhookUrl", "必填：机器人的 Webhook 地址 (required: the robot's webhook)")
	case utf8.RuneCountInString(g.Webhook.Reveal()) > maxGroupText:
		p.add("webhookUrl", "最多 500 个字 (at most 500 characters)")
	case !Placeholder(g.Webhook):
		if err := check(g.Webhook); err != nil {
			p.add("webhookUrl", err.Error())
		}
	}
}

// keepsWebhook tells whether the draft leaves the robot of a group as it is: it
// says nothing, or what the API shows of it.
func (d GroupDraft) keepsWebhook(g Group) bool {
	switch {
	case g.FromEnv:
		return d.Webhook == nil || *d.Webhook == "" || masked(*d.Webhook)
	case g.Webhook == "":
		return false
	}
	return d.Webhook == nil || masked(*d.Webhook)
}

func masked(webhook Secret) bool { return strings.Contains(webhook.Reveal(), "***") }

// types takes whatever an event's type can be, without the spaces and commas
// that part the list.
func (d GroupDraft) types(g *Group, p *InvalidError) {
	if d.AlertTypes == nil {
		return
	}
	var types []string
	for _, t := range splitTypes(strings.ToUpper(*d.AlertTypes)) {
		switch {
		case utf8.RuneCountInString(t) > MaxType || plain(t) != t:
			p.add("alertTypes", fmt.Sprintf("%q 不是告警类型：最多 50 个字，不含控制字符 (not an alert type: at most 50 characters, none of them control characters)", clip(t, MaxType)))
		case !slices.Contains(types, t):
			types = append(types, t)
		}
	}
	if g.AlertTypes = strings.Join(types, ","); len(g.AlertTypes) > maxGroupText {
		p.add("alertTypes", "合计最多 500 字节 (at most 500 bytes in all)")
	}
}

func (d GroupDraft) format(g *Group, p *InvalidError) {
	if d.Format == nil {
		return
	}
	f, known := ParseFormat(*d.Format)
	if !known {
		p.add("messageFormat", "必须是 markdown 或 text (markdown or text)")
	}
	g.MessageFormat = string(f)
}

// Unusable tells what a person should know about a group that was stored as
// asked and yet tells nobody; empty: nothing.
func (g Group) Unusable() string {
	switch {
	case g.FromEnv && Placeholder(g.Webhook):
		return "WECHAT_WEBHOOK_URL 未配置，此群暂时收不到消息 (WECHAT_WEBHOOK_URL is not set: this group is not told of anything)"
	case Placeholder(g.Webhook):
		return "webhookUrl 仍是示例地址，请换成机器人的地址 (webhookUrl is still the example; put the robot's there)"
	}
	return ""
}
