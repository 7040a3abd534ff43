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
)

// A full disk is said so, to callers and to probes, and is left behind when
// there is room again.
func TestAFullDiskIsSaidSoAndLeftBehind(t *testing.T) {
	disk := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=3m"), "this test needs root")
	defer func() { require.NoError(t, syscall.Unmount(disk, syscall.MNT_DETACH)) }()
	s := launch(t, "REMEDIATION_MODE=off", "DATA_DIR="+filepath.Join(disk, "data"))
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

	require.NoError(t, syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=30m"))
	await(t, 10*time.Second, "events are taken again", func() bool { return post() == http.StatusOK })
	require.Equal(t, http.StatusOK, s.get("/readyz").status)
	s.kill()
	_, err := os.Stat(filepath.Join(disk, "data", "trade-monitor.db"))
	require.NoError(t, err)
}
