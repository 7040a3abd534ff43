package delivery_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/delivery"
)

// ladder keeps the steps of some alerts in memory, by the domain's rules.
type ladder struct {
	mu     sync.Mutex
	policy alerting.Policy
	alerts []*alerting.Alert
	taken  map[time.Duration][]int64 // by the time since the bubble began
	began  time.Time
	looks  int
	fails  func() error
	behind time.Duration // how far its clock is behind ours
	most   int           // that one look takes; 0: all
}

// newLadder has steps after 15 min and after 30 min.
func newLadder() *ladder {
	l := &ladder{policy: alerting.DefaultPolicy(), taken: map[time.Duration][]int64{}, began: time.Now()}
	l.policy.Mode, l.policy.Fallback = alerting.Off, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=test-robot-0"
	l.policy.Default.Escalation = []alerting.EscalationStep{{After: 15 * time.Minute}, {After: 30 * time.Minute}}
	return l
}

func (l *ladder) now() time.Time { return time.Now().Add(-l.behind) }

// open lets an event open an alert.
func (l *ladder) open() (id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ev := alerting.Event{Type: "DISK_FULL", Service: "a", Severity: alerting.Error, Title: "t", Message: "m"}
	change, _ := alerting.Decide(alerting.State{}, ev, &l.policy, nil, l.now())
	change.Alert.ID = int64(len(l.alerts) + 1)
	l.alerts = append(l.alerts, change.Alert)
	return change.Alert.ID
}

func (l *ladder) acknowledge(id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change, err := alerting.Acknowledge(*l.alerts[id-1], "wang", l.now())
	if err != nil {
		panic(err)
	}
	l.alerts[id-1] = change.Alert
}

// Escalate implements delivery.Steps.
func (l *ladder) Escalate(context.Context) (next time.Time, more bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looks++
	if l.fails != nil {
		if err := l.fails(); err != nil {
			return time.Time{}, false, err
		}
	}
	took := 0
	for i, a := range l.alerts {
		if l.most > 0 && took == l.most {
			return l.now(), true, nil
		}
		change := alerting.StepUp(alerting.State{Alert: a}, &l.policy, nil, l.now())
		if change.Alert != nil {
			l.alerts[i] = change.Alert
		}
		if len(change.Notifications) > 0 {
			took++
			since := l.now().Sub(l.began).Truncate(time.Second)
			l.taken[since] = append(l.taken[since], a.ID)
		}
		if at := l.alerts[i].EscalateAt; !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, false, nil
}

// climbing runs a test in a bubble, with an escalator at work.
func climbing(t *testing.T, poll time.Duration, play func(l *ladder, e *delivery.Escalator)) {
	synctest.Test(t, func(t *testing.T) {
		l := newLadder()
		var log bytes.Buffer
		e := delivery.NewEscalator(l, delivery.EscalatorOptions{Poll: poll, Log: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.Run(ctx) }()
		synctest.Wait()
		play(l, e)
		cancel()
		require.NoError(t, <-ended)
		assert.Equal(t, l.fails != nil, log.Len() > 0, log.String())
	})
}

// elapse lets time pass, and what is due in it be done.
func elapse(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestStepsAreTakenAtTheirTime(t *testing.T) {
	climbing(t, 0, func(l *ladder, e *delivery.Escalator) {
		first := l.open()
		e.Wake()
		elapse(10 * time.Minute)
		second := l.open()
		e.Wake()
		elapse(10 * time.Minute)
		l.acknowledge(second) // which wakes nobody, and need not
		elapse(time.Hour)
		assert.Equal(t, map[time.Duration][]int64{15 * time.Minute: {first}, 30 * time.Minute: {first}}, l.taken)
		assert.LessOrEqual(t, l.looks, 7, "it sleeps until the next step is due")
	})
}

func TestNothingPlannedCostsNothing(t *testing.T) {
	climbing(t, 0, func(l *ladder, _ *delivery.Escalator) {
		elapse(24 * time.Hour)
		assert.Equal(t, 1, l.looks)
	})
	climbing(t, time.Second, func(l *ladder, _ *delivery.Escalator) { // beside other processes
		elapse(time.Hour)
		assert.InDelta(t, 3600, l.looks, 2)
		l.open()
		elapse(15*time.Minute + time.Second)
		assert.Len(t, l.taken, 1, "what another process planned")
	})
}

// The store takes them by the hundred, and nobody waits between two hundreds.
func TestTheStepsOfAStormAreTakenAtOnce(t *testing.T) {
	climbing(t, 0, func(l *ladder, e *delivery.Escalator) {
		l.mu.Lock()
		l.most = 100
		l.mu.Unlock()
		for range 1_500 {
			l.open()
		}
		e.Wake()
		elapse(15 * time.Minute)
		assert.Len(t, l.taken[15*time.Minute], 1_500)
	})
}

func TestAStormOfWakesIsFewLooks(t *testing.T) {
	climbing(t, 0, func(l *ladder, e *delivery.Escalator) {
		for range 1_000 {
			e.Wake()
			e.Wake() // never blocks
			elapse(time.Millisecond)
		}
		assert.InDelta(t, 20, l.looks, 3)
	})
}

func TestAStepWaitsForADatabaseThatIsAway(t *testing.T) {
	climbing(t, 0, func(l *ladder, e *delivery.Escalator) {
		l.open()
		e.Wake()
		elapse(10 * time.Minute)
		l.mu.Lock()
		l.fails = func() error {
			if since := time.Since(l.began); since < time.Hour {
				return alerting.ErrUnavailable
			}
			return nil
		}
		l.mu.Unlock()
		before := l.looks
		for time.Since(l.began) < 2*time.Hour {
			e.Wake()
			elapse(time.Minute)
		}
		require.Len(t, l.taken, 2, "%v", l.taken)
		for at := range l.taken {
			assert.Greater(t, at, time.Hour-time.Second)
		}
		assert.Less(t, l.looks-before, 50*60/10+80, "it is asked every 10 s, however often it is woken")
	})
}

func TestAStoreWhoseClockIsBehindOursIsNotSpunOn(t *testing.T) {
	climbing(t, 0, func(l *ladder, e *delivery.Escalator) {
		l.mu.Lock()
		l.behind = 2 * time.Second
		l.mu.Unlock()
		l.open()
		e.Wake()
		elapse(20 * time.Minute)
		assert.Len(t, l.taken, 1)
		assert.Less(t, l.looks, 60)
	})
}
