package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// rehearsals holds dry runs: what would be done, and what became of it.
var rehearsals = suite{
	"a rehearsal answers as the order would, and stores nothing":   testRehearse,
	"a rehearsal names the live hosts that have the container":     testRehearseHosts,
	"the ledger of dry runs tells what became of each alert":       testDryRunLedger,
	"the outcomes of remediations are counted":                     testOutcomes,
	"the counts of outcomes survive retention, SQL by hand, a gap": testOutcomesMended,
}

func testRehearse(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, plainEvent("a"))
	record(t, s, Event(container))
	record(t, s, Event("somebody-elses"))
	record(t, s, Event("not a container name"))
	const counts = "SELECT (SELECT COUNT(*) FROM alert_remediations), (SELECT COUNT(*) FROM alert_decisions), (SELECT SUM(times) FROM alert_decisions), (SELECT SUM(trail_seq) FROM alert_records), (SELECT SUM(updated_us) FROM alert_records)"
	before := e.row(t, counts)
	for id, code := range map[int64]string{1: "no_action", 2: "under_way", 3: "not_allowed", 4: "bad_target"} {
		plan, err := s.Rehearse(t.Context(), id, "li")
		require.NoError(t, err)
		_, ordered := s.Handle(t.Context(), id, "li")
		var refused *alerting.RefusedError
		require.ErrorAs(t, ordered, &refused)
		require.Equal(t, refused.Reason, plan.Reason, "as the order")
		require.Equal(t, code, plan.Reason.Code)
	}
	_, err := s.Rehearse(t.Context(), 99, "li")
	require.ErrorIs(t, err, alerting.ErrNotFound)
	require.Equal(t, before, e.row(t, counts))
	end(t, s, alerting.Failed, "not_stable")
	plan, err := s.Rehearse(t.Context(), 2, "li")
	require.NoError(t, err)
	require.True(t, plan.Reason.IsZero(), "no cooldown holds a person")
	require.Equal(t, alerting.Restart, plan.Action)
	require.Equal(t, container, plan.Container)
}

func testRehearseHosts(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, plainEvent("a"))
	record(t, s, Event(container))
	for owner, at := range map[string]time.Time{"live": time.Now(), "dead": time.Now().Add(-time.Hour)} {
		e.exec(t, "INSERT INTO alert_runners (owner, host, host_name, mode, reachable, containers, seen_us) VALUES (?, ?, ?, 'auto', 1, ?, ?)", owner, owner, owner, `["x","`+container+`"]`, at.UnixMicro())
	}
	e.exec(t, "INSERT INTO alert_runners (owner, host, host_name, mode, reachable, containers, seen_us) VALUES ('empty', 'empty', 'empty', 'auto', 1, '[]', ?)", time.Now().UnixMicro())
	plan, err := s.Rehearse(t.Context(), 2, "li")
	require.NoError(t, err)
	require.Equal(t, alerting.Host{ID: "live", Name: "live"}, plan.Host)
}

// testDryRunLedger: one alert of each fate.
func testDryRunLedger(t *testing.T, e Engine) {
	names := []string{"itself", "resolved", "handled", "open", "acted", "taken"}
	s := e.open(t, dry, listing(names...))
	ledger := func() alerting.DryRunLedger {
		l, err := s.DryRunLedger(t.Context())
		require.NoError(t, err)
		return l
	}
	require.Equal(t, alerting.DryRunLedger{}, ledger())
	ids := map[string]int64{}
	for _, name := range names {
		ids[name] = record(t, s, Event(name)).AlertID
		require.Equal(t, "dry_run", intend(t, s).Code)
	}
	require.Equal(t, alerting.DryRunLedger{WouldAct: 6, StillOpen: 6}, ledger())

	record(t, s, over(Event("itself")))
	_, err := s.Resolve(t.Context(), ids["resolved"], "li")
	require.NoError(t, err)
	_, err = s.Handle(t.Context(), ids["handled"], "li")
	require.NoError(t, err)
	require.Equal(t, "dry_run", intend(t, s).Code)
	record(t, s, over(Event("handled")))
	_, err = s.Acknowledge(t.Context(), ids["taken"], "li")
	require.NoError(t, err)
	e.pass(t, 6*time.Minute)
	earnest := e.open(t, listing(names...))
	require.Equal(t, alerting.Requested, record(t, earnest, Event("acted")).RemediationStatus)
	require.Empty(t, intend(t, earnest).Code)
	s = earnest
	require.Equal(t, alerting.DryRunLedger{WouldAct: 5, RecoveredByItself: 1, HandledByPerson: 2, StillOpen: 2}, ledger(), "what was acted upon later is no dry run")
}

func counted(t testing.TB, s *store.Store) []alerting.RemediationCount {
	t.Helper()
	stats, err := s.Stats(t.Context())
	require.NoError(t, err)
	return stats.Remediations
}

func testOutcomes(t *testing.T, e Engine) {
	s := e.open(t)
	record(t, s, Event("somebody-elses"))
	restarted(t, s, alerting.Succeeded)
	require.Equal(t, []alerting.RemediationCount{{Action: alerting.Restart, Status: alerting.Skipped, N: 1}, {Action: alerting.Restart, Status: alerting.Succeeded, N: 1}}, counted(t, s))
	record(t, s, Event(container)) // the symptom came back, and a cooldown holds
	want := []alerting.RemediationCount{{Action: alerting.Restart, Status: alerting.Failed, N: 1}, {Action: alerting.Restart, Status: alerting.Skipped, N: 2}}
	require.Equal(t, want, counted(t, s))
	require.NoError(t, s.Recount(t.Context()))
	require.Equal(t, want, counted(t, s), "they are what there is")
	e.pass(t, 6*time.Minute)
	record(t, s, Event(container))
	require.Equal(t, want, counted(t, s), "what is under way has not come to anything")
}

func testOutcomesMended(t *testing.T, e Engine) {
	s := e.open(t)
	restarted(t, s, alerting.Succeeded)
	e.pass(t, 100*24*time.Hour)
	e.exec(t, "UPDATE alert_notifications SET status = 'SENT'")
	e.exec(t, "UPDATE alert_records SET created_at = '2020-01-01 00:00:00', updated_at = '2020-01-01 00:00:00'")
	restarted(t, s, alerting.Failed)
	n, err := s.ForgetAlerts(t.Context(), 24*time.Hour)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	want := []alerting.RemediationCount{{Action: alerting.Restart, Status: alerting.Failed, N: 1}}
	require.Equal(t, want, counted(t, s))
	e.exec(t, "DELETE FROM alert_totals WHERE scope = 'H'") // as an upgrade finds it
	require.Empty(t, counted(t, s))
	require.NoError(t, s.Recount(t.Context()))
	require.Equal(t, want, counted(t, s))
}
