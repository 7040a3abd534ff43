package alerting

import "time"

// MessageKind says what a message carries, and so which part of its robot's
// budget it uses.
type MessageKind string

const (
	SingleCritical MessageKind = "CRITICAL"        // one CRITICAL word
	Single         MessageKind = "SINGLE"          // one other word
	DigestCritical MessageKind = "CRITICAL_DIGEST" // what waits of CRITICAL words
	DigestOther    MessageKind = "DIGEST"          // what waits of the others
	CallMessage    MessageKind = "CALL"            // all CALLs that wait, in one text
	StormOver      MessageKind = "STORM_OVER"      // no word: the storm is over, and what it came to
	TestMessage    MessageKind = "TEST"            // no word: somebody asked for it
	Emergency      MessageKind = "EMERGENCY"       // no word: the database was away, or is back
)

// Digest tells whether it is one of the digests.
func (k MessageKind) Digest() bool { return k == DigestCritical || k == DigestOther }

// carries tells whether words go with it. Messages of older versions have no
// kind, and did.
func (k MessageKind) carries() bool {
	return k != StormOver && k != TestMessage && k != Emergency
}

// The parts of a robot's budget of 19 (DESIGN, promise 3). Each is what may be
// used of the slots at one time, so that none can take what another needs.
const (
	criticalSingles = 8 // CRITICAL words that go singly
	otherSingles    = 7 // other words that go singly
	keptForDigests  = RobotBudget - criticalSingles - otherSingles
	// borrowed is how many other words may use slots of CRITICAL ones, while there
	// is no overload: half of them.
	borrowed = 4
)

// How digests are paced.
const (
	// gather is how long what is too much is collected for the first digest.
	gather = 2 * time.Second
	// quickGap is between two digests while more slots are left than are kept
	// for them; digests may use those of the other singles.
	quickGap = 5 * time.Second
	// slowGap spreads the kept slots over the time in which they come back: with
	// it, a slot is free whenever a digest is due.
	slowGap = SlotLife / keptForDigests
	// callGap is between two messages that call people: what comes meanwhile goes
	// into the next.
	callGap = 15 * time.Second
	// starved is how long other words wait behind CRITICAL digests before it is
	// their turn.
	starved = 30 * time.Second
	// StormQuiet is for how long nothing more came when a storm is over.
	StormQuiet = 20 * time.Second
	// MaxFolded bounds the words of one digest, and so of one transaction.
	MaxFolded = 10_000
	// stormWords is how many words make a digest part of a storm: more than
	// could have been said singly.
	stormWords = RobotLimit
)

// Storms tells whether a digest of so many words is part of a storm, the end of
// which is told.
func Storms(words int) bool { return words > stormWords }

// Slot is a used part of a robot's budget.
type Slot struct {
	Kind  MessageKind // empty: of an older version
	Until time.Time   // when it is free again
}

// sent is when its message was answered, or will have been at the latest.
func (s Slot) sent() time.Time { return s.Until.Add(-SlotLife) }

// Backlog is what waits of one priority, and is due.
type Backlog struct {
	Words int
	Since time.Time // when the first of them became due
}

// Load is all that decides what a robot is sent next.
type Load struct {
	Slots           []Slot
	Critical, Other Backlog
	Calls           Backlog
	Storm           bool // a storm was told that has not been told to be over
	Later           bool // words wait that are not due
}

// Turn is what to send next.
type Turn struct {
	Kind MessageKind // empty: nothing now
	At   time.Time   // without a kind: when to decide again; zero: when something comes
}

// Next decides what a robot is sent next: CRITICAL words first, singly while
// their part of the budget lasts, then in digests of their own; then the others,
// singly when their part has room for all that wait, else in a digest. What
// waits is never dropped. People are called between the CRITICAL words that may
// go singly and all others, which do not wait for a call that has to.
func (l Load) Next(now time.Time) Turn {
	u := l.used(now)
	if l.Critical.Words > 0 && u.mayGoSingly() {
		return Turn{Kind: SingleCritical}
	}
	call := l.call(u, now)
	if call.Kind != "" {
		return call
	}
	return l.words(u, now).before(call.At, now)
}

// call calls people when it is time and a slot is left that digests do not need:
// one of CRITICAL words, else of the others.
func (l Load) call(u usage, now time.Time) Turn {
	if l.Calls.Words == 0 {
		return Turn{}
	}
	if at := u.mayCallAt(); at.After(now) {
		return Turn{At: at}
	}
	if u.mayGoSingly() || u.room() > keptForDigests {
		return Turn{Kind: CallMessage}
	}
	return Turn{At: u.first} // which may not help: then it is asked again
}

