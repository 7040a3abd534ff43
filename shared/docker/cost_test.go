//go:build unix

package docker_test

import (
	"context"
	"regexp"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/docker"
	"trade-monitor/shared/docker/dockertest"
)

// BenchmarkFollowing20BusyContainers states what it costs this process to follow
// 20 containers that together write 10,000 lines a second, each line matched:
// percent of one core, and the heap at the end. One run is ten seconds.
//
//	go test -run '^$' -bench Following20 -benchtime 1x ./shared/docker
func BenchmarkFollowing20BusyContainers(b *testing.B) {
	e, err := docker.Open(dockertest.Require(b).Host)
	require.NoError(b, err)
	b.Cleanup(e.Close)
	const containers, each = 20, 500
	pattern := regexp.MustCompile(`(?i)ticker\s*(sync|同步)|行情同步`)
	var lines, matched atomic.Int64
	ctx, cancel := context.WithCancel(b.Context())
	var all sync.WaitGroup
	for range containers {
		c := dockertest.Run(b, dockertest.Spec{Name: "busy", Args: []string{"-chatter", "500", "-chatter-line", "2026-01-02 03:04:05 INFO order book of BTCUSDT refreshed in 12 ms", "-tick", "1s"}})
		all.Go(func() {
			_ = e.FollowLog(ctx, alerting.Container{ID: c.ID}, time.Now(), 0, nil, func(l alerting.LogLine) {
				lines.Add(1)
				if pattern.Match(l.Text) {
					matched.Add(1)
				}
			})
		})
	}
	time.Sleep(2 * time.Second)
	for b.Loop() {
		before, from, start := processorTime(b), lines.Load(), time.Now()
		time.Sleep(10 * time.Second)
		took := time.Since(start)
		b.ReportMetric(100*float64(processorTime(b)-before)/float64(took), "%core")
		b.ReportMetric(float64(lines.Load()-from)/took.Seconds(), "lines/s")
		require.InEpsilon(b, containers*each, float64(lines.Load()-from)/took.Seconds(), 0.1)
		require.NotZero(b, matched.Load())
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB-heap")
	cancel()
	all.Wait()
}

func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
