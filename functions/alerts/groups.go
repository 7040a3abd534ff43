package alerts

import (
	"context"
	"net/http"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// Groups keeps the WeCom groups.
type Groups interface {
	Groups(ctx context.Context) ([]alerting.Group, error)
	CreateGroup(ctx context.Context, g alerting.Group) (alerting.Group, error)
	UpdateGroup(ctx context.Context, id int64, change func(alerting.Group) (alerting.Group, error)) (alerting.Group, error)
	DeleteGroup(ctx context.Context, id int64) error
}

// RobotStates tells how it stands with the groups' robots.
type RobotStates interface {
	Robots(ctx context.Context) (alerting.Robots, error)
}

// Robots is how groups are reached.
type Robots struct {
	// Check tells why a webhook would not be posted to.
	Check func(alerting.Secret) error
	// Try sends a test message to a group, for whom by names; 0: to the robot of
	// WECHAT_WEBHOOK_URL.
	Try func(ctx context.Context, group int64, by string) (alerting.Trial, error)
	// Explain says what became of a message, and how a failure is mended; mend
	// is empty when there is none needed.
	Explain func(alerting.Verdict) (what, mend string)
}

// tryPatience covers a robot that takes its time, and the record of it: together
// they end within 22 s, by themselves.
const tryPatience = 23 * time.Second

func (f *Function) groupRoutes() []httpapi.Route {
	const groups = "/api/alerts/wechat-groups"
	return []httpapi.Route{
		{Method: http.MethodGet, Pattern: groups, Scope: httpapi.Read, Handler: f.groups},
		{Method: http.MethodPost, Pattern: groups, Scope: httpapi.Operate, Handler: f.createGroup},
		{Method: http.MethodPut, Pattern: groups + "/{id}", Scope: httpapi.Operate, Handler: f.updateGroup},
		{Method: http.MethodDelete, Pattern: groups + "/{id}", Scope: httpapi.Operate, Handler: f.deleteGroup},
		{Method: http.MethodPost, Pattern: groups + "/{id}/test", Scope: httpapi.Operate, Handler: f.tryGroup, Patience: tryPatience},
	}
}

func (f *Function) groups(w http.ResponseWriter, r *http.Request) error {
	groups, err := f.store.Groups(r.Context())
	if err != nil {
		return err
	}
	robots, err := f.store.Robots(r.Context())
	if err != nil {
		return err
	}
	return httpapi.WriteData(w, f.views.Groups(groups, robots))
}

// groupBody is what POST and PUT take. A field that is left out stays as it is.
type groupBody struct {
	GroupName     *string          `json:"groupName"`
	WebhookURL    *alerting.Secret `json:"webhookUrl"`
	AlertTypes    *string          `json:"alertTypes"`
	IsEnabled     *bool            `json:"isEnabled"`
	MessageFormat *string          `json:"messageFormat"`
	Description   *string          `json:"description"`
}

func (f *Function) change(r *http.Request) (func(alerting.Group) (alerting.Group, error), error) {
	var body groupBody
	if err := httpapi.ReadJSON(r, &body); err != nil {
		return nil, err
	}
	draft := alerting.GroupDraft{Name: body.GroupName, Webhook: body.WebhookURL, AlertTypes: body.AlertTypes, Enabled: body.IsEnabled, Format: body.MessageFormat, Description: body.Description}
	return func(g alerting.Group) (alerting.Group, error) { return draft.Apply(g, f.robots.Check) }, nil
}

// stored is the answer to a change.
type stored struct {
	Success bool          `json:"success"`
	Message string        `json:"message"`
	Data    httpapi.Group `json:"data"`
	Notes   []string      `json:"notes,omitempty"`
}

func (f *Function) writeStored(w http.ResponseWriter, g alerting.Group, robots alerting.Robots, message string) error {
	answer := stored{Success: true, Message: message, Data: f.views.Group(g, robots)}
	if note := g.Unusable(); note != "" {
		answer.Notes = []string{note}
	}
	return httpapi.Write(w, http.StatusOK, answer)
}

func (f *Function) createGroup(w http.ResponseWriter, r *http.Request) error {
	change, err := f.change(r)
	if err != nil {
		return err
	}
	g, err := change(alerting.Group{Enabled: true})
	if err != nil {
		return err
	}
	robots, err := f.store.Robots(r.Context()) // first: what is done must not be answered with an error
	if err != nil {
		return err
	}
	if g, err = f.store.CreateGroup(r.Context(), g); err != nil {
		return err
	}
	return f.writeStored(w, g, robots, f.views.Language.Pick("群已添加", "group added"))
}

func (f *Function) updateGroup(w http.ResponseWriter, r *http.Request) error {
	id, err := httpapi.PathID(r)
	if err != nil {
		return err
	}
	change, err := f.change(r)
	if err != nil {
		return err
	}
	robots, err := f.store.Robots(r.Context())
	if err != nil {
		return err
	}
	g, err := f.store.UpdateGroup(r.Context(), id, change)
	if err != nil {
		return err
	}
	return f.writeStored(w, g, robots, f.views.Language.Pick("群配置已修改", "group changed"))
}

// done is the answer when there is nothing left to show.
type done struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

func (f *Function) deleteGroup(w http.ResponseWriter, r *http.Request) error {
	id, err := httpapi.PathID(r)
	if err != nil {
		return err
	}
	if err := f.store.DeleteGroup(r.Context(), id); err != nil {
		return err
	}
	return httpapi.Write(w, http.StatusOK, done{true, f.views.Language.Pick("群配置已删除", "group deleted")})
}

// tried is the answer to a test message: what the robot said of it. success is
// false when it was not delivered, or nobody knows.
type tried struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
	Data    trial  `json:"data"`
}

