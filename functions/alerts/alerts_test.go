package alerts_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/functions/alerts"
	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
	"trade-monitor/shared/httpapi/contract"
)

var (
	shanghai = time.FixedZone("Asia/Shanghai", 8*3600)
	noon     = time.Date(2026, 2, 25, 12, 0, 0, 0, shanghai)
)

// changes is embedded under another name than the method Groups.
type changes = interface {
	CreateGroup(ctx context.Context, g alerting.Group) (alerting.Group, error)
	UpdateGroup(ctx context.Context, id int64, change func(alerting.Group) (alerting.Group, error)) (alerting.Group, error)
	DeleteGroup(ctx context.Context, id int64) error
}

// keeping is embedded under another name than the method Silences.
type keeping = alerts.Silences

// memory answers as told and keeps the filter that it was asked with.
type memory struct {
	filter alerting.Filter
	page   alerting.Page
	story  alerting.Story
	stats  alerting.Stats
	groups []alerting.Group
	watch  []alerting.Watch
	state  alerting.RemediationState
	dry    alerting.DryRunLedger
	err    error

	changes // what no test of reading uses
	keeping
}

func (m *memory) ListAlerts(_ context.Context, f alerting.Filter) (alerting.Page, error) {
	m.filter = f
	return m.page, m.err
}

func (m *memory) Story(_ context.Context, id int64) (alerting.Story, error) {
	if m.err == nil && id != m.story.Alert.ID {
		return alerting.Story{}, alerting.ErrNotFound
	}
	return m.story, m.err
}

func (m *memory) Stats(context.Context) (alerting.Stats, error)     { return m.stats, m.err }
func (m *memory) Watches(context.Context) ([]alerting.Watch, error) { return m.watch, m.err }
func (m *memory) RemediationState(context.Context) (alerting.RemediationState, error) {
	return m.state, m.err
}
func (m *memory) DryRunLedger(context.Context) (alerting.DryRunLedger, error) { return m.dry, m.err }
func (m *memory) Robots(context.Context) (alerting.Robots, error)             { return alerting.Robots{}, m.err }
func (m *memory) Groups(context.Context) ([]alerting.Group, error)            { return m.groups, m.err }

