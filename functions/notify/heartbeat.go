package notify

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// Heartbeats commits signs of life, and what people order about them; by names
// the person.
type Heartbeats interface {
	Ping(ctx context.Context, p alerting.HeartbeatPing) (alerting.Heartbeat, error)
	PauseHeartbeat(ctx context.Context, name, by string) (alerting.Heartbeat, error)
	ResumeHeartbeat(ctx context.Context, name, by string) (alerting.Heartbeat, error)
	DeleteHeartbeat(ctx context.Context, name, by string) error
}

// heartbeatRoutes: a GET is a heartbeat as well as a POST, so that a line of a
// crontab needs no option of curl or wget.
func (f *Function) heartbeatRoutes() []httpapi.Route {
	const path = "/api/heartbeats/{name}"
	return []httpapi.Route{
		{Method: http.MethodPost, Pattern: path, Scope: httpapi.Notify, Handler: f.ping},
		{Method: http.MethodGet, Pattern: path, Scope: httpapi.Notify, Handler: f.ping},
		{Method: http.MethodDelete, Pattern: path, Scope: httpapi.Operate, Handler: f.forget},
		{Method: http.MethodPost, Pattern: path + "/pause", Scope: httpapi.Operate, Handler: f.pause},
		{Method: http.MethodPost, Pattern: path + "/resume", Scope: httpapi.Operate, Handler: f.resume},
	}
}

type heartbeatAnswer struct {
	Success bool               `json:"success"`
	Message string             `json:"message"`
	Data    *httpapi.Heartbeat `json:"data,omitempty"`
}

func (f *Function) ping(w http.ResponseWriter, r *http.Request) error {
	if err := unmeant(r); err != nil {
		return err
	}
	p, err := readPing(r)
	if err != nil {
		return err
	}
	h, err := f.store.Ping(r.Context(), p)
	if err != nil {
		return undeclared(err)
	}
	f.changed(h)
	return f.answerHeartbeat(w, h, f.views.Language.Pick("心跳已记录", "heartbeat recorded"))
}

func (f *Function) answerHeartbeat(w http.ResponseWriter, h alerting.Heartbeat, message string) error {
	view := f.views.Heartbeat(h)
	return httpapi.Write(w, http.StatusOK, heartbeatAnswer{Success: true, Message: message, Data: &view})
}

// unmeant refuses a GET that nobody meant: an image on another site's page, or a
// browser that fetches ahead. (Requests with a body have their own protection.)
func unmeant(r *http.Request) error {
	switch {
	case r.Method == http.MethodPost:
		return nil
	case r.Header.Get("Sec-Fetch-Site") == "cross-site":
		return &httpapi.Error{Status: http.StatusForbidden, Code: "cross_origin", Message: "拒绝跨站请求 (cross-origin request refused)"}
	case strings.Contains(r.Header.Get("Sec-Purpose")+r.Header.Get("Purpose"), "prefetch"):
		return &httpapi.Error{Status: http.StatusForbidden, Code: "cross_origin", Message: "预取不是心跳 (a prefetch is no heartbeat)"}
	}
	return nil
}

// undeclared tells whoever pings an unknown name how to declare it.
func undeclared(err error) error {
	var unknown *alerting.UndeclaredError
	if !errors.As(err, &unknown) {
		return err
	}
	return &httpapi.Error{Status: http.StatusNotFound, Code: "not_found", Message: unknown.Error()}
}

