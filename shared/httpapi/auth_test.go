package httpapi_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/httpapi"
)

func auth(t *testing.T, anonymous []string, tokens ...httpapi.Token) *httpapi.Auth {
	t.Helper()
	a, err := httpapi.NewAuth(tokens, anonymous)
	require.NoError(t, err)
	return a
}

var (
	everything = []string{"read", "notify", "operate"}

	grafana = httpapi.Token{Name: "grafana", Scopes: []string{"read"}, Secret: "r-secret"}
	oncall  = httpapi.Token{Name: "oncall", Scopes: []string{"read", "operate"}, Secret: "o-secret"}
)

func TestWhoMayDoWhat(t *testing.T) {
	cases := map[string]struct {
		auth   *httpapi.Auth
		method string // POST /x needs operate, GET /x read
		header string
		status int
	}{
		"no authentication: everybody":             {nil, "POST", "", 200},
		"no tokens: anonymous as given":            {auth(t, everything), "POST", "", 200},
		"no tokens: a left-over header is ignored": {auth(t, everything), "POST", "Bearer old", 200},
		"tokens: nobody without one":               {auth(t, nil, oncall), "GET", "", 401},
		"the right token":                          {auth(t, nil, grafana, oncall), "POST", "Bearer o-secret", 200},
		"any case of the scheme":                   {auth(t, nil, oncall), "POST", "bearer o-secret", 200},
		"another's scope":                          {auth(t, nil, grafana, oncall), "POST", "Bearer r-secret", 403},
		"a wrong token":                            {auth(t, nil, oncall), "POST", "Bearer nope", 401},
		"a wrong token where none is needed":       {auth(t, []string{"read"}, oncall), "GET", "Bearer nope", 401},
		"an empty token":                           {auth(t, nil, oncall), "POST", "Bearer ", 401},
		"another scheme":                           {auth(t, nil, oncall), "POST", "Basic o-secret", 401},
		"anonymous may read":                       {auth(t, []string{"read"}, oncall), "GET", "", 200},
		"anonymous may only read":                  {auth(t, []string{"read"}, oncall), "POST", "", 401},
		"anonymous switched off without tokens":    {auth(t, nil), "GET", "", 401},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, "/x", nil)
			if tc.header != "" {
				r.Header.Set("Authorization", tc.header)
			}
			w := call(t, ok, httpapi.Options{Auth: tc.auth}, r)
			assert.Equal(t, tc.status, w.Code)
			if tc.status == 401 {
				assert.Contains(t, w.Header().Get("WWW-Authenticate"), "Bearer")
			}
			if tc.status != 200 {
				problemOf(t, w)
			}
			assert.NotContains(t, w.Body.String(), "secret")
		})
	}
}

func TestTheCallerHasAName(t *testing.T) {
	var caller string
	h := func(w http.ResponseWriter, r *http.Request) error {
		caller = httpapi.Caller(r.Context())
		return ok(w, r)
	}
	r := post(`{}`)
	r.Header.Set("Authorization", "Bearer o-secret")
	call(t, h, httpapi.Options{Auth: auth(t, nil, grafana, oncall)}, r)
	assert.Equal(t, "oncall", caller)
	call(t, h, httpapi.Options{}, post(`{}`))
	assert.Equal(t, "anonymous", caller)
	assert.Equal(t, "anonymous", httpapi.Caller(t.Context()), "outside of a request")
}

func TestNoTokenReachesTheLog(t *testing.T) {
	var log bytes.Buffer
	o := httpapi.Options{Auth: auth(t, nil, oncall), Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, header := range []string{"Bearer o-secret", "Bearer wrong-secret"} {
		r := post(`{}`)
		r.Header.Set("Authorization", header)
		call(t, ok, o, r)
	}
	assert.NotEmpty(t, log.String())
	assert.NotContains(t, log.String(), "secret")
}

func TestTokensThatCannotBeMeantAreAllNamed(t *testing.T) {
	_, err := httpapi.NewAuth([]httpapi.Token{
		{Name: "", Secret: "s"},
		{Name: "anonymous", Secret: "s"},
		{Name: "a", Scopes: []string{"root"}, Secret: "s"},
		{Name: "b", Scopes: []string{"read"}},
		oncall, oncall,
	}, []string{"write"})
	for _, want := range []string{"token 1", "token 2", `unknown scope "root"`, `"b": empty secret`, `"oncall": named twice`, `anonymous: unknown scope "write"`} {
		assert.ErrorContains(t, err, want)
	}
	assert.NotContains(t, err.Error(), "o-secret")
}
