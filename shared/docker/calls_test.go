package docker_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
	"trade-monitor/shared/docker/dockertest"
)

var (
	version = regexp.MustCompile(`^/v[0-9.]+`)
	oneOf   = regexp.MustCompile(`^/containers/[^/]+/`)
)

// A method that is new here, or makes a new call, has to be put on the list: by
// it people allow a socket proxy no more than we need.
func TestEveryCallIsOnTheList(t *testing.T) {
	c := dockertest.Run(t, dockertest.Spec{Args: []string{"-tick", "50ms"}})
	name, id := c.Name, c.ID
	facts := alerting.Container{ID: id}
	line := func(alerting.LogLine) {}
	brief := func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	methods := map[string]func(t *testing.T, e *docker.Engine) error{
		"Ping":       func(t *testing.T, e *docker.Engine) error { return e.Ping(t.Context()) },
		"ID":         func(t *testing.T, e *docker.Engine) error { _, err := e.ID(t.Context()); return err },
		"Clock":      func(t *testing.T, e *docker.Engine) error { _, err := e.Clock(t.Context()); return err },
		"Containers": func(t *testing.T, e *docker.Engine) error { _, err := e.Containers(t.Context()); return err },
		"Labelled":   func(t *testing.T, e *docker.Engine) error { _, err := e.Labelled(t.Context()); return err },
		"Inspect":    func(t *testing.T, e *docker.Engine) error { _, err := e.Inspect(t.Context(), name); return err },
		"Recall":     func(t *testing.T, e *docker.Engine) error { _, err := e.Recall(t.Context(), id); return err },
		"Identity":   func(t *testing.T, e *docker.Engine) error { _, err := e.Identity(t.Context()); return err },
		"Stop":       func(t *testing.T, e *docker.Engine) error { return e.Stop(t.Context(), id) },
		"Since": func(t *testing.T, e *docker.Engine) error {
			_, _, err := e.Since(t.Context(), id, time.Now(), "")
			return err
		},
		"Restart": func(t *testing.T, e *docker.Engine) error { return e.Restart(t.Context(), id) },
		"Start":   func(t *testing.T, e *docker.Engine) error { return e.Start(t.Context(), id) },
		"LastLines": func(t *testing.T, e *docker.Engine) error {
			_, err := e.LastLines(t.Context(), facts, time.Now().Add(-time.Hour), 3)
			return err
		},
		"ReadLog": func(t *testing.T, e *docker.Engine) error { return e.ReadLog(t.Context(), facts, time.Now(), line) },
		"FollowLog": func(t *testing.T, e *docker.Engine) error {
			assert.ErrorIs(t, e.FollowLog(brief(t), facts, time.Time{}, 0, nil, line), context.DeadlineExceeded)
			return nil
		},
		"Subscribe": func(t *testing.T, e *docker.Engine) error {
			assert.ErrorIs(t, e.Subscribe(brief(t), time.Time{}, nil, func(alerting.ContainerEvent) {}), context.DeadlineExceeded)
			return nil
		},
		"Close": func(_ *testing.T, e *docker.Engine) error { e.Close(); return nil },
	}
	var exported []string
	for m := range reflect.TypeFor[*docker.Engine]().Methods() {
		exported = append(exported, m.Name)
	}
	require.ElementsMatch(t, exported, slices.Collect(maps.Keys(methods)), "each method of the adapter is tried here")

	made := &calls{made: map[string]map[string]bool{}}
	e := open(t, recording(t, made.note))
	for _, name := range exported {
		require.NoError(t, methods[name](t, e), name)
	}
	noHead := open(t, recording(t, func(w http.ResponseWriter, r *http.Request) bool {
		made.note(w, r)
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
		return r.Method == http.MethodHead
	}))
	require.NoError(t, noHead.Ping(t.Context()))

	listed := map[string][]string{}
	for _, call := range docker.Calls {
		assert.NotEmpty(t, call.Why)
		assert.Equal(t, call.Method == http.MethodPost, call.Acts, call.Path)
		listed[call.Method+" "+call.Path] = call.Query
	}
	assert.Equal(t, listed, made.sorted())
}

type calls struct {
	mu   sync.Mutex
	made map[string]map[string]bool // the parameters of each
}

func (c *calls) sorted() map[string][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string][]string{}
	for call, query := range c.made {
		all[call] = slices.Sorted(maps.Keys(query))
	}
	return all
}

func (c *calls) note(_ http.ResponseWriter, r *http.Request) bool {
	path := oneOf.ReplaceAllString(version.ReplaceAllString(r.URL.Path, ""), "/containers/{id}/")
	c.mu.Lock()
	defer c.mu.Unlock()
	call := r.Method + " " + path
	if c.made[call] == nil {
		c.made[call] = map[string]bool{}
	}
	for name := range r.URL.Query() {
		c.made[call][name] = true
	}
	return false
}

// counting is a proxy in front of the engine that counts requests for logs.
func counting(t *testing.T, requests *atomic.Int64) string {
	t.Helper()
	return recording(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/logs") {
			requests.Add(1)
		}
		return false
	})
}

// recording is a proxy in front of the machine's engine. It shows each request,
// and passes on those that are not answered yet.
func recording(t *testing.T, answered func(http.ResponseWriter, *http.Request) bool) string {
	t.Helper()
	forward := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "docker"}) },
		Transport:     dockertest.Require(t).Transport(),
		FlushInterval: -1,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !answered(w, r) {
			forward.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "http", "tcp", 1)
}
