package main

import (
	"database/sql"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/audit"
	"trade-monitor/shared/wecom/wecomtest"
)

const heartbeatToken = "canary-heartbeat-token"

// outside is who listens for the heartbeat.
func outside(t *testing.T) (url string, beats *atomic.Int64) {
	beats = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == "/"+heartbeatToken {
			beats.Add(1)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/" + heartbeatToken, beats
}

// measured are the series of one metric, by the value of their only label.
func measured(t *testing.T, s *runningService, metric string) map[string]float64 {
	t.Helper()
	found := map[string]float64{}
	for _, m := range regexp.MustCompile(`(?m)^`+metric+`(?:\{\w+="([^"]*)"\})? (\S+)$`).FindAllStringSubmatch(s.get("/metrics").text, -1) {
		value, err := strconv.ParseFloat(m[2], 64)
		require.NoError(t, err)
		found[m[1]] = value
	}
	return found
}

// checkAudit: what the program knows of its record, and a look from outside.
func checkAudit(t *testing.T, s *runningService) {
	t.Helper()
	differences := measured(t, s, "trade_monitor_audit_difference")
	assert.Len(t, differences, len(alerting.Differences))
	for check, n := range differences {
		assert.Zero(t, n, check)
	}
	assert.Equal(t, map[string]float64{"": 1}, measured(t, s, "trade_monitor_audit_ok"))
	assert.Contains(t, s.command("doctor").out, "账目相符 (the record adds up)")
}

func TestTheAuditorSaysWhatDoesNotAddUpAndStopsTheHeartbeat(t *testing.T) {
	t.Parallel()
	robots := wecomtest.Start(t)
	url, beats := outside(t)
	s := launch(t, "REMEDIATION_MODE=off", "WECHAT_WEBHOOK_URL="+robots.Webhook("group"), "WECHAT_ALLOWED_HOSTS="+robots.Host, "HEARTBEAT_URL="+url)
	for _, service := range []string{"a", "b", "c"} {
		s.notify(ticker(service))
		robots.ExpectWithin(t, 10*time.Second, robots.Key("group"), service)
	}
	await(t, 30*time.Second, "the heartbeat", func() bool { return beats.Load() == 1 })
	require.Contains(t, s.output.String(), "HEARTBEAT_URL): 已配置")
	await(t, 10*time.Second, "it is counted", func() bool { return measured(t, s, "trade_monitor_heartbeat_requests_total")["sent"] == 1 })
	checkAudit(t, s)

	require.Zero(t, s.stop())
	hand, err := sql.Open("sqlite", filepath.Join(s.dir, "data", "trade-monitor.db"))
	require.NoError(t, err)
	_, err = hand.Exec("UPDATE alert_records SET wechat_sent = 0 WHERE service_name IN ('a', 'b'); UPDATE alert_records SET occurrences = 4 WHERE service_name = 'c'")
	require.NoError(t, err)
	require.NoError(t, hand.Close())
	s.start()
	await(t, 10*time.Second, "the audit of the start", func() bool { return len(measured(t, s, "trade_monitor_audit_difference")) > 0 })
	differences := measured(t, s, "trade_monitor_audit_difference")
	require.EqualValues(t, 2, differences["word_without_flag"])
	require.EqualValues(t, 3, differences["events"])
	require.Zero(t, differences["owed"])
	require.Equal(t, map[string]float64{"": 0}, measured(t, s, "trade_monitor_audit_ok"))
	require.Equal(t, "ok", s.get("/readyz").fields["status"], "found once is not yet said")
	doctor := s.command("doctor")
	require.Equal(t, 1, doctor.code)
	require.Contains(t, doctor.out, "2 条告警已通知，没有标记")
	require.Contains(t, doctor.out, "events accepted and the alerts' occurrences differ by 3")
	await(t, 30*time.Second, "the heartbeat is withheld", func() bool { return measured(t, s, "trade_monitor_heartbeat_requests_total")["withheld"] >= 1 })
	require.EqualValues(t, 1, beats.Load())
	if proofLong() {
		checkStuck(t, s, robots)
	}
}

// checkStuck: a minute later it is found again, and said.
func checkStuck(t *testing.T, s *runningService, robots *wecomtest.Server) {
	t.Helper()
	robots.ExpectWithin(t, 2*time.Minute, robots.Key("group"), "Trade Monitor 自查发现问题", "2 条告警已通知，没有标记")
	rep := s.get("/readyz")
	require.Equal(t, http.StatusOK, rep.status)
	require.Equal(t, "degraded", rep.fields["status"])
	require.Contains(t, rep.text, "docs/audit.md")
	hand, err := sql.Open("sqlite", filepath.Join(s.dir, "data", "trade-monitor.db")+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	_, err = hand.Exec("UPDATE alert_records SET wechat_sent = 1 WHERE service_name IN ('a', 'b'); UPDATE alert_records SET occurrences = 1 WHERE service_name = 'c'")
	require.NoError(t, err)
	require.NoError(t, hand.Close())
	robots.ExpectWithin(t, 2*time.Minute, robots.Key("group"), "已恢复：Trade Monitor 自查发现问题", "账目相符，没有逾期")
	checkAudit(t, s)
	require.Equal(t, "ok", s.get("/readyz").fields["status"])
}

func TestReadyzSaysWhatTheAuditorFound(t *testing.T) {
	now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	stuck := audit.Report{SuccessAt: now, Standing: alerting.Standing{At: now, Findings: []alerting.Finding{
		{Check: alerting.LateWords, Count: 3, Since: now.Add(-time.Hour), Example: 12, Times: 2},
		{Check: alerting.LateRechecks, Count: 1, Times: 1},
	}}}
	require.Equal(t, []string{"自查 (audit): 3 条通知早该发送（最早 2026-11-25 09:00:00，如通知 12） (3 words should have been sent (since 2026-11-25 09:00:00, such as word 12))；请运行 trade-monitor doctor，见 docs/audit.md (run doctor; see docs/audit.md)"},
		auditDegrades(stuck, now, now, time.UTC))
	failing := audit.Report{Failing: true}
	require.Empty(t, auditDegrades(failing, now, now.Add(10*time.Minute), time.UTC), "the database may be away for a while, which is said otherwise")
	require.Len(t, auditDegrades(failing, now, now.Add(10*time.Minute+time.Second), time.UTC), 1)
	failing.SuccessAt = now.Add(time.Minute)
	require.Empty(t, auditDegrades(failing, now, now.Add(11*time.Minute), time.UTC))
	require.Empty(t, auditDegrades(audit.Report{}, now, now.Add(time.Hour), time.UTC))
}
