package storetest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

// watchMemories holds the list of all watches, and what those of containers keep.
var watchMemories = suite{
	"watches are listed together, and containers' are kept":     testWatches,
	"the memory of a watch is its host's, and may be forgotten": testWatchMemory,
}

func memory(name, host string) alerting.WatchMemory {
	at := time.Date(2026, 2, 25, 2, 0, 0, 123_456_000, time.UTC)
	return alerting.WatchMemory{
		Watch: alerting.Watch{
			Kind: alerting.LogWatch, Name: name, Host: host, State: alerting.WatchUp, Since: at, AlertType: alerting.TickerSyncTimeout, Service: name,
			LastSeenAt: at.Add(time.Second), DeadlineAt: at.Add(time.Minute), Limit: 3 * time.Minute, Detail: "最后一行 😀", FalseAlarms: 2, DeafTimes: 3,
		},
		Memory: json.RawMessage(`{"line":"长","n":1}`),
	}
}

func testWatches(t *testing.T, e Engine) {
	s := e.open(t, silent)
	all, err := s.Watches(t.Context())
	require.NoError(t, err)
	require.NotNil(t, all)
	require.Empty(t, all)
	pinged(t, s, first("backup"))
	m := memory("async", "engine-1")
	require.NoError(t, s.SaveWatch(t.Context(), m))
	all, err = s.Watches(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, alerting.HeartbeatWatch, all[0].Kind)
	require.Equal(t, "backup", all[0].Name)
	require.Equal(t, period+10*time.Second, all[0].Limit)
	require.Equal(t, m.Watch, all[1])
}

func testWatchMemory(t *testing.T, e Engine) {
	s := e.open(t, silent)
	m, other := memory("async", "engine-1"), memory("async", "engine-2")
	bare := alerting.WatchMemory{Watch: alerting.Watch{Kind: alerting.ContainerWatch, Name: "Async", Host: "engine-1", State: alerting.WatchUnseen}}
	for _, one := range []alerting.WatchMemory{m, other, bare} {
		require.NoError(t, s.SaveWatch(t.Context(), one))
	}
	m.Watch.State, m.Watch.Detail, m.Memory = alerting.WatchDown, strings.Repeat("长", 3_000), json.RawMessage(`{"text":"`+strings.Repeat("x", 100_000)+`"}`)
	require.NoError(t, s.SaveWatch(t.Context(), m))
	m.Watch.Detail = strings.Repeat("长", 2_000)
	kept, err := s.LoadWatches(t.Context(), "engine-1")
	require.NoError(t, err)
	require.Equal(t, []alerting.WatchMemory{bare, m}, kept)
	require.NoError(t, s.ForgetWatch(t.Context(), alerting.LogWatch, "async", "engine-1"))
	require.NoError(t, s.ForgetWatch(t.Context(), alerting.LogWatch, "async", "engine-1"))
	kept, err = s.LoadWatches(t.Context(), "engine-1")
	require.NoError(t, err)
	require.Len(t, kept, 1)
	kept, err = s.LoadWatches(t.Context(), "engine-2")
	require.NoError(t, err)
	require.Len(t, kept, 1)
}
