package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

var lists = suite{
	"pages and cursors give what a naive filter gives": testPages,
	"from and to select by creation":                   testFromTo,
	"a search finds its text and nothing else":         testSearch,
	"a large search has a lower bound":                 testLowerBound,
	"an empty record has an empty page":                testEmpty,
}

func ids(alerts []alerting.Alert) []int64 {
	all := []int64{}
	for _, a := range alerts {
		all = append(all, a.ID)
	}
	return all
}

// walk follows the cursor to the end.
func walk(t testing.TB, s *store.Store, f alerting.Filter) []int64 {
	t.Helper()
	all := []int64{}
	for {
		page, err := s.ListAlerts(t.Context(), f)
		require.NoError(t, err)
		all = append(all, ids(page.Alerts)...)
		if page.Next == 0 {
			return all
		}
		require.Len(t, page.Alerts, f.PageSize, "a page that is not the last is full")
		f.Before = page.Next
	}
}

// leaf turns the pages to the end.
func leaf(t testing.TB, s *store.Store, f alerting.Filter) []int64 {
	t.Helper()
	all := []int64{}
	for f.Page = 1; ; f.Page++ {
		page, err := s.ListAlerts(t.Context(), f)
		require.NoError(t, err)
		all = append(all, ids(page.Alerts)...)
		if len(page.Alerts) < f.PageSize {
			return all
		}
	}
}

func testPages(t *testing.T, e Engine) {
	s := e.open(t, silent)
	storm(t, s, 42, 120)
	all := everything(t, s)
	for _, f := range selections() {
		want := ids(naive(all, f))
		require.Equal(t, want, walk(t, s, f), "%+v", f)
		require.Equal(t, want, leaf(t, s, f), "%+v", f)
	}
}

func testFromTo(t *testing.T, e Engine) {
	s := e.open(t, silent)
	start := time.Date(2026, 2, 25, 10, 0, 0, 0, Policy().Location)
	for i := range 6 {
		record(t, s, plainEvent(string(rune('a'+i))))
		e.exec(t, "UPDATE alert_records SET created_at = ? WHERE id = ?", start.Add(time.Duration(i)*time.Hour).Format("2006-01-02 15:04:05"), i+1)
	}
	for name, c := range map[string]struct {
		from, to time.Time
		want     []int64
	}{
		"from is included":      {from: start.Add(4 * time.Hour), want: []int64{6, 5}},
		"to is not":             {to: start.Add(2 * time.Hour), want: []int64{2, 1}},
		"both, in another zone": {from: start.Add(time.Hour).UTC(), to: start.Add(3 * time.Hour).UTC(), want: []int64{3, 2}},
		"nothing":               {from: start.Add(24 * time.Hour), want: []int64{}},
		"everything":            {from: start, want: []int64{6, 5, 4, 3, 2, 1}},
	} {
		f := alerting.Filter{From: c.from, To: c.to, PageSize: 4}
		require.Equal(t, c.want, walk(t, s, f), name)
		page, err := s.ListAlerts(t.Context(), f)
		require.NoError(t, err)
		require.EqualValues(t, len(c.want), page.Total, name)
	}
	page, err := s.ListAlerts(t.Context(), alerting.Filter{From: start, Service: "c", PageSize: 4})
	require.NoError(t, err)
	require.Equal(t, []int64{3}, ids(page.Alerts))
	require.EqualValues(t, 1, page.Total)
}

func testSearch(t *testing.T, e Engine) {
	s := e.open(t, silent)
	for i, title := range []string{"100% full", "100 full", "a_b", "axb", `back\slash`, "it's", "wow! yes", "磁盘已满"} {
		ev := plainEvent(string(rune('p' + i)))
		ev.Title, ev.Message = title, "plain"
		record(t, s, ev)
	}
	for text, want := range map[string][]int64{
		"100%": {1}, "100": {2, 1}, "a_b": {3}, `\`: {5}, `k\s`: {5}, "it's": {6}, "w!": {7}, "磁盘": {8}, "plain": {8, 7, 6, 5, 4, 3, 2, 1}, "' OR 1=1": {}, "r": {3},
	} {
		require.Equal(t, want, walk(t, s, alerting.Filter{Text: text, PageSize: 3}), text)
	}
}

func testLowerBound(t *testing.T, e Engine) {
	s := e.open(t, silent)
	record(t, s, plainEvent("a"))
	for range 10 { // 1 → 1024
		e.exec(t, "INSERT INTO alert_records (alert_type, service_name, severity, title, message, status) SELECT alert_type, service_name, severity, title, message, 'RESOLVED' FROM alert_records")
	}
	page, err := s.ListAlerts(t.Context(), alerting.Filter{Text: "Ticker", PageSize: 10})
	require.NoError(t, err)
	require.True(t, page.TotalIsLowerBound)
	require.EqualValues(t, 1000, page.Total)
	require.Len(t, page.Alerts, 10)
}

func testEmpty(t *testing.T, e Engine) {
	s := e.open(t, silent)
	for _, f := range append(selections(), alerting.Filter{Text: "x", PageSize: 5}, alerting.Filter{Page: 9, PageSize: 5}) {
		page, err := s.ListAlerts(t.Context(), f)
		require.NoError(t, err)
		require.Zero(t, page.Total)
		require.Empty(t, page.Alerts)
		require.Zero(t, page.Next)
	}
}
