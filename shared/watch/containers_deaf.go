package watch

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"trade-monitor/shared/alerting"
)

const (
	// containerDeafName is what the memory of the engine's own alarm goes by: no
	// container can be called so.
	containerDeafName = ":engine"
	// containerDeafService is what the alarm is about.
	containerDeafService = "docker"
)

// containerDeaf tells when the engine, once reached, stays away: then nobody
// knows how any container is.
type containerDeaf struct {
	home *Containers
	more chan struct{}
	desk desk // of its goroutine alone, except for remember

	mu      sync.Mutex
	reached bool
	since   time.Time // when it was lost; zero: it is there
	flagged bool      // it was lost for so long that everything counts as deaf
	open    bool      // the alarm is told and not over
	times   int64
}

func newContainerDeaf(home *Containers) *containerDeaf {
	return &containerDeaf{home: home, more: make(chan struct{}, 1), desk: home.desk(), since: home.o.Now()}
}

// remember goes on with an alarm that an earlier process told.
func (d *containerDeaf) remember(kept containerMemory) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reached, d.open = true, true
	d.desk.box, d.desk.saved = kept.Outbox.recall(), "by an earlier process"
}

// tell notes that the engine is there, or is lost.
func (d *containerDeaf) tell(there bool) {
	d.mu.Lock()
	switch {
	case there:
		d.reached, d.since = true, time.Time{}
	case d.since.IsZero():
		d.since = d.home.o.Now()
	}
	d.mu.Unlock()
	select {
	case d.more <- struct{}{}:
	default:
	}
}

func (d *containerDeaf) run(ctx context.Context) {
	for ctx.Err() == nil {
		d.wait(ctx)
		d.judge()
		d.mu.Lock()
		keep := d.open || len(d.desk.box.Owed) > 0 || d.desk.saved != ""
		d.mu.Unlock()
		if keep {
			d.desk.settle(ctx, d.memory)
			d.forget(ctx)
		}
	}
}

func (d *containerDeaf) wait(ctx context.Context) {
	d.mu.Lock()
	next := d.desk.retryAt
	if !d.since.IsZero() && !d.flagged {
		if at := d.since.Add(d.home.o.Deaf); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	d.mu.Unlock()
	var timer <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(next.Sub(d.home.o.Now()))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
	case <-d.more:
	case <-timer:
	}
}

// judge raises the alarm, or ends it.
func (d *containerDeaf) judge() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.home.o.Now()
	switch {
	case d.since.IsZero():
		d.flagged = false
		if d.open {
			d.open = false
			d.owe(true, now)
		}
	case !d.flagged && now.Sub(d.since) >= d.home.o.Deaf:
		d.flagged = true
		if d.reached && !d.open {
			d.times++
			d.open = true
			d.owe(false, now)
		}
	}
}

func (d *containerDeaf) owe(resolved bool, now time.Time) {
	policy := d.home.o.Policy()
	title := policy.Language.Pick("无法连接 Docker，容器状态未知", "Docker cannot be reached: the state of the containers is not known")
	if resolved {
		title = policy.Language.Pick("已重新连接 Docker", "Docker can be reached again")
	}
	ev := alerting.Event{
		Type: alerting.WatchIsDeaf, Service: containerDeafService, Severity: alerting.Error,
		Title: title, Message: title, Resolved: resolved,
	}
	state := "deaf"
	if resolved {
		state = "back"
	}
	d.desk.box.add(ev, []string{"container-engine", *d.home.host.Load(), state, now.UTC().Format(time.RFC3339Nano)})
}

func (d *containerDeaf) memory() (alerting.WatchMemory, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := containerMemory{SavedAt: d.home.o.Now(), Outbox: d.desk.box}
	raw, _ := json.Marshal(kept)
	w := alerting.Watch{
		Kind: alerting.ContainerWatch, Name: containerDeafName, Host: *d.home.host.Load(), State: alerting.WatchDeaf,
		Since: d.since, AlertType: alerting.WatchIsDeaf, Service: containerDeafService, DeafTimes: d.times,
	}
	kept.SavedAt, kept.Outbox = time.Time{}, kept.Outbox.bare()
	compare, _ := json.Marshal(kept)
	return alerting.WatchMemory{Watch: w, Memory: raw}, string(compare)
}

// forget drops the memory when the alarm is over and that is in the record.
func (d *containerDeaf) forget(ctx context.Context) {
	d.mu.Lock()
	over := !d.open && len(d.desk.box.Owed) == 0 && d.desk.saved != ""
	d.mu.Unlock()
	if !over {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, saveTime)
	defer cancel()
	if err := d.home.memory.ForgetWatch(ctx, alerting.ContainerWatch, containerDeafName, *d.home.host.Load()); err == nil {
		d.desk.saved = ""
	}
}

// mark shows that nothing is known, when that is so.
func (d *containerDeaf) mark(all []alerting.Watch, lang alerting.Language) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range all {
		all[i].DeafTimes = d.times
		if d.flagged {
			all[i].State, all[i].Since = alerting.WatchDeaf, d.since
			all[i].Detail = lang.Pick("无法连接 Docker", "Docker cannot be reached")
		}
	}
}
