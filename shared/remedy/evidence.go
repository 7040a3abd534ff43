package remedy

import (
	"context"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

// evidenceTime bounds the look at a container's log before it is acted on: what
// hangs must not keep it from being restarted.
const evidenceTime = time.Second

// examine gathers what the guards need, and what a restart wipes out, at the
// same time. Without its log a container is acted upon all the same.
func (s *step) examine(ctx context.Context, c *alerting.Container) (alerting.Recollection, *alerting.Evidence, error) {
	var past alerting.Recollection
	var failed error
	var recalling sync.WaitGroup
	recalling.Go(func() { past, failed = s.loop.recall(ctx, c.ID) })
	lines, missing := s.lastLines(ctx, c)
	recalling.Wait()
	if failed != nil {
		return past, nil, failed
	}
	return past, alerting.TakeEvidence(c, lines, missing, past.Now), nil
}

func (s *step) lastLines(ctx context.Context, c *alerting.Container) (lines []string, missing string) {
	ctx, cancel := context.WithTimeout(ctx, evidenceTime)
	defer cancel()
	lines, err := s.loop.engine.LastLines(ctx, *c, time.Time{}, alerting.EvidenceLines)
	if err != nil {
		missing = blame(err).Detail
	}
	return lines, missing
}

// identity is the engine's, once it was reached.
type identity struct {
	eyes Eyes
	mu   sync.Mutex
	host alerting.Host
	at   time.Time // when it was last asked for in vain
}

// identityPause is between two questions to an engine that is away: a claim must
// not wait for it each time.
const identityPause = 2 * time.Second

// known is the host; without an id while the engine was never reached.
func (i *identity) known(ctx context.Context) alerting.Host {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.host.ID != "" || time.Since(i.at) < identityPause {
		return i.host
	}
	ctx, cancel := context.WithTimeout(ctx, identityPause)
	defer cancel()
	host, err := i.eyes.Identity(ctx)
	if err == nil {
		i.host = host
	}
	i.at = time.Now()
	return i.host
}
