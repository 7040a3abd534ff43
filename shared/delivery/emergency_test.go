package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/delivery"
	"trade-monitor/shared/wecom/wecomtest"
)

// outageWorld is a world whose database may be away, and who says so.
type outageWorld struct {
	*world
	key       string
	emergency *delivery.Emergency
	notes     *notebook
	stop      func()
}

// notebook is what outlives a process.
type notebook struct {
	mu     sync.Mutex
	kept   alerting.DatabaseOutage
	writes int
	broken error
}

func (n *notebook) Read() (alerting.DatabaseOutage, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.kept, n.broken
}

func (n *notebook) Write(o alerting.DatabaseOutage) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.writes++
	if n.broken == nil {
		n.kept = o
	}
	return n.broken
}

// siren writes what is said.
type siren struct{}

func (siren) Down(o alerting.DatabaseOutage, now time.Time) string {
	return fmt.Sprintf("down since %s ago: %s.", now.Sub(o.Since), o.Cause.Code)
}

func (siren) Back(o alerting.DatabaseOutage) string {
	return fmt.Sprintf("back after %s and %d words.", o.Back.Sub(o.Since), o.Words)
}

const idle = 5 * time.Second

// inOutage plays with a database that is well, and whose process has seen it.
func inOutage(t *testing.T, play func(w *outageWorld)) {
	inWorld(t, 0, func(w *world) {
		o := &outageWorld{world: w, key: w.robots.Key("fallback"), notes: &notebook{}}
		w.fallback = webhook(o.key)
		o.begin()
		play(o)
		o.end()
	})
}

// begin starts a process.
func (w *outageWorld) begin() {
	log := slog.New(slog.NewTextHandler(&w.log, nil)) // one: the buffer is shared
	w.emergency = delivery.NewEmergency(w.store, w.sender(), delivery.EmergencyOptions{
		Owner: "me", Fallback: func() alerting.Secret { return w.fallback }, Words: siren{}, Notebook: w.notes, Idle: idle,
		Explain: func(error) alerting.Reason { return alerting.Reason{Code: "database_away"} },
		People:  func() alerting.People { return alerting.People{Mobiles: []alerting.Mobile{"13800000000"}, All: true} },
		Log:     log,
	})
	w.loop = delivery.New(w.store, w.sender(), delivery.Options{
		Owner: "me", Fallback: func() alerting.Secret { return w.fallback }, Render: pen{}, Before: w.emergency.Before,
		Log: log, Jitter: func() float64 { return 0 },
	})
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.emergency.Run(ctx) }()
	synctest.Wait()
	w.stop = func() { cancel(); require.NoError(w, <-ended) }
}

func (w *outageWorld) end() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// after lets time pass, and whatever is due then be done.
func (w *outageWorld) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *outageWorld) away(err error) {
	w.store.change(func() { w.store.down = err })
}

// shown are the messages of the robot, in order.
func (w *outageWorld) shown() (all []string) {
	for _, m := range w.robots.Messages(w.key) {
		all = append(all, m.Content)
	}
	return all
}

func TestADatabaseThatIsWellIsSeldomAsked(t *testing.T) {
	inOutage(t, func(w *outageWorld) {
		w.after(time.Hour)
		assert.InDelta(w, 3600/idle.Seconds(), float64(len(w.store.seen)), 2)
		assert.Empty(w, w.shown())
		assert.Zero(w, w.notes.writes)
	})
}

func TestPeopleAreToldOnceInFiveMinutesThatTheDatabaseIsAway(t *testing.T) {
	inOutage(t, func(w *outageWorld) {
		w.after(time.Minute + time.Second) // a second after a look
		w.away(alerting.ErrUnavailable)
		began := time.Now()
		w.after(12*time.Minute + 30*time.Second)
		for i, m := range w.robots.Messages(w.key) {
			assert.Equal(w, time.Duration(7+300*i)*time.Second, m.At.Sub(began))
			assert.Equal(w, []string{"13800000000", "@all"}, m.Mobiles, "it is CRITICAL")
		}
		require.Equal(w, []string{"down since 3s ago: database_away.", "down since 5m3s ago: database_away.", "down since 10m3s ago: database_away."}, w.shown())
		w.away(nil)
		w.after(2 * time.Second)
		require.Equal(w, "back after 12m27s and 3 words.", w.shown()[3])
		assert.Equal(w, 4, w.store.messageCount(alerting.Accepted), "all of it is on record")
		w.after(time.Hour)
		require.Len(w, w.shown(), 4)
	})
}

