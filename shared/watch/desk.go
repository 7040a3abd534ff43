package watch

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"trade-monitor/shared/alerting"
)

const (
	// postTime bounds one attempt to store an event, saveTime one to store a
	// memory, firstTime the one that an alarm waits for.
	postTime  = 10 * time.Second
	saveTime  = 5 * time.Second
	firstTime = time.Second
)

// desk stores what a watch owes and remembers, in this order: the memory with
// the owed event, the event, the memory without it. A crash in between repeats
// the event under the same key, and the record takes it once.
type desk struct {
	recorder Recorder
	memory   Memory
	log      *slog.Logger
	now      func() time.Time

	box     outbox
	saved   string // the memory as it is stored
	unsaved bool   // the last attempt failed
	retryAt time.Time
	pause   pacing
}

// settle does what it can now; retryAt is when to come again. memory is called
// for what is to be stored, and what it is compared by.
func (d *desk) settle(ctx context.Context, memory func() (m alerting.WatchMemory, compare string)) {
	if now := d.now(); now.Before(d.retryAt) {
		return
	}
	d.retryAt = time.Time{}
	_ = d.save(ctx, memory) // whether it works or not, the event comes next
	err := d.post(ctx)
	if err == nil {
		err = d.save(ctx, memory)
	}
	if err == nil {
		d.pause.reset()
		return
	}
	if ctx.Err() == nil && d.pause == (pacing{}) {
		d.log.Error("监控暂不能写入数据库 (a watch waits for the database)", "error", err)
	}
	d.retryAt = d.now().Add(d.pause.next(slowly))
}

// save stores the memory when it is another one than is stored.
func (d *desk) save(ctx context.Context, memory func() (alerting.WatchMemory, string)) error {
	m, compare := memory()
	if compare == d.saved && !d.unsaved {
		return nil
	}
	limit := saveTime
	if len(d.box.Owed) > 0 {
		limit = firstTime // an alarm does not wait long for its memory
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := d.memory.SaveWatch(ctx, m)
	d.unsaved = err != nil
	if err == nil {
		d.saved = compare
	}
	return err
}

// post stores what is owed, in order, until one fails.
func (d *desk) post(ctx context.Context) error {
	for len(d.box.Owed) > 0 {
		next := d.box.Owed[0]
		err := d.record(ctx, next)
		var invalid *alerting.InvalidError
		switch {
		case errors.As(err, &invalid), errors.Is(err, alerting.ErrIdempotency):
			// It will never be taken. That is our own mistake; the next ones are not.
			d.log.Error("监控事件未被接受 (the event of a watch was not accepted)", "type", next.Event.Type, "service", next.Event.Service, "error", err)
		case err != nil:
			d.box.Owed[0].Tried = true
			return err
		default:
			d.log.Info("监控事件 (event of a watch)", "type", next.Event.Type, "service", next.Event.Service, "resolved", next.Event.Resolved)
		}
		d.box.stored()
	}
	return nil
}

func (d *desk) record(ctx context.Context, o owedEvent) error {
	ctx, cancel := context.WithTimeout(ctx, postTime)
	defer cancel()
	_, err := d.recorder.RecordEvent(ctx, o.Event, idempotency(o.Key...))
	return err
}
