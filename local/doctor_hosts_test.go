package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/local/doctor"
	"trade-monitor/shared/alerting"
)

func TestDoctorTellsOfTheOtherHosts(t *testing.T) {
	now := time.Now()
	host := func(name string, change ...func(*alerting.Runner)) alerting.Runner {
		r := alerting.Runner{Owner: name, Host: alerting.Host{ID: "id-of-" + name + "/" + name, Name: name}, Reachable: true, SeenAt: now, Containers: []string{"on-" + name}}
		for _, c := range change {
			c(&r)
		}
		return r
	}
	for name, c := range map[string]struct {
		runners []alerting.Runner
		level   doctor.Level
		what    string
	}{
		"all is well":            {[]alerting.Runner{host("a"), host("b")}, doctor.Fine, "2 台在运行 (at work): a (1), b (1)"},
		"one is not at work":     {[]alerting.Runner{host("a"), host("b", func(r *alerting.Runner) { r.SeenAt = now.Add(-time.Hour) })}, doctor.Warning, "主机 b 已有 1h0m0s 没有运行"},
		"one's engine is away":   {[]alerting.Runner{host("a"), host("b", func(r *alerting.Runner) { r.Reachable = false })}, doctor.Failed, "主机 b 的 Docker 无法连接"},
		"two have one of a name": {[]alerting.Runner{host("a"), host("b", func(r *alerting.Runner) { r.Containers = []string{"on-a"} })}, doctor.Warning, "多台主机上都有容器 on-a"},
	} {
		findings := hostFindings(alerting.Sites(c.runners, now), alerting.DefaultPolicy(), now)
		require.NotEmpty(t, findings, name)
		assert.Equal(t, c.level, findings[0].Level, name)
		assert.Contains(t, findings[0].What, c.what, name)
	}
	named := alerting.DefaultPolicy()
	rule := named.Rules[alerting.TickerSyncTimeout]
	rule.Host = "a"
	named.Rules[alerting.TickerSyncTimeout] = rule
	twice := []alerting.Runner{host("a"), host("b", func(r *alerting.Runner) { r.Containers = []string{"on-a"} })}
	require.Equal(t, doctor.Fine, hostFindings(alerting.Sites(twice, now), named, now)[0].Level, "the policy says which is meant")
}
