package sqlite_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store/sqlite"
	"trade-monitor/shared/store/storetest"
)

// BenchmarkRecordEvent is the store's part of a durable notify, with 32 callers
// at once: each event its own alert, or all of them one.
func BenchmarkRecordEvent(b *testing.B) {
	for name, service := range map[string]func(int64) string{
		"distinct":  func(n int64) string { return fmt.Sprint("service-", n) },
		"repeating": func(int64) string { return "service" },
	} {
		b.Run(name, func(b *testing.B) {
			s, err := sqlite.Open(b.Context(), sqlite.Options{Dir: b.TempDir(), Policy: func() alerting.Policy { return storetest.Policy() }})
			require.NoError(b, err)
			defer s.Close()
			var n atomic.Int64
			b.SetParallelism(16) // × 2 cores
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.RecordEvent(b.Context(), storetest.Event(service(n.Add(1))), nil); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkPing is the store's part of a heartbeat that comes alone, and of many
// at once, which share commits.
func BenchmarkPing(b *testing.B) {
	for name, callers := range map[string]int{"alone": 1, "together": 32} {
		b.Run(name, func(b *testing.B) {
			s, err := sqlite.Open(b.Context(), sqlite.Options{Dir: b.TempDir(), Policy: func() alerting.Policy { return storetest.Policy() }})
			require.NoError(b, err)
			defer s.Close()
			ping := func(n int64) {
				p := alerting.HeartbeatPing{Name: fmt.Sprint("service-", n%1000), Signal: alerting.SignalOK, HeartbeatTerms: alerting.HeartbeatTerms{Period: time.Minute}}
				if _, err := s.Ping(b.Context(), p); err != nil {
					b.Error(err)
				}
			}
			var n atomic.Int64
			var all sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range callers {
				all.Go(func() {
					for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
						ping(i)
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pings/s")
		})
	}
}
