package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"trade-monitor/shared/config"
)

// notifyArgs are those of the command that posts an event.
var notifyArgs = []string{"TYPE", "SERVICE", "SEVERITY", "TITLE", "MESSAGE", "[RESOLVED]"}

// notifyCommand posts an event from a shell, to TRADE_MONITOR_URL or to the
// service on this machine, and prints the answer.
func notifyCommand(ctx context.Context, a app) error {
	event := map[string]string{
		"eventType": a.args[0], "serviceName": a.args[1], "severity": a.args[2], "title": a.args[3], "message": a.args[4],
	}
	if len(a.args) == len(notifyArgs) {
		if a.args[5] != "RESOLVED" {
			return usageError{"最后一个参数只能是 RESOLVED (the last argument can only be RESOLVED): " + a.args[5]}
		}
		event["status"] = a.args[5]
	}
	body, err := json.Marshal(event)
	if err != nil {
		return err
	}
	service := ourService(a.cfg)
	if url := a.cfg.Async.TradeMonitorURL; url != "" {
		service.base, service.client = url, &http.Client{}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var answer json.RawMessage
	if err := service.ask(ctx, http.MethodPost, "/api/events/notify", config.ScopeNotify, body, &answer); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n", answer)
	return err
}
