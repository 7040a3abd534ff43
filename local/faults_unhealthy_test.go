package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/docker/dockertest"
)

// A container whose health check fails again some time after each restart, by
// then it has been healthy for long: nobody is told that it has recovered, and
// the breaker trips when the budget is spent. 91 s is when a health check with
// the usual interval has failed three times; the long form has that, and the
// usual proof of 2 min.
func TestFaultUnhealthyAgain(t *testing.T) {
	t.Parallel()
	again := either(4*time.Second, 91*time.Second)
	budget := either(2, 3)
	w := newFaultWorld(t, setting{
		policy: either(
			"types: {CONTAINER_UNHEALTHY: {action: restart, cooldown: 2s, budget: {max: 2, per: 1h}, verify: {steady: 6s}}}",
			"types: {CONTAINER_UNHEALTHY: {action: restart, cooldown: 30s}}"),
		spec: dockertest.Spec{Created: true, Health: &dockertest.Health{Interval: time.Second, Retries: 1}, Args: []string{"-unhealthy-after", again.String()}},
	})
	w.firstStart()
	w.healthy()
	w.happens()
	w.target.Kill("USR1") // the first time it falls ill at once

	await(t, time.Duration(budget+1)*(again+30*time.Second), "the breaker trips", func() bool {
		all := w.remediations()
		return len(all) > 0 && code(all[len(all)-1]) == "SKIPPED budget"
	})
	time.Sleep(either(6*time.Second, 15*time.Second))

	var ends []string
	for _, r := range w.remediations() {
		ends = append(ends, code(r))
	}
	require.Equal(t, fmt.Sprintf("FAILED unhealthy ×%d, SKIPPED budget", budget), essential(tally(ends), ""))
	require.Equal(t, budget, w.seen(w.target.ID), "restarts, by the engine's events")
	require.Zero(t, w.seen(w.bystander.ID))
	messages := w.messages()
	for _, message := range messages {
		require.NotContains(t, headline(message), "已恢复")
	}
	assert.Contains(t, headline(messages[len(messages)-1]), "熔断", "a person is asked")
	alerts := w.alerts()
	require.Len(t, alerts, 1)
	require.NotEqual(t, "RESOLVED", alerts[0]["status"])

	started, sick := w.events.of(w.target.ID, "start")[1:], w.events.of(w.target.ID, "health_status: unhealthy")[1:]
	require.GreaterOrEqual(t, len(sick), budget)
	var after []time.Duration
	for n := range budget {
		after = append(after, sick[n].At.Sub(started[n].At))
	}
	t.Logf("figures: unhealthy again after each restart by %s: restarts %d, told as recovered 0, messages %d, then the breaker", spread(after), budget, len(messages))
	if proofLong() {
		require.GreaterOrEqual(t, quantile(after, 0), 90*time.Second)
		keepFigures(t, "unhealthy", fmt.Sprintf("| | |\n|---|---|\n| 每次重启后多久健康检查又失败 (after each restart it was unhealthy again by) | %s |\n"+
			"| 重启 (restarts) = 预算 (budget) | %d |\n| 报告为已恢复 (told as recovered) | 0 |\n| 处置 (remediations) | `%s` |\n| 消息 (messages) | %d |\n",
			spread(after), budget, essential(tally(ends), ""), len(messages)))
	}
}
