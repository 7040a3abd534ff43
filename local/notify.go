package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

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
	answer, err := post(ctx, a, body)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n", answer)
	return err
}

// post tries TRADE_MONITOR_URL first. That is often a name which containers know
// and the host does not, in a .env that both read: where nobody could be
// reached, and so nothing was posted, the service on this machine is asked.
func post(ctx context.Context, a app, body []byte) (answer json.RawMessage, err error) {
	ours := ourService(a.cfg)
	ask := func(service caller) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		return service.ask(ctx, http.MethodPost, "/api/events/notify", config.ScopeNotify, body, &answer)
	}
	url := a.cfg.Async.TradeMonitorURL
	if url == "" {
		return answer, ask(ours)
	}
	err = ask(caller{base: url, client: &http.Client{}, tokens: ours.tokens})
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		fmt.Fprintf(a.stderr, "%v；改为上报到 %s (posting there instead)\n", err, ours.base)
		err = ask(ours)
	}
	return answer, err
}
