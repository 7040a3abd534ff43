package alerting

import (
	"slices"
	"time"
)

const (
	// defaultStopTimeout is the engine's, for a container that was not looked at.
	defaultStopTimeout = 10 * time.Second
	// oomKills is how close to a death an `oom` must be to explain it whatever
	// the exit code: a program whose worker was killed ends with a code of its own.
	oomKills = 10 * time.Second
	// oomLate is how long after a death its `oom` may come.
	oomLate = 5 * time.Second
	// killedExit is the exit code of SIGKILL, which is what the kernel sends.
	killedExit = 128 + 9
)

// noOrders are the signals that programs are told things by, and that do not
// mean their end: HUP, USR1, USR2, CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG,
// WINCH. An image may name one of them as its stop signal, which the `stop`
// after the death tells.
var noOrders = []int{0, 1, 10, 12, 17, 18, 19, 20, 21, 22, 23, 28}

// aliveActions are what happens to containers that run only: the first word of
// one may be any of them.
var aliveActions = []ContainerAction{ContainerKilled, ContainerOOMed, ContainerHealth, ContainerPaused, ContainerUnpaused}

// Looks tells what is to be looked at before an event is judged.
func (k ContainerRules) Looks(r ContainerRecord, ev ContainerEvent, now time.Time) (inspect, lines bool) {
	switch ev.Action {
	case ContainerDied:
		unexplained := ev.ID != r.ID || !r.ordered(k.Order, now)
		return unexplained, unexplained
	case ContainerStarted:
		return true, false
	case ContainerHealth:
		return ev.Health == Unhealthy, false
	}
	return false, false
}

// ordered tells whether somebody's order explains a death.
func (r ContainerRecord) ordered(beyond time.Duration, now time.Time) bool {
	stop := r.StopTimeout
	if stop == 0 {
		stop = defaultStopTimeout
	}
	return !r.OrderAt.IsZero() && now.Sub(r.OrderAt) <= stop+beyond
}

// Ending tells whether a container that runs was told to end, and may be about
// to.
func (k ContainerRules) Ending(r ContainerRecord, now time.Time) bool {
	return r.Running && r.ordered(k.Order, now)
}

// Heard takes one event of the engine, that happened at now by our clock. seen
// is what a look showed that was made after it.
func (k ContainerRules) Heard(r ContainerRecord, ev ContainerEvent, seen ContainerSight, now time.Time) (ContainerRecord, []ContainerNotice) {
	s := k.step(r, now)
	again := ev.ID == s.ID && ev.Action == s.LastAction && ev.At.Equal(s.LastAt)
	if !again {
		s.hear(ev, seen)
	}
	s.LastAt, s.LastAction = ev.At, ev.Action
	return s.done()
}

func (s *containerStep) hear(ev ContainerEvent, seen ContainerSight) {
	if ev.Action == ContainerRenamed && ev.OldName == s.Name {
		s.renamed(ev)
		return
	}
	if ev.ID != s.ID {
		if ev.Action == ContainerDestroyed {
			return // of one that had this name before
		}
		s.adopt(ev.ID)
		s.Running = slices.Contains(aliveActions, ev.Action)
	}
	s.Known = true
	switch ev.Action {
	case ContainerStarted:
		s.started(seen)
	case ContainerDied:
		s.end(ev, seen)
	case ContainerKilled:
		s.signalled(ev)
	case ContainerWasStop:
		if s.Pending == DoubtOrdered || s.Pending == DoubtMissing {
			s.await(DoubtStopped, s.rules.Stopped)
		}
	case ContainerOOMed:
		s.oom(ev)
	case ContainerHealth:
		says := ""
		if seen.Container != nil && seen.Container.ID == ev.ID {
			says = seen.Container.HealthSays()
		}
		s.health(ev.Health, says)
	case ContainerDestroyed:
		s.gone("deleted")
	case ContainerPaused, ContainerUnpaused:
		s.Paused = ev.Action == ContainerPaused
	}
}

// MeansEnd tells whether a signal is meant to end a program.
func MeansEnd(signal int) bool { return !slices.Contains(noOrders, signal) }

func (s *containerStep) signalled(ev ContainerEvent) {
	if !MeansEnd(ev.Signal) {
		s.SignalAt = s.now
		return
	}
	s.OrderAt = s.now
}

func (s *containerStep) started(seen ContainerSight) {
	if s.Pending == DoubtOrdered {
		s.fell(s.now) // no `stop` came before the start: nobody had stopped it
	}
	if !s.Running {
		s.StartedAt, s.OOMAt, s.OOMs = time.Time{}, time.Time{}, 0
		s.OrderAt, s.SignalAt = time.Time{}, time.Time{}
	}
	s.learn(seen.Container)
	s.runs(s.now)
	if c := seen.Container; c != nil && c.ID == s.ID && c.Health == NoHealth {
		s.over(ContainerUnhealthy) // nothing will ever say that it is well again
	}
}

