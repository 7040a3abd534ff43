package httpapi_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/httpapi"
)

// logged gives what the log says of the requests, at a level.
func logged(t *testing.T, level slog.Level, o httpapi.Options, requests ...*http.Request) string {
	t.Helper()
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))
	api := httpapi.Mount(o,
		httpapi.Route{Method: "POST", Pattern: "/x", Scope: httpapi.Operate, Handler: ok},
		httpapi.Route{Method: "GET", Pattern: "/x", Scope: httpapi.Read, Handler: ok},
	)
	for _, r := range requests {
		api.ServeHTTP(httptest.NewRecorder(), r)
	}
	return log.String()
}

func with(r *http.Request, name, value string) *http.Request {
	r.Header.Set(name, value)
	return r
}

func TestReadingIsLoggedForDebuggingOnly(t *testing.T) {
	for level, lines := range map[slog.Level]int{slog.LevelInfo: 0, slog.LevelDebug: 1} {
		got := logged(t, level, httpapi.Options{}, httptest.NewRequest("GET", "/x", nil))
		assert.Equal(t, lines, strings.Count(got, "status=200"))
	}
}

func TestTheLogNamesWhoOperatesAndFromWhere(t *testing.T) {
	got := logged(t, slog.LevelInfo, httpapi.Options{Auth: auth(t, nil, oncall)}, with(post(`{}`), "Authorization", "Bearer o-secret"))
	assert.Contains(t, got, "caller=oncall")
	assert.Contains(t, got, "from=192.0.2.1")
	assert.Contains(t, got, "path=/x status=200")
}

func TestTheLogNamesATokenThatLacksTheScope(t *testing.T) {
	got := logged(t, slog.LevelInfo, httpapi.Options{Auth: auth(t, nil, grafana)}, with(post(`{}`), "Authorization", "Bearer r-secret"))
	assert.Contains(t, got, "status=403")
	assert.Contains(t, got, "caller=grafana")
}

func TestWhoIsTurnedAwayIsLoggedButCannotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		api := httpapi.Mount(httpapi.Options{Auth: auth(t, nil, oncall), Log: slog.New(slog.NewTextHandler(&log, nil))},
			httpapi.Route{Method: "POST", Pattern: "/x", Scope: httpapi.Operate, Handler: ok})
		guess := func() { api.ServeHTTP(httptest.NewRecorder(), with(post(`{}`), "Authorization", "Bearer guess")) }
		for range 1000 {
			guess()
		}
		assert.Equal(t, 20, strings.Count(log.String(), "status=401"))
		time.Sleep(time.Second)
		guess()
		assert.Contains(t, log.String(), "moreSinceLastLine=980")
		assert.NotContains(t, log.String(), "guess")
	})
}

// Only what a trusted proxy wrote is believed: the caller writes the rest.
func TestTheAddressBehindProxies(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	cases := map[string]struct {
		remote  string
		headers []string
		want    string
	}{
		"no proxy":                        {"198.51.100.7:999", nil, "198.51.100.7"},
		"a stranger's word":               {"198.51.100.7:999", []string{"203.0.113.9"}, "198.51.100.7"},
		"a proxy's word":                  {"10.0.0.1:999", []string{"203.0.113.9"}, "203.0.113.9"},
		"made up on the left":             {"10.0.0.1:999", []string{"127.0.0.1, 203.0.113.9"}, "203.0.113.9"},
		"made up in a header of its own":  {"10.0.0.1:999", []string{"127.0.0.1", "203.0.113.9"}, "203.0.113.9"},
		"two proxies":                     {"10.0.0.1:999", []string{"203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		"an IPv6 proxy, a port":           {"[2001:db8::1]:999", []string{"203.0.113.9:4711"}, "203.0.113.9"},
		"IPv6 in brackets":                {"10.0.0.1:999", []string{"[2001:DB9::5]"}, "2001:db9::5"},
		"an IPv4 address written as IPv6": {"[::ffff:10.0.0.1]:999", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"nothing said":                    {"10.0.0.1:999", nil, "10.0.0.1"},
		"nonsense":                        {"10.0.0.1:999", []string{"203.0.113.9, unknown"}, "10.0.0.1"},
		"nonsense further left":           {"10.0.0.1:999", []string{"<script>, 203.0.113.9"}, "203.0.113.9"},
		"proxies only":                    {"10.0.0.1:999", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"no address at all":               {"@", nil, `"invalid IP"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := post(`{}`)
			r.RemoteAddr, r.Header["X-Forwarded-For"] = tc.remote, tc.headers
			require.Contains(t, logged(t, slog.LevelInfo, httpapi.Options{Proxies: proxies}, r), "from="+tc.want+"\n")
		})
	}
}
