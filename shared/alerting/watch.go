package alerting

import (
	"encoding/json"
	"time"
)

// A watch notices by itself that something is wrong, and turns it into an
// Event; what follows from the event is decided as for any other.

// WatchKind says what a watch looks at.
type WatchKind string

const (
	LogWatch       WatchKind = "log"       // a container's log: a line that shows progress must come in time
	HeartbeatWatch WatchKind = "heartbeat" // a dead man's switch: a ping must come in time
	ContainerWatch WatchKind = "container" // what the engine says of a container
)

// WatchState is how the watched thing is. Not every kind has every state.
type WatchState string

const (
	// WatchUnseen: there is no such container, and was none since the watch began.
	WatchUnseen WatchState = "unseen"
	// WatchNew: no sign of life yet. A log whose pattern never matched stays
	// here: it is not armed, and nothing is ever restarted for it.
	WatchNew WatchState = "new"
	// WatchUp: all is well.
	WatchUp WatchState = "up"
	// WatchLate: the period is over, the grace is not.
	WatchLate WatchState = "late"
	// WatchDown: it failed: silent beyond the deadline, or the container ended
	// by itself.
	WatchDown WatchState = "down"
	// WatchPaused: a person asked not to be told; ends with the next ping.
	WatchPaused WatchState = "paused"
	// WatchSuspended: the container does not run, so that its log says nothing.
	WatchSuspended WatchState = "suspended"
	// WatchDeaf: it cannot be heard: nobody knows how it is.
	WatchDeaf WatchState = "deaf"
	// WatchStopped: the container was stopped on somebody's order.
	WatchStopped WatchState = "stopped"
	// WatchUnhealthy: the container runs and its own health check fails.
	WatchUnhealthy WatchState = "unhealthy"
	// WatchRestarting: the container ends again and again.
	WatchRestarting WatchState = "restarting"
)

// The alert types of the watches beside TickerSyncTimeout and ContainerDown.
const (
	ContainerOOM        = "CONTAINER_OOM"
	ContainerUnhealthy  = "CONTAINER_UNHEALTHY"
	ContainerRestarting = "CONTAINER_RESTARTING"
	ContainerStopped    = "CONTAINER_STOPPED" // by a person: told, and never started by us
	HeartbeatDown       = "HEARTBEAT_DOWN"

	// Our own alarms: every enabled group is told, whatever types it asks for.
	WatchIsDeaf    = "WATCH_DEAF"      // a watch cannot hear what it watches
	WatchUnmatched = "WATCH_UNMATCHED" // the pattern of a log watch never matched
	WatchNotFound  = "WATCH_UNSEEN"    // the container of a watch was never there
)

// StateBehind is the state of a container's watch while what an alert type tells
// goes on; empty: the type is none of the container watch's.
func StateBehind(alertType string) WatchState {
	switch alertType {
	case ContainerDown, ContainerOOM:
		return WatchDown
	case ContainerUnhealthy:
		return WatchUnhealthy
	case ContainerRestarting:
		return WatchRestarting
	case ContainerStopped:
		return WatchStopped
	}
	return ""
}

// Watch is one watch as people, programs and metrics see it.
type Watch struct {
	Kind  WatchKind
	Name  string // of the container or the heartbeat; with Kind and Host its identity
	Host  string // the id of the engine that the container is on; empty for heartbeats
	State WatchState
	Since time.Time // when it came into this state

	AlertType  string // of the event that it posts
	Service    string // of that event
	LastSeenAt time.Time
	DeadlineAt time.Time     // when it is judged next; zero: it has no deadline
	Limit      time.Duration // how long without a sign of life is too long; 0: has none
	Detail     string        // why it is in its state, in the words of people; may be empty

	FalseAlarms int64 // silences that a second look disproved before anybody was told
	DeafTimes   int64 // how often it could not hear
}

// WatchMemory is what the watch of a container keeps over our own restart.
// Memory is the watch's own; nobody else reads it.
type WatchMemory struct {
	Watch  Watch
	Memory json.RawMessage
}

// LogLine is one line of a container's log. Its bytes are valid only while the
// function that was given it runs: thousands of lines a second pass.
type LogLine struct {
	Stamp []byte // when the engine got it, RFC 3339 with nanoseconds
	Text  []byte // without the line break; at most MaxLogLine bytes of it
}

// MaxLogLine is how much of one line is looked at, in bytes. The engine itself
// cuts lines into pieces of 16 KiB, which are put together up to here.
const MaxLogLine = 64 << 10

// At is the time of the line by the engine's clock; false: it has none.
func (l LogLine) At() (time.Time, bool) {
	at, err := time.Parse(time.RFC3339Nano, string(l.Stamp))
	return at, err == nil
}

// ContainerAction is what the engine says that happened to a container.
type ContainerAction string

const (
	ContainerStarted   ContainerAction = "start"
	ContainerDied      ContainerAction = "die"
	ContainerKilled    ContainerAction = "kill" // a signal was sent on somebody's order
	ContainerWasStop   ContainerAction = "stop" // follows the die of a stop
	ContainerOOMed     ContainerAction = "oom"
	ContainerHealth    ContainerAction = "health_status"
	ContainerRenamed   ContainerAction = "rename"
	ContainerCreated   ContainerAction = "create"
	ContainerDestroyed ContainerAction = "destroy"
	ContainerPaused    ContainerAction = "pause"
	ContainerUnpaused  ContainerAction = "unpause"
)

// ContainerEvent is one thing that the engine said about a container.
type ContainerEvent struct {
	At       time.Time // by the engine's clock, to the nanosecond
	ID       string
	Name     string
	OldName  string // of a rename
	Action   ContainerAction
	ExitCode int    // of a die
	Signal   int    // of a kill
	Health   Health // of a health_status
	Watched  bool   // carries trade-monitor.watch=true
}

// ContainerSummary is one line of the engine's list of containers.
type ContainerSummary struct {
	ID       string
	Name     string
	Running  bool
	Watched  bool // carries trade-monitor.watch=true
	Labelled bool // carries trade-monitor.restart=true
}