func TestACallerThatWasRefusedLetsTheDatabaseBeLookedAt(t *testing.T) {
	inOutage(t, func(w *outageWorld) {
		w.after(time.Minute + 1500*time.Millisecond)
		w.away(alerting.ErrUnavailable)
		began := time.Now()
		for range 100 {
			w.emergency.Hint()
		}
		w.after(10 * time.Second)
		require.Len(w, w.shown(), 1)
		assert.Equal(w, 3*time.Second, w.robots.Messages(w.key)[0].At.Sub(began))
		w.away(nil)
		w.after(time.Minute)
		looks := len(w.store.seen)
		for range 100 {
			w.emergency.Hint()
			w.after(10 * time.Millisecond)
		}
		assert.LessOrEqual(w, len(w.store.seen)-looks, 3, "at most once a second")
	})
}

func TestATroubleOfTwoSecondsAlarmsNobody(t *testing.T) {
	inOutage(t, func(w *outageWorld) {
		for range 20 {
			w.away(alerting.ErrUnavailable)
			w.emergency.Hint()
			w.after(2 * time.Second)
			w.away(nil)
			w.after(10 * time.Second)
		}
		assert.Empty(w, w.shown())
		assert.Zero(w, w.notes.writes)
	})
}

func TestADatabaseThatComesAndGoesIsToldOfOnceInFiveMinutes(t *testing.T) {
	inOutage(t, func(w *outageWorld) {
		for range 30 {
			w.away(alerting.ErrUnavailable)
			w.after(20 * time.Second)
			w.away(nil)
			w.after(20 * time.Second)
		}
		var words []time.Time
		for _, m := range w.robots.Messages(w.key) {
			if m.Content[:4] == "down" {
				words = append(words, m.At)
			}
		}
		require.Len(w, words, 4)
		for i := 1; i < len(words); i++ {
			assert.GreaterOrEqual(w, words[i].Sub(words[i-1]), alerting.EmergencyEvery)
		}
		assert.Len(w, w.shown(), 8, "and each time that it is back")
	})
}

func TestAStartIntoAnOutageSaysSo(t *testing.T) {
	inOutage(t, func(w *outageWorld) {
		w.end()
		w.away(alerting.ErrUnavailable)
		w.begin()
		w.after(9 * time.Second)
		assert.Empty(w, w.shown(), "both may have been started together")
		w.after(2 * time.Second)
		assert.Len(w, w.shown(), 1)
		for range 20 {
			w.end()
			w.begin()
			w.after(11 * time.Second)
		}
		assert.Len(w, w.shown(), 1, "restarts do not say it again")
		w.after(2 * time.Minute)
		assert.Len(w, w.shown(), 2, "until it is due")
		w.end()
		w.away(nil)
		w.begin()
		w.after(time.Second)
		assert.Len(w, w.shown(), 3, "whoever sees it first says that it is back")
		assert.Equal(w, 3, w.store.messageCount(alerting.Accepted))
	})
}

func TestARefusedEmergencyWordIsTriedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		fault wecomtest.Fault
		again time.Duration
	}{
		"busy":          {wecomtest.ErrCode(-1), alerting.SlotLife},
		"over its rate": {wecomtest.ErrCode(45009), alerting.SlotLife},
		"gone":          {wecomtest.ErrCode(93000), alerting.EmergencyEvery},
	} {
		t.Run(name, func(t *testing.T) {
			inOutage(t, func(w *outageWorld) {
				w.robots.Fail(w.key, c.fault)
				w.away(alerting.ErrUnavailable)
				w.emergency.Hint()
				w.after(4 * time.Second)
				tried := time.Now()
				require.Equal(w, 1, w.robots.Attempts(w.key))
				require.Empty(w, w.shown())
				w.after(c.again + 2*time.Second)
				require.Len(w, w.shown(), 1)
				assert.WithinDuration(w, tried.Add(c.again), w.robots.Messages(w.key)[0].At, 2*time.Second)
			})
		})
	}
}

