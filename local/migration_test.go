package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/store/storetest"
	"trade-monitor/shared/wecom/wecomtest"
)

// oldAlerts is how many rows have gathered in years of the guide's use.
const oldAlerts = 100_000

// years of rows, as people and the first program wrote them: several OPEN of one
// service, words in any case that no program knows, empty and NULL, long texts.
const oldRows = `INSERT INTO alert_records (alert_type, service_name, severity, title, message, status, action_taken, wechat_sent, wechat_sent_at, resolved_at, created_at, updated_at)
SELECT CASE n % 5 WHEN 0 THEN 'ticker_sync_timeout' WHEN 1 THEN 'CONTAINER_DOWN' ELSE 'TICKER_SYNC_TIMEOUT' END,
       CASE n % 7 WHEN 0 THEN 'Async' ELSE 'aifuturetrade-async-service' END,
       CASE n % 4 WHEN 0 THEN 'fatal' WHEN 1 THEN 'CRITICAL' WHEN 2 THEN '' ELSE 'ERROR' END,
       'Ticker同步超时告警 😀', CASE n % 100 WHEN 0 THEN %s ELSE 'm' END,
       CASE n % 3 WHEN 0 THEN 'OPEN' WHEN 1 THEN 'PROCESSING' ELSE 'RESOLVED' END,
       CASE n % 2 WHEN 0 THEN NULL ELSE '重启容器' END, n % 2, CASE n % 2 WHEN 0 THEN NULL ELSE '2024-03-01 00:00:02' END,
       CASE n % 3 WHEN 2 THEN '2024-03-01 00:10:00' ELSE NULL END, '2024-03-01 00:00:00', '2024-03-01 00:00:01' FROM %s`

// digest is one number that changes with any byte of the guide's columns.
const guideColumns = "id, alert_type, service_name, severity, title, message, status, COALESCE(action_taken, 'NULL'), wechat_sent, COALESCE(wechat_sent_at, 'NULL'), COALESCE(resolved_at, 'NULL'), created_at, updated_at"

func digestMariaDB(t *testing.T, db *sql.DB) (digest string) {
	t.Helper()
	require.NoError(t, db.QueryRow("SELECT CONCAT(COUNT(*), '/', SUM(CAST(CONV(SUBSTRING(SHA2(CONCAT_WS('|', "+guideColumns+"), 256), 1, 12), 16, 10) AS UNSIGNED))) FROM alert_records WHERE id <= ?", oldAlerts).Scan(&digest))
	return digest
}

func digestSQLite(t *testing.T, db *sql.DB) string {
	t.Helper()
	rows, err := db.Query("SELECT " + guideColumns + fmt.Sprintf(" FROM alert_records WHERE id <= %d ORDER BY id", oldAlerts))
	require.NoError(t, err)
	defer rows.Close()
	digest := newDigest()
	for rows.Next() {
		fields := make([]any, 13)
		for i := range fields {
			fields[i] = new(sql.RawBytes)
		}
		require.NoError(t, rows.Scan(fields...))
		digest.add(fields)
	}
	require.NoError(t, rows.Err())
	return digest.String()
}

func TestYearsOfTheGuidesRowsMigrateInPlace(t *testing.T) {
	db := storetest.MariaDB(t)
	hand := db.Admin(t, db.Name)
	hand.SetMaxOpenConns(1)
	for _, table := range []string{"wechat_groups", "alert_records"} {
		_, err := hand.Exec("CREATE TABLE IF NOT EXISTS `" + table + "`" + guideTable(t, table))
		require.NoError(t, err)
	}
	fill(t, hand, "REPEAT('长', 20000)", "(SELECT seq AS n FROM seq_1_to_100000) AS years")
	carriesOn(t, databaseSettings(db), func() string { return digestMariaDB(t, hand) })
}

