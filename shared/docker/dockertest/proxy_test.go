package dockertest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
)

func client(p *dockertest.Proxy) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", strings.TrimPrefix(p.Host, "unix://"))
	}}}
}

func get(t *testing.T, p *dockertest.Proxy, path string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://docker"+path, nil)
	require.NoError(t, err)
	return client(p).Do(req)
}

func answers(t *testing.T, p *dockertest.Proxy) {
	t.Helper()
	resp, err := get(t, p, "/_ping")
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "OK", string(text))
}

// stream is an answer that does not end by itself.
func stream(t *testing.T, p *dockertest.Proxy) <-chan error {
	t.Helper()
	resp, err := get(t, p, "/events")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, resp.Body)
		ended <- err
	}()
	return ended
}

func TestAProxyPassesOnAndCuts(t *testing.T) {
	p := dockertest.NewProxy(t, dockertest.Require(t))
	answers(t, p)
	one, two := stream(t, p), stream(t, p)
	assert.Equal(t, 2, p.Conns())
	p.CutAll()
	require.ErrorIs(t, <-one, io.ErrUnexpectedEOF)
	require.ErrorIs(t, <-two, io.ErrUnexpectedEOF)
	answers(t, p)
}

func TestAProxyCutsAgainAndAgain(t *testing.T) {
	p := dockertest.NewProxy(t, dockertest.Require(t))
	p.CutEvery(100 * time.Millisecond)
	for range 3 {
		require.ErrorIs(t, <-stream(t, p), io.ErrUnexpectedEOF)
	}
	p.CutEvery(0)
	ended := stream(t, p)
	select {
	case err := <-ended:
		require.Fail(t, "cut after all", "%v", err)
	case <-time.After(300 * time.Millisecond):
	}
}

func TestAProxyThatHangsTakesAllAndGivesNothing(t *testing.T) {
	p := dockertest.NewProxy(t, dockertest.Require(t))
	p.Hang(true)
	answer := make(chan error, 1)
	go func() {
		resp, err := get(t, p, "/_ping")
		if err == nil {
			_ = resp.Body.Close()
		}
		answer <- err
	}()
	select {
	case err := <-answer:
		require.Fail(t, "answered after all", "%v", err)
	case <-time.After(300 * time.Millisecond):
	}
	p.Hang(false)
	require.NoError(t, <-answer, "what it took arrives")
	p.Hang(true) // and a test may end so
}

func TestAProxyRefuses(t *testing.T) {
	p := dockertest.NewProxy(t, dockertest.Require(t))
	standing := stream(t, p)
	p.Refuse(true)
	_, err := get(t, p, "/_ping")
	require.True(t, errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED), "%v", err)
	assert.Empty(t, standing, "what stands is left alone")
	p.Refuse(false)
	answers(t, p)
}
