package wecom_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/wecom"
	"trade-monitor/shared/wecom/wecomtest"
)

const canary = "canary-key-1f2e3d"

func send(t *testing.T, srv *wecomtest.Server, webhook, content string) alerting.Verdict {
	t.Helper()
	c := wecom.New(wecom.Options{AllowedHosts: []string{srv.Host}})
	return c.Send(t.Context(), alerting.Secret(webhook), alerting.Post{Content: content})
}

func TestAnAcceptedMessageIsShownAsItWasWritten(t *testing.T) {
	srv := wecomtest.Start(t)
	const content = "### <font color=\"info\">已恢复</font>\n> a & b 😀"
	v := send(t, srv, srv.Webhook("ops"), content)

	assert.Equal(t, alerting.Verdict{Status: alerting.Accepted, Class: alerting.ClassOK}, v)
	got := srv.Messages(srv.Key("ops"))
	require.Len(t, got, 1)
	assert.Equal(t, content, got[0].Content)
	assert.Contains(t, string(got[0].Raw), `"msgtype":"markdown"`)
}

func TestEveryErrcodeHasItsClass(t *testing.T) {
	classes := map[int]alerting.VerdictClass{
		-1: alerting.ClassBusy, 45033: alerting.ClassBusy, 45009: alerting.ClassRateLimit,
		93000: alerting.ClassRobotGone, 93004: alerting.ClassRobotGone, 93008: alerting.ClassRobotGone,
		40058: alerting.ClassTooLong, 45002: alerting.ClassTooLong, 40008: alerting.ClassBadWords, 44004: alerting.ClassBadWords,
		12345: alerting.ClassBusy, // not known: to be tried again
	}
	srv := wecomtest.Start(t)
	webhook, key := srv.Webhook("ops"), srv.Key("ops")
	for code, class := range classes {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			srv.Fail(key, wecomtest.ErrCode(code))
			v := send(t, srv, webhook, "x")
			assert.Equal(t, alerting.Refused, v.Status)
			assert.Equal(t, code, v.ErrCode)
			assert.Equal(t, class, v.Class)
			assert.Contains(t, v.Error, fmt.Sprint(code))
			assert.NotContains(t, v.Error, key, "the robot's errmsg repeats its key")
		})
	}
	srv.ExpectNoMore(t, key, 0)
}

func TestWithoutAReadableAnswerTheOutcomeIsUnknown(t *testing.T) {
	srv := wecomtest.Start(t)
	webhook, key := srv.Webhook("ops"), srv.Key("ops")
	faults := map[string]wecomtest.Fault{
		"HTML of a proxy":  wecomtest.HTTPStatus(http.StatusOK),
		"bad gateway":      wecomtest.HTTPStatus(http.StatusBadGateway),
		"forbidden page":   wecomtest.HTTPStatus(http.StatusForbidden),
		"cut":              wecomtest.Cut(),
		"accepted and cut": wecomtest.AcceptThenCut(),
		"reset":            wecomtest.Reset(),
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, alerting.ClassOK, send(t, srv, webhook, "before").Class)
			before := srv.Attempts(key)
			srv.Fail(key, fault)
			v := send(t, srv, webhook, "x")
			assert.Equal(t, alerting.Unknown, v.Status)
			assert.Equal(t, alerting.ClassBusy, v.Class)
			assert.Zero(t, v.ErrCode)
			assert.NotEmpty(t, v.Error)
			assert.NotContains(t, v.Error, "127.0.0.1", "no address goes on record")
			assert.Equal(t, before+1, srv.Attempts(key), "a request whose outcome is unknown is not repeated here")
		})
	}
}

// A reused connection that is cut must not make net/http post a second time.
func TestAReusedConnectionThatIsCutIsNotPostedTwice(t *testing.T) {
	srv := wecomtest.Start(t)
	webhook, key := alerting.Secret(srv.Webhook("ops")), srv.Key("ops")
	c := wecom.New(wecom.Options{AllowedHosts: []string{srv.Host}})
	for range 5 {
		require.Equal(t, alerting.ClassOK, c.Send(t.Context(), webhook, alerting.Post{Content: "a"}).Class)
		srv.Fail(key, wecomtest.AcceptThenCut())
		require.Equal(t, alerting.Unknown, c.Send(t.Context(), webhook, alerting.Post{Content: "b"}).Status)
	}
	assert.Equal(t, 10, srv.Attempts(key))
}

