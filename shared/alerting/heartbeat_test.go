package alerting

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var t0 = time.Date(2026, 2, 25, 2, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return t0.Add(d) }

func of[T any](v T) *T { return &v }

// backup is a heartbeat of 10 min and 2 min of grace, declared at t0.
func backup() Heartbeat {
	return DeclareHeartbeat(FromPing, "backup", HeartbeatTerms{Period: 10 * time.Minute, Grace: of(2 * time.Minute)}, t0)
}

// lives plays a heartbeat's life: "5m ok", "12m fail", "30m" judges, "pause",
// "resume"; every deadline on the way is judged when it comes.
func lives(t *testing.T, h Heartbeat, script string) (Heartbeat, []string) {
	t.Helper()
	var posted []string
	now := t0
	post := func() {
		for h.Owed != OwesNothing {
			ev := h.Event(English, time.UTC, now)
			posted = append(posted, fmt.Sprintf("%s %s", now.Sub(t0), map[bool]string{true: "UP", false: "DOWN " + string(h.Cause)}[ev.Resolved]))
			h = h.Settled(h.Seq, now)
		}
	}
	for step := range strings.SplitSeq(script, ",") {
		when, what, _ := strings.Cut(strings.TrimSpace(step), " ")
		d, err := time.ParseDuration(when)
		require.NoError(t, err)
		for !h.Deadline.IsZero() && h.Deadline.Before(at(d)) {
			now = h.Deadline
			h = h.Judge(now)
			post()
		}
		now = at(d)
		switch what {
		case "":
			h = h.Judge(now)
		case "pause":
			h = h.Pause("li", now)
		case "resume":
			h = h.Resume(now)
		default:
			p := HeartbeatPing{Name: h.Name, Signal: HeartbeatSignal(what)}
			if n, ok := strings.CutPrefix(what, "exit="); ok {
				p.Signal, p.Exit = SignalOK, of(int64(n[0]-'0'))
			}
			h = h.Ping(p, now)
		}
		post()
	}
	return h, posted
}

