package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// tangles are transactions of several processes that touch the same rows, each in
// an order of its own.
var tangles = suite{
	"events, intents, the brake, re-arming and silences at once lose nothing": testTangle,
}

// tangle is several processes at work on a few containers for a while.
type tangle struct {
	ctx   context.Context
	names []string
	all   sync.WaitGroup

	mu     sync.Mutex
	failed map[string]int // what a caller saw, and how often
}

// testTangle lets two processes do everything at once for a while. Whoever loses
// a race is tried again: no caller sees it, and the totals are right.
func testTangle(t *testing.T, e Engine) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	w := &tangle{ctx: ctx, names: []string{"a1", "a2", "a3", "a4", "a5", "a6"}, failed: map[string]int{}}
	for at, s := range []*store.Store{e.open(t, w.policy), e.open(t, w.policy)} {
		w.loop(func(n int) { w.post(s, n) })
		w.loop(func(int) { w.remedy(s, fmt.Sprintf("owner-%d", at)) })
		w.loop(func(int) { w.rearm(s) })
		w.loop(func(int) { w.silence(s) })
		w.loop(func(int) { w.escalate(s) })
		w.loop(func(n int) { w.people(s, int64(n%50+1)) })
	}
	enough := func() bool { // they did something
		return e.count(t, "SELECT COUNT(*) FROM alert_decisions WHERE what = 'escalated'") > 20 &&
			e.count(t, "SELECT COUNT(*) FROM alert_remediations WHERE status = 'FAILED'") > 20 &&
			e.count(t, "SELECT COUNT(*) FROM alert_records WHERE alert_type = ?", alerting.RemediationBrake) > 0
	}
	time.Sleep(4 * time.Second)
	require.Eventually(t, enough, 50*time.Second, time.Second)
	cancel()
	w.all.Wait()
	require.Empty(t, w.failed)
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_rechecks r LEFT JOIN alert_records a ON a.id = r.alert_id WHERE a.recheck_us IS NULL OR a.recheck_us <> r.at_us"),
		"what is planned is planned once: a row of its own would be due for ever")
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_escalations r LEFT JOIN alert_records a ON a.id = r.alert_id WHERE a.escalate_us IS NULL OR a.escalate_us <> r.at_us"))
}

// policy has everything happen often.
func (w *tangle) policy(p *alerting.Policy) {
	p.Containers = w.names
	rule := p.Rule(alerting.TickerSyncTimeout)
	rule.Guard.Cooldown, rule.Guard.Budget, rule.Symptom = time.Millisecond, 1_000_000, time.Nanosecond
	rule.Escalation = []alerting.EscalationStep{{After: time.Millisecond}, {After: 20 * time.Millisecond, Severity: alerting.Warning}}
	p.Rules[alerting.TickerSyncTimeout] = rule
	p.Brake = alerting.BrakeRule{Containers: 3, Per: 2 * time.Second, Hold: 300 * time.Millisecond}
	p.Repeat, p.ChangedWord = time.Millisecond, time.Millisecond
}

// loop does something again and again; n counts from 0.
func (w *tangle) loop(do func(n int)) {
	w.all.Go(func() {
		for n := 0; w.ctx.Err() == nil; n++ {
			do(n)
		}
	})
}

// note keeps an error that no caller should see.
func (w *tangle) note(what string, err error) {
	var refused *alerting.RefusedError
	if err == nil || w.ctx.Err() != nil || errors.As(err, &refused) || errors.Is(err, alerting.ErrLeaseLost) || errors.Is(err, alerting.ErrNotFound) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed[fmt.Sprintf("%s: %v", what, err)]++
}

func (w *tangle) post(s *store.Store, n int) {
	for i, name := range w.names {
		ev := Event(name)
		ev.Resolved = (n*len(w.names)+i)%5 == 4
		_, err := s.RecordEvent(w.ctx, ev, nil)
		w.note("event", err)
	}
}

func (w *tangle) escalate(s *store.Store) {
	_, _, err := s.Escalate(w.ctx)
	w.note("escalate", err)
}

func (w *tangle) remedy(s *store.Store, owner string) {
	_, err := s.Recheck(w.ctx)
	w.note("recheck", err)
	work, _, err := s.ClaimRemediations(w.ctx, owner, host, time.Minute)
	w.note("claim", err)
	for _, one := range work {
		r := one.Remediation
		if r.Status == alerting.Requested {
			i := intent(one)
			refused, err := s.Intend(w.ctx, owner, i, time.Minute)
			w.note("intend", err)
			if err != nil || !refused.IsZero() {
				continue
			}
			r = i.Remediation
		}
		r.Host = host.ID
		r.Status, r.Reason, r.EndedAt = alerting.Failed, alerting.Reason{Code: "not_stable"}, one.At
		w.note("save", s.SaveRemediation(w.ctx, owner, r, 0))
	}
}

func (w *tangle) rearm(s *store.Store) {
	for _, name := range w.names {
		_, err := s.Rearm(w.ctx, name, "li")
		w.note("rearm", err)
	}
	_, err := s.ReleaseBrake(w.ctx, host.Name, "li")
	w.note("release", err)
	time.Sleep(20 * time.Millisecond)
}

func (w *tangle) silence(s *store.Store) {
	made, err := s.CreateSilence(w.ctx, func(now time.Time) (alerting.Silence, error) {
		return alerting.Silence{Service: "a*", StartsAt: now, EndsAt: now.Add(time.Minute), Author: "li", Comment: "x", CreatedAt: now, HoldRemediation: true}, nil
	})
	w.note("silence", err)
	time.Sleep(10 * time.Millisecond)
	_, err = s.EndSilence(w.ctx, made.ID, "li")
	w.note("end silence", err)
	time.Sleep(10 * time.Millisecond)
}

func (w *tangle) people(s *store.Store, id int64) {
	_, err := s.Handle(w.ctx, id, "li")
	w.note("handle", err)
	_, err = s.Acknowledge(w.ctx, id, "li")
	w.note("acknowledge", err)
	_, err = s.Resolve(w.ctx, id+1, "li")
	w.note("resolve", err)
	_, err = s.RemediationState(w.ctx)
	w.note("state", err)
}
