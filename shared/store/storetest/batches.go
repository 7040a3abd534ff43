package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

var batches = suite{
	"who left before the batch began is not recorded":     testLeftBefore,
	"many callers at once, distinct alerts":               testDistinctCallers,
	"many callers at once, the same few alerts":           testSameCallers,
	"a poisoned event fails alone":                        testPoison,
	"a caller that leaves neither undoes nor disturbs":    testLeavingCaller,
	"more events than one commit carries":                 testLargeBatch,
	"closing waits for what was accepted and refuses new": testClose,
}

// together records one event per caller, all at once.
func together(t testing.TB, s *store.Store, events []alerting.Event) []alerting.Receipt {
	t.Helper()
	receipts := make([]alerting.Receipt, len(events))
	var wg sync.WaitGroup
	for i := range events {
		wg.Go(func() {
			var err error
			receipts[i], err = s.RecordEvent(t.Context(), events[i], nil)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	return receipts
}

const callers = 64

func testDistinctCallers(t *testing.T, e Engine) {
	s := e.open(t, silent)
	events := make([]alerting.Event, callers)
	for i := range events {
		events[i] = plainEvent(fmt.Sprint("service-", i))
	}
	seen := map[int64]bool{}
	for i, r := range together(t, s, events) {
		require.False(t, seen[r.AlertID], "one alert each")
		seen[r.AlertID] = true
		require.Equal(t, events[i].Service, storyOf(t, s, r.AlertID).Alert.Service, "the receipt names the caller's own alert")
	}
	requireReconciled(t, e, callers)
}

func testSameCallers(t *testing.T, e Engine) {
	s := e.open(t, silent)
	var events []alerting.Event
	for i := range 4 * callers {
		events = append(events, plainEvent(fmt.Sprint("service-", i%5)))
	}
	seen := map[[2]int64]bool{}
	for _, r := range together(t, s, events) {
		key := [2]int64{r.AlertID, r.Occurrences}
		require.False(t, seen[key], "every event is one occurrence")
		seen[key] = true
	}
	require.EqualValues(t, 5, e.count(t, "SELECT COUNT(*) FROM alert_records"))
	requireReconciled(t, e, int64(len(events)))
}

// requireReconciled checks promise 2 between independent sources: what was
// accepted, what the alerts say, and what the totals say.
func requireReconciled(t testing.TB, e Engine, accepted int64) {
	t.Helper()
	require.Equal(t, accepted, e.count(t, "SELECT SUM(occurrences) FROM alert_records WHERE fingerprint IS NOT NULL"))
	require.Equal(t, accepted, e.count(t, "SELECT SUM(n) FROM alert_totals WHERE scope = 'E'"))
	for _, scope := range []string{"A", "S"} {
		require.Equal(t, e.count(t, "SELECT COUNT(*) FROM alert_records"), e.count(t, "SELECT SUM(n) FROM alert_totals WHERE scope = ?", scope))
	}
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM (SELECT fingerprint FROM alert_records WHERE status IN ('OPEN', 'ACKNOWLEDGED') AND fingerprint IS NOT NULL GROUP BY fingerprint HAVING COUNT(*) > 1) twice"),
		"one open alert per fingerprint")
}

func testPoison(t *testing.T, e Engine) {
	s := e.open(t, silent)
	e.exec(t, e.Poison)
	events := make([]alerting.Event, 10)
	for i := range events {
		events[i] = plainEvent(fmt.Sprint("service-", i))
	}
	events[4].Service = "poison"
	_, err := s.RecordEvents(t.Context(), events)
	require.Error(t, err)
	require.NotErrorIs(t, err, alerting.ErrUnavailable, "the database is well; the event is not")
	require.EqualValues(t, 9, e.count(t, "SELECT COUNT(*) FROM alert_records"))
	requireReconciled(t, e, 9)
	record(t, s, plainEvent("service-0"))
}

func testLeavingCaller(t *testing.T, e Engine) {
	s := e.open(t, silent)
	gone, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			ctx := t.Context()
			if i%2 == 0 {
				ctx = gone
			}
			_, err := s.RecordEvent(ctx, plainEvent(fmt.Sprint("service-", i)), nil)
			if i%2 == 1 {
				assert.NoError(t, err)
			}
		})
	}
	leave()
	wg.Wait()
	for i := 1; i < callers; i += 2 {
		assert.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_records WHERE service_name = ?", fmt.Sprint("service-", i)))
	}
	slow, giveUp := context.WithTimeout(t.Context(), 0)
	defer giveUp()
	_, err := s.RecordEvent(slow, plainEvent("late"), nil)
	require.ErrorIs(t, err, alerting.ErrUnavailable)
}

func testLargeBatch(t *testing.T, e Engine) {
	s := e.open(t, silent)
	events := make([]alerting.Event, 300)
	for i := range events {
		events[i] = plainEvent(fmt.Sprint("service-", i%100))
		events[i].Message = fmt.Sprintf("%030000d", i) // 9 MB in all
	}
	receipts, err := s.RecordEvents(t.Context(), events)
	require.NoError(t, err)
	require.EqualValues(t, 1, receipts[0].Occurrences)
	require.EqualValues(t, 3, receipts[299].Occurrences)
	requireReconciled(t, e, 300)
}

func testClose(t *testing.T, e Engine) {
	s := e.open(t, silent)
	var wg sync.WaitGroup
	var stored sync.Map
	for i := range callers {
		wg.Go(func() {
			receipt, err := s.RecordEvent(t.Context(), plainEvent(fmt.Sprint("service-", i)), nil)
			if err == nil {
				stored.Store(receipt.AlertID, true)
				return
			}
			assert.ErrorIs(t, err, alerting.ErrUnavailable)
		})
	}
	time.Sleep(time.Millisecond)
	require.NoError(t, s.Close())
	wg.Wait()
	answered := int64(0)
	stored.Range(func(any, any) bool { answered++; return true })
	require.Equal(t, answered, e.count(t, "SELECT COUNT(*) FROM alert_records"), "answered means stored, refused means not")
	_, err := s.RecordEvent(t.Context(), plainEvent("late"), nil)
	require.ErrorIs(t, err, alerting.ErrUnavailable)
}

func testLeftBefore(t *testing.T, e Engine) {
	s := e.open(t)
	gone, leave := context.WithCancel(t.Context())
	leave()
	_, err := s.RecordEvent(gone, Event("gone"), nil)
	require.Error(t, err)
	record(t, s, Event("stays")) // waits for whatever the recorder still does
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_records"), "it was told that nothing happened")
}
