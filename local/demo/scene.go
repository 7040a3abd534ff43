package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"trade-monitor/local/demo/engine"
	"trade-monitor/local/demo/script"
	"trade-monitor/shared/httpapi"
)

// scene is everything that can be seen at one moment: what the engine says of
// the container, what the service printed, what the group shows, and what is on
// record.
type scene struct {
	at       time.Time
	service  engine.State
	log      string
	messages []message
	attempts int // requests that the robot got, refused ones included
	alerts   int // on record
	alert    *httpapi.Story
}

// message is what people in the group see.
type message struct {
	At      time.Time `json:"at"`
	Content string    `json:"content"`
}

// look takes in a scene: what follows from something is looked at before it, so
// that it is never seen alone.
func (s *stage) look(ctx context.Context) (scene, error) {
	sc := scene{at: time.Now()}
	err := s.lookAtRecord(ctx, &sc)
	if err == nil {
		err = s.lookAtGroup(ctx, &sc)
	}
	if err == nil {
		sc.log, err = s.engine.Logs(ctx, s.of(asyncService))
	}
	if err == nil {
		sc.service, err = s.engine.Inspect(ctx, s.of(asyncService))
	}
	return sc, err
}

func (s *stage) lookAtGroup(ctx context.Context, sc *scene) error {
	var shown struct {
		Groups []struct {
			Attempts int       `json:"attempts"`
			Messages []message `json:"messages"`
		} `json:"groups"`
	}
	if err := s.get(ctx, s.page+"/messages.json", &shown); err != nil {
		return err
	}
	for _, group := range shown.Groups {
		sc.messages, sc.attempts = append(sc.messages, group.Messages...), sc.attempts+group.Attempts
	}
	return nil
}

func (s *stage) lookAtRecord(ctx context.Context, sc *scene) error {
	var list struct {
		Data  []httpapi.Alert `json:"data"`
		Total int             `json:"total"`
	}
	if err := s.get(ctx, s.api+"/api/alerts", &list); err != nil {
		return err
	}
	if sc.alerts = list.Total; len(list.Data) == 0 {
		return nil
	}
	// Newest first: the story is about the oldest; a second one is counted.
	id := list.Data[len(list.Data)-1].ID
	var answer struct {
		Data httpapi.Story `json:"data"`
	}
	if err := s.get(ctx, s.api+"/api/alerts/"+strconv.FormatInt(id, 10), &answer); err != nil {
		return err
	}
	sc.alert = &answer.Data
	return nil
}

// get asks an address for JSON; out may be nil.
func (s *stage) get(ctx context.Context, address string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	answer, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: HTTP %d", address, answer.StatusCode)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(answer.Body).Decode(out); err != nil {
		return fmt.Errorf("get %s: %w", address, err)
	}
	return nil
}

// starts counts how often the service began, by its own word.
func (sc scene) starts() int { return strings.Count(sc.log, script.Started) }

// syncs counts the ticker's syncs since the service's last start.
func (sc scene) syncs() int {
	return strings.Count(sc.log[max(0, strings.LastIndex(sc.log, script.Started)):], script.Synced)
}

// remedy is what was done about the alert: a repeated event may have left a
// refusal beside it.
func (sc scene) remedy() *httpapi.Remediation {
	if sc.alert == nil || len(sc.alert.Remediations) == 0 {
		return nil
	}
	for i, r := range sc.alert.Remediations {
		if !r.OrderedAt.IsZero() {
			return &sc.alert.Remediations[i]
		}
	}
	return &sc.alert.Remediations[0]
}

// settled tells whether nothing is left to be done or said.
func (sc scene) settled() bool {
	r := sc.remedy()
	if r == nil || r.EndedAt.IsZero() {
		return false
	}
	for _, n := range sc.alert.Notifications {
		if n.Status == "PENDING" {
			return false
		}
	}
	return true
}
