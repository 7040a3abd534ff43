package remedy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trade-monitor/shared/alerting"
)

// factsKeep is how long it may take to store an intent before the engine is asked
// again: the guards went by what it said before.
const factsKeep = 2 * time.Second

// outlast is how long an engine that went away during a remediation is waited
// for before its outcome is called unknown.
const outlast = 10 * time.Minute

// step carries one remediation that this process holds one step on.
type step struct {
	loop    *Loop
	r       alerting.Remediation
	alert   alerting.Alert
	symptom alerting.Symptom
	policy  alerting.Policy
	stop    <-chan struct{} // closed: begin nothing that a stop would cut short
	told    string          // the state that the log knows
	skew    time.Duration   // how far the store's clock is ahead of ours
}

// now is the time by the store's clock: cooldown and budget are reckoned by it,
// over all hosts.
func (s *step) now() time.Time { return s.loop.o.Now().Add(s.skew) }

func (s *step) take(ctx context.Context) error {
	s.told = s.state()
	switch s.r.Status {
	case alerting.Requested:
		return s.begin(ctx)
	case alerting.Running:
		return s.reconcile(ctx)
	case alerting.Verifying:
		return s.verify(ctx)
	}
	return s.save(ctx) // it is over: give it back
}

// begin gathers what speaks for and against the action, and orders it.
func (s *step) begin(ctx context.Context) error {
	if s.pointless() {
		return s.end(ctx, alerting.Skipped, alerting.Reason{Code: "alert_over"})
	}
	patience := s.r.RequestedAt.Add(s.rule().Guard.EngineWait)
	c, err := s.inspect(ctx)
	if err != nil {
		return s.awaitEngine(ctx, err, patience, alerting.Skipped)
	}
	s.r.Host = s.loop.host.known(ctx).ID
	if !s.mayLook(c) {
		return s.order(ctx, alerting.Facts{Container: c, Now: s.loop.o.Now()}, nil)
	}
	if s.r.Action == alerting.Start && c.Running {
		// It was started meanwhile: nothing is ordered, the proof is the same.
		s.r.ContainerID, s.r.StartedBefore = c.ID, c.StartedAt
		return s.watch(ctx, c)
	}
	past, evidence, err := s.examine(ctx, c)
	if err != nil {
		return s.awaitEngine(ctx, err, patience, alerting.Skipped)
	}
	s.r.ContainerID, s.r.StartedBefore, s.r.EngineMark = c.ID, c.StartedAt, past.Mark
	return s.order(ctx, s.facts(c, past), evidence)
}

// mayLook: the log of a container that we may not touch is none of our business
// either; the guards will refuse it.
func (s *step) mayLook(c *alerting.Container) bool {
	return c != nil && !c.Self && s.policy.Admits(c)
}

func (s *step) facts(c *alerting.Container, past alerting.Recollection) alerting.Facts {
	return alerting.Facts{Container: c, KilledAt: past.KilledAt, Ordered: s.loop.o.Stopped(c.Name), Now: past.Now}
}

// pointless: what the action was meant to put right is over, and no person
// asked for it.
func (s *step) pointless() bool {
	return s.alert.Status == alerting.Resolved && s.r.RequestedBy == ""
}

// order stores the intent, if no guard speaks against it, and then calls the
// engine. What the container was before, and the mark, stay those of the first
// intent when it is given again: the evidence must cover both.
func (s *step) order(ctx context.Context, facts alerting.Facts, evidence *alerting.Evidence) error {
	if s.stopping() {
		return nil // nothing was done; the lease is released with the process
	}
	now, limit := s.now(), callMargin
	asked := s.loop.o.Now()
	if facts.Container != nil {
		limit += facts.Container.StopTimeout
	}
	s.r.Status, s.r.Reason = alerting.Running, alerting.Reason{Code: s.ofAction("ordered", "start_ordered", "stop_ordered"), Detail: s.r.Container}
	s.r.OrderedAt, s.r.NextAt, s.r.CallLimit, s.r.Checks = now, now, now.Add(limit), 0
	host := s.loop.host.known(ctx)
	s.r.Host = host.ID // and so it stays, or another host would judge it by its own engine
	intent := alerting.Intent{Remediation: s.r, Alert: s.alert, Host: host, Facts: facts, Evidence: evidence}
	refused, err := s.loop.store.Intend(ctx, s.loop.o.Owner, intent, limit+leaseMargin)
	if err != nil {
		// Stored or not: without a stored intent nothing is ordered, and with
		// one the next look finds that nothing was.
		return fmt.Errorf("store the intent: %w", err)
	}
	if !refused.IsZero() {
		s.r.Status, s.r.Reason = alerting.Skipped, refused
		s.tell()
		return nil
	}
	s.tell()
	if s.loop.o.Now().Sub(asked) > factsKeep && !s.asBefore(ctx, facts) {
		return s.lookAgain(ctx) // nothing was ordered: what the container is now decides
	}
	return s.outcome(ctx, s.call(ctx))
}

// asBefore tells whether the container still is as the guards saw it: while the
// intent was stored somebody may have taken it in hand.
func (s *step) asBefore(ctx context.Context, saw alerting.Facts) bool {
	c, err := s.inspect(ctx)
	if err != nil || c == nil || saw.Container == nil {
		return false
	}
	past, err := s.loop.engine.Recall(ctx, c.ID)
	was := saw.Container
	return err == nil && !past.KilledAt.After(saw.KilledAt) &&
		c.ID == was.ID && c.StartedAt.Equal(was.StartedAt) && c.Running == was.Running && c.Paused == was.Paused
}

// ofAction picks the reason's code for what is done.
func (s *step) ofAction(restart, start, stop string) string {
	switch s.r.Action {
	case alerting.Start:
		return start
	case alerting.Stop:
		return stop
	}
	return restart
}

