package alerting

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var away = Reason{Code: "database_away"}

// wellDatabase is of a process that has seen its database, which is well.
func wellDatabase() DatabaseOutage { return DatabaseOutage{}.Succeeded(true, noon) }

// failing is after looks that failed for so long, one a second.
func (o DatabaseOutage) failing(d time.Duration) DatabaseOutage {
	for t := time.Duration(0); t <= d; t += time.Second {
		o = o.Failed(away, noon.Add(t), noon.Add(t))
	}
	return o
}

// spoke is after a word that was sent at an instant and answered at once.
func (o DatabaseOutage) spoke(at time.Time, v Verdict) DatabaseOutage {
	word := Spoken{Robot: "r", Content: "down", SentAt: at, AnsweredAt: at}
	return o.Speaking(word).Spoke(word, v, o)
}

func TestHowLongTheDatabaseIsDoubtedBeforePeopleAreTold(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		o     DatabaseOutage
		state OutageState
		speak time.Duration // after noon; negative: not
	}{
		"it is well":                         {wellDatabase(), DatabaseUp, -1},
		"one look failed":                    {wellDatabase().failing(0), DatabaseDoubt, -1},
		"for two seconds":                    {wellDatabase().failing(2 * s), DatabaseDoubt, -1},
		"for three":                          {wellDatabase().failing(3 * s), DatabaseDown, 3 * s},
		"one success in between":             {wellDatabase().failing(2*s).Succeeded(true, noon.Add(2*s)).Failed(away, noon.Add(3*s), noon.Add(3*s)), DatabaseDoubt, -1},
		"a look that takes its time":         {wellDatabase().Failed(away, noon, noon.Add(3*s)), DatabaseDown, 3 * s},
		"a start is given longer":            {DatabaseOutage{}.failing(9 * s), DatabaseDoubt, -1},
		"but not for ever":                   {DatabaseOutage{}.failing(10 * s), DatabaseDown, 10 * s},
		"another process speaks first":       {wellDatabase().Succeeded(false, noon).failing(3 * s), DatabaseDown, 75 * s},
		"told a minute before":               {told(noon.Add(-time.Minute)).failing(3 * s), DatabaseDown, 4 * time.Minute},
		"told long before":                   {told(noon.Add(-time.Hour)).failing(3 * s), DatabaseDown, 3 * s},
		"told a minute before the restart":   {told(noon.Add(-time.Minute)).Reloaded(noon).failing(10 * s), DatabaseDown, 4 * time.Minute},
		"told in a future that was set back": {told(noon.Add(time.Hour)).Reloaded(noon).failing(10 * s), DatabaseDown, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.state, c.o.State)
			if c.speak < 0 {
				assert.True(t, c.o.SpeakAt().IsZero())
				return
			}
			assert.Equal(t, noon.Add(c.speak), c.o.SpeakAt())
		})
	}
}

// told is a process that said so in an outage that is over for everybody.
func told(at time.Time) DatabaseOutage {
	return DatabaseOutage{}.spoke(at, Verdict{Status: Accepted}).Recorded(at).Succeeded(true, at).BackTold()
}

func TestWhenTheDatabaseIsLookedAt(t *testing.T) {
	const s, idle = time.Second, 5 * time.Second
	at := func(o DatabaseOutage, looked time.Duration) time.Duration {
		return o.LookAt(noon.Add(looked), idle).Sub(noon)
	}
	assert.Equal(t, 5*s, at(wellDatabase(), 0))
	assert.Equal(t, s, at(wellDatabase().failing(0), 0))
	assert.Equal(t, 3*s, at(wellDatabase().failing(2*s), 2500*time.Millisecond), "as soon as it is sure")
	assert.Equal(t, 4*s, at(wellDatabase().failing(3*s), 3*s))
}

func TestWhenAWordThatWasRefusedIsTriedAgain(t *testing.T) {
	said := noon.Add(3 * time.Second)
	for name, c := range map[string]struct {
		verdict Verdict
		next    time.Duration // after the answer
		spoken  int           // what costs a slot, and is put on record
		told    bool
	}{
		"shown":           {Verdict{Status: Accepted, Class: ClassOK}, EmergencyEvery, 1, true},
		"perhaps shown":   {Verdict{Status: Unknown, Class: ClassBusy}, EmergencyEvery, 1, true},
		"no connection":   {Verdict{Status: Refused, Class: ClassBusy}, 10 * time.Second, 0, false},
		"busy":            {Verdict{Status: Refused, Class: ClassBusy, ErrCode: -1}, SlotLife, 1, false},
		"over its rate":   {Verdict{Status: Refused, Class: ClassRateLimit, ErrCode: 45009}, SlotLife, 1, false},
		"gone":            {Verdict{Status: Refused, Class: ClassRobotGone, ErrCode: 93000}, EmergencyEvery, 1, false},
		"may not be sent": {Verdict{Status: Refused, Class: ClassRobotGone}, EmergencyEvery, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := wellDatabase().failing(3*time.Second).spoke(said, c.verdict)
			assert.Equal(t, said.Add(c.next), o.SpeakAt())
			assert.Len(t, o.Spoken, c.spoken)
			assert.Equal(t, c.told, o.Told)
			back := o.Succeeded(true, said.Add(time.Minute))
			assert.Equal(t, c.told, back.IsBack(), "who was not told that it is away is not told that it is back")
			assert.Equal(t, c.told, !back.Since.IsZero())
		})
	}
}

