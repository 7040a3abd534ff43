package main

import (
	"net"
	"net/http"
	"time"

	"trade-monitor/shared/wecom/wecomtest"
)

// robots are simulated WeCom robots on a loopback address.
type robots struct {
	*wecomtest.Robots
	base, host string
	server     *http.Server
}

func startRobots() (*robots, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	set := wecomtest.New()
	mux := http.NewServeMux()
	mux.Handle(wecomtest.Path, set)
	r := &robots{
		Robots: set, base: "http://" + listener.Addr().String(), host: listener.Addr().String(),
		server: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second},
	}
	go func() { _ = r.server.Serve(listener) }()
	return r, nil
}

// webhook registers a robot and gives its webhook.
func (r *robots) webhook(name string) string { return wecomtest.URL(r.base, r.Key(name)) }

func (r *robots) close() { _ = r.server.Close() }
