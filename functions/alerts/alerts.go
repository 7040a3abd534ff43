// Package alerts is the reading side: the list of alerts, one alert's story,
// counts, and the watches; the WeCom groups that are told, and the silences
// that keep words back.
package alerts

import (
	"context"
	"net/http"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// Store reads what is on record, and keeps the groups and the silences.
type Store interface {
	ListAlerts(ctx context.Context, filter alerting.Filter) (alerting.Page, error)
	Story(ctx context.Context, id int64) (alerting.Story, error)
	Stats(ctx context.Context) (alerting.Stats, error)
	Watches(ctx context.Context) ([]alerting.Watch, error)
	Remediations
	Groups
	RobotStates
	Silences
}

// Options is how answers are written and times without an offset are read.
type Options struct {
	Language alerting.Language
	Location *time.Location
	Robots   Robots
}

// Function is the endpoints.
type Function struct {
	store  Store
	robots Robots
	views  httpapi.Views
}

// New makes the function over a store.
func New(store Store, o Options) *Function {
	if o.Location == nil {
		o.Location = time.UTC
	}
	return &Function{store: store, robots: o.Robots, views: httpapi.Views{Language: o.Language, Location: o.Location}}
}

// Routes lists what the function answers.
func (f *Function) Routes() []httpapi.Route {
	return append(append(f.groupRoutes(), f.silenceRoutes()...), []httpapi.Route{
		{Method: http.MethodGet, Pattern: "/api/alerts", Scope: httpapi.Read, Handler: f.list},
		{Method: http.MethodGet, Pattern: "/api/alerts/{id}", Scope: httpapi.Read, Handler: f.show},
		{Method: http.MethodGet, Pattern: "/api/alerts/stats", Scope: httpapi.Read, Handler: f.stats},
		{Method: http.MethodGet, Pattern: "/api/watches", Scope: httpapi.Read, Handler: f.watches},
		{Method: http.MethodGet, Pattern: "/api/remediation", Scope: httpapi.Read, Handler: f.remediation},
	}...)
}

func (f *Function) list(w http.ResponseWriter, r *http.Request) error {
	filter, err := parseFilter(r.URL.Query(), f.views.Location)
	if err != nil {
		return err
	}
	page, err := f.store.ListAlerts(r.Context(), filter)
	if err != nil {
		return err
	}
	return httpapi.WritePage(w, httpapi.Page[httpapi.Alert]{
		Data: f.views.Alerts(page.Alerts), Total: page.Total, TotalIsLowerBound: page.TotalIsLowerBound,
		Page: filter.Page, PageSize: filter.PageSize, Next: page.Next,
	})
}

func (f *Function) show(w http.ResponseWriter, r *http.Request) error {
	id, err := httpapi.PathID(r)
	if err != nil {
		return err
	}
	story, err := f.store.Story(r.Context(), id)
	if err != nil {
		return err
	}
	return httpapi.WriteData(w, f.views.Story(story))
}

// counts is the answer of /stats.
type counts struct {
	Total      int64            `json:"total"`
	ByType     map[string]int64 `json:"byType"`
	ByService  map[string]int64 `json:"byService"`
	BySeverity map[string]int64 `json:"bySeverity"`
	ByStatus   map[string]int64 `json:"byStatus"`

	Remediations outcomes `json:"remediations"`
	DryRun       dryRuns  `json:"dryRun"`
}

func (f *Function) stats(w http.ResponseWriter, r *http.Request) error {
	stats, err := f.store.Stats(r.Context())
	if err != nil {
		return err
	}
	ledger, err := f.store.DryRunLedger(r.Context())
	if err != nil {
		return err
	}
	return httpapi.WriteData(w, counts{
		Total: stats.Total, ByType: orEmpty(stats.ByType), ByService: orEmpty(stats.ByService),
		BySeverity: orEmpty(stats.BySeverity), ByStatus: orEmpty(stats.ByStatus),
		Remediations: outcomesOf(stats.Remediations), DryRun: dryRuns(ledger),
	})
}

func orEmpty(m map[string]int64) map[string]int64 {
	if m == nil {
		return map[string]int64{}
	}
	return m
}

func (f *Function) watches(w http.ResponseWriter, r *http.Request) error {
	all, err := f.store.Watches(r.Context())
	if err != nil {
		return err
	}
	return httpapi.WriteData(w, f.views.Watches(all))
}
