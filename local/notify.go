package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"trade-monitor/shared/config"
)

// notifyArgs are those of the command that posts an event.
var notifyArgs = []string{"TYPE", "SERVICE", "SEVERITY", "TITLE", "MESSAGE", "[RESOLVED]", "[KEY=VALUE...]"}

// eventOf makes the event of the arguments: the metadata are strings, and
// RESOLVED may stand among them.
func eventOf(args []string) (body []byte, err error) {
	event := map[string]any{"eventType": args[0], "serviceName": args[1], "severity": args[2], "title": args[3], "message": args[4]}
	metadata := map[string]string{}
	for _, arg := range args[5:] {
		key, value, pair := strings.Cut(arg, "=")
		switch {
		case arg == "RESOLVED":
			event["status"] = arg
		case pair && key != "":
			metadata[key] = value
		default:
			return nil, usageError{"MESSAGE 之后只能是 RESOLVED 或 KEY=VALUE (after MESSAGE there can only be RESOLVED or KEY=VALUE): " + arg}
		}
	}
	if len(metadata) > 0 {
		event["metadata"] = metadata
	}
	return json.Marshal(event)
}

// notifyCommand posts an event from a shell, to TRADE_MONITOR_URL or to the
// service on this machine, and prints the answer.
func notifyCommand(ctx context.Context, a app) error {
	body, err := eventOf(a.args)
	if err != nil {
		return err
	}
	var answer json.RawMessage
	if err := askService(ctx, a, http.MethodPost, "/api/events/notify", config.ScopeNotify, body, &answer); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n", answer)
	return err
}
