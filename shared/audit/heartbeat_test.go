package audit_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/audit"
)

const address = "https://hc.example.com/secret-token-1234"

// listener is who is outside, without a socket.
type listener struct {
	began time.Time
	at    []time.Duration
	asked []*http.Request
	says  func(*http.Request) (*http.Response, error)
}

func (l *listener) RoundTrip(r *http.Request) (*http.Response, error) {
	l.at, l.asked = append(l.at, time.Since(l.began).Round(time.Second)), append(l.asked, r)
	if l.says != nil {
		return l.says(r)
	}
	return answer(http.StatusOK, ""), nil
}

func answer(status int, location string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Location": {location}}, Body: io.NopCloser(strings.NewReader("OK"))}
}

// beating runs a heartbeat for a time and gives what it logged and noted.
func beating(t *testing.T, l *listener, d time.Duration, well func() error) (log string, results []string) {
	l.began = time.Now()
	var text bytes.Buffer
	h := audit.NewHeartbeat(audit.HeartbeatOptions{
		URL: address, HTTP: l, Well: func(context.Context) error { return well() },
		Note: func(result string) { results = append(results, result) }, Log: slog.New(slog.NewTextHandler(&text, nil)),
	})
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	require.NoError(t, h.Run(ctx))
	return text.String(), results
}

func TestTheHeartbeatIsGivenEveryMinuteWhileAllIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		began := time.Now()
		log, results := beating(t, l, 5*time.Minute, func() error {
			if since := time.Since(began); since > 2*time.Minute && since < 4*time.Minute {
				return errors.New("something is overdue")
			}
			return nil
		})
		require.Equal(t, []time.Duration{5 * time.Second, 65 * time.Second, 245 * time.Second}, l.at)
		require.Equal(t, []string{"sent", "sent", "withheld", "withheld", "sent"}, results)
		require.Equal(t, 1, strings.Count(log, "something is overdue"), "said once")
		require.Equal(t, 2, strings.Count(log, "is answered"))
		require.Equal(t, http.MethodGet, l.asked[0].Method)
		require.Equal(t, address, l.asked[0].URL.String())
		require.NotContains(t, log, "hc.example.com")
	})
}

func TestAFailedHeartbeatIsLoggedWithoutItsAddress(t *testing.T) {
	for name, c := range map[string]struct {
		says func(*http.Request) (*http.Response, error)
		want string
	}{
		"refused":     {func(*http.Request) (*http.Response, error) { return answer(http.StatusNotFound, ""), nil }, "HTTP Not Found"},
		"no host":     {fail(&net.DNSError{Name: "hc.example.com", Err: "no such host"}), "DNS failed"},
		"no listener": {fail(&net.OpError{Op: "dial", Err: errors.New("connect hc.example.com: refused")}), "cannot connect"},
		"the proxy":   {fail(&net.OpError{Op: "proxyconnect", Err: errors.New("hc.example.com")}), "proxy cannot be reached"},
		"untrusted":   {fail(&tls.CertificateVerificationError{Err: errors.New("not hc.example.com")}), "not trusted"},
		"hangs": {func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, "timed out"},
		"anything": {fail(errors.New("hc.example.com/secret-token-1234")), "the request failed"},
		"to http": {func(*http.Request) (*http.Response, error) {
			return answer(http.StatusFound, "http://hc.example.com/secret-token-1234"), nil
		}, "another scheme"},
		"for ever": {func(*http.Request) (*http.Response, error) { return answer(http.StatusFound, address), nil }, "too many redirects"},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &listener{says: c.says}
			log, results := beating(t, l, 3*time.Minute, func() error { return nil })
			assert.Equal(t, []string{"failed", "failed", "failed"}, results, name)
			assert.Equal(t, 1, strings.Count(log, c.want), "%s: %s", name, log)
			assert.NotContains(t, log, "hc.example.com", name)
			assert.NotContains(t, log, "secret-token", name)
		})
	}
}

func fail(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

func TestARedirectDoesNotGiveTheAddressAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		l.says = func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "other.example.com" {
				return answer(http.StatusNoContent, ""), nil
			}
			return answer(http.StatusFound, "https://other.example.com/"), nil
		}
		_, results := beating(t, l, 30*time.Second, func() error { return nil })
		require.Equal(t, []string{"sent"}, results)
		require.Len(t, l.asked, 2)
		require.Empty(t, l.asked[1].Referer())
	})
}

// The proxy is one of the network's: it sees CONNECT and where to, by https alone.
func TestTheHeartbeatGoesByTheProxy(t *testing.T) {
	asked := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	through, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	through.User = url.UserPassword("user", "proxy-password")
	h := audit.NewHeartbeat(audit.HeartbeatOptions{URL: address, Proxy: alerting.Secret(through.String())})
	err = h.Beat(t.Context())
	require.Error(t, err)
	require.NotContains(t, err.Error(), "proxy-password")
	require.NotContains(t, err.Error(), "example.com")
	require.Equal(t, "CONNECT hc.example.com:443", <-asked)
}
