package alerting

import (
	"slices"
	"time"
)

// The container watch is three functions of what is remembered of a container
// and of what happened: Heard (an event of the engine), Found (a look at it,
// when events may have been missed) and Due (a deadline passed). Each returns
// what is remembered from now on, and what is to be told.

// ContainerRules are the lengths of time that the container watch goes by.
type ContainerRules struct {
	Order     time.Duration // an order explains a death for the stop time-out and this
	Hold      time.Duration // how long the engine's `stop` is waited for after a death that may have been ordered
	Stopped   time.Duration // a stop by a person is told when it lasts this long
	Reconnect time.Duration // what the engine gets to start containers after a (re)connection
	Settle    time.Duration // running this long ends a failure
	Calm      time.Duration // running this long ends a restart loop
	Steady    time.Duration // of a container that was unhealthy and started again: healthy, and running this long, ends it
	OOM       time.Duration // an `oom` without a death within this: a process in it was killed
	Fresh     time.Duration // a death that we learn of this late is still told when it is over
	Deaths    int           // so many deaths …
	Within    time.Duration // … within this are a restart loop
}

// DefaultContainerRules are the ones in force.
var DefaultContainerRules = ContainerRules{
	Order: 30 * time.Second, Hold: time.Second, Stopped: 2 * time.Minute, Reconnect: 10 * time.Second,
	Settle: 10 * time.Second, Calm: time.Minute, Steady: 2 * time.Minute, OOM: 2 * time.Second, Fresh: 30 * time.Second,
	Deaths: 3, Within: 5 * time.Minute,
}

// ContainerRecord is what the watch remembers of one container, by its name:
// another container under the same name goes on where the first one ended.
// Times called At of the engine's own events are by the engine's clock, which
// StartedAt is, too; all others are by ours.
type ContainerRecord struct {
	Name   string
	Listed bool // the policy's list names it; else a label has it watched

	Blind        bool // the engine is not heard: nothing is judged until the next look
	Known        bool // it was there at least once
	Present      bool
	Gone         string // why it is not present: deleted, or renamed to this name
	ID           string
	Running      bool
	Paused       bool
	StartedAt    time.Time // its run, also when that has ended; zero: not known
	StopTimeout  time.Duration
	RestartCount int

	OrderAt time.Time // when it was last told to stop, in this run
	// OrderBefore is when an earlier run was told to stop, whose end a look has
	// passed over: that may be heard of yet.
	OrderBefore time.Time
	SignalAt    time.Time // when it was last sent a signal that is no order by itself
	OOMAt       time.Time // the last `oom` of this run, by the engine's clock
	OOMs        int       // those that no alarm has told of

	Ended   *ContainerDeath // how its last run ended
	Ordered bool            // it does not run on somebody's order
	Pending ContainerDoubt
	JudgeAt time.Time // when the doubt is settled

	Deaths    []time.Time // that nobody ordered, within ContainerRules.Within
	RecoverAt time.Time   // when it has run long enough for its failures to be over
	SickAt    time.Time   // when its health check was last told to fail
	AgainAt   time.Time   // when it was started again after that
	WellAt    time.Time   // when it has stayed healthy for long enough after that
	OOMJudge  time.Time   // when an `oom` that killed nothing else is told
	Open      []string    // the alert types that are told and not over
	Told      int         // how many notices there were: a part of their keys

	LastAt     time.Time // of the last event, by the engine's clock
	LastAction ContainerAction
}

// ContainerDoubt is what is not known yet of a container that does not run.
type ContainerDoubt string

const (
	NoDoubt      ContainerDoubt = ""
	DoubtStopped ContainerDoubt = "stopped" // on an order: does somebody start it again?
	DoubtOrdered ContainerDoubt = "ordered" // was the signal that it got meant to end it?
	DoubtMissing ContainerDoubt = "missing" // it ended unseen: does the engine start it again?
)

// ContainerDeath is how one run of a container ended.
type ContainerDeath struct {
	At            time.Time // by the engine's clock
	StartedAt     time.Time // zero: not known
	ExitCode      int
	OOM           bool
	RestartPolicy string
	Restarting    bool     // the engine is about to start it again
	Unseen        bool     // it happened while we could not see
	Lines         []string // the last of its log, as the container wrote them
}

// ContainerSight is what a look at the container showed while an event was
// handled. Both may be missing: a slow engine is not waited for.
type ContainerSight struct {
	Container *Container
	Lines     []string
}

// containerStep is one step of the machine under way: a copy of the record.
type containerStep struct {
	ContainerRecord
	rules   ContainerRules
	now     time.Time
	notices []ContainerNotice
}

func (k ContainerRules) step(r ContainerRecord, now time.Time) *containerStep {
	r.Deaths, r.Open = slices.Clone(r.Deaths), slices.Clone(r.Open)
	return &containerStep{ContainerRecord: r, rules: k, now: now}
}

func (s *containerStep) done() (ContainerRecord, []ContainerNotice) {
	return s.ContainerRecord, s.notices
}

