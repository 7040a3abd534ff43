package watch

import (
	"slices"
	"time"

	"trade-monitor/shared/alerting"
)

// containerOutbox holds the events that are owed to the record, in order. While
// the database is away it does not grow: of each type the newest alarm and the
// newest end are kept, and an end that nobody needs to hear of takes its alarm
// along.
type containerOutbox struct {
	Owed   []containerOwed `json:",omitempty"`
	Stored []string        `json:",omitempty"` // the types whose alarm is in the record, and whose end is not
}

// containerOwed is one event with its key. Tried: it may be stored already,
// since an attempt that brought an error may have succeeded.
type containerOwed struct {
	Event alerting.Event
	Key   []string
	Tried bool `json:",omitempty"`
}

// add owes an event.
func (b *containerOutbox) add(ev alerting.Event, key []string) {
	of := func(resolved bool) func(containerOwed) bool {
		return func(o containerOwed) bool { return o.Event.Type == ev.Type && o.Event.Resolved == resolved }
	}
	alarm, end := of(false), of(true)
	tried := slices.ContainsFunc(b.Owed, func(o containerOwed) bool { return alarm(o) && o.Tried })
	dropped, ends := slices.ContainsFunc(b.Owed, alarm), slices.ContainsFunc(b.Owed, end)
	b.Owed = slices.DeleteFunc(slices.Clone(b.Owed), func(o containerOwed) bool { return alarm(o) || ev.Resolved && end(o) })
	if ev.Resolved && dropped && !tried && !ends && !slices.Contains(b.Stored, ev.Type) {
		return // nobody heard that it began
	}
	b.Owed = append(b.Owed, containerOwed{Event: ev, Key: key})
}

// stored notes that the first event is in the record.
func (b *containerOutbox) stored() {
	first := b.Owed[0]
	b.Owed = slices.Delete(slices.Clone(b.Owed), 0, 1)
	b.Stored = slices.DeleteFunc(slices.Clone(b.Stored), func(t string) bool { return t == first.Event.Type })
	if !first.Event.Resolved {
		b.Stored = append(b.Stored, first.Event.Type)
	}
}

// containerBackoff doubles from 0.5 s to 10 s.
func containerBackoff(last time.Duration) time.Duration {
	return min(max(2*last, 500*time.Millisecond), 10*time.Second)
}
