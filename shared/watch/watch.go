package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"trade-monitor/shared/alerting"
)

// Recorder commits an event and everything that follows from it. An event that
// it was given before under the same idempotency key is not recorded again.
type Recorder interface {
	RecordEvent(ctx context.Context, ev alerting.Event, idem *alerting.Idempotency) (alerting.Receipt, error)
}

// idempotency identifies one event by what it is about, so that a crash between
// recording it and noting that cannot double it.
func idempotency(parts ...string) *alerting.Idempotency {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	key := hex.EncodeToString(h.Sum(nil))
	return &alerting.Idempotency{Key: key, Body: key}
}

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
