package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// Options say where the database is and how to decide in it.
type Options struct {
	Dir      string // its folder, made when missing
	Location *time.Location
	Policy   func() alerting.Policy
	OnCommit func(store.Commit)
	Now      func() time.Time
	Log      *slog.Logger
}

// Database is an open embedded database. Close gives its folder free.
type Database struct {
	*store.Store
	lock *flock.Flock
}

// Open opens the database in the folder, creates or migrates it, and locks the
// folder against a second process.
func Open(ctx context.Context, o Options) (*Database, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w", err)
	}
	lock := flock.New(filepath.Join(o.Dir, "trade-monitor.lock"))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w", err)
	}
	if !locked {
		return nil, fmt.Errorf("DATA_DIR %s 已被另一个 trade-monitor 进程占用 (is in use by another trade-monitor process)", o.Dir)
	}
	db, err := open(ctx, o)
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return &Database{Store: db, lock: lock}, nil
}

// Close closes the database and gives its folder free.
func (d *Database) Close() error {
	return errors.Join(d.Store.Close(), d.lock.Unlock())
}

func open(ctx context.Context, o Options) (*store.Store, error) {
	file := filepath.Join(o.Dir, "trade-monitor.db")
	writer, err := connect(file, 1, "_txlock=immediate")
	if err != nil {
		return nil, err
	}
	if err := Migrate(ctx, writer); err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	reader, err := connect(file, 4, "_pragma=query_only(1)")
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	return store.New(store.Options{
		Writer: writer, Reader: reader, Dialect: dialect(), Version: Version, Policy: o.Policy, Location: o.Location,
		Now: o.Now, OnCommit: o.OnCommit, Log: o.Log,
	}), nil
}

// connect opens the file: a commit is on the disk before it returns (WAL with
// synchronous FULL), and readers do not wait for the writer.
func connect(file string, conns int, extra string) (*sql.DB, error) {
	return openFile(file, "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-8000)&"+extra, conns)
}

func openFile(file, settings string, conns int) (*sql.DB, error) {
	name := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath()}).String()
	db, err := sql.Open("sqlite", name+"?"+settings)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

func dialect() store.Dialect {
	return store.Dialect{
		Name:          "sqlite",
		AddTotals:     "ON CONFLICT (scope, service_name, alert_type, status, severity, shard) DO UPDATE SET n = n + excluded.n",
		RowsPerInsert: 1,
		Prepare:       true,
		Kind:          kind,
	}
}

func kind(err error) store.ErrorKind {
	var failed *driver.Error
	if !errors.As(err, &failed) {
		return store.Other
	}
	switch code := failed.Code(); {
	case code == codes.SQLITE_CONSTRAINT_UNIQUE, code == codes.SQLITE_CONSTRAINT_PRIMARYKEY:
		return store.Retry
	case isOneOf(code&0xff, codes.SQLITE_BUSY, codes.SQLITE_FULL, codes.SQLITE_IOERR, codes.SQLITE_READONLY, codes.SQLITE_CANTOPEN):
		return store.Unreachable
	}
	return store.Other
}

// Full tells whether the disk has no room left.
func Full(err error) bool {
	var failed *driver.Error
	return errors.As(err, &failed) && failed.Code()&0xff == codes.SQLITE_FULL
}

func isOneOf(code int, codes ...int) bool {
	for _, c := range codes {
		if code == c {
			return true
		}
	}
	return false
}
