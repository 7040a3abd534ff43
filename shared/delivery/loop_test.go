package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/delivery"
	"trade-monitor/shared/wecom"
	"trade-monitor/shared/wecom/wecomtest"
)

// world is a store, robots and a loop between them, within a synctest bubble.
type world struct {
	*testing.T
	store    *memStore
	robots   *wecomtest.Robots
	loop     *delivery.Loop
	fallback alerting.Secret
	log      bytes.Buffer
}

// pen writes the messages of this world.
type pen struct{}

func (pen) Word(b alerting.Brief) string      { return fmt.Sprintf("word %d.", b.Notification.ID) }
func (pen) Digest(d alerting.Digest) string   { return fmt.Sprintf("digest of %d.", d.Words) }
func (pen) StormOver(_ alerting.Storm) string { return "over." }
func (pen) Summons(s alerting.Summons) string { return fmt.Sprintf("call for %d.", len(s.Alerts)) }

func inWorld(t *testing.T, poll time.Duration, play func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, store: newMemStore(), robots: wecomtest.New()}
		w.loop = delivery.New(w.store, w.sender(), delivery.Options{
			Owner: "me", Poll: poll, Fallback: func() alerting.Secret { return w.fallback },
			Render: pen{},
			Log:    slog.New(slog.NewTextHandler(&w.log, nil)), Jitter: func() float64 { return 0 },
		})
		play(w)
		assert.NotContains(t, w.log.String(), "test-robot-", "no key in the log")
	})
}

func (w *world) sender() *wecom.Client {
	return wecom.New(wecom.Options{HTTP: &http.Client{Transport: w.robots.Transport()}})
}

// group adds a group with a robot of its own and returns the robot's key.
func (w *world) group(id int64, name string) string {
	key := w.robots.Key(name)
	w.store.change(func() {
		w.store.groups = append(w.store.groups, alerting.Group{ID: id, Name: name, Enabled: true, Webhook: webhook(key)})
	})
	return key
}

func webhook(key string) alerting.Secret {
	return alerting.Secret(wecomtest.URL("https://"+wecom.DefaultHost, key))
}

// run starts the loop; the returned function stops it and waits for its end.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.loop.Run(ctx) }()
	synctest.Wait()
	return func() {
		w.Helper()
		cancel()
		require.NoError(w, <-ended)
	}
}

func (w *world) pass() delivery.Result {
	w.Helper()
	result, err := w.loop.RunOnce(w.Context())
	require.NoError(w, err)
	return result
}

func TestWordsLeaveInTheirOrderAndOneByOne(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.robots.Fail(key, wecomtest.Slow(time.Second), wecomtest.Slow(time.Second))
		w.store.owe(1, 5)
		assert.Equal(w, delivery.Result{Sent: 5}, w.pass())
		for id := range 5 {
			w.robots.ExpectWithin(w, 0, key, fmt.Sprintf("word %d.", id+1))
		}
		w.robots.ExpectNoMore(w, key, time.Minute)
		assert.Equal(w, 1, w.robots.MaxInFlight(key))
		assert.Equal(w, 5, w.store.count(alerting.Sent))
		assert.Equal(w, delivery.Result{}, w.pass(), "nothing is left")
	})
}

func TestAWakeDeliversAtOnceAndIdleCostsNothing(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		stop := w.run()
		time.Sleep(time.Hour)
		assert.Len(w, w.store.looked(), 1, "one look at the start and none while nothing happens")
		w.store.owe(1, 1)
		w.loop.Wake()
		synctest.Wait()
		assert.Len(w, w.robots.Messages(key), 1, "without any time passing")
		stop()
	})
}

// A word that is stored after the last claim found nothing, and before the drain
// has ended, is seen by nobody else.
func TestAWordThatComesAtTheVeryEndOfADrainIsNotForgotten(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.store.owe(1, 1)
		w.store.emptied = func() {
			w.store.owe(1, 1)
			w.loop.Wake()
			time.Sleep(time.Second) // the pass finds the robot busy
		}
		stop := w.run()
		time.Sleep(time.Second)
		synctest.Wait()
		w.robots.ExpectWithin(w, 0, key, "word 1.")
		w.robots.ExpectWithin(w, 0, key, "word 2.")
		stop()
	})
}

