package mysql_test

import (
	"database/sql"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/store/mysql"
	"trade-monitor/shared/store/storetest"
)

// script reads a file of SQL statements.
func script(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

const (
	initSQL  = "../../../sql/init.sql"
	guideSQL = "testdata/guide.sql" // as the user guide has it
)

// shape is everything about a database's tables that a program can tell.
func shape(t testing.TB, db *sql.DB) []string {
	t.Helper()
	var all []string
	for _, query := range []string{
		"SELECT CONCAT_WS('|', table_name, engine, table_collation) FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name",
		"SELECT CONCAT_WS('|', table_name, ordinal_position, column_name, column_type, is_nullable, IFNULL(column_default, '-'), extra, IFNULL(collation_name, '-'), column_comment, IFNULL(generation_expression, '-')) " +
			"FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position",
		"SELECT CONCAT_WS('|', table_name, index_name, non_unique, seq_in_index, column_name) FROM information_schema.statistics WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index",
		"SELECT CONCAT_WS('|', 'version', id, version_id, is_applied) FROM alert_schema_version ORDER BY id",
	} {
		rows, err := db.Query(query)
		require.NoError(t, err)
		for rows.Next() {
			var line string
			require.NoError(t, rows.Scan(&line))
			all = append(all, line)
		}
		require.NoError(t, rows.Err())
	}
	return all
}

func TestInitSQLIsWhatTheMigrationsAmountTo(t *testing.T) {
	migrated, scripted := storetest.MariaDB(t), storetest.MariaDB(t)
	migrate(t, migrated)
	hand := scripted.Admin(t, scripted.Name)
	for range 2 { // it may be run again
		_, err := hand.Exec(script(t, initSQL))
		require.NoError(t, err)
	}
	want := shape(t, migrated.Admin(t, migrated.Name))
	require.Greater(t, len(want), 150)
	require.Equal(t, want, shape(t, hand))
}

func TestInitSQLKeepsToWhatBothServersTake(t *testing.T) {
	text := strings.ToUpper(script(t, initSQL))
	for _, word := range []string{"INDEX IF NOT EXISTS", "RETURNING", "0900", "DELIMITER", "COLUMN IF NOT EXISTS", "UUID", "CREATE OR REPLACE"} {
		require.NotContains(t, text, word)
	}
}

func TestInitSQLIsEnoughForAUserWithoutDDL(t *testing.T) {
	db := storetest.MariaDB(t)
	_, err := db.Admin(t, db.Name).Exec(script(t, initSQL))
	require.NoError(t, err)
	requireWorksWithoutDDL(t, db)
}

func TestAMigratedDatabaseNeedsNoDDL(t *testing.T) {
	db := storetest.MariaDB(t)
	migrate(t, db)
	requireWorksWithoutDDL(t, db)
}

// TestInitSQLOverTheGuidesTables: the script leaves old tables alone and does
// not claim that they are new, so that the migration still does its work.
func TestInitSQLOverTheGuidesTables(t *testing.T) {
	db, reference := storetest.MariaDB(t), storetest.MariaDB(t)
	hand := db.Admin(t, db.Name)
	for _, path := range []string{guideSQL, initSQL} {
		_, err := hand.Exec(script(t, path))
		require.NoError(t, err)
	}
	raw, err := mysql.OpenDB(options(db))
	require.NoError(t, err)
	defer raw.Close()
	at, err := mysql.AppliedVersion(t.Context(), raw)
	require.NoError(t, err)
	require.Zero(t, at)
	require.NoError(t, mysql.Migrate(t.Context(), raw, slog.New(slog.DiscardHandler)))
	migrate(t, reference)
	require.Equal(t, shape(t, reference.Admin(t, reference.Name)), shape(t, hand))
}
