package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

const (
	maxPings     = 128   // of one commit
	maxPingQueue = 4_096 // that wait while the database is slow
	// gatherPings is the least time between the beginnings of two commits: under
	// load they are at most 67 a second, however many pings come. A ping that
	// comes alone does not wait.
	gatherPings = 15 * time.Millisecond
)

// pinger makes concurrent pings share commits.
type pinger struct {
	store *Store
	ctx   context.Context // of every batch; ended by stop
	end   context.CancelFunc

	mu      sync.Mutex
	idle    chan struct{} // closed when running turns false
	queue   []*pingCall
	running bool
	stopped bool
	began   time.Time // when the last commit did
}

type pingCall struct {
	ctx  context.Context
	ping alerting.HeartbeatPing
	now  alerting.Heartbeat // after it
	err  error
	done chan struct{}
}

// Ping takes a sign of life, and returns after its commit the heartbeat as it is
// now. The ping was checked. UndeclaredError (an ErrNotFound): nobody declared
// it, and the ping has no period. RefusedError: pings have declared too many. A
// caller that leaves changes nothing: the ping may count all the same.
func (s *Store) Ping(ctx context.Context, p alerting.HeartbeatPing) (alerting.Heartbeat, error) {
	c := &pingCall{ctx: ctx, ping: p, done: make(chan struct{})}
	if err := s.pinger.enqueue(c); err != nil {
		return alerting.Heartbeat{}, err
	}
	select {
	case <-c.done:
		return c.now, s.dialect.wrap(c.err)
	case <-ctx.Done():
		return alerting.Heartbeat{}, s.dialect.wrap(ctx.Err())
	}
}

func (p *pinger) enqueue(c *pingCall) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return fmt.Errorf("%w: shutting down", alerting.ErrUnavailable)
	}
	if len(p.queue) >= maxPingQueue {
		return fmt.Errorf("%w: %d pings wait for it already", alerting.ErrUnavailable, len(p.queue))
	}
	p.queue = append(p.queue, c)
	if !p.running {
		p.running, p.idle = true, make(chan struct{})
		go p.drain(gatherPings - time.Since(p.began))
	}
	return nil
}

func (p *pinger) drain(wait time.Duration) {
	for {
		if wait > 0 {
			time.Sleep(wait)
		}
		batch := p.next()
		if batch == nil {
			return
		}
		p.store.pingBatch(batch)
		for _, c := range batch {
			close(c.done)
		}
		wait = gatherPings - time.Since(p.began) // began is this goroutine's while it runs
	}
}

// next takes the batch that waits, or ends the drain. Who has left was told that
// the ping was not taken.
func (p *pinger) next() []*pingCall {
	p.mu.Lock()
	defer p.mu.Unlock()
	var batch []*pingCall
	taken := 0
	for ; taken < len(p.queue) && len(batch) < maxPings; taken++ {
		c := p.queue[taken]
		if c.err = context.Cause(c.ctx); c.err == nil {
			c.err = context.Cause(p.ctx)
		}
		if c.err != nil {
			close(c.done)
			continue
		}
		batch = append(batch, c)
	}
	p.queue = p.queue[taken:]
	if len(batch) == 0 {
		p.running, p.queue = false, nil
		close(p.idle)
		return nil
	}
	p.began = time.Now()
	return batch
}

// stop refuses what comes, and lets what was accepted finish, for a while.
func (p *pinger) stop() {
	p.mu.Lock()
	p.stopped = true
	running, idle := p.running, p.idle
	p.mu.Unlock()
	defer p.end()
	if !running {
		return
	}
	select {
	case <-idle:
	case <-time.After(closeTime):
		p.end()
		<-idle
	}
}

// pingBatch commits a batch. When it fails for a reason of its own, each ping is
// tried alone.
func (s *Store) pingBatch(batch []*pingCall) {
	err := s.commitPings(batch)
	if kind := s.dialect.Kind(err); err != nil && len(batch) > 1 && (kind == Other || kind == Retry) {
		for _, c := range batch {
			c.err = s.commitPings([]*pingCall{c})
		}
		return
	}
	if err != nil {
		for _, c := range batch {
			c.err = err
		}
	}
}

func (s *Store) commitPings(batch []*pingCall) error {
	ctx := context.Background()
	if s.dialect.Clock != "" { // a server may hang; a file does not
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(s.pinger.ctx, batchTime)
		defer cancel()
	}
	if err := s.pings.prepare(ctx, s, pingStatements); err != nil {
		return err
	}
	results := make([]pinged, len(batch))
	err := s.inTx(ctx, func(t *tx) error {
		clear(results)
		return t.ping(ctx, batch, results)
	})
	if err != nil {
		return err
	}
	for i, c := range batch {
		c.now, c.err = results[i].heartbeat, results[i].err
	}
	return nil
}

type pinged struct {
	heartbeat alerting.Heartbeat
	err       error
}

func (t *tx) ping(ctx context.Context, batch []*pingCall, results []pinged) error {
	if err := t.listen(ctx); err != nil {
		return err
	}
	names := make([]string, len(batch))
	for i, c := range batch {
		names[i] = c.ping.Name
	}
	there, err := t.heartbeats(ctx, names)
	if err != nil {
		return err
	}
	fresh, changed := map[string]alerting.Heartbeat{}, map[string]alerting.Heartbeat{}
	for i, c := range batch {
		into, h := changed, there[c.ping.Name]
		if h.Name == "" {
			into = fresh
			if h = fresh[c.ping.Name]; h.Name == "" {
				if h, results[i].err, err = t.declareByPing(ctx, &c.ping, len(fresh)); err != nil {
					return err
				}
			}
		} else if earlier, twice := changed[c.ping.Name]; twice {
			h = earlier
		}
		if results[i].err == nil {
			h = h.Ping(c.ping, t.now)
			into[h.Name], results[i].heartbeat = h, h
		}
	}
	if err := t.saveHeartbeats(ctx, insertHeartbeat, fresh); err != nil {
		return err
	}
	return t.saveHeartbeats(ctx, replaceHeartbeat, changed)
}

// declareByPing makes a new heartbeat of a ping, or refuses it. others is how
// many this transaction has made already.
func (t *tx) declareByPing(ctx context.Context, p *alerting.HeartbeatPing, others int) (h alerting.Heartbeat, refused, err error) {
	if p.Period == 0 {
		return h, &alerting.UndeclaredError{Name: p.Name}, nil
	}
	counts, err := collect(ctx, t, func(row scanner) (n int, err error) { return n, row.Scan(&n) }, "SELECT COUNT(*) FROM alert_heartbeats WHERE declared = ?", string(alerting.FromPing))
	if err != nil {
		return h, nil, fmt.Errorf("count heartbeats: %w", err)
	}
	if counts[0]+others >= alerting.MaxPingDeclared {
		return h, &alerting.RefusedError{Reason: alerting.Reason{Code: "too_many_heartbeats", Detail: fmt.Sprint(alerting.MaxPingDeclared)}}, nil
	}
	return alerting.DeclareHeartbeat(alerting.FromPing, p.Name, p.HeartbeatTerms, t.now), nil, nil
}