func TestAStoreWhoseClockIsBehindIsNotAskedWithoutEnd(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.store.behind = time.Hour
		w.robots.Fail(key, wecomtest.ErrCode(45009))
		w.store.owe(1, 1)
		stop := w.run()
		time.Sleep(10 * time.Second)
		assert.LessOrEqual(w, w.store.figure(&w.store.asked), 102)
		time.Sleep(time.Minute)
		assert.Len(w, w.robots.Messages(key), 1)
		stop()
	})
}

func TestASlowRobotDelaysNobody(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		slow, quick := w.group(1, "slow"), w.group(2, "quick")
		w.robots.Fail(slow, wecomtest.Hang(time.Hour), wecomtest.Hang(time.Hour))
		w.store.owe(1, 3)
		w.store.owe(2, 3)
		stop := w.run()
		assert.Len(w, w.robots.Messages(quick), 3, "at once")
		for range 5 {
			time.Sleep(time.Second)
			w.store.owe(2, 1)
			w.loop.Wake()
			synctest.Wait()
		}
		assert.Len(w, w.robots.Messages(quick), 8, "also those that come while the other hangs")
		assert.Equal(w, 1, w.robots.Attempts(slow))
		assert.Empty(w, w.robots.Messages(slow))

		time.Sleep(time.Minute) // both time-outs, and the rest after each
		for id := range 3 {
			w.robots.ExpectWithin(w, 0, slow, fmt.Sprintf("word %d.", id+1))
		}
		assert.Equal(w, 2, w.store.messageCount(alerting.Unknown))
		assert.Equal(w, 2, w.store.word(1).Attempts-1, "each unknown outcome is counted")
		stop()
	})
}

func TestInOnePassASlowRobotDelaysNobody(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		slow, quick := w.group(1, "slow"), w.group(2, "quick")
		w.robots.Fail(slow, wecomtest.Hang(time.Hour))
		w.store.owe(1, 1)
		w.store.owe(2, 2)
		start := time.Now()
		result := w.pass()
		assert.Equal(w, 2, result.Sent)
		assert.Equal(w, 1, result.Failed)
		assert.Equal(w, 10*time.Second, time.Since(start), "the pass waits for the send time-out")
		assert.Equal(w, time.Now().Add(time.Second), result.Next, "and says when the robot may be tried again")
		for _, m := range w.robots.Messages(quick) {
			assert.Equal(w, start, m.At)
		}
	})
}

func TestOverTheRateTheRobotRestsAMinuteAndNothingIsLost(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.robots.Fail(key, wecomtest.ErrCode(45009))
		w.store.owe(1, 3)
		stop := w.run()
		assert.Equal(w, 1, w.robots.Attempts(key))
		for range 11 { // wakes do not shorten the rest
			time.Sleep(5 * time.Second)
			w.loop.Wake()
		}
		time.Sleep(4900 * time.Millisecond)
		assert.Equal(w, 1, w.robots.Attempts(key))
		time.Sleep(time.Second)
		assert.Len(w, w.robots.Messages(key), 3)
		assert.Equal(w, 3, w.store.count(alerting.Sent))
		stop()
	})
}

func TestAStormGoesIntoFewMessagesAndItsEndIsTold(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		start := time.Now()
		stop := w.run()
		for range 100 { // 10 s of it
			w.store.owe(1, 10)
			w.loop.Wake()
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * time.Minute)
		shown := w.robots.Messages(key)
		assert.Equal(w, 1000, w.store.count(alerting.Sent))
		assert.Equal(w, len(shown), w.robots.Attempts(key), "the robot never had to refuse")
		assert.Less(w, len(shown), 10)
		assert.Contains(w, shown[0].Content, "digest")
		assert.LessOrEqual(w, shown[0].At.Sub(start), 5*time.Second)
		assert.Equal(w, "over.", shown[len(shown)-1].Content)
		stop()
		assert.Contains(w, w.log.String(), "carries=DIGEST words=")
	})
}

