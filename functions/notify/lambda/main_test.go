package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/lambdahttp/runtimeapitest"
)

func TestMain(m *testing.M) { os.Exit(runtimeapitest.Main(m)) }

func TestTheBinaryTakesTheGuidesEvent(t *testing.T) {
	binary := runtimeapitest.Build(t)
	runtimeapitest.AssertLinks(t, binary)
	db, env := runtimeapitest.Database(t)
	f := runtimeapitest.Start(t, binary, env...)

	answer := f.HTTP(t, runtimeapitest.Event(t, "notify.json"))
	assert.Equal(t, 200, answer.StatusCode)
	assert.True(t, strings.HasPrefix(answer.Body, `{"success":true,"alertId":1,"message":"事件通知已接收并处理"`), answer.Body)
	assert.Contains(t, answer.Body, `"reasonCode":"mode_off"`, "on Lambda nothing is restarted")
	assert.Equal(t, "application/json; charset=utf-8", answer.Headers["Content-Type"])
	assert.Regexp(t, `^8476a536-e9f4-`, answer.Headers["X-Request-Id"], "Lambda's own id, as in its log")

	again := f.HTTP(t, runtimeapitest.Event(t, "test-alert.json"))
	assert.Contains(t, again.Body, `"occurrences":2`)

	story, err := db.Story(t.Context(), 1)
	require.NoError(t, err)
	assert.Equal(t, "aifuturetrade-async-service", story.Alert.Service)
	assert.Equal(t, alerting.Open, story.Alert.Status)
}

func TestTheBinaryTakesHeartbeats(t *testing.T) {
	db, env := runtimeapitest.Database(t)
	f := runtimeapitest.Start(t, runtimeapitest.Build(t), env...)
	assert.Equal(t, 404, f.HTTP(t, runtimeapitest.Event(t, "fail.json")).StatusCode, "nobody declared it yet")
	for event, want := range map[string]string{"ping.json": `"state":"up"`, "fail.json": `"exitCode":3`, "pause.json": `"state":"paused"`} {
		if event != "ping.json" {
			assert.Equal(t, 200, f.HTTP(t, runtimeapitest.Event(t, "ping.json")).StatusCode)
		}
		answer := f.HTTP(t, runtimeapitest.Event(t, event))
		assert.Equal(t, 200, answer.StatusCode, answer.Body)
		assert.Contains(t, answer.Body, want, event)
	}
	all, err := db.Heartbeats(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Equal(t, 24*time.Hour, all[0].Period)
}

func TestARepeatedKeyIsAnsweredTheSame(t *testing.T) {
	_, env := runtimeapitest.Database(t)
	f := runtimeapitest.Start(t, runtimeapitest.Build(t), env...)
	event := func(body string) []byte {
		return runtimeapitest.Request(t, "POST", "/api/events/notify", "", body, map[string]string{"Idempotency-Key": "a,b, c"})
	}
	const body = `{"eventType":"T","serviceName":"s","severity":"INFO","title":"t","message":"m"}`
	first, second := f.HTTP(t, event(body)), f.HTTP(t, event(body))
	assert.Equal(t, first.Body, second.Body)
	assert.Equal(t, 422, f.HTTP(t, event(strings.Replace(body, `"t"`, `"u"`, 1))).StatusCode)
}

func TestWhatIsNotAnEventOfThisFunction(t *testing.T) {
	env := runtimeapitest.Environment("127.0.0.1", 1, "u", "p", "d")
	f := runtimeapitest.Start(t, runtimeapitest.Build(t), env...)

	bad := f.HTTP(t, runtimeapitest.Request(t, "POST", "/api/events/notify", "", `{"title":`, nil))
	assert.Equal(t, 400, bad.StatusCode)
	assert.True(t, json.Valid([]byte(bad.Body)))
	assert.Equal(t, 404, f.HTTP(t, runtimeapitest.Request(t, "GET", "/api/alerts", "", "", nil)).StatusCode)

	for name, event := range map[string]string{
		"a schedule": `{"version":"0","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`,
		"a queue":    `{"Records":[{"messageId":"1","body":"{}","eventSource":"aws:sqs"}]}`,
		"REST, v1":   `{"version":"1.0","httpMethod":"GET","path":"/","requestContext":{"stage":"prod"}}`,
		"anything":   `"hello"`,
	} {
		assert.Contains(t, f.Invoke(t, []byte(event)).Error, "not an event that this function answers", name)
	}
	assert.Equal(t, 400, f.HTTP(t, runtimeapitest.Request(t, "POST", "/api/events/notify", "", `{}`, nil)).StatusCode, "it goes on after refusals")
}

func TestAnUnreachableDatabaseIsA503WithinTwoSeconds(t *testing.T) {
	const password = "canary-7391"
	f := runtimeapitest.Start(t, runtimeapitest.Build(t), runtimeapitest.Environment("127.0.0.1", 1, "u", password, "d")...)
	start := time.Now()
	answer := f.HTTP(t, runtimeapitest.Event(t, "notify.json"))
	assert.Less(t, time.Since(start), 2*time.Second)
	assert.Equal(t, 503, answer.StatusCode)
	assert.Equal(t, "2", answer.Headers["Retry-After"])
	assert.Contains(t, answer.Body, `"code":"unavailable"`)
	assert.NotContains(t, f.Log()+answer.Body, password)
}

func TestADatabaseWithoutTablesNamesTheCommand(t *testing.T) {
	_, env := runtimeapitest.EmptyDatabase(t)
	f := runtimeapitest.Start(t, runtimeapitest.Build(t), env...)
	answer := f.HTTP(t, runtimeapitest.Event(t, "notify.json"))
	assert.Equal(t, 503, answer.StatusCode)
	assert.Contains(t, answer.Body, "trade-monitor init-db", "a function never migrates by itself")
}

func TestBadSettingsEndTheStartWithTheirNames(t *testing.T) {
	f := runtimeapitest.Start(t, runtimeapitest.Build(t), "TZ=Mars/Phobos", "API_TOKENS=canary-7391")
	f.Exited(t)
	assert.Contains(t, f.Log(), "TZ")
	assert.Contains(t, f.Log(), "API_TOKENS")
	assert.NotContains(t, f.Log(), "canary-7391")

	f = runtimeapitest.Start(t, runtimeapitest.Build(t))
	f.Exited(t)
	assert.Contains(t, f.Log(), "MYSQL_HOST", "there is no embedded database on Lambda")
}

func TestTokensAreAskedFor(t *testing.T) {
	_, env := runtimeapitest.Database(t)
	f := runtimeapitest.Start(t, runtimeapitest.Build(t), append(env, "API_TOKENS=async:notify:canary-7391")...)
	assert.Equal(t, 401, f.HTTP(t, runtimeapitest.Event(t, "notify.json")).StatusCode)
	const body = `{"eventType":"T","serviceName":"s","severity":"INFO","title":"t","message":"m"}`
	with := runtimeapitest.Request(t, "POST", "/api/events/notify", "", body, map[string]string{"Authorization": "Bearer canary-7391"})
	assert.Equal(t, 200, f.HTTP(t, with).StatusCode)
	assert.NotContains(t, f.Log(), "canary-7391")
}
