package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// bareEvent is the guide's event. The metadata stays raw: the yardstick does no
// work that nobody asked it for.
type bareEvent struct {
	EventType   string          `json:"eventType"`
	ServiceName string          `json:"serviceName"`
	Severity    string          `json:"severity"`
	Title       string          `json:"title"`
	Message     string          `json:"message"`
	Metadata    json.RawMessage `json:"metadata"`
}

type bareAnswer struct {
	Success bool   `json:"success"`
	AlertID int64  `json:"alertId"`
	Message string `json:"message"`
}

// bare decodes an event, keeps nothing, and answers.
func bare(w http.ResponseWriter, r *http.Request) {
	var ev bareEvent
	if err := json.NewDecoder(r.Body).Decode(&ev); err != nil || ev.ServiceName == "" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(bareAnswer{Success: true, AlertID: 1, Message: "ok"})
}

// bareHeartbeat is what a server of heartbeats must do at least: read the
// request and say in JSON that it was read.
type bareHeartbeat struct {
	Name   string `json:"name"`
	Period string `json:"period"`
	State  string `json:"state"`
}

func barePing(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct {
		Success bool          `json:"success"`
		Data    bareHeartbeat `json:"data"`
	}{true, bareHeartbeat{r.PathValue("name"), q.Get("period"), "up"}})
}

// serveBare serves until ctx ends, and says where in the words that the
// service uses.
func serveBare(ctx context.Context, stdout io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", bare)
	mux.HandleFunc("GET /api/heartbeats/{name}", barePing)
	server := &http.Server{Handler: mux}
	ended := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer ended()
	fmt.Fprintf(stdout, "http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
