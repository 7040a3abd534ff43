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

// testTangle lets two processes do everything at once for a while. Whoever loses
// a race is tried again: no caller sees it, and the totals are right.
func testTangle(t *testing.T, e Engine) {
	names := []string{"a1", "a2", "a3", "a4", "a5", "a6"}
	change := func(p *alerting.Policy) {
		p.Containers = names
		rule := p.Rule(alerting.TickerSyncTimeout)
		rule.Guard.Cooldown, rule.Guard.Budget, rule.Symptom = time.Millisecond, 1_000_000, time.Nanosecond
		p.Rules[alerting.TickerSyncTimeout] = rule
		p.Brake = alerting.BrakeRule{Containers: 3, Per: 2 * time.Second, Hold: 300 * time.Millisecond}
		p.Repeat, p.ChangedWord = time.Millisecond, time.Millisecond
	}
	stores := []*store.Store{e.open(t, change), e.open(t, change)}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	failed := map[string]int{}
	note := func(what string, err error) {
		var refused *alerting.RefusedError
		if err == nil || ctx.Err() != nil || errors.As(err, &refused) || errors.Is(err, alerting.ErrLeaseLost) || errors.Is(err, alerting.ErrNotFound) {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		failed[fmt.Sprintf("%s: %v", what, err)]++
	}
	loop := func(do func()) {
		all.Go(func() {
			for ctx.Err() == nil {
				do()
			}
		})
	}
	events := make([]int, len(stores))
	for at, s := range stores {
		owner := fmt.Sprintf("owner-%d", at)
		loop(func() {
			for _, name := range names {
				ev := Event(name)
				ev.Resolved = events[at]%5 == 4
				if _, err := s.RecordEvent(ctx, ev, nil); err != nil {
					note("event", err)
				}
				events[at]++
			}
		})
		loop(func() {
			_, err := s.Recheck(ctx)
			note("recheck", err)
			work, _, err := s.ClaimRemediations(ctx, owner, host, time.Minute)
			note("claim", err)
			for _, w := range work {
				r := w.Remediation
				if r.Status == alerting.Requested {
					i := intent(w)
					refused, err := s.Intend(ctx, owner, i, time.Minute)
					note("intend", err)
					if err != nil || !refused.IsZero() {
						continue
					}
					r = i.Remediation
				}
				r.Host = host.ID
				r.Status, r.Reason, r.EndedAt = alerting.Failed, alerting.Reason{Code: "not_stable"}, w.At
				note("save", s.SaveRemediation(ctx, owner, r, 0))
			}
		})
		loop(func() {
			for _, name := range names {
				_, err := s.Rearm(ctx, name, "li")
				note("rearm", err)
			}
			_, err := s.ReleaseBrake(ctx, host.Name, "li")
			note("release", err)
			time.Sleep(20 * time.Millisecond)
		})
		loop(func() {
			made, err := s.CreateSilence(ctx, func(now time.Time) (alerting.Silence, error) {
				return alerting.Silence{Service: "a*", StartsAt: now, EndsAt: now.Add(time.Minute), Author: "li", Comment: "x", CreatedAt: now, HoldRemediation: true}, nil
			})
			note("silence", err)
			time.Sleep(10 * time.Millisecond)
			_, err = s.EndSilence(ctx, made.ID, "li")
			note("end silence", err)
			time.Sleep(10 * time.Millisecond)
		})
		id := int64(0)
		loop(func() { // people
			id = id%50 + 1
			_, err := s.Handle(ctx, id, "li")
			note("handle", err)
			_, err = s.Acknowledge(ctx, id, "li")
			note("acknowledge", err)
			_, err = s.Resolve(ctx, id+1, "li")
			note("resolve", err)
			_, err = s.RemediationState(ctx)
			note("state", err)
		})
	}
	all.Wait()
	require.Empty(t, failed)
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_rechecks r LEFT JOIN alert_records a ON a.id = r.alert_id WHERE a.recheck_us IS NULL OR a.recheck_us <> r.at_us"),
		"what is planned is planned once: a row of its own would be due for ever")
	require.Greater(t, e.count(t, "SELECT COUNT(*) FROM alert_remediations WHERE status = 'FAILED'"), int64(20), "they did something")
	require.NotZero(t, e.count(t, "SELECT COUNT(*) FROM alert_records WHERE alert_type = ?", alerting.RemediationBrake))
}
