package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"trade-monitor/local/doctor"
	"trade-monitor/shared/alerting"
)

// hosts tells which hosts share the database, which of them heal nothing, and
// which container names do not say which host is meant.
func (e *examination) hosts(ctx context.Context) []doctor.Finding {
	if e.open.err != nil {
		return unknown(e.open.err)
	}
	if e.open.raw == nil {
		return []doctor.Finding{doctor.Good("内置数据库，只有本机 (the embedded database: this host alone)")}
	}
	runners, err := e.open.Runners(ctx)
	if err != nil {
		return unknown(err)
	}
	now, err := e.open.Clock(ctx)
	if err != nil {
		return unknown(err)
	}
	return hostFindings(alerting.Sites(runners, now), e.cfg.Policy(), now)
}

func hostFindings(all []alerting.Site, policy alerting.Policy, now time.Time) []doctor.Finding {
	var findings []doctor.Finding
	var live []string
	for _, h := range all {
		switch {
		case !h.Live:
			findings = append(findings, warned("启动那里的 Trade Monitor；主机已停用则不必处理，一天后不再提示 (start Trade Monitor there; a host that was given up is no longer named after a day)",
				"主机 %s 已有 %s 没有运行 Trade Monitor，它的容器无人处置 (no Trade Monitor runs there; nobody heals its containers)", h.Label(), now.Sub(h.SeenAt).Round(time.Second)))
			continue
		case !h.Reachable:
			findings = append(findings, failed("在那台主机上运行 trade-monitor doctor (run trade-monitor doctor there)", "主机 %s 的 Docker 无法连接 (its Docker cannot be reached)", h.Label()))
		}
		live = append(live, fmt.Sprintf("%s (%d)", h.Label(), len(h.Containers)))
	}
	for _, name := range ambiguous(all, policy) {
		findings = append(findings, warned("在策略文件中为该类型写 host，或给容器取不同的名称 (name the host in the policy file, or give the containers different names)",
			"多台主机上都有容器 %s，不会自动处置 (several hosts have a container of this name: nothing is done by itself)", name))
	}
	return orFine(findings, "%d 台在运行 (at work): %s", len(live), strings.Join(live, ", "))
}

// ambiguous are the names that several hosts have, unless each type of the policy
// that acts names a host.
func ambiguous(all []alerting.Site, policy alerting.Policy) (names []string) {
	for _, rule := range policy.Rules {
		if rule.Host != "" {
			return nil // who knows of hosts is trusted to have meant the rest
		}
	}
	count := map[string]int{}
	for _, h := range all {
		for _, name := range h.Containers {
			if h.Live {
				count[name]++
			}
		}
	}
	for name, n := range count {
		if n > 1 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
