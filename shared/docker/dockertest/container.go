package dockertest

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/http"
	"net/url"
	"syscall"
	"testing"
	"time"
)

// Spec describes a container. The zero Spec runs the service program.
type Spec struct {
	Name          string   // the readable end of the unique name
	ExactName     string   // the whole name, of one that was removed: to make it anew
	Image         string   // empty: the service program
	Args          []string // arguments of the program
	Env           []string // NAME=value
	Labels        map[string]string
	Health        *Health
	StopTimeout   time.Duration // whole seconds; 0: the engine's default
	RestartPolicy string        // as in `docker run --restart`
	Hostname      string
	Network       string // empty: none
	Links         []string
	Binds         []string // folders of the machine: "/there:/here"
	TTY           bool
	LogDriver     string            // empty: the engine's default
	LogOptions    map[string]string // as in `docker run --log-opt`
	Memory        int64             // limit in bytes, swap included; 0: none
	Created       bool              // create it and leave it there, not started
}

// Health is a container's own health check.
type Health struct {
	Command  []string // empty: the service program's
	Interval time.Duration
	Retries  int
}

// State is what the engine says of a container.
type State struct {
	Running    bool
	Restarting bool
	Pid        int // of its first process, as the host counts; 0: none
	StartedAt  time.Time
	ExitCode   int
	Health     string
}

// Container is a real container that goes away with its test.
type Container struct {
	ID     string
	Name   string
	t      testing.TB
	engine *Engine
}

// Run starts a container on the machine's engine.
func Run(t testing.TB, spec Spec) *Container {
	t.Helper()
	return Require(t).Run(t, spec)
}

// Run starts a container, with a name that nothing else has unless the Spec
// gives it one, until the test ends.
func (e *Engine) Run(t testing.TB, spec Spec) *Container {
	t.Helper()
	if spec.Image == "" {
		spec.Image = e.Image(t, Service)
	}
	if spec.Name == "" {
		spec.Name = "service"
	}
	c := &Container{Name: spec.ExactName, t: t, engine: e}
	if c.Name == "" {
		c.Name = uniqueName(spec.Name)
	}
	var created struct{ ID string }
	c.must(http.MethodPost, "/containers/create?name="+url.QueryEscape(c.Name), spec.config(), &created)
	c.ID = created.ID
	t.Cleanup(c.cleanup)
	if !spec.Created {
		c.Start()
	}
	return c
}

func (s Spec) config() map[string]any {
	network := s.Network
	if network == "" {
		network = "none"
	}
	config := map[string]any{
		"Image": s.Image, "Cmd": s.Args, "Env": s.Env, "Labels": s.Labels, "Tty": s.TTY, "Hostname": s.Hostname,
		"HostConfig": map[string]any{
			"NetworkMode":   network,
			"Links":         s.Links,
			"Binds":         s.Binds,
			"RestartPolicy": map[string]any{"Name": s.RestartPolicy},
			"LogConfig":     map[string]any{"Type": s.LogDriver, "Config": s.LogOptions},
			"Memory":        s.Memory,
			"MemorySwap":    s.Memory,
		},
	}
	if s.StopTimeout != 0 {
		config["StopTimeout"] = int(s.StopTimeout / time.Second)
	}
	if h := s.Health; h != nil {
		command := h.Command
		if len(command) == 0 {
			command = []string{"/service", "health"}
		}
		config["Healthcheck"] = map[string]any{
			"Test": append([]string{"CMD"}, command...), "Interval": h.Interval, "Timeout": 5 * time.Second, "Retries": h.Retries,
		}
	}
	return config
}

// Start starts the container.
func (c *Container) Start() { c.t.Helper(); c.must(http.MethodPost, c.path("/start"), nil, nil) }

// Stop stops it as `docker stop` does.
func (c *Container) Stop() { c.t.Helper(); c.must(http.MethodPost, c.path("/stop"), nil, nil) }

