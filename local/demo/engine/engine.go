// Package engine is the little of the Docker Engine's HTTP API that the
// demonstration needs to build its stage and to look at it. It speaks HTTP
// itself: the docker command may be missing where an engine runs, and what
// checks the story must not be the adapter that acts in it.
package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// DefaultSocket is where an engine listens when DOCKER_HOST says nothing.
const DefaultSocket = "/var/run/docker.sock"

// Engine is a Docker Engine behind a socket of this machine.
type Engine struct {
	Socket string
	client *http.Client
}

// Open prepares the connection; host is the value of DOCKER_HOST, or empty. The
// engine must be on this machine: its socket is mounted into a container, and
// the published ports are looked for on the loopback address.
func Open(host string) (*Engine, error) {
	socket := DefaultSocket
	if host != "" {
		path, unix := strings.CutPrefix(host, "unix://")
		if !unix || path == "" {
			return nil, errors.New("DOCKER_HOST 必须是本机的 unix:// 地址 (must be a unix:// address of this machine)")
		}
		socket = path
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Engine{Socket: socket, client: &http.Client{Transport: &http.Transport{DialContext: dial}}}, nil
}

// Close lets idle connections go.
func (e *Engine) Close() { e.client.CloseIdleConnections() }

// Arch tells, in Go's words, what the engine's containers run on.
func (e *Engine) Arch(ctx context.Context) (string, error) {
	var version struct{ Arch string }
	err := e.call(ctx, http.MethodGet, "/version", nil, &version)
	return version.Arch, err
}

// answerError is an answer of the engine that is not a success.
type answerError struct {
	status  int
	message string
}

func (e *answerError) Error() string { return fmt.Sprintf("Docker: HTTP %d %s", e.status, e.message) }

func answered(err error, status int) bool {
	var answer *answerError
	return errors.As(err, &answer) && answer.status == status
}

// call makes one API call without a version in its path: what is used here is
// the same in every version since 1.41. A body that is an io.Reader goes out as
// a tar archive, any other as JSON; the answer is decoded into out, or copied
// when out is a *bytes.Buffer.
func (e *Engine) call(ctx context.Context, method, path string, body, out any) error {
	reader, kind, err := encode(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, reader)
	if err != nil {
		return fmt.Errorf("docker request: %w", err)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := e.client.Do(req)
	if err != nil {
		var withURL *url.Error
		if errors.As(err, &withURL) {
			err = withURL.Err // the URL's host is made up
		}
		return fmt.Errorf("Docker: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusBadRequest {
		return refusal(resp)
	}
	return decode(resp.Body, out)
}

func refusal(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // what could be read has to do
	var told struct{ Message string }
	if json.Unmarshal(text, &told) != nil || told.Message == "" {
		told.Message = strings.TrimSpace(string(text))
	}
	return &answerError{status: resp.StatusCode, message: told.Message}
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
		return nil, "", fmt.Errorf("docker request: %w", err)
	}
	return bytes.NewReader(raw), "application/json", nil
}

func decode(body io.Reader, out any) error {
	var err error
	switch o := out.(type) {
	case nil:
		_, err = io.Copy(io.Discard, body)
	case *bytes.Buffer:
		_, err = o.ReadFrom(body)
	default:
		err = json.NewDecoder(body).Decode(out)
	}
	if err != nil {
		return fmt.Errorf("docker answer: %w", err)
	}
	return nil
}
