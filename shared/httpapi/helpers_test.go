package httpapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/httpapi"
)

// problem is the one shape of every error.
type problem struct {
	Success *bool            `json:"success"`
	Code    string           `json:"code"`
	Message string           `json:"message"`
	Details []httpapi.Detail `json:"details"`
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// call sends one request to a handler of its own route, POST and GET /x.
func call(t *testing.T, h httpapi.Handler, o httpapi.Options, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	if o.Log == nil {
		o.Log = quiet()
	}
	w := httptest.NewRecorder()
	httpapi.Mount(o,
		httpapi.Route{Method: "POST", Pattern: "/x", Scope: httpapi.Operate, Handler: h},
		httpapi.Route{Method: "GET", Pattern: "/x", Scope: httpapi.Read, Handler: h},
	).ServeHTTP(w, r)
	return w
}

func post(body string) *http.Request {
	r := httptest.NewRequest("POST", "/x", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func ok(w http.ResponseWriter, _ *http.Request) error {
	return httpapi.Write(w, http.StatusOK, map[string]bool{"success": true})
}

func failing(err error) httpapi.Handler {
	return func(http.ResponseWriter, *http.Request) error { return err }
}

func problemOf(t *testing.T, w *httptest.ResponseRecorder) problem {
	t.Helper()
	var p problem
	raw, err := io.ReadAll(w.Result().Body)
	require.NoError(t, err)
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(&p), "%s", raw)
	require.Equal(t, "application/json; charset=utf-8", w.Header().Get("Content-Type"))
	require.NotNil(t, p.Success)
	require.False(t, *p.Success)
	require.NotEmpty(t, p.Message)
	require.NotNil(t, p.Details, "details is a list, never null")
	return p
}
