package docker

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"trade-monitor/shared/alerting"
)

// maxQueue is how many events may wait for a slow visitor: some 20 MiB.
const maxQueue = 1 << 16

// actions are those that the domain knows. Health probes alone would be
// thousands of others an hour.
var actions = map[alerting.ContainerAction]bool{
	alerting.ContainerStarted: true, alerting.ContainerDied: true, alerting.ContainerKilled: true,
	alerting.ContainerWasStop: true, alerting.ContainerOOMed: true, alerting.ContainerHealth: true,
	alerting.ContainerRenamed: true, alerting.ContainerCreated: true, alerting.ContainerDestroyed: true,
	alerting.ContainerPaused: true, alerting.ContainerUnpaused: true,
}

// Subscribe hands on what happens to containers, in the engine's order, until
// ctx ends (its error) or the stream does: nil when the engine ended it without
// an error. First come the events since a time (inclusive) that the engine still
// remembers, then those that happen; with a zero time only the latter. ready is
// called once, when the engine has begun to answer.
//
// The engine answers before it subscribes, so that an event right after ready
// could be lost. It remembers it, though: a zero time therefore means the
// engine's time just before the request, and the memory fills the gap.
//
// The engine drops events silently for a reader who takes longer than 100 ms.
// So they wait here for a slow visitor; one who is maxQueue behind gets an error
// and has to look for himself.
func (e *Engine) Subscribe(ctx context.Context, since time.Time, ready func(), visit func(alerting.ContainerEvent)) error {
	if since.IsZero() {
		now, err := e.Clock(ctx)
		if err != nil {
			return err
		}
		since = now
	}
	streamed, cancel := context.WithCancel(ctx)
	defer cancel()
	messages, errs, err := e.openEvents(streamed, since)
	if err != nil {
		return err
	}
	if ready != nil {
		ready()
	}
	q := newQueue()
	go func() { q.end(drain(messages, errs, q)) }()
	err = q.each(ctx, visit)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return ended(ctx, "events", err)
}

// openEvents subscribes, and returns when the engine has begun to answer.
func (e *Engine) openEvents(ctx context.Context, since time.Time) (<-chan events.Message, <-chan error, error) {
	only := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)))
	for action := range actions {
		only.Add("event", string(action))
	}
	var messages <-chan events.Message
	var errs <-chan error
	err := e.call(ctx, "events", func(ctx context.Context) error {
		messages, errs = e.api.Events(ctx, events.ListOptions{Since: instant(since), Filters: only})
		select {
		case err := <-errs:
			if !errors.Is(err, io.EOF) {
				return err
			}
			ended := make(chan error, 1) // a stream may be that short
			ended <- err
			errs = ended
		default:
		}
		return nil
	})
	return messages, errs, err
}

// drain moves events into the queue as fast as they come.
func drain(messages <-chan events.Message, errs <-chan error, q *queue) error {
	for {
		select {
		case m := <-messages:
			ev, known := containerEvent(m)
			if known && !q.push(ev) {
				return &Error{op: "events", sent: true, text: "more events than can be kept wait to be looked at"}
			}
		case err := <-errs:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// containerEvent is the engine's message in our words; false: it is of no
// interest.
func containerEvent(m events.Message) (alerting.ContainerEvent, bool) {
	action, detail, _ := strings.Cut(string(m.Action), ": ")
	ev := alerting.ContainerEvent{
		At: time.Unix(0, m.TimeNano).UTC(), ID: m.Actor.ID, Action: alerting.ContainerAction(action),
		Name:    strings.TrimPrefix(m.Actor.Attributes["name"], "/"),
		OldName: strings.TrimPrefix(m.Actor.Attributes["oldName"], "/"),
		Watched: m.Actor.Attributes[WatchLabel] == "true",
	}
	if m.Type != events.ContainerEventType || !actions[ev.Action] {
		return ev, false
	}
	switch ev.Action {
	case alerting.ContainerDied:
		ev.ExitCode, _ = strconv.Atoi(m.Actor.Attributes["exitCode"])
	case alerting.ContainerKilled:
		ev.Signal, _ = strconv.Atoi(m.Actor.Attributes["signal"])
	case alerting.ContainerHealth:
		ev.Health = healthOf(detail)
	}
	return ev, true
}

// queue keeps events between the engine and a visitor.
type queue struct {
	mu      sync.Mutex
	waiting []alerting.ContainerEvent
	ended   bool
	err     error
	more    chan struct{} // holds a token when there is something new to see
}

func newQueue() *queue { return &queue{more: make(chan struct{}, 1)} }

// push adds an event; false: the queue is full.
func (q *queue) push(ev alerting.ContainerEvent) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxQueue {
		return false
	}
	q.waiting = append(q.waiting, ev)
	q.wake()
	return true
}

// end tells that no more will come; what waits is still handed on.
func (q *queue) end(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended, q.err = true, err
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// each hands on what is in the queue until it ended, or ctx does.
func (q *queue) each(ctx context.Context, visit func(alerting.ContainerEvent)) error {
	for {
		select {
		case <-q.more:
		case <-ctx.Done():
			return ctx.Err()
		}
		q.mu.Lock()
		batch, ended, err := q.waiting, q.ended, q.err
		q.waiting = nil
		q.mu.Unlock()
		for _, ev := range batch {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			visit(ev)
		}
		if ended {
			return err
		}
	}
}
