// Package watch notices by itself that something is wrong: a heartbeat that does
// not come, a log that has fallen silent, a container that ended. Each turns it
// into an event, and what follows is decided as for any other event. What to
// conclude is decided in package alerting; the loops here listen, wait for
// deadlines, store and post.
package watch
