package main

import (
	"net/http"

	"trade-monitor/functions/alerts"
	"trade-monitor/functions/handle"
	"trade-monitor/functions/notify"
	"trade-monitor/shared/config"
	"trade-monitor/shared/httpapi"
)

// routes is every path that the service answers: those of the functions, and
// its own.
func routes(cfg config.Config, db database, h health, m *metrics, robots alerts.Robots, w *watches) []httpapi.Route {
	all := notify.New(db, notify.Options{Language: cfg.Language, Location: cfg.Location, Changed: w.pinged}).Routes()
	all = append(all, alerts.New(reading{db, w}, alerts.Options{Language: cfg.Language, Location: cfg.Location, Robots: robots}).Routes()...)
	all = append(all, handle.New(db, handle.Options{Language: cfg.Language, Location: cfg.Location, Engine: asking{w}}).Routes()...)
	return append(all,
		httpapi.Route{Method: http.MethodGet, Pattern: "/healthz", Scope: httpapi.Public, Handler: h.alive},
		httpapi.Route{Method: http.MethodGet, Pattern: "/readyz", Scope: httpapi.Public, Handler: h.ready},
		httpapi.Route{Method: http.MethodGet, Pattern: "/metrics", Scope: httpapi.Public, Handler: httpapi.Plain(m.handler())},
		httpapi.Route{Method: http.MethodGet, Pattern: "/openapi.yaml", Scope: httpapi.Public, Handler: serveContract},
	)
}

func serveContract(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	_, err := w.Write(httpapi.OpenAPI)
	return err
}
