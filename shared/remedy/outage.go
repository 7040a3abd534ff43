package remedy

import (
	"sync"
	"time"
)

// outage paces the looks at an engine that is away: the longer it has been, the
// rarer, from 1 s to 15 s. There is one engine, so all remediations share it.
type outage struct {
	mu    sync.Mutex
	since time.Time
}

// lasts notes that the engine is away now, and tells when to look again.
func (o *outage) lasts(now time.Time) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		o.since = now
	}
	return now.Add(min(max(now.Sub(o.since), time.Second), 15*time.Second))
}

// over notes that the engine answers.
func (o *outage) over() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.since = time.Time{}
}
