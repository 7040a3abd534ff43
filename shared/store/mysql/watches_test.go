package mysql_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store/storetest"
)

// rowsOf are all rows of the tables that version 1 had, as text.
func rowsOf(t testing.TB, db storetest.Database) (all []string) {
	t.Helper()
	hand := db.Admin(t, db.Name)
	for _, table := range []string{"alert_records", "alert_events", "alert_notifications", "alert_decisions", "alert_totals", "alert_remediations", "wechat_groups"} {
		rows, err := hand.Query("SELECT * FROM " + table)
		require.NoError(t, err)
		columns, err := rows.Columns()
		require.NoError(t, err)
		for rows.Next() {
			cells := make([][]byte, len(columns))
			into := make([]any, len(columns))
			for i := range cells {
				into[i] = &cells[i]
			}
			require.NoError(t, rows.Scan(into...))
			all = append(all, fmt.Sprintf("%s %q", table, cells))
		}
		require.NoError(t, rows.Err())
	}
	return all
}

// olderThan takes a database back to what it was before a migration.
var olderThan = map[int]string{
	5: "DROP TABLE alert_escalations; ALTER TABLE wechat_groups DROP COLUMN message_format; ALTER TABLE alert_messages DROP COLUMN format; ALTER TABLE alert_notifications DROP COLUMN unanswered; ALTER TABLE alert_notifications DROP COLUMN counted; " +
		"ALTER TABLE alert_records DROP COLUMN word_first_us, DROP COLUMN escalate_us, DROP COLUMN escalated; DELETE FROM alert_schema_version WHERE version_id = 5; ",
	4: "ALTER TABLE alert_messages DROP COLUMN kind, DROP COLUMN words; ALTER TABLE alert_robots DROP COLUMN storm_us, DROP COLUMN storm_group; " +
		"DELETE FROM alert_schema_version WHERE version_id = 4; ",
	3: "DROP TABLE alert_evidence, alert_runners, alert_brakes, alert_rearms, alert_silences; " +
		"ALTER TABLE alert_remediations DROP INDEX ix_remediation_ordered, DROP COLUMN rung, DROP COLUMN host, DROP COLUMN proven_us; DELETE FROM alert_schema_version WHERE version_id = 3; ",
	2: "DROP TABLE alert_heartbeats, alert_watches, alert_liveness; DELETE FROM alert_schema_version WHERE version_id = 2; ",
}

// TestADatabaseOfAnOlderVersionMigratesInPlace: what a version adds is added to
// a database at work, whose rows stay as they are.
func TestADatabaseOfAnOlderVersionMigratesInPlace(t *testing.T) {
	for version, back := range map[string]string{
		"1": olderThan[5] + olderThan[4] + olderThan[3] + olderThan[2], "2": olderThan[5] + olderThan[4] + olderThan[3], "3": olderThan[5] + olderThan[4], "4": olderThan[5],
	} {
		t.Run(version, func(t *testing.T) {
			db, reference := storetest.MariaDB(t), storetest.MariaDB(t)
			migrate(t, db)
			hand := db.Admin(t, db.Name)
			old := open(t, options(db))
			for i := range 30 {
				_, err := old.RecordEvent(t.Context(), storetest.Event(fmt.Sprint("service-", i)), nil)
				require.NoError(t, err)
			}
			_, err := hand.Exec("UPDATE alert_records SET word_first_us = NULL; UPDATE alert_notifications SET counted = 0") // which no older version knew
			require.NoError(t, err)
			after := rowsOf(t, db)
			_, err = hand.Exec(back)
			require.NoError(t, err)
			require.ErrorIs(t, open(t, options(db)).Ready(t.Context()), alerting.ErrSchema)

			require.Greater(t, len(rowsOf(t, db)), 90)
			migrate(t, db)
			require.Equal(t, after, rowsOf(t, db))
			migrate(t, reference)
			require.Equal(t, withoutVersions(shape(t, reference.Admin(t, reference.Name))), withoutVersions(shape(t, hand)))
			now := open(t, options(db))
			require.NoError(t, now.Ready(t.Context()))
			requireWatchesWork(t, now)
		})
	}
}

// TestInitSQLOverAnOlderVersion is the same by hand, for a user without DDL
// rights. Versions 3 to 5 change tables that are there, which the script leaves
// to the migrations: it does not claim them.
func TestInitSQLOverAnOlderVersion(t *testing.T) {
	db := storetest.MariaDB(t)
	migrate(t, db)
	hand := db.Admin(t, db.Name)
	_, err := hand.Exec(olderThan[5] + olderThan[4] + olderThan[3] + olderThan[2] +
		"INSERT INTO alert_schema_version (id, version_id, is_applied) VALUES (3, 7, 0)") // some row has the number that ours would get
	require.NoError(t, err)
	_, err = hand.Exec(script(t, initSQL))
	require.NoError(t, err)
	requireWatchesWork(t, open(t, options(db)))
	require.ErrorIs(t, open(t, options(db)).Ready(t.Context()), alerting.ErrSchema)
	_, err = hand.Exec("DELETE FROM alert_schema_version WHERE version_id = 7")
	require.NoError(t, err)
	migrate(t, db)
	require.NoError(t, open(t, options(db)).Ready(t.Context()))
}
