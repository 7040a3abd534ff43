// Package runtimeapitest runs compiled Lambda binaries as Lambda does: against
// a Runtime API of our own, one event after the other.
package runtimeapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Function is a running Lambda binary.
type Function struct {
	// Timeout is what the function is told that it may take per event.
	Timeout time.Duration

	events  chan invocation
	results chan Result
	exited  chan struct{}
	log     buffer
	calls   int
}

// Result is what became of one event.
type Result struct {
	Payload []byte // the answer; nil after an error
	Error   string // errorMessage that the function reported; empty: it answered
}

type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
}

// Start runs the binary with exactly the environment given (NAME=value) until
// the test ends.
func Start(t testing.TB, binary string, env ...string) *Function {
	t.Helper()
	f := &Function{
		Timeout: 30 * time.Second,
		events:  make(chan invocation), results: make(chan Result, 1), exited: make(chan struct{}),
	}
	api := httptest.NewServer(f.api())
	cmd := exec.Command(binary)
	cmd.Dir = t.TempDir()
	cmd.Env = append(env,
		"AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(api.URL, "http://"),
		"AWS_LAMBDA_FUNCTION_NAME=under-test", "AWS_REGION=local", "LAMBDA_TASK_ROOT="+cmd.Dir)
	cmd.Stdout, cmd.Stderr = &f.log, &f.log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", binary, err)
	}
	go func() {
		_ = cmd.Wait()
		close(f.exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-f.exited
		api.CloseClientConnections()
		api.Close()
		if t.Failed() {
			t.Logf("log of the function:\n%s", f.Log())
		}
	})
	return f
}

// Log is what the function wrote so far.
func (f *Function) Log() string { return f.log.String() }

// Exited waits until the process ended by itself, and fails the test when it
// does not.
func (f *Function) Exited(t testing.TB) {
	t.Helper()
	select {
	case <-f.exited:
	case <-time.After(10 * time.Second):
		t.Fatal("the function goes on running")
	}
}

// Invoke sends one event and waits for what becomes of it.
func (f *Function) Invoke(t testing.TB, event []byte) Result {
	t.Helper()
	f.calls++
	limit := time.After(f.Timeout + 5*time.Second)
	call := invocation{id: fmt.Sprintf("8476a536-e9f4-11e8-9739-%012d", f.calls), payload: event, deadline: time.Now().Add(f.Timeout)}
	select {
	case f.events <- call:
	case <-f.exited:
		t.Fatalf("the function ended before the event:\n%s", f.Log())
	case <-limit:
		t.Fatal("the function does not ask for an event")
	}
	select {
	case result := <-f.results:
		return result
	case <-f.exited:
		t.Fatalf("the function ended during the event:\n%s", f.Log())
	case <-limit:
		t.Fatal("the function did not answer in time")
	}
	return Result{}
}

// api is the Runtime API of 2018-06-01. The answer of an event is known before
// the next one is asked for, so one slot for results is enough.
func (f *Function) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case call := <-f.events:
			h := w.Header()
			h.Set("Lambda-Runtime-Aws-Request-Id", call.id)
			h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(call.deadline.UnixMilli(), 10))
			h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:local:000000000000:function:under-test")
			h.Set("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700")
			_, _ = w.Write(call.payload)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			f.results <- Result{Error: "the answer broke off: " + err.Error()}
		} else {
			f.results <- Result{Payload: body}
		}
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		var report struct {
			Message string `json:"errorMessage"`
		}
		if err := json.NewDecoder(r.Body).Decode(&report); err != nil {
			report.Message = "an error report that is not JSON"
		}
		f.results <- Result{Error: report.Message}
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}

// buffer is written by the process and read by the test.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
