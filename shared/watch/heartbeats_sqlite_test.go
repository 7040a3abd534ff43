package watch_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store/sqlite"
	"trade-monitor/shared/watch"
)

// life is one process on the embedded database in a folder.
type life struct {
	db    *sqlite.Database
	beats *watch.Heartbeats
	end   func()
}

func begin(t *testing.T, dir string) life {
	t.Helper()
	policy := alerting.DefaultPolicy()
	policy.Mode = alerting.Off
	db, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, Policy: func() alerting.Policy { return policy }})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	l := watch.NewHeartbeats(db, db, watch.HeartbeatsOptions{Language: alerting.Chinese, Location: policy.Location})
	var done sync.WaitGroup
	done.Go(func() { _ = l.Run(ctx) })
	return life{db, l, func() {
		cancel()
		done.Wait()
		require.NoError(t, db.Close())
	}}
}

func (l life) ping(t *testing.T, name string, signal alerting.HeartbeatSignal) {
	t.Helper()
	grace := 10 * time.Second
	h, err := l.db.Ping(t.Context(), alerting.HeartbeatPing{Name: name, Signal: signal, HeartbeatTerms: alerting.HeartbeatTerms{Period: time.Minute, Grace: &grace}})
	require.NoError(t, err)
	l.beats.Changed(h)
}

func (l life) alerts(t *testing.T, service string) []alerting.Alert {
	t.Helper()
	page, err := l.db.ListAlerts(t.Context(), alerting.Filter{Service: service, PageSize: 50, Page: 1})
	require.NoError(t, err)
	return page.Alerts
}

// The whole way on the real store: silent → alert → back → resolved; then ten
// periods in which we are away; then restarts without end.
func TestHeartbeatsOnTheRealStore(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, dir)
		l.ping(t, "backup", alerting.SignalOK)
		time.Sleep(69 * time.Second)
		require.Empty(t, l.alerts(t, "backup"))
		time.Sleep(2 * time.Second)
		all := l.alerts(t, "backup")
		require.Len(t, all, 1)
		require.Equal(t, "心跳超时：backup", all[0].Title)
		require.Equal(t, alerting.Open, all[0].Status)
		time.Sleep(3 * time.Minute)
		require.EqualValues(t, 4, l.alerts(t, "backup")[0].Occurrences, "said again every minute")
		l.ping(t, "backup", alerting.SignalOK)
		time.Sleep(time.Second)
		require.Equal(t, alerting.Resolved, l.alerts(t, "backup")[0].Status)

		l.ping(t, "dies", alerting.SignalOK)
		time.Sleep(30 * time.Second)
		l.end()
		time.Sleep(10 * time.Minute)
		l = begin(t, dir)
		time.Sleep(25 * time.Second)
		l.ping(t, "backup", alerting.SignalOK)
		require.Empty(t, l.alerts(t, "dies"))
		time.Sleep(30 * time.Second)
		require.Len(t, l.alerts(t, "dies"), 1, "within one period and grace of our return")
		require.Len(t, l.alerts(t, "backup"), 1, "alive: no other alert")
		l.end()
		for range 15 {
			l = begin(t, dir)
			l.ping(t, "backup", alerting.SignalOK)
			time.Sleep(20 * time.Second)
			l.end()
			time.Sleep(2 * time.Second)
		}
		l = begin(t, dir)
		defer l.end()
		require.Len(t, l.alerts(t, "backup"), 1)
		require.Len(t, l.alerts(t, "dies"), 1, fmt.Sprint(l.alerts(t, "dies")))
	})
}