type trial struct {
	GroupID     int64         `json:"groupId"`
	GroupName   string        `json:"groupName"`
	IsEnabled   bool          `json:"isEnabled"`
	Verdict     string        `json:"verdict"` // ACCEPTED, REFUSED or UNKNOWN
	ErrCode     int           `json:"errcode"` // 0 also when WeCom did not answer
	Explanation string        `json:"explanation"`
	Mend        *string       `json:"mend"`
	SentAt      httpapi.Stamp `json:"sentAt"`
	TookMs      int64         `json:"tookMs"`
}

// tryGroup answers 200 with whatever the robot said: we did what was asked. Only
// what we refuse to send, as a robot is busy or has used its budget, is 409.
func (f *Function) tryGroup(w http.ResponseWriter, r *http.Request) error {
	id, err := httpapi.PathGroup(r)
	if err != nil {
		return err
	}
	t, err := f.robots.Try(r.Context(), id, httpapi.Caller(r.Context()))
	if err != nil {
		return err
	}
	return httpapi.Write(w, http.StatusOK, f.tried(t))
}

func (f *Function) tried(t alerting.Trial) tried {
	what, mend := f.robots.Explain(t.Verdict)
	answer := tried{Data: trial{
		GroupID: t.Group.ID, GroupName: t.Group.Name, IsEnabled: t.Group.Enabled, Verdict: string(t.Verdict.Status), ErrCode: t.Verdict.ErrCode,
		Explanation: what, SentAt: f.views.At(t.At), TookMs: t.Took.Milliseconds(),
	}}
	if mend != "" {
		answer.Data.Mend = &mend
	}
	pick := f.views.Language.Pick
	switch t.Verdict.Status {
	case alerting.Accepted:
		answer.Success, answer.Message = true, pick("测试消息已送达", "test message delivered")
	case alerting.Unknown:
		answer.Message = pick("测试消息的结果未知", "the outcome of the test message is unknown")
	default:
		answer.Message = pick("测试消息未送达", "test message not delivered")
	}
	return answer
}