func TestHeartbeatLives(t *testing.T) {
	cases := []struct {
		name, script string
		state        WatchState
		deadline     string // after t0; empty: none
		posted       []string
	}{
		{"declared", "0s", WatchNew, "12m", nil},
		{"never pinged", "12m", WatchDown, "22m", []string{"12m0s DOWN never"}},
		{"a ping in time", "5m ok", WatchUp, "15m", nil},
		{"late, nobody is told", "5m ok, 15m", WatchLate, "17m", nil},
		{"late and back", "5m ok, 16m ok", WatchUp, "26m", nil},
		{"silent", "5m ok, 17m", WatchDown, "27m", []string{"17m0s DOWN silent"}},
		{"one tick before", "5m ok, 16m59.999s", WatchLate, "17m", nil},
		{"judged much later goes down at once", "5m ok, 17m, 20m", WatchDown, "27m", []string{"17m0s DOWN silent"}},
		{"said again every period", "5m ok, 38m", WatchDown, "47m", []string{"17m0s DOWN silent", "27m0s DOWN silent", "37m0s DOWN silent"}},
		{"back", "5m ok, 18m ok", WatchUp, "28m", []string{"17m0s DOWN silent", "18m0s UP"}},
		{"failed", "5m ok, 6m fail", WatchDown, "16m", []string{"6m0s DOWN failed"}},
		{"failed by exit status", "6m exit=3", WatchDown, "16m", []string{"6m0s DOWN failed"}},
		{"ended by exit status 0", "6m exit=0", WatchUp, "16m", nil},
		{"failed again says nothing new", "6m fail, 7m fail", WatchDown, "16m", []string{"6m0s DOWN failed"}},
		{"failed after silence gives the reminder its reason", "13m fail, 22m", WatchDown, "32m", []string{"12m0s DOWN never", "22m0s DOWN failed"}},
		{"failed and well", "6m fail, 7m ok", WatchUp, "17m", []string{"6m0s DOWN failed", "7m0s UP"}},

		{"a start brings the end forward", "5m ok, 6m start", WatchUp, "8m", nil},
		{"started and ended", "5m ok, 6m start, 7m ok", WatchUp, "17m", nil},
		{"started and not ended", "5m ok, 6m start, 8m", WatchDown, "18m", []string{"8m0s DOWN overran"}},
		{"a start while new", "1m start, 3m", WatchDown, "13m", []string{"3m0s DOWN overran"}},
		{"a late start puts nothing off", "5m ok, 16m start", WatchLate, "17m", nil},
		{"starts again and again", "5m ok, 6m start, 7m start, 8m30s start, 10m start", WatchUp, "12m", nil},
		{"starts for ever", "5m ok, 6m start, 7m start, 8m start, 9m start, 10m start, 11m start, 12m start, 13m start, 14m start, 15m start, 16m start, 16m30s start, 17m", WatchDown, "27m",
			[]string{"17m0s DOWN silent"}},
		{"a start does not end an alarm", "12m, 13m start, 21m", WatchDown, "22m", []string{"12m0s DOWN never"}},
		{"started while down, and ended", "12m, 13m start, 14m ok", WatchUp, "24m", []string{"12m0s DOWN never", "14m0s UP"}},

		{"paused", "5m ok, 6m pause, 20h", WatchPaused, "", nil},
		{"paused and pinged", "5m ok, 6m pause, 3h ok", WatchUp, "190m", nil},
		{"paused and failed", "6m pause, 3h fail", WatchDown, "190m", []string{"3h0m0s DOWN failed"}},
		{"paused and started", "5m ok, 6m pause, 3h start", WatchUp, "182m", nil},
		{"resumed", "5m ok, 6m pause, 3h resume", WatchUp, "190m", nil},
		{"resumed without a ping before", "6m pause, 3h resume, 192m", WatchDown, "202m", []string{"3h12m0s DOWN never"}},
		{"resume of what is not paused", "5m ok, 6m resume", WatchUp, "15m", nil},
		{"paused while down, and back", "12m, 13m pause, 3h ok", WatchUp, "190m", []string{"12m0s DOWN never", "3h0m0s UP"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			h, posted := lives(t, backup(), tc.script)
			assert.Equal(t, tc.state, h.State)
			assert.Equal(t, tc.posted, posted)
			if tc.deadline == "" {
				assert.True(t, h.Deadline.IsZero())
				return
			}
			d, err := time.ParseDuration(tc.deadline)
			require.NoError(t, err)
			assert.Equal(t, d, h.Deadline.Sub(t0))
		})
	}
}

func TestAStartWithoutGraceLimitsNothing(t *testing.T) {
	h := DeclareHeartbeat(FromPing, "x", HeartbeatTerms{Period: time.Minute, Grace: of(time.Duration(0))}, t0)
	h = h.Ping(HeartbeatPing{Signal: SignalStart}, at(10*time.Second))
	assert.Equal(t, at(10*time.Second), h.StartedAt)
	assert.Equal(t, at(time.Minute), h.Deadline)
}

// A reminder must come before the incident gap ends, and not in a storm.
func TestRemindersComeWithinTheIncidentGap(t *testing.T) {
	for period, want := range map[time.Duration]time.Duration{
		time.Second: time.Minute, 5 * time.Minute: 5 * time.Minute, 24 * time.Hour: 15 * time.Minute, MaxHeartbeatPeriod: 15 * time.Minute,
	} {
		h := DeclareHeartbeat(FromPing, "x", HeartbeatTerms{Period: period}, t0).Ping(HeartbeatPing{Signal: SignalFail}, t0)
		assert.Equal(t, want, h.Deadline.Sub(t0), "%s", period)
		assert.Less(t, want, DefaultPolicy().IncidentGap)
	}
}

