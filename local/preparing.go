package main

import (
	"errors"
	"net/http"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// errPreparing is what callers are told while the start makes or migrates the
// tables: nobody has to run init-db.
var errPreparing = &httpapi.Error{
	Status: http.StatusServiceUnavailable, Code: "unavailable",
	Message: "正在建表，请稍后重试 (the tables are being made; try again)",
	Header:  [2]string{"Retry-After", "2"},
}

// untilPrepared explains missing tables by what is being done about them, until
// the loops start, which is when the database is ready.
func untilPrepared(l *loops, routes []httpapi.Route) []httpapi.Route {
	for i, route := range routes {
		routes[i].Handler = func(w http.ResponseWriter, r *http.Request) error {
			// Asked first: what fails while the last step is done failed before it.
			preparing := !l.started.Load()
			err := route.Handler(w, r)
			if preparing && errors.Is(err, alerting.ErrSchema) {
				return errPreparing
			}
			return err
		}
	}
	return routes
}
