package mysql_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
	"trade-monitor/shared/store/mysql"
	"trade-monitor/shared/store/storetest"
)

// everyCall is one call of each kind.
func everyCall(t testing.TB, s *store.Store) map[string]func() error {
	robot := alerting.RobotID(storetest.Policy().Fallback)
	return map[string]func() error{
		"RecordEvent": func() error { _, err := s.RecordEvent(t.Context(), storetest.Event(service), nil); return err },
		"ListAlerts":  func() error { _, err := s.ListAlerts(t.Context(), alerting.Filter{PageSize: 5}); return err },
		"Stats":       func() error { _, err := s.Stats(t.Context()); return err },
		"Story":       func() error { _, err := s.Story(t.Context(), 1); return err },
		"Groups":      func() error { _, err := s.Groups(t.Context()); return err },
		"Queues":      func() error { _, err := s.Queues(t.Context()); return err },
		"Recheck":     func() error { _, err := s.Recheck(t.Context()); return err },
		"Ready":       func() error { return s.Ready(t.Context()) },
		"Recount":     func() error { return s.Recount(t.Context()) },
		"State":       func() error { _, err := s.RemediationState(t.Context()); return err },
		"Dry runs":    func() error { _, err := s.DryRunLedger(t.Context()); return err },
		"Rehearse":    func() error { _, err := s.Rehearse(t.Context(), 1, "li"); return err },
		"Rearm":       func() error { _, err := s.Rearm(t.Context(), service, "li"); return err },
		"Release": func() error {
			if _, err := s.ReleaseBrake(t.Context(), "h", "li"); !errors.Is(err, alerting.ErrNotFound) {
				return err
			}
			return nil
		},
		"Acknowledge": func() error { _, err := s.Acknowledge(t.Context(), 1, "li"); return err },
		"Runners":     func() error { _, err := s.Runners(t.Context()); return err },
		"Register":    func() error { return s.RegisterRunner(t.Context(), alerting.Runner{Owner: "me"}) },
		"Expire":      func() error { _, err := s.ExpireRemediations(t.Context()); return err },
		"Remediations": func() error {
			_, _, err := s.ClaimRemediations(t.Context(), "me", alerting.Host{}, time.Minute)
			return err
		},
		"Ping": func() error {
			_, err := s.Ping(t.Context(), alerting.HeartbeatPing{Name: "x", Signal: alerting.SignalOK, HeartbeatTerms: alerting.HeartbeatTerms{Period: time.Minute}})
			return err
		},
		"Judge":     func() error { _, err := s.JudgeHeartbeats(t.Context()); return err },
		"Touch":     func() error { _, err := s.TouchLiveness(t.Context(), time.Minute, true); return err },
		"Declare":   func() error { return s.DeclareHeartbeats(t.Context(), nil) },
		"Watches":   func() error { _, err := s.Watches(t.Context()); return err },
		"SaveWatch": func() error { return s.SaveWatch(t.Context(), alerting.WatchMemory{}) },
		"Load":      func() error { _, err := s.LoadWatches(t.Context(), "h"); return err },
		"ClaimMessage": func() error {
			_, _, err := s.ClaimMessage(t.Context(), robot, []int64{0}, "me", time.Minute, storetest.Pen(func(alerting.Brief) string { return "words" }))
			return err
		},
	}
}

func TestWithoutTablesEveryCallNamesTheCommand(t *testing.T) {
	s := open(t, options(storetest.MariaDB(t)))
	for name, call := range everyCall(t, s) {
		err := call()
		require.ErrorIs(t, err, alerting.ErrSchema, name)
		require.ErrorContains(t, err, "init-db", name)
	}
}

func TestTheGuidesTablesAloneAreAnOldSchema(t *testing.T) {
	db, _ := guideMade(t)
	s := open(t, options(db))
	for _, name := range []string{"RecordEvent", "ListAlerts", "Ready", "Story"} {
		require.ErrorIs(t, everyCall(t, s)[name](), alerting.ErrSchema, name)
	}
}

func TestAServerThatIsAwayIsToldOfAtOnceAndMetAgain(t *testing.T) {
	db := storetest.OwnMariaDB(t)
	migrate(t, db)
	s := open(t, options(db))
	_, err := s.RecordEvent(t.Context(), storetest.Event(service), nil)
	require.NoError(t, err)
	for _, stop := range []func(){db.Stop, db.Kill} {
		stop()
		for name, call := range everyCall(t, s) {
			start := time.Now()
			require.ErrorIs(t, call(), alerting.ErrUnavailable, name)
			require.Less(t, time.Since(start), 2*time.Second, name)
		}
		db.Start(t)
		for name, call := range everyCall(t, s) {
			require.NoError(t, call(), name)
		}
	}
}

// TestAPowerCutLosesNothingThatWasAnswered: promise 1.
func TestAPowerCutLosesNothingThatWasAnswered(t *testing.T) {
	db := storetest.OwnMariaDB(t)
	migrate(t, db)
	s := open(t, options(db))
	var mu sync.Mutex
	answered := map[int64]int64{}
	var wg sync.WaitGroup
	for caller := range 8 {
		wg.Go(func() {
			ev := storetest.Event(service)
			ev.Type = string(rune('A' + caller))
			for {
				receipt, err := s.RecordEvent(t.Context(), ev, nil)
				if err != nil {
					assert.ErrorIs(t, err, alerting.ErrUnavailable)
					return
				}
				mu.Lock()
				answered[receipt.AlertID] = receipt.Occurrences
				mu.Unlock()
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	db.Kill()
	wg.Wait()
	db.Start(t)
	require.Len(t, answered, 8)
	for id, occurrences := range answered {
		story, err := s.Story(t.Context(), id)
		require.NoError(t, err)
		require.GreaterOrEqual(t, story.Alert.Occurrences, occurrences)
		require.LessOrEqual(t, story.Alert.Occurrences, occurrences+1, "at most the one without an answer more")
	}
}

func TestARefusedPasswordAndAnUnknownDatabaseAreHopeless(t *testing.T) {
	db := storetest.MariaDB(t)
	for name, change := range map[string]func(*mysql.Options){
		"password": func(o *mysql.Options) { o.Password = "wrong-secret" },
		"database": func(o *mysql.Options) { o.Database = "nowhere" },
	} {
		o := options(db)
		change(&o)
		s := open(t, o)
		err := s.Ready(t.Context())
		require.ErrorIs(t, err, alerting.ErrUnavailable, name)
		require.True(t, mysql.Hopeless(err), name)
		require.False(t, mysql.Away(err), name)
		require.NotContains(t, err.Error(), "wrong-secret", name)
	}
	away := options(db)
	away.Port = 1
	err := open(t, away).Ready(t.Context())
	require.True(t, mysql.Away(err))
	require.False(t, mysql.Hopeless(err))
}
