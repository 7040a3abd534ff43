package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/lambdahttp/runtimeapitest"
	"trade-monitor/shared/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(runtimeapitest.Main(m)) }

func TestTheBinaryCarriesOutWhatAPersonDecides(t *testing.T) {
	binary := runtimeapitest.Build(t)
	runtimeapitest.AssertLinks(t, binary)
	db, env := runtimeapitest.Database(t)
	_, err := db.RecordEvent(t.Context(), storetest.Event("aifuturetrade-async-service"), nil)
	require.NoError(t, err)
	f := runtimeapitest.Start(t, binary, env...)

	answer := f.HTTP(t, runtimeapitest.Event(t, "acknowledge.json"))
	assert.Equal(t, 200, answer.StatusCode, answer.Body)
	answer = f.HTTP(t, runtimeapitest.Event(t, "dry-run.json"))
	assert.Equal(t, 200, answer.StatusCode, answer.Body)
	assert.Contains(t, answer.Body, `"dryRun":{"wouldAct":true,"action":"restart"`)
	assert.Contains(t, answer.Body, `"facts":null`, "there is no engine on Lambda")
	answer = f.HTTP(t, runtimeapitest.Event(t, "rearm.json"))
	assert.Equal(t, 200, answer.StatusCode, answer.Body)
	answer = f.HTTP(t, runtimeapitest.Event(t, "release.json"))
	assert.Equal(t, 404, answer.StatusCode, answer.Body)
	answer = f.HTTP(t, runtimeapitest.Event(t, "handle.json"))
	assert.Equal(t, 200, answer.StatusCode, answer.Body)
	assert.Contains(t, answer.Body, `{"success":true,"message":"告警处置已触发"`)
	answer = f.HTTP(t, runtimeapitest.Event(t, "handle.json"))
	assert.Equal(t, 409, answer.StatusCode, "one is under way already")
	assert.Contains(t, answer.Body, "under_way")
	answer = f.HTTP(t, runtimeapitest.Event(t, "resolve.json"))
	assert.Equal(t, 200, answer.StatusCode, answer.Body)

	story, err := db.Story(t.Context(), 1)
	require.NoError(t, err)
	assert.Equal(t, alerting.Resolved, story.Alert.Status)
	assert.Contains(t, story.Decisions[1].Text(alerting.Chinese), "由 张三 确认")
}

func TestAnAlertThatIsNotThere(t *testing.T) {
	_, env := runtimeapitest.Database(t)
	f := runtimeapitest.Start(t, runtimeapitest.Build(t), env...)
	assert.Equal(t, 404, f.HTTP(t, runtimeapitest.Event(t, "handle.json")).StatusCode)
}
