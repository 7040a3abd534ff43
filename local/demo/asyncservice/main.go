// Command asyncservice stands for the service that Trade Monitor looks after.
// Its log is watched, and so is its container, neither of which takes any code
// here. Besides it pings a heartbeat, which takes three lines, and embeds the
// watchdog, as a service of one's own would. It fails when somebody asks it to;
// what is wrong with it is in its memory only, so that a restart puts it right.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	_ "time/tzdata" // the image holds no zone files

	"trade-monitor/local/demo/script"
	"trade-monitor/shared/watchdog"
)

const (
	// tick is the time between two pieces of work.
	tick = time.Second
	// drain is how long it takes to stop: like most services it first finishes
	// what it has in hand. Its watchdog is awake meanwhile, and posts what the log
	// watch, which is quicker, has found already.
	drain = 2500 * time.Millisecond
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Getenv, os.Stdout)
	stop()
	switch {
	case errors.Is(err, errCrashed):
		os.Exit(script.CrashCode)
	case err != nil:
		fmt.Fprintln(os.Stderr, "async-service:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, getenv func(string) string, out io.Writer) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(script.ControlPort)))
	if err != nil {
		return fmt.Errorf("control port: %w", err)
	}
	fmt.Fprintln(out, script.Started)
	dog, err := arm(getenv, out)
	if err != nil {
		return err
	}
	defer dog.Stop()
	s := &service{out: out, progress: dog.Progress, crashed: make(chan struct{}, 1)}
	server := &http.Server{Handler: s.control(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	defer func() { _ = server.Close() }()
	if url := getenv(script.HeartbeatURL); url != "" {
		go s.beat(url) // to the very end
	}
	return s.work(ctx)
}

// arm starts the watchdog.
func arm(getenv func(string) string, out io.Writer) (*watchdog.Watchdog, error) {
	options, err := watchdog.FromEnv(getenv)
	if err != nil {
		return nil, err
	}
	options.OnPost = func(p watchdog.Post) {
		fmt.Fprintf(out, "%s: HTTP %d, resolved=%t, try %d\n", script.Posted, p.Status, p.Resolved, p.Try)
	}
	dog, err := watchdog.New(options)
	if err != nil {
		return nil, err
	}
	dog.Start()
	fmt.Fprintf(out, "%s: timeout %s, check interval %s\n", script.Armed, options.Timeout, options.CheckInterval)
	return dog, nil
}

// service is the work, and what is wrong with it.
type service struct {
	out      io.Writer
	progress func()
	stalled  atomic.Bool
	mute     atomic.Bool
	crashed  chan struct{}
}

var errCrashed = errors.New(script.Crashed)

// work syncs until ctx ends. A stalled ticker goes on turning without doing
// anything, and prints nothing: that is how the guide's test does it.
func (s *service) work(ctx context.Context) error {
	beat := time.NewTicker(tick)
	defer beat.Stop()
	for n := 0; ; {
		if !s.stalled.Load() {
			n++
			fmt.Fprintf(s.out, "%s #%d\n", script.Synced, n)
			s.progress()
		}
		select {
		case <-beat.C:
		case <-s.crashed:
			fmt.Fprintln(s.out, script.Crashed)
			return errCrashed
		case <-ctx.Done():
			fmt.Fprintln(s.out, script.Ending)
			time.Sleep(drain)
			return nil
		}
	}
}

// beat pings the heartbeat. A ping that gets no answer is left to the next one:
// that none comes is for Trade Monitor to notice.
func (s *service) beat(url string) {
	client := &http.Client{Timeout: tick}
	for ; ; time.Sleep(tick) {
		if s.mute.Load() {
			continue
		}
		if answer, err := client.Post(url, "text/plain", strings.NewReader("async-service is alive")); err == nil {
			_ = answer.Body.Close()
		}
	}
}

// control is how the demonstration makes it fail.
func (s *service) control() http.Handler {
	mux := http.NewServeMux()
	on := func(path string, do func()) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			_ = http.NewResponseController(w).Flush() // a crash leaves no time for it
			do()
		})
	}
	on(script.StallPath, func() {
		if !s.stalled.Swap(true) {
			fmt.Fprintln(s.out, script.Stalled)
		}
	})
	on(script.CrashPath, func() { s.crashed <- struct{}{} })
	on(script.MutePath, func() { s.mute.Store(true) })
	on(script.VoicePath, func() { s.mute.Store(false) })
	return mux
}
