package alerting

import (
	"strconv"
	"time"
)

// A heartbeat is a dead man's switch: a job or a service pings, and when no
// ping comes in time it is down, which is an event as any other. The states and
// what leads from one to the other are drawn in docs/states.md.
//
// # What a start means
//
// A job may say that it starts. It must then end, by ok or fail, within Grace of
// its start: Grace is at once how late a job may begin and how long it may run,
// as in Healthchecks. So a start can bring the moment forward at which it is
// down; it never puts it off, or a job that crashes and starts again for ever
// would never be missed. With a Grace of 0 a start is noted and limits nothing.
//
// # Our own downtime
//
// No ping can arrive while this service, or its database, is away. The promise
// is: what was alive all the time is not alarmed when we are back, however long
// we were away; what died meanwhile is alarmed within one period and grace of
// our return; and however often we are restarted, a heartbeat that is dead is
// alarmed.
//
// For this a loop writes down every few seconds that it lives (the store's
// alive time). When the next time is written, the gap between the two is what
// nobody listened: all periods that are running are moved by it, once
// (Heartbeat.Move), in the transaction that writes the new time, so that of
// several processes that start at once one moves them. The first write of a
// process moves them by whatever gap there is; a later one only by a gap that
// is larger than how far two writes may be apart (Outage): the database hung,
// the host was suspended, or the clock was set, also back.
//
// Why that is enough: what a heartbeat had left of its period when we went, it
// has left when we are back, so nobody is late by our fault, and one that is
// dead is down when the rest is over. Time in which we did listen is never
// taken off: a restart every 20 s only stretches a period by the seconds that
// were not written down, and the younger a process is the more often it writes
// (half of its life counts at least), so that periods end even if no process
// lives as long as one.

// HeartbeatSource says where a heartbeat was declared.
type HeartbeatSource string

const (
	// FromPolicy: in the policy file, which alone changes and removes it.
	FromPolicy HeartbeatSource = "policy"
	// FromPing: by the parameters of a ping.
	FromPing HeartbeatSource = "ping"
)

// HeartbeatSignal is what a ping says.
type HeartbeatSignal string

const (
	SignalStart HeartbeatSignal = "start" // the job runs
	SignalOK    HeartbeatSignal = "ok"    // all is well, or the job ended well
	SignalFail  HeartbeatSignal = "fail"  // it did not
)

// HeartbeatCause says why a heartbeat is down.
type HeartbeatCause string

const (
	CauseSilent  HeartbeatCause = "silent"  // no ok within period and grace
	CauseNever   HeartbeatCause = "never"   // none since it was declared
	CauseOverran HeartbeatCause = "overran" // a start, and no end within the grace
	CauseFailed  HeartbeatCause = "failed"  // it said so itself
)

// HeartbeatDebt is the event that must still be posted. It is stored with the
// state that made it due, so that a crash cannot lose it.
type HeartbeatDebt string

const (
	OwesNothing HeartbeatDebt = ""
	OwesDown    HeartbeatDebt = "DOWN"
	OwesUp      HeartbeatDebt = "UP"
	// OwesBoth: it was down and is up again before anybody was told: first the
	// one, then the other, so that no failure that was reported gets lost.
	OwesBoth HeartbeatDebt = "DOWN_UP"
)

// Heartbeat is one of them as it is stored.
type Heartbeat struct {
	Name      string
	Declared  HeartbeatSource
	Period    time.Duration
	Grace     time.Duration
	AlertType string
	Service   string
	Severity  Severity

	State      WatchState // new, up, late, down or paused
	Since      time.Time
	Cause      HeartbeatCause // while it is down
	DeclaredAt time.Time
	LastPingAt time.Time
	LastOKAt   time.Time
	StartedAt  time.Time // of the job that is running; zero: none is
	DownAt     time.Time // when it went down the last time
	LastSignal HeartbeatSignal
	ExitCode   *int64
	Note       string // what the last ping said besides, at most MaxHeartbeatNote bytes
	PausedBy   string
	Pings      int64

	// CountedFrom is where the period begins, and RunFrom where the grace of
	// the running job does (zero: no job is limited). Both are moved by our
	// own downtime; the times above are what really happened.
	CountedFrom time.Time
	RunFrom     time.Time
	Deadline    time.Time // when it is judged next; zero: it is not

	Alarmed bool // an event said that it is down, and none yet that it is up
	Owed    HeartbeatDebt
	OwedAt  time.Time
	Seq     int64 // of what is owed, or was last: tells events of one heartbeat apart
}

