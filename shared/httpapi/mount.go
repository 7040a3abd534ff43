package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"trade-monitor/shared/alerting"
)

// Route is one endpoint: its method, its path as http.ServeMux writes it, what
// a caller must be allowed to, and what answers.
type Route struct {
	Method  string
	Pattern string
	Scope   Scope
	Handler Handler
	// Patience of this route; 0: that of all.
	Patience time.Duration
}

// Patience is how long a handler may take once the request is here: a database
// that hangs is answered with 503 within 2 s.
const Patience = 1800 * time.Millisecond

// Options is what all routes share. The zero value logs by slog.Default and
// lets everybody do everything, as much as they like.
type Options struct {
	Log       *slog.Logger
	Auth      *Auth
	Admission *Admission     // nil: nobody has to wait
	Proxies   []netip.Prefix // whose X-Forwarded-For is believed
	Patience  time.Duration  // 0: Patience
	// Observe is told of every answer; nil: nobody is. The pattern is "/" for
	// what no route matched.
	Observe func(method, pattern string, status int, took time.Duration)
}

// Plain makes a Handler of an http.Handler that writes its own answers.
func Plain(h http.Handler) Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		h.ServeHTTP(w, r)
		return nil
	}
}

// Mount serves the routes; whatever matches none of them is answered in JSON
// too. It panics on two routes of one method and path, as http.ServeMux does.
func Mount(o Options, routes ...Route) http.Handler {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Auth == nil {
		o.Auth = &Auth{anonymous: Scopes}
	}
	if o.Patience == 0 {
		o.Patience = Patience
	}
	api := &api{Options: o, mux: http.NewServeMux(), literal: http.NewServeMux(), origin: http.NewCrossOriginProtection(), turnedAway: newTurnedAway()}
	endpoints := map[string]*endpoint{}
	for _, route := range routes {
		e := endpoints[route.Pattern]
		if e == nil {
			e = &endpoint{api: api, routes: map[string]Route{}}
			endpoints[route.Pattern] = e
			// One pattern without a method for each path: with methods,
			// /alerts/{id} and /alerts/stats would conflict.
			api.muxOf(route.Pattern, routes).Handle(route.Pattern, Wrap(e.serve, o.Log))
		}
		e.add(route)
	}
	if endpoints["/"] == nil {
		api.mux.Handle("/", Wrap(noRoute, o.Log))
	}
	return api
}

func noRoute(_ http.ResponseWriter, r *http.Request) error {
	return &Error{Status: http.StatusNotFound, Code: "no_route", Message: "没有这个接口 (there is no such endpoint)"}
}

type api struct {
	Options
	mux        *http.ServeMux
	literal    *http.ServeMux // paths that win over one of mux; asked first
	origin     *http.CrossOriginProtection
	turnedAway *turnedAway
}

// Shared header values: an answer must not append to them.
var (
	noSniff    = []string{"nosniff"}
	noStore    = []string{"no-store"}
	noReferrer = []string{"no-referrer"}
	noContent  = []string{"default-src 'none'; frame-ancestors 'none'"}
)

// ServeHTTP gives the request its id, the answer its security headers (a page
// replaces the policy by its own), and turns a panic into a 500.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	x := &exchange{ResponseWriter: w, id: requestID(r)}
	h := w.Header()
	h["X-Request-Id"] = []string{x.id}
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = noStore
	h["Referrer-Policy"] = noReferrer
	h["Content-Security-Policy"] = noContent
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
	defer a.finish(x, r, start)
	if _, pattern := a.literal.Handler(r); pattern != "" {
		a.literal.ServeHTTP(x, r)
		return
	}
	a.mux.ServeHTTP(x, r)
}

func (a *api) finish(x *exchange, r *http.Request, start time.Time) {
	if cause := recover(); cause != nil {
		if cause == http.ErrAbortHandler {
			panic(cause)
		}
		a.Log.ErrorContext(r.Context(), "panic", "requestId", x.id, "method", r.Method, "path", r.URL.Path,
			"panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
		if x.status == 0 {
			internal(x.id).write(x)
		}
	}
	took := time.Since(start)
	a.logAccess(x, r, took)
	if a.Observe != nil {
		a.Observe(r.Method, r.Pattern, x.status, took)
	}
}

// endpoint is all methods of one path.
type endpoint struct {
	*api
	routes map[string]Route
	allow  string
}

func (e *endpoint) add(route Route) {
	if _, twice := e.routes[route.Method]; twice {
		panic("httpapi: two routes for " + route.Method + " " + route.Pattern)
	}
	e.routes[route.Method] = route
	var methods []string
	for method := range e.routes {
		methods = append(methods, method)
		if method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	e.allow = strings.Join(methods, ", ")
}

func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) error {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	route, ok := e.routes[method]
	if !ok {
		return &Error{
			Status: http.StatusMethodNotAllowed, Code: "method_not_allowed",
			Message: "此接口只支持 " + e.allow + " (only these methods)",
			Header:  [2]string{"Allow", e.allow},
		}
	}
	if err := e.origin.Check(r); err != nil {
		// Without this, any web page could restart a container through the
		// browser of somebody who can reach us.
		return &Error{Status: http.StatusForbidden, Code: "cross_origin", Message: "拒绝跨站请求 (cross-origin request refused)"}
	}
	caller, err := e.Auth.admit(r, route.Scope)
	if x := exchangeOf(r.Context()); x != nil {
		x.caller, x.scope = caller, route.Scope
	}
	if err != nil {
		return err
	}
	if e.Admission == nil {
		return e.bounded(route, w, r)
	}
	place, err := e.Admission.enter(r.Context(), e.clientOf(r, caller, route.Scope))
	if err != nil {
		return err
	}
	defer e.Admission.leave(place)
	return e.bounded(route, w, r)
}

// clientOf is who takes the place: a token wherever it comes from, else an
// address.
func (e *endpoint) clientOf(r *http.Request, caller string, scope Scope) client {
	if caller != Anonymous {
		return client{token: caller}
	}
	return client{address: origin(address(r, e.Proxies)), public: scope == Public}
}

// bounded runs the handler with its deadline. The clock starts when the whole
// request is here: a slow sender does not use up the database's time.
func (e *endpoint) bounded(route Route, w http.ResponseWriter, r *http.Request) error {
	if _, err := Body(r); err != nil {
		return err
	}
	patience := cmp.Or(route.Patience, e.Patience)
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	err := route.Handler(w, r.WithContext(ctx))
	if err != nil && ctx.Err() != nil && answerTo(err, time.Time{}).Status == http.StatusInternalServerError {
		return fmt.Errorf("%w: no answer within %s: %w", alerting.ErrUnavailable, patience, err)
	}
	return err
}
