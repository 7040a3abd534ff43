package alerting

import "time"

// OutageState is how the database stands, as one process sees it.
type OutageState string

const (
	// DatabaseUp: the newest look succeeded.
	DatabaseUp OutageState = "UP"
	// DatabaseDoubt: looks fail, and have not for long enough to alarm people.
	DatabaseDoubt OutageState = "DOUBT"
	// DatabaseDown: people are told, without the record.
	DatabaseDown OutageState = "DOWN"
)

const (
	// outageDoubt is how long not one look may succeed before people are told.
	outageDoubt = 3 * time.Second
	// outageStart is the same for a process that has not seen the database yet:
	// both may have been started together.
	outageStart = 10 * time.Second
	// EmergencyEvery is the least time between two emergency words.
	EmergencyEvery = 5 * time.Minute
	// lookAgain is how often the database is asked that was not well.
	lookAgain = time.Second
	// speakAgain is after how long a word is tried again that never left us.
	speakAgain = 10 * time.Second
	// othersSpeak is after how long of an outage the processes speak that do not
	// have the lease of the word. Nothing was claimed since it began, so by then
	// every slot is free: one request, and the life of a slot.
	othersSpeak = 75 * time.Second
	// maxSpoken bounds what waits to be put on record: more than a day of words.
	maxSpoken = 300
)

// Spoken is an emergency word as it was sent.
type Spoken struct {
	Robot      string // RobotID
	Content    string
	Status     MessageStatus // UNKNOWN until it is answered
	ErrCode    int
	Error      string
	SentAt     time.Time
	AnsweredAt time.Time
}

// DatabaseOutage is what a process knows of the database being away, and what it said
// of that. It is a value: each method gives what follows. The zero value is that
// of a process that has not looked yet.
type DatabaseOutage struct {
	State   OutageState
	Failing time.Time // since when no look succeeded; zero: the newest did
	Since   time.Time // since when it is away for people: they were told, or are about to be
	Back    time.Time // when it was back, and people are still to be told so
	Cause   Reason    // why the newest look failed
	Seen    bool      // this process has seen the database
	Waits   bool      // another process speaks first

	Said      time.Time // when people read, or may have read, the last word
	NotBefore time.Time // a refused word is not tried again before
	Told      bool      // people read that it is away, and not yet that it is back
	Words     int       // how many of them, since it is away
	Spoken    []Spoken  // what is not on record yet
}

// Reloaded is what a new process makes of what an earlier one kept. Clocks may
// have been set back meanwhile: nothing was said in the future.
func (o DatabaseOutage) Reloaded(now time.Time) DatabaseOutage {
	return DatabaseOutage{
		Since: o.Since, Told: o.Told, Words: o.Words, Spoken: o.Spoken,
		Said: atMost(o.Said, now), NotBefore: atMost(o.NotBefore, now.Add(EmergencyEvery)),
	}
}

func atMost(t, limit time.Time) time.Time {
	if t.After(limit) {
		return limit
	}
	return t
}

// Failed is after a look that began at an instant and has failed by now.
func (o DatabaseOutage) Failed(why Reason, began, now time.Time) DatabaseOutage {
	if o.Failing.IsZero() {
		o.State, o.Failing = DatabaseDoubt, began
		if !o.Told {
			o.Since = began
		}
	}
	o.Cause, o.Back = why, time.Time{}
	if !now.Before(o.Failing.Add(o.patience())) {
		o.State = DatabaseDown
	}
	return o
}

func (o DatabaseOutage) patience() time.Duration {
	if o.Seen {
		return outageDoubt
	}
	return outageStart
}

// Succeeded is after a look that succeeded. first: this process has the lease of
// the word, and would speak at once.
func (o DatabaseOutage) Succeeded(first bool, now time.Time) DatabaseOutage {
	o.State, o.Failing, o.Cause, o.Seen, o.Waits = DatabaseUp, time.Time{}, Reason{}, true, !first
	switch {
	case !o.Told:
		o.Since = time.Time{}
	case o.Back.IsZero():
		o.Back = now
	}
	return o
}

