package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Transport passes requests to next (nil: http.DefaultTransport) and fails the
// test on every exchange that breaks the contract.
func (c *Contract) Transport(t testing.TB, next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		var sent []byte
		if req.Body != nil {
			var err error
			if sent, err = io.ReadAll(req.Body); err != nil {
				return nil, err
			}
			_ = req.Body.Close()
			req = req.Clone(req.Context())
			req.Body = io.NopCloser(bytes.NewReader(sent))
		}
		resp, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		answered, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(bytes.NewReader(answered))
		if err := c.CheckExchange(req, sent, resp, answered); err != nil {
			t.Errorf("contract: %v", err)
		}
		return resp, nil
	})
}

// Serve runs the handler on a real port for the test; the client's exchanges
// are held to the contract.
func Serve(t testing.TB, h http.Handler) (url string, client *http.Client) {
	t.Helper()
	c := Load(t)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL, &http.Client{Transport: c.Transport(t, server.Client().Transport)}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func decodeJSON(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return nil
}
