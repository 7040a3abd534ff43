package delivery_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/delivery"
	"trade-monitor/shared/wecom/wecomtest"
)

// When a word is tried again, by what its robot answered.
func TestWhenAWordIsTriedAgain(t *testing.T) {
	const s, m = time.Second, time.Minute
	busy, limited, gone, cut := wecomtest.ErrCode(-1), wecomtest.ErrCode(45009), wecomtest.ErrCode(93000), wecomtest.Cut()
	for name, c := range map[string]struct {
		faults []wecomtest.Fault
		jitter float64
		want   []time.Duration
	}{
		"busy: the robot rests 1 s, doubling; after five tries the word steps aside for 1 min, then 2, then 3": {
			times(7, busy), 0, []time.Duration{0, s, 3 * s, 7 * s, 15 * s, 75 * s, 195 * s, 375 * s}},
		"and the rest is up to a half shorter, so that not all come back together": {
			times(3, busy), 0.999, []time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond, 3500 * time.Millisecond}},
		"over the rate: for a minute": {
			[]wecomtest.Fault{limited, limited}, 0, []time.Duration{0, m, 2 * m}},
		"and up to 5 s more": {
			[]wecomtest.Fault{limited}, 0.999, []time.Duration{0, 65 * s}},
		"gone: every ten minutes": {
			times(3, gone), 0.5, []time.Duration{0, 10 * m, 20 * m, 30 * m}},
		"no answer: after the third it may have been seen thrice, and is repeated after 10 min, then 20": {
			times(4, cut), 0, []time.Duration{0, s, 3 * s, 3*s + 10*m, 3*s + 30*m}},
		"and at most hourly": {
			times(10, cut), 0, []time.Duration{0, s, 3 * s, 3*s + 10*m, 3*s + 30*m, 3*s + 60*m, 3*s + 100*m, 3*s + 150*m, 3*s + 210*m, 3*s + 270*m, 3*s + 330*m}},
		"no answer within 10 s": {
			[]wecomtest.Fault{wecomtest.Hang(30 * s)}, 0, []time.Duration{0, 11 * s}},
		"refused twice and cut twice: it may have been seen twice": {
			[]wecomtest.Fault{limited, busy, cut, cut}, 0, []time.Duration{0, 60 * s, 62 * s, 66 * s, 74 * s}},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, c.jitter, func(w *hours) {
				w.robots.Fail(w.key, c.faults...)
				w.happens("svc", alerting.Error)
				w.until(12 * time.Hour)
				w.wantLeft("svc", c.want...)
				w.robots.ExpectWithin(w, 0, w.key, "svc")
				w.robots.ExpectNoMore(w, w.key, 0)
			})
		})
	}
}

// A robot that is tried by a person and answers is sent at once what waits.
func TestATestThatArrivesSendsWhatWaitsAtOnce(t *testing.T) {
	inTime(t, 0, func(w *hours) {
		w.robots.Fail(w.key, wecomtest.ErrCode(93000))
		w.happens("svc", alerting.Error)
		w.until(time.Minute)
		trier := delivery.NewTrier(w.db, w.client(), delivery.TrierOptions{
			Owner: "person", Fallback: func() alerting.Secret { return webhook(w.key) }, Render: func(alerting.Group, string) string { return "a trial" },
		})
		trial, err := trier.Try(w.Context(), 0, "oncall")
		require.NoError(w, err)
		require.Equal(w, alerting.Accepted, trial.Verdict.Status)
		time.Sleep(time.Second)
		w.wantLeft("svc", 0, time.Minute)
	})
}

// A person who asks whether a robot works is not kept by its rest, but by its
// rate and by a message in flight.
func TestWhatATestWaitsFor(t *testing.T) {
	for name, c := range map[string]struct {
		fault wecomtest.Fault
		after time.Duration
		want  string // the reason of the refusal; empty: it is sent
	}{
		"the robot is gone":                {wecomtest.ErrCode(93000), time.Second, ""},
		"the robot is busy":                {wecomtest.ErrCode(-1), 500 * time.Millisecond, ""},
		"it is over its rate":              {wecomtest.ErrCode(45009), 59 * time.Second, "robot_rate_limit"},
		"it was, a minute ago":             {wecomtest.ErrCode(45009), 61 * time.Second, ""},
		"a message is in flight":           {wecomtest.Hang(time.Hour), 9 * time.Second, "robot_in_flight"},
		"that message had its ten seconds": {wecomtest.Hang(time.Hour), 10500 * time.Millisecond, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, 0, func(w *hours) {
				w.robots.Fail(w.key, c.fault)
				w.happens("svc", alerting.Error)
				w.until(c.after)
				trier := delivery.NewTrier(w.db, w.client(), delivery.TrierOptions{
					Owner: "person", Fallback: func() alerting.Secret { return webhook(w.key) }, Render: func(alerting.Group, string) string { return "a trial" },
				})
				_, err := trier.Try(w.Context(), 0, "oncall")
				if c.want == "" {
					require.NoError(w, err)
					w.wantLeft("a trial", c.after)
					return
				}
				var refused *alerting.RefusedError
				require.ErrorAs(w, err, &refused)
				assert.Equal(w, c.want, refused.Reason.Code)
				assert.True(w, refused.Reason.Until.After(time.Now()))
			})
		})
	}
}

// What a process that was killed had in flight is taken over when its lease of
// 20 s is over, and its slot is free 61 s after that.
func TestTheLeaseOfAKilledProcessIsOverAfterTwentySeconds(t *testing.T) {
	inTime(t, 0, func(w *hours) {
		w.asleep = true
		alert := w.happens("svc", alerting.Error)
		claim, _, err := w.db.ClaimMessage(w.Context(), alerting.RobotID(webhook(w.key)), []int64{0}, "killed", 20*time.Second, w.render())
		require.NoError(w, err)
		require.NotNil(w, claim)
		w.loop.Wake()
		w.until(30 * time.Second)
		w.wantLeft("svc", 20*time.Second)
		story, err := w.db.Story(w.Context(), alert)
		require.NoError(w, err)
		require.Len(w, story.Messages, 2)
		lost := story.Messages[0]
		assert.Equal(w, alerting.Unknown, lost.Status)
		assert.Equal(w, "process_ended", lost.Error)
		assert.WithinDuration(w, w.began.Add(20*time.Second+alerting.SlotLife), lost.SlotUntil, tick)
	})
}
