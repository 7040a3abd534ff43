package main

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOldAlertsAreDeletedAfterTheDaysThatAreSet(t *testing.T) {
	s := launch(t, "REMEDIATION_MODE=off")
	for _, service := range []string{"ended", "open"} {
		s.notify(ticker(service))
	}
	over := ticker("ended")
	over.Status = "RESOLVED"
	s.notify(over)
	require.Zero(t, s.stop())
	hand, err := sql.Open("sqlite", filepath.Join(s.dir, "data", "trade-monitor.db"))
	require.NoError(t, err)
	_, err = hand.Exec("UPDATE alert_records SET created_at = '2020-01-01 00:00:00', updated_at = '2020-01-01 00:00:00'; UPDATE alert_notifications SET status = 'SENT'")
	require.NoError(t, err)
	require.NoError(t, hand.Close())

	s.start()
	require.EqualValues(t, 2, s.get("/api/alerts").number("total"), "by default everything is kept")
	require.Zero(t, s.stop())
	s.env = append(s.env, "RETENTION_DAYS=30")
	s.start()
	await(t, 10*time.Second, "the one that ended is gone", func() bool { return s.get("/api/alerts/1").status == http.StatusNotFound })
	require.Equal(t, http.StatusOK, s.get("/api/alerts/2").status, "the open one stays")
	require.EqualValues(t, 1, s.get("/api/alerts").number("total"))
}