// On a schedule nobody comes back for a minute: a pass waits for its digests.
func TestAPassWithPatienceSendsItsDigests(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		patient := delivery.New(w.store, w.sender(), delivery.Options{Owner: "me", Render: pen{}, Patience: 16 * time.Second})
		w.store.owe(1, 50)
		w.robots.Fail(key, wecomtest.ErrCode(40058))
		result, err := patient.RunOnce(w.Context())
		require.NoError(w, err)
		assert.Equal(w, 1, result.Sent)
		assert.Equal(w, 50, w.store.count(alerting.Sent))
		assert.WithinDuration(w, time.Now().Add(alerting.StormQuiet), result.Next, time.Second, "the end of the storm is not waited for")

		w.store.owe(1, 50)
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		_, err = patient.RunOnce(ctx)
		require.NoError(w, err)
		assert.Equal(w, time.Second, time.Since(begun), "nor longer than there is time")
	})
}

func TestTheEndOfAStormIsToldByWhoComesAfterARestart(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.store.owe(1, 50)
		stop := w.run()
		time.Sleep(5 * time.Second)
		stop()
		stop = w.run()
		time.Sleep(time.Minute)
		w.robots.ExpectWithin(w, 0, key, "digest of 50.")
		w.robots.ExpectWithin(w, 0, key, "over.")
		w.robots.ExpectNoMore(w, key, time.Hour)
		stop()
		assert.LessOrEqual(w, len(w.store.looked()), 8, "what is waited for costs nothing")
	})
}

// A storm whose group was disabled has nobody to be told that it is over.
func TestAStormOfAGroupThatIsGoneHoldsNothing(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.store.owe(1, 50)
		stop := w.run()
		time.Sleep(5 * time.Second)
		w.store.change(func() { w.store.groups[0].Enabled = false })
		time.Sleep(time.Hour)
		w.robots.ExpectWithin(w, 0, key, "digest of 50.")
		w.robots.ExpectNoMore(w, key, 0)
		assert.LessOrEqual(w, len(w.store.looked()), 10)
		assert.NotContains(w, w.log.String(), "gone or disabled")
		stop()
	})
}

func TestARefusedDigestIsCutAgainAndNoWordIsLost(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.robots.Fail(key, wecomtest.ErrCode(40058), wecomtest.ErrCode(40058))
		w.store.owe(1, 50)
		stop := w.run()
		time.Sleep(30 * time.Second)
		w.robots.ExpectWithin(w, 0, key, "digest of 50.")
		assert.Equal(w, 50, w.store.count(alerting.Sent))
		stop()
	})
}

func TestABrokenRobotIsTriedEveryTenMinutes(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.robots.Fail(key, wecomtest.ErrCode(93008), wecomtest.ErrCode(93008))
		w.store.owe(1, 2)
		stop := w.run()
		time.Sleep(10*time.Minute + time.Second)
		assert.Equal(w, 2, w.robots.Attempts(key))
		time.Sleep(10 * time.Minute)
		assert.Len(w, w.robots.Messages(key), 2, "putting it back into its group is enough")
		stop()
	})
}

func TestWhatIsNeverTakenStepsAside(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.robots.Fail(key, wecomtest.ErrCode(40058), wecomtest.ErrCode(45002))
		ids := w.store.owe(1, 2)
		assert.Equal(w, delivery.Result{Sent: 1, Failed: 2}, w.pass(), "after it was cut once")
		assert.Equal(w, alerting.Dead, w.store.word(ids[0]).Status)
		w.robots.ExpectWithin(w, 0, key, "word 2.")
	})
}

func TestWordsForGroupsThatAreGoneAreSettledWithAReason(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		live, off := w.group(1, "live"), w.group(2, "off")
		w.store.groups[1].Enabled = false
		w.store.groups = append(w.store.groups, alerting.Group{ID: 3, Enabled: true, Webhook: "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=YOUR_KEY_HERE"})
		var lost []int64
		for _, group := range []int64{0, 2, 3, 4} { // no fallback, disabled, placeholder, deleted
			lost = append(lost, w.store.owe(group, 1)...)
		}
		w.store.owe(1, 1)
		assert.Equal(w, delivery.Result{Sent: 1}, w.pass())
		for _, id := range lost {
			assert.Equal(w, alerting.Suppressed, w.store.word(id).Status)
			assert.Equal(w, "group_gone", w.store.word(id).Reason.Code)
		}
		w.robots.ExpectWithin(w, 0, live, "word 5.")
		w.robots.ExpectNoMore(w, off, 0)
	})
}

