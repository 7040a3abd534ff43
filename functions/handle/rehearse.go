package handle

import (
	"context"
	"errors"
	"net/http"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// Engine is the Docker Engine beside this process.
type Engine interface {
	// Identity tells it from those of other hosts.
	Identity(ctx context.Context) (alerting.Host, error)
	// Facts are what the guards ask of a container.
	Facts(ctx context.Context, container string) (alerting.Facts, error)
}

// engineTime bounds what an engine is asked for a dry run: the database has its
// time before that.
const engineTime = time.Second

// rehearsed is the answer to a dry run.
type rehearsed struct {
	Success bool              `json:"success"`
	Message string            `json:"message"`
	DryRun  httpapi.Rehearsal `json:"dryRun"`
}

// rehearse answers what would become of the order, by the guards of the order
// itself; nothing is stored.
func (f *Function) rehearse(w http.ResponseWriter, r *http.Request, id int64, by string) error {
	plan, err := f.store.Rehearse(r.Context(), id, by)
	if err != nil {
		return err
	}
	if f.engine != nil {
		plan = f.ask(r.Context(), plan)
	}
	return httpapi.Write(w, http.StatusOK, rehearsed{Success: true, Message: plan.Text(f.views.Language), DryRun: f.views.Rehearsal(plan)})
}

// ask adds what the engine says.
func (f *Function) ask(ctx context.Context, plan alerting.Rehearsal) alerting.Rehearsal {
	ctx, cancel := context.WithTimeout(ctx, engineTime)
	defer cancel()
	host, err := f.engine.Identity(ctx)
	if !plan.Asks(host) {
		return plan
	}
	var facts alerting.Facts
	if err == nil {
		facts, err = f.engine.Facts(ctx, plan.Container)
	}
	if err != nil {
		return plan.Without(detail(err))
	}
	return plan.With(facts)
}

// detail is the cause of an engine's error, for people.
func detail(err error) string {
	var e interface{ Detail() string }
	if errors.As(err, &e) {
		return e.Detail()
	}
	return err.Error()
}
