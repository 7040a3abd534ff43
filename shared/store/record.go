package store

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"trade-monitor/shared/alerting"
)

// A batch is what one commit carries at most.
const (
	maxBatch      = 128
	maxBatchBytes = 4 << 20
	// batchTime bounds one transaction; its callers give up earlier.
	batchTime = 15 * time.Second
	// What waits at most while the database is slow: beyond it callers are told
	// at once to come back later.
	maxQueue      = 4_096
	maxQueueBytes = 32 << 20
	// closeTime is how long Close lets the batch under way have.
	closeTime = time.Second
)

// recorder makes concurrent callers share commits: what arrives while one
// commit is under way is the next batch.
type recorder struct {
	store *Store

	ctx    context.Context // of every batch; ended by stop
	cancel context.CancelFunc

	failed atomic.Pointer[failure] // how the newest batch failed; nil: it did not

	mu      sync.Mutex
	idle    chan struct{} // closed when running turns false
	queue   []*call
	bytes   int // of the queue
	running bool
	stopped bool
}

// failure is what Ready remembers of a batch that the database did not take.
type failure struct {
	at  time.Time
	err error
}

// failureCounts is how long a failed batch speaks against being ready: a small
// row may still fit where an event does not, on a disk that is all but full.
const failureCounts = 10 * time.Second

// call is one event on its way into the record.
type call struct {
	ctx     context.Context
	event   alerting.Event
	idem    *alerting.Idempotency
	key     string // the event's fingerprint, by the policy of its batch
	receipt alerting.Receipt
	err     error
	done    chan struct{}
}

// RecordEvent stores one event and everything that follows from it: alert,
// notifications, remediation and decisions, in one transaction, and returns
// after its commit. A caller that leaves (ctx) before its batch begins is
// dropped; later it changes nothing: the event may be stored all the same.
func (s *Store) RecordEvent(ctx context.Context, ev alerting.Event, idem *alerting.Idempotency) (alerting.Receipt, error) {
	c := &call{ctx: ctx, event: ev, idem: idem, done: make(chan struct{})}
	if err := s.recorder.enqueue(c); err != nil {
		return alerting.Receipt{}, err
	}
	select {
	case <-c.done:
		return c.receipt, s.dialect.wrap(c.err)
	case <-ctx.Done():
		return alerting.Receipt{}, s.dialect.wrap(ctx.Err())
	}
}

// RecordEvents stores many events at once, by the same rules. The receipts are
// in the order of the events; the first error is returned.
func (s *Store) RecordEvents(ctx context.Context, events []alerting.Event) ([]alerting.Receipt, error) {
	calls := make([]*call, len(events))
	for i, ev := range events {
		calls[i] = &call{ctx: ctx, event: ev, done: make(chan struct{})}
	}
	if err := s.recorder.enqueue(calls...); err != nil {
		return nil, err
	}
	receipts := make([]alerting.Receipt, len(calls))
	for i, c := range calls {
		select {
		case <-c.done:
		case <-ctx.Done():
			return nil, s.dialect.wrap(ctx.Err())
		}
		if c.err != nil {
			return nil, s.dialect.wrap(c.err)
		}
		receipts[i] = c.receipt
	}
	return receipts, nil
}

func (r *recorder) enqueue(calls ...*call) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return fmt.Errorf("%w: shutting down", alerting.ErrUnavailable)
	}
	if len(r.queue) > 0 && (len(r.queue)+len(calls) > maxQueue || r.bytes > maxQueueBytes) {
		return fmt.Errorf("%w: %d events wait for it already", alerting.ErrUnavailable, len(r.queue))
	}
	for _, c := range calls {
		r.bytes += c.size()
	}
	r.queue = append(r.queue, calls...)
	if !r.running {
		r.running, r.idle = true, make(chan struct{})
		go r.drain()
	}
	return nil
}

// size is about what a call holds in memory.
func (c *call) size() int { return len(c.event.Message) + len(c.event.Metadata) + 1_000 }

func (r *recorder) drain() {
	for {
		batch := r.next()
		if batch == nil {
			return
		}
		r.store.recordBatch(batch)
		for _, c := range batch {
			close(c.done)
		}
		// Those who were answered go first: what they bring shares the next
		// commit, which would otherwise carry the first of them alone.
		runtime.Gosched()
	}
}

// next takes the batch that waits, or ends the drain. Who has left meanwhile
// was answered already, with a 503: what they posted must not be carried out
// when the database is back.
func (r *recorder) next() []*call {
	r.mu.Lock()
	defer r.mu.Unlock()
	var batch []*call
	taken, bytes := 0, 0
	for taken < len(r.queue) && len(batch) < maxBatch && (len(batch) == 0 || bytes < maxBatchBytes) {
		c := r.queue[taken]
		taken++
		r.bytes -= c.size()
		if c.err = context.Cause(c.ctx); c.err == nil {
			c.err = context.Cause(r.ctx)
		}
		if c.err != nil {
			close(c.done)
			continue
		}
		bytes += c.size()
		batch = append(batch, c)
	}
	r.queue = r.queue[taken:]
	if len(batch) == 0 {
		r.running, r.queue = false, nil
		close(r.idle)
	}
	return batch
}

// stop refuses what comes, and lets what was accepted finish, for a while.
func (r *recorder) stop() {
	r.mu.Lock()
	r.stopped = true
	running, idle := r.running, r.idle
	r.mu.Unlock()
	defer r.cancel()
	if !running {
		return
	}
	select {
	case <-idle:
	case <-time.After(closeTime):
		r.cancel()
		<-idle
	}
}

