package main

import (
	"net/http"

	"trade-monitor/shared/console"
	"trade-monitor/shared/httpapi"
)

// pages are what people open in a browser. They are no part of openapi.yaml,
// which is for programs, and need no token: the page asks for it.
func pages() []httpapi.Route {
	var all []httpapi.Route
	for path, page := range console.Pages() {
		all = append(all, httpapi.Route{Method: http.MethodGet, Pattern: path, Scope: httpapi.Public, Handler: httpapi.Plain(page)})
	}
	return all
}
