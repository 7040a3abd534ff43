package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/wecom/wecomtest"
)

// A full disk is said so, to callers and to probes, and is left behind when
// there is room again.
func TestAFullDiskIsSaidSoAndLeftBehind(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=3m"), "this test needs root")
	defer func() { require.NoError(t, syscall.Unmount(disk, syscall.MNT_DETACH)) }()
	robots := wecomtest.Start(t)
	s := launch(t, "REMEDIATION_MODE=off", "DATA_DIR="+filepath.Join(disk, "data"), "WECHAT_WEBHOOK_URL="+robots.Webhook("group"), "WECHAT_ALLOWED_HOSTS="+robots.Host)
	n := 0
	post := func() int {
		n++
		e := ticker(fmt.Sprintf("svc-%d", n))
		e.Message = strings.Repeat("x", 40_000)
		return s.notify(e).status
	}
	await(t, 20*time.Second, "the disk is full", func() bool { return post() == http.StatusServiceUnavailable })
	stored := s.get("/api/alerts").number("total")
	require.Equal(t, http.StatusServiceUnavailable, post())
	require.Equal(t, http.StatusServiceUnavailable, s.get("/readyz").status)
	require.Equal(t, stored, s.get("/api/alerts").number("total"), "what is there can be read")
	await(t, 20*time.Second, "people are told", func() bool {
		require.Equal(t, http.StatusServiceUnavailable, post())
		down, _ := toldWith(robots, databaseDown)
		return len(down) == 1 && strings.Contains(down[0].Content, "磁盘已满")
	})

	require.NoError(t, syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=30m"))
	await(t, 10*time.Second, "events are taken again", func() bool { return post() == http.StatusOK })
	await(t, 20*time.Second, "and that there is room again", func() bool {
		back, _ := toldWith(robots, databaseBack)
		return len(back) == 1
	})
	require.Equal(t, http.StatusOK, s.get("/readyz").status)
	s.kill()
	_, err := os.Stat(filepath.Join(disk, "data", "trade-monitor.db"))
	require.NoError(t, err)
}
