package watch

import (
	"slices"

	"trade-monitor/shared/alerting"
)

func (o *containerOne) put(item containerItem) {
	o.mu.Lock()
	o.items = append(o.items, item)
	o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// next takes the oldest item; false: there is none.
func (o *containerOne) next() (item containerItem, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.items) == 0 {
		return item, false
	}
	item, o.items = o.items[0], o.items[1:]
	return item, true
}

// takeOOMs takes those of a container that wait, before their turn.
func (o *containerOne) takeOOMs(id string) (ooms []containerItem) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.items = slices.DeleteFunc(o.items, func(item containerItem) bool {
		oom := !item.look && !item.lost && item.event.Action == alerting.ContainerOOMed && item.event.ID == id
		if oom {
			ooms = append(ooms, item)
		}
		return oom
	})
	return ooms
}
