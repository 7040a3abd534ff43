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
	storetest.Run(t, func(t *testing.T) storetest.Engine {
		dir := t.TempDir()
		return storetest.Engine{
			Open: func(t testing.TB, o storetest.Setup) *store.Store {
				db, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, Policy: o.Policy, OnCommit: o.OnCommit, Location: o.Policy().Location})
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, db.Close()) })
				return db.Store
			},
			Exec: func(t testing.TB, statement string, args ...any) {
				db, err := sql.Open("sqlite", filepath.Join(dir, "trade-monitor.db"))
				require.NoError(t, err)
				defer db.Close()
				_, err = db.Exec(statement, args...)
				require.NoError(t, err)
			},
		}
	})
}
