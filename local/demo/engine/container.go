package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Container says what to run.
type Container struct {
	Name    string
	Image   string
	Env     []string // NAME=value
	Labels  map[string]string
	Network string   // a network's name, or container:NAME to share that one's
	Alias   string   // a further name on the network; not with container:
	Publish []int    // TCP ports that get a free port of the loopback address each
	Mounts  []string // host:container
}

// State is what the engine says of a container.
type State struct {
	ID        string
	Running   bool
	StartedAt time.Time
	EndedAt   time.Time      // of the run before; zero: none has ended
	ExitCode  int            // of that run, while it does not run again
	Ports     map[int]string // the address that stands for a published port: 127.0.0.1:32768
}

// Run creates a container and starts it.
func (e *Engine) Run(ctx context.Context, c Container) error {
	err := e.call(ctx, http.MethodPost, "/containers/create?name="+url.QueryEscape(c.Name), c.config(), nil)
	if answered(err, http.StatusConflict) {
		return taken(c.Name, err)
	}
	if err != nil {
		return fmt.Errorf("create %s: %w", c.Name, err)
	}
	if err := e.call(ctx, http.MethodPost, "/containers/"+c.Name+"/start", nil, nil); err != nil {
		return fmt.Errorf("start %s: %w", c.Name, err)
	}
	return nil
}

func (c Container) config() map[string]any {
	exposed, bindings := map[string]any{}, map[string]any{}
	for _, port := range c.Publish {
		exposed[tcp(port)] = struct{}{}
		bindings[tcp(port)] = []map[string]string{{"HostIp": "127.0.0.1", "HostPort": ""}}
	}
	config := map[string]any{
		"Image": c.Image, "Env": c.Env, "Labels": c.Labels, "ExposedPorts": exposed,
		"HostConfig": map[string]any{"NetworkMode": c.Network, "PortBindings": bindings, "Binds": c.Mounts},
	}
	if c.Alias != "" {
		endpoint := map[string]any{"Aliases": []string{c.Alias}}
		config["NetworkingConfig"] = map[string]any{"EndpointsConfig": map[string]any{c.Network: endpoint}}
	}
	return config
}

func tcp(port int) string { return fmt.Sprintf("%d/tcp", port) }

// Inspect asks how a container is.
func (e *Engine) Inspect(ctx context.Context, name string) (State, error) {
	var answer struct {
		ID    string
		State struct {
			Running               bool
			StartedAt, FinishedAt time.Time
			ExitCode              int
		}
		NetworkSettings struct {
			Ports map[string][]struct{ HostIP, HostPort string }
		}
	}
	if err := e.call(ctx, http.MethodGet, "/containers/"+name+"/json", nil, &answer); err != nil {
		return State{}, fmt.Errorf("inspect %s: %w", name, err)
	}
	s := State{
		ID: answer.ID, Running: answer.State.Running, StartedAt: answer.State.StartedAt,
		EndedAt: answer.State.FinishedAt, ExitCode: answer.State.ExitCode, Ports: map[int]string{},
	}
	for port, bound := range answer.NetworkSettings.Ports {
		var number int
		if _, err := fmt.Sscanf(port, "%d/tcp", &number); err == nil && len(bound) > 0 {
			s.Ports[number] = bound[0].HostIP + ":" + bound[0].HostPort
		}
	}
	return s, nil
}

// Logs returns everything that a container has printed, over all its starts.
func (e *Engine) Logs(ctx context.Context, name string) (string, error) {
	var raw bytes.Buffer
	if err := e.call(ctx, http.MethodGet, "/containers/"+name+"/logs?stdout=1&stderr=1", nil, &raw); err != nil {
		return "", fmt.Errorf("logs of %s: %w", name, err)
	}
	return unframe(raw.Bytes()), nil
}

// frameHeader comes before each piece of a log: the stream, three zeros, and
// the length of the piece as a 32-bit number.
const frameHeader = 8

// unframe takes the headers out. A piece that is cut short, because the log
// grows while it is read, is left for the next look.
func unframe(raw []byte) string {
	var text []byte
	for len(raw) >= frameHeader {
		end := frameHeader + int(binary.BigEndian.Uint32(raw[4:frameHeader]))
		if end > len(raw) {
			break
		}
		text = append(text, raw[frameHeader:end]...)
		raw = raw[end:]
	}
	return string(text)
}
