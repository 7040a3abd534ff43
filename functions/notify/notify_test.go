package notify_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/functions/notify"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
	"trade-monitor/shared/httpapi/contract"
)

var noon = time.Date(2026, 2, 25, 12, 0, 0, 0, time.FixedZone("Asia/Shanghai", 8*3600))

const guideEvent = `{
  "eventType": "TICKER_SYNC_TIMEOUT",
  "serviceName": "aifuturetrade-async-service",
  "severity": "ERROR",
  "title": "Ticker同步超时告警",
  "message": "Ticker数据同步已超过3分钟未输出日志",
  "metadata": {
    "lastSyncTime": "2026-02-25T10:00:00",
    "minutesSinceLastSync": 5
  }
}`

// memory is the far edge: it keeps what was recorded and answers as told.
type memory struct {
	events  []alerting.Event
	idems   []*alerting.Idempotency
	receipt alerting.Receipt
	err     error

	beats
}

func (m *memory) RecordEvent(_ context.Context, ev alerting.Event, idem *alerting.Idempotency) (alerting.Receipt, error) {
	m.events, m.idems = append(m.events, ev), append(m.idems, idem)
	return m.receipt, m.err
}

func told() alerting.Receipt {
	return alerting.Receipt{
		AlertID: 1, Status: alerting.Open, Occurrences: 1, Groups: []string{"默认告警群"},
		RemediationStatus: alerting.Requested, At: noon,
	}
}

type client struct {
	t   *testing.T
	url string
	*http.Client
}

// serve runs the function on a port; every exchange is held to the contract.
func serve(t *testing.T, store notify.Store, language alerting.Language) client {
	f := notify.New(store, notify.Options{Language: language, Location: noon.Location()})
	url, c := contract.Serve(t, httpapi.Mount(httpapi.Options{Log: slog.New(slog.DiscardHandler)}, f.Routes()...))
	return client{t, url, c}
}

func (c client) post(body string, headers ...string) (int, string) {
	c.t.Helper()
	req, err := http.NewRequest(http.MethodPost, c.url+"/api/events/notify", strings.NewReader(body))
	require.NoError(c.t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	require.NoError(c.t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	return resp.StatusCode, string(answer)
}

func TestTheRoutesAreThoseOfTheContract(t *testing.T) {
	routes := notify.New(nil, notify.Options{}).Routes()
	assert.Equal(t, contract.Load(t).Operations("notify"), contract.Routes(routes...))
	for _, r := range routes {
		want := httpapi.Notify
		if r.Method == http.MethodDelete || strings.HasSuffix(r.Pattern, "/pause") || strings.HasSuffix(r.Pattern, "/resume") {
			want = httpapi.Operate
		}
		assert.Equal(t, want, r.Scope, "%s %s", r.Method, r.Pattern)
	}
}

func TestTheGuidesEventIsAnsweredAsTheGuideSays(t *testing.T) {
	store := &memory{receipt: told()}
	status, answer := serve(t, store, alerting.Chinese).post(guideEvent)
	assert.Equal(t, 200, status)
	assert.Equal(t, `{"success":true,"alertId":1,"message":"事件通知已接收并处理","status":"OPEN","occurrences":1,`+
		`"notification":{"groups":["默认告警群"]},"remediation":{"status":"REQUESTED"}}`+"\n", answer)

	require.Len(t, store.events, 1)
	assert.Equal(t, alerting.Event{
		Type: "TICKER_SYNC_TIMEOUT", Service: "aifuturetrade-async-service", Severity: alerting.Error,
		Title: "Ticker同步超时告警", Message: "Ticker数据同步已超过3分钟未输出日志",
		Metadata: json.RawMessage(`{"lastSyncTime":"2026-02-25T10:00:00","minutesSinceLastSync":5}`),
	}, store.events[0])
	assert.Nil(t, store.idems[0])
}

func TestARepeatExplainsItself(t *testing.T) {
	store := &memory{receipt: alerting.Receipt{
		AlertID: 1, Status: alerting.Open, Occurrences: 2, At: noon,
		NotTold:           alerting.Reason{Code: "repeat_wait", Until: noon.Add(29 * time.Minute)},
		RemediationStatus: alerting.Skipped,
		NotRemedied:       alerting.Reason{Code: "cooldown", Detail: "c", Until: noon.Add(4*time.Minute + 30*time.Second)},
	}}
	_, answer := serve(t, store, alerting.Chinese).post(guideEvent)
	assert.Equal(t, `{"success":true,"alertId":1,"message":"事件通知已接收并处理","status":"OPEN","occurrences":2,`+
		`"notification":{"groups":[],"reason":"同一告警持续中，29分钟后再次提醒","reasonCode":"repeat_wait","retryAt":"2026-02-25T12:29:00.000+08:00"},`+
		`"remediation":{"status":"SKIPPED","reason":"冷却中，还剩 4分30秒","reasonCode":"cooldown","retryAt":"2026-02-25T12:04:30.000+08:00"}}`+"\n", answer)

	_, answer = serve(t, store, alerting.English).post(guideEvent)
	assert.Contains(t, answer, `"message":"event received and processed"`)
	assert.Contains(t, answer, "cooling down, 4m30s left")
}

func TestRecoveredWithNothingOpenHasNoAlert(t *testing.T) {
	store := &memory{receipt: alerting.Receipt{NotTold: alerting.Reason{Code: "not_opened"}, NotRemedied: alerting.Reason{Code: "not_opened"}, At: noon}}
	status, answer := serve(t, store, alerting.Chinese).post(strings.Replace(guideEvent, "{", `{"status":"RESOLVED",`, 1))
	assert.Equal(t, 200, status)
	assert.True(t, strings.HasPrefix(answer, `{"success":true,"alertId":null,"message":"事件通知已接收并处理","occurrences":0,`), answer)
	assert.Contains(t, answer, `"remediation":{"status":"NONE","reason":"没有对应的未恢复告警","reasonCode":"not_opened"}`)
	assert.True(t, store.events[0].Resolved)
}

func TestNotesSayWhatWasTidied(t *testing.T) {
	receipt := told()
	receipt.Notes = []string{"severity \"hot\" 未知"}
	_, answer := serve(t, &memory{receipt: receipt}, alerting.Chinese).post(guideEvent)
	assert.Contains(t, answer, `"notes":["severity \"hot\" 未知"]`)
}

func TestGroupsBeyondTheListAreCounted(t *testing.T) {
	receipt := told()
	receipt.MoreGroups = 12
	_, answer := serve(t, &memory{receipt: receipt}, alerting.Chinese).post(guideEvent)
	assert.Contains(t, answer, `"notification":{"groups":["默认告警群"],"moreGroups":12}`)
}

func TestErrorsOfTheStoreHaveTheirStatus(t *testing.T) {
	for err, want := range map[error]int{
		alerting.ErrUnavailable: 503, alerting.ErrSchema: 503, alerting.ErrIdempotency: 422,
		context.DeadlineExceeded: 503, io.ErrClosedPipe: 500,
	} {
		status, answer := serve(t, &memory{err: err}, alerting.Chinese).post(guideEvent)
		assert.Equal(t, want, status, err)
		assert.NotContains(t, answer, "pipe")
	}
}

// instant commits at once: what is left is the cost of the edge.
type instant struct{ *beats }

func (instant) RecordEvent(context.Context, alerting.Event, *alerting.Idempotency) (alerting.Receipt, error) {
	return told(), nil
}
