// Package dockertest runs real containers for tests: on the machine's Docker
// Engine, or on a private one that a test may stop and restart. It removes what
// it created and nothing else. Images are built FROM scratch out of static Go
// programs, so that no registry is needed.
//
// It speaks the Engine's HTTP API itself: what it sets up does not depend on
// the adapter under test.
package dockertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Socket is where the machine's engine listens.
const Socket = "/var/run/docker.sock"

// Engine is a Docker Engine that tests may use.
type Engine struct {
	Host   string // for DOCKER_HOST: unix:///…
	client *http.Client
}

// Require returns the machine's engine. Without one the test fails, and says
// what to install: a test of ours is never skipped.
func Require(t testing.TB) *Engine {
	t.Helper()
	e := newEngine(Socket)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := e.ping(ctx); err != nil {
		t.Fatalf("no Docker Engine answers at %s: %v\n"+
			"Debian or Ubuntu, as root: apt-get install -y docker.io && (systemctl start docker || dockerd &)\n"+
			"elsewhere: install Docker Engine 20.10 or newer and make its socket readable to the tests", Socket, err)
	}
	return e
}

func newEngine(socket string) *Engine {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Engine{Host: "unix://" + socket, client: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

func (e *Engine) ping(ctx context.Context) error {
	return e.call(ctx, http.MethodGet, "/_ping", nil, nil)
}

// statusError is an answer of the engine that is not a success.
type statusError struct {
	status  int
	message string
}

func (e *statusError) Error() string { return fmt.Sprintf("engine: %d %s", e.status, e.message) }

// call makes one API call. A body that is not an io.Reader goes out as JSON;
// the answer is decoded into out, or copied when out is a *bytes.Buffer.
func (e *Engine) call(ctx context.Context, method, path string, body, out any) error {
	reader, kind, err := encode(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, reader)
	if err != nil {
		return fmt.Errorf("engine request: %w", err)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := e.client.Do(req)
	if err != nil {
		return fmt.Errorf("calling the engine: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusBadRequest {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return &statusError{status: resp.StatusCode, message: strings.TrimSpace(string(text))}
	}
	return decode(resp.Body, out)
}

func encode(body any) (io.Reader, string, error) {
	switch b := body.(type) {
	case nil:
		return http.NoBody, "application/json", nil
	case io.Reader:
		return b, "application/x-tar", nil
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, "", fmt.Errorf("encoding the request: %w", err)
	}
	return bytes.NewReader(raw), "application/json", nil
}

func decode(body io.Reader, out any) error {
	switch o := out.(type) {
	case nil:
		_, err := io.Copy(io.Discard, body)
		return err
	case *bytes.Buffer:
		_, err := o.ReadFrom(body)
		return err
	}
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("decoding the engine's answer: %w", err)
	}
	return nil
}

func notFound(err error) bool {
	var answer *statusError
	return errors.As(err, &answer) && answer.status == http.StatusNotFound
}

// Transport reaches the engine, for a proxy that a test makes itself.
func (e *Engine) Transport() http.RoundTripper { return e.client.Transport }
