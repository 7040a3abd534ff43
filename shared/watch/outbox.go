package watch

import (
	"slices"

	"trade-monitor/shared/alerting"
)

// outbox holds the events that are owed to the record, in order. While the
// database is away it does not grow: of each type the newest alarm and the newest
// end are kept, and an end that nobody needs to hear of takes its alarm along.
type outbox struct {
	Owed   []owedEvent `json:",omitempty"`
	Stored []string    `json:",omitempty"` // the types whose alarm is in the record, and whose end is not
}

// owedEvent is one event with its key. Tried: it, or an alarm that it took the
// place of, may be stored already, since an attempt that brought an error may
// have succeeded.
type owedEvent struct {
	Event alerting.Event
	Key   []string
	Tried bool `json:",omitempty"`
}

// add owes an event.
func (b *outbox) add(ev alerting.Event, key []string) {
	of := func(resolved bool) func(owedEvent) bool {
		return func(o owedEvent) bool { return o.Event.Type == ev.Type && o.Event.Resolved == resolved }
	}
	alarm, end := of(false), of(true)
	tried := slices.ContainsFunc(b.Owed, func(o owedEvent) bool { return alarm(o) && o.Tried })
	dropped, ends := slices.ContainsFunc(b.Owed, alarm), slices.ContainsFunc(b.Owed, end)
	b.Owed = slices.DeleteFunc(slices.Clone(b.Owed), func(o owedEvent) bool { return alarm(o) || ev.Resolved && end(o) })
	if ev.Resolved && dropped && !tried && !ends && !slices.Contains(b.Stored, ev.Type) {
		return // nobody heard that it began
	}
	b.Owed = append(b.Owed, owedEvent{Event: ev, Key: key, Tried: tried && !ev.Resolved})
}

// stored notes that the first event is in the record.
func (b *outbox) stored() {
	first := b.Owed[0]
	b.Owed = slices.Delete(slices.Clone(b.Owed), 0, 1)
	b.Stored = slices.DeleteFunc(slices.Clone(b.Stored), func(t string) bool { return t == first.Event.Type })
	if !first.Event.Resolved {
		b.Stored = append(b.Stored, first.Event.Type)
	}
}

// recall is what an earlier process owed: whether it is stored already is not
// known.
func (b outbox) recall() outbox { return b.tried(true) }

// bare is the outbox without what changes when nothing has.
func (b outbox) bare() outbox { return b.tried(false) }

func (b outbox) tried(tried bool) outbox {
	b.Owed = slices.Clone(b.Owed)
	for i := range b.Owed {
		b.Owed[i].Tried = tried
	}
	return b
}
