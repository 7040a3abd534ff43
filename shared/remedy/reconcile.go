package remedy

import (
	"context"
	"time"

	"trade-monitor/shared/alerting"
)

// reconcile finds out what became of an intent whose call gave no answer: the
// process ended, or the call was cut.
func (s *step) reconcile(ctx context.Context) error {
	patience := s.r.CallLimit.Add(outlast)
	c, err := s.inspect(ctx)
	if err != nil {
		return s.awaitEngine(ctx, err, patience, alerting.UnknownOutcome)
	}
	if s.done(c) {
		return s.watch(ctx, c) // also when the host's clock was set back meanwhile
	}
	trace := alerting.Trace{Container: c}
	if c != nil {
		trace.Killed, trace.SameBoot, err = s.loop.engine.Since(ctx, s.r.ContainerID, s.r.OrderedAt.Add(-s.skew), s.r.EngineMark)
		if err != nil {
			return s.awaitEngine(ctx, err, patience, alerting.UnknownOutcome)
		}
	}
	next := s.r.Reconcile(trace, s.now())
	switch next.Do {
	case alerting.StepVerify:
		return s.watch(ctx, c)
	case alerting.StepIssue:
		return s.reissue(ctx, c)
	case alerting.StepWait:
		if !trace.Killed {
			s.r.Checks++ // one more look at an order that seems never to have arrived
		}
		s.r.NextAt = next.Next
		return s.save(ctx)
	}
	return s.end(ctx, next.Status, next.Reason)
}

// reissue orders what was never ordered. Time has passed since the intent, so
// it must still be wanted and allowed. A call that may have arrived is not
// repeated: an engine that is stuck may carry it out yet.
func (s *step) reissue(ctx context.Context, c *alerting.Container) error {
	if s.mayNotRepeat() {
		if now := s.now(); now.Before(s.r.CallLimit) {
			s.r.NextAt = now.Add(time.Second)
			return s.save(ctx)
		}
		return s.end(ctx, alerting.UnknownOutcome, s.r.Reason)
	}
	if s.pointless() {
		return s.end(ctx, alerting.Skipped, alerting.Reason{Code: "alert_over"})
	}
	past, err := s.loop.engine.Recall(ctx, c.ID)
	if err != nil {
		return s.awaitEngine(ctx, err, s.r.CallLimit.Add(outlast), alerting.UnknownOutcome)
	}
	return s.order(ctx, s.facts(c, past), nil)
}

// verify watches a restarted container until it has proven itself or not.
func (s *step) verify(ctx context.Context) error {
	rule, patience := s.rule().Verify, s.rule().Symptom
	c, err := s.inspect(ctx)
	if err != nil {
		from := s.r.RequestedAt
		for _, at := range []time.Time{s.r.OrderedAt, s.r.StartedAfter} {
			if at.After(from) {
				from = at
			}
		}
		return s.awaitEngine(ctx, err, from.Add(max(rule.Healthy, rule.Steady)+outlast), alerting.UnknownOutcome)
	}
	if s.r.ProvenFrom.IsZero() {
		s.r.ProvenFrom = s.now() // an older version began it, and did not note when
	}
	next := s.r.Assess(c, rule, s.symptom, patience, s.now())
	if next.Do == alerting.StepWait {
		s.r.NextAt = next.Next
		return s.save(ctx)
	}
	if next.Yields() {
		past, err := s.loop.engine.Recall(ctx, s.r.ContainerID)
		if err != nil {
			return s.awaitEngine(ctx, err, s.r.StartedAfter.Add(max(rule.Healthy, rule.Steady)+outlast), alerting.UnknownOutcome)
		}
		next = s.r.Yield(next, past)
	}
	return s.end(ctx, next.Status, next.Reason)
}