func TestTheFallbackRobotIsToldUnlessAPersonSwitchedItOff(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.robots.Key("fallback")
		w.fallback = webhook(key)
		w.store.owe(0, 1)
		assert.Equal(w, delivery.Result{Sent: 1}, w.pass())
		w.robots.ExpectWithin(w, 0, key, "word 1.")

		w.store.groups = []alerting.Group{{ID: 1, Webhook: webhook(key)}}
		id := w.store.owe(0, 1)[0]
		assert.Equal(w, delivery.Result{}, w.pass())
		assert.Equal(w, alerting.Suppressed, w.store.word(id).Status)
	})
}

func TestTwoGroupsWithOneRobotShareIt(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.group(2, "ops")
		for range 3 {
			w.store.owe(1, 1)
			w.store.owe(2, 1)
		}
		w.robots.Fail(key, wecomtest.Slow(100*time.Millisecond), wecomtest.Slow(100*time.Millisecond))
		assert.Equal(w, delivery.Result{Sent: 6}, w.pass())
		assert.Equal(w, 1, w.robots.MaxInFlight(key))
		for id := range 6 {
			w.robots.ExpectWithin(w, 0, key, fmt.Sprintf("word %d.", id+1))
		}
	})
}

func TestAGroupThatIsDisabledDuringADrainIsLeftWithinSeconds(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		for range 8 {
			w.robots.Fail(key, wecomtest.Slow(time.Second))
		}
		w.store.owe(1, 7)
		stop := w.run()
		time.Sleep(1500 * time.Millisecond)
		w.store.change(func() { w.store.groups[0].Enabled = false })
		time.Sleep(5 * time.Second)
		shown := len(w.robots.Messages(key))
		assert.LessOrEqual(w, shown, 5)
		w.robots.ExpectNoMore(w, w.robots.Key("other"), time.Minute)
		assert.Len(w, w.robots.Messages(key), shown)
		assert.Equal(w, 7-shown, w.store.count(alerting.Suppressed))
		stop()
	})
}

func TestAStopClaimsNothingAndSettlesWhatIsInFlight(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.robots.Fail(key, wecomtest.Slow(9*time.Second))
		w.store.owe(1, 3)
		stop := w.run()
		time.Sleep(time.Second)
		start := time.Now()
		stop()
		assert.Equal(w, 8*time.Second, time.Since(start), "the send in flight is waited for")
		w.robots.ExpectWithin(w, 0, key, "word 1.")
		w.robots.ExpectNoMore(w, key, time.Minute)
		assert.Equal(w, 1, w.store.count(alerting.Sent))
		assert.Equal(w, 2, w.store.count(alerting.Pending))
		assert.Zero(w, w.store.messageCount(alerting.Sending), "nothing is left behind")
	})
}

func TestAStopWaitsNoLongerThanTheSendTimeout(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.robots.Fail(key, wecomtest.Hang(time.Hour))
		w.store.owe(1, 1)
		stop := w.run()
		start := time.Now()
		stop()
		assert.Equal(w, 10*time.Second, time.Since(start))
		assert.Equal(w, 1, w.store.messageCount(alerting.Unknown))
	})
}

func TestAPassThatIsStoppedSaysThatThereIsMore(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		for range 3 {
			w.robots.Fail(key, wecomtest.Slow(2*time.Second))
		}
		w.store.owe(1, 3)
		ctx, cancel := context.WithTimeout(w.Context(), 3*time.Second)
		defer cancel()
		result, err := w.loop.RunOnce(ctx)
		require.NoError(w, err)
		assert.Equal(w, delivery.Result{Sent: 2, Next: time.Now()}, result)
	})
}

