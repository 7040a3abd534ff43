package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNotifyPostsFromAShell(t *testing.T) {
	s := launch(t, "REMEDIATION_MODE=off", "API_TOKENS=shell:notify:canary-shell-token")
	args := []string{"notify", "BACKUP_FAILED", "nightly", "warn", "备份失败", "磁盘已满"}
	done := s.command(args...)
	assert.Zero(t, done.code, done.out)
	assert.Contains(t, done.out, `"alertId":1,"message":"事件通知已接收并处理"`)
	assert.Contains(t, s.command(append(args, "RESOLVED")...).out, `"status":"RESOLVED"`)
	assert.Equal(t, 2, s.command(append(args, "OK")...).code)
	assert.Equal(t, 2, s.command(append(args, "=x")...).code)
	assert.Equal(t, 2, s.command("notify", "X").code)
	assert.Equal(t, 2, s.command("version", "X").code)

	require.Zero(t, s.stop())
	away := s.command(args...)
	assert.Equal(t, 1, away.code)
	assert.Contains(t, away.out, "没有应答")
}

// A host that is not the service's own posts by the address in its settings.
func TestNotifyPostsToTheServiceOfTheSettingsWithMetadata(t *testing.T) {
	s := launch(t, "REMEDIATION_MODE=off")
	env := []string{"PORT=1", "TRADE_MONITOR_URL=" + s.url + "/"}
	done := typeCommand(t, t.TempDir(), env, "notify", "BACKUP_FAILED", "nightly", "warn", "备份失败", "-磁盘已满", "disk=/dev/sda1", "note=a=b c")
	require.Zero(t, done.code, done.out)
	alert := s.get("/api/alerts/1").object("data")
	assert.Equal(t, "-磁盘已满", alert["message"])
	assert.Equal(t, map[string]any{"disk": "/dev/sda1", "note": "a=b c"}, alert["metadata"])
	assert.Zero(t, typeCommand(t, t.TempDir(), env, "notify", "BACKUP_FAILED", "nightly", "warn", "x", "x", "disk=/dev/sda1", "RESOLVED").code)
	assert.Equal(t, "RESOLVED", s.get("/api/alerts/1").object("data")["status"])
	here := s.command("notify", "BACKUP_FAILED", "here", "warn", "x", "x")
	s.env = append(s.env, "TRADE_MONITOR_URL=http://trade-monitor.invalid:5005")
	away := s.command("notify", "BACKUP_FAILED", "away", "warn", "x", "x")
	assert.Zero(t, here.code+away.code, here.out, away.out)
	assert.Contains(t, away.out, "改为访问 http://127.0.0.1:")
	assert.EqualValues(t, 3, s.get("/api/alerts").fields["total"])
	refused := typeCommand(t, t.TempDir(), env, "notify", "", "nightly", "warn", "x", "x")
	assert.Equal(t, 1, refused.code)
	assert.Contains(t, refused.out, "eventType")
}