func TestOddAnswersAreUnknown(t *testing.T) {
	bodies := map[string]string{
		"empty": "", "no errcode": `{"errmsg":"ok"}`, "null": `null`, "list": `[0]`, "text code": `{"errcode":"0"}`,
		"two values": `{"errcode":0}{"errcode":0}`, "half": `{"errcode":0`, "endless": `{"errcode":0,"errmsg":"` + strings.Repeat("x", 128<<10) + `"}`,
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			v := answeredWith(t, http.StatusOK, body)
			assert.Equal(t, alerting.Unknown, v.Status)
			assert.LessOrEqual(t, len([]rune(v.Error)), 240)
		})
	}
	t.Run("a server error with errcode 0", func(t *testing.T) {
		assert.Equal(t, alerting.Unknown, answeredWith(t, http.StatusBadGateway, `{"errcode":0}`).Status)
	})
	t.Run("errmsg is never believed", func(t *testing.T) {
		assert.Equal(t, alerting.Refused, answeredWith(t, http.StatusOK, `{"errcode":93000,"errmsg":"ok"}`).Status)
		assert.Equal(t, alerting.Accepted, answeredWith(t, http.StatusOK, `{"errcode":0,"errmsg":"failed"}`).Status)
	})
}

func answeredWith(t *testing.T, status int, body string) alerting.Verdict {
	t.Helper()
	return answeredTo(t, alerting.Post{Content: "x"}, status, body)
}

func answeredTo(t *testing.T, p alerting.Post, status int, body string) alerting.Verdict {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	defer srv.Close()
	c := wecom.New(wecom.Options{AllowedHosts: []string{"127.0.0.1"}})
	return c.Send(t.Context(), alerting.Secret(srv.URL+"/send?key="+canary), p)
}

// What a robot says of a number that it does not like is on record, in the log
// and in the API.
func TestNoVerdictHoldsAMobileNumber(t *testing.T) {
	called := alerting.People{Mobiles: []alerting.Mobile{"13812345678", "+85261234567"}, All: true}
	for _, echo := range []string{"invalid mobile 13812345678 or +85261234567", strings.Repeat("长", 222) + " 13812345678", "(86)13812345678"} {
		v := answeredTo(t, alerting.Post{Format: alerting.Text, Content: "x", People: called}, http.StatusOK, `{"errcode":40058,"errmsg":"`+echo+`"}`)
		require.Equal(t, 40058, v.ErrCode)
		for _, part := range []string{"1234", "6123"} {
			assert.NotContains(t, v.Error, part)
		}
	}
}

func TestNoVerdictHoldsTheKey(t *testing.T) {
	echoes := []string{
		"bad key " + canary, "key=" + strings.ToUpper(canary), "see https://h/send?key=" + canary + "&x=1",
		"key=somebody-elses-key", `{\"key\": \"another-key\"}`, strings.Repeat("长", 236) + canary,
	}
	for _, echo := range echoes {
		v := answeredWith(t, http.StatusOK, `{"errcode":93000,"errmsg":"`+echo+`"}`)
		require.Equal(t, 93000, v.ErrCode, echo)
		for _, secret := range []string{canary, canary[:8], "somebody-elses-key", "another-key"} {
			assert.NotContains(t, strings.ToLower(v.Error), secret)
		}
	}

	c := wecom.New(wecom.Options{AllowedHosts: []string{"127.0.0.1", "no-such-host.invalid"}})
	for _, webhook := range []string{
		"http://127.0.0.1:1/send?key=" + canary,           // refused connection
		"https://no-such-host.invalid/send?key=" + canary, // no such host
		"https://elsewhere.example/send?key=" + canary,    // not allowed
		"://" + canary, "http://127.0.0.1:x/?key=" + canary, // not URLs
		"https://user:" + canary + "@127.0.0.1/?key=k",
	} {
		v := c.Send(t.Context(), alerting.Secret(webhook), alerting.Post{Content: "x"})
		assert.NotEqual(t, alerting.Accepted, v.Status)
		assert.NotEmpty(t, v.Error)
		assert.NotContains(t, fmt.Sprintf("%+v", v), canary)
	}
}

