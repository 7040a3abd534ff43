package remedy

import (
	"context"
	"sync/atomic"
	"time"

	"trade-monitor/shared/alerting"
)

// engineClock is how far the engine's clock is ahead of ours, as it last said:
// it may be on another host or in a virtual machine, and either may be set.
type engineClock struct {
	known atomic.Bool
	ahead atomic.Int64
}

// recall asks the engine what it remembers, and so for the time by its clock.
func (l *Loop) recall(ctx context.Context, id string) (alerting.Recollection, error) {
	past, err := l.engine.Recall(ctx, id)
	if err == nil {
		l.clock.ahead.Store(int64(past.Now.Sub(l.o.Now())))
		l.clock.known.Store(true)
	}
	return past, err
}

// engineTime is about now by the engine's clock, which a container's times are
// by. It is asked again when it must have been set since.
func (s *step) engineTime(ctx context.Context, c *alerting.Container) (time.Time, error) {
	clock := &s.loop.clock
	now := s.loop.o.Now().Add(time.Duration(clock.ahead.Load()))
	if clock.known.Load() && (c == nil || !c.StartedAt.After(now) && !c.FinishedAt.After(now)) {
		return now, nil
	}
	past, err := s.loop.recall(ctx, s.r.ContainerID)
	return past.Now, err
}

// atMost is now by the engine's clock, but no later than the time since the order
// allows: a clock that is set forward makes no container run longer.
func (s *step) atMost(now time.Time, c *alerting.Container) time.Time {
	if c == nil || s.r.OrderedAt.IsZero() {
		return now
	}
	began := c.StartedAt
	if s.r.Action == alerting.Stop {
		began = c.FinishedAt
	}
	if latest := began.Add(s.now().Sub(s.r.OrderedAt)); latest.Before(now) {
		return latest
	}
	return now
}
