package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/config"
	"trade-monitor/shared/store"
	"trade-monitor/shared/store/mysql"
	"trade-monitor/shared/store/sqlite"
)

// database is the open store and how it is made ready.
type database struct {
	*store.Store
	close func() error
	// prepare migrates it and gives back what an earlier process of the embedded
	// database left leased. It returns only when that is done or can never be.
	prepare func(ctx context.Context) error
	// poll is how often the loops look for what other processes left; 0: no
	// other process can.
	poll time.Duration
}

// setup is what a store needs to know about us.
type setup struct {
	policy   func() alerting.Policy
	onCommit func(store.Commit)
	log      *slog.Logger
}

func openDatabase(ctx context.Context, cfg config.Config, o setup) (database, error) {
	if cfg.MySQL.Configured() {
		return openMySQL(cfg, o)
	}
	db, err := sqlite.Open(ctx, sqlite.Options{Dir: cfg.DataDir, Location: cfg.Location, Policy: o.policy, OnCommit: o.onCommit, Log: o.log})
	if err != nil {
		return database{}, err
	}
	return database{
		Store: db.Store,
		close: db.Close,
		// The folder's lock says that we are alone: every lease is stale.
		prepare: func(ctx context.Context) error { return db.ReleaseLeases(ctx, "") },
	}, nil
}

func mysqlOptions(cfg config.Config, o setup) mysql.Options {
	return mysql.Options{
		Host: cfg.MySQL.Host, Port: cfg.MySQL.Port, User: cfg.MySQL.User, Password: cfg.MySQL.Password, Database: cfg.MySQL.Database, TLS: cfg.MySQL.TLS,
		Location: cfg.Location, Policy: o.policy, OnCommit: o.onCommit, Log: o.log,
	}
}

func openMySQL(cfg config.Config, o setup) (database, error) {
	options := mysqlOptions(cfg, o)
	db, err := mysql.Open(options)
	if err != nil {
		return database{}, err
	}
	prepare := func(ctx context.Context) error {
		return untilReachable(ctx, o.log, func() error {
			return migrateMySQL(ctx, options, o.log)
		})
	}
	return database{Store: db, close: db.Close, prepare: prepare, poll: time.Second}, nil
}

func migrateMySQL(ctx context.Context, options mysql.Options, log *slog.Logger) error {
	raw, err := mysql.OpenDB(options)
	if err != nil {
		return err
	}
	defer raw.Close()
	if _, err := mysql.CheckServer(ctx, raw); err != nil {
		return err
	}
	return grantedRights(mysql.Migrate(ctx, raw, log))
}

// grantedRights says what a database administrator has to do where the user may
// not create tables.
func grantedRights(err error) error {
	if !mysql.Denied(err) {
		return err
	}
	return fmt.Errorf("MYSQL_USER 没有建表的权限；请由管理员执行 sql/init.sql，或授予 CREATE, ALTER, INDEX 权限 "+
		"(MYSQL_USER may not create tables: let an administrator run sql/init.sql, or grant CREATE, ALTER and INDEX): %w", err)
}

// untilReachable repeats try while the database is only away. What waiting
// cannot mend is returned.
func untilReachable(ctx context.Context, log *slog.Logger, try func() error) error {
	for wait := 500 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := try()
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case mysql.Hopeless(err), mysql.Untrusted(err), mysql.Insecure(err):
			return unreachable(err)
		case !mysql.Away(err) && !errors.Is(err, alerting.ErrUnavailable):
			return err
		}
		log.Warn("数据库不可达，稍后重试 (the database cannot be reached; trying again)", "in", wait, "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ownerName names this process in leases, and no other one ever: a process that
// took over the name of a live one would end its leases. What a process that
// was killed left is taken over when its leases end.
func ownerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + ":" + rand.Text()
}
