package watch

import (
	"context"
	"time"
)

// span is from where to where a backoff doubles.
type span struct{ from, to time.Duration }

var (
	quickly = span{100 * time.Millisecond, 5 * time.Second}  // a stream that was cut: usually it stands again at once
	slowly  = span{500 * time.Millisecond, 10 * time.Second} // an engine or a database that is away
)

// backoff is how long to wait after the n-th failure in a row; its zero value
// has seen none.
type backoff struct{ last time.Duration }

// next is the wait after one more failure.
func (b *backoff) next(s span) time.Duration {
	b.last = min(max(2*b.last, s.from), s.to)
	return b.last
}

// wait waits for it, or until ctx ends.
func (b *backoff) wait(ctx context.Context, s span) {
	timer := time.NewTimer(b.next(s))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (b *backoff) reset() { b.last = 0 }
