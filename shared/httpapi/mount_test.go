package httpapi_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/httpapi"
)

func TestWhatNoRouteMatchesIsAnsweredInJSON(t *testing.T) {
	api := httpapi.Mount(httpapi.Options{Log: quiet()},
		httpapi.Route{Method: "GET", Pattern: "/api/alerts", Handler: ok},
		httpapi.Route{Method: "GET", Pattern: "/api/alerts/{id}", Handler: ok},
		httpapi.Route{Method: "GET", Pattern: "/api/alerts/stats", Handler: ok},
		httpapi.Route{Method: "POST", Pattern: "/api/alerts/{id}/handle", Handler: ok},
		httpapi.Route{Method: "PUT", Pattern: "/api/alerts/groups/{id}", Handler: ok},
	)
	cases := []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/api/alerts", 200, ""},
		{"HEAD", "/api/alerts", 200, ""},
		{"GET", "/api/alerts/7", 200, ""},
		{"GET", "/api/alerts/stats", 200, ""},
		{"POST", "/api/alerts/stats", 405, "GET, HEAD"},
		{"DELETE", "/api/alerts", 405, "GET, HEAD"},
		{"GET", "/api/alerts/7/handle", 405, "POST"},
		{"BREW", "/api/alerts", 405, "GET, HEAD"},
		{"PUT", "/api/alerts/groups/7", 200, ""},
		{"POST", "/api/alerts/groups/handle", 405, "PUT"}, // the literal that comes first wins
		{"GET", "/api/nothing", 404, ""},
		{"GET", "/", 404, ""},
		{"GET", "/api/alerts/", 404, ""},
	}
	for _, tc := range cases {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, nil))
		require.Equal(t, tc.status, w.Code, "%s %s", tc.method, tc.path)
		assert.Equal(t, tc.allow, w.Header().Get("Allow"))
		if tc.status != 200 {
			problemOf(t, w)
		}
	}
}

func TestTwoRoutesForOneEndpointAreAMistakeOfOurs(t *testing.T) {
	r := httpapi.Route{Method: "GET", Pattern: "/x", Handler: ok}
	assert.Panics(t, func() { httpapi.Mount(httpapi.Options{}, r, r) })
}

func TestRequestIDs(t *testing.T) {
	ask := func(given string) string {
		r := post(`{}`)
		r.Header.Set("X-Request-Id", given)
		return call(t, ok, httpapi.Options{}, r).Header().Get("X-Request-Id")
	}
	assert.Equal(t, "4bf92f35-77b3.4da6:a", ask("4bf92f35-77b3.4da6:a"), "a sane id is kept")
	for _, odd := range []string{"", "a b", "a\nb", `"><script>`, "号", string(bytes.Repeat([]byte("x"), 65))} {
		id := ask(odd)
		assert.Regexp(t, `^[0-9a-f]{20}$`, id)
		assert.NotEqual(t, ask(odd), id, "each request gets its own")
	}
}

func TestAnswersCarrySecurityHeaders(t *testing.T) {
	for _, r := range []*http.Request{post(`{}`), httptest.NewRequest("GET", "/nothing", nil)} {
		h := call(t, ok, httpapi.Options{}, r).Header()
		assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
		assert.Equal(t, "no-store", h.Get("Cache-Control"))
		assert.Equal(t, "no-referrer", h.Get("Referrer-Policy"))
		assert.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'")
	}
}

// A page in somebody's browser must not restart a container on its network.
func TestCrossSiteRequestsAreRefused(t *testing.T) {
	called := false
	h := func(w http.ResponseWriter, r *http.Request) error { called = true; return ok(w, r) }
	for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		r := post(`{}`)
		r.Header.Set(header[0], header[1])
		w := call(t, h, httpapi.Options{}, r)
		assert.Equal(t, 403, w.Code)
		assert.Equal(t, "cross_origin", problemOf(t, w).Code)
	}
	assert.False(t, called)

	same := post(`{}`)
	same.Header.Set("Origin", "http://"+same.Host)
	assert.Equal(t, 200, call(t, h, httpapi.Options{}, same).Code, "our own console may")
}

func TestTheObserverSeesEveryAnswerByItsPattern(t *testing.T) {
	var seen []string
	o := httpapi.Options{Log: quiet(), Observe: func(method, pattern string, status int, _ time.Duration) {
		seen = append(seen, method+" "+pattern+" "+http.StatusText(status))
	}}
	api := httpapi.Mount(o, httpapi.Route{Method: "GET", Pattern: "/alerts/{id}", Handler: ok})
	for _, path := range []string{"/alerts/7", "/nothing"} {
		api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	assert.Equal(t, []string{"GET /alerts/{id} OK", "GET / Not Found"}, seen)
}