func (s *step) stopping() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

func (s *step) call(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.r.CallLimit.Sub(s.now()))
	defer cancel()
	act := s.loop.engine.Restart
	switch s.r.Action {
	case alerting.Start:
		act = s.loop.engine.Start
	case alerting.Stop:
		act = s.loop.engine.Stop
	}
	return act(ctx, s.r.ContainerID)
}

// outcome stores what a call came to. Only an answer ends anything: without
// one the remediation stays RUNNING, and the next step looks for evidence.
func (s *step) outcome(ctx context.Context, err error) error {
	no := err != nil && refused(err)
	if err != nil && !no {
		if mayHaveArrived(err) {
			s.neverAgain()
		}
		return s.lookAgain(ctx)
	}
	c, seen := s.inspect(ctx)
	switch {
	case seen == nil && s.done(c):
		return s.watchOutcome(ctx, c)
	case no:
		why := alerting.Reason{Code: "engine_error", Detail: blame(err).Detail}
		s.finish(alerting.Failed, why)
		return s.saveOutcome(ctx)
	case seen == nil && s.r.Action == alerting.Start && c != nil && c.ID == s.r.ContainerID && c.Running:
		return s.watchOutcome(ctx, c) // it ran already
	}
	s.neverAgain()
	return s.lookAgain(ctx)
}

func (s *step) done(c *alerting.Container) bool {
	return c != nil && c.ID == s.r.ContainerID && s.r.Done(c)
}

// neverAgain notes that the order reached the engine, or may have: whatever the
// evidence, it is not given a second time.
func (s *step) neverAgain() {
	s.r.Reason = alerting.Reason{Code: "call_timeout", Detail: s.r.Container}
}

func (s *step) mayNotRepeat() bool { return s.r.Reason.Code == "call_timeout" }

func (s *step) lookAgain(ctx context.Context) error {
	s.r.NextAt = s.now().Add(time.Second)
	return s.saveOutcome(ctx)
}

// watch begins the verification of a container that runs anew.
func (s *step) watch(ctx context.Context, c *alerting.Container) error {
	s.toVerifying(c)
	return s.save(ctx)
}

func (s *step) watchOutcome(ctx context.Context, c *alerting.Container) error {
	s.toVerifying(c)
	return s.saveOutcome(ctx)
}

func (s *step) toVerifying(c *alerting.Container) {
	s.r.Status, s.r.Reason = alerting.Verifying, alerting.Reason{Code: s.ofAction("restarted", "started", "was_stopped"), Detail: s.r.Container}
	now := s.now()
	s.r.StartedAfter, s.r.ProvenFrom, s.r.NextAt = c.StartedAt, now, now.Add(time.Second)
}

func (s *step) end(ctx context.Context, status alerting.RemediationStatus, why alerting.Reason) error {
	s.finish(status, why)
	return s.save(ctx)
}

func (s *step) finish(status alerting.RemediationStatus, why alerting.Reason) {
	s.r.Status, s.r.Reason, s.r.EndedAt, s.r.NextAt = status, why, s.now(), time.Time{}
}

func (s *step) rule() alerting.Rule { return s.policy.Rule(s.alert.Type) }

// inspect looks at the container, and so learns whether the engine is there.
func (s *step) inspect(ctx context.Context) (*alerting.Container, error) {
	c, err := s.loop.engine.Inspect(ctx, s.r.Container)
	if err == nil {
		s.loop.outage.over()
	}
	return c, err
}

// awaitEngine looks again later, or settles when patience is at its end.
func (s *step) awaitEngine(ctx context.Context, err error, patience time.Time, then alerting.RemediationStatus) error {
	if ctx.Err() != nil {
		return nil // we are stopping: it says nothing about the engine
	}
	now, why := s.now(), blame(err)
	if !now.Before(patience) {
		return s.end(ctx, then, why)
	}
	s.r.NextAt = s.loop.outage.lasts(now)
	if patience.Before(s.r.NextAt) {
		s.r.NextAt = patience
	}
	if s.r.Status == alerting.Requested {
		s.r.Reason = why // later states keep theirs: it says what was ordered
	}
	return s.save(ctx)
}

// save stores the state and gives the remediation back.
func (s *step) save(ctx context.Context) error {
	if err := s.loop.store.SaveRemediation(ctx, s.loop.o.Owner, s.r, 0); err != nil {
		return fmt.Errorf("store %s: %w", s.r.Status, err)
	}
	s.tell()
	return nil
}

// saveOutcome is save for what is known of a call: it is tried for as long as
// the lease lasts, and once more when the process ends. Should it never work,
// the stored intent is reconciled.
func (s *step) saveOutcome(ctx context.Context) error {
	last := s.r.CallLimit.Add(leaseMargin)
	var wait time.Duration
	for ctx.Err() == nil {
		err := s.save(ctx)
		if err == nil || errors.Is(err, alerting.ErrLeaseLost) {
			return err
		}
		if wait = backoff(wait, err); s.now().Add(wait).After(last) {
			return err
		}
		s.loop.complain(err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceSave)
	defer cancel()
	return s.save(ctx)
}

// tell logs a stored state that is news: not every look is.
func (s *step) tell() {
	if s.told == s.state() {
		return
	}
	s.told = s.state()
	s.loop.o.Log.Info("remediation", "remediation", s.r.ID, "alert", s.r.AlertID, "container", s.r.Container,
		"action", s.r.Action, "status", s.r.Status, "reason", s.r.Reason.Code, "detail", s.r.Reason.Detail)
}

func (s *step) state() string { return string(s.r.Status) + " " + s.r.Reason.Code }
