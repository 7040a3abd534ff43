package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"trade-monitor/local/demo/script"
	"trade-monitor/shared/httpapi"
)

// What the demonstration does to the service and, as a person would, about it.

// startService starts the async-service, with which the story begins.
func (s *stage) startService(ctx context.Context) error {
	return s.start(ctx, s.asyncService())
}

// tell posts to a control path of the async-service, which gets another port
// from Docker at each start.
func (s *stage) tell(ctx context.Context, path string) error {
	service, err := s.engine.Inspect(ctx, s.of(asyncService))
	if err != nil {
		return err
	}
	return s.post(ctx, "http://"+service.Ports[script.ControlPort]+path, "", nil)
}

func (s *stage) stall(ctx context.Context) error  { return s.tell(ctx, script.StallPath) }
func (s *stage) crash(ctx context.Context) error  { return s.tell(ctx, script.CrashPath) }
func (s *stage) mute(ctx context.Context) error   { return s.tell(ctx, script.MutePath) }
func (s *stage) unmute(ctx context.Context) error { return s.tell(ctx, script.VoicePath) }

// person is who has the alert handled.
const person = "张三"

// handle has the action of an alert's type carried out now.
func (s *stage) handle(ctx context.Context, id int64) error {
	return s.post(ctx, s.api+"/api/alerts/"+strconv.FormatInt(id, 10)+"/handle", `{"by":"`+person+`"}`, nil)
}

// get asks an address for JSON; out may be nil.
func (s *stage) get(ctx context.Context, address string, out any) error {
	return s.call(ctx, http.MethodGet, address, "", out)
}

func (s *stage) post(ctx context.Context, address, body string, out any) error {
	return s.call(ctx, http.MethodPost, address, body, out)
}

func (s *stage) call(ctx context.Context, method, address, body string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode >= http.StatusMultipleChoices {
		why, _ := io.ReadAll(io.LimitReader(answer.Body, 4096)) // what could be read has to do
		return fmt.Errorf("%s %s: HTTP %d %s", method, address, answer.StatusCode, why)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(answer.Body).Decode(out); err != nil {
		return fmt.Errorf("%s %s: %w", method, address, err)
	}
	return nil
}

// alerts are all alerts, oldest first.
func (s *stage) alerts(ctx context.Context) (stories []httpapi.Story, err error) {
	var list struct {
		Data []httpapi.Alert `json:"data"`
	}
	if err := s.get(ctx, s.api+"/api/alerts?pageSize=50", &list); err != nil {
		return nil, err
	}
	for i := len(list.Data) - 1; i >= 0; i-- {
		var one struct {
			Data httpapi.Story `json:"data"`
		}
		if err := s.get(ctx, s.api+"/api/alerts/"+strconv.FormatInt(list.Data[i].ID, 10), &one); err != nil {
			return nil, err
		}
		stories = append(stories, one.Data)
	}
	return stories, nil
}
