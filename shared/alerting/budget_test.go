package alerting

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// slots are messages of a kind that were answered so long ago.
func slots(kind MessageKind, ago ...time.Duration) (all []Slot) {
	for _, d := range ago {
		all = append(all, Slot{Kind: kind, Until: noon.Add(SlotLife - d)})
	}
	return all
}

func times(n int, d time.Duration) []time.Duration { return slices.Repeat([]time.Duration{d}, n) }

func waits(n int, ago time.Duration) Backlog { return Backlog{Words: n, Since: noon.Add(-ago)} }

func TestWhatARobotIsSentNext(t *testing.T) {
	const s = time.Second
	send := func(k MessageKind) Turn { return Turn{Kind: k} }
	at := func(d time.Duration) Turn { return Turn{At: noon.Add(d)} }
	for name, c := range map[string]struct {
		load Load
		want Turn
	}{
		"nothing":                               {Load{}, Turn{}},
		"a word":                                {Load{Other: waits(1, 0)}, send(Single)},
		"as many as may go singly":              {Load{Other: waits(7, 0)}, send(Single)},
		"more: they are collected":              {Load{Other: waits(8, 0)}, at(2 * s)},
		"and leave in one":                      {Load{Other: waits(8, 2*s)}, send(DigestOther)},
		"CRITICAL goes first":                   {Load{Critical: waits(1, 0), Other: waits(1, time.Hour)}, send(SingleCritical)},
		"CRITICAL goes singly in a storm":       {Load{Critical: waits(900, 0), Other: waits(900, 9*s)}, send(SingleCritical)},
		"eight times":                           {Load{Slots: slots(SingleCritical, times(7, 0)...), Critical: waits(900, 0)}, send(SingleCritical)},
		"then by themselves":                    {Load{Slots: slots(SingleCritical, times(8, s)...), Critical: waits(900, 2*s), Other: waits(900, 2*s)}, send(DigestCritical)},
		"the others after them":                 {Load{Slots: slots(DigestCritical, 5*s), Other: waits(900, 7*s)}, send(DigestOther)},
		"but not at once":                       {Load{Slots: slots(DigestCritical, 2*s), Other: waits(900, 7*s)}, at(3 * s)},
		"seven singles leave room for CRITICAL": {Load{Slots: slots(Single, times(7, s)...), Critical: waits(1, 0)}, send(SingleCritical)},
		"an eighth that waits alone goes, too":  {Load{Slots: slots(Single, times(7, s)...), Other: waits(1, 0)}, send(Single)},
		"two are collected":                     {Load{Slots: slots(Single, times(7, s)...), Other: waits(2, 0)}, at(2 * s)},
		"and the twelfth":                       {Load{Slots: slots(Single, times(11, s)...), Other: waits(1, 0)}, at(2 * s)},
		"but none in an overload":               {Load{Slots: append(slots(Single, times(7, 30*s)...), slots(DigestOther, 20*s)...), Other: waits(1, 0)}, at(2 * s)},
		"CRITICAL has what was not borrowed":    {Load{Slots: slots(Single, times(11, s)...), Critical: waits(9, 9*s)}, send(SingleCritical)},
		"and no more":                           {Load{Slots: append(slots(Single, times(11, s)...), slots(SingleCritical, times(4, s)...)...), Critical: waits(9, 9*s)}, send(DigestCritical)},
		"a slot that comes back is no reason to wait longer": {Load{Slots: slots(Single, append(times(6, s), SlotLife-s)...), Other: waits(2, 0)}, at(s)},
		"few slots left: digests are far apart":              {Load{Slots: append(slots(Single, times(7, 20*s)...), slots(DigestOther, 6*s)...), Other: waits(900, 6*s)}, at(9*s + 250*time.Millisecond)},
		"others starve behind CRITICAL":                      {Load{Slots: append(slots(SingleCritical, times(8, 40*s)...), slots(DigestCritical, 20*s)...), Critical: waits(900, 20*s), Other: waits(9, 30*s)}, send(DigestOther)},
		"and CRITICAL not behind others":                     {Load{Slots: append(slots(SingleCritical, times(8, 40*s)...), slots(DigestOther, 20*s)...), Critical: waits(900, 20*s), Other: waits(9, 30*s)}, send(DigestCritical)},
		"tests use the budget, too":                          {Load{Slots: slots(TestMessage, times(19, 10*s)...), Critical: waits(1, 0)}, at(51 * s)},
		"tests leave CRITICAL its part":                      {Load{Slots: slots(TestMessage, times(11, 10*s)...), Critical: waits(1, 0), Other: waits(1, 0)}, send(SingleCritical)},
		"and the others wait":                                {Load{Slots: slots(TestMessage, times(11, 10*s)...), Other: waits(1, time.Hour)}, at(51 * s)},
		"an older version's messages use the budget":         {Load{Slots: slots("", times(20, 10*s)...), Other: waits(1, 0)}, at(51 * s)},
		"a slot that is free":                                {Load{Slots: slots(SingleCritical, times(19, SlotLife)...), Other: waits(1, 0)}, send(Single)},
		"a storm is not over yet":                            {Load{Slots: slots(DigestOther, 5*s), Storm: true}, at(15 * s)},
		"a storm is over":                                    {Load{Slots: slots(DigestOther, 20*s), Storm: true}, send(StormOver)},
		"a storm that ended long ago":                        {Load{Storm: true}, send(StormOver)},
		"a storm of which something waits":                   {Load{Storm: true, Later: true}, Turn{}},

		"people are called":                                  {Load{Calls: waits(3, 0)}, send(CallMessage)},
		"behind the CRITICAL words that may go singly":       {Load{Calls: waits(1, time.Minute), Critical: waits(1, 0)}, send(SingleCritical)},
		"before the others":                                  {Load{Calls: waits(1, 0), Other: waits(1, time.Minute)}, send(CallMessage)},
		"before a digest of CRITICAL":                        {Load{Slots: slots(SingleCritical, times(8, s)...), Calls: waits(1, 0), Critical: waits(9, 9*s)}, send(CallMessage)},
		"once in 15 s":                                       {Load{Slots: slots(CallMessage, 5*s), Calls: waits(1, 0)}, at(10 * s)},
		"then again":                                         {Load{Slots: slots(CallMessage, 15*s), Calls: waits(1, 0)}, send(CallMessage)},
		"words do not wait for a call that waits":            {Load{Slots: slots(CallMessage, 5*s), Calls: waits(1, 0), Other: waits(1, 0)}, send(Single)},
		"nor do those that are collected":                    {Load{Slots: slots(CallMessage, 5*s), Calls: waits(1, 0), Other: waits(99, s)}, at(s)},
		"a call that is due sooner":                          {Load{Slots: slots(CallMessage, 14*s+500*time.Millisecond), Calls: waits(1, 0), Other: waits(99, s)}, at(500 * time.Millisecond)},
		"a call takes a slot of CRITICAL":                    {Load{Slots: append(slots(SingleCritical, times(7, s)...), slots(CallMessage, 15*s)...), Critical: waits(9, 9*s)}, send(DigestCritical)},
		"one of the others when those are used":              {Load{Slots: slots(SingleCritical, times(8, s)...), Calls: waits(1, 0)}, send(CallMessage)},
		"never one that is kept for digests":                 {Load{Slots: append(slots(SingleCritical, times(8, 20*s)...), slots(Single, times(otherSingles, 30*s)...)...), Calls: waits(1, 0)}, at(31 * s)},
		"not even in a storm, which goes on":                 {Load{Slots: append(slots(SingleCritical, times(8, 20*s)...), slots(Single, times(otherSingles, 30*s)...)...), Calls: waits(1, 0), Other: waits(99, 9*s)}, send(DigestOther)},
		"a storm is not over while somebody is to be called": {Load{Slots: append(slots(DigestOther, 20*s), slots(CallMessage, 5*s)...), Calls: waits(1, 0), Storm: true}, at(10 * s)},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, c.load.Next(noon)) })
	}
}

