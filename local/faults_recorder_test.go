package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
)

// What was done to a container is counted by two witnesses, neither of which is
// our own record: a recorder in front of the engine's socket sees every order
// that the program gives, and the engine's own events tell what it carried out.

// order is one POST …/restart, …/start or …/stop that the program sent.
type order struct {
	Action    string
	ID        string    // as the call names the container: its id
	At        time.Time // it arrived at the recorder
	Passed    time.Time // it went on to the engine; zero: it never did
	Answered  time.Time // the engine's answer came; zero: none
	Delivered time.Time // the answer went back to the program; zero: it was gone
	Status    int
}

// orderRecorder stands in front of an engine and notes orders. A hook may hold
// one back, or answer it in the engine's place.
type orderRecorder struct {
	Host string // for DOCKER_HOST

	mu       sync.Mutex
	orders   []order
	arrives  func(context.Context, order) (refuse int) // before it goes on; a status other than 0 is the answer
	answered func(context.Context, order)              // before the answer goes back
	pace     time.Duration                             // how long any other call is held
	clock    clockStep
}

var orderPath = regexp.MustCompile(`^(?:/v[0-9.]+)?/containers/([^/]+)/(restart|start|stop|kill)$`)

// recordOrders starts a recorder in front of an engine, which may come and go.
func recordOrders(t testing.TB, engine *dockertest.Engine) *orderRecorder {
	t.Helper()
	dir, err := os.MkdirTemp("", "tmtest-") // not t.TempDir: a socket's path may have 108 bytes only
	require.NoError(t, err)
	r := &orderRecorder{Host: "unix://" + filepath.Join(dir, "recorder.sock")}
	listener, err := net.Listen("unix", filepath.Join(dir, "recorder.sock"))
	require.NoError(t, err)
	toEngine := &httputil.ReverseProxy{
		Rewrite:       func(p *httputil.ProxyRequest) { p.SetURL(&url.URL{Scheme: "http", Host: "docker"}) },
		Transport:     engine.Transport(),
		FlushInterval: -1,
		// As a socket whose engine is away: the connection ends.
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ModifyResponse: func(res *http.Response) error { return r.clock.answer(res) },
		ErrorLog:       log.New(io.Discard, "", 0),
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.serve(toEngine, w, req) }),
		ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		_ = os.RemoveAll(dir)
	})
	return r
}

func (r *orderRecorder) serve(engine http.Handler, w http.ResponseWriter, req *http.Request) {
	found := orderPath.FindStringSubmatch(req.URL.Path)
	if req.Method != http.MethodPost || found == nil {
		wait(req.Context(), r.paced())
		r.clock.question(req)
		engine.ServeHTTP(w, req)
		return
	}
	n, arrives, answered := r.note(order{Action: found[2], ID: found[1], At: time.Now()})
	if arrives != nil {
		if status := arrives(req.Context(), r.order(n)); status != 0 {
			r.change(n, func(o *order) { o.Status = status })
			http.Error(w, `{"message":"refused by the test"}`, status)
			return
		}
	}
	if req.Context().Err() != nil {
		return // its sender is gone: it never arrived
	}
	r.change(n, func(o *order) { o.Passed = time.Now() })
	held := &heldAnswer{ResponseWriter: w, status: http.StatusOK}
	held.first = func() {
		r.change(n, func(o *order) { o.Answered, o.Status = time.Now(), held.status })
		if answered != nil {
			answered(req.Context(), r.order(n))
		}
	}
	engine.ServeHTTP(held, req)
	if req.Context().Err() == nil {
		r.change(n, func(o *order) { o.Delivered = time.Now() })
	}
}

// heldAnswer lets a hook look before the first byte of an answer goes back.
type heldAnswer struct {
	http.ResponseWriter
	status int
	first  func()
}

func (h *heldAnswer) WriteHeader(status int) {
	h.status = status
	h.first()
	h.ResponseWriter.WriteHeader(status)
}

func (r *orderRecorder) note(o order) (n int, arrives func(context.Context, order) int, answered func(context.Context, order)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.orders = append(r.orders, o)
	return len(r.orders) - 1, r.arrives, r.answered
}

func (r *orderRecorder) change(n int, f func(*order)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.orders[n])
}

func (r *orderRecorder) order(n int) order {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.orders[n]
}

// hook sets what is done with the orders to come.
func (r *orderRecorder) hook(arrives func(context.Context, order) int, answered func(context.Context, order)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrives, r.answered = arrives, answered
}

// slow makes every call but an order take longer.
func (r *orderRecorder) slow(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pace = d
}

func (r *orderRecorder) paced() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pace
}

// all lists the orders for a container, those of any when id is empty.
func (r *orderRecorder) all(id string) []order {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.orders), func(o order) bool { return id != "" && o.ID != id })
}

// engineEvent is what the engine says that happened to a container.
type engineEvent struct {
	Action string
	ID     string
	Name   string
	At     time.Time // by the engine's clock
	Heard  time.Time // by ours
}

// engineEvents keeps all that happened to the containers of an engine, over its
// restarts.
type engineEvents struct {
	mu   sync.Mutex
	all  []engineEvent
	wake chan struct{} // closed with the next event
}

func followEvents(t testing.TB, engine *dockertest.Engine) *engineEvents {
	t.Helper()
	e := &engineEvents{wake: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	var following sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		following.Wait()
	})
	following.Go(func() {
		since := time.Now().Add(-time.Minute)
		for ctx.Err() == nil {
			since = e.listen(ctx, engine, since)
			time.Sleep(20 * time.Millisecond)
		}
	})
	return e
}

// listen takes events until the stream ends, and gives the time of the last.
func (e *engineEvents) listen(ctx context.Context, engine *dockertest.Engine, since time.Time) time.Time {
	query := url.Values{"filters": {`{"type":["container"]}`}, "since": {fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond())}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/events?"+query.Encode(), nil)
	if err != nil {
		return since
	}
	res, err := engine.Transport().RoundTrip(req)
	if err != nil {
		return since
	}
	defer func() { _ = res.Body.Close() }()
	for lines := json.NewDecoder(res.Body); ; {
		var said struct {
			Action string
			Actor  struct {
				ID         string
				Attributes map[string]string
			}
			TimeNano int64 `json:"timeNano"`
		}
		if lines.Decode(&said) != nil {
			return since
		}
		since = time.Unix(0, said.TimeNano)
		e.take(engineEvent{Action: said.Action, ID: said.Actor.ID, Name: said.Actor.Attributes["name"], At: since, Heard: time.Now()})
	}
}

// take keeps an event once: what is asked for again includes the last.
func (e *engineEvents) take(ev engineEvent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, known := range slices.Backward(e.all) {
		if known.At.Before(ev.At) {
			break
		}
		if known.Action == ev.Action && known.ID == ev.ID && known.At.Equal(ev.At) {
			return
		}
	}
	e.all = append(e.all, ev)
	close(e.wake)
	e.wake = make(chan struct{})
}

// of lists the events of one kind of a container.
func (e *engineEvents) of(id, action string) []engineEvent {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.all), func(ev engineEvent) bool { return ev.ID != id || ev.Action != action })
}

// containers are the ids that anything happened to, with their latest names.
func (e *engineEvents) containers() map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	names := map[string]string{}
	for _, ev := range e.all {
		names[ev.ID] = ev.Name
	}
	return names
}
