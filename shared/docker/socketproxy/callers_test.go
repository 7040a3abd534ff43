package socketproxy

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asks is one request from an address.
func (c *callers) asks(from string) int {
	r := httptest.NewRequest(http.MethodGet, "/_ping", http.NoBody)
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w.Code
}

func TestOnlyTheNamedCallersAreServed(t *testing.T) {
	log, now := &logged{}, time.Now()
	p := &Proxy{told: newTold(slog.New(slog.NewTextHandler(log, nil)), time.Now)}
	c := newCallers(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), p.refuse, []string{"trade-monitor", "other"})
	asked := 0
	addresses := map[string][]netip.Addr{"trade-monitor": {netip.MustParseAddr("::ffff:172.18.0.3")}}
	c.now = func() time.Time { return now }
	c.find = func(_ context.Context, name string) ([]netip.Addr, error) {
		asked++
		if addresses[name] == nil {
			return nil, errors.New("no such name")
		}
		return addresses[name], nil
	}
	assert.Equal(t, http.StatusOK, c.asks("172.18.0.3:4711"))
	assert.Equal(t, http.StatusOK, c.asks("172.18.0.3:4712"))
	assert.Equal(t, 2, asked, "the names are not asked for at every request")
	assert.Equal(t, http.StatusForbidden, c.asks("172.18.0.1:4711"), "the gateway: somebody on the host")
	assert.Equal(t, http.StatusForbidden, c.asks("172.18.0.4:4711"))
	assert.Equal(t, http.StatusForbidden, c.asks("nonsense"))
	assert.Equal(t, http.StatusOK, c.asks("127.0.0.1:4711"), "our own health check")
	assert.Equal(t, http.StatusOK, c.asks("[::1]:4711"))
	require.Len(t, lines(log.String()), 1)
	assert.Contains(t, log.String(), "PROXY_CALLERS")

	addresses["trade-monitor"] = []netip.Addr{netip.MustParseAddr("172.18.0.9")}
	assert.Equal(t, http.StatusOK, c.asks("172.18.0.9:1"), "made anew, with another address")
	assert.Equal(t, http.StatusForbidden, c.asks("172.18.0.3:1"), "which takes the place of the old one")
	now = now.Add(knownFor)
	addresses["trade-monitor"] = nil
	assert.Equal(t, http.StatusForbidden, c.asks("172.18.0.9:2"), "a name without an address stands for nobody")
}

func TestAnAddressIsANameToo(t *testing.T) {
	p := &Proxy{told: newTold(slog.New(slog.DiscardHandler), time.Now)}
	c := newCallers(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), p.refuse, []string{"192.0.2.7"})
	assert.Equal(t, http.StatusOK, c.asks("192.0.2.7:1"))
	assert.Equal(t, http.StatusForbidden, c.asks("192.0.2.8:1"))
}
