package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// silences holds what a silence keeps back, and what becomes of that.
var silences = suite{
	"a silence is kept as it was made":                              testSilenceKept,
	"a silence that is not over is listed, the others where asked":  testSilenceLists,
	"a silence keeps the word back and is the reason on record":     testSilencedWord,
	"what goes on is told when the silence ends":                    testSilenceRunsOut,
	"ended early, it lets the words out at once":                    testSilenceEnded,
	"another silence keeps it back further":                         testSilenceOverlap,
	"a silence has no part in what it does not cover, nor before":   testSilenceMisses,
	"an outcome in a silence is told at its end, if it was no good": testSilencedOutcome,
	"a person's resolve in a silence tells nobody":                  testSilencedResolve,
	"a silence that holds the healing refuses it until its end":     testSilenceHolds,
	"and refuses what was requested before it":                      testSilenceHoldsIntent,
	"words that waited before are told all the same":                testSilenceAfterwards,
	"there are not too many of them":                                testSilenceLimit,
	"old ones are deleted with old alerts":                          testSilenceForgotten,
	"no event falls between a silence and its end":                  testSilenceRace,
}

func silenceOf(service string, change ...func(*alerting.SilenceDraft)) func(time.Time) (alerting.Silence, error) {
	d := alerting.SilenceDraft{Service: service, Duration: time.Hour, Author: "li (ops)", Comment: "上线 <@all> 'quoted'"}
	for _, c := range change {
		c(&d)
	}
	return d.Make
}

func lasting(d time.Duration) func(*alerting.SilenceDraft) {
	return func(s *alerting.SilenceDraft) { s.Duration = d }
}

func silenceNow(t testing.TB, s *store.Store, service string, change ...func(*alerting.SilenceDraft)) alerting.Silence {
	t.Helper()
	made, err := s.CreateSilence(t.Context(), silenceOf(service, change...))
	require.NoError(t, err)
	return made
}

func recheckAll(t testing.TB, s *store.Store) (next time.Time) {
	t.Helper()
	next, err := s.Recheck(t.Context())
	require.NoError(t, err)
	return next
}

func testSilenceKept(t *testing.T, e Engine) {
	s := e.open(t)
	full := silenceNow(t, s, "order-*", func(d *alerting.SilenceDraft) {
		d.AlertType, d.Severity, d.HoldRemediation = "disk_full", "error", true
	})
	plain := silenceNow(t, s, "a")
	for _, want := range []alerting.Silence{full, plain} {
		got, now, err := s.Silence(t.Context(), want.ID)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, alerting.SilenceActive, got.State(now))
	}
	require.Equal(t, []string{"NULL", "a", "NULL", "0", "NULL"}, e.row(t, "SELECT alert_type, service_name, severity, hold_remediation, ended_by FROM alert_silences WHERE id = 2"))

	ended, err := s.EndSilence(t.Context(), full.ID, "wang")
	require.NoError(t, err)
	require.WithinDuration(t, full.CreatedAt, ended.EndsAt, slack)
	again, err := s.EndSilence(t.Context(), full.ID, "zhao")
	require.NoError(t, err)
	require.Equal(t, ended, again, "who was first ended it")
	got, now, err := s.Silence(t.Context(), full.ID)
	require.NoError(t, err)
	require.Equal(t, ended, got)
	require.Equal(t, alerting.SilenceExpired, got.State(now))

	_, _, err = s.Silence(t.Context(), 9)
	require.ErrorIs(t, err, alerting.ErrNotFound)
	_, err = s.EndSilence(t.Context(), 9, "wang")
	require.ErrorIs(t, err, alerting.ErrNotFound)
}

