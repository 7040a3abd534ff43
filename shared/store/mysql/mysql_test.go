package mysql_test

import (
	"database/sql"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
	"trade-monitor/shared/store/mysql"
	"trade-monitor/shared/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func options(db storetest.Database) mysql.Options {
	policy := storetest.Policy()
	return mysql.Options{
		Host: db.Host, Port: db.Port, User: db.User, Password: alerting.Secret(db.Password), Database: db.Name,
		Location: policy.Location, Policy: storetest.Policy,
	}
}

func migrate(t testing.TB, db storetest.Database) {
	t.Helper()
	raw, err := mysql.OpenDB(options(db))
	require.NoError(t, err)
	defer raw.Close()
	require.NoError(t, mysql.Migrate(t.Context(), raw, slog.New(slog.DiscardHandler)))
}

// testStore is the conformance suite; grammar_test.go listens to it.
func testStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Engine { return engine(t, storetest.MariaDB(t)) })
}

// BenchmarkAuditOfAMillionAlerts is run by hand: docs/audit.md.
func BenchmarkAuditOfAMillionAlerts(b *testing.B) {
	storetest.AuditCost(b, engine(b, storetest.OwnMariaDB(b)))
}

func engine(t testing.TB, db storetest.Database) storetest.Engine {
	migrate(t, db)
	hand := db.Admin(t, db.Name)
	hand.SetMaxOpenConns(1)
	_, err := hand.Exec("SET time_zone = '+08:00'") // the zone of the people who work by hand
	require.NoError(t, err)
	return storetest.Engine{
		SeveralProcesses: true,
		Open: func(t testing.TB, o storetest.Setup) *store.Store {
			options := options(db)
			options.Policy, options.OnCommit = o.Policy, o.OnCommit
			s, err := mysql.Open(options)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		},
		SQL:      func(testing.TB) *sql.DB { return hand },
		Poison:   "CREATE TRIGGER poison BEFORE INSERT ON alert_records FOR EACH ROW BEGIN IF NEW.service_name = 'poison' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'poisoned'; END IF; END",
		Renumber: "ALTER TABLE alert_records AUTO_INCREMENT = 1", RestartIDs: "ALTER TABLE %s AUTO_INCREMENT = 1",
	}
}
