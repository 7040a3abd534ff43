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
	c, err := s.inspect(ctx)
	if err != nil {
		return s.awaitProof(ctx, err)
	}
	now := s.proofTime()
	next := s.r.Assess(c, s.rule().Verify, s.symptom, s.rule().Symptom, now)
	if next.Yields() {
		past, err := s.loop.engine.Recall(ctx, s.r.ContainerID)
		if err != nil {
			return s.awaitProof(ctx, err)
		}
		next = s.r.Yield(next, past)
	}
	if next.Do == alerting.StepWait {
		s.r.NextAt = s.now().Add(next.Next.Sub(now))
		return s.save(ctx)
	}
	s.loop.proofs.end(s.r.ID)
	return s.end(ctx, next.Status, next.Reason)
}
