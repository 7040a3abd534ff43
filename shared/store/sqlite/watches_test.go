package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store/sqlite"
	"trade-monitor/shared/store/storetest"
)

func open(t *testing.T, dir string, now func() time.Time) *sqlite.Database {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, Policy: storetest.Policy, Now: now})
	require.NoError(t, err)
	return db
}

func TestADatabaseOfVersion1MigratesInPlace(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, nil)
	receipt, err := db.RecordEvent(t.Context(), storetest.Event("async"), nil)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	hand, err := sql.Open("sqlite", filepath.Join(dir, "trade-monitor.db"))
	require.NoError(t, err)
	_, err = hand.Exec("DROP TABLE alert_heartbeats; DROP TABLE alert_watches; DROP TABLE alert_liveness; " +
		"DROP TABLE alert_evidence; DROP TABLE alert_runners; DROP TABLE alert_brakes; DROP TABLE alert_rearms; DROP TABLE alert_silences; " +
		"DROP INDEX ix_remediation_ordered; ALTER TABLE alert_remediations DROP COLUMN rung; ALTER TABLE alert_remediations DROP COLUMN host; ALTER TABLE alert_remediations DROP COLUMN proven_us; " +
		"ALTER TABLE alert_messages DROP COLUMN kind; ALTER TABLE alert_messages DROP COLUMN words; ALTER TABLE alert_robots DROP COLUMN storm_us; ALTER TABLE alert_robots DROP COLUMN storm_group; " +
		"DROP TABLE alert_escalations; ALTER TABLE wechat_groups DROP COLUMN message_format; ALTER TABLE alert_messages DROP COLUMN format; ALTER TABLE alert_notifications DROP COLUMN unanswered; ALTER TABLE alert_notifications DROP COLUMN counted; " +
		"ALTER TABLE alert_records DROP COLUMN word_first_us; ALTER TABLE alert_records DROP COLUMN escalate_us; ALTER TABLE alert_records DROP COLUMN escalated; DELETE FROM alert_schema_version WHERE version_id >= 2")
	require.NoError(t, err)
	require.NoError(t, hand.Close())

	look, err := sqlite.Inspect(sqlite.Options{Dir: dir, Policy: storetest.Policy})
	require.NoError(t, err)
	require.ErrorIs(t, look.CheckSchema(t.Context()), alerting.ErrSchema, "who only looks is told")
	require.NoError(t, look.Close())

	db = open(t, dir, nil)
	defer db.Close()
	story, err := db.Story(t.Context(), receipt.AlertID)
	require.NoError(t, err)
	require.Equal(t, "async", story.Alert.Service)
	_, err = db.Ping(t.Context(), alerting.HeartbeatPing{Name: "x", Signal: alerting.SignalOK, HeartbeatTerms: alerting.HeartbeatTerms{Period: time.Minute}})
	require.NoError(t, err)
	require.NoError(t, db.Ready(t.Context()))
}

// The host was suspended, or its clock was set. Whoever writes first afterwards,
// a ping or a judgement, moves the limits before anything else: the loop may
// come later.
func TestTheFirstToMeetAClockThatJumpedMovesTheLimits(t *testing.T) {
	for name, jump := range map[string]time.Duration{"suspended": 5 * time.Hour, "set back": -5 * time.Hour} {
		for first, write := range map[string]func(*testing.T, *sqlite.Database){
			"a ping": func(t *testing.T, db *sqlite.Database) {
				h, err := db.Ping(t.Context(), alerting.HeartbeatPing{Name: "other", Signal: alerting.SignalOK})
				require.NoError(t, err)
				require.Equal(t, time.Minute, h.Deadline.Sub(h.LastPingAt))
			},
			"a judgement": func(*testing.T, *sqlite.Database) {},
		} {
			t.Run(name+", first "+first, func(t *testing.T) {
				now := time.Date(2026, 2, 25, 2, 0, 0, 0, time.UTC)
				db := open(t, t.TempDir(), func() time.Time { return now })
				defer db.Close()
				_, err := db.TouchLiveness(t.Context(), 15*time.Second, true)
				require.NoError(t, err)
				for _, beat := range []string{"backup", "other", "due"} {
					_, err = db.Ping(t.Context(), alerting.HeartbeatPing{Name: beat, Signal: alerting.SignalOK, HeartbeatTerms: alerting.HeartbeatTerms{Period: time.Minute}})
					require.NoError(t, err)
				}
				now = now.Add(jump)
				write(t, db)
				j, err := db.JudgeHeartbeats(t.Context())
				require.NoError(t, err)
				require.Empty(t, j.Owed)
				_, err = db.TouchLiveness(t.Context(), 15*time.Second, false)
				require.NoError(t, err)
				j, err = db.JudgeHeartbeats(t.Context())
				require.NoError(t, err)
				require.Equal(t, time.Minute, j.Next.Sub(now), "what was left of the periods is left")
			})
		}
	}
}
