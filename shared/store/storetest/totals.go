package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

var totals = suite{
	"totals are the counts of every selection":        testTotals,
	"Recount mends what SQL by hand changed":          testRecount,
	"Recount is right while events come in":           testRecountMeanwhile,
	"statistics name the services with most alerts":   testStats,
	"names that differ only in case are told apart":   testCase,
	"a page is full though another case crowds it":    testCrowded,
	"a status that SQL by hand changed counts onward": testStatusByHand,
}

// storm records random incidents: they open, fold, get worse and end.
func storm(t testing.TB, s *store.Store, seed uint64, n int) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	batch := make([]alerting.Event, n)
	for i := range batch {
		batch[i] = plainEvent([]string{"a", "b", "服务", "A"}[random.IntN(4)])
		batch[i].Type = []string{"DISK_FULL", "CPU", "CONTAINER_DOWN"}[random.IntN(3)]
		batch[i].Severity = alerting.Severities[random.IntN(4)]
		batch[i].Title = fmt.Sprint("title ", random.IntN(3))
		batch[i].Resolved = random.IntN(5) == 0
	}
	_, err := s.RecordEvents(t.Context(), batch)
	require.NoError(t, err)
}

// selections are all combinations of the four filters over values that occur
// and one that does not.
func selections() (all []alerting.Filter) {
	for _, kind := range []string{"", "DISK_FULL", "NONE"} {
		for _, service := range []string{"", "a", "A"} {
			for _, status := range append([]alerting.AlertStatus{""}, alerting.Statuses...) {
				for _, severity := range append([]alerting.Severity{""}, alerting.Severities...) {
					all = append(all, alerting.Filter{Type: kind, Service: service, Status: status, Severity: severity, Page: 1, PageSize: 5})
				}
			}
		}
	}
	return all
}

// naive lists all alerts that a filter selects, newest first.
func naive(all []alerting.Alert, f alerting.Filter) (some []alerting.Alert) {
	for _, a := range all {
		if (f.Type == "" || f.Type == a.Type) && (f.Service == "" || f.Service == a.Service) &&
			(f.Status == "" || f.Status == a.Status) && (f.Severity == "" || f.Severity == a.Severity) {
			some = append(some, a)
		}
	}
	return some
}

func everything(t testing.TB, s *store.Store) []alerting.Alert {
	t.Helper()
	page, err := s.ListAlerts(t.Context(), alerting.Filter{PageSize: 100_000})
	require.NoError(t, err)
	return page.Alerts
}

// requireTotals compares every maintained total with a count of all alerts.
func requireTotals(t testing.TB, e Engine, s *store.Store) {
	t.Helper()
	all := everything(t, s)
	require.EqualValues(t, e.count(t, "SELECT COUNT(*) FROM alert_records"), len(all))
	for _, f := range selections() {
		page, err := s.ListAlerts(t.Context(), f)
		require.NoError(t, err)
		require.EqualValues(t, len(naive(all, f)), page.Total, "%+v", f)
	}
}

func testTotals(t *testing.T, e Engine) {
	s := e.open(t, silent)
	for seed := range 3 {
		storm(t, s, uint64(seed), 100)
	}
	for _, a := range everything(t, s) {
		if a.Active() && a.ID%3 == 0 {
			_, err := s.Acknowledge(t.Context(), a.ID, "li")
			require.NoError(t, err)
		}
		if a.Active() && a.ID%3 == 1 {
			_, err := s.Resolve(t.Context(), a.ID, "li")
			require.NoError(t, err)
		}
	}
	requireTotals(t, e, s)
	require.NoError(t, s.Recount(t.Context()))
	requireTotals(t, e, s)
}

// insertByHand writes rows by the guide's SQL.
func insertByHand(t testing.TB, e Engine, n int) {
	t.Helper()
	for i := range n {
		e.exec(t, "INSERT INTO `alert_records` (`alert_type`, `service_name`, `severity`, `title`, `message`, `status`) VALUES (?, ?, ?, ?, ?, ?)",
			[]string{"DISK_FULL", "CPU"}[i%2], []string{"a", "A", "服务"}[i%3], "ERROR", "by hand", "m", []string{"OPEN", "RESOLVED"}[i%2])
	}
}

