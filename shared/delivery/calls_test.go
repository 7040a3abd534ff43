package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/delivery"
	"trade-monitor/shared/wecom/wecomtest"
)

var oncall = []string{"13800000000"}

// calling is a world in which every word calls a person by phone.
func calling(t *testing.T, play func(w *world, key string)) {
	inWorld(t, 0, func(w *world) {
		key := w.group(1, "ops")
		w.store.mobiles = []alerting.Mobile{"13800000000"}
		play(w, key)
		assert.NotContains(w, w.log.String(), "13800000000", "nobody's number is in the log")
	})
}

func TestACallFollowsItsWordAtOnce(t *testing.T) {
	calling(t, func(w *world, key string) {
		stop := w.run()
		time.Sleep(time.Second)
		began := time.Now()
		w.store.owe(1, 1)
		w.loop.Wake()
		synctest.Wait()
		assert.Equal(w, "markdown", w.robots.ExpectWithin(w, 0, key, "word 1.").Type)
		w.robots.ExpectCallWithin(w, 0, key, oncall, "call for 1.")
		assert.Zero(w, time.Since(began))
		w.robots.ExpectNoMore(w, key, time.Hour)
		stop()
	})
}

func TestCallsAre15SecondsApartAndTakeWhatWaits(t *testing.T) {
	calling(t, func(w *world, key string) {
		stop := w.run()
		began := time.Now()
		for range 5 { // one word in four seconds
			w.store.owe(1, 1)
			w.loop.Wake()
			time.Sleep(4 * time.Second)
		}
		time.Sleep(time.Hour)
		var called []wecomtest.Received
		for _, m := range w.robots.Messages(key) {
			if m.Type == "text" {
				called = append(called, m)
			}
		}
		if assert.Len(w, called, 3) {
			assert.Equal(w, []string{"call for 1.", "call for 3.", "call for 1."}, []string{called[0].Content, called[1].Content, called[2].Content})
			assert.Equal(w, 15*time.Second, called[1].At.Sub(began).Truncate(100*time.Millisecond), "no later than it may be")
			assert.GreaterOrEqual(w, called[2].At.Sub(called[1].At), 15*time.Second)
		}
		assert.Equal(w, 10, w.store.count(alerting.Sent))
		assert.Less(w, len(w.store.looked()), 40, "nothing polls meanwhile")
		stop()
	})
}

// A word whose message was lost calls nobody; when it has arrived it does.
func TestWhatDidNotArriveCallsNobody(t *testing.T) {
	calling(t, func(w *world, key string) {
		w.robots.Fail(key, wecomtest.ErrCode(-1), wecomtest.OK(), wecomtest.Cut())
		stop := w.run()
		time.Sleep(time.Second)
		w.store.owe(1, 1)
		w.loop.Wake()
		synctest.Wait()
		assert.Equal(w, 1, w.robots.Attempts(key))
		time.Sleep(time.Hour)
		w.robots.ExpectWithin(w, 0, key, "word 1.")
		w.robots.ExpectCallWithin(w, 0, key, oncall, "call for 1.")
		w.robots.ExpectNoMore(w, key, 0)
		assert.Equal(w, 4, w.robots.Attempts(key), "the call is tried again, too")
		assert.Equal(w, 2, w.store.count(alerting.Sent))
		stop()
	})
}

func TestAGroupOfTextIsCalledByTheMessageItself(t *testing.T) {
	calling(t, func(w *world, key string) {
		w.store.groups[0].MessageFormat = "text"
		w.store.owe(1, 1)
		w.pass()
		w.robots.ExpectCallWithin(w, 0, key, oncall, "word 1.")
		w.robots.ExpectNoMore(w, key, time.Hour)
	})
}

func TestATrialIsWrittenAsItsRobotIsSentEverything(t *testing.T) {
	trying(t, func(w *world, s *trialStore, trier *delivery.Trier) {
		for _, format := range []string{"text", "markdown"} {
			s.groups[0].MessageFormat, s.groups[0].Enabled = format, true
			trial, err := trier.Try(w.Context(), 1, "oncall")
			assert.NoError(w, err)
			assert.Equal(w, alerting.Format(format), trial.Group.Format())
			assert.Equal(w, format, w.robots.ExpectWithin(w, 0, w.robots.Key("ops"), "ops for oncall").Type)
		}
	})
}