func TestWithTheDatabaseDownTheLoopBacksOffAndResumes(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.store.owe(1, 2)
		w.store.down = alerting.ErrUnavailable
		start := time.Now()
		stop := w.run()
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			w.loop.Wake() // impatience does not help
		}
		var at []time.Duration
		for _, look := range w.store.looked() {
			at = append(at, look.Sub(start))
		}
		s := time.Second
		assert.Equal(w, []time.Duration{0, s, 3 * s, 7 * s, 15 * s, 25 * s, 35 * s, 45 * s, 55 * s}, at)
		w.store.change(func() { w.store.down = nil })
		time.Sleep(10 * time.Second)
		assert.Len(w, w.robots.Messages(key), 2)
		stop()

		_, err := w.loop.RunOnce(w.Context())
		require.NoError(w, err)
		w.store.change(func() { w.store.down = alerting.ErrUnavailable })
		_, err = w.loop.RunOnce(w.Context())
		assert.ErrorIs(w, err, alerting.ErrUnavailable)
	})
}

func TestATroubleWithOneRobotsRowsHoldsNobodyElse(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		bad, good := w.group(1, "bad"), w.group(2, "good")
		w.store.claimErr[alerting.RobotID(webhook(bad))] = errors.New("deadlock")
		w.store.owe(1, 1)
		stop := w.run()
		for range 8 {
			w.store.owe(2, 1)
			w.loop.Wake()
			time.Sleep(time.Second)
			synctest.Wait()
		}
		assert.Len(w, w.robots.Messages(good), 8)
		assert.Equal(w, 4, w.store.figure(&w.store.refused), "after 0, 1, 3 and 7 seconds, although the other is looked at every second")
		w.store.change(func() { clear(w.store.claimErr) })
		time.Sleep(10 * time.Second)
		assert.Len(w, w.robots.Messages(bad), 1)
		stop()
	})
}

func TestAShortTroubleWhileSettlingCostsNoDuplicate(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.store.owe(1, 1)
		w.store.settleErr = alerting.ErrUnavailable
		stop := w.run()
		assert.Len(w, w.robots.Messages(key), 1)
		time.AfterFunc(3*time.Second, func() { w.store.change(func() { w.store.settleErr = nil }) })
		stop() // also while stopping
		assert.Equal(w, 1, w.store.count(alerting.Sent))
		assert.Equal(w, 1, w.robots.Attempts(key))
	})
}

func TestALongTroubleWhileSettlingEndsBeforeTheLease(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.store.owe(1, 1)
		w.store.settleErr = alerting.ErrUnavailable
		start := time.Now()
		_, err := w.loop.RunOnce(w.Context())
		assert.ErrorIs(w, err, alerting.ErrUnavailable)
		assert.Less(w, time.Since(start), 10*time.Second)
		assert.Equal(w, 1, w.robots.Attempts(key))
	})
}

func TestAClaimThatCameTooLateIsNotSent(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.store.owe(1, 1)
		w.store.slowClaim = 11 * time.Second
		_, err := w.loop.RunOnce(w.Context())
		require.NoError(w, err)
		assert.Zero(w, w.robots.Attempts(key))
		assert.Equal(w, 1, w.store.count(alerting.Pending))
	})
}

func TestTwoProcessesKeepOneMessageInFlight(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		key := w.group(1, "ops")
		other := delivery.New(w.store, w.sender(), delivery.Options{
			Owner: "other", Poll: time.Second, Render: pen{},
		})
		ctx, cancel := context.WithCancel(w.Context())
		ended := make(chan error, 1)
		go func() { ended <- other.Run(ctx) }()
		stop := w.run()
		for range 8 {
			w.robots.Fail(key, wecomtest.Slow(300*time.Millisecond))
		}
		w.store.owe(1, 7) // nobody is woken: the poll finds them
		time.Sleep(time.Minute)
		cancel()
		require.NoError(w, <-ended)
		stop()
		assert.Len(w, w.robots.Messages(key), 7)
		assert.Equal(w, 1, w.robots.MaxInFlight(key))
		for id := range 7 {
			w.robots.ExpectWithin(w, 0, key, fmt.Sprintf("word %d.", id+1))
		}
	})
}
