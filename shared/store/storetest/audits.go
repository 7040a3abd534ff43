package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// audits holds what the auditor reads and mends: each difference and each delay is
// made by SQL, and must be found with the right number.
var audits = suite{
	"a record that adds up has no findings":                     testAuditClean,
	"words of an older version beside this one are no fault":    testAuditBesideAnOlderVersion,
	"each difference is found":                                  testDifferences,
	"rows by the guide's SQL and alerts that it deletes are no": testDifferencesByHand,
	"a record of an older version is taken as it is, once":      testAuditBaseline,
	"a difference is found in the last of many alerts":          testDifferencesInParts,
	"the record adds up at every moment while events come in":   testAuditMeanwhile,
	"what is overdue is found":                                  testLates,
	"words wait for a robot that nobody looks after":            testLateWords,
	"what a process left SENDING is owed again":                 testHeal,
	"what is not over is left alone":                            testHealLeaves,
}

// audited are the findings of a full audit, by check.
func audited(t testing.TB, s *store.Store) map[alerting.Check]alerting.Finding {
	t.Helper()
	require.NoError(t, s.Recount(t.Context()))
	differences, err := s.Differences(t.Context())
	require.NoError(t, err)
	lates, err := s.Lates(t.Context())
	require.NoError(t, err)
	all := map[alerting.Check]alerting.Finding{}
	for _, f := range append(differences, lates...) {
		require.NotContains(t, all, f.Check)
		require.Positive(t, f.Count, f.Check)
		all[f.Check] = f
	}
	return all
}

// requireAudited holds the record to promise 2 as the auditor sees it.
func requireAudited(t testing.TB, s *store.Store) {
	t.Helper()
	require.NoError(t, s.Recount(t.Context()))
	found, err := s.Differences(t.Context())
	require.NoError(t, err)
	require.Empty(t, found)
}

// numbers are the numbers of some findings.
func numbers(found map[alerting.Check]alerting.Finding) map[alerting.Check]int64 {
	byCheck := map[alerting.Check]int64{}
	for check, f := range found {
		byCheck[check] = f.Count
	}
	return byCheck
}

// aWordArrived makes a record of everything: 12 alerts of two events each, of which 4 are
// told, one is over, one cannot be said and the others wait.
func aWordArrived(t testing.TB, e Engine) *store.Store {
	t.Helper()
	s := e.open(t, bare)
	require.NoError(t, s.Recount(t.Context()))
	for range 2 {
		for i := range 12 {
			ev := plainEvent(fmt.Sprint("service-", i))
			ev.Severity = alerting.Critical
			record(t, s, ev)
		}
	}
	for range 4 {
		settle(t, s, claim(t, s), accepted)
	}
	settle(t, s, claim(t, s), alerting.Verdict{Status: alerting.Refused, Class: alerting.ClassBadWords, ErrCode: 40008})
	record(t, s, over(plainEvent("service-11")))
	return s
}

// An older version that runs beside this one during an upgrade counts no words.
func testAuditBesideAnOlderVersion(t *testing.T, e Engine) {
	s := aWordArrived(t, e)
	require.Empty(t, audited(t, s))
	e.exec(t, "INSERT INTO alert_notifications (alert_id, group_id, group_name, kind, severity, priority, status, attempts, next_us, created_us) "+
		"SELECT alert_id, group_id, group_name, kind, severity, priority, 'SUPPRESSED', attempts, next_us, created_us FROM alert_notifications WHERE id = 1")
	require.Empty(t, audited(t, s), "what it was owed by is no fault")
	require.NoError(t, s.Recount(t.Context()))
	e.exec(t, "DELETE FROM alert_notifications WHERE id = (SELECT id FROM (SELECT MAX(id) AS id FROM alert_notifications) AS newest)")
	require.Empty(t, audited(t, s))
}

