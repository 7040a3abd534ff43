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

// TestADatabaseOfVersion1MigratesInPlace: the tables of version 2 are added to a
// database at work, whose rows stay as they are.
func TestADatabaseOfVersion1MigratesInPlace(t *testing.T) {
	db, reference := storetest.MariaDB(t), storetest.MariaDB(t)
	migrate(t, db)
	hand := db.Admin(t, db.Name)
	_, err := hand.Exec("DROP TABLE alert_heartbeats, alert_watches, alert_liveness; DELETE FROM alert_schema_version WHERE version_id = 2")
	require.NoError(t, err)
	old := open(t, options(db))
	for i := range 30 {
		_, err := old.RecordEvent(t.Context(), storetest.Event(fmt.Sprint("service-", i)), nil)
		require.NoError(t, err, "an event does not need the new tables")
	}
	_, err = old.Watches(t.Context())
	require.ErrorIs(t, err, alerting.ErrSchema)
	require.ErrorIs(t, old.Ready(t.Context()), alerting.ErrSchema)

	before := rowsOf(t, db)
	require.Greater(t, len(before), 90)
	migrate(t, db)
	require.Equal(t, before, rowsOf(t, db))
	migrate(t, reference)
	require.Equal(t, withoutVersions(shape(t, reference.Admin(t, reference.Name))), withoutVersions(shape(t, hand)))
	require.NoError(t, old.Ready(t.Context()))
	requireWatchesWork(t, old)
}

// TestInitSQLOverVersion1 is the same by hand, for a user without DDL rights.
func TestInitSQLOverVersion1(t *testing.T) {
	db := storetest.MariaDB(t)
	migrate(t, db)
	hand := db.Admin(t, db.Name)
	_, err := hand.Exec("DROP TABLE alert_heartbeats, alert_watches, alert_liveness; DELETE FROM alert_schema_version WHERE version_id = 2; " +
		"INSERT INTO alert_schema_version (id, version_id, is_applied) VALUES (3, 7, 0)") // some row has the number that ours would get
	require.NoError(t, err)
	_, err = hand.Exec(script(t, initSQL))
	require.NoError(t, err)
	requireWatchesWork(t, open(t, options(db)))
	require.NoError(t, open(t, options(db)).Ready(t.Context()))
}
