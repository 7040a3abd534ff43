package alerting

import "time"

// ContainerFinding is a look at a container after events may have been missed:
// at our start, and whenever the stream of events was lost.
type ContainerFinding struct {
	Container *Container       // nil: there is none of this name
	Past      []ContainerEvent // that the engine remembers from before the look, oldest first
	Lines     []string         // the last of its log, when it does not run
	EngineNow time.Time        // the engine's clock when it was our now
}

// Found takes a look. The look says how things are; the events say how they
// came to be, as far as the engine remembers them.
func (k ContainerRules) Found(r ContainerRecord, f ContainerFinding, now time.Time) (ContainerRecord, []ContainerNotice) {
	s := k.step(r, now)
	wasBlind := s.Blind
	s.Blind = false
	s.found(f)
	if wasBlind && (s.Pending == DoubtStopped || s.Pending == DoubtMissing) {
		// Perhaps it was the engine that went, and is about to start it.
		s.JudgeAt = later(s.JudgeAt, now.Add(k.Reconnect))
	}
	return s.done()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (s *containerStep) found(f ContainerFinding) {
	past := s.recall(f)
	c := f.Container
	switch {
	case c == nil:
		s.foundNone(f, past)
		return
	case c.ID != s.ID && s.Known:
		past = containerPast{}
		s.adopt(c.ID)
		s.recallOf(&past, f)
	}
	first := !s.Known
	if first {
		s.orderedBefore(f, c.ID)
	}
	s.ID, s.Known, s.Present, s.Gone = c.ID, true, true, ""
	up := c.Running && !c.Restarting
	switch {
	case up:
		s.foundUp(f, past)
		s.foundHealth(c)
	case first:
		s.firstDown(f)
	default:
		s.foundDown(f, past)
	}
	s.StopTimeout, s.RestartCount = c.StopTimeout, c.RestartCount
	if c.Restarting && c.RestartCount >= s.rules.Deaths && !s.open(ContainerRestarting) {
		s.foundLoop(f)
	}
}

// containerPast is what the remembered events tell of the time that was missed.
type containerPast struct {
	last    *ContainerEvent // the death after which no start came
	ordered bool            // that death was
	deaths  int             // all of them
	fell    *ContainerEvent // the newest one that nobody ordered
	fellAt  time.Time       // by our clock
}

func (s *containerStep) recall(f ContainerFinding) containerPast {
	var past containerPast
	s.recallOf(&past, f)
	return past
}

// recallOf goes through the events of the container that is watched now. A
// death that nobody ordered counts for the restart loop at the time when it was.
func (s *containerStep) recallOf(past *containerPast, f ContainerFinding) {
	for _, ev := range f.Past {
		if ev.ID != s.ID {
			continue
		}
		at := s.ours(ev.At, f)
		switch ev.Action {
		case ContainerKilled:
			was := s.now
			s.now = at
			s.signalled(ev)
			s.now = was
		case ContainerOOMed:
			s.OOMAt = ev.At
		case ContainerDied:
			past.deaths++
			past.last, past.ordered = &ev, s.ordered(s.rules.Order, at)
			if !past.ordered {
				past.fell, past.fellAt = &ev, at
			}
			s.OrderAt, s.SignalAt = time.Time{}, time.Time{}
		case ContainerWasStop:
			s.pastStop(past)
		case ContainerStarted:
			s.pastFall(past)
			past.last, past.ordered = nil, false
			s.OrderAt, s.SignalAt = time.Time{}, time.Time{}
		}
	}
}

// orderedBefore: at the first look of all, what was before is nobody's concern,
// except for an order whose end is still to come.
func (s *containerStep) orderedBefore(f ContainerFinding, id string) {
	now := s.now
	for _, ev := range f.Past {
		if ev.ID != id {
			continue
		}
		switch ev.Action {
		case ContainerKilled:
			s.now = s.ours(ev.At, f)
			s.signalled(ev)
			s.now = now
		case ContainerDied, ContainerStarted:
			s.OrderAt, s.SignalAt = time.Time{}, time.Time{}
		}
	}
}

// pastStop: the death before it was ordered, whatever the signal.
func (s *containerStep) pastStop(past *containerPast) {
	if past.last == nil && (s.Pending == DoubtOrdered || s.Pending == DoubtMissing) {
		s.await(DoubtStopped, s.rules.Stopped)
		return
	}
	past.ordered = true
	if past.fell == past.last {
		past.fell = nil
	}
}

// pastFall counts a death that was over before anybody looked.
func (s *containerStep) pastFall(past *containerPast) {
	if past.last != nil && past.fell == past.last {
		s.died(past.fellAt)
	}
}

// ours is the engine's time on our clock, never in the future.
func (s *containerStep) ours(at time.Time, f ContainerFinding) time.Time {
	if f.EngineNow.IsZero() {
		return s.now
	}
	return s.now.Add(-max(f.EngineNow.Sub(at), 0))
}

// foundNone: there is no container of this name.
func (s *containerStep) foundNone(f ContainerFinding, past containerPast) {
	if !s.Known {
		if n := len(f.Past); n > 0 { // its end may be heard of yet
			s.ID = f.Past[n-1].ID
			s.orderedBefore(f, s.ID)
		}
		return
	}
	if past.fell != nil && past.fell == past.last && s.Running {
		s.ended(s.death(*past.fell, ContainerSight{}))
		s.fell(past.fellAt)
	}
	s.gone("deleted")
}

// foundUp: it runs. Whether it is the run that we knew shows its start time.
func (s *containerStep) foundUp(f ContainerFinding, past containerPast) {
	c := f.Container
	another := past.deaths > 0 || !s.StartedAt.IsZero() && !c.StartedAt.Equal(s.StartedAt)
	since := s.ours(c.StartedAt, f)
	if s.Running && another {
		s.cameBack(f, past, since)
	}
	if another {
		s.RecoverAt, s.OOMJudge, s.OOMs = time.Time{}, time.Time{}, 0
		if s.OrderAt.Before(since) {
			s.OrderBefore = later(s.OrderAt, s.OrderBefore) // of the run before
			s.OrderAt, s.SignalAt = time.Time{}, time.Time{}
		}
	}
	s.StartedAt, s.Paused = c.StartedAt, c.Paused
	s.runs(since)
}

// cameBack: it ended and runs again, all while we were away. That is told when
// it was only now, or when it is one end too many; a cut in the stream of
// events must not hide a crash. What is long over is nobody's concern any more.
func (s *containerStep) cameBack(f ContainerFinding, past containerPast, since time.Time) {
	if past.fell == past.last {
		s.pastFall(&past) // its start is still to come
	}
	switch {
	case past.fell != nil && s.now.Sub(past.fellAt) <= s.rules.Fresh:
		s.ended(s.death(*past.fell, ContainerSight{Container: f.Container}))
		s.tellFall()
		return
	case past.deaths == 0 && f.Container.RestartCount > s.RestartCount:
		s.died(since) // the engine restarted it, which it does after a crash only
	}
	if s.looping() && !s.open(ContainerRestarting) {
		if s.Ended == nil {
			s.Ended = &ContainerDeath{Unseen: true}
		}
		s.tellFall()
	}
}

// firstDown: it does not run and we never knew it otherwise: no reason to tell.
func (s *containerStep) firstDown(f ContainerFinding) {
	c := f.Container
	never := c.StartedAt.Before(time.Unix(0, 0))
	s.Running, s.StartedAt = false, c.StartedAt
	if never {
		return
	}
	death := s.foundDeath(f)
	s.Ended = &death
	s.Ordered = !c.Restarting && (c.ExitCode == 0 || c.ExitCode == killedExit || c.ExitCode == 128+15)
}

// foundDown: it does not run, and was known.
func (s *containerStep) foundDown(f ContainerFinding, past containerPast) {
	another := !s.StartedAt.IsZero() && !f.Container.StartedAt.Equal(s.StartedAt) && !f.Container.StartedAt.Before(time.Unix(0, 0))
	switch {
	case past.last != nil && past.ordered:
		s.foundEnded(f)
		s.Ended.ExitCode = past.last.ExitCode
		s.await(DoubtStopped, s.ours(past.last.At, f).Add(s.rules.Stopped).Sub(s.now))
	case past.last != nil:
		s.foundEnded(f)
		s.Ended.OOM = s.wasOOM(*past.last, f.Container.OOMKilled)
		s.Ended.At = past.last.At
		s.fell(s.ours(past.last.At, f))
	case s.Running || another:
		s.foundMissing(f)
	}
}

// foundMissing: its end was not heard of, or not yet. An order that was heard
// explains it all the same. Else it is not known who or what ended it, and
// after its own start the engine starts what it has to: that is waited for.
func (s *containerStep) foundMissing(f ContainerFinding) {
	order, signal := s.OrderAt, s.SignalAt
	ordered := s.ordered(s.rules.Order, s.ours(f.Container.FinishedAt, f))
	s.foundEnded(f)
	s.OrderAt, s.SignalAt = order, signal // the death may be heard of yet
	if ordered {
		s.await(DoubtStopped, s.rules.Stopped)
		return
	}
	s.await(DoubtMissing, s.rules.Reconnect)
}

func (s *containerStep) foundEnded(f ContainerFinding) {
	death := s.foundDeath(f)
	s.StartedAt = f.Container.StartedAt
	s.ended(death)
}

func (s *containerStep) foundDeath(f ContainerFinding) ContainerDeath {
	c := f.Container
	return ContainerDeath{
		At: c.FinishedAt, StartedAt: c.StartedAt, ExitCode: c.ExitCode, OOM: c.OOMKilled && c.ExitCode == killedExit,
		RestartPolicy: c.RestartPolicy, Restarting: c.Restarting, Unseen: true, Lines: f.Lines,
	}
}

// foundLoop: the engine is between two starts of a container that ends again
// and again.
func (s *containerStep) foundLoop(f ContainerFinding) {
	if s.Ended == nil {
		death := s.foundDeath(f)
		s.Ended = &death
	}
	s.Pending, s.JudgeAt, s.Ordered = NoDoubt, time.Time{}, false
	s.alarm(ContainerRestarting, ContainerNotice{Death: s.Ended, Deaths: f.Container.RestartCount})
}

func (s *containerStep) foundHealth(c *Container) {
	if c.Health == Unhealthy && s.open(ContainerUnhealthy) {
		s.WellAt = time.Time{}
		return // told already
	}
	s.health(c.Health, c.HealthSays())
}
