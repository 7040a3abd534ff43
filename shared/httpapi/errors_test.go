package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

func TestEachErrorHasItsStatus(t *testing.T) {
	cases := map[string]struct {
		err    error
		status int
		code   string
		header [2]string
	}{
		"invalid":       {httpapi.Invalid("title", "必填"), 400, "invalid_argument", [2]string{}},
		"not found":     {alerting.ErrNotFound, 404, "not_found", [2]string{}},
		"refused":       {&alerting.RefusedError{Reason: alerting.Reason{Code: "no_action"}}, 409, "refused", [2]string{}},
		"idempotency":   {alerting.ErrIdempotency, 422, "idempotency_mismatch", [2]string{}},
		"unavailable":   {alerting.ErrUnavailable, 503, "unavailable", [2]string{"Retry-After", "2"}},
		"deadline":      {context.DeadlineExceeded, 503, "unavailable", [2]string{"Retry-After", "2"}},
		"schema":        {alerting.ErrSchema, 503, "schema", [2]string{"Retry-After", "30"}},
		"anything else": {errors.New("dial tcp 10.0.0.7: password=hunter2"), 500, "internal", [2]string{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := call(t, failing(fmt.Errorf("record event: %w", tc.err)), httpapi.Options{}, post(`{}`))
			assert.Equal(t, tc.status, w.Code)
			assert.NotContains(t, w.Body.String(), "hunter2", "a cause is never shown")
			assert.NotContains(t, w.Body.String(), "record event")
			assert.Equal(t, tc.code, problemOf(t, w).Code)
			if tc.header[0] != "" {
				assert.Equal(t, tc.header[1], w.Header().Get(tc.header[0]))
			}
		})
	}
}

func TestASchemaErrorNamesTheCommand(t *testing.T) {
	w := call(t, failing(alerting.ErrSchema), httpapi.Options{}, post(`{}`))
	assert.Contains(t, problemOf(t, w).Message, "trade-monitor init-db")
}

func TestEveryProblemIsNamedAtOnce(t *testing.T) {
	_, err := alerting.Normalise(alerting.Posted{Severity: "ERROR"})
	p := problemOf(t, call(t, failing(err), httpapi.Options{}, post(`{}`)))
	var fields []string
	for _, d := range p.Details {
		fields = append(fields, d.Field)
	}
	assert.Equal(t, []string{"eventType", "serviceName", "title", "message"}, fields)
}

func TestARefusalSaysWhyAndUntilWhen(t *testing.T) {
	refused := &alerting.RefusedError{Reason: alerting.Reason{
		Code: "under_way", Detail: "async", Until: time.Now().Add(90 * time.Second),
	}}
	p := problemOf(t, call(t, failing(refused), httpapi.Options{}, post(`{}`)))
	require.Len(t, p.Details, 1)
	assert.Equal(t, "under_way", p.Details[0].Code)
	assert.NotEmpty(t, p.Details[0].RetryAt)
	assert.Regexp(t, `对 async 的处置正在进行，1分(29|30)秒内不再重启 \(async is being put right already`, p.Message)
}

func TestTheCauseOfA500IsLoggedWithTheRequestID(t *testing.T) {
	var log bytes.Buffer
	o := httpapi.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}
	r := post(`{}`)
	r.Header.Set("X-Request-Id", "order-66")
	w := call(t, failing(errors.New("disk is on fire")), o, r)
	assert.Contains(t, log.String(), "requestId=order-66")
	assert.Contains(t, log.String(), "disk is on fire")
	assert.Contains(t, problemOf(t, w).Message, "order-66", "the caller can name the request to us")
}

func TestAPanicIsA500AndNoMore(t *testing.T) {
	var log bytes.Buffer
	o := httpapi.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}
	panics := func(http.ResponseWriter, *http.Request) error { panic("index out of range: secret-table") }
	w := call(t, panics, o, post(`{}`))
	assert.Equal(t, 500, w.Code)
	assert.Equal(t, "internal", problemOf(t, w).Code)
	assert.NotContains(t, w.Body.String(), "secret-table")
	assert.Contains(t, log.String(), "secret-table")
	assert.Contains(t, log.String(), "errors_test.go", "the stack is in the log")
}

func TestAStuckDatabaseIsA503WithinTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return errors.New("invalid connection") // what a driver says when it is cut off
		}
		start := time.Now()
		w := call(t, stuck, httpapi.Options{}, post(`{}`))
		assert.Equal(t, 503, w.Code)
		assert.Equal(t, "2", w.Header().Get("Retry-After"))
		assert.Less(t, time.Since(start), 2*time.Second)
	})
}

func TestASlowSenderDoesNotUseUpTheDatabasesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left time.Duration
		h := func(w http.ResponseWriter, r *http.Request) error {
			deadline, has := r.Context().Deadline()
			require.True(t, has)
			left = time.Until(deadline)
			return ok(w, r)
		}
		r := httptest.NewRequest("POST", "/x", slowReader{`{}`, 5 * time.Second})
		assert.Equal(t, 200, call(t, h, httpapi.Options{}, r).Code)
		assert.Equal(t, httpapi.Patience, left)
	})
}

func TestACallersMistakeAfterTheDeadlineStaysAMistake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return alerting.ErrNotFound
		}
		assert.Equal(t, 404, call(t, late, httpapi.Options{}, post(`{}`)).Code)
	})
}
