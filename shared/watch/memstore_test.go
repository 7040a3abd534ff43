package watch

import (
	"context"
	"errors"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

// heartbeatMemory is a store of heartbeats with the domain's rules, and the
// record of the events that were posted.
type heartbeatMemory struct {
	mu      sync.Mutex
	beats   map[string]alerting.Heartbeat
	alive   time.Time
	touches int
	judges  int
	away    bool // the database cannot be reached
	amnesia bool // what is settled gets lost, as by a crash

	refuse string // events of this service fail
	seen   map[string]bool
	events []said
}

// said is an event and when it was recorded.
type said struct {
	at time.Time
	alerting.Event
}

func newMemory() *heartbeatMemory {
	return &heartbeatMemory{beats: map[string]alerting.Heartbeat{}, seen: map[string]bool{}}
}

var errAway = errors.New("the database is away")

func (m *heartbeatMemory) enter() (leave func(), err error) {
	m.mu.Lock()
	if m.away {
		err = errAway
	}
	return m.mu.Unlock, err
}

func (m *heartbeatMemory) TouchLiveness(_ context.Context, tolerance time.Duration, first bool) (time.Duration, error) {
	leave, err := m.enter()
	defer leave()
	if err != nil {
		return 0, err
	}
	m.touches++
	now, moved := time.Now(), time.Duration(0)
	if !m.alive.IsZero() {
		moved = alerting.Outage(now.Sub(m.alive), tolerance, first)
	}
	for name, h := range m.beats {
		m.beats[name] = h.Move(moved, now)
	}
	m.alive = now
	return moved, nil
}

func (m *heartbeatMemory) JudgeHeartbeats(context.Context) (j alerting.Judgement, err error) {
	leave, err := m.enter()
	defer leave()
	if err != nil {
		return j, err
	}
	m.judges++
	j.At = time.Now()
	for name, h := range m.beats {
		h = h.Judge(j.At)
		m.beats[name] = h
		if h.Owed != alerting.OwesNothing {
			j.Owed = append(j.Owed, h)
		}
		if !h.Deadline.IsZero() && (j.Next.IsZero() || h.Deadline.Before(j.Next)) {
			j.Next = h.Deadline
		}
		if j.Shortest == 0 || h.Period < j.Shortest {
			j.Shortest = h.Period
		}
	}
	return j, nil
}

func (m *heartbeatMemory) SettleHeartbeats(_ context.Context, posted []alerting.Heartbeat) error {
	leave, err := m.enter()
	defer leave()
	if err != nil {
		return err
	}
	for _, h := range posted {
		if !m.amnesia {
			m.beats[h.Name] = m.beats[h.Name].Settled(h.Seq, time.Now())
		}
	}
	return nil
}

func (m *heartbeatMemory) RecordEvent(_ context.Context, ev alerting.Event, idem *alerting.Idempotency) (alerting.Receipt, error) {
	leave, err := m.enter()
	defer leave()
	if err == nil && ev.Service == m.refuse {
		err = errors.New("poisoned")
	}
	if err != nil {
		return alerting.Receipt{}, err
	}
	if !m.seen[idem.Key] {
		m.seen[idem.Key] = true
		m.events = append(m.events, said{time.Now(), ev})
	}
	return alerting.Receipt{}, nil
}

// ping takes a ping as the store does, and tells the loop.
func (m *heartbeatMemory) ping(l *Heartbeats, name string, signal alerting.HeartbeatSignal, terms alerting.HeartbeatTerms) {
	m.mu.Lock()
	h, known := m.beats[name]
	if !known {
		h = alerting.DeclareHeartbeat(alerting.FromPing, name, terms, time.Now())
	}
	h = h.Ping(alerting.HeartbeatPing{Name: name, Signal: signal, HeartbeatTerms: terms}, time.Now())
	m.beats[name] = h
	m.mu.Unlock()
	if l != nil {
		l.Changed(h)
	}
}

func (m *heartbeatMemory) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

func (m *heartbeatMemory) said() []said {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]said(nil), m.events...)
}

// downs counts the events that say that a service is down.
func (m *heartbeatMemory) downs(service string) (n int) {
	for _, ev := range m.said() {
		if ev.Service == service && !ev.Resolved {
			n++
		}
	}
	return n
}

func (m *heartbeatMemory) beat(name string) alerting.Heartbeat {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.beats[name]
}

func (m *heartbeatMemory) count(n *int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *n
}

func (m *heartbeatMemory) lived() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.alive
}