// On the embedded database there is no guide's table to begin with: people's rows
// come to it by SQL.
func TestYearsOfRowsByHandInTheEmbeddedDatabase(t *testing.T) {
	dir := t.TempDir()
	settings := []string{"DATA_DIR=" + dir}
	require.Zero(t, typeCommand(t, t.TempDir(), settings, "init-db").code)
	hand, err := sql.Open("sqlite", filepath.Join(dir, "trade-monitor.db"))
	require.NoError(t, err)
	defer hand.Close()
	_, err = hand.Exec("DELETE FROM wechat_groups")
	require.NoError(t, err)
	fill(t, hand, "printf('%.*c', 5000, 'x')", fmt.Sprintf("(WITH RECURSIVE years(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM years WHERE n < %d) SELECT n FROM years) AS years", oldAlerts))
	carriesOn(t, settings, func() string { return digestSQLite(t, hand) })
}

func fill(t *testing.T, hand *sql.DB, long, from string) {
	t.Helper()
	statement := strings.Replace(strings.Replace(oldRows, "%s", long, 1), "%s", from, 1)
	_, err := hand.Exec(statement)
	require.NoError(t, err)
}

// carriesOn starts the service on old rows: it leaves them alone, tells nobody,
// and the first event opens an alert of its own.
func carriesOn(t *testing.T, settings []string, digest func() string) {
	t.Helper()
	before := digest()
	require.True(t, strings.HasPrefix(before, fmt.Sprintf("%d/", oldAlerts)), before)
	robots := wecomtest.Start(t)
	begun := time.Now()
	s := launch(t, append(settings, "REMEDIATION_MODE=off", "WECHAT_ALLOWED_HOSTS="+robots.Host, "WECHAT_WEBHOOK_URL="+robots.Webhook("years"))...)
	await(t, time.Minute, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })
	t.Logf("ready on %d old rows after %s", oldAlerts, time.Since(begun).Round(time.Millisecond))
	await(t, 100*time.Second, "counted", func() bool { return s.get("/api/alerts?pageSize=1").number("total") == oldAlerts })

	list := s.get("/api/alerts?alertType=TICKER_SYNC_TIMEOUT&status=OPEN&pageSize=200")
	assert.Equal(t, http.StatusOK, list.status, "their odd words are shown as they are")
	robots.ExpectNoMore(t, robots.Key("years"), 2*time.Second)

	answer := s.notify(ticker("aifuturetrade-async-service"))
	require.Greater(t, answer.number("alertId"), int64(oldAlerts), answer.text)
	require.EqualValues(t, 1, answer.number("occurrences"))
	robots.ExpectWithin(t, 5*time.Second, robots.Key("years"), "Ticker同步超时告警")
	require.Equal(t, before, digest(), "no row has changed in a column of the guide")
}

// guideTable is what the guide's CREATE TABLE says of a table.
func guideTable(t *testing.T, table string) string {
	t.Helper()
	_, after, found := strings.Cut(fromRoot(t, "docs/user-guide.zh.md"), "CREATE TABLE IF NOT EXISTS `"+table+"`")
	require.True(t, found)
	statement, _, _ := strings.Cut(after, ";")
	return statement
}

// Six hosts that are switched on together find an empty database.
func TestSixInstancesStartAtOnceOnAnEmptyDatabase(t *testing.T) {
	db := storetest.MariaDB(t)
	services := make([]*runningService, 6)
	var started sync.WaitGroup
	for i := range services {
		started.Go(func() { services[i] = launch(t, append(databaseSettings(db), "REMEDIATION_MODE=off")...) })
	}
	started.Wait()
	for i, s := range services {
		await(t, 30*time.Second, fmt.Sprintf("instance %d is ready", i), func() bool { return s.get("/readyz").status == http.StatusOK })
	}
	for i, s := range services {
		require.EqualValues(t, 1, s.notify(ticker("svc")).number("alertId"), "all of them fold into one alert")
		require.EqualValues(t, i+1, services[0].get("/api/alerts/1").object("data")["occurrences"])
	}
}
