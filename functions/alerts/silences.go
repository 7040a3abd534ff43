package alerts

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// Silences keeps the silences. now is the record's instant, by which they stand
// as they do.
type Silences interface {
	Silences(ctx context.Context, all bool) (list alerting.Silences, now time.Time, err error)
	Silence(ctx context.Context, id int64) (one alerting.Silence, now time.Time, err error)
	CreateSilence(ctx context.Context, draft func(now time.Time) (alerting.Silence, error)) (alerting.Silence, error)
	EndSilence(ctx context.Context, id int64, by string) (alerting.Silence, error)
}

func (f *Function) silenceRoutes() []httpapi.Route {
	const silences = "/api/silences"
	return []httpapi.Route{
		{Method: http.MethodGet, Pattern: silences, Scope: httpapi.Read, Handler: f.silences},
		{Method: http.MethodPost, Pattern: silences, Scope: httpapi.Operate, Handler: f.createSilence},
		{Method: http.MethodGet, Pattern: silences + "/{id}", Scope: httpapi.Read, Handler: f.silence},
		{Method: http.MethodDelete, Pattern: silences + "/{id}", Scope: httpapi.Operate, Handler: f.endSilence},
	}
}

func (f *Function) silences(w http.ResponseWriter, r *http.Request) error {
	all, err := wantsAll(r)
	if err != nil {
		return err
	}
	list, now, err := f.store.Silences(r.Context(), all)
	if err != nil {
		return err
	}
	return httpapi.WriteData(w, f.views.Silences(list, now))
}

func wantsAll(r *http.Request) (bool, error) {
	switch strings.ToLower(r.URL.Query().Get("all")) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, httpapi.Invalid("all", "只能是 true 或 false (true or false)")
}

func (f *Function) silence(w http.ResponseWriter, r *http.Request) error {
	id, err := httpapi.PathID(r)
	if err != nil {
		return err
	}
	one, now, err := f.store.Silence(r.Context(), id)
	if err != nil {
		return err
	}
	return httpapi.WriteData(w, f.views.Silence(one, now))
}

// silenceBody is what POST takes.
type silenceBody struct {
	AlertType       string `json:"alertType"`
	ServiceName     string `json:"serviceName"`
	Severity        string `json:"severity"`
	StartsAt        string `json:"startsAt"`
	EndsAt          string `json:"endsAt"`
	Duration        string `json:"duration"`
	Author          string `json:"author"`
	Comment         string `json:"comment"`
	HoldRemediation bool   `json:"holdRemediation"`
}

// silenceStored is the answer to a change.
type silenceStored struct {
	Success bool            `json:"success"`
	Message string          `json:"message"`
	Data    httpapi.Silence `json:"data"`
}

func (f *Function) createSilence(w http.ResponseWriter, r *http.Request) error {
	draft, err := f.readSilence(r)
	if err != nil {
		return err
	}
	made, err := f.store.CreateSilence(r.Context(), draft.Make)
	if err != nil {
		return err
	}
	answer := silenceStored{true, f.views.Language.Pick("静默已创建", "silence created"), f.views.Silence(made, made.CreatedAt)}
	return httpapi.Write(w, http.StatusOK, answer)
}

// readSilence reads the body, and names everything that is wrong with it at once.
func (f *Function) readSilence(r *http.Request) (alerting.SilenceDraft, error) {
	var body silenceBody
	if err := httpapi.ReadJSON(r, &body); err != nil {
		return alerting.SilenceDraft{}, err
	}
	d := alerting.SilenceDraft{AlertType: body.AlertType, Service: body.ServiceName, Severity: body.Severity, Comment: body.Comment, HoldRemediation: body.HoldRemediation}
	var wrong alerting.InvalidError
	d.StartsAt = f.instant("startsAt", body.StartsAt, &wrong)
	d.EndsAt = f.instant("endsAt", body.EndsAt, &wrong)
	d.Duration = length(body.Duration, &wrong)
	var err error
	if d.Author, err = httpapi.Author(r, "author", body.Author); err != nil {
		merge(&wrong, err)
	}
	if len(wrong.Problems) == 0 {
		return d, nil
	}
	_, err = d.Make(time.Now()) // for what else is wrong
	merge(&wrong, err)
	return d, &wrong
}

// merge adds the problems of fields that have none yet.
func merge(into *alerting.InvalidError, err error) {
	var more *alerting.InvalidError
	if !errors.As(err, &more) {
		return
	}
	for _, p := range more.Problems {
		if !slices.ContainsFunc(into.Problems, func(known alerting.Problem) bool { return known.Field == p.Field }) {
			into.Problems = append(into.Problems, p)
		}
	}
}

// instant reads a time with an offset, or one on the clocks of the configured
// place. A date alone does not say whether its day is in.
func (f *Function) instant(field, text string, wrong *alerting.InvalidError) time.Time {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}
	}
	at, day, ok := readTime(text, f.views.Location)
	if !ok || day {
		wrong.Problems = append(wrong.Problems, alerting.Problem{Field: field, Message: "时间格式应为 2026-02-25 10:00:00 或 2026-02-25T10:00:00+08:00 (a time written like these)"})
	}
	return at
}

// length reads 90m, 2h or 1h30m.
func length(text string, wrong *alerting.InvalidError) time.Duration {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		wrong.Problems = append(wrong.Problems, alerting.Problem{Field: "duration", Message: "应为 30m、2h 或 1h30m (30m, 2h or 1h30m)"})
	}
	return d
}

// endSilence ends it; its row stays.
func (f *Function) endSilence(w http.ResponseWriter, r *http.Request) error {
	id, err := httpapi.PathID(r)
	if err != nil {
		return err
	}
	by, err := httpapi.Person(r)
	if err != nil {
		return err
	}
	ended, err := f.store.EndSilence(r.Context(), id, by)
	if err != nil {
		return err
	}
	answer := silenceStored{true, f.views.Language.Pick("静默已结束", "silence ended"), f.views.Silence(ended, ended.EndsAt)}
	return httpapi.Write(w, http.StatusOK, answer)
}
