package main

import (
	"context"
	"os"
	"slices"
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

// lookTime bounds the look at our own engine.
const lookTime = time.Second

// RemediationState implements alerts.Remediations. The embedded database, which
// is one process's, keeps no hosts: ours is added.
func (r reading) RemediationState(ctx context.Context) (alerting.RemediationState, error) {
	state, err := r.database.RemediationState(ctx)
	if err == nil && r.poll == 0 {
		state.Hosts = []alerting.Site{r.live.site(ctx, state)}
	}
	return state, err
}

// site is our own host, as it is at this moment.
func (w *watches) site(ctx context.Context, state alerting.RemediationState) alerting.Site {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	site := alerting.Site{Mode: state.Mode, Live: true, SeenAt: state.At, Runners: 1}
	site.Name, _ = os.Hostname()
	all, err := w.engine.Containers(ctx)
	if err != nil {
		return site
	}
	if host, err := w.engine.Identity(ctx); err == nil {
		site.Host, site.Reachable = host, true
	}
	policy := w.policy.policy()
	for _, c := range all {
		if c.Labelled || policy.Lists(c.Name) {
			site.Containers = append(site.Containers, c.Name)
		}
	}
	slices.Sort(site.Containers)
	return site
}