func testSilenceLists(t *testing.T, e Engine) {
	s := e.open(t)
	ids := func(all bool) (found []int64) {
		list, _, err := s.Silences(t.Context(), all)
		require.NoError(t, err)
		for _, one := range list {
			found = append(found, one.ID)
		}
		return found
	}
	require.Empty(t, ids(true))
	first := silenceNow(t, s, "a")
	silenceNow(t, s, "b", func(d *alerting.SilenceDraft) { d.StartsAt = first.StartsAt.Add(time.Hour) })
	silenceNow(t, s, "c", lasting(time.Minute))
	_, err := s.EndSilence(t.Context(), first.ID, "wang")
	require.NoError(t, err)
	require.Equal(t, []int64{3, 2}, ids(false))
	e.pass(t, 2*time.Minute)
	require.Equal(t, []int64{2}, ids(false), "also the one that has not begun")
	require.Equal(t, []int64{3, 2, 1}, ids(true))
}

func testSilencedWord(t *testing.T, e Engine) {
	s := e.open(t)
	silence := silenceNow(t, s, container)
	receipt := record(t, s, Event(container))
	require.Equal(t, alerting.Requested, receipt.RemediationStatus, "healing goes on")
	require.Empty(t, receipt.Groups)
	want := alerting.Reason{Code: "silenced", Detail: "li (ops): 上线 <@all> 'quoted'", Until: silence.EndsAt}
	require.Equal(t, want, receipt.NotTold)
	record(t, s, Event(container))
	record(t, s, Event(container))
	story := storyOf(t, s, 1)
	require.Empty(t, story.Notifications)
	require.Equal(t, want, story.Decisions[0].Word)
	require.LessOrEqual(t, len(story.Decisions), 2, "equal ones count up")
	require.False(t, story.Alert.WechatSent)
}

func testSilenceRunsOut(t *testing.T, e Engine) {
	s := e.open(t)
	silence := silenceNow(t, s, "a")
	record(t, s, plainEvent("a"))
	e.pass(t, 50*time.Minute)
	require.WithinDuration(t, silence.EndsAt.Add(-50*time.Minute), recheckAll(t, s), 0)
	require.Empty(t, storyOf(t, s, 1).Notifications, "not before its time")
	e.pass(t, 10*time.Minute+time.Second)
	require.True(t, recheckAll(t, s).IsZero())
	story := storyOf(t, s, 1)
	require.Len(t, story.Notifications, 1)
	require.Equal(t, alerting.Firing, story.Notifications[0].Kind)
	require.Equal(t, alerting.WhatRecheck, story.Decisions[1].What)
	require.Equal(t, "told", story.Decisions[1].Word.Code)
	recheckAll(t, s)
	require.Len(t, storyOf(t, s, 1).Notifications, 1, "once")
	settle(t, s, claim(t, s), accepted)
	require.True(t, storyOf(t, s, 1).Alert.WechatSent)
}

func testSilenceEnded(t *testing.T, e Engine) {
	s := e.open(t)
	silence := silenceNow(t, s, "a*")
	silenceNow(t, s, "b", lasting(2*time.Hour))
	for _, service := range []string{"a1", "a2", "b"} {
		record(t, s, plainEvent(service))
	}
	record(t, s, over(plainEvent("a2")))
	_, err := s.EndSilence(t.Context(), silence.ID, "wang")
	require.NoError(t, err)
	require.False(t, recheckAll(t, s).IsZero(), "the other one's")
	require.Len(t, storyOf(t, s, 1).Notifications, 1)
	require.Empty(t, storyOf(t, s, 2).Notifications, "it is over")
	require.Empty(t, storyOf(t, s, 3).Notifications, "another silence holds")
	require.Equal(t, "repeat_wait", record(t, s, plainEvent("a1")).NotTold.Code)
	require.NotEmpty(t, record(t, s, plainEvent("a3")).Groups)
}

func testSilenceOverlap(t *testing.T, e Engine) {
	s := e.open(t)
	silenceNow(t, s, "a", lasting(10*time.Minute))
	record(t, s, plainEvent("a"))
	longer := silenceNow(t, s, "a", lasting(20*time.Minute))
	e.pass(t, 10*time.Minute+time.Second)
	require.WithinDuration(t, longer.EndsAt.Add(-10*time.Minute-time.Second), recheckAll(t, s), 0)
	story := storyOf(t, s, 1)
	require.Empty(t, story.Notifications)
	require.Equal(t, "silenced", story.Decisions[1].Word.Code)
	e.pass(t, 10*time.Minute)
	recheckAll(t, s)
	require.Len(t, storyOf(t, s, 1).Notifications, 1)
}

