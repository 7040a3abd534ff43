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

// beats keeps heartbeats by the domain's rules, at noon.
type beats struct {
	all   map[string]alerting.Heartbeat
	pings []alerting.HeartbeatPing
	asked []string
	fails error
}

func (b *beats) Ping(_ context.Context, p alerting.HeartbeatPing) (alerting.Heartbeat, error) {
	b.pings = append(b.pings, p)
	h, known := b.all[p.Name]
	switch {
	case b.fails != nil:
		return h, b.fails
	case !known && p.Period == 0:
		return h, &alerting.UndeclaredError{Name: p.Name}
	case !known:
		h = alerting.DeclareHeartbeat(alerting.FromPing, p.Name, p.HeartbeatTerms, noon)
	}
	if b.all == nil {
		b.all = map[string]alerting.Heartbeat{}
	}
	b.all[p.Name] = h.Ping(p, noon)
	return b.all[p.Name], nil
}

func (b *beats) order(what, name, by string) (alerting.Heartbeat, error) {
	b.asked = append(b.asked, what+" "+name+" by "+by)
	h, known := b.all[name]
	if !known {
		return h, alerting.ErrNotFound
	}
	return h.Pause(by, noon), b.fails
}

func (b *beats) PauseHeartbeat(_ context.Context, name, by string) (alerting.Heartbeat, error) {
	return b.order("pause", name, by)
}

func (b *beats) ResumeHeartbeat(_ context.Context, name, by string) (alerting.Heartbeat, error) {
	return b.order("resume", name, by)
}

func (b *beats) DeleteHeartbeat(_ context.Context, name, by string) error {
	_, err := b.order("delete", name, by)
	return err
}

type heartClient struct {
	t       *testing.T
	store   *memory
	url     string
	client  *http.Client
	changed []alerting.Heartbeat
}

func serveHeartbeats(t *testing.T) *heartClient {
	c := &heartClient{t: t, store: &memory{}}
	f := notify.New(c.store, notify.Options{Language: alerting.Chinese, Location: noon.Location(), Changed: func(h alerting.Heartbeat) { c.changed = append(c.changed, h) }})
	c.url, c.client = contract.Serve(t, httpapi.Mount(httpapi.Options{Log: slog.New(slog.DiscardHandler)}, f.Routes()...))
	return c
}