// storm plays events against one robot, by what Next says.
type storm struct {
	random  *rand.Rand
	now     time.Time
	waiting map[bool][]time.Time // by CRITICAL: when each word came
	calls   []time.Time          // that wait
	calling bool                 // whether a message with words is followed by a call
	slots   []Slot
	sent    []Slot
	slowest time.Duration // what an answer takes at most
	told    bool
	carried []struct{ came, sent time.Time }
	order   []MessageKind
}

func (s *storm) backlog(critical bool) Backlog {
	if w := s.waiting[critical]; len(w) > 0 {
		return Backlog{Words: len(w), Since: w[0]}
	}
	return Backlog{}
}

func (s *storm) callsWaiting() Backlog {
	if len(s.calls) == 0 {
		return Backlog{}
	}
	return Backlog{Words: len(s.calls), Since: s.calls[0]}
}

// send is one message, and what it carries.
func (s *storm) send(k MessageKind) {
	critical, n := k == SingleCritical || k == DigestCritical, 1
	if k.Digest() {
		n = min(MaxFolded, len(s.waiting[critical]))
		s.told = s.told || Storms(n)
	}
	arrives := s.now.Add(time.Duration(s.random.Float64() * float64(s.slowest)))
	if k == StormOver {
		n, s.told = 0, false
	}
	if k == CallMessage {
		n, s.calls = 0, nil
	}
	for _, came := range s.waiting[critical][:n] {
		s.carried = append(s.carried, struct{ came, sent time.Time }{came, arrives})
	}
	s.waiting[critical] = s.waiting[critical][n:]
	s.sent = append(s.sent, Slot{Kind: k, Until: arrives})
	s.now = arrives.Add(time.Duration(s.random.Float64() * float64(s.slowest)))
	s.slots = append(s.slots, Slot{Kind: k, Until: s.now.Add(SlotLife)})
	s.order = append(s.order, k)
	if s.calling && n > 0 {
		s.calls = append(s.calls, s.now)
	}
}

