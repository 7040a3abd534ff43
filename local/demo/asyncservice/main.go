// Command asyncservice stands for the service that Trade Monitor looks after:
// its ticker works until somebody posts to /stall, and it embeds the watchdog
// as a service of one's own would. A restart puts it right, because the stall is
// in its memory only.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	_ "time/tzdata" // the image holds no zone files

	"trade-monitor/local/demo/script"
	"trade-monitor/shared/watchdog"
)

// tick is the time between two pieces of work.
const tick = time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Getenv, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "async-service:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, getenv func(string) string, out io.Writer) error {
	options, err := watchdog.FromEnv(getenv)
	if err != nil {
		return err
	}
	options.OnPost = func(p watchdog.Post) {
		fmt.Fprintf(out, "%s: HTTP %d, resolved=%t, try %d\n", script.Posted, p.Status, p.Resolved, p.Try)
	}
	dog, err := watchdog.New(options)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(script.ControlPort)))
	if err != nil {
		return fmt.Errorf("control port: %w", err)
	}
	fmt.Fprintln(out, script.Started)
	dog.Start()
	defer dog.Stop()
	fmt.Fprintf(out, "%s: timeout %s, check interval %s\n", script.Armed, options.Timeout, options.CheckInterval)

	t := &ticker{out: out}
	server := &http.Server{Handler: t.control(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	defer func() { _ = server.Close() }()
	t.work(ctx, dog)
	return nil
}

// ticker is the work.
type ticker struct {
	out     io.Writer
	stalled atomic.Bool
}

// work syncs until ctx ends. A stalled ticker goes on turning without doing
// anything, and prints nothing: that is how the guide's test does it.
func (t *ticker) work(ctx context.Context, dog *watchdog.Watchdog) {
	beat := time.NewTicker(tick)
	defer beat.Stop()
	for n := 0; ; {
		if !t.stalled.Load() {
			n++
			fmt.Fprintf(t.out, "%s #%d\n", script.Synced, n)
			dog.Progress()
		}
		select {
		case <-beat.C:
		case <-ctx.Done():
			return
		}
	}
}

// control is how the demonstration makes the ticker stall.
func (t *ticker) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+script.StallPath, func(w http.ResponseWriter, _ *http.Request) {
		if !t.stalled.Swap(true) {
			fmt.Fprintln(t.out, script.Stalled)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}
