// Package store keeps the record: all SQL once, for MySQL (or MariaDB) and for
// SQLite. It owns the transactions around the decisions of package alerting,
// and decides nothing itself. The packages mysql and sqlite below it open a
// Store: they hold drivers, dialects and migrations.
package store
