// Package sqlite opens a store on an embedded SQLite database: driver, dialect
// and migrations. Only the local runner links it.
package sqlite
