package contract

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/httpapi"
)

const guideEvent = `{"eventType":"TICKER_SYNC_TIMEOUT","serviceName":"s","severity":"ERROR","title":"t","message":"m"}`

func exchange(method, path, sent string, status int, answer string) (req *http.Request, reqBody []byte, resp *http.Response, respBody []byte) {
	req = httptest.NewRequest(method, "http://127.0.0.1:5005"+path, nil)
	req.Header.Set("Content-Type", "application/json")
	resp = &http.Response{StatusCode: status, Header: http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "X-Request-Id": {"abc"}, "Retry-After": {"2"},
	}}
	return req, []byte(sent), resp, []byte(answer)
}

func TestTheValidatorReallyValidates31(t *testing.T) {
	c := Load(t)
	const fine = `{"success":true,"alertId":null,"message":"m","occurrences":0,"notification":{"groups":[]},"remediation":{"status":"NONE"}}`
	cases := map[string]struct {
		method, path, sent string
		status             int
		answer             string
		want               string // part of the complaint; empty: none
	}{
		"type array with null":     {"POST", "/api/events/notify", guideEvent, 200, fine, ""},
		"const of 2020-12":         {"POST", "/api/events/notify", guideEvent, 200, strings.Replace(fine, "true", "false", 1), "success"},
		"missing field of answer":  {"POST", "/api/events/notify", guideEvent, 200, strings.Replace(fine, `"message":"m",`, "", 1), "message"},
		"unknown field of answer":  {"POST", "/api/events/notify", guideEvent, 200, strings.Replace(fine, "{", `{"stack":"x",`, 1), "stack"},
		"missing field of request": {"POST", "/api/events/notify", `{"eventType":"X"}`, 200, fine, "request"},
		"undocumented status":      {"POST", "/api/events/notify", guideEvent, 418, `{}`, "status is not supported"},
		"error without a code":     {"POST", "/api/events/notify", "", 400, `{"success":false,"message":"m","details":[]}`, "code"},
		"wrong parameter":          {"GET", "/api/alerts?page=0", "", 200, `{"success":true,"data":[],"total":0,"page":1,"pageSize":20}`, "page"},
		"unevaluated field":        {"GET", "/api/alerts/stats", "", 200, `{"success":true,"data":{"total":0,"byType":{},"byService":{},"bySeverity":{},"byStatus":{}},"x":1}`, "x"},
		"unknown path answered":    {"GET", "/api/nothing", "", 200, `{}`, "not in openapi.yaml"},
		"unknown path refused":     {"GET", "/api/nothing", "", 404, `{"success":false,"code":"no_route","message":"m","details":[]}`, ""},
		"unknown path, plain 404":  {"GET", "/api/nothing", "", 404, `404 page not found`, "not JSON"},
		"wrong method":             {"DELETE", "/api/alerts", "", 405, `{"success":false,"code":"method_not_allowed","message":"m","details":[]}`, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := c.CheckExchange(exchange(tc.method, tc.path, tc.sent, tc.status, tc.answer))
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestUnevaluatedPropertiesReachThroughAllOf(t *testing.T) {
	story := `{"success":true,"data":{"id":1,"alertType":"A","serviceName":"s","severity":"ERROR","title":"t","message":"m","status":"OPEN",
		"actionTaken":null,"wechatSent":false,"wechatSentAt":null,"resolvedAt":null,"createdAt":"2026-02-25T10:00:00.000+08:00","updatedAt":null,
		"occurrences":1,"lastSeenAt":null,"acknowledgedAt":null,"escalatesAt":null,"escalated":0,"metadata":null,"fingerprint":null,
		"events":[],"notifications":[],"messages":[],"remediations":[],"trail":[],"groups":[]%}}`
	c := Load(t)
	require.NoError(t, c.CheckExchange(exchange("GET", "/api/alerts/1", "", 200, strings.Replace(story, "%", "", 1))))
	require.Error(t, c.CheckExchange(exchange("GET", "/api/alerts/1", "", 200, strings.Replace(story, "%", `,"secret":1`, 1))))
	require.Error(t, c.CheckExchange(exchange("GET", "/api/alerts/1", "", 200, strings.Replace(strings.Replace(story, "%", "", 1), "+08:00", "", 1))),
		"a time without its offset")
}

func TestA503NamesWhenToTryAgain(t *testing.T) {
	req, sent, resp, answer := exchange("POST", "/api/events/notify", guideEvent, 503, `{"success":false,"code":"unavailable","message":"m","details":[]}`)
	require.NoError(t, Load(t).CheckExchange(req, sent, resp, answer))
	resp.Header.Del("Retry-After")
	require.ErrorContains(t, Load(t).CheckExchange(req, sent, resp, answer), "Retry-After")
}

func TestAnOlderDocumentIsRefused(t *testing.T) {
	_, err := parse([]byte("openapi: 3.0.3\ninfo: {title: t, version: '1'}\npaths: {}\n"))
	require.ErrorContains(t, err, "3.1")
}

func TestOperationsByTag(t *testing.T) {
	c := Load(t)
	assert.Equal(t, []string{"DELETE /api/heartbeats/{name}", "GET /api/heartbeats/{name}", "POST /api/events/notify",
		"POST /api/heartbeats/{name}", "POST /api/heartbeats/{name}/pause", "POST /api/heartbeats/{name}/resume"}, c.Operations("notify"))
	assert.Contains(t, c.Operations(), "GET /healthz")
}

func TestTheContractItselfIsServedAsYAML(t *testing.T) {
	req, sent, resp, _ := exchange("GET", "/openapi.yaml", "", 200, "")
	resp.Header.Set("Content-Type", "application/yaml; charset=utf-8")
	require.NoError(t, Load(t).CheckExchange(req, sent, resp, httpapi.OpenAPI))
	require.Error(t, Load(t).CheckExchange(req, sent, resp, []byte("no: contract\n")))
}

func TestMetricsAreText(t *testing.T) {
	req, sent, resp, _ := exchange("GET", "/metrics", "", 200, "")
	resp.Header.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores")
	require.NoError(t, Load(t).CheckExchange(req, sent, resp, []byte("# HELP up\nup 1\n")))
}

func TestEveryOperationMayBeTurnedAwayForNow(t *testing.T) {
	c := Load(t)
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			assert.NotNil(t, op.Responses.Value("429"), "%s %s", method, path)
		}
	}
	req, sent, resp, answer := exchange("GET", "/healthz", "", 429, `{"success":false,"code":"too_many_requests","message":"m","details":[]}`)
	require.NoError(t, c.CheckExchange(req, sent, resp, answer))
	resp.Header.Del("Retry-After")
	require.ErrorContains(t, c.CheckExchange(req, sent, resp, answer), "Retry-After")
}