func testAuditClean(t *testing.T, e Engine) {
	s := aWordArrived(t, e)
	require.Empty(t, audited(t, s))
	requireReconciled(t, e, 24)
	requireDelivered(t, e)
	require.Equal(t, e.count(t, "SELECT COUNT(*) FROM alert_notifications"), e.count(t, "SELECT SUM(n) FROM alert_totals WHERE scope = 'W'"))
	e.exec(t, "UPDATE alert_records SET status = 'RESOLVED' WHERE wechat_sent = 1")
	e.age(t, 31, "1 = 1")
	require.NoError(t, s.Recount(t.Context()))
	deleted, err := s.ForgetAlerts(t.Context(), 30*24*time.Hour)
	require.NoError(t, err)
	require.Positive(t, deleted)
	require.Empty(t, audited(t, s), "what was forgotten is forgotten on both sides")
}

func testDifferences(t *testing.T, e Engine) {
	for _, c := range []struct {
		made string
		want map[alerting.Check]int64
		id   int64
	}{
		{"UPDATE alert_records SET occurrences = occurrences - 1 WHERE id IN (2, 3)", map[alerting.Check]int64{alerting.EventsCheck: 2}, 0},
		{"UPDATE alert_records SET occurrences = occurrences + 5 WHERE id = 2", map[alerting.Check]int64{alerting.EventsCheck: 5}, 0},
		{"DELETE FROM alert_notifications WHERE id IN (8, 9, 10)", map[alerting.Check]int64{alerting.OwedCheck: 3}, 0},
		{"UPDATE alert_messages SET status = 'UNKNOWN' WHERE id IN (2, 4)", map[alerting.Check]int64{alerting.UncarriedCheck: 2}, 2},
		{"DELETE FROM alert_messages WHERE id = 3", map[alerting.Check]int64{alerting.UncarriedCheck: 1}, 3},
		{"UPDATE alert_notifications SET message_id = NULL WHERE id = 1", map[alerting.Check]int64{alerting.UncarriedCheck: 1}, 1},
		{"UPDATE alert_records SET wechat_sent = 1 WHERE id IN (7, 9)", map[alerting.Check]int64{alerting.FlagWithoutWord: 2}, 7},
		{"UPDATE alert_records SET wechat_sent = 0 WHERE id IN (2, 3, 4)", map[alerting.Check]int64{alerting.WordWithoutFlag: 3}, 2},
		{"UPDATE alert_notifications SET status = 'LOST' WHERE id = 7", map[alerting.Check]int64{alerting.UnknownStatusesLeft: 1}, 0},
		{"UPDATE alert_messages SET status = '' WHERE id = 5", map[alerting.Check]int64{alerting.UnknownStatusesLeft: 1}, 0},
		{"INSERT INTO alert_remediations (alert_id, action, container, status, requested_us) VALUES (1, 'restart', 'c', 'ODD', 1)", map[alerting.Check]int64{alerting.UnknownStatusesLeft: 1}, 0},
	} {
		t.Run(c.made, func(t *testing.T) {
			s := aWordArrived(t, e)
			e.exec(t, c.made)
			found := audited(t, s)
			assert.Equal(t, c.want, numbers(found))
			for _, f := range found {
				assert.Equal(t, c.id, f.Example, "one to look at")
			}
			e.clear(t)
		})
	}
}

// clear empties the record, with the ids beginning at 1 again.
func (e Engine) clear(t testing.TB) {
	t.Helper()
	for table := range clockColumns {
		e.exec(t, "DELETE FROM "+table)
	}
	e.exec(t, "DELETE FROM alert_totals")
	for _, table := range []string{"alert_records", "alert_notifications", "alert_messages"} {
		e.exec(t, fmt.Sprintf(e.RestartIDs, table))
	}
}

