package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"

	"trade-monitor/shared/alerting"
)

// remembered is how many events, of every kind, the engine keeps in memory. It
// loses them when it restarts (moby, daemon/events: eventsLimit).
const remembered = 256

// Recall tells what the engine remembers: a mark of its newest event, opaque,
// short and printable, and when the container was last told to end.
func (e *Engine) Recall(ctx context.Context, id string) (alerting.Recollection, error) {
	memory, now, err := e.memory(ctx)
	if err != nil {
		return alerting.Recollection{}, err
	}
	r := alerting.Recollection{Now: now}
	for _, ev := range memory {
		if killOf(ev, id) {
			r.KilledAt = time.Unix(0, ev.TimeNano).UTC()
		}
	}
	if len(memory) > 0 {
		r.Mark = markOf(memory[len(memory)-1])
	}
	return r, nil
}

// Since tells what happened to a container since a mark was taken.
//
// killed: the engine remembers a `kill` event of the container that is newer
// than the mark: a stop or restart was ordered. Without a usable mark, newer
// than since.
//
// sameBoot: the engine shows that it has not restarted since the mark:
//   - the marked event is still remembered: it has not;
//   - it is gone from a memory that is not full: it has;
//   - it is gone from a full memory: it may have rolled over (health probes
//     alone fill it in minutes). Nothing else proves it either way: the API
//     tells no start time of the engine, and the containers' start times stay
//     with live-restore. Worse, a kill may have rolled over with it. So the
//     answer is no, unless a kill is remembered: then this very engine took the
//     order and is at work on it;
//   - the mark is empty, as the engine remembered nothing: cannot be told, no.
func (e *Engine) Since(ctx context.Context, id string, since time.Time, mark string) (killed, sameBoot bool, err error) {
	memory, _, err := e.memory(ctx)
	if err != nil {
		return false, false, err
	}
	killed, sameBoot = judge(memory, id, since, mark)
	return killed, sameBoot, nil
}

// judge is Since on a memory that was read, oldest event first.
func judge(memory []events.Message, id string, since time.Time, mark string) (killed, sameBoot bool) {
	after := since.UnixNano()
	if at, ok := markTime(mark); ok {
		after = at
	}
	for _, ev := range memory {
		switch {
		case mark != "" && markOf(ev) == mark:
			sameBoot = true
		case ev.TimeNano >= after && killOf(ev, id):
			killed = true
		}
	}
	rolledOver := !sameBoot && mark != "" && len(memory) >= remembered
	return killed, sameBoot || rolledOver && killed
}

// killOf tells whether an event is a signal to the container that means its end.
func killOf(ev events.Message, id string) bool {
	if ev.Type != events.ContainerEventType || ev.Action != events.ActionKill || ev.Actor.ID != id {
		return false
	}
	signal, err := strconv.Atoi(ev.Actor.Attributes["signal"])
	return err != nil || alerting.MeansEnd(signal)
}

// markOf is the event's time on the engine's clock and a digest of the rest.
func markOf(ev events.Message) string {
	h := sha256.New()
	for _, part := range []string{string(ev.Type), string(ev.Action), ev.Actor.ID} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return fmt.Sprintf("%d/%s", ev.TimeNano, hex.EncodeToString(h.Sum(nil)[:6]))
}

func markTime(mark string) (int64, bool) {
	nanos, _, _ := strings.Cut(mark, "/")
	at, err := strconv.ParseInt(nanos, 10, 64)
	return at, err == nil
}

// memory reads what the engine remembers, oldest event first. Both ends of the
// query are in the past, so that the engine answers and does not follow. now is
// the engine's clock, just before.
func (e *Engine) memory(ctx context.Context) (memory []events.Message, now time.Time, err error) {
	now, err = e.Clock(ctx)
	if err != nil {
		return nil, now, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err = e.call(ctx, "events", func(ctx context.Context) error {
		messages, errs := e.api.Events(ctx, events.ListOptions{Until: instant(now)})
		for {
			select {
			case ev := <-messages:
				memory = append(memory, ev)
			case err := <-errs:
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
		}
	})
	return memory, now, err
}