func TestAProxyPasswordIsNotRecorded(t *testing.T) {
	broken := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("invalid proxy address %q", "http://user:proxy/pass@proxy.example:3128")
	})}
	v := wecom.New(wecom.Options{HTTP: broken}).Send(t.Context(), "https://qyapi.weixin.qq.com/x?key=k1", alerting.Post{Content: "x"})
	assert.Equal(t, alerting.Unknown, v.Status)
	assert.NotContains(t, v.Error, "pass")
	assert.Contains(t, v.Error, "proxy.example")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOnlyAllowedHostsArePostedTo(t *testing.T) {
	var posted int
	counting := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		posted++
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"errcode":0}`)), Request: r}, nil
	})}
	for _, c := range []struct {
		hosts   []string
		webhook string
		allowed bool
	}{
		{nil, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=a", true},
		{nil, " HTTPS://QYAPI.weixin.qq.com/cgi-bin/webhook/send?key=a ", true},
		{nil, "http://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=a", false},
		{nil, "https://qyapi.weixin.qq.com.evil.example/send?key=a", false},
		{nil, "https://qyapi.weixin.qq.com@evil.example/send?key=a", false},
		{nil, "https://x@qyapi.weixin.qq.com/send?key=a", false},
		{nil, "https://127.0.0.1/send?key=a", false},
		{nil, "https://qyapi.weixin.qq.com/send?key=", false},
		{nil, "https://qyapi.weixin.qq.com/send", false},
		{nil, "ftp://qyapi.weixin.qq.com/send?key=a", false},
		{nil, "https:qyapi.weixin.qq.com?key=a", false},
		{nil, "", false},
		{[]string{"127.0.0.1:8080"}, "http://127.0.0.1:8080/send?key=a", true},
		{[]string{"127.0.0.1:8080"}, "http://127.0.0.1:8081/send?key=a", false},
		{[]string{"127.0.0.1:8080"}, "https://qyapi.weixin.qq.com/send?key=a", false},
		{[]string{"127.0.0.1"}, "http://127.0.0.1:9/send?key=a", true},
		{[]string{"localhost", "::1"}, "http://[::1]:9/send?key=a", true},
		{[]string{"[::1]:9"}, "http://[::1]:9/send?key=a", true},
		{[]string{"proxy.corp.example"}, "http://proxy.corp.example/send?key=a", false},
		{[]string{"proxy.corp.example"}, "https://proxy.corp.example:8443/send?key=a", true},
		{[]string{"proxy.corp.example:443"}, "https://proxy.corp.example/send?key=a", true},
	} {
		posted = 0
		client := wecom.New(wecom.Options{HTTP: counting, AllowedHosts: c.hosts})
		v := client.Send(t.Context(), alerting.Secret(c.webhook), alerting.Post{Content: "x"})
		if c.allowed {
			assert.Equal(t, alerting.Accepted, v.Status, "%v %s: %s", c.hosts, c.webhook, v.Error)
			assert.NoError(t, client.Check(alerting.Secret(c.webhook)))
			continue
		}
		assert.Equal(t, alerting.Refused, v.Status, "%v %s", c.hosts, c.webhook)
		assert.Equal(t, alerting.ClassRobotGone, v.Class)
		assert.NotEmpty(t, v.Error)
		assert.Zero(t, posted, "nothing may be sent to %s", c.webhook)
		assert.Error(t, client.Check(alerting.Secret(c.webhook)))
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	var visited bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited = true }))
	defer elsewhere.Close()
	srv := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer srv.Close()

	c := wecom.New(wecom.Options{HTTP: srv.Client(), AllowedHosts: []string{"127.0.0.1"}})
	v := c.Send(t.Context(), alerting.Secret(srv.URL+"/?key=a"), alerting.Post{Content: "x"})
	assert.Equal(t, alerting.Unknown, v.Status)
	assert.False(t, visited)
}

func TestASilentRobotIsWaitedForTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		robots := wecomtest.New()
		key := robots.Key("ops")
		robots.Fail(key, wecomtest.Hang(time.Hour))
		c := wecom.New(wecom.Options{HTTP: &http.Client{Transport: robots.Transport()}})
		start := time.Now()
		v := c.Send(t.Context(), alerting.Secret(wecomtest.URL("https://qyapi.weixin.qq.com", key)), alerting.Post{Content: "x"})
		assert.Equal(t, alerting.Unknown, v.Status)
		assert.Contains(t, v.Error, "超时")
		assert.Equal(t, 10*time.Second, time.Since(start))
	})
}

func TestWhatWasNeverSentSaysSo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	base := "http://" + listener.Addr().String()
	require.NoError(t, listener.Close())
	c := wecom.New(wecom.Options{AllowedHosts: []string{"127.0.0.1"}})
	v := c.Send(t.Context(), alerting.Secret(base+"/?key=a"), alerting.Post{Content: "x"})
	assert.Equal(t, alerting.Refused, v.Status)
	assert.Contains(t, v.Error, "nothing was sent")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, alerting.Unknown, c.Send(ctx, alerting.Secret(base+"/?key=a"), alerting.Post{Content: "x"}).Status)
}

// HTTPS_PROXY may stand in .env, which the process's own environment, and so
// net/http, does not see.
func TestTheProxyOfTheSettingsIsUsed(t *testing.T) {
	var asked string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.Host
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	defer proxy.Close()
	v := wecom.New(wecom.Options{Proxy: alerting.Secret(proxy.URL)}).Send(t.Context(), "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=test-robot", alerting.Post{Content: "x"})
	require.Equal(t, alerting.Unknown, v.Status)
	require.Equal(t, "CONNECT qyapi.weixin.qq.com:443", asked)
}