// HeartbeatPing is one sign of life.
type HeartbeatPing struct {
	Name   string
	Signal HeartbeatSignal
	Exit   *int64 // of the job; other than 0: it failed, whatever Signal says
	Note   string
	HeartbeatTerms
}

// Failed tells whether the ping reports a failure.
func (p *HeartbeatPing) Failed() bool {
	return p.Signal == SignalFail || p.Exit != nil && *p.Exit != 0
}

// Bounds of how often it is said again that a heartbeat is down. The longest
// stays well below the incident gap, or each would open another alert.
const (
	shortestRepeat = time.Minute
	longestRepeat  = 15 * time.Minute
)

func (h *Heartbeat) repeat() time.Duration {
	return min(max(h.Period, shortestRepeat), longestRepeat)
}

// DueAt is when the next ok is expected.
func (h *Heartbeat) DueAt() time.Time { return h.CountedFrom.Add(h.Period) }

// DownFrom is when it will be down unless an ok comes.
func (h *Heartbeat) DownFrom() time.Time {
	from := h.DueAt()
	if !h.RunFrom.IsZero() && h.RunFrom.Before(from) {
		from = h.RunFrom
	}
	return from.Add(h.Grace)
}

// schedule sets when it is judged next. While it is down that is the next time
// to say so, which alarm sets.
func (h *Heartbeat) schedule() {
	switch h.State {
	case WatchPaused:
		h.Deadline = time.Time{}
	case WatchDown:
	case WatchUp:
		h.Deadline = h.DownFrom()
		if due := h.DueAt(); due.Before(h.Deadline) {
			h.Deadline = due
		}
	default:
		h.Deadline = h.DownFrom()
	}
}

func (h *Heartbeat) enter(state WatchState, now time.Time) {
	if h.State != state {
		h.State, h.Since = state, now
	}
}

// Ping takes a sign of life. What it says of period, grace and the rest counts
// where pings declared the heartbeat; a policy is not overruled.
func (h Heartbeat) Ping(p HeartbeatPing, now time.Time) Heartbeat {
	if h.Declared == FromPing {
		h = h.Redeclare(FromPing, p.HeartbeatTerms, now)
	}
	h.Pings++
	h.LastPingAt, h.LastSignal = now, p.Signal
	if p.Signal == SignalStart {
		return h.start(p.Note, now)
	}
	h.ExitCode, h.Note = p.Exit, p.Note
	h.StartedAt, h.RunFrom, h.PausedBy = time.Time{}, time.Time{}, ""
	if p.Failed() {
		return h.fail(now)
	}
	return h.ok(now)
}

func (h Heartbeat) start(note string, now time.Time) Heartbeat {
	h = h.Resume(now)
	h.StartedAt = now
	if note != "" {
		h.Note = note
	}
	if h.Grace > 0 {
		h.RunFrom = now
	}
	h.schedule()
	return h
}

func (h Heartbeat) ok(now time.Time) Heartbeat {
	h.LastOKAt, h.CountedFrom = now, now
	h.enter(WatchUp, now)
	h.Cause = ""
	if h.Alarmed {
		h.Alarmed = false
		h.oweUp(now)
	}
	h.schedule()
	return h
}

// fail: what is down already is reminded of in its time, with the new evidence.
func (h Heartbeat) fail(now time.Time) Heartbeat {
	h.Cause = CauseFailed
	if h.State != WatchDown {
		h.goDown(now)
	}
	return h
}

// Judge moves a heartbeat on whose deadline has come.
func (h Heartbeat) Judge(now time.Time) Heartbeat {
	switch {
	case h.Deadline.IsZero() || now.Before(h.Deadline):
	case h.State == WatchDown:
		h.alarm(now)
	case !now.Before(h.DownFrom()):
		h.Cause = h.silence()
		h.goDown(now)
	case h.State == WatchUp && !now.Before(h.DueAt()):
		h.enter(WatchLate, now)
		h.schedule()
	default:
		h.schedule()
	}
	return h
}

