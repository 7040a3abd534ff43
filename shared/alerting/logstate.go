package alerting

import "time"

// LogState is what a log watch knows. Instants are on our clock, which never
// jumps as long as this process lives; stamps are what the engine wrote beside
// a line, on a clock that may be set.
//
// The machine (docs/states.md has the table):
//
//	new ──first match──▶ up ──no match for Timeout, confirmed──▶ down ──match──▶ up
//
// suspended while the container does not run, deaf while it cannot be heard.
// The promise: a verdict is never passed on what one stream did not bring; it
// falls within a second of the deadline; and a watch that never saw its pattern
// never says that a service is silent.
type LogState struct {
	ContainerID string
	StartedAt   time.Time // stamp of the run's start; another one is another run
	RunSince    time.Time // the same, on our clock
	Running     bool
	IdleSince   time.Time // when it was found not to run, the last time
	HeardSince  time.Time // since when we listen

	Armed         bool
	ProgressAt    time.Time // of the newest matching line
	ProgressStamp time.Time

	Silent   bool      // an alarm is out
	RepeatAt time.Time // when a silent one is checked and told again
	Posts    int64     // events of this silence

	WarnedUnmatched bool // told that the pattern never matched
}

// Due says what a log watch has to look into when its deadline has come.
type Due string

const (
	DueNothing   Due = ""
	DueSilence   Due = "silence"   // confirm, and tell
	DueUnmatched Due = "unmatched" // the pattern never matched
)

// Deadline is when the watch has to be judged next, and for what; the zero time
// when there is nothing to wait for.
func (s LogState) Deadline(r LogRule) (time.Time, Due) {
	switch {
	case !s.Running:
		return time.Time{}, DueNothing
	case s.Silent:
		return later(s.RepeatAt, s.patience(r)), DueSilence
	case s.Armed:
		return s.patience(r), DueSilence
	case !s.WarnedUnmatched:
		return later(s.RunSince.Add(r.Grace()), s.HeardSince).Add(r.Timeout), DueUnmatched
	}
	return time.Time{}, DueNothing
}

// patience is until when silence means nothing: a run that has shown nothing
// yet is given its start-up grace.
func (s LogState) patience(r LogRule) time.Time {
	if s.Moved() {
		return s.ProgressAt.Add(r.Timeout)
	}
	return s.RunSince.Add(r.Timeout + r.Grace())
}

// Moved tells whether this run has shown progress.
func (s LogState) Moved() bool { return !s.ProgressAt.Before(s.RunSince) }

// Progress records a matching line. over: it ends a silence that was told of.
func (s LogState) Progress(at, stamp time.Time) (next LogState, over bool) {
	over = s.Silent
	s.Armed, s.Silent, s.RepeatAt, s.Posts = true, false, time.Time{}, 0
	if at.After(s.ProgressAt) {
		s.ProgressAt = at
	}
	if !s.IdleSince.IsZero() && at.After(s.IdleSince.Add(idleDoubt)) && at.Before(s.RunSince) {
		s.RunSince = at // it ran before we saw that it did
	}
	s.ProgressStamp = stamp
	return s, over
}

// idleDoubt is how long after a container was found not to run a line of it may
// still be one from before: clocks do not agree to the millisecond.
const idleDoubt = time.Second

// Silence records a confirmed silence, which is told now.
func (s LogState) Silence(r LogRule, now time.Time) LogState {
	if !s.Silent {
		s.Silent, s.Posts = true, 0
	}
	s.Posts++
	s.RepeatAt = now.Add(r.Interval)
	return s
}

// See takes in what the engine says of the container (nil: there is none), at
// now by our clock and engineNow by the engine's.
func (s LogState) See(c *Container, now, engineNow time.Time) LogState {
	if c == nil || !c.Running || c.Paused {
		if s.Running {
			s.IdleSince = now
		}
		s.Running = false
		return s
	}
	if c.ID != s.ContainerID || !c.StartedAt.Equal(s.StartedAt) || !s.Running && s.RunSince.IsZero() {
		s.ContainerID, s.StartedAt = c.ID, c.StartedAt
		s.RunSince = now.Add(-max(engineNow.Sub(c.StartedAt), 0))
	} else if !s.Running {
		// Paused, or away from us: the time that it did not run is not held
		// against it.
		s.RunSince = now
	}
	s.Running = true
	return s
}