func testSilenceMisses(t *testing.T, e Engine) {
	s := e.open(t)
	silenceNow(t, s, "a", func(d *alerting.SilenceDraft) { d.Severity = "warning" })
	silenceNow(t, s, "b", func(d *alerting.SilenceDraft) { d.AlertType = alerting.ContainerDown })
	silenceNow(t, s, "c", func(d *alerting.SilenceDraft) { d.StartsAt = time.Now().Add(time.Hour) })
	for _, service := range []string{"a", "b", "c", "d"} {
		require.NotEmpty(t, record(t, s, plainEvent(service)).Groups, service)
	}
	deaf := plainEvent("d")
	deaf.Type = alerting.WatchIsDeaf
	silenceNow(t, s, "d")
	require.NotEmpty(t, record(t, s, deaf).Groups, "our own alarm is not silenced by a service's silence")
	silenceNow(t, s, "d", func(d *alerting.SilenceDraft) { d.AlertType = alerting.WatchIsDeaf })
	deaf.Message = "again"
	e.pass(t, 6*time.Minute)
	require.Equal(t, "silenced", record(t, s, deaf).NotTold.Code)
}

func testSilencedOutcome(t *testing.T, e Engine) {
	s := e.open(t)
	silenceNow(t, s, container)
	restarted(t, s, alerting.Failed)
	story := storyOf(t, s, 1)
	require.Empty(t, story.Notifications)
	require.NotEmpty(t, story.Alert.ActionTaken)
	e.pass(t, time.Hour)
	recheckAll(t, s)
	require.Len(t, storyOf(t, s, 1).Notifications, 1)
}

func holds(d *alerting.SilenceDraft) { d.HoldRemediation = true }

func testSilenceHolds(t *testing.T, e Engine) {
	s := e.open(t)
	silence := silenceNow(t, s, container, holds, lasting(24*time.Hour))
	receipt := record(t, s, Event(container))
	require.Equal(t, alerting.Skipped, receipt.RemediationStatus)
	require.Equal(t, silence.Reason(), receipt.NotRemedied)
	_, err := s.Handle(t.Context(), receipt.AlertID, "wang")
	require.NoError(t, err, "a person who asks is not held")
	end(t, s, alerting.UnknownOutcome, "no_container")
	e.pass(t, 2*time.Minute)
	recheckAll(t, s)
	require.Zero(t, active(t, e))

	_, err = s.EndSilence(t.Context(), silence.ID, "wang")
	require.NoError(t, err)
	e.pass(t, 3*time.Minute) // of the cooldown after the person's
	record(t, s, Event(container))
	require.EqualValues(t, 1, active(t, e))
}

func testSilenceHoldsIntent(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event(container))
	silence := silenceNow(t, s, container, holds)
	require.Equal(t, silence.Reason(), intend(t, s))
	story := storyOf(t, s, 1)
	require.Equal(t, alerting.Skipped, story.Remediations[0].Status)
	require.Equal(t, "silenced", story.Remediations[0].Reason.Code)
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_remediations WHERE ordered_us IS NOT NULL"))
	require.Equal(t, silence.EndsAt, recheckAll(t, s))
	_, err := s.EndSilence(t.Context(), silence.ID, "wang")
	require.NoError(t, err)
	recheckAll(t, s)
	story = storyOf(t, s, 1)
	require.Equal(t, alerting.WhatRecheck, story.Decisions[len(story.Decisions)-1].What)
	require.NotEmpty(t, story.Decisions[len(story.Decisions)-1].Remedy.Code, "decided again")
}

