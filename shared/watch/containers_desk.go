package watch

import (
	"context"
	"errors"
	"time"

	"trade-monitor/shared/alerting"
)

const (
	// containerPost bounds one attempt to store an event, containerSave one to
	// store a memory, containerFirst the one that an alarm waits for.
	containerPost  = 10 * time.Second
	containerSave  = 5 * time.Second
	containerFirst = time.Second
)

// containerDesk stores what is owed and what is remembered, in this order: the
// memory with the owed event, the event, the memory without it. A crash in
// between repeats the event under the same key, and the record takes it once.
type containerDesk struct {
	home    *Containers
	box     containerOutbox
	saved   string // the memory as it is stored
	unsaved bool   // the last attempt failed
	retryAt time.Time
	pause   time.Duration
}

// settle does what it can now; retryAt is when to come again. memory is called
// for what is to be stored, and what it is compared by.
func (d *containerDesk) settle(ctx context.Context, memory func() (m alerting.WatchMemory, compare string)) {
	if now := d.home.o.Now(); now.Before(d.retryAt) {
		return
	}
	d.retryAt = time.Time{}
	_ = d.save(ctx, memory) // whether it works or not, the event comes next
	err := d.post(ctx)
	if err == nil {
		err = d.save(ctx, memory)
	}
	if err == nil {
		d.pause = 0
		return
	}
	if ctx.Err() == nil && d.pause == 0 {
		d.home.o.Log.Error("容器监视暂不能写入数据库 (the container watch waits for the database)", "error", err)
	}
	d.pause = containerBackoff(d.pause)
	d.retryAt = d.home.o.Now().Add(d.pause)
}

// save stores the memory when it is another one than is stored.
func (d *containerDesk) save(ctx context.Context, memory func() (alerting.WatchMemory, string)) error {
	m, compare := memory()
	if compare == d.saved && !d.unsaved {
		return nil
	}
	limit := containerSave
	if len(d.box.Owed) > 0 {
		limit = containerFirst // an alarm does not wait long for its memory
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := d.home.memory.SaveWatch(ctx, m)
	d.unsaved = err != nil
	if err == nil {
		d.saved = compare
	}
	return err
}

// post stores what is owed, in order, until one fails.
func (d *containerDesk) post(ctx context.Context) error {
	for len(d.box.Owed) > 0 {
		next := d.box.Owed[0]
		err := d.record(ctx, next)
		var invalid *alerting.InvalidError
		switch {
		case errors.As(err, &invalid), errors.Is(err, alerting.ErrIdempotency):
			// It will never be taken. That is our own mistake; the next ones are not.
			d.home.o.Log.Error("容器事件未被接受 (a container event was not accepted)", "type", next.Event.Type, "service", next.Event.Service, "error", err)
		case err != nil:
			d.box.Owed[0].Tried = true
			return err
		default:
			d.home.o.Log.Info("容器事件 (container event)", "type", next.Event.Type, "service", next.Event.Service, "resolved", next.Event.Resolved)
		}
		d.box.stored()
	}
	return nil
}

func (d *containerDesk) record(ctx context.Context, o containerOwed) error {
	ctx, cancel := context.WithTimeout(ctx, containerPost)
	defer cancel()
	_, err := d.home.recorder.RecordEvent(ctx, o.Event, idempotency(o.Key...))
	return err
}
