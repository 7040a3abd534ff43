package watchdog

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"
)

// event is the user guide's body of POST /api/events/notify.
type event struct {
	EventType   string   `json:"eventType"`
	ServiceName string   `json:"serviceName"`
	Severity    string   `json:"severity"`
	Title       string   `json:"title"`
	Message     string   `json:"message"`
	Status      string   `json:"status,omitempty"`
	Metadata    metadata `json:"metadata"`
}

type metadata struct {
	LastSyncTime         *string `json:"lastSyncTime"` // RFC 3339; null: nothing was ever synced
	MinutesSinceLastSync int     `json:"minutesSinceLastSync"`
}

// stall is what is known when something is posted.
type stall struct {
	lastSync time.Time // zero: none since the start
	quiet    time.Duration
}

// owed is something that Trade Monitor must still be told. Its key and body
// stay the same from try to try, so that a retry of what had arrived after all
// is answered, not counted again.
type owed struct {
	resolved bool
	key      string
	body     []byte
	try      int
	next     time.Time
}

func (w *Watchdog) owe(resolved bool, s stall, now time.Time) (*owed, error) {
	ev := event{
		EventType:   "TICKER_SYNC_TIMEOUT",
		ServiceName: w.o.Service,
		Severity:    "ERROR",
		Title:       "Ticker同步超时告警",
		Message:     fmt.Sprintf("Ticker数据同步已超过%s未输出日志", words(w.o.Timeout)),
		Metadata:    metadata{MinutesSinceLastSync: int(s.quiet / time.Minute)},
	}
	if resolved {
		ev.Severity, ev.Status = "INFO", "RESOLVED"
		ev.Title, ev.Message = "Ticker同步已恢复", "Ticker数据同步已恢复正常"
	}
	if !s.lastSync.IsZero() {
		last := s.lastSync.Format(time.RFC3339)
		ev.Metadata.LastSyncTime = &last
	}
	body, err := json.Marshal(ev)
	if err != nil {
		return nil, fmt.Errorf("encode the event: %w", err)
	}
	return &owed{resolved: resolved, key: rand.Text(), body: body, next: now}, nil
}

// words writes a time-out as the guide's message does: 3分钟.
func words(d time.Duration) string {
	minutes, seconds := int(d/time.Minute), int(d%time.Minute/time.Second)
	switch {
	case d < time.Second:
		return d.String()
	case seconds == 0:
		return fmt.Sprintf("%d分钟", minutes)
	case minutes == 0:
		return fmt.Sprintf("%d秒", seconds)
	}
	return fmt.Sprintf("%d分%d秒", minutes, seconds)
}
