// Package watch notices by itself that something is wrong: a container's log
// that falls silent, a heartbeat that does not come, a container that ends or
// falls ill. Each turns into an Event; what follows from one is decided and
// stored as if a service had posted it.
package watch
