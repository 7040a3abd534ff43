// Command robot is a WeCom group robot, simulated by the rules of the real one,
// with a page that shows its messages as the group would see them.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"trade-monitor/local/demo/script"
	"trade-monitor/shared/wecom/wecomtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "robot:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	robots := wecomtest.New()
	robots.Key(script.Group)
	mux := http.NewServeMux()
	mux.Handle(wecomtest.Path, robots)
	mux.Handle("/", robots.Page())
	server := &http.Server{
		Addr:              net.JoinHostPort("", strconv.Itoa(script.RobotPort)),
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