func TestWhatPeopleAreToldOfAnOutage(t *testing.T) {
	down := wellDatabase().failing(3 * time.Second)
	shown := Verdict{Status: Accepted, Class: ClassOK}
	o := down.spoke(noon.Add(3*time.Second), shown).spoke(noon.Add(303*time.Second), shown)
	assert.Equal(t, 2, o.Words)
	back := o.Succeeded(true, noon.Add(400*time.Second)).Succeeded(true, noon.Add(405*time.Second))
	assert.Equal(t, noon, back.Since)
	assert.Equal(t, noon.Add(400*time.Second), back.Back, "the first success, not the newest")
	again := back.Failed(away, noon.Add(500*time.Second), noon.Add(500*time.Second))
	assert.False(t, again.IsBack())
	assert.Equal(t, noon, again.Since, "nobody read that it was back: for them it is one outage")
	restarted := o.Reloaded(noon.Add(600*time.Second)).Succeeded(true, noon.Add(600*time.Second))
	assert.True(t, restarted.IsBack(), "also after a restart")
	assert.Len(t, restarted.Spoken, 2)
	done := back.Recorded(noon.Add(303 * time.Second)).BackTold()
	assert.Equal(t, DatabaseOutage{State: DatabaseUp, Seen: true, Said: noon.Add(303 * time.Second)}, done)
}

func TestAWordThatIsOnItsWayCountsAsSaid(t *testing.T) {
	down := wellDatabase().failing(3 * time.Second)
	word := Spoken{Robot: "r", SentAt: noon.Add(3 * time.Second)}
	crashed := down.Speaking(word).Reloaded(noon.Add(4 * time.Second)).failing(10 * time.Second)
	assert.Equal(t, word.SentAt.Add(EmergencyEvery), crashed.SpeakAt())
	assert.Equal(t, Unknown, crashed.Spoken[0].Status)

	recorded := down.Speaking(word).Succeeded(true, noon.Add(5*time.Second)).Recorded(word.SentAt)
	refused := recorded.Spoke(word, Verdict{Status: Refused, Class: ClassBusy}, down)
	assert.Empty(t, refused.Spoken)
	assert.False(t, refused.IsBack(), "it came back before anybody knew")
}

func TestWhatWaitsToBePutOnRecordIsBounded(t *testing.T) {
	o := wellDatabase().failing(3 * time.Second)
	for i := range 2 * maxSpoken {
		o = o.spoke(noon.Add(time.Duration(i)*EmergencyEvery), Verdict{Status: Accepted})
	}
	require.Len(t, o.Spoken, maxSpoken)
	assert.Equal(t, noon, o.Spoken[0].SentAt)
	assert.Equal(t, noon.Add((2*maxSpoken-1)*EmergencyEvery), o.Spoken[maxSpoken-1].SentAt)
}

// TestOneEmergencyWordInFiveMinutes plays databases that come and go, robots
// that refuse, and restarts: never two words within 5 minutes that people may
// have read, never two requests that reached the robot within the life of the one
// slot that is kept for them, and people always read how it stands.
func TestOneEmergencyWordInFiveMinutes(t *testing.T) {
	verdicts := []Verdict{
		{Status: Accepted, Class: ClassOK}, {Status: Unknown, Class: ClassBusy}, {Status: Refused, Class: ClassBusy},
		{Status: Refused, Class: ClassBusy, ErrCode: -1}, {Status: Refused, Class: ClassRateLimit, ErrCode: 45009},
	}
	words := 0
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 18))
		o, up := DatabaseOutage{}, false
		var shown, reached time.Time
		for now := noon; now.Before(noon.Add(3 * time.Hour)); now = now.Add(time.Second) {
			if random.IntN(2+int(seed)) == 0 {
				up = !up
			}
			if random.IntN(300) == 0 {
				o = o.Reloaded(now)
			}
			if up {
				o = o.Succeeded(true, now)
			} else {
				o = o.Failed(away, now, now)
			}
			at := o.SpeakAt()
			if at.IsZero() || at.After(now) {
				continue
			}
			where := fmt.Sprintf("seed %d at %s", seed, now.Sub(noon))
			v := verdicts[random.IntN(len(verdicts))]
			o = o.spoke(now, v)
			if v.Status != Refused {
				require.True(t, shown.IsZero() || now.Sub(shown) >= EmergencyEvery, where)
				require.True(t, o.Told, where)
				shown = now
			}
			if v.Status != Refused || v.ErrCode != 0 {
				require.True(t, reached.IsZero() || now.Sub(reached) >= SlotLife, where)
				reached = now
				words++
			}
		}
	}
	require.Greater(t, words, 1000)
}
