package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

var idempotency = suite{
	"the same key gets the same answer and counts once": testSameKey,
	"the same key with another body is refused":         testOtherBody,
	"the same key many times at once counts once":       testKeysTogether,
	"after 24 hours a key is forgotten":                 testForgottenKey,
	"an answer without an alert is remembered too":      testKeyOfNothing,
}

var firstRequest = alerting.Idempotency{Key: "k1", Body: "b1"}

func testSameKey(t *testing.T, e Engine) {
	s := e.open(t)
	first, err := s.RecordEvent(t.Context(), Event(container), &firstRequest)
	require.NoError(t, err)
	record(t, s, Event(container))
	again, err := s.RecordEvent(t.Context(), Event(container), &firstRequest)
	require.NoError(t, err)
	require.Equal(t, first, again, "the first answer, though the alert went on")
	require.EqualValues(t, 2, storyOf(t, s, 1).Alert.Occurrences)
}

func testOtherBody(t *testing.T, e Engine) {
	s := e.open(t)
	_, err := s.RecordEvent(t.Context(), plainEvent("a"), &firstRequest)
	require.NoError(t, err)
	_, err = s.RecordEvent(t.Context(), plainEvent("b"), &alerting.Idempotency{Key: "k1", Body: "b2"})
	require.ErrorIs(t, err, alerting.ErrIdempotency)
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_records"), "nothing half-done")
}

func testKeysTogether(t *testing.T, e Engine) {
	s := e.open(t)
	const callers = 40
	receipts := make([]alerting.Receipt, callers)
	failed := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			idem := firstRequest
			if i%4 == 3 {
				idem.Body = "other"
			}
			receipts[i], failed[i] = s.RecordEvent(t.Context(), plainEvent("a"), &idem)
		})
	}
	wg.Wait()
	bodies := map[bool]int{}
	for i := range callers {
		if failed[i] != nil {
			require.ErrorIs(t, failed[i], alerting.ErrIdempotency)
			bodies[i%4 == 3]++
			continue
		}
		assert.EqualValues(t, 1, receipts[i].AlertID)
		assert.EqualValues(t, 1, receipts[i].Occurrences)
	}
	require.Len(t, bodies, 1, "exactly one of the two bodies was refused: %v", bodies)
	require.EqualValues(t, 1, storyOf(t, s, 1).Alert.Occurrences)
}

func testForgottenKey(t *testing.T, e Engine) {
	s := e.open(t)
	for _, step := range []struct {
		pass        time.Duration
		occurrences int64
	}{{0, 1}, {24*time.Hour - time.Minute, 1}, {2 * time.Minute, 1}} {
		e.pass(t, step.pass)
		receipt, err := s.RecordEvent(t.Context(), plainEvent("a"), &firstRequest)
		require.NoError(t, err)
		require.Equal(t, step.occurrences, receipt.Occurrences)
	}
	require.EqualValues(t, 2, e.count(t, "SELECT COUNT(*) FROM alert_records"), "the third request was a new one, after the incident gap")
	require.NoError(t, s.ForgetAnswers(t.Context()))
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_idempotency"))
	e.pass(t, 25*time.Hour)
	require.NoError(t, s.ForgetAnswers(t.Context()))
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_idempotency"))
}

func testKeyOfNothing(t *testing.T, e Engine) {
	s := e.open(t)
	first, err := s.RecordEvent(t.Context(), over(plainEvent("a")), &firstRequest)
	require.NoError(t, err)
	require.Zero(t, first.AlertID)
	record(t, s, plainEvent("a"))
	again, err := s.RecordEvent(t.Context(), over(plainEvent("a")), &firstRequest)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, alerting.Open, storyOf(t, s, 1).Alert.Status, "a repeated request ends nothing")
}
