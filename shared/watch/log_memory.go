package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"trade-monitor/shared/alerting"
)

// logMemory is what a log watch keeps over our own restart: what it knows, not
// on which clock it knew it.
type logMemory struct {
	Pattern       string    `json:"pattern"` // a digest: another pattern is not armed yet
	ContainerID   string    `json:"containerId"`
	StartedAt     time.Time `json:"startedAt"`
	Armed         bool      `json:"armed"`
	ProgressStamp time.Time `json:"progressStamp"`
	Silent        bool      `json:"silent"`
	Episode       int64     `json:"episode"`
	Posts         int64     `json:"posts"`
	Warned        bool      `json:"warnedUnmatched"`
	ToldUnseen    bool      `json:"toldUnseen"`
	ToldDeaf      bool      `json:"toldDeaf"`
	DeafEpisode   int64     `json:"deafEpisode"`
}

// savedLog is what was stored last.
type savedLog struct {
	memory logMemory
	state  alerting.WatchState
	at     time.Time
	again  pacing
	retry  time.Time
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
	s := &w.state
	s.ContainerID, s.StartedAt, s.Episode = known.ContainerID, known.StartedAt, known.Episode
	if known.Pattern == patternDigest(w.rule.Progress) {
		s.Armed, s.ProgressStamp, s.Silent, s.Posts, s.WarnedUnmatched = known.Armed, known.ProgressStamp, known.Silent, known.Posts, known.Warned
	}
	f := &w.facts
	f.seen, f.toldUnseen, f.toldDeaf, f.deafEpisode = known.ContainerID != "", known.ToldUnseen, known.ToldDeaf, known.DeafEpisode
	f.falseAlarms, f.deafTimes = m.Watch.FalseAlarms, m.Watch.DeafTimes
	if m.Watch.State != "" {
		f.state, f.since = m.Watch.State, m.Watch.Since
	}
	w.saved.memory, w.saved.state = known, f.state
}

// remember is what is worth keeping now.
func (w *logWatch) remember() alerting.WatchMemory {
	watch := w.watch()
	raw, _ := json.Marshal(w.memory()) // strings, numbers and times: never fails
	return alerting.WatchMemory{Watch: watch, Memory: raw}
}

func (w *logWatch) memory() logMemory {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, f := &w.state, &w.facts
	return logMemory{
		Pattern: patternDigest(w.rule.Progress), ContainerID: s.ContainerID, StartedAt: s.StartedAt,
		Armed: s.Armed, ProgressStamp: s.ProgressStamp, Silent: s.Silent, Episode: s.Episode, Posts: s.Posts, Warned: s.WarnedUnmatched,
		ToldUnseen: f.toldUnseen, ToldDeaf: f.toldDeaf, DeafEpisode: f.deafEpisode,
	}
}

// save stores what changed: at once what a later process must not tell twice,
// and progress alone every saveEvery. It is called after everything owed was
// committed; should we end in between, the same is posted again under the same
// key.
func (w *logWatch) save(ctx context.Context) {
	now := w.now()
	if len(w.owed) > 0 || now.Before(w.saved.retry) || ctx.Err() != nil {
		return
	}
	m := w.memory()
	was := w.saved.memory
	stamp := m.ProgressStamp
	m.ProgressStamp = was.ProgressStamp
	urgent := m != was || w.saved.state != w.watch().State
	m.ProgressStamp = stamp
	if !urgent && (stamp.Equal(was.ProgressStamp) || now.Sub(w.saved.at) < saveEvery) {
		return
	}
	w.store(ctx, m, now)
}

func (w *logWatch) store(ctx context.Context, m logMemory, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, postTime)
	defer cancel()
	remembered := w.remember()
	if err := w.all.memory.SaveWatch(ctx, remembered); err != nil {
		w.saved.retry = now.Add(w.saved.again.next(slowly))
		return
	}
	w.saved.again.reset()
	w.saved.retry = time.Time{}
	w.saved.memory, w.saved.state, w.saved.at = m, remembered.Watch.State, now
}

// saveAt is when a save that failed is tried again; zero: there is none, or the
// events come first.
func (w *logWatch) saveAt() time.Time {
	if len(w.owed) > 0 {
		return time.Time{}
	}
	return w.saved.retry
}

// keep stores what is known at the end of the watch.
func (w *logWatch) keep(ctx context.Context) {
	if len(w.owed) == 0 {
		w.store(context.WithoutCancel(ctx), w.memory(), w.now())
	}
}

// owe puts an event into the queue. A newer word about the same replaces one
// that was not committed; the end of something that nobody can have heard of is
// no news either.
func (w *logWatch) owe(e owedEvent) {
	unheard := false
	w.owed = slices.DeleteFunc(w.owed, func(o owedEvent) bool {
		same := o.event.Type == e.event.Type
		unheard = unheard || same && o.first && !o.tried
		e.first, e.tried = e.first || same && o.first, e.tried || same && o.tried
		return same
	})
	if unheard && e.event.Resolved {
		return
	}
	w.owed = append(w.owed, e)
	w.postAt = w.now()
}

// post commits what is owed, in order.
func (w *logWatch) post(ctx context.Context) {
	for len(w.owed) > 0 && !w.now().Before(w.postAt) && ctx.Err() == nil {
		w.owed[0].tried = true
		if err := w.postOne(ctx, w.owed[0]); err != nil {
			w.postAt = w.now().Add(w.posting.next(slowly))
			w.all.o.Log.Warn("事件暂时无法保存 (an event cannot be stored now)", "watch", "log", "container", w.rule.Container, "error", err)
			return
		}
		w.posting.reset()
		w.owed = w.owed[1:]
	}
	if len(w.owed) == 0 {
		w.postAt = time.Time{}
	}
}

func (w *logWatch) postOne(ctx context.Context, e owedEvent) error {
	ctx, cancel := context.WithTimeout(ctx, postTime)
	defer cancel()
	_, err := w.all.recorder.RecordEvent(ctx, e.event, e.key)
	return err
}
