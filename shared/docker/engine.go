// Package docker is the adapter of the Docker Engine: what remediation and the
// watches need of it, in the words of the domain. It is the only importer of
// github.com/docker/docker, so that the day the client changes one folder does.
package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
)

// DefaultHost is where the engine listens when nothing else is said.
const DefaultHost = client.DefaultDockerHost

// Labels that count when their value is "true".
const (
	Label      = "trade-monitor.restart" // admits a container to remediation
	WatchLabel = "trade-monitor.watch"   // asks for a container to be watched
)

// callTimeout bounds every call but start, stop and restart, which take as long as
// the container's stop time-out, and streams. There is no client-wide limit: it would
// cut them.
const callTimeout = 5 * time.Second

// Engine is a connection to a Docker Engine. It is safe for concurrent use.
type Engine struct {
	api       *client.Client
	transport *http.Transport
	self      identity

	mu         sync.Mutex
	negotiated bool
	noInfo     int       // how often in a row /info was not answered
	infoAt     time.Time // when it is asked again
}

// Open prepares the connection to an engine: unix:///path, tcp://host:port or
// http://host:port; empty means DefaultHost. Nothing is dialled: an engine that
// is away is an error of the calls, not of Open.
func Open(host string) (*Engine, error) {
	if host == "" {
		host = DefaultHost
	}
	proto, _, _ := strings.Cut(host, "://")
	switch proto {
	case "unix", "tcp", "http":
	default:
		// The value may hold a password: it is not repeated.
		return nil, errors.New("DOCKER_HOST 必须是 unix://、tcp:// 或 http:// 地址 (must be a unix://, tcp:// or http:// address)")
	}
	transport := &http.Transport{}
	trips := &recorder{next: transport}
	api, err := client.NewClientWithOpts(
		client.WithHTTPClient(&http.Client{Transport: transport}),
		client.WithHost(host), // configures the transport, so the recorder goes around it afterwards
		client.WithHTTPClient(&http.Client{Transport: trips, CheckRedirect: client.CheckRedirect}),
		client.WithAPIVersionNegotiation(),
	)
	if err != nil {
		return nil, errors.New("DOCKER_HOST 不是合法的地址 (is not a valid address)")
	}
	transport.Proxy = nil // HTTPS_PROXY is the robots' way out, not the engine's
	trips.logs = forLogs(transport)
	return &Engine{api: api, transport: transport, self: readIdentity()}, nil
}

// forLogs is a transport for logs, which are read in big pieces, each over a
// connection of its own.
func forLogs(configured *http.Transport) *http.Transport {
	logs := configured.Clone()
	logs.ReadBufferSize = streamBuffer
	logs.DisableKeepAlives = true
	logs.DisableCompression = true // it would keep lines back
	dial := configured.DialContext
	logs.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return unpolled(conn), nil
	}
	return logs
}

// Close lets idle connections go.
func (e *Engine) Close() { e.transport.CloseIdleConnections() }

// Ping tells whether the engine answers.
func (e *Engine) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return e.ping(ctx)
}

func (e *Engine) ping(ctx context.Context) error {
	return record(ctx, "ping", func(ctx context.Context) error {
		answer, err := e.api.Ping(ctx)
		if err != nil {
			return err
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		if !e.negotiated {
			e.api.NegotiateAPIVersionPing(answer)
			e.negotiated = true
		}
		return nil
	})
}

// call makes an API call after the version was negotiated. The client itself
// would go on with the newest version when its ping fails, and a refusal of
// that version would look like the engine's verdict on the call.
func (e *Engine) call(ctx context.Context, op string, do func(context.Context) error) error {
	e.mu.Lock()
	ready := e.negotiated
	e.mu.Unlock()
	if !ready {
		if err := e.ping(ctx); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	return record(ctx, op, do)
}

// Restart restarts a container: its own stop time-out, or 10 s, is honoured.
// The caller's context bounds the call, but the engine finishes a restart whose
// call was given up: an error that is not Refused leaves open what happened.
func (e *Engine) Restart(ctx context.Context, id string) error {
	return e.call(ctx, "restart", func(ctx context.Context) error {
		return e.api.ContainerRestart(ctx, id, container.StopOptions{})
	})
}

// Stop stops a container and leaves it stopped; its own stop time-out, or 10 s,
// is honoured. What is said of Restart's context and errors holds here, too.
func (e *Engine) Stop(ctx context.Context, id string) error {
	return e.call(ctx, "stop", func(ctx context.Context) error {
		return e.api.ContainerStop(ctx, id, container.StopOptions{})
	})
}

// Start starts a container; one that runs is left as it is. The caller's
// context bounds the call.
func (e *Engine) Start(ctx context.Context, id string) error {
	return e.call(ctx, "start", func(ctx context.Context) error {
		return e.api.ContainerStart(ctx, id, container.StartOptions{})
	})
}
