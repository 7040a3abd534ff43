// Package mysql opens a store on MySQL 8 or MariaDB 10.6 and later: driver,
// dialect and migrations.
package mysql
