package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"trade-monitor/shared/alerting"
)

// logMemory is what a log watch keeps over our own restart: what it knows, not
// on which clock it knew it, and what it has not told yet.
type logMemory struct {
	Pattern       string    `json:"pattern"` // a digest: another pattern is not armed yet
	ContainerID   string    `json:"containerId"`
	StartedAt     time.Time `json:"startedAt"`
	Armed         bool      `json:"armed"`
	ProgressStamp time.Time `json:"progressStamp"`
	Silent        bool      `json:"silent"`
	RepeatAt      time.Time `json:"repeatAt"`
	Posts         int64     `json:"posts"`
	Warned        bool      `json:"warnedUnmatched"`
	ToldUnseen    bool      `json:"toldUnseen"`
	ToldDeaf      bool      `json:"toldDeaf"`
	Outbox        outbox    `json:"outbox"`
}

func patternDigest(p alerting.LinePattern) string {
	sum := sha256.Sum256([]byte(p.String()))
	return hex.EncodeToString(sum[:8])
}

// recall takes up what an earlier process knew.
func (w *logWatch) recall(m alerting.WatchMemory) {
	var known logMemory
	if json.Unmarshal(m.Memory, &known) != nil {
		return // none, or of a program that wrote it otherwise: begin anew
	}
	s, now := &w.state, w.now()
	s.ContainerID, s.StartedAt = known.ContainerID, known.StartedAt
	if known.Pattern == patternDigest(w.rule.Progress) {
		s.Armed, s.ProgressStamp, s.Silent, s.Posts, s.WarnedUnmatched = known.Armed, known.ProgressStamp, known.Silent, known.Posts, known.Warned
		if s.Silent {
			s.RepeatAt = now.Add(min(known.RepeatAt.Sub(now), w.rule.Interval)) // whatever happened to our clock
		}
	}
	f := &w.facts
	f.seen, f.toldUnseen, f.toldDeaf = known.ContainerID != "", known.ToldUnseen, known.ToldDeaf
	f.falseAlarms, f.deafTimes = m.Watch.FalseAlarms, m.Watch.DeafTimes
	if m.Watch.State != "" {
		f.state, f.since = m.Watch.State, m.Watch.Since
	}
	w.kept, w.keptAt = s.ProgressStamp, now
	w.desk.box = known.Outbox.recall()
	_, w.desk.saved = w.remember()
}

// remember is what is worth keeping now, and what it is compared by: progress
// alone is stored every saveEvery.
func (w *logWatch) remember() (alerting.WatchMemory, string) {
	watch, m, now := w.watch(), w.memory(), w.now()
	raw, _ := json.Marshal(m) // strings, numbers and times: never fails
	if !m.ProgressStamp.Equal(w.kept) && now.Sub(w.keptAt) >= saveEvery {
		w.kept, w.keptAt = m.ProgressStamp, now
	}
	m.ProgressStamp, m.Outbox = w.kept, m.Outbox.bare()
	compare, _ := json.Marshal(m)
	return alerting.WatchMemory{Watch: watch, Memory: raw}, string(compare) + string(watch.State)
}

func (w *logWatch) memory() logMemory {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, f := &w.state, &w.facts
	return logMemory{
		Pattern: patternDigest(w.rule.Progress), ContainerID: s.ContainerID, StartedAt: s.StartedAt,
		Armed: s.Armed, ProgressStamp: s.ProgressStamp, Silent: s.Silent, RepeatAt: s.RepeatAt.Round(0), Posts: s.Posts, Warned: s.WarnedUnmatched,
		ToldUnseen: f.toldUnseen, ToldDeaf: f.toldDeaf, Outbox: w.desk.box,
	}
}

// keep stores what is known at the end of the watch.
func (w *logWatch) keep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	m, _ := w.remember()
	if err := w.desk.memory.SaveWatch(ctx, m); err != nil {
		w.all.o.Log.Debug("the memory of a log watch is older than it could be", "container", w.rule.Container, "error", err)
	}
}

// owe puts an event into the queue.
func (w *logWatch) owe(e owedEvent) { w.desk.box.add(e.Event, e.Key) }
