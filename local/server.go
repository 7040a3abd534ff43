package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"trade-monitor/functions/alerts"
	"trade-monitor/shared/httpapi"
)

// What a slow or hostile client can hold, and how long.
const (
	headerTime     = 5 * time.Second  // from the first byte to the end of the headers
	requestTime    = 15 * time.Second // and to the end of the body
	answerTime     = 30 * time.Second
	idleTime       = 2 * time.Minute // between two requests
	maxHeaderBytes = 16 << 10
	maxConnections = 12_000 // of which one address gets half at most
)

// listenTo makes the server.
func (s *service) listenTo(h health, m *metrics, r alerts.Robots) error {
	handler, err := s.handler(h, m, r)
	if err != nil {
		return errors.Join(err, s.close())
	}
	s.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       requestTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       idleTime,
		// net/http allows some 4 KiB more than it is told.
		MaxHeaderBytes: maxHeaderBytes - 4<<10,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return nil
}

func (s *service) handler(h health, m *metrics, r alerts.Robots) (http.Handler, error) {
	auth, err := httpapi.NewAuth(s.cfg.Tokens, s.cfg.Anonymous)
	if err != nil {
		return nil, err
	}
	return httpapi.Mount(httpapi.Options{
		Log: s.log, Auth: auth, Observe: observed(m, h.emergency.Hint), Admission: httpapi.NewAdmission(), Proxies: s.cfg.TrustedProxies,
	}, slices.Concat(untilPrepared(h.loops, routes(s.cfg, s.db, h, m, r, s.watches)), pages())...), nil
}

// listen opens the port.
func (s *service) listen() (net.Listener, error) {
	var keys *certificate
	if s.cfg.TLS.Configured() {
		var err error
		if keys, err = openCertificate(s.cfg.TLS, s.log); err != nil {
			return nil, err
		}
		s.certificate = keys
	}
	port, err := net.Listen("tcp", net.JoinHostPort(s.cfg.ListenHost, strconv.Itoa(s.cfg.Port)))
	if err != nil {
		return nil, fmt.Errorf("PORT: %w", err)
	}
	listener := shareConnections(port, min(maxConnections, spareFiles()), s.cfg.TrustedProxies)
	if keys == nil {
		return listener, nil
	}
	return tls.NewListener(listener, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: keys.get,
		// Not h2: what a client may hold is counted by connection here.
		NextProtos: []string{"http/1.1"},
	}), nil
}

// reservedFiles is what everything but callers needs: databases, robots,
// Docker, logs.
const reservedFiles = 256

// spareFiles is how many connections the limit on open files leaves; the Go
// runtime has raised the soft limit to the hard one by now. Callers must never
// use them all up: without a file the database cannot work.
func spareFiles() int {
	limit, known := openFiles()
	if !known || limit > 1<<30 {
		return maxConnections
	}
	if limit < 2*reservedFiles {
		return int(limit / 2)
	}
	return int(limit) - reservedFiles
}