// silence says which of the limits was passed.
func (h *Heartbeat) silence() HeartbeatCause {
	switch {
	case !h.RunFrom.IsZero() && h.RunFrom.Before(h.DueAt()):
		return CauseOverran
	case h.LastPingAt.IsZero():
		return CauseNever
	}
	return CauseSilent
}

func (h *Heartbeat) goDown(now time.Time) {
	h.enter(WatchDown, now)
	h.DownAt = now
	h.alarm(now)
}

func (h *Heartbeat) alarm(now time.Time) {
	h.Alarmed = true
	h.Deadline = now.Add(h.repeat())
	switch h.Owed {
	case OwesDown: // has not been said yet
	case OwesBoth:
		h.Owed = OwesDown // that it was up in between is no news any more
	default:
		h.owe(OwesDown, now)
	}
}

func (h *Heartbeat) oweUp(now time.Time) {
	if h.Owed == OwesDown {
		h.Owed = OwesBoth
		return
	}
	h.owe(OwesUp, now)
}

func (h *Heartbeat) owe(what HeartbeatDebt, now time.Time) {
	h.Owed, h.OwedAt = what, now
	h.Seq++
}

// Settled is the heartbeat after its event of this number was recorded. Another
// number is of an event that was overtaken: nothing changes.
func (h Heartbeat) Settled(seq int64, now time.Time) Heartbeat {
	switch {
	case h.Seq != seq || h.Owed == OwesNothing:
	case h.Owed == OwesBoth:
		h.owe(OwesUp, now)
	default:
		h.Owed, h.OwedAt = OwesNothing, time.Time{}
	}
	return h
}

// EventKey is what makes the event that is owed unlike every other: the same
// after a crash between recording and settling, another for a heartbeat that
// was deleted and declared again.
func (h *Heartbeat) EventKey() []string {
	return []string{"heartbeat", h.Name, strconv.FormatInt(h.DeclaredAt.UnixMicro(), 10), strconv.FormatInt(h.Seq, 10)}
}

// Pause stops judging until the next ping, or until Resume. What was to be said
// of its being down is not said any more.
func (h Heartbeat) Pause(by string, now time.Time) Heartbeat {
	h.enter(WatchPaused, now)
	h.PausedBy, h.Cause = by, ""
	h.StartedAt, h.RunFrom = time.Time{}, time.Time{}
	if h.Owed == OwesDown {
		h.Owed, h.OwedAt = OwesNothing, time.Time{}
	}
	h.schedule()
	return h
}

// Resume ends a pause; the period begins anew. Nothing else is changed by it.
func (h Heartbeat) Resume(now time.Time) Heartbeat {
	if h.State != WatchPaused {
		return h
	}
	h.PausedBy, h.CountedFrom = "", now
	if h.LastOKAt.IsZero() {
		h.enter(WatchNew, now)
	} else {
		h.enter(WatchUp, now)
	}
	h.schedule()
	return h
}

// Move puts the limits that are running off by the time that nobody listened,
// or back by as much as the clock was set back. A period never begins in the
// future: a ping that came while nobody wrote that we live, or before the first
// such note of a process, gets one whole period at most.
func (h Heartbeat) Move(d time.Duration, now time.Time) Heartbeat {
	if h.State == WatchDown || h.State == WatchPaused {
		return h
	}
	h.CountedFrom = earlier(h.CountedFrom.Add(d), now)
	if !h.RunFrom.IsZero() {
		h.RunFrom = earlier(h.RunFrom.Add(d), now)
	}
	h.schedule()
	return h
}

// Outage is by how much limits move when two notes that we live are gap apart.
// first: the later one is the first of its process. tolerance is how far two
// notes of a process may be apart, and how far back the later one may be (they
// cross where processes share a database), without anything being wrong.
func Outage(gap, tolerance time.Duration, first bool) time.Duration {
	if gap > tolerance || gap < -tolerance || first && gap > 0 {
		return gap
	}
	return 0
}

// Judgement is what one look at all heartbeats came to.
type Judgement struct {
	Owed     []Heartbeat   // those with an event to post, the longest owed first
	More     bool          // there may be more that are due now
	Next     time.Time     // when the next one is judged; zero: none is
	Shortest time.Duration // the shortest period; 0: there is no heartbeat
	At       time.Time     // the store's now: what Next is measured by
}
