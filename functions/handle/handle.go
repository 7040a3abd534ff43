// Package handle is what a person does with an alert: run its action now, or
// ask what would become of that, acknowledge it, resolve it; and with what holds
// remediation back: re-arm a breaker, release a brake.
package handle

import (
	"context"
	"net/http"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// Store commits what a person decided; by names the person.
type Store interface {
	Handle(ctx context.Context, id int64, by string) (alerting.Remediation, error)
	Acknowledge(ctx context.Context, id int64, by string) (alerting.Alert, error)
	Resolve(ctx context.Context, id int64, by string) (alerting.Alert, error)
	// Rehearse tells what would become of Handle, and changes nothing.
	Rehearse(ctx context.Context, id int64, by string) (alerting.Rehearsal, error)
	Breakers
}

// Options is how answers are written.
type Options struct {
	Language alerting.Language
	Location *time.Location
	Engine   Engine // that a dry run asks; nil: there is none beside this process
}

// Function is the endpoints.
type Function struct {
	store  Store
	engine Engine
	views  httpapi.Views
}

// New makes the function over a store.
func New(store Store, o Options) *Function {
	return &Function{store: store, engine: o.Engine, views: httpapi.Views{Language: o.Language, Location: o.Location}}
}

// Routes lists what the function answers.
func (f *Function) Routes() []httpapi.Route {
	return append(f.breakerRoutes(), []httpapi.Route{
		{Method: http.MethodPost, Pattern: "/api/alerts/{id}/handle", Scope: httpapi.Operate, Handler: f.handle},
		{Method: http.MethodPost, Pattern: "/api/alerts/{id}/acknowledge", Scope: httpapi.Operate, Handler: f.acknowledge},
		{Method: http.MethodPost, Pattern: "/api/alerts/{id}/resolve", Scope: httpapi.Operate, Handler: f.resolve},
	}...)
}

// answer is the guide's two fields and what came of it.
type answer struct {
	Success     bool                 `json:"success"`
	Message     string               `json:"message"`
	Remediation *httpapi.Remediation `json:"remediation,omitempty"`
	Data        *httpapi.Alert       `json:"data,omitempty"`
}

// order is the body of /handle. Whoever misspells dryRun must not have a
// container restarted, so that unknown fields are refused.
type order struct {
	By     string `json:"by"`
	DryRun bool   `json:"dryRun"`
}

func (f *Function) handle(w http.ResponseWriter, r *http.Request) error {
	id, err := httpapi.PathID(r)
	if err != nil {
		return err
	}
	var body order
	if err := httpapi.ReadStrictJSON(r, &body); err != nil {
		return err
	}
	by, err := httpapi.PersonOr(r, body.By)
	if err != nil {
		return err
	}
	if body.DryRun {
		return f.rehearse(w, r, id, by)
	}
	remediation, err := f.store.Handle(r.Context(), id, by)
	if err != nil {
		return err
	}
	view := f.views.Remediation(remediation)
	message := f.views.Language.Pick("告警处置已触发", "remediation triggered")
	return httpapi.Write(w, http.StatusOK, answer{Success: true, Message: message, Remediation: &view})
}

func (f *Function) acknowledge(w http.ResponseWriter, r *http.Request) error {
	return f.change(w, r, f.store.Acknowledge, f.views.Language.Pick("告警已确认", "alert acknowledged"))
}

func (f *Function) resolve(w http.ResponseWriter, r *http.Request) error {
	return f.change(w, r, f.store.Resolve, f.views.Language.Pick("告警已标记为已解决", "alert resolved"))
}

type changing func(ctx context.Context, id int64, by string) (alerting.Alert, error)

func (f *Function) change(w http.ResponseWriter, r *http.Request, change changing, message string) error {
	id, by, err := request(r)
	if err != nil {
		return err
	}
	alert, err := change(r.Context(), id, by)
	if err != nil {
		return err
	}
	view := f.views.Alert(alert)
	return httpapi.Write(w, http.StatusOK, answer{Success: true, Message: message, Data: &view})
}

// request reads which alert and who.
func request(r *http.Request) (id int64, by string, err error) {
	if id, err = httpapi.PathID(r); err != nil {
		return 0, "", err
	}
	by, err = httpapi.Person(r)
	return id, by, err
}
