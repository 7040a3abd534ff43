package handle_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/functions/handle"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
	"trade-monitor/shared/httpapi/contract"
)

var noon = time.Date(2026, 2, 25, 12, 0, 0, 0, time.FixedZone("Asia/Shanghai", 8*3600))

// memory answers as told and keeps what it was asked: "handle 7 by oncall".
type memory struct {
	asked []string
	err   error
	plan  alerting.Rehearsal
}

func (m *memory) note(what string, id int64, by string) {
	m.asked = append(m.asked, what+" "+string(rune('0'+id))+" by "+by)
}

func (m *memory) Handle(_ context.Context, id int64, by string) (alerting.Remediation, error) {
	m.note("handle", id, by)
	return alerting.Remediation{
		ID: 3, AlertID: id, Action: alerting.Restart, Container: "async", Status: alerting.Requested,
		Reason: alerting.Reason{Code: "manual", Detail: by}, RequestedBy: by, RequestedAt: noon,
	}, m.err
}

func (m *memory) Acknowledge(_ context.Context, id int64, by string) (alerting.Alert, error) {
	m.note("acknowledge", id, by)
	return alerting.Alert{ID: id, Status: alerting.Acknowledged, AcknowledgedAt: noon}, m.err
}

func (m *memory) Resolve(_ context.Context, id int64, by string) (alerting.Alert, error) {
	m.note("resolve", id, by)
	return alerting.Alert{ID: id, Status: alerting.Resolved, ResolvedAt: noon}, m.err
}

// post asks the function; every exchange is held to the contract.
func post(t *testing.T, store handle.Store, path, body string, headers ...string) (int, string) {
	t.Helper()
	return postTo(t, handle.New(store, handle.Options{Language: alerting.Chinese, Location: noon.Location()}), path, body, headers...)
}

func postTo(t *testing.T, f *handle.Function, path, body string, headers ...string) (int, string) {
	t.Helper()
	auth, err := httpapi.NewAuth([]httpapi.Token{{Name: "oncall", Scopes: []string{"operate"}, Secret: "s"}}, []string{"operate"})
	require.NoError(t, err)
	url, client := contract.Serve(t, httpapi.Mount(httpapi.Options{Auth: auth, Log: slog.New(slog.DiscardHandler)}, f.Routes()...))
	req, err := http.NewRequest(http.MethodPost, url+path, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(answer)
}

func TestTheRoutesAreThoseOfTheContract(t *testing.T) {
	routes := handle.New(nil, handle.Options{}).Routes()
	assert.Equal(t, contract.Load(t).Operations("handle"), contract.Routes(routes...))
	for _, r := range routes {
		assert.Equal(t, httpapi.Operate, r.Scope)
	}
}

func TestHandleAnswersAsTheGuideSays(t *testing.T) {
	store := &memory{}
	status, body := post(t, store, "/api/alerts/7/handle", "")
	assert.Equal(t, 200, status)
	assert.True(t, strings.HasPrefix(body, `{"success":true,"message":"告警处置已触发"`), body)
	assert.Contains(t, body, `"status":"REQUESTED"`)
	assert.Equal(t, []string{"handle 7 by anonymous"}, store.asked)
}

func TestAcknowledgeAndResolveShowTheAlert(t *testing.T) {
	store := &memory{}
	status, body := post(t, store, "/api/alerts/7/acknowledge", `{}`)
	assert.Equal(t, 200, status)
	assert.Contains(t, body, `"message":"告警已确认"`)
	assert.Contains(t, body, `"acknowledgedAt":"2026-02-25T12:00:00.000+08:00"`)

	status, body = post(t, store, "/api/alerts/7/resolve", "")
	assert.Equal(t, 200, status)
	assert.Contains(t, body, `"status":"RESOLVED"`)
	assert.Equal(t, []string{"acknowledge 7 by anonymous", "resolve 7 by anonymous"}, store.asked)
}

func TestWhoDidItGoesOnRecord(t *testing.T) {
	store := &memory{}
	post(t, store, "/api/alerts/7/handle", `{"by":" 张三 "}`)
	post(t, store, "/api/alerts/7/handle", "", "Authorization", "Bearer s")
	post(t, store, "/api/alerts/7/handle", `{"by":"张三"}`, "Authorization", "Bearer s")
	assert.Equal(t, []string{"handle 7 by 张三", "handle 7 by oncall", "handle 7 by 张三 (oncall)"}, store.asked)
}

func TestRefusalsSayWhy(t *testing.T) {
	cases := map[string]struct {
		err    error
		status int
		says   string
	}{
		"under way":    {&alerting.RefusedError{Reason: alerting.Reason{Code: "under_way", Detail: "async"}}, 409, "under_way"},
		"not listed":   {&alerting.RefusedError{Reason: alerting.Reason{Code: "not_allowed", Detail: "async"}}, 409, "不在允许重启的名单中"},
		"no action":    {&alerting.RefusedError{Reason: alerting.Reason{Code: "no_action"}}, 409, "没有定义处置动作"},
		"no such":      {alerting.ErrNotFound, 404, "not_found"},
		"database off": {alerting.ErrUnavailable, 503, "unavailable"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/api/alerts/7/handle", "/api/alerts/7/acknowledge", "/api/alerts/7/resolve"} {
				status, body := post(t, &memory{err: tc.err}, path, "")
				assert.Equal(t, tc.status, status)
				assert.Contains(t, body, tc.says)
			}
		})
	}
}

