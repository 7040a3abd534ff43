package docker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"trade-monitor/shared/alerting"
)

// defaultStop is what the engine gives a container that names no stop time-out.
const defaultStop = 10 * time.Second

// Inspect tells what the engine knows of the container with exactly this name;
// nil when there is none. The engine itself would take the beginning of an id
// for a name as well.
func (e *Engine) Inspect(ctx context.Context, name string) (*alerting.Container, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var found container.InspectResponse
	err := e.call(ctx, "inspect", func(ctx context.Context) error {
		var err error
		found, err = e.api.ContainerInspect(ctx, name)
		return err
	})
	switch {
	case isNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	case found.ContainerJSONBase == nil || found.State == nil:
		return nil, &Error{op: "inspect", text: "the answer is incomplete"}
	case found.Name != "/"+name:
		return nil, nil
	}
	return e.describe(found)
}

func (e *Engine) describe(found container.InspectResponse) (*alerting.Container, error) {
	started, err := time.Parse(time.RFC3339Nano, found.State.StartedAt)
	if err != nil {
		return nil, fmt.Errorf("docker inspect: start time: %w", err)
	}
	c := &alerting.Container{
		ID:          found.ID,
		Name:        strings.TrimPrefix(found.Name, "/"),
		Running:     found.State.Running,
		Restarting:  found.State.Restarting,
		StartedAt:   started.UTC(),
		ExitCode:    found.State.ExitCode,
		OOMKilled:   found.State.OOMKilled,
		Health:      health(found.State.Health),
		Self:        e.self.is(found.ID, found.GraphDriver.Data["UpperDir"]),
		StopTimeout: defaultStop,

		Paused:       found.State.Paused,
		RestartCount: found.RestartCount,
		Probes:       probesOf(found.State.Health),
	}
	// A container that has not ended yet ended in the year 1.
	if ended, err := time.Parse(time.RFC3339Nano, found.State.FinishedAt); err == nil && ended.Year() > 1 {
		c.FinishedAt = ended.UTC()
	}
	if found.HostConfig != nil {
		c.RestartPolicy = string(found.HostConfig.RestartPolicy.Name)
		c.LogDriver = found.HostConfig.LogConfig.Type
	}
	if found.Config != nil {
		c.Labelled = found.Config.Labels[Label] == "true"
		c.Watched = found.Config.Labels[WatchLabel] == "true"
		c.TTY = found.Config.Tty
		// Below 0 the engine waits for ever, which is no limit to wait by.
		if stop := found.Config.StopTimeout; stop != nil && *stop >= 0 {
			c.StopTimeout = time.Duration(*stop) * time.Second
		}
	}
	return c, nil
}

func health(h *container.Health) alerting.Health {
	if h == nil {
		return alerting.NoHealth
	}
	return healthOf(h.Status)
}

func healthOf(status string) alerting.Health {
	switch status {
	case container.Starting:
		return alerting.Starting
	case container.Healthy:
		return alerting.Healthy
	case container.Unhealthy:
		return alerting.Unhealthy
	}
	return alerting.NoHealth
}

// probesOf are what the engine keeps of the health check's answers, each on one
// line.
func probesOf(h *container.Health) []alerting.Probe {
	if h == nil {
		return nil
	}
	var all []alerting.Probe
	for _, r := range h.Log {
		if r != nil {
			all = append(all, alerting.Probe{At: r.End.UTC(), ExitCode: r.ExitCode, Output: oneLine(r.Output, maxText)})
		}
	}
	return all
}
