package mysql_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
	"trade-monitor/shared/store/mysql"
	"trade-monitor/shared/store/storetest"
)

const service = "aifuturetrade-async-service"

func requireWatchesWork(t *testing.T, s *store.Store) {
	t.Helper()
	_, err := s.TouchLiveness(t.Context(), time.Minute, true)
	require.NoError(t, err)
	terms := alerting.HeartbeatTerms{Period: time.Minute}
	_, err = s.Ping(t.Context(), alerting.HeartbeatPing{Name: "backup", Signal: alerting.SignalFail, HeartbeatTerms: terms})
	require.NoError(t, err)
	j, err := s.JudgeHeartbeats(t.Context())
	require.NoError(t, err)
	require.Len(t, j.Owed, 1)
	require.NoError(t, s.SettleHeartbeats(t.Context(), j.Owed))
	require.NoError(t, s.DeclareHeartbeats(t.Context(), []alerting.HeartbeatDeclaration{{Name: "sync", HeartbeatTerms: terms}}))
	require.NoError(t, s.DeleteHeartbeat(t.Context(), "backup", "li"))
	require.NoError(t, s.SaveWatch(t.Context(), alerting.WatchMemory{Watch: alerting.Watch{Kind: alerting.LogWatch, Name: "x"}}))
	require.NoError(t, s.ForgetWatch(t.Context(), alerting.LogWatch, "x", ""))
}

// requireWorksWithoutDDL does everything that a store does as a user who may
// only read and write rows.
func requireWorksWithoutDDL(t *testing.T, db storetest.Database) {
	t.Helper()
	root := db.Admin(t, "")
	name := "rows_" + db.Name
	for _, statement := range []string{
		"CREATE USER '" + name + "'@'%' IDENTIFIED BY 'test-only-rows'",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON " + db.Name + ".* TO '" + name + "'@'%'",
	} {
		_, err := root.Exec(statement)
		require.NoError(t, err)
	}
	o := options(db)
	o.User, o.Password = name, "test-only-rows"
	raw, err := mysql.OpenDB(o)
	require.NoError(t, err)
	defer raw.Close()
	_, err = raw.Exec("CREATE TABLE not_allowed (id INT)")
	require.Error(t, err)
	require.NoError(t, mysql.Migrate(t.Context(), raw, slog.New(slog.DiscardHandler)), "there is nothing to create")

	s := open(t, o)
	require.NoError(t, s.Ready(t.Context()))
	receipt, err := s.RecordEvent(t.Context(), storetest.Event(service), &alerting.Idempotency{Key: "k", Body: "b"})
	require.NoError(t, err)
	robot := alerting.RobotID(storetest.Policy().Fallback)
	claim, _, err := s.ClaimMessage(t.Context(), robot, []int64{0}, "me", time.Second, storetest.Pen(func(alerting.Brief) string { return "words" }))
	require.NoError(t, err)
	require.NoError(t, s.SettleMessage(t.Context(), claim, alerting.Verdict{Status: alerting.Accepted, Class: alerting.ClassOK}, 0))
	work, _, err := s.ClaimRemediations(t.Context(), "me", alerting.Host{}, time.Minute)
	require.NoError(t, err)
	require.Len(t, work, 1)
	r := work[0].Remediation
	r.Status, r.OrderedAt, r.Reason = alerting.Failed, time.Now(), alerting.Reason{Code: "not_stable"}
	require.NoError(t, s.SaveRemediation(t.Context(), "me", r, 0))
	_, err = s.RecordEvent(t.Context(), storetest.Event(service), nil)
	require.NoError(t, err)
	_, err = s.Recheck(t.Context())
	require.NoError(t, err)
	_, err = s.Acknowledge(t.Context(), receipt.AlertID, "li")
	require.NoError(t, err)
	_, err = s.Handle(t.Context(), receipt.AlertID, "li")
	require.NoError(t, err)
	_, err = s.Resolve(t.Context(), receipt.AlertID, "li")
	require.NoError(t, err)
	require.NoError(t, s.Suppress(t.Context(), []int64{0}, alerting.Reason{Code: "group_gone"}))
	require.NoError(t, s.ReleaseLeases(t.Context(), "me"))
	require.NoError(t, s.ForgetAnswers(t.Context()))
	require.NoError(t, s.Recount(t.Context()))
	page, err := s.ListAlerts(t.Context(), alerting.Filter{Status: alerting.Resolved, PageSize: 5})
	require.NoError(t, err)
	require.EqualValues(t, 1, page.Total)
	_, err = s.Stats(t.Context())
	require.NoError(t, err)
	_, err = s.Groups(t.Context())
	require.NoError(t, err)
	story, err := s.Story(t.Context(), receipt.AlertID)
	require.NoError(t, err)
	requireWatchesWork(t, s)
	assert.True(t, story.Alert.WechatSent)
	assert.Len(t, story.Messages, 1)
}
