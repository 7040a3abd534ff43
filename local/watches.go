package main

import (
	"context"
	"log/slog"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
	"trade-monitor/shared/watch"
)

// watches are what notices by itself that something is wrong.
type watches struct {
	db         database
	engine     *docker.Engine
	policy     *admitted
	log        *slog.Logger
	logs       *watch.Logs
	containers *watch.Containers
	heartbeats *watch.Heartbeats
	declare    chan struct{} // the policy may name other heartbeats
}

// newWatches makes them. stirred is told whenever something happened to a
// container; it must not block.
func newWatches(s *service, engine *docker.Engine, stirred func()) *watches {
	w := &watches{db: s.db, engine: engine, policy: s.policy, log: s.log, declare: make(chan struct{}, 1)}
	w.logs = watch.NewLogs(engine, s.db, s.db, watch.LogOptions{
		Policy: s.policy.policy, Host: engine.ID, Log: s.log,
		Ending: func(container string) bool { return w.containers.Ending(container) },
	})
	w.containers = watch.NewContainers(engine, s.db, s.db, watch.ContainerOptions{
		Policy: s.policy.policy, Orders: s.db, Log: s.log,
		Seen: func(container string) { w.logs.Look(container); stirred() },
	})
	w.heartbeats = watch.NewHeartbeats(s.db, s.db, watch.HeartbeatsOptions{
		Language: s.cfg.Language, Location: s.cfg.Location, Log: s.log, Poll: s.db.poll,
	})
	s.policy.onChange(w.changed)
	return w
}

// loops are what the watches run.
func (w *watches) loops() []loop {
	return []loop{
		{"logs", w.logs.Run}, {"containers", w.containers.Run}, {"heartbeats", w.heartbeats.Run}, {"declare", w.followDeclarations},
	}
}

// changed passes a new policy on.
func (w *watches) changed() {
	w.logs.Changed()
	w.containers.Wake()
	select {
	case w.declare <- struct{}{}:
	default:
	}
}

// followDeclarations keeps the heartbeats on record in step with the policy.
func (w *watches) followDeclarations(ctx context.Context) error {
	for ctx.Err() == nil {
		var retry <-chan time.Time
		if err := w.db.DeclareHeartbeats(ctx, w.policy.policy().Heartbeats); err != nil {
			if ctx.Err() == nil {
				w.log.Warn("策略中的心跳暂时无法登记，稍后重试 (the policy's heartbeats cannot be put on record now; trying again)", "error", err)
			}
			retry = time.After(5 * time.Second)
		} else {
			w.heartbeats.Wake()
		}
		select {
		case <-w.declare:
		case <-retry:
		case <-ctx.Done():
		}
	}
	return nil
}

// Watches lists every watch: what the record says of heartbeats and of the
// containers of other hosts, and how those of ours are at this moment.
func (w *watches) Watches(ctx context.Context) ([]alerting.Watch, error) {
	stored, err := w.db.Watches(ctx)
	if err != nil {
		return nil, err
	}
	ours := append(w.logs.Watches(), w.containers.Watches()...)
	type identity struct {
		kind alerting.WatchKind
		name string
		host string
	}
	live := map[identity]bool{}
	for _, one := range ours {
		live[identity{one.Kind, one.Name, one.Host}] = true
	}
	var all []alerting.Watch
	for _, one := range stored {
		if !live[identity{one.Kind, one.Name, one.Host}] {
			all = append(all, one)
		}
	}
	return append(all, ours...), nil
}

// deaf names the watches of containers that cannot hear, once an engine was
// reached.
func (w *watches) deaf() []string {
	var names []string
	for _, one := range append(w.logs.Watches(), w.containers.Watches()...) {
		if one.State == alerting.WatchDeaf && one.Host != "" {
			names = append(names, string(one.Kind)+" "+one.Name)
		}
	}
	return names
}

// pinged tells the loop of a heartbeat that was pinged.
func (w *watches) pinged(h alerting.Heartbeat) { w.heartbeats.Changed(h) }

// reading is the record with the watches as they are at this moment.
type reading struct {
	database
	live *watches
}

// Watches implements alerts.Store.
func (r reading) Watches(ctx context.Context) ([]alerting.Watch, error) { return r.live.Watches(ctx) }
