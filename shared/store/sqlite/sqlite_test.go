package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/store"
	"trade-monitor/shared/store/sqlite"
	"trade-monitor/shared/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Engine { return engine(t) })
}

// BenchmarkAuditOfAMillionAlerts is run by hand: docs/audit.md.
func BenchmarkAuditOfAMillionAlerts(b *testing.B) { storetest.AuditCost(b, engine(b)) }

func engine(t testing.TB) storetest.Engine {
	dir := t.TempDir()
	hand, err := sql.Open("sqlite", filepath.Join(dir, "trade-monitor.db")+"?_pragma=busy_timeout(20000)&_pragma=synchronous(OFF)&_txlock=immediate")
	require.NoError(t, err)
	hand.SetMaxOpenConns(1)
	t.Cleanup(func() { require.NoError(t, hand.Close()) })
	var before *sqlite.Database
	return storetest.Engine{
		Open: func(t testing.TB, o storetest.Setup) *store.Store {
			if before != nil {
				require.NoError(t, before.Close())
			}
			db, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, Policy: o.Policy, OnCommit: o.OnCommit, Location: o.Policy().Location, Now: o.Now})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			before = db
			return db.Store
		},
		SQL:      func(testing.TB) *sql.DB { return hand },
		Poison:   "CREATE TRIGGER poison BEFORE INSERT ON alert_records WHEN NEW.service_name = 'poison' BEGIN SELECT RAISE(ABORT, 'poisoned'); END",
		Renumber: "DELETE FROM sqlite_sequence WHERE name = 'alert_records'", RestartIDs: "DELETE FROM sqlite_sequence WHERE name = '%s'",
	}
}
