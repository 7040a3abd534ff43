// Package watch notices by itself that something is wrong: a log that falls
// silent, a heartbeat that does not come, a container that ends. Each turns
// into an event, which is decided like any other; what to do about it is not
// decided here.
package watch