func TestAnEmergencyWordWithoutAnAnswerCountsAsSaid(t *testing.T) {
	inOutage(t, func(w *outageWorld) {
		w.robots.Fail(w.key, wecomtest.Cut())
		w.away(alerting.ErrUnavailable)
		w.after(4 * time.Minute)
		assert.Equal(w, 1, w.robots.Attempts(w.key))
		w.away(nil)
		w.after(2 * time.Second)
		assert.Equal(w, 1, w.store.messageCount(alerting.Unknown))
		assert.Len(w, w.shown(), 1, "that it is back is said to those who may have read it")
	})
}

func TestWithoutARobotNobodyIsTold(t *testing.T) {
	inOutage(t, func(w *outageWorld) {
		w.fallback = ""
		w.away(alerting.ErrUnavailable)
		w.after(time.Minute)
		w.away(nil)
		w.after(time.Minute)
		assert.Contains(w, w.log.String(), "nobody can be told")
		assert.Zero(w, w.notes.writes)
	})
}

func TestTheOtherProcessesSpeakWhenEverySlotIsFree(t *testing.T) {
	inOutage(t, func(w *outageWorld) {
		w.store.change(func() { w.store.others = true })
		w.after(time.Minute)
		w.away(alerting.ErrUnavailable)
		w.emergency.Hint()
		began := time.Now()
		w.after(2 * time.Minute)
		require.Len(w, w.shown(), 1)
		assert.WithinDuration(w, began.Add(75*time.Second), w.robots.Messages(w.key)[0].At, 2*time.Second)
	})
}

// Whatever storm there was before and is after: never a 21st message.
func TestAnOutageInAStormKeepsToTheRobotsLimit(t *testing.T) {
	inOutage(t, func(w *outageWorld) {
		stop := w.run()
		for range 3 {
			for range 60 {
				w.store.owe(0, 1+len(w.shown())%3)
				w.loop.Wake()
				w.after(time.Second)
			}
			w.away(alerting.ErrUnavailable)
			w.after(15 * time.Second)
			w.away(nil)
			w.loop.Wake()
		}
		w.after(10 * time.Minute)
		stop()
		messages := w.robots.Messages(w.key)
		for i := alerting.RobotLimit; i < len(messages); i++ {
			assert.Greater(w, messages[i].At.Sub(messages[i-alerting.RobotLimit].At), time.Minute)
		}
		assert.Equal(w, len(messages), w.robots.Attempts(w.key), "none was refused")
		assert.Zero(w, w.store.count(alerting.Pending))
		assert.Equal(w, len(messages), w.store.messageCount(alerting.Accepted), "what was said is on record, too")
	})
}

// What was said is counted before anything else is claimed; while it cannot be
// stored, because the database is away, nothing is.
func TestNothingIsClaimedBeforeWhatWasSaidIsOnRecord(t *testing.T) {
	inOutage(t, func(w *outageWorld) {
		w.away(alerting.ErrUnavailable)
		w.after(20 * time.Second)
		require.Len(w, w.shown(), 1)
		w.store.change(func() { w.store.down, w.store.spokenErr = nil, alerting.ErrUnavailable })
		w.store.owe(0, 1)
		_, err := w.loop.RunOnce(w.Context())
		require.ErrorIs(w, err, alerting.ErrUnavailable)
		require.Len(w, w.shown(), 1)
		w.store.change(func() { w.store.spokenErr = errors.New("a column is missing") })
		w.pass()
		assert.True(w, slices.Contains(w.shown(), "word 1."), "what the database will never take holds nothing up")
	})
}

func TestANotebookThatCannotBeWrittenSilencesNobody(t *testing.T) {
	inOutage(t, func(w *outageWorld) {
		w.notes.broken = errors.New("no space left on device")
		w.away(alerting.ErrUnavailable)
		w.after(6 * time.Minute)
		assert.Len(w, w.shown(), 2)
		w.away(nil)
		w.after(2 * time.Second)
		assert.Len(w, w.shown(), 3)
	})
}

func TestThatItIsBackIsSaidWhenTheRobotTakesIt(t *testing.T) {
	inOutage(t, func(w *outageWorld) {
		w.away(alerting.ErrUnavailable)
		w.after(20 * time.Second)
		w.robots.Fail(w.key, wecomtest.ErrCode(-1), wecomtest.ErrCode(-1))
		w.away(nil)
		w.after(15 * time.Second)
		assert.Len(w, w.shown(), 1)
		w.after(15 * time.Second)
		assert.Len(w, w.shown(), 2)
		assert.Contains(w, w.shown()[1], "back after")
	})
}
