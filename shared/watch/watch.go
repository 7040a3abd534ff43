package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"trade-monitor/shared/alerting"
)

// Recorder stores an event and what follows from it. The same idempotency key
// is stored once.
type Recorder interface {
	RecordEvent(ctx context.Context, ev alerting.Event, idem *alerting.Idempotency) (alerting.Receipt, error)
}

// Memory keeps what a watch must know after our own restart.
type Memory interface {
	LoadWatches(ctx context.Context, host string) ([]alerting.WatchMemory, error)
	SaveWatch(ctx context.Context, m alerting.WatchMemory) error
	ForgetWatch(ctx context.Context, kind alerting.WatchKind, name, host string) error
}

// idempotency identifies an event by what it is about.
func idempotency(parts ...string) *alerting.Idempotency {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	sum := hex.EncodeToString(h.Sum(nil))
	return &alerting.Idempotency{Key: sum, Body: sum}
}
