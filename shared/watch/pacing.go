package watch

import (
	"context"
	"time"
)

// span is from where to where a pacing doubles.
type span struct{ from, to time.Duration }

var (
	quickly = span{100 * time.Millisecond, 5 * time.Second}  // a stream that was cut: usually it stands again at once
	slowly  = span{500 * time.Millisecond, 10 * time.Second} // an engine or a database that is away
)

// pacing is how long to wait after the n-th failure in a row; its zero value
// has seen none.
type pacing struct{ last time.Duration }

// next is the wait after one more failure.
func (b *pacing) next(s span) time.Duration {
	b.last = min(max(2*b.last, s.from), s.to)
	return b.last
}

// wait waits for it, or until ctx ends.
func (b *pacing) wait(ctx context.Context, s span) {
	timer := time.NewTimer(b.next(s))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (b *pacing) reset() { b.last = 0 }

// backoff doubles from 1 s to 10 s while there are errors.
func backoff(last time.Duration, err error) time.Duration {
	switch {
	case err == nil:
		return 0
	case last == 0:
		return time.Second
	}
	return min(2*last, 10*time.Second)
}
