package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/lambdahttp/runtimeapitest"
	"trade-monitor/shared/store/mysql"
	"trade-monitor/shared/store/storetest"
	"trade-monitor/shared/wecom/wecomtest"
)

func TestMain(m *testing.M) { os.Exit(runtimeapitest.Main(m)) }

func TestATickDeliversWhatIsOwed(t *testing.T) {
	binary := runtimeapitest.Build(t)
	runtimeapitest.AssertLinks(t, binary)
	robots := wecomtest.Start(t)
	db, env := runtimeapitest.Database(t)
	_, err := db.RecordEvent(t.Context(), storetest.Event("aifuturetrade-async-service"), nil)
	require.NoError(t, err)
	f := runtimeapitest.Start(t, binary, append(env, "WECHAT_WEBHOOK_URL="+robots.Webhook("ops"), "WECHAT_ALLOWED_HOSTS="+robots.Host)...)

	result := f.Invoke(t, runtimeapitest.Event(t, "schedule.json"))
	require.Empty(t, result.Error)
	key := robots.Key("ops")
	robots.ExpectWithin(t, time.Second, key, "Ticker同步超时告警", "aifuturetrade-async-service")

	story, err := db.Story(t.Context(), 1)
	require.NoError(t, err)
	assert.True(t, story.Alert.WechatSent)

	require.Empty(t, f.Invoke(t, runtimeapitest.Event(t, "schedule.json")).Error, "a tick with nothing to do is fine")
	robots.ExpectNoMore(t, key, 100*time.Millisecond)
	assert.NotContains(t, f.Log(), key)
}

func TestATickJudgesHeartbeatsAndTellsOfThemAtOnce(t *testing.T) {
	robots := wecomtest.Start(t)
	db, env := runtimeapitest.Database(t)
	grace := time.Duration(0)
	_, err := db.Ping(t.Context(), alerting.HeartbeatPing{Name: "backup", Signal: alerting.SignalOK, HeartbeatTerms: alerting.HeartbeatTerms{Period: time.Second, Grace: &grace}})
	require.NoError(t, err)
	f := runtimeapitest.Start(t, runtimeapitest.Build(t), append(env, "WECHAT_WEBHOOK_URL="+robots.Webhook("ops"), "WECHAT_ALLOWED_HOSTS="+robots.Host)...)
	time.Sleep(1100 * time.Millisecond)
	require.Empty(t, f.Invoke(t, runtimeapitest.Event(t, "schedule.json")).Error)
	robots.ExpectWithin(t, time.Second, robots.Key("ops"), "心跳超时：backup")
	require.Empty(t, f.Invoke(t, runtimeapitest.Event(t, "schedule.json")).Error)
	robots.ExpectNoMore(t, robots.Key("ops"), 100*time.Millisecond)
}

func TestATickTellsWhatGoesOnWhenASilenceEnds(t *testing.T) {
	robots := wecomtest.Start(t)
	db, env := runtimeapitest.Database(t)
	silence, err := db.CreateSilence(t.Context(), alerting.SilenceDraft{Service: "orders", Duration: time.Hour, Author: "li", Comment: "rollout"}.Make)
	require.NoError(t, err)
	ev := storetest.Event("orders")
	ev.Type = "DISK_FULL"
	receipt, err := db.RecordEvent(t.Context(), ev, nil)
	require.NoError(t, err)
	require.Equal(t, "silenced", receipt.NotTold.Code)
	f := runtimeapitest.Start(t, runtimeapitest.Build(t), append(env, "WECHAT_WEBHOOK_URL="+robots.Webhook("ops"), "WECHAT_ALLOWED_HOSTS="+robots.Host)...)
	require.Empty(t, f.Invoke(t, runtimeapitest.Event(t, "schedule.json")).Error)
	robots.ExpectNoMore(t, robots.Key("ops"), 100*time.Millisecond)

	_, err = db.EndSilence(t.Context(), silence.ID, "li")
	require.NoError(t, err)
	require.Empty(t, f.Invoke(t, runtimeapitest.Event(t, "schedule.json")).Error)
	robots.ExpectWithin(t, time.Second, robots.Key("ops"), "Ticker同步超时告警", "orders")
}