func TestWhatIsOwedIsNeitherLostNorDoubled(t *testing.T) {
	failed := backup().Ping(HeartbeatPing{Signal: SignalFail}, at(time.Minute))
	require.Equal(t, OwesDown, failed.Owed)
	key := failed.EventKey()

	assert.Equal(t, key, of(failed.Judge(failed.Deadline)).EventKey(), "a reminder of what was not said yet is the same event")
	both := failed.Ping(HeartbeatPing{Signal: SignalOK}, at(2*time.Minute))
	require.Equal(t, OwesBoth, both.Owed)
	assert.Equal(t, key, both.EventKey(), "the failure is still owed under its number")
	assert.False(t, of(both.Event(Chinese, nil, at(2*time.Minute))).Resolved)
	up := both.Settled(both.Seq, at(3*time.Minute))
	assert.Equal(t, OwesUp, up.Owed)
	assert.NotEqual(t, key, up.EventKey())
	assert.True(t, of(up.Event(Chinese, nil, at(3*time.Minute))).Resolved)
	assert.Equal(t, OwesNothing, up.Settled(up.Seq, at(4*time.Minute)).Owed)
	assert.Equal(t, up, up.Settled(up.Seq-1, at(4*time.Minute)), "an event that was overtaken settles nothing")
	assert.Equal(t, OwesDown, both.Ping(HeartbeatPing{Signal: SignalFail}, at(3*time.Minute)).Owed)

	again := up.Ping(HeartbeatPing{Signal: SignalFail}, at(5*time.Minute))
	assert.Equal(t, OwesDown, again.Owed)
	assert.Greater(t, again.Seq, up.Seq)
	assert.Equal(t, OwesNothing, failed.Pause("li", at(2*time.Minute)).Owed, "a person asked not to be told")

	other := DeclareHeartbeat(FromPing, "backup", HeartbeatTerms{Period: time.Minute}, at(time.Hour)).Ping(HeartbeatPing{Signal: SignalFail}, at(time.Hour))
	assert.NotEqual(t, key, other.EventKey(), "deleted and declared again: other events")
}

func TestLimitsMoveByOurDowntime(t *testing.T) {
	hour := time.Hour
	up := backup().Ping(HeartbeatPing{Signal: SignalOK}, at(5*time.Minute))
	running := up.Ping(HeartbeatPing{Signal: SignalStart}, at(6*time.Minute))
	late := up.Judge(at(16 * time.Minute))
	require.Equal(t, WatchLate, late.State)
	cases := []struct {
		name string
		h    Heartbeat
		gone time.Duration // when we went, after t0
		want time.Duration // its deadline, after we are back
	}{
		{"new", backup(), 4 * time.Minute, 8 * time.Minute},
		{"up", up, 9 * time.Minute, 6 * time.Minute},
		{"running", running, 7 * time.Minute, time.Minute},
		{"late", late, 16 * time.Minute, time.Minute},
		{"pinged after the last note of our life", up, 4*time.Minute + 50*time.Second, 10 * time.Minute},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			back := at(tc.gone + hour)
			moved := tc.h.Move(Outage(back.Sub(at(tc.gone)), 15*time.Second, true), back)
			assert.Equal(t, tc.want, moved.Deadline.Sub(back))
			assert.Equal(t, moved, moved.Judge(back), "nobody is late by our fault")
			assert.Equal(t, tc.h.LastPingAt, moved.LastPingAt, "what happened, happened when it did")
		})
	}
	for name, h := range map[string]Heartbeat{"down": up.Judge(at(17 * time.Minute)), "paused": up.Pause("li", at(6*time.Minute))} {
		assert.Equal(t, h, h.Move(hour, at(2*hour)), name)
	}
}

func TestAPingAfterOurReturnGetsOnePeriodAndNotMore(t *testing.T) {
	back := at(10 * time.Hour)
	h := backup().Ping(HeartbeatPing{Signal: SignalOK}, back) // before the first note of this process
	moved := h.Move(10*time.Hour, back.Add(time.Second))
	assert.Equal(t, 10*time.Minute, moved.Deadline.Sub(back.Add(time.Second)))
}

func TestAClockThatIsSetMovesThemToo(t *testing.T) {
	up := backup().Ping(HeartbeatPing{Signal: SignalOK}, at(5*time.Minute)) // 9 min left at 6 min
	for _, step := range []time.Duration{3 * time.Hour, -3 * time.Hour} {
		now := at(6*time.Minute + step)
		moved := up.Move(Outage(step, 15*time.Second, false), now)
		assert.Equal(t, 9*time.Minute, moved.Deadline.Sub(now), "%s", step)
	}
}