// end takes a `die`.
func (s *containerStep) end(ev ContainerEvent, seen ContainerSight) {
	if s.passedOver(ev) {
		return
	}
	ordered := s.ordered(s.rules.Order, s.now)
	perhaps := !s.OrderAt.IsZero() || !s.SignalAt.IsZero()
	s.ended(s.death(ev, seen))
	switch {
	case ordered:
		s.await(DoubtStopped, s.rules.Stopped)
	case perhaps:
		s.await(DoubtOrdered, s.rules.Hold)
	default:
		s.fell(s.now)
	}
	if c := seen.Container; c != nil && c.ID == s.ID && c.Running && !c.Restarting && c.StartedAt.After(s.StartedAt) && !s.StartedAt.IsZero() {
		s.learn(c) // it runs again by now
		if s.Pending != DoubtOrdered {
			s.runs(s.now)
		}
	}
}

// passedOver: the end is of an earlier run, it was ordered, and a look has shown
// the run after it meanwhile, as when an engine at work answers before it tells.
func (s *containerStep) passedOver(ev ContainerEvent) bool {
	if !s.Running || !ev.At.Before(s.StartedAt) {
		return false
	}
	order := ContainerRecord{OrderAt: s.OrderBefore, StopTimeout: s.StopTimeout}
	s.OrderBefore = time.Time{}
	return order.ordered(s.rules.Order, s.now)
}

// death gathers the facts: the event's own, and those of the look as far as
// that still shows the same run.
func (s *containerStep) death(ev ContainerEvent, seen ContainerSight) ContainerDeath {
	d := ContainerDeath{At: ev.At, StartedAt: s.StartedAt, ExitCode: ev.ExitCode, Lines: seen.Lines}
	if d.StartedAt.After(ev.At) {
		d.StartedAt = time.Time{} // that is the run after this one
	}
	flagged := false
	if c := seen.Container; c != nil && c.ID == ev.ID {
		d.RestartPolicy = c.RestartPolicy
		if !c.Running || c.Restarting {
			// The mark outlives a start by the restart policy, though not one by hand.
			d.Restarting, flagged = c.Restarting, c.OOMKilled && c.RestartCount == 0
			d.StartedAt, s.StartedAt = c.StartedAt, c.StartedAt
		}
	}
	d.OOM = s.wasOOM(ev, flagged)
	return d
}

// wasOOM tells whether the kernel's lack of memory ended a run. flagged is the
// engine's mark, which says only that something in it was killed in this run:
// days ago, perhaps, and then it is no reason.
func (s *containerStep) wasOOM(ev ContainerEvent, flagged bool) bool {
	if ev.ExitCode == killedExit {
		return flagged || !s.OOMAt.IsZero()
	}
	return !s.OOMAt.IsZero() && ev.At.Sub(s.OOMAt) <= oomKills
}

// oom takes an `oom`: some process of the container was killed. Whether that
// ended the container shows at once.
func (s *containerStep) oom(ev ContainerEvent) {
	s.OOMAt = ev.At
	if s.Running {
		s.OOMs++
		if s.OOMJudge.IsZero() {
			s.OOMJudge = s.now.Add(s.rules.OOM)
		}
		return
	}
	if d := s.Ended; d != nil && !d.OOM && !s.Ordered && ev.At.Sub(d.At) <= oomLate {
		explained := *d
		explained.OOM = true
		s.Ended = &explained
		if s.Pending == NoDoubt {
			s.alarm(ContainerOOM, ContainerNotice{Death: s.Ended})
		}
	}
}

// gone takes the end of the container itself: that is always somebody's wish,
// also after a crash.
func (s *containerStep) gone(how string) {
	s.Present = false
	if s.Pending == DoubtOrdered {
		s.fell(s.now)
	}
	s.Gone = how
	if s.Running {
		order, signal := s.OrderAt, s.SignalAt
		s.ended(ContainerDeath{StartedAt: s.StartedAt, Unseen: true})
		s.OrderAt, s.SignalAt = order, signal // the death may be heard of yet
		s.await(DoubtStopped, s.rules.Stopped)
	}
	if s.Pending == DoubtMissing {
		s.await(DoubtStopped, s.rules.Stopped)
	}
}

// renamed: the container goes on under another name. Who listed the old name
// wants to know; who labelled the container watches it under the new one.
func (s *containerStep) renamed(ev ContainerEvent) {
	if ev.ID != s.ID {
		return
	}
	if s.Listed {
		s.gone(ev.Name)
		return
	}
	s.Present, s.Running, s.Gone = false, false, ev.Name
	s.Pending, s.JudgeAt, s.RecoverAt, s.OOMJudge = NoDoubt, time.Time{}, time.Time{}, time.Time{}
	for _, alertType := range slices.Clone(s.Open) {
		s.over(alertType)
	}
}