// get asks the function; every exchange is held to the contract.
func get(t *testing.T, store alerts.Store, path string) (int, string) {
	t.Helper()
	f := alerts.New(store, alerts.Options{Language: alerting.Chinese, Location: shanghai})
	base, client := contract.Serve(t, httpapi.Mount(httpapi.Options{Log: slog.New(slog.DiscardHandler)}, f.Routes()...))
	resp, err := client.Get(base + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func anAlert(id int64) alerting.Alert {
	return alerting.Alert{
		ID: id, Type: "TICKER_SYNC_TIMEOUT", Service: "async", Severity: alerting.Error, Title: "t", Message: "m",
		Status: alerting.Open, Fingerprint: "f", Occurrences: 1, CreatedAt: noon, UpdatedAt: noon, LastSeenAt: noon,
		Metadata: json.RawMessage(`{"minutes":5}`),
	}
}

func TestTheRoutesAreThoseOfTheContract(t *testing.T) {
	routes := alerts.New(nil, alerts.Options{}).Routes()
	assert.Equal(t, contract.Load(t).Operations("alerts"), contract.Routes(routes...))
	for _, r := range routes {
		want := httpapi.Operate
		if r.Method == http.MethodGet {
			want = httpapi.Read
		}
		assert.Equal(t, want, r.Scope, "whoever may only read changes nothing: %s %s", r.Method, r.Pattern)
	}
}

func TestTheGuidesQuery(t *testing.T) {
	store := &memory{page: alerting.Page{Alerts: []alerting.Alert{anAlert(7)}, Total: 10}}
	status, body := get(t, store, "/api/alerts?page=1&pageSize=20&alertType=TICKER_SYNC_TIMEOUT&status=OPEN")
	require.Equal(t, 200, status)
	assert.Equal(t, alerting.Filter{Type: "TICKER_SYNC_TIMEOUT", Status: alerting.Open, Page: 1, PageSize: 20}, store.filter)
	assert.Regexp(t, `^\{"success":true,"data":\[\{"id":7,.*\}\],"total":10,"page":1,"pageSize":20\}\n$`, body)
}

func TestThePageGivesTheCursorOfTheNext(t *testing.T) {
	store := &memory{page: alerting.Page{Alerts: []alerting.Alert{anAlert(7)}, Total: 10, Next: 7, TotalIsLowerBound: true}}
	_, body := get(t, store, "/api/alerts?q=x")
	var page struct {
		NextCursor        string
		TotalIsLowerBound bool
	}
	require.NoError(t, json.Unmarshal([]byte(body), &page))
	assert.True(t, page.TotalIsLowerBound)
	status, _ := get(t, store, "/api/alerts?page=1&cursor="+page.NextCursor)
	assert.Equal(t, 200, status)
	assert.Equal(t, int64(7), store.filter.Before)
}

func TestFiltersAreRead(t *testing.T) {
	cases := map[string]alerting.Filter{
		"":                                 {},
		"alertType=container_down":         {Type: "CONTAINER_DOWN"},
		"severity=warn":                    {Severity: alerting.Warning},
		"status=acknowledged&severity=严重":  {Status: alerting.Acknowledged, Severity: alerting.Critical},
		"serviceName=+a+b+&q=同步%25_":       {Service: "a b", Text: "同步%_"},
		"from=2026-02-25":                  {From: time.Date(2026, 2, 25, 0, 0, 0, 0, shanghai)},
		"to=2026-02-25":                    {To: time.Date(2026, 2, 26, 0, 0, 0, 0, shanghai)},
		"from=2026-02-25+12:00:00":         {From: noon},
		"from=2026-02-25T12:00":            {From: noon},
		"from=2026-02-25T04:00:00Z":        {From: noon},
		"from=2026-02-25T12:00:00%2B08:00": {From: noon},
		"from=2026-02-25T12:00:00+08:00":   {From: noon}, // a + that nobody escaped
		"page=3&pageSize=200":              {Page: 3, PageSize: 200},
	}
	for query, want := range cases {
		t.Run(query, func(t *testing.T) {
			if want.Page == 0 {
				want.Page, want.PageSize = 1, 20
			}
			store := &memory{}
			status, body := get(t, store, "/api/alerts?"+query)
			require.Equal(t, 200, status, body)
			assert.True(t, want.From.Equal(store.filter.From), "from %s", store.filter.From)
			assert.True(t, want.To.Equal(store.filter.To), "to %s", store.filter.To)
			store.filter.From, store.filter.To, want.From, want.To = time.Time{}, time.Time{}, time.Time{}, time.Time{}
			assert.Equal(t, want, store.filter)
		})
	}
}

func TestEverythingBadIsNamedAtOnce(t *testing.T) {
	query := url.Values{
		"page": {"0"}, "pageSize": {"201"}, "status": {"GONE"}, "severity": {"purple"}, "cursor": {"7"},
		"from": {"yesterday"}, "to": {"25/02/2026"}, "q": {"a\x00"}, "alertType": {"\xff"},
	}
	status, body := get(t, &memory{}, "/api/alerts?"+query.Encode())
	assert.Equal(t, 400, status)
	var answer struct{ Details []httpapi.Detail }
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	var fields []string
	for _, d := range answer.Details {
		fields = append(fields, d.Field)
	}
	assert.ElementsMatch(t, []string{"page", "pageSize", "status", "severity", "cursor", "from", "to", "q", "alertType"}, fields)
}

func TestBadPageNumbersAndContradictions(t *testing.T) {
	for _, query := range []string{
		"page=-1", "page=x", "page=1.5", "page=99999999999999999999", "pageSize=0", "pageSize=%00",
		"from=2026-02-26&to=2026-02-25", "from=2026-02-25T12:00:00Z&to=2026-02-25T12:00:00Z",
		"page=2&cursor=" + httpapi.Cursor(9),
	} {
		status, body := get(t, &memory{}, "/api/alerts?"+query)
		assert.Equal(t, 400, status, "%s: %s", query, body)
	}
}

func TestTheStoryHoldsEverything(t *testing.T) {
	store := &memory{story: alerting.Story{
		Alert:  anAlert(7),
		Events: []alerting.KeptEvent{{AlertID: 7, N: 1, Severity: alerting.Error, Title: "t", Message: "m", ReceivedAt: noon}},
		Notifications: []alerting.Notification{{
			ID: 1, AlertID: 7, GroupName: "默认告警群", Kind: alerting.Firing, Severity: alerting.Error, Status: alerting.Dead,
			Reason: alerting.Reason{Code: "bad_words", Detail: "40058"}, CreatedAt: noon, SettledAt: noon, MessageID: 3,
		}},
		Messages:     []alerting.Message{{ID: 3, Robot: "abc", Status: alerting.Refused, Content: "…", ErrCode: 40058, SentAt: noon}},
		Remediations: []alerting.Remediation{{ID: 2, AlertID: 7, Action: alerting.Restart, Container: "async", Status: alerting.Running, RequestedAt: noon}},
		Decisions: []alerting.Decision{{
			AlertID: 7, Seq: 1, What: alerting.WhatEvent, Word: alerting.Reason{Code: "told", Detail: "默认告警群"}, Count: 3, At: noon, LastAt: noon,
		}},
	}}
	status, body := get(t, store, "/api/alerts/7")
	require.Equal(t, 200, status)
	for _, want := range []string{`"id":7`, `"receivedAt":"2026-02-25T12:00:00.000+08:00"`, `"企业微信拒绝了消息内容：40058"`, `"errCode":40058`, `"container":"async"`, `通知：默认告警群 ×3`} {
		assert.Contains(t, body, want)
	}
}

func TestIDs(t *testing.T) {
	store := &memory{story: alerting.Story{Alert: anAlert(7)}}
	for path, want := range map[string]int{
		"/api/alerts/7": 200, "/api/alerts/8": 404, "/api/alerts/9223372036854775807": 404,
		"/api/alerts/0": 400, "/api/alerts/-7": 400, "/api/alerts/x": 400, "/api/alerts/9223372036854775808": 400,
		"/api/alerts/7;drop": 400, "/api/alerts/7%2f8": 400,
	} {
		status, body := get(t, store, path)
		assert.Equal(t, want, status, "%s: %s", path, body)
	}
}

func TestStats(t *testing.T) {
	status, body := get(t, &memory{
		stats: alerting.Stats{Total: 3, ByStatus: map[string]int64{"OPEN": 3}, Remediations: []alerting.RemediationCount{
			{Action: alerting.Restart, Status: alerting.Succeeded, N: 4}, {Action: alerting.Start, Status: alerting.Succeeded, N: 1},
			{Action: alerting.Restart, Status: alerting.Failed, N: 2}, {Action: alerting.Restart, Status: alerting.UnknownOutcome, N: 3},
			{Action: alerting.Stop, Status: alerting.Skipped, N: 6}, {Action: alerting.Stop, Status: "BY_HAND", N: 7},
		}},
		dry: alerting.DryRunLedger{WouldAct: 6, RecoveredByItself: 1, HandledByPerson: 2, StillOpen: 3},
	}, "/api/alerts/stats")
	assert.Equal(t, 200, status)
	assert.JSONEq(t, `{"success":true,"data":{"total":3,"byType":{},"byService":{},"bySeverity":{},"byStatus":{"OPEN":3},
		"remediations":{"succeeded":5,"failed":2,"unknown":3,"skipped":6},
		"dryRun":{"wouldAct":6,"recoveredByItself":1,"handledByPerson":2,"stillOpen":3}}}`, body)
}

func TestGroupsHideTheirKeys(t *testing.T) {
	status, body := get(t, &memory{groups: []alerting.Group{{
		ID: 1, Name: "默认告警群", Webhook: "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=canary-key", Enabled: true,
		AlertTypes: "TICKER_SYNC_TIMEOUT,CONTAINER_DOWN", CreatedAt: noon, UpdatedAt: noon,
	}}}, "/api/alerts/wechat-groups")
	assert.Equal(t, 200, status)
	assert.NotContains(t, body, "canary-key")
	assert.Contains(t, body, `"groupName":"默认告警群","webhookUrl":"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=***","alertTypes":"TICKER_SYNC_TIMEOUT,CONTAINER_DOWN","isEnabled":true,"messageFormat":"markdown"`)

	_, none := get(t, &memory{}, "/api/alerts/wechat-groups")
	assert.JSONEq(t, `{"success":true,"data":[]}`, none)
}

func TestADatabaseThatIsAwayIsA503Everywhere(t *testing.T) {
	for _, path := range []string{"/api/alerts", "/api/alerts/7", "/api/alerts/stats", "/api/alerts/wechat-groups", "/api/watches", "/api/remediation"} {
		status, _ := get(t, &memory{err: alerting.ErrUnavailable}, path)
		assert.Equal(t, 503, status, path)
	}
}

func TestWatchesAreShownAsTheyAre(t *testing.T) {
	store := &memory{watch: []alerting.Watch{
		{Kind: alerting.HeartbeatWatch, Name: "backup", State: alerting.WatchLate, Since: noon, AlertType: "HEARTBEAT_DOWN", Service: "backup",
			LastSeenAt: noon, DeadlineAt: noon.Add(time.Minute), Limit: 90 * time.Second},
		{Kind: alerting.LogWatch, Name: "async", Host: "engine-1", State: alerting.WatchDeaf, Since: noon, AlertType: "TICKER_SYNC_TIMEOUT", Service: "async",
			Detail: "日志驱动无法读取 <@all>", FalseAlarms: 2, DeafTimes: 3},
	}}
	status, body := get(t, store, "/api/watches")
	require.Equal(t, 200, status)
	assert.JSONEq(t, `{"success":true,"data":[
		{"kind":"heartbeat","name":"backup","host":null,"state":"late","since":"2026-02-25T12:00:00.000+08:00","alertType":"HEARTBEAT_DOWN","service":"backup",
		 "lastSeenAt":"2026-02-25T12:00:00.000+08:00","deadlineAt":"2026-02-25T12:01:00.000+08:00","limitSeconds":90,"detail":null,"falseAlarms":0,"deafTimes":0},
		{"kind":"log","name":"async","host":"engine-1","state":"deaf","since":"2026-02-25T12:00:00.000+08:00","alertType":"TICKER_SYNC_TIMEOUT","service":"async",
		 "lastSeenAt":null,"deadlineAt":null,"limitSeconds":null,"detail":"日志驱动无法读取 <@all>","falseAlarms":2,"deafTimes":3}]}`, body)
	_, body = get(t, &memory{}, "/api/watches")
	assert.JSONEq(t, `{"success":true,"data":[]}`, body)
}
