package remedy

import (
	"context"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

// proofs time how long containers have been proving themselves. A proof is timed
// by the store's clock, from when the container was first seen to be as it should
// (Remediation.ProvenFrom): not by StartedAt, which is by the engine's, on another
// host perhaps, or in a virtual machine that slept. Any of these clocks may be
// set, and that must not make a container run longer: within one process a proof
// is no longer than what really passed.
type proofs struct {
	mu    sync.Mutex
	known map[int64]proof
}

// proof is how much had been proven when this process first looked.
type proof struct {
	before time.Duration
	at     time.Time // by the clock that only goes on
}

// lasted is how long a remediation's proof has lasted, of which the store's clock
// says d.
func (p *proofs) lasted(id int64, d time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	first, known := p.known[id]
	if !known {
		first = proof{before: d, at: time.Now()}
		p.known[id] = first
	}
	return min(d, first.before+time.Since(first.at))
}

func (p *proofs) end(id int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, id)
}

// proofTime is now, as far as the proof has come.
func (s *step) proofTime() time.Time {
	now := s.now()
	if s.r.ProvenFrom.IsZero() {
		s.r.ProvenFrom = now // an older version began it, and did not note when
	}
	return s.r.ProvenFrom.Add(s.loop.proofs.lasted(s.r.ID, now.Sub(s.r.ProvenFrom)))
}

// awaitProof waits for an engine that went away during the proof.
func (s *step) awaitProof(ctx context.Context, err error) error {
	rule, from := s.rule().Verify, s.r.RequestedAt
	if s.r.CallLimit.After(from) {
		from = s.r.CallLimit
	}
	return s.awaitEngine(ctx, err, from.Add(max(rule.Healthy, rule.Steady)+outlast), alerting.UnknownOutcome)
}
