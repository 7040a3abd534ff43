package remedy_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/remedy"
)

const name = "aifuturetrade-async-service"

// memoryStore keeps remediations as the database does: leased, with the clock
// of the bubble.
type memoryStore struct {
	mu      sync.Mutex
	rows    map[int64]*row
	claims  int
	ahead   time.Duration                    // how far the store's clock is ahead of ours
	history map[int64][]alerting.Remediation // every state that was stored

	policy     func() alerting.Policy
	brake      *alerting.Brake
	claimFails func() error
	saveFails  func(alerting.Remediation) error
}

type row struct {
	work  alerting.Work
	owner string
	until time.Time
}

func (s *memoryStore) ClaimRemediations(_ context.Context, owner string, _ alerting.Host, lease time.Duration) (work []alerting.Work, next time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims++
	if s.claimFails != nil {
		if err := s.claimFails(); err != nil {
			return nil, next, err
		}
	}
	now := time.Now().Add(s.ahead)
	for _, r := range s.rows {
		r.work.At = now
		if !r.work.Remediation.Pending() {
			continue
		}
		due := r.work.Remediation.NextAt
		if r.until.After(due) {
			due = r.until
		}
		if !due.After(now) {
			r.owner, r.until, due = owner, now.Add(lease), now.Add(lease)
			work = append(work, r.work)
		}
		if next.IsZero() || due.Before(next) {
			next = due
		}
	}
	return work, next, nil
}

// quiet ends the symptom that a remediation is about.
func (s *memoryStore) quiet(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[id].work.Symptom = alerting.NoSymptom
}

func (s *memoryStore) SaveRemediation(ctx context.Context, owner string, r alerting.Remediation, lease time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.saveFails != nil {
		if err := s.saveFails(r); err != nil {
			return err
		}
	}
	at := s.rows[r.ID]
	if at.owner != owner {
		return alerting.ErrLeaseLost
	}
	at.work.Remediation, at.until = r, time.Time{}
	if lease > 0 {
		at.until = time.Now().Add(lease)
	}
	s.history[r.ID] = append(s.history[r.ID], r)
	return nil
}

// Intend asks the guards as the database does, of a container without a past.
func (s *memoryStore) Intend(ctx context.Context, owner string, i alerting.Intent, lease time.Duration) (alerting.Reason, error) {
	policy := s.policy()
	refused := policy.Guard(i.Ask(alerting.Ledger{}, alerting.NoSymptom, alerting.Reason{}, s.brake, time.Now().Add(s.ahead)))
	r := i.Remediation
	r.Evidence, r.Host = i.Evidence, i.Host.ID
	if !refused.IsZero() {
		r.Skip(refused, time.Now().Add(s.ahead))
		lease = 0
	}
	return refused, s.SaveRemediation(ctx, owner, r, lease)
}

func (s *memoryStore) Recheck(context.Context) (time.Time, error) { return time.Time{}, nil }

// release is what a process does with its leases at its end, or the next one
// at its start.
func (s *memoryStore) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		r.until = time.Time{}
	}
}

func (s *memoryStore) get(id int64) alerting.Remediation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[id].work.Remediation
}

// statuses is the way that a remediation went, without repetitions.
func (s *memoryStore) statuses(id int64) []alerting.RemediationStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []alerting.RemediationStatus
	for _, r := range s.history[id] {
		all = append(all, r.Status)
	}
	return slices.Compact(all)
}

// engineError speaks as the adapter's errors do.
type engineError struct {
	text        string
	unreachable bool
	sent        bool
}

func (e *engineError) Error() string     { return "engine: " + e.text }
func (e *engineError) Detail() string    { return e.text }
func (e *engineError) Unreachable() bool { return e.unreachable }
func (e *engineError) Sent() bool        { return e.sent }

var (
	errAway = &engineError{text: "connect: connection refused", unreachable: true}
	errCut  = &engineError{text: "the connection was cut", unreachable: true, sent: true}
	errNo   = &engineError{text: "cannot restart", sent: true}
)

// scriptedEngine is an engine whose containers behave, unless told otherwise.
type scriptedEngine struct {
	mu         sync.Mutex
	containers map[string]*alerting.Container
	killed     map[string]bool      // since the mark
	signalled  map[string]time.Time // by somebody else
	logHangs   bool
	logsRead   int
	startsAs   alerting.Health // of a container that was started; empty: as it was
	restarted  bool            // the engine itself
	down       bool
	inspected  int
	ahead      time.Duration // its clock, of ours
	calls      []string      // ids, in order
	carriedOut int

	restart func(ctx context.Context, c *alerting.Container) error // replaces a restart
	before  func()                                                 // runs before every call
}

func (e *scriptedEngine) Inspect(_ context.Context, of string) (*alerting.Container, error) {
	e.step()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.inspected++
	if e.down {
		return nil, errAway
	}
	if c := e.containers[of]; c != nil {
		copied := *c
		return &copied, nil
	}
	return nil, nil
}

func (e *scriptedEngine) Identity(context.Context) (alerting.Host, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		return alerting.Host{}, errAway
	}
	return alerting.Host{ID: "engine/host", Name: "host"}, nil
}

// LastLines are given to the one who waits long enough.
func (e *scriptedEngine) LastLines(ctx context.Context, _ alerting.Container, _ time.Time, n int) ([]string, error) {
	e.mu.Lock()
	e.logsRead++
	e.mu.Unlock()
	if e.logHangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return []string{"the last line"}[:min(n, 1)], nil
}