// recordBatch commits a batch. When it fails for a reason of its own, each
// event is tried alone, so that one bad event fails alone.
func (s *Store) recordBatch(batch []*call) {
	err := s.commitBatch(batch)
	s.recorder.failed.Store(nil)
	if err == nil {
		return
	}
	if s.dialect.Kind(err) == Unreachable {
		s.recorder.failed.Store(&failure{time.Now(), err})
	}
	if kind := s.dialect.Kind(err); len(batch) > 1 && (kind == Other || kind == Retry) {
		for _, c := range batch {
			c.err = s.commitBatch([]*call{c})
		}
		return
	}
	for _, c := range batch {
		c.err = err
	}
}

func (s *Store) commitBatch(batch []*call) error {
	ctx := context.Background()
	if s.dialect.Clock != "" { // a server may hang; a file does not
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(s.recorder.ctx, batchTime)
		defer cancel()
	}
	results := make([]result, len(batch))
	err := s.inTx(ctx, func(t *tx) error {
		b := &batchTx{t: t, w: newWriter(t), results: results}
		clear(results)
		return b.run(ctx, batch)
	})
	if err != nil {
		return err
	}
	for i, c := range batch {
		c.receipt, c.err = results[i].receipt, results[i].err
		if r := results[i].on; r != nil {
			c.receipt.AlertID = r.alert.ID
		}
	}
	return nil
}

type result struct {
	receipt alerting.Receipt
	err     error
	on      *record // gives the id once it is written
}

// batchTx decides the events of one batch in order.
type batchTx struct {
	t        *tx
	w        *writer
	groups   []alerting.Group
	silences alerting.Silences
	records  map[string]*record          // the open alert of each fingerprint
	ledgers  map[string]*alerting.Ledger // of each target
	keys     map[string]storedAnswer     // of each Idempotency-Key
	results  []result
	without  string // the robot that is not told
}

func (b *batchTx) run(ctx context.Context, batch []*call) error {
	if err := b.load(ctx, batch); err != nil {
		return err
	}
	for i, c := range batch {
		if c.idem != nil {
			if answer, seen := b.keys[c.idem.Key]; seen {
				b.results[i] = answer.replay(c.idem)
				continue
			}
		}
		if err := b.decide(ctx, c, &b.results[i]); err != nil {
			return err
		}
		if c.idem != nil {
			b.keys[c.idem.Key] = storedAnswer{body: c.idem.Body, result: b.results[i], fresh: true}
		}
	}
	if err := b.w.finish(ctx); err != nil {
		return err
	}
	return b.t.saveAnswers(ctx, b.keys)
}

// load locks and reads what the decisions need.
func (b *batchTx) load(ctx context.Context, batch []*call) error {
	var err error
	if b.groups, err = b.t.s.groups(ctx, b.t); err != nil {
		return err
	}
	if b.without != "" {
		b.groups = slices.DeleteFunc(b.groups, func(g alerting.Group) bool { return alerting.RobotID(g.Webhook) == b.without })
	}
	if b.silences, err = b.t.silences(ctx); err != nil {
		return err
	}
	var fingerprints, targets, keys []string
	for _, c := range batch {
		c.key = b.t.policy.Fingerprint(&c.event)
		fingerprints = append(fingerprints, c.key)
		target := b.t.policy.Target(c.event.Type, c.event.Service)
		if b.t.policy.Rule(c.event.Type).Action != alerting.NoAction && b.t.policy.Reaches(target) {
			targets = append(targets, target)
		}
		if c.idem != nil {
			keys = append(keys, c.idem.Key)
		}
	}
	if b.keys, err = b.t.answers(ctx, unique(keys)); err != nil {
		return err
	}
	open, err := b.t.openAlerts(ctx, unique(fingerprints))
	if err != nil {
		return err
	}
	b.records = make(map[string]*record, len(open))
	for fingerprint, alert := range open {
		b.records[fingerprint] = loaded(alert)
	}
	b.ledgers, err = b.t.ledgers(ctx, unique(targets), 0)
	return err
}

func (b *batchTx) decide(ctx context.Context, c *call, out *result) error {
	current := b.records[c.key]
	state := alerting.State{Silences: b.silences}
	if current != nil {
		alert := current.alert
		state.Alert = &alert
	}
	if l := b.ledgers[b.t.policy.Target(c.event.Type, c.event.Service)]; l != nil {
		state.Ledger = *l
	}
	change, receipt := alerting.Decide(state, c.event, &b.t.policy, b.groups, b.t.now)
	if !c.event.Resolved {
		b.w.totals[totalKey{scope: scopeEvents}]++ // taken, whatever its alert makes of it
	}
	after, err := b.w.apply(ctx, current, change)
	if err != nil {
		return err
	}
	b.note(c.key, after, change)
	*out = result{receipt: receipt, on: after}
	return nil
}

// note lets the next event of the batch see what this one changed.
func (b *batchTx) note(fingerprint string, after *record, change alerting.Change) {
	if after == nil || !after.alert.Active() {
		delete(b.records, fingerprint)
	} else {
		b.records[fingerprint] = after
	}
	if r := change.Remediation; r != nil && r.Status != alerting.Skipped {
		enter(b.ledgers, r)
	}
	if r := change.Disproved; r != nil && b.ledgers[r.Container] != nil {
		b.ledgers[r.Container].Last = r // its restart is in the ledger already
	}
}

func unique(values []string) []string {
	slices.Sort(values)
	return slices.Compact(values)
}
