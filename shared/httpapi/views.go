package httpapi

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
)

// Views writes the domain as JSON: in one language, with times as one place's
// clocks show them. A nil Location means UTC.
type Views struct {
	Language alerting.Language
	Location *time.Location
}

// Stamp is a time as the API writes it: RFC 3339 to the millisecond with the
// offset; null when there is none.
type Stamp struct{ time.Time }

// MarshalJSON writes the stamp.
func (s Stamp) MarshalJSON() ([]byte, error) {
	if s.IsZero() {
		return []byte("null"), nil
	}
	b := make([]byte, 0, len(`"2006-01-02T15:04:05.000+08:00"`))
	return s.AppendFormat(b, `"2006-01-02T15:04:05.000Z07:00"`), nil
}

// At is the time on the clocks of the configured place.
func (v Views) At(t time.Time) Stamp {
	if t.IsZero() {
		return Stamp{}
	}
	if v.Location == nil {
		return Stamp{t.UTC()}
	}
	return Stamp{t.In(v.Location)}
}

// Alert is an alert as the contract shows it, the guide's columns first.
type Alert struct {
	ID             int64           `json:"id"`
	AlertType      string          `json:"alertType"`
	ServiceName    string          `json:"serviceName"`
	Severity       string          `json:"severity"`
	Title          string          `json:"title"`
	Message        string          `json:"message"`
	Status         string          `json:"status"`
	ActionTaken    *string         `json:"actionTaken"`
	WechatSent     bool            `json:"wechatSent"`
	WechatSentAt   Stamp           `json:"wechatSentAt"`
	ResolvedAt     Stamp           `json:"resolvedAt"`
	CreatedAt      Stamp           `json:"createdAt"`
	UpdatedAt      Stamp           `json:"updatedAt"`
	Occurrences    int64           `json:"occurrences"`
	LastSeenAt     Stamp           `json:"lastSeenAt"`
	AcknowledgedAt Stamp           `json:"acknowledgedAt"`
	EscalatesAt    Stamp           `json:"escalatesAt"`
	Escalated      int             `json:"escalated"`
	Metadata       json.RawMessage `json:"metadata"`
	Fingerprint    *string         `json:"fingerprint"`
}

// Alert shows an alert.
func (v Views) Alert(a alerting.Alert) Alert {
	return Alert{
		ID: a.ID, AlertType: a.Type, ServiceName: a.Service, Severity: string(a.Severity),
		Title: a.Title, Message: a.Message, Status: string(a.Status), ActionTaken: orNull(a.ActionTaken),
		WechatSent: a.WechatSent, WechatSentAt: v.At(a.WechatSentAt), ResolvedAt: v.At(a.ResolvedAt),
		CreatedAt: v.At(a.CreatedAt), UpdatedAt: v.At(a.UpdatedAt), Occurrences: a.Occurrences,
		LastSeenAt: v.At(a.LastSeenAt), AcknowledgedAt: v.At(a.AcknowledgedAt),
		EscalatesAt: v.At(a.EscalateAt), Escalated: a.Escalated.Count(),
		Metadata: object(a.Metadata), Fingerprint: orNull(a.Fingerprint),
	}
}

// Alerts shows several.
func (v Views) Alerts(alerts []alerting.Alert) []Alert { return each(alerts, v.Alert) }

// Group is a WeCom group; its robot's key is not in it.
type Group struct {
	ID            int64   `json:"id"`
	GroupName     string  `json:"groupName"`
	WebhookURL    string  `json:"webhookUrl"`
	AlertTypes    *string `json:"alertTypes"`
	IsEnabled     bool    `json:"isEnabled"`
	MessageFormat string  `json:"messageFormat"`
	Description   *string `json:"description"`
	CreatedAt     Stamp   `json:"createdAt"`
	UpdatedAt     Stamp   `json:"updatedAt"`
	RobotID       string  `json:"robotId"`    // equal for groups with the same robot
	Configured    bool    `json:"configured"` // false: the URL is the guide's example
	RobotState    string  `json:"robotState"`
	RobotReason   *Reason `json:"robotReason"` // why it rests or is broken, and until when it is left alone
}

// Group shows a group.
func (v Views) Group(g alerting.Group, robots alerting.Robots) Group {
	state, why := robots.Of(g.Webhook)
	return Group{
		RobotState: string(state), RobotReason: v.Reason(why, robots.Now),
		ID: g.ID, GroupName: g.Name, WebhookURL: MaskWebhook(g.Webhook), AlertTypes: orNull(g.AlertTypes),
		IsEnabled: g.Enabled, MessageFormat: string(g.Format()), Description: orNull(g.Description), CreatedAt: v.At(g.CreatedAt), UpdatedAt: v.At(g.UpdatedAt),
		RobotID: alerting.RobotID(g.Webhook), Configured: !alerting.Placeholder(g.Webhook),
	}
}

// Groups shows several.
func (v Views) Groups(groups []alerting.Group, robots alerting.Robots) []Group {
	return each(groups, func(g alerting.Group) Group { return v.Group(g, robots) })
}

// weComPath is the path of every WeCom robot; another path may hold a secret.
const weComPath = "/cgi-bin/webhook/send"

// MaskWebhook shows where a webhook points without its key.
func MaskWebhook(webhook alerting.Secret) string {
	if webhook == "" {
		return ""
	}
	u, err := url.Parse(strings.TrimSpace(webhook.Reveal()))
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return "***"
	}
	place := u.Scheme + "://" + u.Host
	if u.Path == weComPath {
		return place + weComPath + "?key=***"
	}
	return place + "/***"
}

// object passes JSON through, and anything else, which a person may have
// written into the column, as a string: one odd row must not hide a page.
func object(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || json.Valid(raw) {
		return raw
	}
	text, err := json.Marshal(string(raw))
	if err != nil {
		return nil
	}
	return text
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func idOrNull(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}

// each maps a list; the answer holds [] rather than null.
func each[T, V any](items []T, view func(T) V) []V {
	views := make([]V, len(items))
	for i, item := range items {
		views[i] = view(item)
	}
	return views
}
