package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/wecom/wecomtest"
)

// 61 s after it was answered a message's slot is free again, and not before.
func TestASlotIsFreeAgainAfter61Seconds(t *testing.T) {
	inTime(t, 0, func(w *hours) {
		for i := range 8 {
			w.happens(fmt.Sprintf("svc-%d", i), alerting.Critical)
		}
		w.until(60 * time.Second) // less than is collected before it
		w.happens("late", alerting.Critical)
		w.until(90 * time.Second)
		for i := range 8 {
			w.wantLeft(fmt.Sprintf("svc-%d", i), 0)
		}
		w.wantLeft("late", 61*time.Second)
		w.wantNoRefusal()
	})
}

// A burst is collected for 2 s, digests are 5 s apart while there is room, and
// 20 s after the last word the end is told.
func TestHowAShortStormIsPaced(t *testing.T) {
	inTime(t, 0, func(w *hours) {
		for i := range 36 { // 30 a second, for 12 s, and at no instant at which a digest is due
			w.burst(fmt.Sprintf("svc-%02d", i), 10)
			time.Sleep(330 * time.Millisecond)
		}
		w.until(5 * time.Minute)
		digests := w.left("告警汇总")
		require.Len(w, digests, 3)
		assert.InDelta(w, 2, digests[0].Seconds(), tick.Seconds(), "2 s after the first that was too much")
		for i := 1; i < len(digests); i++ {
			assert.InDelta(w, 5, (digests[i] - digests[i-1]).Seconds(), tick.Seconds())
		}
		w.wantLeft("告警风暴已结束", digests[len(digests)-1]+20*time.Second)
		w.wantNoRefusal()
	})
}

// While a storm goes on, digests are spread over the minute, so that no word
// waits for one, and never is there a 20th of ours in any 60 s.
func TestHowALongStormIsPaced(t *testing.T) {
	inTime(t, 0, func(w *hours) {
		for i := range 300 { // 150 s
			w.happens(fmt.Sprintf("svc-%04d", i), []alerting.Severity{alerting.Error, alerting.Critical}[i/3%2])
			time.Sleep(500 * time.Millisecond)
		}
		w.until(10 * time.Minute)
		all := w.left("")
		for i := alerting.RobotBudget; i < len(all); i++ {
			require.Greater(w, all[i]-all[i-alerting.RobotBudget], time.Minute)
		}
		for i := range 300 {
			story, err := w.db.Story(w.Context(), int64(i+1))
			require.NoError(w, err)
			word := story.Notifications[0]
			require.Equal(w, alerting.Sent, word.Status)
			require.LessOrEqual(w, word.SettledAt.Sub(word.CreatedAt), time.Minute, story.Alert.Service)
		}
		digests := w.left("汇总")
		for i := 1; i < 4; i++ {
			assert.InDelta(w, 15.25, (digests[i] - digests[i-1]).Seconds(), tick.Seconds(), "all other slots are used: %v", digests)
		}
		for i := 4; i < len(digests); i++ {
			assert.GreaterOrEqual(w, digests[i]-digests[i-1], 5*time.Second-tick)
			assert.LessOrEqual(w, digests[i]-digests[i-1], 15250*time.Millisecond+tick)
		}
		w.wantNoRefusal()
	})
}

// Words that are not CRITICAL wait behind a stream of those that are, but not for
// more than 30 s and what the next digest takes.
func TestTheTurnOfOthersComesAfterThirtySeconds(t *testing.T) {
	inTime(t, 0, func(w *hours) {
		w.robots.Fail(w.key, times(60, wecomtest.Slow(time.Second))...)
		for i := range 300 { // 75 s
			w.happens(fmt.Sprintf("svc-%04d", i), alerting.Critical)
			if i == 40 {
				w.happens("patient", alerting.Error)
			}
			time.Sleep(250 * time.Millisecond)
		}
		w.until(4 * time.Minute)
		left := w.left("patient")
		require.Len(w, left, 1)
		assert.Greater(w, left[0], 10*time.Second+29*time.Second)
		assert.Less(w, left[0], 10*time.Second+50*time.Second)
		w.wantNoRefusal()
	})
}

// A storm whose robot is gone has its end told until a day is over, and then no
// more: nobody would know what it is about.
func TestTheEndOfAStormIsForgottenAfterADay(t *testing.T) {
	inTime(t, 0, func(w *hours) {
		w.burst("svc", 40)
		w.until(10 * time.Second)
		w.robots.Fail(w.key, times(1000, wecomtest.ErrCode(93000))...)
		w.until(23 * time.Hour)
		tried := len(w.left("告警风暴已结束"))
		assert.InDelta(w, 23*6, tried, 2, "every ten minutes")
		w.until(25 * time.Hour)
		tried = len(w.left("告警风暴已结束"))
		w.until(48 * time.Hour)
		assert.Len(w, w.left("告警风暴已结束"), tried)
	})
}

// What goes on is told every 30 min, what changed after 5 min, and what comes
// after 30 min of quiet is another incident.
func TestWhenWhatGoesOnIsToldAgain(t *testing.T) {
	inTime(t, 0, func(w *hours) {
		var first int64
		for i := range 71 { // every minute, and other words from minute 62 on
			message := "it does not answer"
			if i >= 62 {
				message = "it answers with errors"
			}
			first = w.says("svc", alerting.Error, message)
			time.Sleep(time.Minute)
		}
		w.wantLeft("svc", 0, 30*time.Minute, 60*time.Minute, 65*time.Minute)
		w.until(70*time.Minute + 29*time.Minute)
		require.Equal(w, first, w.says("svc", alerting.Error, "it answers with errors"))
		time.Sleep(30 * time.Minute)
		require.NotEqual(w, first, w.says("svc", alerting.Error, "it answers with errors"))
		time.Sleep(time.Second)
		got := w.left("svc")
		assert.Equal(w, 129*time.Minute, got[len(got)-1].Round(time.Minute), "the first word of the next incident")
	})
}

// What a silence kept back and is not over is told when it ends, without any
// further event; the store says when that is.
func TestWhatASilenceKeptBackIsToldAtItsEnd(t *testing.T) {
	inTime(t, 0, func(w *hours) {
		_, err := w.db.CreateSilence(w.Context(), func(now time.Time) (alerting.Silence, error) {
			return alerting.Silence{Service: "svc", StartsAt: now, EndsAt: now.Add(10 * time.Minute), Author: "li", Comment: "上线", CreatedAt: now}, nil
		})
		require.NoError(w, err)
		w.happens("svc", alerting.Error)
		w.until(time.Minute)
		w.wantLeft("svc")
		next, err := w.db.Recheck(w.Context())
		require.NoError(w, err)
		assert.WithinDuration(w, w.began.Add(10*time.Minute), next, 0)
		w.until(next.Sub(w.began))
		_, err = w.db.Recheck(w.Context())
		require.NoError(w, err)
		time.Sleep(time.Second)
		w.wantLeft("svc", 10*time.Minute)
	})
}