func testDifferencesByHand(t *testing.T, e Engine) {
	s := aWordArrived(t, e)
	insertByHand(t, e, 6)
	e.exec(t, "UPDATE alert_records SET wechat_sent = 1 WHERE title = 'by hand'")
	require.Empty(t, audited(t, s), "rows that people insert have no fingerprint")
	e.exec(t, "DELETE FROM alert_records WHERE id IN (1, 2, 8)")
	early, err := s.Differences(t.Context())
	require.NoError(t, err)
	require.Empty(t, early, "nothing is said before it is recounted")
	require.Empty(t, audited(t, s), "people may delete alerts")
	e.exec(t, "DELETE FROM alert_records WHERE id = 7")
	insertByHand(t, e, 1)
	require.Empty(t, audited(t, s), "also while they insert as many")
	e.exec(t, "UPDATE alert_records SET status = 'RESOLVED', severity = 'INFO' WHERE id IN (3, 4)")
	require.Empty(t, audited(t, s), "and change them")
	e.exec(t, "UPDATE alert_records SET occurrences = 9 WHERE id = 5")
	require.Equal(t, map[alerting.Check]int64{alerting.EventsCheck: 7}, numbers(audited(t, s)), "a change of our own column is another thing, also after that")

	e.exec(t, "DELETE FROM alert_records")
	e.exec(t, e.Renumber)
	record(t, s, plainEvent("anew"))
	require.EqualValues(t, 1, e.count(t, "SELECT id FROM alert_records"))
	require.Empty(t, audited(t, s), "the words of an older alert of that number are not this one's")
}

func testAuditBaseline(t *testing.T, e Engine) {
	s := aWordArrived(t, e)
	e.exec(t, "DELETE FROM alert_totals WHERE scope IN ('B', 'W', 'E')")
	before, err := s.Differences(t.Context())
	require.NoError(t, err)
	require.Empty(t, before, "there is nothing yet to compare with")
	require.Empty(t, audited(t, s))
	record(t, s, plainEvent("new"))
	require.Empty(t, audited(t, s))
	e.exec(t, "DELETE FROM alert_notifications WHERE id = 9")
	e.exec(t, "UPDATE alert_records SET occurrences = occurrences + 1 WHERE id = 9")
	require.Len(t, audited(t, s), 2)
	require.Len(t, audited(t, s), 2, "the recount does not mend what it is there to prove")
	e.exec(t, "DELETE FROM alert_totals WHERE scope = 'B'")
	require.Empty(t, audited(t, s), "a person has looked, and begins anew")
	record(t, s, plainEvent("newer"))
	require.Empty(t, audited(t, s))
}

func testDifferencesInParts(t *testing.T, e Engine) {
	s := aWordArrived(t, e)
	e.exec(t, "UPDATE alert_records SET id = id + 1000000 WHERE id > 6")
	e.exec(t, "UPDATE alert_notifications SET id = id + 2000000, alert_id = alert_id + 1000000 WHERE alert_id > 6")
	require.Empty(t, audited(t, s))
	e.exec(t, "UPDATE alert_records SET wechat_sent = 1 WHERE id IN (6, 1000007, 1000012)")
	e.exec(t, "UPDATE alert_notifications SET status = 'ODD' WHERE alert_id IN (5, 1000008)")
	require.Equal(t, map[alerting.Check]int64{alerting.FlagWithoutWord: 3, alerting.UnknownStatusesLeft: 2}, numbers(audited(t, s)))
	e.exec(t, "UPDATE alert_records SET id = 1900000000000000000 WHERE id = 1000012") // as some programs number rows
	require.Equal(t, map[alerting.Check]int64{alerting.FlagWithoutWord: 3, alerting.UnknownStatusesLeft: 2}, numbers(audited(t, s)))
}