func TestOutage(t *testing.T) {
	const tolerance = 15 * time.Second
	for _, tc := range []struct {
		gap   time.Duration
		first bool
		want  time.Duration
	}{
		{5 * time.Second, false, 0}, {15 * time.Second, false, 0}, {16 * time.Second, false, 16 * time.Second},
		{-15 * time.Second, false, 0}, {-16 * time.Second, false, -16 * time.Second},
		{3 * time.Second, true, 3 * time.Second}, {0, true, 0}, {-3 * time.Second, true, 0}, {-time.Hour, true, -time.Hour},
	} {
		assert.Equal(t, tc.want, Outage(tc.gap, tolerance, tc.first), "%+v", tc)
	}
}

// Restarts without end: a process lives for a while, writes down that it lives
// as often as the loop does, and is killed. What is dead is found all the same,
// and what pings is never alarmed.
func TestRestartsNeitherStormNorBlind(t *testing.T) {
	for _, life := range []time.Duration{700 * time.Millisecond, 3 * time.Second, 20 * time.Second, 5 * time.Minute} {
		for _, away := range []time.Duration{300 * time.Millisecond, 2 * time.Second, time.Minute} {
			t.Run(fmt.Sprintf("%s alive, %s away", life, away), func(t *testing.T) {
				dead := DeclareHeartbeat(FromPing, "dead", HeartbeatTerms{Period: time.Minute, Grace: of(10 * time.Second)}, t0)
				dead = dead.Ping(HeartbeatPing{Signal: SignalOK}, t0)
				alive, alarmed := dead, false
				listened := time.Duration(0)
				written, now := t0, t0
				for cycle := 0; dead.State != WatchDown; cycle++ {
					require.Less(t, cycle, 1000, "never found")
					begun := now
					for first := true; now.Sub(begun) < life; first = false {
						d := Outage(now.Sub(written), 15*time.Second, first)
						dead, alive = dead.Move(d, now), alive.Move(d, now)
						written = now
						if alive = alive.Ping(HeartbeatPing{Signal: SignalOK}, now); first && cycle == 0 {
							dead = dead.Judge(now)
						}
						dead, alive = dead.Judge(now), alive.Judge(now)
						alarmed = alarmed || alive.State == WatchDown
						pause := min(max(now.Sub(begun), 250*time.Millisecond), 5*time.Second)
						now = now.Add(min(pause, begun.Add(life).Sub(now)))
					}
					listened += now.Sub(begun)
					now = now.Add(away)
				}
				assert.False(t, alarmed, "what pings is alive")
				assert.LessOrEqual(t, listened, 2*(70*time.Second)+life, "half of the time that we listened counts at least")
			})
		}
	}
}

func TestDownForTenPeriodsThenUp(t *testing.T) {
	var all []Heartbeat
	for i := range 60 { // pinging every minute, each at its own second
		h := DeclareHeartbeat(FromPing, fmt.Sprint("s", i), HeartbeatTerms{Period: time.Minute, Grace: of(10 * time.Second)}, t0)
		all = append(all, h.Ping(HeartbeatPing{Signal: SignalOK}, at(time.Duration(i)*time.Second)))
	}
	gone, back := at(59*time.Second), at(11*time.Minute)
	for i, h := range all {
		h = h.Move(Outage(back.Sub(gone), 15*time.Second, true), back).Judge(back)
		assert.Equal(t, WatchUp, h.State)
		if i%2 == 0 { // alive: its next ping comes within a minute of the last that it could not deliver
			next := back.Add(time.Duration(i) * time.Second)
			h = h.Judge(next).Ping(HeartbeatPing{Signal: SignalOK}, next)
			assert.Equal(t, WatchUp, h.State)
			assert.Equal(t, OwesNothing, h.Owed)
			continue
		}
		h = h.Judge(back.Add(70 * time.Second))
		assert.Equal(t, OwesDown, h.Owed, "dead: alarmed within one period and grace of our return")
	}
}
