package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

func TestMissingTablesAreExplainedByWhatIsBeingDoneAboutThem(t *testing.T) {
	var cause error
	l := newLoops(slog.New(slog.DiscardHandler))
	served := httpapi.Mount(httpapi.Options{Log: slog.New(slog.DiscardHandler)}, untilPrepared(l, []httpapi.Route{{
		Method: http.MethodGet, Pattern: "/x", Scope: httpapi.Public, Handler: func(http.ResponseWriter, *http.Request) error { return cause },
	}})...)
	ask := func(err error) *httptest.ResponseRecorder {
		cause = err
		w := httptest.NewRecorder()
		served.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/x", nil))
		return w
	}
	missing := fmt.Errorf("read: %w", alerting.ErrSchema)
	answer := ask(missing)
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.NotEmpty(t, answer.Header().Get("Retry-After"))
	require.Contains(t, answer.Body.String(), "正在建表")
	require.NotContains(t, answer.Body.String(), "init-db")
	require.Contains(t, ask(alerting.ErrNotFound).Body.String(), "not_found", "what has another cause is as ever")

	l.start()
	t.Cleanup(func() { _ = l.stop(t.Context()) })
	require.Contains(t, ask(missing).Body.String(), "init-db", "nobody is at it: a person has to")
}
