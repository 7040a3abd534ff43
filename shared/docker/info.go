package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/system"

	"trade-monitor/shared/alerting"
)

// ID is the engine's own id, which it keeps over restarts, so that hosts can be
// told apart. Engines before 23 keep it in /etc/docker/key.json: machines that
// were cloned with that file, and engines on one machine, share it. Empty: a
// socket proxy does not let us ask, or the engine leaves it unanswered.
func (e *Engine) ID(ctx context.Context) (string, error) {
	info, err := e.info(ctx)
	if isRefusal(err) {
		return "", nil
	}
	return info.ID, err
}

// Identity tells the engine, and so its machine, from others that share a
// database: by its id and, since cloned machines may share that, its name. A
// socket proxy may deny it; then our own host name has to do.
func (e *Engine) Identity(ctx context.Context) (alerting.Host, error) {
	info, err := e.info(ctx)
	switch {
	case isRefusal(err):
		name, _ := os.Hostname()
		return alerting.Host{ID: "?/" + name, Name: name}, nil
	case err != nil:
		return alerting.Host{}, err
	}
	return alerting.Host{ID: clip(info.ID+"/"+info.Name, maxHost), Name: clip(info.Name, maxHost)}, nil
}

// maxHost is the width of the columns that keep it.
const maxHost = 200

// Clock reads the engine's own clock: that of a virtual machine or of another
// host drifts from ours, and what is asked for by time would miss its newest
// part. A socket proxy may deny it, and an engine that is held up by a plugin may
// leave it unanswered though it answers all else; then our clock has to do.
func (e *Engine) Clock(ctx context.Context) (time.Time, error) {
	info, err := e.info(ctx)
	if isRefusal(err) {
		return time.Now(), nil
	}
	if err != nil {
		return time.Time{}, err
	}
	now, err := time.Parse(time.RFC3339Nano, info.SystemTime)
	if err != nil {
		return time.Now(), nil
	}
	return now, nil
}

const (
	// infoTries is how often in a row /info is left unanswered, by an engine that
	// answers a ping, before we do without it.
	infoTries = 3
	// infoRest is how long we then do.
	infoRest = 5 * time.Minute
)

func (e *Engine) info(ctx context.Context) (system.Info, error) {
	if e.withoutInfo() {
		return system.Info{}, errNoInfo
	}
	asked, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var info system.Info
	err := e.call(asked, "info", func(ctx context.Context) error {
		var err error
		info, err = e.api.Info(ctx)
		return err
	})
	if e.givesUp(ctx, err) {
		return system.Info{}, errNoInfo
	}
	return info, err
}

// errNoInfo is like a refusal: the engine is there, and does not say.
var errNoInfo = &Error{op: "info", status: http.StatusGatewayTimeout, sent: true, text: "no answer in time"}

func (e *Engine) withoutInfo() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Now().Before(e.infoAt)
}

// givesUp tells whether to do without /info from now on, as it was not answered
// again.
func (e *Engine) givesUp(ctx context.Context, err error) bool {
	e.mu.Lock()
	if !errors.Is(err, context.DeadlineExceeded) {
		e.noInfo = 0
		e.mu.Unlock()
		return false
	}
	e.noInfo++
	enough := e.noInfo >= infoTries
	e.mu.Unlock()
	if !enough {
		return false
	}
	// The caller's time is over by now as well.
	pinged, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if e.ping(pinged) != nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.infoAt = time.Now().Add(infoRest)
	return true
}

// instant is a time as the engine's queries take it, exact to the nanosecond.
// The zero time is no limit.
func instant(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d.%09d", at.Unix(), at.Nanosecond())
}

// Containers lists all containers, running or not.
func (e *Engine) Containers(ctx context.Context) ([]alerting.ContainerSummary, error) {
	found, err := e.list(ctx, filters.NewArgs())
	if err != nil {
		return nil, err
	}
	all := make([]alerting.ContainerSummary, 0, len(found))
	for _, c := range found {
		// One that is just being removed has no name any more.
		if names := ownNames(c); len(names) > 0 {
			all = append(all, alerting.ContainerSummary{
				ID: c.ID, Name: names[0], Running: c.State == container.StateRunning || c.State == container.StatePaused,
				Watched: c.Labels[WatchLabel] == "true", Labelled: c.Labels[Label] == "true",
			})
		}
	}
	return all, nil
}

// Labelled lists the names of the containers, running or not, that carry the
// label which admits them to remediation.
func (e *Engine) Labelled(ctx context.Context) ([]string, error) {
	found, err := e.list(ctx, filters.NewArgs(filters.Arg("label", Label+"=true")))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range found {
		names = append(names, ownNames(c)...)
	}
	return names, nil
}

func (e *Engine) list(ctx context.Context, only filters.Args) ([]container.Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var found []container.Summary
	err := e.call(ctx, "list", func(ctx context.Context) error {
		var err error
		found, err = e.api.ContainerList(ctx, container.ListOptions{All: true, Filters: only})
		return err
	})
	return found, err
}

// ownNames are the names of a container without those that legacy links of
// others give it, "/other/alias".
func ownNames(c container.Summary) []string {
	var names []string
	for _, name := range c.Names {
		if name = strings.TrimPrefix(name, "/"); name != "" && !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	return names
}
