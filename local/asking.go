package main

import (
	"context"
	"time"

	"trade-monitor/shared/alerting"
)

// asking is the engine as a dry run of /handle asks it: for what the remediation
// loop would find.
type asking struct{ *watches }

// Identity tells the engine from those of other hosts.
func (a asking) Identity(ctx context.Context) (alerting.Host, error) { return a.engine.Identity(ctx) }

// Facts are what the guards ask of a container.
func (a asking) Facts(ctx context.Context, container string) (alerting.Facts, error) {
	c, err := a.engine.Inspect(ctx, container)
	if err != nil || c == nil {
		return alerting.Facts{Now: time.Now()}, err
	}
	past, err := a.engine.Recall(ctx, c.ID)
	return alerting.Facts{Container: c, KilledAt: past.KilledAt, Ordered: a.containers.Stopped(c.Name), Now: past.Now}, err
}