// CallsApart is until when no call is made because people were called a moment
// ago; zero: that holds none up.
func (l Load) CallsApart(now time.Time) time.Time {
	if at := l.used(now).mayCallAt(); at.After(now) {
		return at
	}
	return time.Time{}
}

// words decides on what does not go before calls.
func (l Load) words(u usage, now time.Time) Turn {
	switch {
	case l.Critical.Words > 0 && !l.turnOfOthers(u, now):
		return u.digest(DigestCritical, l.Critical.Since.Add(gather), now).before(l.othersTurnAt(u), now)
	case l.Other.Words == 0:
		return l.over(u, now)
	case l.Other.Words <= min(otherSingles-u.other, u.room()-keptForDigests):
		return Turn{Kind: Single}
	case l.Other.Words == 1 && u.digests == 0 && u.other >= otherSingles && u.extra() < borrowed && u.mayGoSingly():
		return Turn{Kind: Single} // busy, but no overload
	}
	return u.digest(DigestOther, l.Other.Since.Add(gather), now)
}

// turnOfOthers keeps a stream of CRITICAL words from holding the others up for
// ever.
func (l Load) turnOfOthers(u usage, now time.Time) bool {
	at := l.othersTurnAt(u)
	return !at.IsZero() && !at.After(now)
}

func (l Load) othersTurnAt(u usage) time.Time {
	if l.Other.Words == 0 || u.newest.Kind != DigestCritical {
		return time.Time{}
	}
	return l.Other.Since.Add(starved)
}

// over ends a storm when nothing has come for a while.
func (l Load) over(u usage, now time.Time) Turn {
	if !l.Storm || l.Later || l.Calls.Words > 0 {
		return Turn{}
	}
	return u.digest(StormOver, u.lastWords.Add(StormQuiet), now)
}

// usage is what the slots of a robot are used for at an instant.
type usage struct {
	free                     int
	critical, other, digests int
	newest                   Slot      // the last digest
	called                   time.Time // when people were called last
	lastWords                time.Time // when the last message with words was answered
	first                    time.Time // when the first slot is free again
}

func (l Load) used(now time.Time) usage {
	u := usage{free: RobotBudget}
	for _, s := range l.Slots {
		if !s.Until.After(now) {
			continue
		}
		u.free--
		if u.first.IsZero() || s.Until.Before(u.first) {
			u.first = s.Until
		}
		if s.Kind.carries() && s.sent().After(u.lastWords) {
			u.lastWords = s.sent()
		}
		u.count(s)
	}
	return u
}

func (u *usage) count(s Slot) {
	switch s.Kind {
	case SingleCritical:
		u.critical++
	case CallMessage: // however it got its slot: the others' part is the larger one
		u.critical++
		u.called = later(u.called, s.sent())
	case Single:
		u.other++
	case DigestCritical, DigestOther, StormOver:
		u.digests++
		if s.Until.After(u.newest.Until) {
			u.newest = s
		}
	}
}

// mayCallAt is when people may be called again.
func (u usage) mayCallAt() time.Time { return u.called.Add(callGap) }

// extra is how many slots of CRITICAL words others use.
func (u usage) extra() int { return max(0, u.other-otherSingles) }

// mayGoSingly tells whether a slot is left of those for CRITICAL words. (Without
// tests that people ask for, which may take any, the second half always holds.)
func (u usage) mayGoSingly() bool {
	return u.critical+u.extra() < criticalSingles && u.free > max(0, keptForDigests-u.digests)
}

// room is what is left besides the slots that are for CRITICAL words.
func (u usage) room() int { return u.free - max(0, criticalSingles-u.critical-u.extra()) }

// digest sends a message of a kind that is paced, or says when.
func (u usage) digest(kind MessageKind, at, now time.Time) Turn {
	if u.digests > 0 {
		gap := slowGap
		if u.room() > keptForDigests {
			gap = quickGap
		}
		at = later(at, u.newest.sent().Add(gap))
	}
	room := u.room()
	if kind == DigestCritical {
		room = u.free
	}
	switch {
	case room <= 0:
		return Turn{At: u.first} // which may not help: then it is asked again
	case !at.After(now):
		return Turn{Kind: kind}
	case u.free < RobotBudget && u.first.Before(at):
		return Turn{At: u.first} // a slot more may allow more
	}
	return Turn{At: at}
}

// before looks again at an instant that comes before it is due.
func (t Turn) before(at, now time.Time) Turn {
	if t.Kind == "" && at.After(now) && (t.At.IsZero() || at.Before(t.At)) {
		t.At = at
	}
	return t
}
