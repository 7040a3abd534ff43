package main

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/lambdahttp/runtimeapitest"
	"trade-monitor/shared/store/storetest"
	"trade-monitor/shared/wecom/wecomtest"
)

func TestMain(m *testing.M) { os.Exit(runtimeapitest.Main(m)) }

func TestTheBinaryShowsWhatIsOnRecord(t *testing.T) {
	binary := runtimeapitest.Build(t)
	runtimeapitest.AssertLinks(t, binary)
	db, env := runtimeapitest.Database(t)
	_, err := db.RecordEvent(t.Context(), storetest.Event("aifuturetrade-async-service"), nil)
	require.NoError(t, err)
	f := runtimeapitest.Start(t, binary, env...)

	for event, want := range map[string][]string{
		"list.json":          {`{"success":true,"data":[{"id":1,`, `"total":1,"page":1,"pageSize":20}`, `+08:00`},
		"show.json":          {`"events":[`, `"trail":[`, `"groupName":"WECHAT_WEBHOOK_URL"`},
		"stats.json":         {`"byType":{"TICKER_SYNC_TIMEOUT":1}`},
		"wechat-groups.json": {`{"success":true,"data":[`},
		"watches.json":       {`{"success":true,"data":[]}`},
		"remediation.json":   {`"mode":"`, `"breakers":[]`},
		"silences.json":      {`{"success":true,"data":[]}`},
	} {
		answer := f.HTTP(t, runtimeapitest.Event(t, event))
		assert.Equal(t, 200, answer.StatusCode, event)
		for _, part := range want {
			assert.Contains(t, answer.Body, part, event)
		}
	}
}

// The database, the robot's lease and the network are those of a real run.
func TestTheBinarySendsATestMessage(t *testing.T) {
	_, env := runtimeapitest.Database(t)
	robots := wecomtest.Start(t)
	f := runtimeapitest.Start(t, runtimeapitest.Build(t), append(env, "WECHAT_ALLOWED_HOSTS="+robots.Host, "WECHAT_WEBHOOK_URL="+robots.Webhook("cloud"))...)
	answer := f.HTTP(t, runtimeapitest.Event(t, "test-group.json"))
	assert.Equal(t, 200, answer.StatusCode, answer.Body)
	robots.ExpectWithin(t, time.Second, robots.Key("cloud"), "测试消息", "AWS Lambda")
}

func TestAQueryArrivesAsItWasWritten(t *testing.T) {
	db, env := runtimeapitest.Database(t)
	for i := range 3 {
		_, err := db.RecordEvent(t.Context(), storetest.Event(fmt.Sprintf("服务 %d%%", i)), nil)
		require.NoError(t, err)
	}
	f := runtimeapitest.Start(t, runtimeapitest.Build(t), env...)
	ask := func(path, query string) (int, string) {
		answer := f.HTTP(t, runtimeapitest.Request(t, "GET", path, query, "", nil))
		return answer.StatusCode, answer.Body
	}
	_, body := ask("/api/alerts", "serviceName=%E6%9C%8D%E5%8A%A1%201%25")
	assert.Contains(t, body, `"total":1`)

	status, _ := ask("/api/alerts/1%", "")
	assert.Equal(t, 400, status, "a stray % is an odd id, not a function error")
	status, _ = ask("/api/alerts", "page=0")
	assert.Equal(t, 400, status)
	status, _ = ask("/api/alerts/99", "")
	assert.Equal(t, 404, status)
}