// play lets words come at the instants and goes on until nothing waits.
func (s *storm) play(t *testing.T, critical, other []time.Time) {
	come := map[bool][]time.Time{true: critical, false: other}
	for {
		for c := range come {
			for len(come[c]) > 0 && !come[c][0].After(s.now) {
				s.waiting[c] = append(s.waiting[c], come[c][0])
				come[c] = come[c][1:]
			}
		}
		s.slots = slices.DeleteFunc(s.slots, func(x Slot) bool { return !x.Until.After(s.now) })
		turn := Load{Slots: s.slots, Critical: s.backlog(true), Other: s.backlog(false), Calls: s.callsWaiting(), Storm: s.told}.Next(s.now)
		next := turn.At
		for _, c := range come {
			if len(c) > 0 {
				next = sooner(next, c[0])
			}
		}
		switch {
		case turn.Kind != "":
			s.send(turn.Kind)
		case next.IsZero():
			return
		default:
			require.True(t, next.After(s.now), "an instant that has passed is no answer")
			s.now = next
		}
	}
}

// random instants, in order, within a time.
func instants(random *rand.Rand, n int, within time.Duration) (all []time.Time) {
	for range n {
		all = append(all, noon.Add(time.Duration(random.Float64()*float64(within))))
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// TestStorms holds promise 3 against storms of every kind.
func TestStorms(t *testing.T) {
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 3))
		within := time.Duration(1+random.IntN(120)) * time.Second
		critical, other := instants(random, random.IntN(1+random.IntN(300)), within), instants(random, 21+random.IntN(2000), within)
		last := noon
		for _, all := range [][]time.Time{critical, other} {
			if len(all) > 0 {
				last = later(last, all[len(all)-1])
			}
		}
		s := &storm{random: random, now: noon, waiting: map[bool][]time.Time{}, slowest: time.Duration(random.IntN(500)) * time.Millisecond}
		s.calling = seed%2 == 1 // every message with words is one that calls people
		s.play(t, critical, other)

		where := fmt.Sprintf("seed %d: %d CRITICAL and %d others within %s, %v", seed, len(critical), len(other), within, s.order)
		require.Len(t, s.carried, len(critical)+len(other), where)
		for i := RobotBudget; i < len(s.sent); i++ {
			require.Greater(t, s.sent[i].Until.Sub(s.sent[i-RobotBudget].Until), time.Minute, where)
		}
		for _, w := range s.carried {
			require.LessOrEqual(t, w.sent.Sub(later(w.came, last)), time.Minute, where)
			require.LessOrEqual(t, w.sent.Sub(w.came), time.Minute, "and no word waits longer, however long the storm is: "+where)
		}
		require.Empty(t, s.calls, where)
		var called time.Time
		for _, m := range s.sent {
			if m.Kind == CallMessage {
				require.GreaterOrEqual(t, m.Until.Sub(called), callGap, where)
				called = m.Until
			}
		}
		for i := criticalSingles; i < len(s.sent); i++ {
			require.False(t, s.crowded(SingleCritical, i, criticalSingles) || s.crowded(Single, i, otherSingles+borrowed), where)
		}
		if slices.Contains(s.order, DigestOther) && Storms(s.largest()) {
			require.Equal(t, StormOver, s.order[len(s.order)-1], where)
		}
	}
}

// crowded tells whether the i-th message is one too many of its kind.
func (s *storm) crowded(kind MessageKind, i, most int) bool {
	n := 0
	for _, m := range s.sent[:i+1] {
		if m.Kind == kind && s.sent[i].Until.Sub(m.Until) <= time.Minute {
			n++
		}
	}
	return n > most
}

// largest is how many words one message carried at most.
func (s *storm) largest() (most int) {
	n := map[time.Time]int{}
	for _, w := range s.carried {
		n[w.sent]++
		most = max(most, n[w.sent])
	}
	return most
}

// While words come one by one, eleven a minute of them go singly and at once.
func TestABusyRobotIsNotAnOverload(t *testing.T) {
	s := &storm{random: rand.New(rand.NewPCG(1, 1)), now: noon, waiting: map[bool][]time.Time{}, slowest: 100 * time.Millisecond}
	var other []time.Time
	for i := range 100 {
		other = append(other, noon.Add(time.Duration(i)*5700*time.Millisecond))
	}
	s.play(t, nil, other)
	for _, w := range s.carried {
		require.Less(t, w.sent.Sub(w.came), 200*time.Millisecond)
	}
	require.Len(t, s.sent, 100)
}

// The first digest leaves within 5 s of the overload, whatever went singly
// before it.
func TestTheFirstDigestIsSoon(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 4))
		s := &storm{random: random, now: noon, waiting: map[bool][]time.Time{}, slowest: 100 * time.Millisecond}
		s.play(t, instants(random, random.IntN(100), 3*time.Second), instants(random, 500, 3*time.Second))
		first := slices.IndexFunc(s.sent, func(m Slot) bool { return m.Kind.Digest() })
		require.LessOrEqual(t, s.sent[first].Until.Sub(noon), 5*time.Second, "seed %d: %v", seed, s.order)
	}
}