// By the policy file of a layer the cloud escalates, too, a minute late at most.
func TestATickTakesTheStepsThatAreDue(t *testing.T) {
	robots := wecomtest.Start(t)
	o, env := runtimeapitest.EmptyDatabase(t)
	raw, err := mysql.OpenDB(o)
	require.NoError(t, err)
	defer raw.Close()
	require.NoError(t, mysql.Migrate(t.Context(), raw, slog.New(slog.DiscardHandler)))
	file := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(file, []byte("types: {DISK_FULL: {escalate: [{after: 15m, groups: [managers]}]}}"), 0o600))
	for name, types := range map[string]string{"ops": "DISK_FULL", "managers": "NOTHING"} {
		_, err := raw.Exec("INSERT INTO wechat_groups (group_name, webhook_url, alert_types) VALUES (?, ?, ?)", name, robots.Webhook(name), types)
		require.NoError(t, err)
	}
	policy := o.Policy()
	policy.Default.Escalation = []alerting.EscalationStep{{After: 15 * time.Minute, Groups: []string{"managers"}}}
	o.Policy = func() alerting.Policy { return policy }
	db, err := mysql.Open(o)
	require.NoError(t, err)
	defer db.Close()
	ev := storetest.Event("orders")
	ev.Type = "DISK_FULL"
	_, err = db.RecordEvent(t.Context(), ev, nil)
	require.NoError(t, err)

	f := runtimeapitest.Start(t, runtimeapitest.Build(t), append(env, "WECHAT_ALLOWED_HOSTS="+robots.Host, "POLICY_FILE="+file)...)
	tick := func() {
		t.Helper()
		require.Empty(t, f.Invoke(t, runtimeapitest.Event(t, "schedule.json")).Error)
	}
	tick()
	robots.ExpectWithin(t, time.Second, robots.Key("ops"), "Ticker同步超时告警")
	const late = 15 * 60_000_000
	for _, statement := range []string{"UPDATE alert_records SET word_first_us = word_first_us - ?, escalate_us = escalate_us - ?", "UPDATE alert_escalations SET at_us = at_us - ?"} {
		_, err := raw.Exec(statement, slices.Repeat([]any{late}, strings.Count(statement, "?"))...)
		require.NoError(t, err)
	}
	tick()
	robots.ExpectWithin(t, time.Second, robots.Key("managers"), "升级（15分钟无人确认）：Ticker同步超时告警", "此前已通知：ops\n")
	tick()
	robots.ExpectNoMore(t, robots.Key("managers"), 100*time.Millisecond)
}

// A person may ask in the cloud for what a runner elsewhere does. If none is at
// work, people are told, once, when the time of requests is over.
func TestATickTellsWhatNoRunnerTook(t *testing.T) {
	robots := wecomtest.Start(t)
	o, env := runtimeapitest.EmptyDatabase(t)
	raw, err := mysql.OpenDB(o)
	require.NoError(t, err)
	defer raw.Close()
	require.NoError(t, mysql.Migrate(t.Context(), raw, slog.New(slog.DiscardHandler)))
	db, err := mysql.Open(o)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.RecordEvent(t.Context(), storetest.Event("aifuturetrade-async-service"), nil)
	require.NoError(t, err)
	_, err = db.Handle(t.Context(), 1, "li")
	require.NoError(t, err)
	f := runtimeapitest.Start(t, runtimeapitest.Build(t), append(env, "WECHAT_WEBHOOK_URL="+robots.Webhook("ops"), "WECHAT_ALLOWED_HOSTS="+robots.Host)...)
	tick := func() {
		t.Helper()
		require.Empty(t, f.Invoke(t, runtimeapitest.Event(t, "schedule.json")).Error)
	}
	tick()
	key := robots.Key("ops")
	robots.ExpectWithin(t, time.Second, key, "Ticker同步超时告警")
	later := func(by time.Duration) {
		t.Helper()
		_, err := raw.Exec("UPDATE alert_remediations SET requested_us = requested_us - ?, next_us = next_us - ?", by.Microseconds(), by.Microseconds())
		require.NoError(t, err)
	}
	later(3 * time.Minute)
	require.NoError(t, db.RegisterRunner(t.Context(), alerting.Runner{Owner: "runner", Host: alerting.Host{ID: "engine/host", Name: "host"}, Mode: alerting.Auto}))
	tick()
	robots.ExpectNoMore(t, key, 100*time.Millisecond) // a runner is at work: it sees to it
	require.NoError(t, db.RetireRunner(t.Context(), "runner"))
	tick()
	robots.ExpectWithin(t, time.Second, key, "未重启", "没有主机认领", "没有 Trade Monitor 在任何主机上运行")
	tick()
	robots.ExpectNoMore(t, key, 100*time.Millisecond)
	story, err := db.Story(t.Context(), 1)
	require.NoError(t, err)
	assert.Equal(t, alerting.Skipped, story.Remediations[0].Status)
}

func TestOtherEventsAreRefused(t *testing.T) {
	f := runtimeapitest.Start(t, runtimeapitest.Build(t), runtimeapitest.Environment("127.0.0.1", 1, "u", "p", "d")...)
	for name, event := range map[string]string{
		"a request":         string(runtimeapitest.Request(t, "GET", "/", "", "", nil)),
		"another rule":      `{"source":"aws.s3","detail-type":"Object Created","detail":{}}`,
		"a forged schedule": `{"source":"evil","detail-type":"Scheduled Event","detail":{}}`,
		"nothing":           `null`,
	} {
		assert.Contains(t, f.Invoke(t, []byte(event)).Error, "not an event that this function answers", name)
	}
}

func TestATickWithoutTheDatabaseIsAnErrorOfTheFunction(t *testing.T) {
	f := runtimeapitest.Start(t, runtimeapitest.Build(t), runtimeapitest.Environment("127.0.0.1", 1, "u", "canary-7391", "d")...)
	result := f.Invoke(t, runtimeapitest.Event(t, "schedule.json"))
	assert.NotEmpty(t, result.Error, "Lambda counts it, so that an alarm can")
	assert.NotContains(t, result.Error+f.Log(), "canary-7391")
}
