package httpapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

var (
	shanghai = time.FixedZone("Asia/Shanghai", 8*3600)
	views    = httpapi.Views{Language: alerting.Chinese, Location: shanghai}
	noon     = time.Date(2026, 2, 25, 4, 0, 0, 500_000_000, time.UTC)
)

func asJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

func TestTimesCarryTheOffsetOfThePlace(t *testing.T) {
	assert.Equal(t, `"2026-02-25T12:00:00.500+08:00"`, asJSON(t, views.At(noon)))
	assert.Equal(t, `null`, asJSON(t, views.At(time.Time{})))
	assert.Equal(t, `"2026-02-25T04:00:00.500Z"`, asJSON(t, httpapi.Views{}.At(noon)))
}

func TestAnAlertShowsTheGuidesColumnsFirst(t *testing.T) {
	got := asJSON(t, views.Alert(alerting.Alert{
		ID: 9007199254740993, Type: "T", Service: "s", Severity: alerting.Error, Title: "t", Message: "m",
		Status: alerting.Open, CreatedAt: noon, Occurrences: 2, Metadata: json.RawMessage(`{"b":1,"a":2}`),
	}))
	assert.Equal(t, `{"id":9007199254740993,"alertType":"T","serviceName":"s","severity":"ERROR","title":"t","message":"m","status":"OPEN",`+
		`"actionTaken":null,"wechatSent":false,"wechatSentAt":null,"resolvedAt":null,"createdAt":"2026-02-25T12:00:00.500+08:00","updatedAt":null,`+
		`"occurrences":2,"lastSeenAt":null,"acknowledgedAt":null,"escalatesAt":null,"escalated":0,"metadata":{"b":1,"a":2},"fingerprint":null}`, got)
}

func TestARowThatSomebodySpoiltDoesNotHideThePage(t *testing.T) {
	got := asJSON(t, views.Alerts([]alerting.Alert{{ID: 1, Metadata: json.RawMessage(`{oops`)}}))
	assert.Contains(t, got, `"metadata":"{oops"`)
	assert.Equal(t, `[]`, asJSON(t, views.Alerts(nil)), "a list is never null")
}

func TestRobotKeysAreMasked(t *testing.T) {
	cases := map[alerting.Secret]string{
		"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=canary-key":        "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=***",
		" https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=canary-key ":      "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=***",
		"https://u:canary-key@qyapi.weixin.qq.com/cgi-bin/webhook/send?key=1#f":  "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=***",
		"https://proxy.example/canary-key/send":                                  "https://proxy.example/***",
		"http://127.0.0.1:9000/cgi-bin/webhook/send?debug=1&key=canary-key#frag": "http://127.0.0.1:9000/cgi-bin/webhook/send?key=***",
		"canary-key":            "***",
		"javascript:canary-key": "***",
		"https://%zzcanary-key": "***",
		"":                      "",
	}
	for webhook, want := range cases {
		assert.Equal(t, want, httpapi.MaskWebhook(webhook))
		assert.NotContains(t, asJSON(t, views.Group(alerting.Group{Name: "g", Webhook: webhook}, alerting.Robots{})), "canary-key")
	}
}

func TestTheReasonOfAStoryReadsAsItDidThen(t *testing.T) {
	got := views.Remediation(alerting.Remediation{
		Action: alerting.Restart, Container: "c", Status: alerting.Skipped, RequestedAt: noon, EndedAt: noon,
		Reason: alerting.Reason{Code: "cooldown", Detail: "c", Until: noon.Add(4*time.Minute + 10*time.Second)},
	})
	assert.Equal(t, "冷却中，还剩 4分10秒", got.Reason.Text)
	assert.Equal(t, "未重启：冷却中，还剩 4分10秒", got.Outcome)
}

func TestCursorsAreOpaqueAndTheirOwn(t *testing.T) {
	id, valid := httpapi.ParseCursor(httpapi.Cursor(1 << 62))
	assert.True(t, valid)
	assert.Equal(t, int64(1<<62), id)
	for _, forged := range []string{"", "7", "MTIz", "YTEuLTU", "YTEu", "!!", httpapi.Cursor(0)} {
		_, valid := httpapi.ParseCursor(forged)
		assert.False(t, valid, forged)
	}
}

func TestAPageKeepsTheGuidesFieldOrder(t *testing.T) {
	w := httptest.NewRecorder()
	require.NoError(t, httpapi.WritePage(w, httpapi.Page[int]{Data: []int{1}, Total: 10, Page: 1, PageSize: 20}))
	assert.Equal(t, `{"success":true,"data":[1],"total":10,"page":1,"pageSize":20}`+"\n", w.Body.String())
}

func TestAnAnswerThatCannotBeEncodedIsA500NotHalfAnAnswer(t *testing.T) {
	h := func(w http.ResponseWriter, _ *http.Request) error { return httpapi.WriteData(w, func() {}) }
	w := call(t, h, httpapi.Options{}, post(`{}`))
	assert.Equal(t, 500, w.Code)
	problemOf(t, w)
}
