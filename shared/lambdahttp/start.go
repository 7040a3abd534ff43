package lambdahttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

// Start is the main of an HTTP function: it sets up once per process and then
// answers events. A set-up that fails ends the process, and Lambda tells why
// from its log.
func Start(setup func(log *slog.Logger) (http.Handler, error)) {
	log := logger()
	handler, err := setup(log)
	if err != nil {
		fail(log, err)
	}
	lambda.Start(Handler(handler, log))
}

// StartScheduled is the main of a function that makes one pass of work per tick
// of a schedule.
func StartScheduled(setup func(log *slog.Logger) (Pass, error)) {
	log := logger()
	pass, err := setup(log)
	if err != nil {
		fail(log, err)
	}
	lambda.Start(Scheduled(pass))
}

// Pass is one pass of work. It stops taking up new work when ctx ends and then
// finishes what is in flight within Margin.
type Pass func(ctx context.Context) error

// InTurn makes one pass of several. One that fails keeps none of the others.
func InTurn(passes ...Pass) Pass {
	return func(ctx context.Context) error {
		var failed []error
		for _, pass := range passes {
			failed = append(failed, pass(ctx))
		}
		return errors.Join(failed...)
	}
}

// Margin is how long before Lambda's own deadline a pass is asked to end: a
// message in flight takes 10 s at most, and its verdict has to be stored.
const Margin = 15 * time.Second

// Scheduled makes a Lambda handler of a pass. It answers ticks of an
// EventBridge rule and refuses all other events.
func Scheduled(pass Pass) func(ctx context.Context, payload json.RawMessage) error {
	return func(ctx context.Context, payload json.RawMessage) error {
		var tick events.EventBridgeEvent
		if err := json.Unmarshal(payload, &tick); err != nil || tick.Source != "aws.events" || tick.DetailType != "Scheduled Event" {
			return fmt.Errorf("%w: not a tick of a schedule", ErrEvent)
		}
		if deadline, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-Margin))
			defer cancel()
		}
		return pass(ctx)
	}
}

func logger() *slog.Logger { return slog.New(slog.NewJSONHandler(os.Stderr, nil)) }

func fail(log *slog.Logger, err error) {
	log.Error("cannot start", "error", err)
	os.Exit(1)
}