func (c *heartClient) do(method, path, body string, headers ...string) (int, string) {
	c.t.Helper()
	req, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	require.NoError(c.t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.client.Do(req)
	require.NoError(c.t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	return resp.StatusCode, string(answer)
}

func of[T any](v T) *T { return &v }

func TestAHeartbeatIsDeclaredByItsFirstPing(t *testing.T) {
	c := serveHeartbeats(t)
	status, body := c.do("GET", "/api/heartbeats/backup?period=10m", "")
	require.Equal(t, 200, status, body)
	assert.JSONEq(t, `{"success":true,"message":"心跳已记录","data":{"name":"backup","state":"up","since":"2026-02-25T12:00:00.000+08:00","declared":"ping",
		"periodSeconds":600,"graceSeconds":150,"alertType":"HEARTBEAT_DOWN","service":"backup","severity":"ERROR","pings":1,
		"lastPingAt":"2026-02-25T12:00:00.000+08:00","lastOkAt":"2026-02-25T12:00:00.000+08:00","startedAt":null,"lastSignal":"ok","exitCode":null,
		"deadlineAt":"2026-02-25T12:10:00.000+08:00","downFrom":"2026-02-25T12:12:30.000+08:00"}}`, body)
	require.Len(t, c.changed, 1, "the loop is told")
}

func TestAPingSaysWhatItSays(t *testing.T) {
	for name, tc := range map[string]struct {
		method, query, body, media string
		want                       alerting.HeartbeatPing
	}{
		"nothing":            {"GET", "", "", "", alerting.HeartbeatPing{Signal: alerting.SignalOK}},
		"a start":            {"POST", "signal=start", "", "", alerting.HeartbeatPing{Signal: alerting.SignalStart}},
		"in capitals":        {"GET", "signal=FAIL", "", "", alerting.HeartbeatPing{Signal: alerting.SignalFail}},
		"an exit status":     {"GET", "exit=3", "", "", alerting.HeartbeatPing{Signal: alerting.SignalOK, Exit: of(int64(3))}},
		"one of Windows":     {"GET", "exit=-1073741819", "", "", alerting.HeartbeatPing{Signal: alerting.SignalOK, Exit: of(int64(-1073741819))}},
		"seconds":            {"GET", "period=90&grace=0", "", "", terms(90*time.Second, 0)},
		"durations":          {"GET", "period=1h30m&grace=1500ms", "", "", terms(90*time.Minute, 1500*time.Millisecond)},
		"the longest":        {"GET", "period=8784h&grace=720h", "", "", terms(366*24*time.Hour, 30*24*time.Hour)},
		"a note":             {"POST", "", "done\r\n", "text/plain", alerting.HeartbeatPing{Signal: alerting.SignalOK, Note: "done"}},
		"a note of curl -d":  {"POST", "", "a=1&b=%", "application/x-www-form-urlencoded", alerting.HeartbeatPing{Signal: alerting.SignalOK, Note: "a=1&b=%"}},
		"a note like JSON":   {"POST", "", `{"broken": `, "application/json", alerting.HeartbeatPing{Signal: alerting.SignalOK, Note: `{"broken":`}},
		"a note of no type":  {"POST", "", "x", "", alerting.HeartbeatPing{Signal: alerting.SignalOK, Note: "x"}},
		"the alert's fields": {"GET", "type=job+failed&service=%E5%A4%87%E4%BB%BD&severity=crit", "", "", alerting.HeartbeatPing{Signal: alerting.SignalOK, HeartbeatTerms: alerting.HeartbeatTerms{AlertType: "JOB FAILED", Service: "备份", Severity: alerting.Critical}}},
		"what nobody knows":  {"GET", "token=x&perod=1", "", "", alerting.HeartbeatPing{Signal: alerting.SignalOK}},
	} {
		t.Run(name, func(t *testing.T) {
			c := serveHeartbeats(t)
			c.store.all = map[string]alerting.Heartbeat{"backup": alerting.DeclareHeartbeat(alerting.FromPing, "backup", alerting.HeartbeatTerms{Period: time.Hour}, noon)}
			status, body := c.do(tc.method, "/api/heartbeats/backup?"+tc.query, tc.body, "Content-Type", tc.media)
			require.Equal(t, 200, status, body)
			tc.want.Name = "backup"
			assert.Equal(t, tc.want, c.store.pings[0])
		})
	}
}

func terms(period, grace time.Duration) alerting.HeartbeatPing {
	return alerting.HeartbeatPing{Signal: alerting.SignalOK, HeartbeatTerms: alerting.HeartbeatTerms{Period: period, Grace: &grace}}
}

func TestAnUndeclaredHeartbeatTellsHowToDeclareIt(t *testing.T) {
	status, body := serveHeartbeats(t).do("GET", "/api/heartbeats/backup", "")
	assert.Equal(t, 404, status)
	assert.Contains(t, body, `"code":"not_found"`)
	assert.Contains(t, body, "/api/heartbeats/backup?period=10m")
}

func TestEverythingWrongWithAHeartbeatIsNamedAtOnce(t *testing.T) {
	c := serveHeartbeats(t)
	status, body := c.do("GET", "/api/heartbeats/-x?signal=maybe&exit=NaN&period=NaN&grace=-1&severity=purple&type="+strings.Repeat("a", 51)+"&service="+strings.Repeat("b", 101), "")
	require.Equal(t, 400, status)
	var answer struct{ Details []httpapi.Detail }
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	var fields []string
	for _, d := range answer.Details {
		fields = append(fields, d.Field)
	}
	assert.ElementsMatch(t, []string{"name", "signal", "exit", "period", "grace", "severity", "type", "service"}, fields)
	assert.Empty(t, c.store.pings, "nothing half-done")
}

func TestHostileHeartbeats(t *testing.T) {
	for name, path := range map[string]string{
		"period of ages":     "x?period=99999999999999999999",
		"period of 367 days": "x?period=8808h",
		"period of nothing":  "x?period=0",
		"period below 0":     "x?period=-60",
		"period infinite":    "x?period=Inf",
		"period in a float":  "x?period=1e3",
		"period overflows":   "x?period=9223372036854775807",
		"grace of ages":      "x?grace=999999h",
		"exit of a start":    "x?signal=start&exit=0",
		"exit of 65 bits":    "x?exit=36893488147419103232",
		"a space in a name":  "a%20b?period=1m",
		"a NUL in a name":    "a%00?period=1m",
		"a name like a path": "..%2f..%2fetc?period=1m",
		"a name like SQL":    "x';DROP?period=1m",
		"a name of 101":      strings.Repeat("a", 101) + "?period=1m",
		"a name in Chinese":  "%E5%BF%83%E8%B7%B3?period=1m",
	} {
		t.Run(name, func(t *testing.T) {
			c := serveHeartbeats(t)
			status, body := c.do("GET", "/api/heartbeats/"+path, "")
			assert.Equal(t, 400, status, body)
			assert.Empty(t, c.store.pings)
		})
	}
	c := serveHeartbeats(t)
	status, _ := c.do("POST", "/api/heartbeats/x?period=1m", strings.Repeat("x", 64<<10+1))
	assert.Equal(t, 413, status)
	status, body := c.do("POST", "/api/heartbeats/x?period=1m", strings.Repeat("长", 20_000)+"\x00\x1b]0;\u202e<@all>")
	assert.Equal(t, 200, status, body)
	note := c.store.pings[0].Note
	assert.LessOrEqual(t, len(note), alerting.MaxHeartbeatNote)
	assert.True(t, strings.HasSuffix(note, "<@all>"), "the end is kept; the message's renderer makes it harmless")
	assert.NotContains(t, note, "\u202e")
}

func TestABrowserElsewhereIsNoHeartbeat(t *testing.T) {
	for name, tc := range map[string]struct {
		method  string
		headers []string
		status  int
	}{
		"an image on another page":  {"GET", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"a form on another page":    {"POST", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"another origin, no header": {"POST", []string{"Origin", "https://evil.example"}, 403},
		"a prefetch":                {"GET", []string{"Sec-Fetch-Site", "none", "Sec-Purpose", "prefetch;prerender"}, 403},
		"an old prefetch":           {"GET", []string{"Purpose", "prefetch"}, 403},
		"typed by a person":         {"GET", []string{"Sec-Fetch-Site", "none"}, 200},
		"our own page":              {"GET", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		"curl":                      {"GET", nil, 200},
	} {
		t.Run(name, func(t *testing.T) {
			c := serveHeartbeats(t)
			status, body := c.do(tc.method, "/api/heartbeats/x?period=1m", "", tc.headers...)
			assert.Equal(t, tc.status, status, body)
			assert.Equal(t, tc.status == 200, len(c.store.pings) == 1)
		})
	}
}

func TestErrorsOfHeartbeatsHaveTheirStatus(t *testing.T) {
	for err, want := range map[error]int{
		alerting.ErrUnavailable: 503, alerting.ErrSchema: 503, io.ErrClosedPipe: 500,
		&alerting.RefusedError{Reason: alerting.Reason{Code: "too_many_heartbeats", Detail: "5000"}}: 409,
	} {
		c := serveHeartbeats(t)
		c.store.fails = err
		status, body := c.do("GET", "/api/heartbeats/x?period=1m", "")
		assert.Equal(t, want, status, body)
		assert.NotContains(t, body, "pipe")
		assert.Empty(t, c.changed)
	}
}

func TestPeoplePauseResumeAndDelete(t *testing.T) {
	c := serveHeartbeats(t)
	c.do("GET", "/api/heartbeats/backup?period=1h", "")
	status, body := c.do("POST", "/api/heartbeats/backup/pause", `{"by":"张三"}`, "Content-Type", "application/json")
	require.Equal(t, 200, status, body)
	assert.Contains(t, body, `"state":"paused"`)
	assert.Contains(t, body, `"deadlineAt":null,"downFrom":null`)
	status, _ = c.do("POST", "/api/heartbeats/backup/resume", "")
	assert.Equal(t, 200, status)
	status, body = c.do("DELETE", "/api/heartbeats/backup", "")
	assert.Equal(t, 200, status)
	assert.JSONEq(t, `{"success":true,"message":"心跳已删除"}`, body)
	assert.Equal(t, []string{"pause backup by 张三", "resume backup by anonymous", "delete backup by anonymous"}, c.store.asked)

	for _, request := range [][2]string{{"POST", "/pause"}, {"POST", "/resume"}, {"DELETE", ""}} {
		status, _ := c.do(request[0], "/api/heartbeats/nobody"+request[1], "")
		assert.Equal(t, 404, status, request)
		status, _ = c.do(request[0], "/api/heartbeats/-"+request[1], "")
		assert.Equal(t, 400, status, request)
		status, _ = c.do(request[0], "/api/heartbeats/backup"+request[1], `{"by":"<@all>"}`, "Content-Type", "application/json")
		assert.Equal(t, 400, status, request)
	}
	c.store.fails = &alerting.RefusedError{Reason: alerting.Reason{Code: "heartbeat_of_policy", Detail: "backup"}}
	status, body = c.do("DELETE", "/api/heartbeats/backup", "")
	assert.Equal(t, 409, status)
	assert.Contains(t, body, "heartbeat_of_policy")
}

func TestHeartbeatsNeedTheirScopes(t *testing.T) {
	auth, err := httpapi.NewAuth([]httpapi.Token{{Name: "job", Scopes: []string{"notify"}, Secret: "s"}}, nil)
	require.NoError(t, err)
	f := notify.New(&memory{}, notify.Options{Language: alerting.Chinese, Location: noon.Location()})
	url, client := contract.Serve(t, httpapi.Mount(httpapi.Options{Auth: auth, Log: slog.New(slog.DiscardHandler)}, f.Routes()...))
	c := heartClient{t: t, url: url, client: client}
	status, _ := c.do("GET", "/api/heartbeats/x?period=1m", "")
	assert.Equal(t, 401, status)
	status, _ = c.do("GET", "/api/heartbeats/x?period=1m", "", "Authorization", "Bearer s")
	assert.Equal(t, 200, status)
	status, _ = c.do("DELETE", "/api/heartbeats/x", "", "Authorization", "Bearer s")
	assert.Equal(t, 403, status)
}
