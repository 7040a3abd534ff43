package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"trade-monitor/shared/config"
	"trade-monitor/shared/docker"
	"trade-monitor/shared/docker/socketproxy"
)

const (
	// proxyConnections: each followed log holds one, and one holds the events.
	proxyConnections = 1024
	// proxyStop is how long calls under way may take at the end. The engine
	// finishes what it was ordered, and streams have no end of their own.
	proxyStop = 2 * time.Second
)

// socketProxy is the command: it stands between a Trade Monitor without a socket
// and the engine, until ctx ends.
func socketProxy(ctx context.Context, a app) error {
	log := newLog(a.cfg, a.stderr)
	slog.SetDefault(log)
	file, err := openPolicy(a.cfg, log)
	if err != nil {
		return err
	}
	proxy, err := socketproxy.New(socketproxy.Options{
		Host: a.cfg.DockerHost, Policy: file.inForce.policy, Self: docker.ReadSelf().Is, Log: log,
	})
	if err != nil {
		return err
	}
	port, err := net.Listen("tcp", a.cfg.SocketProxy.Listen)
	if err != nil {
		return fmt.Errorf("PROXY_LISTEN: %w", err)
	}
	announceProxy(a, port.Addr(), file)
	following, done := context.WithCancel(ctx)
	defer done()
	go func() { _ = file.follow(following) }()
	return serveUntil(ctx, proxy.Server(a.cfg.SocketProxy.Callers), shareConnections(port, min(proxyConnections, spareFiles()), nil))
}

func serveUntil(ctx context.Context, server *http.Server, listener net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), proxyStop)
	defer cancel()
	if server.Shutdown(stopping) != nil { // streams are left
		return server.Close()
	}
	return nil
}

func announceProxy(a app, at net.Addr, file *policyFile) {
	callers := "所有能访问它的人 (whoever reaches it)"
	if len(a.cfg.SocketProxy.Callers) > 0 {
		callers = strings.Join(a.cfg.SocketProxy.Callers, ", ")
	}
	policy := file.inForce.policy()
	watched := make([]string, len(policy.Logs))
	for i, l := range policy.Logs {
		watched[i] = l.Container
	}
	fmt.Fprintf(a.stdout, "Trade Monitor %s socket-proxy\n", version())
	for _, line := range [][2]string{
		{"监听 (listening)", "tcp://" + at.String()},
		{"服务对象 (serving)", callers},
		{"可处置和读取 (may be restarted and read)", fmt.Sprintf("%v，标签 (label) %s=true", policy.Containers, docker.Label)},
		{"只可读取 (may be read)", fmt.Sprintf("%v，标签 (label) %s=true", watched, docker.WatchLabel)},
	} {
		fmt.Fprintf(a.stdout, "  %s: %s\n", line[0], line[1])
	}
}

// socketProxyCheck is the command: it asks the proxy on this machine whether the
// engine answers through it.
func socketProxyCheck(ctx context.Context, a app) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	at := "http://" + proxyOnThisMachine(a.cfg.SocketProxy)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/_ping", http.NoBody)
	if err != nil {
		return err
	}
	res, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	if err != nil {
		return fmt.Errorf("%s 没有应答 (does not answer): %w", at, errors.Unwrap(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: HTTP %d", at, res.StatusCode)
	}
	return nil
}

func proxyOnThisMachine(p config.SocketProxy) string {
	host, port, _ := net.SplitHostPort(p.Listen) // checked when it was read
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