func testAuditMeanwhile(t *testing.T, e Engine) {
	s := e.open(t, bare)
	require.NoError(t, s.Recount(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for seed := range 20 {
			storm(t, s, uint64(seed), 40)
			if c, _ := claimAs(t, s, "me"); c != nil {
				assert.NoError(t, s.SettleMessage(t.Context(), c, accepted, 0))
			}
		}
	}()
	looks := 0
	for ended := false; !ended; looks++ {
		select {
		case <-done:
			ended = true
		default:
		}
		found, err := s.Differences(t.Context())
		require.NoError(t, err)
		require.Empty(t, found)
	}
	require.Greater(t, looks, 1)
}

func testLates(t *testing.T, e Engine) {
	s := e.open(t, func(p *alerting.Policy) { p.Default.Escalation = []alerting.EscalationStep{{After: time.Minute}} })
	record(t, s, Event(container))
	flying := claim(t, s)
	require.Empty(t, audited(t, s))
	e.exec(t, "INSERT INTO alert_rechecks (alert_id, at_us) VALUES (77, ?), (78, ?)", time.Now().UnixMicro(), time.Now().Add(time.Hour).UnixMicro())
	e.exec(t, "INSERT INTO alert_escalations (alert_id, at_us) VALUES (88, ?), (89, ?)", time.Now().UnixMicro(), time.Now().Add(time.Hour).UnixMicro())
	e.pass(t, 4*time.Minute+30*time.Second)
	require.Equal(t, map[alerting.Check]int64{alerting.LateMessages: 1}, numbers(audited(t, s)))
	e.pass(t, 5*time.Minute)
	found := audited(t, s)
	require.Equal(t, map[alerting.Check]int64{alerting.LateMessages: 1, alerting.LateRequests: 1, alerting.LateRechecks: 1, alerting.LateEscalations: 1, alerting.LateWords: 1}, numbers(found))
	assert.Equal(t, flying.Message.ID, found[alerting.LateMessages].Example)
	assert.Equal(t, flying.Notification.ID, found[alerting.LateWords].Example)
	assert.EqualValues(t, 77, found[alerting.LateRechecks].Example)
	assert.EqualValues(t, 88, found[alerting.LateEscalations].Example)
	assert.EqualValues(t, 1, found[alerting.LateRequests].Example)
	for check, f := range found {
		assert.WithinDuration(t, time.Now().Add(-9*time.Minute-30*time.Second), f.Since, slack, check)
	}

	e.exec(t, "UPDATE alert_remediations SET status = 'RUNNING'")
	e.pass(t, 4*time.Minute)
	require.NotContains(t, audited(t, s), alerting.LateRemediations, "its host may be away for a while")
	e.pass(t, 2*time.Minute)
	found = audited(t, s)
	require.EqualValues(t, 1, found[alerting.LateRemediations].Count)
	require.NotContains(t, found, alerting.LateRequests)
	e.exec(t, "UPDATE alert_remediations SET lease_us = ?", time.Now().Add(time.Second).UnixMicro())
	require.NotContains(t, audited(t, s), alerting.LateRemediations, "somebody looks after it")

	off := e.open(t, func(p *alerting.Policy) { p.Mode = alerting.Off })
	lates, err := off.Lates(t.Context())
	require.NoError(t, err)
	for _, f := range lates {
		require.NotContains(t, []alerting.Check{alerting.LateRechecks, alerting.LateEscalations}, f.Check, "one that does not act, or knows no steps, leaves them to those that do")
	}
}

func testLateWords(t *testing.T, e Engine) {
	s := e.open(t, bare)
	late := func() int64 { return audited(t, s)[alerting.LateWords].Count }
	flood(t, e, s, 12, alerting.Error)
	e.pass(t, 4*time.Minute)
	require.Zero(t, late())
	e.pass(t, time.Minute)
	require.EqualValues(t, 12, late(), "nobody sends them")
	settle(t, s, claim(t, s), noAnswer)
	require.Zero(t, late(), "they were tried, and the robot rests")
	e.exec(t, "UPDATE alert_robots SET paused_us = NULL")
	require.Zero(t, late(), "it is somebody's care")
	e.exec(t, "UPDATE alert_robots SET broken = 1")
	e.pass(t, time.Hour)
	require.Zero(t, late(), "people were told that it is broken")
	e.exec(t, "UPDATE alert_robots SET broken = 0, paused_us = ?", time.Now().Add(time.Minute).UnixMicro())
	require.Zero(t, late(), "it rests")
	e.exec(t, "UPDATE alert_robots SET paused_us = NULL, failures = 0")
	require.EqualValues(t, 12, late())

	// Others go, and these are passed over: from the minute at which they were due.
	e.exec(t, "UPDATE alert_notifications SET next_us = ?", time.Now().UnixMicro())
	record(t, s, over(plainEvent("ERROR-1")))
	e.exec(t, "UPDATE alert_notifications SET priority = 7 WHERE kind = 'FIRING'") // which nobody claims
	e.pass(t, 3*time.Second)
	settle(t, s, claim(t, s), accepted)
	e.pass(t, time.Hour)
	record(t, s, over(plainEvent("ERROR-2")))
	settle(t, s, claim(t, s), accepted)
	require.EqualValues(t, 12, late())
	e.exec(t, "UPDATE alert_notifications SET next_us = next_us + 600000000 WHERE status = 'PENDING'")
	require.Zero(t, late(), "ten minutes less")
	e.exec(t, "UPDATE alert_notifications SET next_us = next_us - 7200000000 WHERE status = 'PENDING'")
	require.Zero(t, late(), "nothing went at its time: we were away")

	e.exec(t, "UPDATE alert_notifications SET group_id = 99 WHERE status = 'PENDING'")
	require.EqualValues(t, 12, late(), "the words of a group that is gone are to be settled, too")
}

func testHeal(t *testing.T, e Engine) {
	s := e.open(t, bare)
	flood(t, e, s, 12, alerting.Error)
	lost := claim(t, s)
	e.pass(t, 20*time.Second+time.Minute)
	healed, err := s.Heal(t.Context())
	require.NoError(t, err)
	require.Equal(t, alerting.Healed{Messages: 1, Leases: 1}, healed)
	require.Equal(t, []string{"UNKNOWN", "process_ended"}, e.row(t, "SELECT status, error FROM alert_messages"))
	require.Equal(t, []string{"NULL", "NULL"}, e.row(t, "SELECT owner, lease_us FROM alert_robots"))
	require.EqualValues(t, 12, e.count(t, "SELECT COUNT(*) FROM alert_notifications WHERE status = 'PENDING' AND message_id IS NULL AND reason_code = 'process_ended' AND attempts = 1"))
	requireAudited(t, s)
	healed, err = s.Heal(t.Context())
	require.NoError(t, err)
	require.Equal(t, alerting.Healed{}, healed, "once")

	e.exec(t, "UPDATE alert_robots SET owner = 'gone', lease_us = ?", time.Now().Add(-2*time.Minute).UnixMicro())
	healed, err = s.Heal(t.Context())
	require.NoError(t, err)
	require.Equal(t, alerting.Healed{Leases: 1}, healed)
	settle(t, s, lost, accepted) // it arrived after all
	requireAudited(t, s)
}

func testHealLeaves(t *testing.T, e Engine) {
	var commits []store.Commit
	s := e.Open(t, Setup{Policy: Policy, OnCommit: func(c store.Commit) { commits = append(commits, c) }})
	record(t, s, plainEvent("a"))
	flying := claim(t, s)
	e.pass(t, 20*time.Second+50*time.Second)
	commits = nil
	healed, err := s.Heal(t.Context())
	require.NoError(t, err)
	require.Equal(t, alerting.Healed{}, healed, "a late answer may still settle it")
	require.Empty(t, commits)
	settle(t, s, flying, accepted)
	e.pass(t, time.Hour)
	healed, err = s.Heal(t.Context())
	require.NoError(t, err)
	require.Equal(t, alerting.Healed{}, healed)
	require.Empty(t, audited(t, s))
}
