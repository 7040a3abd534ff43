// Package notify is the endpoint that takes events:
// POST /api/events/notify. Its 200 means that the event is committed.
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
}

// Options is how answers are written.
type Options struct {
	Language alerting.Language
	Location *time.Location
}

// Function is the endpoint.
type Function struct {
	store Store
	views httpapi.Views
}

// New makes the function over a store.
func New(store Store, o Options) *Function {
	return &Function{store: store, views: httpapi.Views{Language: o.Language, Location: o.Location}}
}

// Routes lists what the function answers.
func (f *Function) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: http.MethodPost, Pattern: "/api/events/notify", Scope: httpapi.Notify, Handler: f.notify},
	}
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
