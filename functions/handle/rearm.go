package handle

import (
	"context"
	"net/http"
	"unicode/utf8"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// Breakers is what people close and release; by names the person.
type Breakers interface {
	// Rearm closes a container's breaker. alerting.ErrNotFound: nothing was
	// ever decided about it.
	Rearm(ctx context.Context, container, by string) (alerting.Rearmed, error)
	// ReleaseBrake ends the brake of a host, by its id or name.
	ReleaseBrake(ctx context.Context, host, by string) (alerting.Rearmed, error)
}

func (f *Function) breakerRoutes() []httpapi.Route {
	return []httpapi.Route{
		{Method: http.MethodPost, Pattern: "/api/remediation/containers/{name}/rearm", Scope: httpapi.Operate, Handler: f.rearm},
		{Method: http.MethodPost, Pattern: "/api/remediation/brakes/{host}/release", Scope: httpapi.Operate, Handler: f.release},
	}
}

// rearmed is the answer to both.
type rearmed struct {
	Success bool            `json:"success"`
	Message string          `json:"message"`
	Data    httpapi.Rearmed `json:"data"`
}

func (f *Function) rearm(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if !alerting.ContainerName(name) {
		return httpapi.Invalid("name", "不是合法的容器名 (not a container name)")
	}
	return f.letGo(w, r, name, f.store.Rearm, f.views.Language.Pick("熔断已复位，受阻的告警立即重新判断", "the breaker is re-armed; what it held is decided again"))
}

// maxHost is the width of the host's columns, in characters.
const maxHost = 200

func (f *Function) release(w http.ResponseWriter, r *http.Request) error {
	host := r.PathValue("host")
	if !utf8.ValidString(host) || utf8.RuneCountInString(host) > maxHost {
		return httpapi.Invalid("host", "最多 200 个字符 (at most 200 characters)")
	}
	return f.letGo(w, r, host, f.store.ReleaseBrake, f.views.Language.Pick("刹车已解除，暂缓的告警立即重新判断", "the brake is released; what it held is decided again"))
}

type lettingGo func(ctx context.Context, what, by string) (alerting.Rearmed, error)

func (f *Function) letGo(w http.ResponseWriter, r *http.Request, what string, do lettingGo, message string) error {
	by, err := httpapi.Person(r)
	if err != nil {
		return err
	}
	done, err := do(r.Context(), what, by)
	if err != nil {
		return err
	}
	return httpapi.Write(w, http.StatusOK, rearmed{Success: true, Message: message, Data: f.views.Rearmed(done)})
}
