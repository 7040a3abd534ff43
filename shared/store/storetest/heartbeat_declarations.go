package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/store"
)

// declarations holds who may say what a heartbeat is.
var declarations = suite{
	"the policy's are exactly those of the policy": testDeclarations,
	"the policy takes a name over":                 testPolicyTakesOver,
	"pings declare so many and no more":            testTooMany,
	"a person pauses, resumes and deletes":         testHeartbeatPeople,
}

func declaration(name string, period time.Duration) alerting.HeartbeatDeclaration {
	return alerting.HeartbeatDeclaration{Name: name, HeartbeatTerms: alerting.HeartbeatTerms{Period: period}}
}

func declare(t testing.TB, s *store.Store, all ...alerting.HeartbeatDeclaration) {
	t.Helper()
	require.NoError(t, s.DeclareHeartbeats(t.Context(), all))
}

func testDeclarations(t *testing.T, e Engine) {
	s := e.open(t, silent)
	pinged(t, s, first("of-ping"))
	declare(t, s, declaration("a", period), declaration("b", period))
	before := beat(t, s, "a")
	require.Equal(t, alerting.WatchNew, before.State)
	require.Equal(t, 15*time.Second, before.Grace)
	pinged(t, s, ping("a", alerting.SignalOK))
	same := beat(t, s, "a")
	declare(t, s, declaration("a", period), declaration("c", time.Hour))
	require.Equal(t, same, beat(t, s, "a"), "what has not changed is not touched")
	require.Equal(t, time.Hour, beat(t, s, "c").Period)
	require.Equal(t, period, beat(t, s, "of-ping").Period)
	require.Zero(t, e.count(t, "SELECT COUNT(*) FROM alert_heartbeats WHERE name = 'b'"))

	declare(t, s, declaration("a", 2*time.Hour))
	changed := beat(t, s, "a")
	require.Equal(t, 2*time.Hour, changed.Period)
	require.EqualValues(t, 1, changed.Pings)
	declare(t, s)
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_heartbeats"))

	e.live(t, 2*period)
	declare(t, s, declaration("never", period))
	e.live(t, 2*period)
	var names []string
	for _, h := range judge(t, s).Owed {
		names = append(names, h.Name+" "+string(h.Cause))
	}
	require.ElementsMatch(t, []string{"of-ping silent", "never never"}, names)
}

func testPolicyTakesOver(t *testing.T, e Engine) {
	s := e.open(t, silent)
	pinged(t, s, first("backup"))
	declare(t, s, declaration("backup", time.Hour))
	h := pinged(t, s, first("backup"))
	require.Equal(t, alerting.FromPolicy, h.Declared)
	require.Equal(t, time.Hour, h.Period, "a ping does not overrule the policy")
	require.EqualValues(t, 2, h.Pings)
}

func testTooMany(t *testing.T, e Engine) {
	s := e.open(t, silent)
	pinged(t, s, first("mine"))
	const columns = "declared, period_us, grace_us, alert_type, service_name, severity, state, since_us, declared_us, counted_us"
	for done := 1; done < alerting.MaxPingDeclared-1; done += 100 {
		var rows []string
		for i := done; i < min(done+100, alerting.MaxPingDeclared-1); i++ {
			rows = append(rows, fmt.Sprintf("('n%d', 'ping', 60000000, 0, 'T', 's', 'ERROR', 'paused', 1, 1, 1)", i))
		}
		e.exec(t, "INSERT INTO alert_heartbeats (name, "+columns+") VALUES "+strings.Join(rows, ","))
	}
	refusals := 0
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			_, err := s.Ping(t.Context(), first(fmt.Sprint("new-", i)))
			var refused *alerting.RefusedError
			if errors.As(err, &refused) {
				assert.Equal(t, "too_many_heartbeats", refused.Reason.Code)
				mu.Lock()
				refusals++
				mu.Unlock()
				return
			}
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	require.Equal(t, 4, refusals)
	pinged(t, s, ping("mine", alerting.SignalOK))
	declare(t, s, declaration("of-policy", period))
}

func testHeartbeatPeople(t *testing.T, e Engine) {
	s := e.open(t, silent)
	for _, call := range []func() error{
		func() error { _, err := s.PauseHeartbeat(t.Context(), "x", "li"); return err },
		func() error { _, err := s.ResumeHeartbeat(t.Context(), "x", "li"); return err },
		func() error { return s.DeleteHeartbeat(t.Context(), "x", "li") },
	} {
		require.ErrorIs(t, call(), alerting.ErrNotFound)
	}
	pinged(t, s, first("backup"))
	h, err := s.PauseHeartbeat(t.Context(), "backup", "li")
	require.NoError(t, err)
	require.Equal(t, alerting.WatchPaused, h.State)
	e.live(t, time.Hour)
	require.Empty(t, judge(t, s).Owed)
	require.True(t, judge(t, s).Next.IsZero())
	h, err = s.ResumeHeartbeat(t.Context(), "backup", "li")
	require.NoError(t, err)
	require.Equal(t, alerting.WatchUp, h.State)
	require.Equal(t, h, beat(t, s, "backup"))

	declare(t, s, declaration("of-policy", period))
	var refused *alerting.RefusedError
	require.ErrorAs(t, s.DeleteHeartbeat(t.Context(), "of-policy", "li"), &refused)
	require.Equal(t, "heartbeat_of_policy", refused.Reason.Code)
	require.NoError(t, s.DeleteHeartbeat(t.Context(), "backup", "li"))
	require.EqualValues(t, 1, e.count(t, "SELECT COUNT(*) FROM alert_heartbeats"))
}
