package main

import (
	"os"

	"trade-monitor/shared/docker"
	"trade-monitor/shared/remedy"
)

// hosts tells the other hosts on this database what ours has. On the embedded
// database, which is one process's, there are none.
type hosts struct {
	registry *remedy.Registry
	alone    bool
}

func newHosts(s *service, engine *docker.Engine, remedies *remedy.Loop) hosts {
	name, _ := os.Hostname()
	return hosts{alone: s.db.poll == 0, registry: remedy.NewRegistry(s.db, engine, remedy.RegistryOptions{
		Owner: s.owner, Policy: s.policy.policy, Host: remedies.Host, Name: name, Log: s.log,
	})}
}

func (h hosts) loops() []loop {
	if h.alone {
		return nil
	}
	return []loop{{"hosts", h.registry.Run}}
}

// Wake says that the engine's containers may be others.
func (h hosts) Wake() { h.registry.Wake() }
