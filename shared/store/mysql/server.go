package mysql

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The oldest servers that our statements run on: MySQL 8.0 (5.7 is without
// support since October 2023), MariaDB 10.6 (the oldest with support in 2025).
const (
	oldestMySQL   = 8*100 + 0
	oldestMariaDB = 10*100 + 6
)

// UnsupportedError is a server that is too old.
type UnsupportedError struct {
	Server string // its name and version
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("数据库是 %s，需要 MySQL 8.0 或 MariaDB 10.6 及以上；请升级数据库，或不设置 MYSQL_HOST 而使用内置数据库 "+
		"(the database is %[1]s; MySQL 8.0 or MariaDB 10.6 or newer is needed: upgrade it, or leave MYSQL_HOST out and use the embedded database)", e.Server)
}

// CheckServer gives the server's name and version, and an *UnsupportedError when
// it is too old for us.
func CheckServer(ctx context.Context, db *sql.DB) (string, error) {
	var version string
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return "", fmt.Errorf("ask for the server's version: %w", err)
	}
	return supported(version)
}

var versionNumbers = regexp.MustCompile(`(\d+)\.(\d+)`)

// supported judges what VERSION() says: "8.0.36", "5.7.44-log",
// "10.11.6-MariaDB-0+deb12u1"; MariaDB behind a proxy may put 5.5.5- in front.
func supported(version string) (string, error) {
	server, oldest, digits := "MySQL "+version, oldestMySQL, version
	if strings.Contains(strings.ToLower(version), "mariadb") {
		server, oldest, digits = "MariaDB "+version, oldestMariaDB, strings.TrimPrefix(version, "5.5.5-")
	}
	found := versionNumbers.FindStringSubmatch(digits)
	if found == nil {
		return server, nil // a server that hides its version is tried
	}
	major, _ := strconv.Atoi(found[1])
	minor, _ := strconv.Atoi(found[2])
	if major*100+minor < oldest {
		return server, &UnsupportedError{Server: server}
	}
	return server, nil
}

// Tables lists those of ours, and the guide's, that the database has.
func Tables(ctx context.Context, db *sql.DB) ([]string, error) {
	rows, err := db.QueryContext(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND (table_name = 'wechat_groups' OR table_name LIKE 'alert\\_%') ORDER BY table_name")
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("list the tables: %w", err)
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// Untrusted tells whether the server's certificate was not believed.
func Untrusted(err error) bool { return errors.As(err, new(*tls.CertificateVerificationError)) }

// Insecure tells whether the server wants an encrypted connection. (MariaDB
// says so by refusing the user, as for a wrong password.)
func Insecure(err error) bool { return numbered(err, errSecureTransport) }

// Denied tells whether an error is for want of a right in a database that the
// user may use.
func Denied(err error) bool {
	return numbered(err, errCommandDenied) || numbered(err, errColumnDenied) || numbered(err, errAccessDeniedDB)
}
