package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// The tables that goose keeps: which migrations are applied, and who is
// applying them.
const (
	versionTable = "alert_schema_version"
	lockTable    = "alert_schema_lock"
)

// Version is the newest migration: what this program needs.
const Version = 5

// Migrate brings the database to Version. Several processes may call it at
// once: one works, the others wait. DDL of MySQL is not transactional, so each
// step looks at what is there first: a migration that was killed in the middle
// is finished by the next one.
func Migrate(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	if at, err := AppliedVersion(ctx, db); err == nil && at >= Version {
		return nil // no right to CREATE is needed when nothing is to be created
	}
	locker, err := newLocker()
	if err != nil {
		return fmt.Errorf("migration lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectMySQL, db, nil,
		goose.WithTableName(versionTable), goose.WithLocker(locker), goose.WithDisableGlobalRegistry(true),
		goose.WithGoMigrations(
			goose.NewGoMigration(1, &goose.GoFunc{RunDB: first(log)}, nil),
			goose.NewGoMigration(2, &goose.GoFunc{RunDB: watches}, nil),
			goose.NewGoMigration(3, &goose.GoFunc{RunDB: remediation(log)}, nil),
			goose.NewGoMigration(4, &goose.GoFunc{RunDB: storms(log)}, nil),
			goose.NewGoMigration(5, &goose.GoFunc{RunDB: people(log)}, nil)))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// mendingLocker mends, once it has the lock, what goose does not: a process
// that was killed after it had created the version table and before it filled
// it would keep every later one from starting.
type mendingLocker struct{ lock.Locker }

func newLocker() (mendingLocker, error) {
	locker, err := lock.NewMySQLTableLocker(
		lock.WithTableName(lockTable), lock.WithTableLogger(slog.New(slog.DiscardHandler)),
		lock.WithTableLockTimeout(250*time.Millisecond, 1200), lock.WithTableUnlockTimeout(250*time.Millisecond, 8),
		// How long the lock of a process that was killed holds the next one up.
		lock.WithTableLeaseDuration(10*time.Second), lock.WithTableHeartbeatInterval(2*time.Second))
	return mendingLocker{locker}, err
}

func (l mendingLocker) Lock(ctx context.Context, db *sql.DB) error {
	if err := l.Locker.Lock(ctx, db); err != nil {
		return err
	}
	if err := mendVersions(ctx, db); err != nil {
		return errors.Join(err, l.Unlock(ctx, db))
	}
	return nil
}

func mendVersions(ctx context.Context, db *sql.DB) error {
	there, err := exists(ctx, db, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?", versionTable)
	if err != nil || !there {
		return err
	}
	if filled, err := exists(ctx, db, "SELECT COUNT(*) FROM "+versionTable+" WHERE version_id = 0"); err != nil || filled {
		return err
	}
	if _, err := db.ExecContext(ctx, "INSERT INTO "+versionTable+" (version_id, is_applied) VALUES (0, 1)"); err != nil {
		return fmt.Errorf("mend the version table: %w", err)
	}
	return nil
}

// AppliedVersion is the newest migration that the database has.
func AppliedVersion(ctx context.Context, db *sql.DB) (int64, error) {
	var version int64
	err := db.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+versionTable+" WHERE is_applied = 1").Scan(&version)
	return version, err
}

func first(log *slog.Logger) func(context.Context, *sql.DB) error {
	return func(ctx context.Context, db *sql.DB) error {
		if err := create(ctx, db, append([]string{createGroups, createAlerts}, ourTables...)); err != nil {
			return err
		}
		if err := addColumns(ctx, db, "alert_records", alertColumns, log); err != nil {
			return err
		}
		for _, ix := range alertIndexes {
			if err := addIndex(ctx, db, ix, log); err != nil {
				return err
			}
		}
		return inOneTransaction(ctx, db, firstCount)
	}
}

// watches makes the tables of the watches.
func watches(ctx context.Context, db *sql.DB) error { return create(ctx, db, watchTables) }

// remediation makes the tables of hosts, guards, evidence and silences.
func remediation(log *slog.Logger) func(context.Context, *sql.DB) error {
	return func(ctx context.Context, db *sql.DB) error {
		if err := create(ctx, db, remediationTables); err != nil {
			return err
		}
		if err := addColumns(ctx, db, "alert_remediations", remediationColumns, log); err != nil {
			return err
		}
		return addIndex(ctx, db, orderedIndex, log)
	}
}

// storms adds what digests need.
func storms(log *slog.Logger) func(context.Context, *sql.DB) error {
	return func(ctx context.Context, db *sql.DB) error {
		if err := addColumns(ctx, db, "alert_messages", messageColumns, log); err != nil {
			return err
		}
		return addColumns(ctx, db, "alert_robots", robotColumns, log)
	}
}

// people adds whom messages reach, and when. What init.sql goes by to tell
// whether it is done comes last.
func people(log *slog.Logger) func(context.Context, *sql.DB) error {
	return func(ctx context.Context, db *sql.DB) error {
		if err := create(ctx, db, peopleTables); err != nil {
			return err
		}
		for _, add := range []struct {
			table   string
			columns []column
		}{{"wechat_groups", groupColumns}, {"alert_messages", formatColumns}, {"alert_notifications", wordColumns}, {"alert_records", escalationColumns}} {
			if err := addColumns(ctx, db, add.table, add.columns, log); err != nil {
				return err
			}
		}
		return nil
	}
}

// create makes the tables that are not there yet.
func create(ctx context.Context, db *sql.DB, tables []string) error {
	for _, statement := range tables {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%.60s…: %w", statement, err)
		}
	}
	return nil
}

// addColumns adds those that are missing, in one ALTER so that old rows are
// copied once at most.
func addColumns(ctx context.Context, db *sql.DB, table string, columns []column, log *slog.Logger) error {
	alter := ""
	for _, c := range columns {
		there, err := exists(ctx, db, "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? AND column_name = ?", table, c.name)
		if err != nil {
			return err
		}
		if !there {
			alter += fmt.Sprintf(", ADD COLUMN `%s` %s", c.name, c.definition)
		}
	}
	if alter == "" {
		return nil
	}
	log.Info("adding columns", "table", table)
	_, err := db.ExecContext(ctx, "ALTER TABLE `"+table+"` "+alter[2:])
	if numbered(err, errDuplicateColumn) {
		return nil // a killed process's ALTER, which the server finished meanwhile
	}
	if err != nil {
		return fmt.Errorf("add columns to %s: %w", table, err)
	}
	return nil
}

func addIndex(ctx context.Context, db *sql.DB, ix index, log *slog.Logger) error {
	there, err := exists(ctx, db, "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = ? AND index_name = ?", ix.table, ix.name)
	if err != nil || there {
		return err
	}
	log.Info("adding an index", "index", ix.name)
	if _, err := db.ExecContext(ctx, "CREATE "+ix.definition); err != nil && !numbered(err, errDuplicateIndex) {
		return fmt.Errorf("add index %s: %w", ix.name, err)
	}
	return nil
}

// Numbers of server errors that say that a step was done before.
const (
	errDuplicateColumn = 1060
	errDuplicateIndex  = 1061
)

func numbered(err error, number uint16) bool {
	var server *mysql.MySQLError
	return errors.As(err, &server) && server.Number == number
}

func exists(ctx context.Context, db *sql.DB, query string, args ...any) (bool, error) {
	var n int
	if err := db.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		return false, fmt.Errorf("look at the schema: %w", err)
	}
	return n > 0, nil
}

func inOneTransaction(ctx context.Context, db *sql.DB, statements []string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it is a no-op
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%.60s…: %w", statement, err)
		}
	}
	return tx.Commit()
}