func (e *scriptedEngine) Stop(_ context.Context, id string) error {
	e.step()
	c := e.called(id)
	e.kill(c)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.carriedOut++
	c.Running, c.FinishedAt = false, time.Now()
	return nil
}

func (e *scriptedEngine) Restart(ctx context.Context, id string) error {
	e.step()
	c := e.called(id)
	if e.restart != nil {
		return e.restart(ctx, c)
	}
	e.carryOut(c)
	return nil
}

func (e *scriptedEngine) Start(_ context.Context, id string) error {
	e.step()
	if c := e.called(id); !c.Running {
		e.again(c)
	}
	return nil
}

func (e *scriptedEngine) called(id string) *alerting.Container {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, id)
	for _, c := range e.containers {
		if c.ID == id {
			return c
		}
	}
	panic("no container " + id)
}

// carryOut restarts: it takes half a second, as a real one does.
func (e *scriptedEngine) carryOut(c *alerting.Container) {
	e.kill(c)
	time.Sleep(500 * time.Millisecond)
	e.again(c)
}

func (e *scriptedEngine) kill(c *alerting.Container) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.killed[c.ID] = true
}

func (e *scriptedEngine) again(c *alerting.Container) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.carriedOut++
	c.Running, c.StartedAt = true, time.Now().Add(e.ahead)
	if e.startsAs != "" {
		c.Health = e.startsAs
	}
}

func (e *scriptedEngine) restartsAs(h alerting.Health) { e.startsAs = h }

func (e *scriptedEngine) Recall(_ context.Context, id string) (alerting.Recollection, error) {
	e.step()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		return alerting.Recollection{}, errAway
	}
	past := alerting.Recollection{Mark: "mark", KilledAt: e.signalled[id], Now: time.Now().Add(e.ahead)}
	e.killed = map[string]bool{}
	return past, nil
}

func (e *scriptedEngine) Since(_ context.Context, id string, _ time.Time, mark string) (killed, sameBoot bool, err error) {
	e.step()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		return false, false, errAway
	}
	if mark != "mark" {
		return false, false, errors.New("not the stored mark: " + mark)
	}
	return e.killed[id], !e.restarted, nil
}

func (e *scriptedEngine) step() {
	if e.before != nil {
		e.before()
	}
}

func (e *scriptedEngine) set(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
}

func (e *scriptedEngine) callCount() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.calls)
}

// world is one host with one container that hangs, and a remediation of it.
type world struct {
	t       *testing.T
	store   *memoryStore
	engine  *scriptedEngine
	policy  alerting.Policy
	poll    time.Duration
	began   time.Time
	service *alerting.Container
	stopped func(container string) bool
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, began: time.Now(), policy: alerting.DefaultPolicy(),
		store:  &memoryStore{rows: map[int64]*row{}, history: map[int64][]alerting.Remediation{}},
		engine: &scriptedEngine{containers: map[string]*alerting.Container{}, killed: map[string]bool{}, signalled: map[string]time.Time{}},
	}
	w.store.policy = func() alerting.Policy { return w.policy }
	w.service = w.container(name)
	return w
}

func (w *world) container(named string) *alerting.Container {
	c := &alerting.Container{
		ID: "id-of-" + named, Name: named, Running: true, StartedAt: w.began.Add(-time.Hour),
		Health: alerting.NoHealth, StopTimeout: 10 * time.Second,
	}
	w.engine.containers[named] = c
	return c
}

func (w *world) request(change ...func(*alerting.Work)) int64 {
	id := int64(len(w.store.rows) + 1)
	work := alerting.Work{
		Remediation: alerting.Remediation{
			ID: id, AlertID: id, Action: alerting.Restart, Container: name, Status: alerting.Requested,
			RequestedAt: time.Now(), NextAt: time.Now(),
		},
		Alert: alerting.Alert{ID: id, Type: alerting.TickerSyncTimeout, Service: name, Status: alerting.Open},
	}
	for _, c := range change {
		c(&work)
	}
	w.store.rows[id] = &row{work: work}
	return id
}

// intended is a remediation whose intent a process stored before it ended.
func (w *world) intended(ago time.Duration) int64 {
	at := time.Now().Add(-ago)
	return w.request(func(work *alerting.Work) {
		r := &work.Remediation
		r.Status, r.RequestedAt, r.OrderedAt, r.CallLimit = alerting.Running, at, at, at.Add(40*time.Second)
		r.ContainerID, r.StartedBefore, r.EngineMark = w.service.ID, w.service.StartedAt, "mark"
		r.Reason = alerting.Reason{Code: "ordered", Detail: name}
	})
}

func (w *world) loop(owner string) *remedy.Loop {
	return remedy.New(w.store, w.engine, remedy.Options{
		Owner: owner, Poll: w.poll, Stopped: w.stopped, Policy: func() alerting.Policy { return w.policy },
	})
}

// run runs the loop for some time and stops it.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	require.NoError(w.t, w.loop("one").Run(ctx))
}

// wantEnd checks how a remediation ended.
func (w *world) wantEnd(id int64, status alerting.RemediationStatus, code string) alerting.Remediation {
	w.t.Helper()
	r := w.store.get(id)
	require.Equal(w.t, string(status)+" "+code, string(r.Status)+" "+r.Reason.Code)
	require.False(w.t, r.EndedAt.IsZero())
	return r
}
