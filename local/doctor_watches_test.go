package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"trade-monitor/shared/docker/dockertest"
)

// The guide's third question, "监控未触发": doctor answers it.
func TestDoctorSaysWhyALogIsNotWatched(t *testing.T) {
	h := newHealthyHost(t)
	mute := h.engine.Run(t, dockertest.Spec{Name: "mute", LogDriver: "none"})
	missing, _ := policyAt(t, "logs: {tmtest-there-is-none: {timeout: 1m}}")
	for name, c := range map[string]struct {
		setting string
		code    int
		says    []string
	}{
		"a driver that cannot be read":  {"ASYNC_MONITOR_CONTAINER=" + mute.Name, 1, []string{"的日志驱动 none 不支持读取", "json-file、local 或 journald"}},
		"a pattern that never matches":  {"ASYNC_MONITOR_LOG_PATTERN=never written", 0, []string{"都不匹配（never written）", "Ticker synced"}},
		"a container that is not there": {"POLICY_FILE=" + missing, 0, []string{"没有名为 tmtest-there-is-none 的容器"}},
		"all is well":                   {"TZ=UTC", 0, []string{"行匹配，超过 3m0s 没有则告警"}},
		"switched off":                  {"ASYNC_MONITOR_LOG_PATTERN=off", 0, []string{"ASYNC_MONITOR_LOG_PATTERN=off"}},
	} {
		got := h.doctor(t, t.TempDir(), c.setting)
		for _, says := range c.says {
			assert.Contains(t, got.out, says, name)
		}
		assert.Equal(t, c.code, got.code, "%s\n%s", name, got.out)
	}
}