// LookAt is when to look again after a look that began at an instant. idle is
// how often a database is looked at that is well.
func (o DatabaseOutage) LookAt(looked time.Time, idle time.Duration) time.Time {
	switch o.State {
	case DatabaseDoubt:
		if sure := o.Failing.Add(o.patience()); sure.After(looked) {
			return sooner(looked.Add(lookAgain), sure)
		}
		return looked.Add(lookAgain)
	case DatabaseDown:
		return looked.Add(lookAgain)
	}
	return looked.Add(idle)
}

// SpeakAt is when the emergency word is due; zero: it is not.
func (o DatabaseOutage) SpeakAt() time.Time {
	if o.State != DatabaseDown {
		return time.Time{}
	}
	at := later(o.Failing.Add(o.patience()), o.NotBefore)
	if o.Waits {
		at = later(at, o.Failing.Add(othersSpeak))
	}
	if !o.Said.IsZero() {
		at = later(at, o.Said.Add(EmergencyEvery))
	}
	return at
}

// Speaking is before a word is sent: as if it had been, since nobody can tell
// after a crash in between.
func (o DatabaseOutage) Speaking(word Spoken) DatabaseOutage {
	word.Status = Unknown
	o.Said, o.Told, o.Words = word.SentAt, true, o.Words+1
	// The first is kept, as it says when people were told; then the newest.
	if len(o.Spoken) >= maxSpoken {
		o.Spoken = append(o.Spoken[:1:1], o.Spoken[2:]...)
	}
	o.Spoken = append(o.Spoken[:len(o.Spoken):len(o.Spoken)], word)
	return o
}

// Spoke is after the answer to a word; before is how it stood before Speaking.
// Meanwhile what was said may have been put on record.
func (o DatabaseOutage) Spoke(word Spoken, v Verdict, before DatabaseOutage) DatabaseOutage {
	refused := v.Status == Refused
	if refused {
		o.Said, o.Told, o.Words = before.Said, before.Told, before.Words
		if o.State == DatabaseUp && !o.Told {
			o.Since, o.Back = time.Time{}, time.Time{} // it came back before anybody knew
		}
		o.NotBefore = word.AnsweredAt.Add(notAgain(v))
	}
	var kept []Spoken
	for _, s := range o.Spoken {
		switch {
		case !s.SentAt.Equal(word.SentAt):
			kept = append(kept, s)
		case refused && v.ErrCode == 0: // it never left, and costs nothing
		default:
			s.Status, s.ErrCode, s.Error, s.AnsweredAt = v.Status, v.ErrCode, v.Error, word.AnsweredAt
			kept = append(kept, s)
		}
	}
	o.Spoken = kept
	return o
}

// notAgain is how long a word that was refused is not tried again. What reached
// the robot has used the one slot that is kept for it.
func notAgain(v Verdict) time.Duration {
	switch {
	case v.Class == ClassRobotGone || v.Class == ClassTooLong || v.Class == ClassBadWords:
		return EmergencyEvery
	case v.ErrCode == 0:
		return speakAgain
	}
	return SlotLife
}

// Recorded is after what was said until an instant was put on record.
func (o DatabaseOutage) Recorded(until time.Time) DatabaseOutage {
	var left []Spoken
	for _, s := range o.Spoken {
		if s.SentAt.After(until) {
			left = append(left, s)
		}
	}
	o.Spoken = left
	return o
}

// IsBack tells whether people are still to be told that the database is back.
func (o DatabaseOutage) IsBack() bool { return o.State == DatabaseUp && o.Told && !o.Back.IsZero() }

// BackTold is after people were told so, or cannot be.
func (o DatabaseOutage) BackTold() DatabaseOutage {
	o.Told, o.Words, o.Since, o.Back = false, 0, time.Time{}, time.Time{}
	return o
}