// Deadline is when Due has something to do; zero: never, as things are.
func (r ContainerRecord) Deadline() time.Time {
	var next time.Time
	if r.Blind {
		return next
	}
	for _, at := range []time.Time{r.JudgeAt, r.RecoverAt, r.WellAt, r.OOMJudge} {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// AsksWhose tells whether Due will say that somebody stopped the container, so
// that it must know whether that was us.
func (r ContainerRecord) AsksWhose(now time.Time) bool {
	return !r.Blind && r.Pending == DoubtStopped && due(r.JudgeAt, now)
}

func due(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// Due settles what had to wait until now. ours: a remediation of ours has to do
// with the container.
func (k ContainerRules) Due(r ContainerRecord, ours bool, now time.Time) (ContainerRecord, []ContainerNotice) {
	s := k.step(r, now)
	if s.Blind {
		return s.done()
	}
	if due(s.JudgeAt, now) {
		s.settleDoubt(ours)
	}
	if due(s.OOMJudge, now) {
		s.OOMJudge = time.Time{}
		s.alarm(ContainerOOM, ContainerNotice{Processes: s.OOMs})
		s.OOMs = 0
		s.recoverAfter(s.rules.Calm)
	}
	if due(s.RecoverAt, now) {
		s.recovered()
	}
	if due(s.WellAt, now) {
		s.well()
	}
	return s.done()
}

func (s *containerStep) settleDoubt(ours bool) {
	doubt := s.Pending
	s.Pending, s.JudgeAt = NoDoubt, time.Time{}
	switch doubt {
	case DoubtStopped:
		s.alarm(ContainerStopped, ContainerNotice{Death: s.Ended, Ours: ours, Gone: s.Gone})
	case DoubtOrdered, DoubtMissing:
		s.fell(s.now)
	}
}

// recovered: it has run for long enough.
func (s *containerStep) recovered() {
	s.RecoverAt = time.Time{}
	for _, failure := range []string{ContainerDown, ContainerOOM, ContainerRestarting, ContainerStopped} {
		if failure == ContainerRestarting && s.open(failure) {
			s.Deaths = nil // the next loop is another one
		}
		s.over(failure)
	}
}

// fell: the run ended and nobody had ordered it. It is told at once, also when
// the container is about to be started again.
func (s *containerStep) fell(at time.Time) {
	s.Pending, s.JudgeAt, s.Ordered = NoDoubt, time.Time{}, false
	s.died(at)
	s.tellFall()
}

// tellFall tells the end of a run that nobody ordered, and that is counted.
func (s *containerStep) tellFall() {
	switch {
	case s.looping():
		s.alarm(ContainerRestarting, ContainerNotice{Death: s.Ended, Deaths: len(s.Deaths)})
	case s.Ended.OOM:
		s.alarm(ContainerOOM, ContainerNotice{Death: s.Ended})
	default:
		s.alarm(ContainerDown, ContainerNotice{Death: s.Ended})
	}
}

// died counts a death for the restart loop.
func (s *containerStep) died(at time.Time) {
	s.Deaths = append(s.Deaths, at)
	s.Deaths = slices.DeleteFunc(s.Deaths, func(d time.Time) bool { return s.now.Sub(d) >= s.rules.Within })
	if extra := len(s.Deaths) - 20; extra > 0 {
		s.Deaths = s.Deaths[extra:]
	}
}

func (s *containerStep) looping() bool {
	return s.open(ContainerRestarting) || len(s.Deaths) >= s.rules.Deaths
}

// await leaves it open for a while why the container does not run.
func (s *containerStep) await(doubt ContainerDoubt, d time.Duration) {
	if s.Pending == doubt && doubt == DoubtStopped {
		return // the time runs since the first word of it
	}
	s.Pending, s.JudgeAt = doubt, s.now.Add(d)
	s.Ordered = doubt == DoubtStopped
}

// ended notes the end of the run.
func (s *containerStep) ended(death ContainerDeath) {
	s.Ended = &death
	s.Running, s.Paused = false, false
	s.RecoverAt, s.WellAt, s.OOMJudge, s.OrderAt, s.SignalAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	s.OOMs = 0
}

// runs notes that the container runs, and since when as far as is known.
func (s *containerStep) runs(since time.Time) {
	s.Known, s.Present, s.Gone = true, true, ""
	s.Running, s.Ordered, s.Pending, s.JudgeAt = true, false, NoDoubt, time.Time{}
	s.over(ContainerStopped)
	if s.open(ContainerUnhealthy) && since.After(s.SickAt) {
		s.AgainAt = since
	}
	if s.RecoverAt.IsZero() {
		settle := s.rules.Settle
		if s.open(ContainerRestarting) {
			settle = s.rules.Calm
		}
		s.recoverAfter(max(settle-s.now.Sub(since), 0))
	}
}

// recoverAfter has failures end when the container runs for d more.
func (s *containerStep) recoverAfter(d time.Duration) {
	s.RecoverAt = time.Time{}
	if s.open(ContainerDown) || s.open(ContainerOOM) || s.open(ContainerRestarting) {
		s.RecoverAt = s.now.Add(d)
	}
}

// health takes the health check's verdict. says is what the probe printed. What
// was started again because it was unhealthy is well when it stays so: a check
// of Docker's default passes for 91 s before it fails for the third time.
func (s *containerStep) health(h Health, says string) {
	switch {
	case h == Unhealthy:
		s.SickAt, s.AgainAt, s.WellAt = s.now, time.Time{}, time.Time{}
		if s.Running {
			s.alarm(ContainerUnhealthy, ContainerNotice{Says: says})
		}
	case h == Healthy && s.open(ContainerUnhealthy) && !s.AgainAt.IsZero() && s.AgainAt.Add(s.rules.Steady).After(s.now):
		s.WellAt = s.AgainAt.Add(s.rules.Steady)
	case h == Healthy, h == NoHealth, h == "":
		s.well()
	}
}

func (s *containerStep) well() {
	s.AgainAt, s.WellAt = time.Time{}, time.Time{}
	s.over(ContainerUnhealthy)
}

// learn takes over what a look shows besides the state.
func (s *containerStep) learn(c *Container) {
	if c == nil || c.ID != s.ID {
		return
	}
	s.StopTimeout, s.RestartCount = c.StopTimeout, c.RestartCount
	if c.Running && !c.Restarting {
		s.StartedAt, s.Paused = c.StartedAt, c.Paused
	}
}

// adopt makes another container the one that is watched under this name. What
// was open about the one before is settled first: it carries that one's id.
func (s *containerStep) adopt(id string) {
	if s.Running {
		// Its end was never heard of. Somebody put another in its place.
		s.ended(ContainerDeath{Unseen: true})
		s.await(DoubtStopped, s.rules.Stopped)
	}
	switch s.Pending {
	case DoubtOrdered:
		s.fell(s.now)
	case DoubtMissing:
		s.await(DoubtStopped, s.rules.Stopped)
	}
	s.ID, s.StartedAt, s.RestartCount, s.StopTimeout = id, time.Time{}, 0, 0
	s.Known, s.Present, s.Gone = true, true, ""
	s.OrderAt, s.OrderBefore, s.SignalAt, s.OOMAt, s.OOMJudge, s.OOMs = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}, 0
}

func (s *containerStep) open(alertType string) bool { return slices.Contains(s.Open, alertType) }

// alarm tells of a failure; again when it is told already: the alert folds it.
func (s *containerStep) alarm(alertType string, n ContainerNotice) {
	if !s.open(alertType) {
		s.Open = append(s.Open, alertType)
	}
	s.tell(alertType, n)
}

// over tells the end of a failure that was told.
func (s *containerStep) over(alertType string) {
	if !s.open(alertType) {
		return
	}
	s.Open = slices.DeleteFunc(s.Open, func(t string) bool { return t == alertType })
	s.tell(alertType, ContainerNotice{Resolved: true, Gone: s.Gone})
}

func (s *containerStep) tell(alertType string, n ContainerNotice) {
	s.Told++
	n.Type, n.Container, n.ID, n.StartedAt, n.N, n.At = alertType, s.Name, s.ID, s.StartedAt, s.Told, s.now
	s.notices = append(s.notices, n)
}

// State is the record in one word.
func (r ContainerRecord) State() WatchState {
	open := func(t string) bool { return slices.Contains(r.Open, t) }
	switch {
	case !r.Known:
		return WatchUnseen
	case open(ContainerRestarting) && !r.Ordered:
		return WatchRestarting
	case r.Running && open(ContainerUnhealthy):
		return WatchUnhealthy
	case r.Running && open(ContainerDown):
		return WatchDown // until it has proven itself
	case r.Running:
		return WatchUp
	case r.Ordered:
		return WatchStopped
	case r.Pending != NoDoubt:
		return WatchLate
	case r.Present && r.Ended == nil:
		return WatchNew
	}
	return WatchDown
}

// Over tells whether a watch that only a label asked for has nothing left to
// watch or to tell.
func (r ContainerRecord) Over() bool {
	return !r.Listed && !r.Present && r.Pending == NoDoubt && len(r.Open) == 0
}

// Rebase puts the times of a record that was stored at savedAt, by a clock
// that may have been set meanwhile, onto a clock that only goes on: what was to
// come is never later than it was then, and what was past never nearer.
func (r ContainerRecord) Rebase(savedAt, now time.Time) ContainerRecord {
	move := func(t time.Time) time.Time {
		switch {
		case t.IsZero():
			return t
		case t.After(savedAt):
			return now.Add(min(max(t.Sub(now), 0), t.Sub(savedAt)))
		}
		return now.Add(-max(now.Sub(t), savedAt.Sub(t)))
	}
	for _, t := range []*time.Time{&r.OrderAt, &r.OrderBefore, &r.SignalAt, &r.JudgeAt, &r.RecoverAt, &r.SickAt, &r.AgainAt, &r.WellAt, &r.OOMJudge} {
		*t = move(*t)
	}
	r.Deaths = slices.Clone(r.Deaths)
	for i, t := range r.Deaths {
		r.Deaths[i] = move(t)
	}
	return r
}
