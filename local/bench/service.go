package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// service is the measured program, running.
type service struct {
	*process
	client *http.Client
}

// serve starts the program with its files in dir, telling the robot of
// webhook (when there is one), with further settings ("NAME=value").
func (b *bench) serve(ctx context.Context, dir, webhook string, settings ...string) (*service, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	cmd := exec.Command(b.binary)
	cmd.Dir = dir // so that no .env of ours is read
	cmd.Env = append([]string{
		"PORT=0", "DATA_DIR=" + filepath.Join(dir, "data"), "LOG_DIR=" + filepath.Join(dir, "logs"),
		"REMEDIATION_MODE=off", "REMEDIATION_CONTAINERS=",
		"DOCKER_HOST=unix://" + filepath.Join(dir, "no-docker.sock"),
		"WECHAT_ALLOWED_HOSTS=" + b.robots.host, "WECHAT_WEBHOOK_URL=" + webhook,
	}, settings...)
	p, err := start(ctx, cmd)
	if err != nil {
		return nil, err
	}
	s := &service{process: p, client: &http.Client{Timeout: 10 * time.Second}}
	if err := s.ready(ctx); err != nil {
		s.kill()
		return nil, err
	}
	return s, nil
}

// ready waits until the program can commit an event.
func (s *service) ready(ctx context.Context) error {
	for deadline := time.Now().Add(startWait); ; {
		err := s.get(ctx, "/readyz", &struct{}{})
		if err == nil || time.Now().After(deadline) {
			return err
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

func (s *service) get(ctx context.Context, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return err
	}
	return s.do(req, v)
}

func (s *service) do(req *http.Request, v any) error {
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %.300s", req.Method, req.URL.Path, res.Status, body)
	}
	return json.Unmarshal(body, v)
}

// answer is what notify says of an event.
type answer struct {
	AlertID      int64 `json:"alertId"`
	Notification struct {
		Groups []string `json:"groups"`
	} `json:"notification"`
}

// notify posts one event.
func (s *service) notify(ctx context.Context, ev bareEvent) (a answer, err error) {
	body, err := json.Marshal(ev)
	if err != nil {
		return a, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/events/notify", bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	req.Header.Set("Content-Type", "application/json")
	return a, s.do(req, &a)
}

// page is a page of the list.
type page struct {
	Data []struct {
		Occurrences int64 `json:"occurrences"`
	} `json:"data"`
	Total      int64  `json:"total"`
	NextCursor string `json:"nextCursor"`
}

func (s *service) list(ctx context.Context, query url.Values) (p page, err error) {
	return p, s.get(ctx, "/api/alerts?"+query.Encode(), &p)
}

// recorded walks the whole record and counts its alerts and their events.
func (s *service) recorded(ctx context.Context) (alerts, events int64, err error) {
	query := url.Values{"pageSize": {strconv.Itoa(200)}}
	for {
		p, err := s.list(ctx, query)
		if err != nil {
			return 0, 0, err
		}
		for _, alert := range p.Data {
			alerts++
			events += alert.Occurrences
		}
		if p.NextCursor == "" {
			return alerts, events, nil
		}
		query.Set("cursor", p.NextCursor)
	}
}

// guideEvent is the event of the guide, about a service.
func guideEvent(eventType, serviceName string) bareEvent {
	return bareEvent{
		EventType: eventType, ServiceName: serviceName, Severity: "ERROR",
		Title: "Ticker同步超时告警", Message: "Ticker数据同步已超过3分钟未输出日志",
		Metadata: json.RawMessage(`{"lastSyncTime":"2026-02-25T10:00:00","minutesSinceLastSync":5}`),
	}
}
