package main

import (
	"context"
	"log/slog"
	"os"
	"slices"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
	"trade-monitor/shared/remedy"
)

// hosts tells the other hosts on this database what ours has, and learns what
// they may act upon. On the embedded database, which is one process's, there are
// none.
type hosts struct {
	db       database
	policy   *admitted
	log      *slog.Logger
	registry *remedy.Registry
}

func newHosts(s *service, engine *docker.Engine, remedies *remedy.Loop) hosts {
	name, _ := os.Hostname()
	return hosts{db: s.db, policy: s.policy, log: s.log, registry: remedy.NewRegistry(s.db, engine, remedy.RegistryOptions{
		Owner: s.owner, Policy: s.policy.policy, Host: remedies.Host, Name: name, Log: s.log,
	})}
}

func (h hosts) loops() []loop {
	if h.db.poll == 0 {
		return nil
	}
	return []loop{{"hosts", h.registry.Run}, {"neighbours", repeat(alerting.RunnerInterval, h.log, "neighbours", h.learn)}}
}

// Wake says that the engine's containers may be others.
func (h hosts) Wake() { h.registry.Wake() }

// learn finds out what may be requested here and is done elsewhere: a label is
// seen on its own host only, and lists may differ.
func (h hosts) learn(ctx context.Context) error {
	runners, err := h.db.Runners(ctx)
	if err != nil {
		return err
	}
	now, err := h.db.Clock(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, site := range alerting.Sites(runners, now) {
		if site.Live {
			names = append(names, site.Containers...)
		}
	}
	slices.Sort(names)
	h.policy.elsewhere(slices.Compact(names))
	return nil
}