func testRecount(t *testing.T, e Engine) {
	s := e.open(t, silent)
	storm(t, s, 1, 60)
	insertByHand(t, e, 12)
	page, err := s.ListAlerts(t.Context(), alerting.Filter{Page: 1, PageSize: 5})
	require.NoError(t, err)
	require.NotEqualValues(t, len(everything(t, s)), page.Total, "what SQL by hand wrote is not counted yet")
	require.NoError(t, s.Recount(t.Context()))
	requireTotals(t, e, s)
	e.exec(t, "DELETE FROM alert_records WHERE title = 'by hand'")
	e.exec(t, "UPDATE alert_records SET severity = 'INFO' WHERE id < 10")
	require.NoError(t, s.Recount(t.Context()))
	requireTotals(t, e, s)
	require.NoError(t, s.Recount(t.Context()), "twice changes nothing")
	requireTotals(t, e, s)
}

func testRecountMeanwhile(t *testing.T, e Engine) {
	s := e.open(t, silent)
	insertByHand(t, e, 12)
	var wg sync.WaitGroup
	for seed := range 4 {
		wg.Go(func() {
			for part := range 5 {
				storm(t, s, uint64(seed*10+part), 20)
			}
		})
	}
	for range 5 {
		assert.NoError(t, s.Recount(t.Context()))
	}
	wg.Wait()
	requireTotals(t, e, s)
}

func testStats(t *testing.T, e Engine) {
	s := e.open(t, silent)
	for i := range 5 {
		ev := plainEvent([]string{"a", "a", "a", "b", "b"}[i])
		ev.Type = fmt.Sprint("T", i)
		record(t, s, ev)
	}
	record(t, s, over(alerting.Event{Type: "T0", Service: "a", Severity: alerting.Info, Title: "t", Message: "m"}))
	stats, err := s.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, alerting.Stats{
		Total: 5, ByService: map[string]int64{"a": 3, "b": 2}, BySeverity: map[string]int64{"ERROR": 5},
		ByType: map[string]int64{"T0": 1, "T1": 1, "T2": 1, "T3": 1, "T4": 1}, ByStatus: map[string]int64{"OPEN": 4, "RESOLVED": 1},
	}, stats)
}

func testCase(t *testing.T, e Engine) {
	s := e.open(t, silent)
	for _, name := range []string{"api", "API", "Api", "ápi"} {
		record(t, s, plainEvent(name))
		record(t, s, plainEvent(name))
	}
	require.EqualValues(t, 4, e.count(t, "SELECT COUNT(*) FROM alert_records"), "four services, four alerts")
	for _, name := range []string{"api", "API", "Api", "ápi"} {
		page, err := s.ListAlerts(t.Context(), alerting.Filter{Service: name, PageSize: 10})
		require.NoError(t, err)
		require.EqualValues(t, 1, page.Total)
		require.Len(t, page.Alerts, 1)
		require.Equal(t, name, page.Alerts[0].Service)
		require.Zero(t, page.Next)
	}
}

func testCrowded(t *testing.T, e Engine) {
	s := e.open(t, silent)
	for i := range 12 {
		ev := plainEvent([]string{"api", "API"}[i%2])
		if i >= 6 {
			ev.Service = "API" // the newest rows are the other's
		}
		ev.Type = fmt.Sprint("T", i)
		record(t, s, ev)
	}
	for i := range 3 {
		e.exec(t, "UPDATE alert_records SET alert_type = ? WHERE id = ?", []string{"disk", "DISK", "Disk"}[i], 10+i)
	}
	require.NoError(t, s.Recount(t.Context()))
	for _, f := range []alerting.Filter{{Service: "api", PageSize: 2}, {Status: alerting.Open, PageSize: 4}, {Type: "DISK", PageSize: 1}} {
		require.Equal(t, ids(naive(everything(t, s), f)), walk(t, s, f), "%+v", f)
	}
}

func testStatusByHand(t *testing.T, e Engine) {
	s := e.open(t, silent)
	record(t, s, plainEvent("a"))
	e.exec(t, "UPDATE alert_records SET status = 'RESOLVED'")
	receipt := record(t, s, plainEvent("a"))
	require.EqualValues(t, 2, receipt.AlertID, "an alert that a person closed by SQL is closed")
	require.EqualValues(t, 1, receipt.Occurrences)
	require.NoError(t, s.Recount(t.Context()))
	requireTotals(t, e, s)
	requireReconciled(t, e, 2)
}
