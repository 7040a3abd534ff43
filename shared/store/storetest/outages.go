package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
)

var outages = suite{
	"what was said without the database counts":   testSpoken,
	"that it is back costs budget, and no word":   testBackAgain,
	"a word without an answer is put on record":   testSpokenUnanswered,
	"a look says no while tables are missing":     testLookWithoutTables,
	"of one process that process speaks first":    testSpeaksAlone,
	"what was said is put on record as it was":    testSpokenOnRecord,
	"that it is back is not said over the budget": testBackOverBudget,
}

var outageProcesses = suite{
	"one of several speaks first, until its lease is over": testOneSpeaksFirst,
	"several that look at once agree who speaks first":     testSpeakersAtOnce,
}

// spoken are words of the last seconds, a second apart, answered at once.
func spoken(n int, now time.Time) (words []alerting.Spoken) {
	for i := range n {
		at := now.Add(time.Duration(i-n) * time.Second)
		words = append(words, alerting.Spoken{Robot: robot, Content: "the database is away", Status: alerting.Accepted, SentAt: at, AnsweredAt: at})
	}
	return words
}

func testSpoken(t *testing.T, e Engine) {
	s := e.open(t, bare)
	// The clock of the process may be another than the database's.
	now := time.Now().Add(40 * time.Second)
	require.NoError(t, s.RecordSpoken(t.Context(), spoken(alerting.RobotBudget, now), now))
	record(t, s, plainEvent("svc"))
	c, next := claimAs(t, s, "me")
	require.Nil(t, c, "the budget is used")
	require.WithinDuration(t, time.Now().Add(alerting.SlotLife-alerting.RobotBudget*time.Second), next, slack)
	_, err := s.ClaimNotice(t.Context(), robot, "me", time.Second, "back")
	refusedAs(t, err, "robot_budget")
	e.pass(t, alerting.SlotLife)
	settle(t, s, claim(t, s), accepted)
	requireDelivered(t, e)
}

func testSpokenOnRecord(t *testing.T, e Engine) {
	s := e.open(t, bare)
	now := time.Now()
	words := spoken(2, now)
	words[1].Status, words[1].ErrCode, words[1].Error = alerting.Refused, 45009, "errcode 45009"
	require.NoError(t, s.RecordSpoken(t.Context(), words, now))
	require.Equal(t, []string{"EMERGENCY 0 2"}, kindsOf(t, e))
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_messages WHERE status = 'REFUSED' AND errcode = 45009 AND error = 'errcode 45009'"))
	require.EqualValues(t, 2, e.count(t, "SELECT COUNT(*) FROM alert_messages WHERE format = 'text' AND alert_id IS NULL AND group_id = 0 AND content = 'the database is away' AND slot_until - answered_us = 61000000"))
}

func testSpokenUnanswered(t *testing.T, e Engine) {
	s := e.open(t, bare)
	now := time.Now()
	words := spoken(1, now)
	words[0].Status, words[0].AnsweredAt = alerting.Unknown, time.Time{}
	require.NoError(t, s.RecordSpoken(t.Context(), words, now))
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_messages WHERE status = 'UNKNOWN' AND slot_until - sent_us = 71000000"), "it may have been on its way for the longest time")
}

func testBackAgain(t *testing.T, e Engine) {
	s := e.open(t, bare)
	c, err := s.ClaimNotice(t.Context(), robot, "me", 20*time.Second, "back")
	require.NoError(t, err)
	require.Equal(t, alerting.Emergency, c.Message.Kind)
	require.Equal(t, alerting.Text, c.Message.Post().Format)
	_, err = s.ClaimNotice(t.Context(), robot, "me", 20*time.Second, "back")
	refusedAs(t, err, "robot_in_flight")
	settle(t, s, c, accepted)
	require.Equal(t, []string{"EMERGENCY 0 1"}, kindsOf(t, e))
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_records"))
	requireDelivered(t, e)
}

func testBackOverBudget(t *testing.T, e Engine) {
	s := e.open(t, bare)
	for range alerting.RobotBudget {
		c, err := s.ClaimNotice(t.Context(), robot, "me", 20*time.Second, "back")
		require.NoError(t, err)
		settle(t, s, c, accepted)
	}
	_, err := s.ClaimNotice(t.Context(), robot, "me", 20*time.Second, "back")
	why := refusedAs(t, err, "robot_budget")
	require.WithinDuration(t, time.Now().Add(alerting.SlotLife), why.Until, slack)
}

func testLookWithoutTables(t *testing.T, e Engine) {
	s := e.open(t, bare)
	_, err := s.Look(t.Context(), "me")
	require.NoError(t, err)
	e.exec(t, "DROP TABLE alert_idempotency")
	first, err := s.Look(t.Context(), "me")
	require.Error(t, err)
	require.False(t, first)
}

func testSpeaksAlone(t *testing.T, e Engine) {
	s := e.open(t, bare)
	for range 2 {
		first, err := s.Look(t.Context(), "me")
		require.NoError(t, err)
		require.True(t, first)
	}
}

func testOneSpeaksFirst(t *testing.T, e Engine) {
	a, b := e.open(t, bare), e.open(t, bare)
	look := func(who string) bool {
		s := a
		if who == "b" {
			s = b
		}
		first, err := s.Look(t.Context(), who)
		require.NoError(t, err)
		return first
	}
	require.True(t, look("a"))
	require.False(t, look("b"))
	require.True(t, look("a"), "it renews its lease")
	e.exec(t, "UPDATE alert_idempotency SET expires_us = expires_us - 16000000")
	require.True(t, look("b"), "a was not heard of for longer than its lease")
	require.False(t, look("a"))
	require.NoError(t, b.ForgetAnswers(t.Context()))
	require.True(t, look("b"), "a lease in force outlives the housekeeping")
}

func testSpeakersAtOnce(t *testing.T, e Engine) {
	stores := e.several(t, 4)
	for round := range 5 {
		var mu sync.Mutex
		var all []int
		var wg sync.WaitGroup
		for p, s := range stores {
			wg.Go(func() {
				first, err := s.Look(t.Context(), fmt.Sprint("process-", p))
				assert.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				if first {
					all = append(all, p)
				}
			})
		}
		wg.Wait()
		require.Len(t, all, 1, "round %d", round)
		e.exec(t, "DELETE FROM alert_idempotency")
	}
}
