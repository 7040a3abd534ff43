// Package notify is what services talk to: POST /api/events/notify takes events,
// and /api/heartbeats/{name} takes signs of life. Their 200 means that what was
// said is committed. What people do with a heartbeat (pause, resume, delete) is
// here too, so that all of /api/heartbeats is one function.
package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

// Store commits one event and everything that follows from it. idem is nil for
// a request without Idempotency-Key.
type Store interface {
	RecordEvent(ctx context.Context, ev alerting.Event, idem *alerting.Idempotency) (alerting.Receipt, error)
	Heartbeats
}

// Options is how answers are written.
type Options struct {
	Language alerting.Language
	Location *time.Location
	// Changed is told of every heartbeat that was pinged or resumed, after the
	// commit. It must not block. nil: nobody is.
	Changed func(alerting.Heartbeat)
}

// Function is the endpoint.
type Function struct {
	store   Store
	views   httpapi.Views
	changed func(alerting.Heartbeat)
}

// New makes the function over a store.
func New(store Store, o Options) *Function {
	if o.Changed == nil {
		o.Changed = func(alerting.Heartbeat) {}
	}
	return &Function{store: store, views: httpapi.Views{Language: o.Language, Location: o.Location}, changed: o.Changed}
}

// Routes lists what the function answers.
func (f *Function) Routes() []httpapi.Route {
	return append([]httpapi.Route{
		{Method: http.MethodPost, Pattern: "/api/events/notify", Scope: httpapi.Notify, Handler: f.notify},
	}, f.heartbeatRoutes()...)
}

func (f *Function) notify(w http.ResponseWriter, r *http.Request) error {
	idem, err := idempotency(r)
	if err != nil {
		return err
	}
	ev, err := event(r)
	if err != nil {
		return err
	}
	if caller := httpapi.Caller(r.Context()); caller != httpapi.Anonymous {
		ev.Caller = caller
	}
	receipt, err := f.store.RecordEvent(r.Context(), ev, idem)
	if err != nil {
		return err
	}
	return httpapi.Write(w, http.StatusOK, f.answer(receipt))
}

// event reads the body. When types are wrong, what is missing besides is named
// in the same answer.
func event(r *http.Request) (alerting.Event, error) {
	var posted alerting.Posted
	wrong := httpapi.ReadJSON(r, &posted)
	var types *alerting.InvalidError
	if wrong != nil && !errors.As(wrong, &types) {
		return alerting.Event{}, wrong
	}
	if types != nil && named(types, "body") {
		return alerting.Event{}, wrong
	}
	ev, err := alerting.Normalise(posted)
	var missing *alerting.InvalidError
	if types == nil || !errors.As(err, &missing) {
		return ev, errors.Join(wrong, err)
	}
	for _, p := range missing.Problems {
		if !named(types, p.Field) {
			types.Problems = append(types.Problems, p)
		}
	}
	return alerting.Event{}, types
}

func named(e *alerting.InvalidError, field string) bool {
	return slices.ContainsFunc(e.Problems, func(p alerting.Problem) bool { return p.Field == field })
}

// maxKey is the longest Idempotency-Key.
const maxKey = 255

// idempotency identifies the request by caller, path, key and body; nil when
// the caller gave no key. Hashes are stored, so that a key may hold anything.
func idempotency(r *http.Request) (*alerting.Idempotency, error) {
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		return nil, nil
	}
	if len(key) > maxKey || !printable(key) {
		return nil, httpapi.Invalid("Idempotency-Key", "应为 1 到 255 个可打印 ASCII 字符 (1 to 255 printable ASCII characters)")
	}
	body, err := httpapi.Body(r)
	if err != nil {
		return nil, err
	}
	return &alerting.Idempotency{
		Key:  hash(httpapi.Caller(r.Context()), r.URL.Path, key),
		Body: hash(string(body)),
	}, nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func hash(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))
}
