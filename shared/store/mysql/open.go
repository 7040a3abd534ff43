package mysql

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// Options say which database to open and how to decide in it.
type Options struct {
	Host     string // a host name, or the path of a unix socket
	Port     int
	User     string
	Password alerting.Secret
	Database string
	TLS      string // "", "false", "true", "skip-verify" or "preferred"
	Location *time.Location
	MaxConns int // 0: 8
	Policy   func() alerting.Policy
	OnCommit func(store.Commit)
	Log      *slog.Logger
}

// Open prepares a store. It does not connect: a server that is away is met,
// and told of, by the first call.
func Open(o Options) (*store.Store, error) {
	db, err := openDB(o, false)
	if err != nil {
		return nil, err
	}
	return store.New(store.Options{
		Writer: db, Dialect: dialect(), Version: Version, Policy: o.Policy, Location: o.Location, OnCommit: o.OnCommit, Log: o.Log,
	}), nil
}

// OpenDB prepares the connections alone, for migrations (whose library reads
// DATETIME columns as times, where the store reads them as the text they are).
func OpenDB(o Options) (*sql.DB, error) { return openDB(o, true) }

func openDB(o Options, parseTime bool) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(o.Host, strconv.Itoa(o.Port))
	if len(o.Host) > 0 && o.Host[0] == '/' {
		cfg.Net, cfg.Addr = "unix", o.Host
	}
	cfg.User, cfg.Passwd, cfg.DBName, cfg.TLSConfig = o.User, o.Password.Reveal(), o.Database, o.TLS
	if o.TLS == "true" {
		cfg.TLS = &tls.Config{ServerName: o.Host, MinVersion: tls.VersionTLS12}
	}
	cfg.Collation = "utf8mb4_general_ci" // known to every version of both servers
	cfg.InterpolateParams = true         // one round trip, and nothing that pins a proxied connection
	cfg.ParseTime = parseTime
	cfg.Timeout = 1500 * time.Millisecond
	cfg.ReadTimeout, cfg.WriteTimeout = 20*time.Second, 10*time.Second
	cfg.Logger = quiet{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("MYSQL_*: %w", err)
	}
	db := sql.OpenDB(session{connector, o.Location})
	conns := o.MaxConns
	if conns == 0 {
		conns = 8
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxLifetime(10 * time.Minute) // so that a zone's change of offset arrives
	db.SetConnMaxIdleTime(time.Minute)
	return db, nil
}

// offset is the zone's present distance from UTC as the server takes it; named
// zones need tables that many servers lack.
func offset(l *time.Location) string {
	if l == nil {
		return "+00:00"
	}
	return time.Now().In(l).Format("-07:00")
}

// quiet keeps the driver from writing to standard error on its own: every
// error it logs it also returns.
type quiet struct{}

func (quiet) Print(...any) {}

// session sets up every connection: the zone of the guide's DATETIME columns,
// asked anew each time because its offset may have changed since the start, and
// the isolation level, by the one statement that all versions of both servers
// take. Under REPEATABLE READ two writers that look for two missing keys
// deadlock.
type session struct {
	driver.Connector
	location *time.Location
}

func (s session) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	execer, ok := conn.(driver.ExecerContext)
	if !ok {
		_ = conn.Close()
		return nil, errors.New("the MySQL driver cannot execute without preparing")
	}
	for _, statement := range []string{
		"SET time_zone = '" + offset(s.location) + "'",
		"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
	} {
		if _, err := execer.ExecContext(ctx, statement, nil); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

func dialect() store.Dialect {
	return store.Dialect{
		Name: "mysql",
		// 1970-01-01 in the session's zone, which has no summer time: exact.
		Clock:         "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)",
		ForUpdate:     " FOR UPDATE",
		ForShare:      " LOCK IN SHARE MODE", // MariaDB knows no FOR SHARE
		AddTotals:     "ON DUPLICATE KEY UPDATE n = n + VALUES(n)",
		Binary:        " COLLATE utf8mb4_bin",
		RowsPerInsert: 200,
		Kind:          kind,
	}
}

// Numbers of server errors, from the manuals of MySQL and MariaDB.
const (
	errRecordChanged      = 1020 // MariaDB's innodb_snapshot_isolation
	errDiskFull           = 1021
	errTooManyConnections = 1040
	errAccessDeniedDB     = 1044
	errAccessDenied       = 1045
	errUnknownDatabase    = 1049
	errServerShutdown     = 1053
	errUnknownColumn      = 1054
	errDuplicateKey       = 1062
	errTableFull          = 1114
	errHostBlocked        = 1129
	errHostNotAllowed     = 1130
	errCommandDenied      = 1142
	errColumnDenied       = 1143
	errNoSuchTable        = 1146
	errLockWaitTimeout    = 1205
	errTooManyOfUser      = 1203
	errDeadlock           = 1213
	errUserLimit          = 1226
	errReadOnly           = 1290
	errInterrupted        = 1317
	errReadOnlyMode       = 1836
	errConnectionKilled   = 1927
	errSecureTransport    = 3159
	errIdleTooLong        = 4031
)

func kind(err error) store.ErrorKind {
	var server *mysql.MySQLError
	if errors.As(err, &server) {
		switch server.Number {
		case errDuplicateKey, errLockWaitTimeout, errDeadlock, errRecordChanged:
			return store.Retry
		case errNoSuchTable, errUnknownColumn:
			return store.Schema
		case errTooManyConnections, errTooManyOfUser, errUserLimit, errHostBlocked, errHostNotAllowed, errDiskFull, errTableFull, errIdleTooLong, errServerShutdown, errReadOnly, errReadOnlyMode, errInterrupted, errConnectionKilled,
			errAccessDenied, errAccessDeniedDB, errUnknownDatabase:
			return store.Unreachable
		}
		return store.Other
	}
	var network net.Error
	if errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) {
		return store.Unreachable
	}
	return store.Other
}

// Hopeless tells whether waiting cannot mend an error of connecting: a refused
// password, a user without rights, or a database that does not exist.
func Hopeless(err error) bool {
	var server *mysql.MySQLError
	if !errors.As(err, &server) {
		return false
	}
	switch server.Number {
	case errAccessDenied, errAccessDeniedDB, errUnknownDatabase:
		return true
	}
	return false
}

// Full tells whether the server's disk has no room left.
func Full(err error) bool {
	var server *mysql.MySQLError
	return errors.As(err, &server) && (server.Number == errDiskFull || server.Number == errTableFull)
}

// Away tells whether an error means that the server cannot be reached now.
func Away(err error) bool { return kind(err) == store.Unreachable && !Hopeless(err) }