func testSilencedResolve(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, plainEvent("a"))
	silenceNow(t, s, "a")
	_, err := s.Resolve(t.Context(), 1, "wang")
	require.NoError(t, err)
	story := storyOf(t, s, 1)
	require.Len(t, story.Notifications, 1, "that of the beginning")
	require.Equal(t, "silenced", story.Decisions[len(story.Decisions)-1].Word.Code)
	require.True(t, recheckAll(t, s).IsZero())
}

func testSilenceAfterwards(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, plainEvent("a"))
	silenceNow(t, s, "a")
	settle(t, s, claim(t, s), accepted)
	require.True(t, storyOf(t, s, 1).Alert.WechatSent)
}

func testSilenceLimit(t *testing.T, e Engine) {
	s := e.open(t)
	silenceNow(t, s, "first")
	const columns = "service_name, starts_us, ends_us, author, comment, created_us"
	for n := 1; n < alerting.MaxSilences; {
		for rows := n; rows > 0 && n < alerting.MaxSilences; rows, n = rows-1, n+1 {
			e.exec(t, "INSERT INTO alert_silences ("+columns+") SELECT "+columns+" FROM alert_silences WHERE id = 1")
		}
	}
	_, err := s.CreateSilence(t.Context(), silenceOf("one more"))
	var refused *alerting.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, alerting.Reason{Code: "too_many_silences", Detail: "500"}, refused.Reason)
	e.exec(t, "UPDATE alert_silences SET ends_us = created_us WHERE id = 1")
	silenceNow(t, s, "one more")
	_, err = s.CreateSilence(t.Context(), alerting.SilenceDraft{}.Make)
	var invalid *alerting.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.EqualValues(t, alerting.MaxSilences+1, e.count(t, "SELECT COUNT(*) FROM alert_silences"))
}

func testSilenceForgotten(t *testing.T, e Engine) {
	s := e.open(t)
	silenceNow(t, s, "a")
	silenceNow(t, s, "b", lasting(29*24*time.Hour))
	e.pass(t, aMonth)
	silenceNow(t, s, "c")
	_, err := s.ForgetAlerts(t.Context(), aMonth)
	require.NoError(t, err)
	require.EqualValues(t, 3, e.count(t, "SELECT COUNT(*) FROM alert_silences"), "the first ended less than a month ago")
	e.pass(t, time.Hour)
	_, err = s.ForgetAlerts(t.Context(), aMonth)
	require.NoError(t, err)
	require.Equal(t, []string{"2", "3"}, []string{e.row(t, "SELECT MIN(id) FROM alert_silences")[0], e.row(t, "SELECT MAX(id) FROM alert_silences")[0]})
}

// An event that is held against a silence while a person ends it must not wait
// for the end that the silence would have had.
func testSilenceRace(t *testing.T, e Engine) {
	s := e.open(t)
	const rounds, callers = 8, 12
	for round := range rounds {
		silence := silenceNow(t, s, "race-*", lasting(24*time.Hour))
		var all sync.WaitGroup
		for caller := range callers {
			all.Go(func() {
				for n := range 4 {
					_, err := s.RecordEvent(t.Context(), plainEvent(fmt.Sprintf("race-%d-%d-%d", round, caller, n)), nil)
					assert.NoError(t, err)
				}
			})
		}
		all.Go(func() {
			time.Sleep(time.Duration(round) * time.Millisecond)
			_, err := s.EndSilence(t.Context(), silence.ID, "wang")
			assert.NoError(t, err)
		})
		all.Wait()
		for recheckAll(t, s); e.count(t, "SELECT COUNT(*) FROM alert_rechecks WHERE at_us <= (SELECT MAX(ends_us) FROM alert_silences)") > 0; {
			recheckAll(t, s)
		}
	}
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_rechecks"))
	require.EqualValues(t, rounds*callers*4, e.count(t, "SELECT COUNT(*) FROM alert_records"))
	require.EqualValues(t, rounds*callers*4, e.count(t, "SELECT COUNT(*) FROM alert_notifications"), "each is told once, before or after")
}