// Restart restarts it as `docker restart` does.
func (c *Container) Restart() { c.t.Helper(); c.must(http.MethodPost, c.path("/restart"), nil, nil) }

// Kill sends a signal: "KILL", "USR1".
func (c *Container) Kill(signal string) {
	c.t.Helper()
	c.must(http.MethodPost, c.path("/kill?signal="+url.QueryEscape(signal)), nil, nil)
}

// Crash signals the container's first process from the host, past the engine:
// what follows is nobody's order. It returns the time just before.
func (c *Container) Crash(signal syscall.Signal) time.Time {
	c.t.Helper()
	pid := c.State().Pid
	if pid <= 1 {
		c.t.Fatalf("container %s does not run", c.Name)
	}
	at := time.Now()
	if err := syscall.Kill(pid, signal); err != nil {
		c.t.Fatalf("signalling container %s: %v", c.Name, err)
	}
	return at
}

// Rename gives it another name.
func (c *Container) Rename(name string) {
	c.t.Helper()
	c.must(http.MethodPost, c.path("/rename?name="+url.QueryEscape(name)), nil, nil)
	c.Name = name
}

// Pause freezes its processes.
func (c *Container) Pause() { c.t.Helper(); c.must(http.MethodPost, c.path("/pause"), nil, nil) }

// Unpause lets them go on.
func (c *Container) Unpause() { c.t.Helper(); c.must(http.MethodPost, c.path("/unpause"), nil, nil) }

// Remove removes it, running or not.
func (c *Container) Remove() {
	c.t.Helper()
	c.must(http.MethodDelete, c.path("?force=1&v=1"), nil, nil)
}

// State asks the engine how the container is.
func (c *Container) State() State {
	c.t.Helper()
	var answer struct {
		State struct {
			Running, Restarting bool
			Pid                 int
			StartedAt           time.Time
			ExitCode            int
			Health              *struct{ Status string }
		}
	}
	c.must(http.MethodGet, c.path("/json"), nil, &answer)
	s := State{Running: answer.State.Running, Restarting: answer.State.Restarting, Pid: answer.State.Pid, StartedAt: answer.State.StartedAt, ExitCode: answer.State.ExitCode}
	if answer.State.Health != nil {
		s.Health = answer.State.Health.Status
	}
	return s
}

// Logs returns everything that the container has printed.
func (c *Container) Logs() string {
	c.t.Helper()
	var raw bytes.Buffer
	c.must(http.MethodGet, c.path("/logs?stdout=1&stderr=1"), nil, &raw)
	return unframe(raw.Bytes())
}

// unframe takes the 8-byte headers out of a log; a TTY's log has none.
func unframe(raw []byte) string {
	var text []byte
	for rest := raw; len(rest) > 0; {
		if len(rest) < 8 || rest[0] > 2 || rest[1]|rest[2]|rest[3] != 0 {
			return string(raw)
		}
		end := 8 + int(binary.BigEndian.Uint32(rest[4:8]))
		if end > len(rest) {
			end = len(rest)
		}
		text = append(text, rest[8:end]...)
		rest = rest[end:]
	}
	return string(text)
}

// Until waits for the container to be as asked, and fails the test when it is
// not within limit.
func (c *Container) Until(limit time.Duration, what string, is func(State) bool) State {
	c.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		s := c.State()
		if is(s) {
			return s
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("container %s is not %s after %s: %+v", c.Name, what, limit, s)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (c *Container) path(call string) string { return "/containers/" + c.ID + call }

func (c *Container) must(method, path string, body, out any) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	if err := c.engine.call(ctx, method, path, body, out); err != nil {
		c.t.Fatalf("%s %s of %s: %v", method, path, c.Name, err)
	}
}

func (c *Container) cleanup() {
	if c.engine.discarded() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := c.engine.call(ctx, http.MethodDelete, c.path("?force=1&v=1"), nil, nil)
	if err != nil && !notFound(err) {
		c.t.Errorf("removing container %s: %v", c.Name, err)
	}
}