// When the other one ends is not known: no time is made up.
func TestWhatIsUnderWayIsRefusedWithoutATime(t *testing.T) {
	_, body := post(t, &memory{err: &alerting.RefusedError{Reason: alerting.Reason{Code: "under_way", Detail: "async"}}}, "/api/alerts/7/handle", "")
	assert.NotContains(t, body, "retryAt")
	assert.Contains(t, body, "对 async 的处置正在进行，请等它结束")
}

func TestBadRequestsReachNoStore(t *testing.T) {
	cases := map[string]struct {
		path, body string
		status     int
	}{
		"id zero":         {"/api/alerts/0/handle", "", 400},
		"id a word":       {"/api/alerts/stats/handle", "", 400},
		"not JSON":        {"/api/alerts/7/handle", "{", 400},
		"a list":          {"/api/alerts/7/handle", "[]", 400},
		"by a number":     {"/api/alerts/7/handle", `{"by":5}`, 400},
		"dryRun a word":   {"/api/alerts/7/handle", `{"dryRun":"true"}`, 400},
		"dryRun a number": {"/api/alerts/7/handle", `{"dryRun":1}`, 400},
		"dryRun null":     {"/api/alerts/7/handle", `{"dryRun":null}`, 400},
		"dry_run":         {"/api/alerts/7/handle", `{"dry_run":true}`, 400},
		"dryRun and more": {"/api/alerts/7/handle", `{"dryRun":true,"force":true}`, 400},
		"a long field":    {"/api/alerts/7/handle", `{"` + strings.Repeat("x", 10_000) + `":true}`, 400},
		"by a mention":    {"/api/alerts/7/handle", `{"by":"<@all>"}`, 400},
		"by a link":       {"/api/alerts/7/handle", `{"by":"[x](http://evil)"}`, 400},
		"by with a break": {"/api/alerts/7/handle", `{"by":"a\nb"}`, 400},
		"by too long":     {"/api/alerts/7/handle", `{"by":"` + strings.Repeat("名", 51) + `"}`, 400},
		"by 1 MB":         {"/api/alerts/7/resolve", `{"by":"` + strings.Repeat("x", 1<<20) + `"}`, 413},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			store := &memory{}
			status, body := post(t, store, tc.path, tc.body)
			assert.Equal(t, tc.status, status, body)
			assert.Empty(t, store.asked)
		})
	}
}

func TestAFormIsNotAName(t *testing.T) {
	store := &memory{}
	status, _ := post(t, store, "/api/alerts/7/handle", "by=me", "Content-Type", "application/x-www-form-urlencoded")
	assert.Equal(t, 415, status)
	assert.Empty(t, store.asked)
}
