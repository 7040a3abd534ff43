package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"trade-monitor/shared/alerting"
)

// Recorder commits an event and everything that follows from it.
type Recorder interface {
	RecordEvent(ctx context.Context, ev alerting.Event, idem *alerting.Idempotency) (alerting.Receipt, error)
}

// Memory keeps what the watches of containers know over our own restart. host
// is the engine's id.
type Memory interface {
	LoadWatches(ctx context.Context, host string) ([]alerting.WatchMemory, error)
	SaveWatch(ctx context.Context, m alerting.WatchMemory) error
	ForgetWatch(ctx context.Context, kind alerting.WatchKind, name, host string) error
}

// idempotency identifies an event by what it is about: one that was posted
// before a crash, and is posted again after it, counts once.
func idempotency(parts ...string) *alerting.Idempotency {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	key := hex.EncodeToString(h.Sum(nil))
	return &alerting.Idempotency{Key: key, Body: key}
}
