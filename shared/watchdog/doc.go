// Package watchdog is the client that a Go service embeds so that Trade Monitor
// hears of it when it stalls: the service calls Progress after each successful
// piece of work, and when that stops for longer than the time-out, the watchdog
// posts the user guide's TICKER_SYNC_TIMEOUT event, again and again until the
// work moves, and then one RESOLVED.
//
// It needs the standard library only. It runs beside its host and never stops
// it: Progress costs two atomic operations, nothing here blocks the caller of
// Progress or panics, and all methods of a nil *Watchdog do nothing.
package watchdog