// readPing reads the path, the query and the body, and names everything that is
// wrong with them at once. The body of a POST is the note, whatever its type.
func readPing(r *http.Request) (alerting.HeartbeatPing, error) {
	q := pingQuery{values: r.URL.Query()}
	p := alerting.HeartbeatPing{
		Name:   r.PathValue("name"),
		Signal: alerting.HeartbeatSignal(strings.ToLower(q.values.Get("signal"))),
		Exit:   q.exit(),
		HeartbeatTerms: alerting.HeartbeatTerms{
			Period: q.period(), Grace: q.duration("grace"),
			AlertType: q.values.Get("type"), Service: q.values.Get("service"), Severity: alerting.Severity(q.values.Get("severity")),
		},
	}
	if r.Method == http.MethodPost {
		body, err := httpapi.Body(r)
		if err != nil {
			return p, err
		}
		p.Note = string(body)
	}
	p, err := p.Check()
	var more *alerting.InvalidError
	if errors.As(err, &more) {
		q.wrong.Problems = append(q.wrong.Problems, more.Problems...)
	}
	if len(q.wrong.Problems) > 0 {
		return p, &q.wrong
	}
	return p, err
}

type pingQuery struct {
	values url.Values
	wrong  alerting.InvalidError
}

func (q *pingQuery) bad(field, message string) {
	q.wrong.Problems = append(q.wrong.Problems, alerting.Problem{Field: field, Message: message})
}

func (q *pingQuery) period() time.Duration {
	d := q.duration("period")
	if d == nil {
		return 0
	}
	if *d == 0 {
		q.bad("period", "不能为 0 (must not be 0)")
	}
	return *d
}

// duration reads 90s, 1h30m, or a number of seconds; nil: not given, or bad.
func (q *pingQuery) duration(name string) *time.Duration {
	given := strings.TrimSpace(q.values.Get(name))
	if given == "" {
		return nil
	}
	if seconds, err := strconv.ParseInt(given, 10, 64); err == nil && seconds > -math.MaxInt32 && seconds < math.MaxInt32 {
		d := time.Duration(seconds) * time.Second
		return &d
	}
	if d, err := time.ParseDuration(given); err == nil {
		return &d
	}
	q.bad(name, "应为时长，例如 90s、1h30m，或秒数 (must be a duration as 90s or 1h30m, or a number of seconds)")
	return nil
}

// exit reads an exit status: of Unix (0 to 255) or of Windows (32 bits, written
// with or without a sign).
func (q *pingQuery) exit() *int64 {
	given := strings.TrimSpace(q.values.Get("exit"))
	if given == "" {
		return nil
	}
	code, err := strconv.ParseInt(given, 10, 64)
	if err != nil || code < math.MinInt32 || code > math.MaxUint32 {
		q.bad("exit", "应为整数退出码 (must be an exit status, an integer)")
		return nil
	}
	return &code
}

func (f *Function) pause(w http.ResponseWriter, r *http.Request) error {
	return f.order(w, r, f.store.PauseHeartbeat, f.views.Language.Pick("心跳已暂停，下次心跳时恢复", "heartbeat paused until its next ping"))
}

func (f *Function) resume(w http.ResponseWriter, r *http.Request) error {
	return f.order(w, r, f.store.ResumeHeartbeat, f.views.Language.Pick("心跳已恢复监视", "heartbeat resumed"))
}

type ordering func(ctx context.Context, name, by string) (alerting.Heartbeat, error)

func (f *Function) order(w http.ResponseWriter, r *http.Request, order ordering, message string) error {
	name, by, err := who(r)
	if err != nil {
		return err
	}
	h, err := order(r.Context(), name, by)
	if err != nil {
		return err
	}
	f.changed(h)
	return f.answerHeartbeat(w, h, message)
}

func (f *Function) forget(w http.ResponseWriter, r *http.Request) error {
	name, by, err := who(r)
	if err != nil {
		return err
	}
	if err := f.store.DeleteHeartbeat(r.Context(), name, by); err != nil {
		return err
	}
	return httpapi.Write(w, http.StatusOK, heartbeatAnswer{Success: true, Message: f.views.Language.Pick("心跳已删除", "heartbeat deleted")})
}

// who reads which heartbeat and who asks.
func who(r *http.Request) (name, by string, err error) {
	name = r.PathValue("name")
	if err := alerting.CheckHeartbeatName(name); err != nil {
		return "", "", err
	}
	by, err = httpapi.Person(r)
	return name, by, err
}
