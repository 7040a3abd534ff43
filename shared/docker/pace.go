package docker

import (
	"context"
	"errors"
	"io"
	"time"
)

const (
	// streamBuffer is how much of a stream is read at once: that many bytes of
	// a connection, and as many of the log that was in them.
	streamBuffer = 64 << 10
	// busy is how many bytes one read brings when a log is written so fast that
	// to wait for more would hold the engine up.
	busy = 8 << 10
)

// pump reads a log to its end. After a read that drained the connection the
// lines of the next moment are left to gather, so that a busy log costs a
// wake-up per moment and not per line; after a pause longer than that a line is
// handed on at once.
func pump(ctx context.Context, body io.Reader, pace time.Duration, lines *splitter) error {
	buffer := make([]byte, streamBuffer)
	rest := 0
	wait := newPacer(pace)
	defer wait.stop()
	for {
		n, err := body.Read(buffer[rest:])
		have := rest + n
		used, broken := lines.feed(buffer[:have])
		if broken != nil {
			return broken
		}
		rest = copy(buffer, buffer[used:have])
		switch {
		case errors.Is(err, io.EOF):
			return lines.finish(buffer[:rest])
		case err != nil:
			return err
		case n < busy:
			wait.next(ctx)
		}
	}
}

// epoch is what all pacers count from: streams that wait together wake up
// together, which is cheaper for the whole process.
var epoch = time.Now()

// pacer waits for the next of the moments that all streams share.
type pacer struct {
	pace  time.Duration
	timer *time.Timer
}

func newPacer(pace time.Duration) pacer {
	timer := time.NewTimer(pace)
	timer.Stop()
	return pacer{pace: pace, timer: timer}
}

func (p pacer) next(ctx context.Context) {
	phase := time.Since(epoch) % p.pace
	if phase < 0 { // a clock that was moved
		phase += p.pace
	}
	p.timer.Reset(p.pace - phase)
	select {
	case <-p.timer.C:
	case <-ctx.Done(): // the next read says so too
	}
}

func (p pacer) stop() { p.timer.Stop() }
