package wecomtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/wecom/wecomtest"
)

// post sends a raw body and returns the errcode, or the error of the connection.
func post(t *testing.T, c *http.Client, url, body string) (code int, err error) {
	t.Helper()
	resp, err := c.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var a struct{ ErrCode *int }
	if json.Unmarshal(raw, &a) != nil || a.ErrCode == nil {
		return 0, fmt.Errorf("HTTP %d without errcode: %s", resp.StatusCode, raw)
	}
	assert.Equal(t, http.StatusOK, resp.StatusCode, "success and failure are both HTTP 200")
	return *a.ErrCode, nil
}

func message(kind, content string) string {
	raw, _ := json.Marshal(map[string]any{"msgtype": kind, kind: map[string]string{"content": content}})
	return string(raw)
}

// over runs a test over a socket and over the in-process transport.
func over(t *testing.T, test func(t *testing.T, robots *wecomtest.Robots, c *http.Client, base string)) {
	t.Run("socket", func(t *testing.T) {
		srv := wecomtest.Start(t)
		test(t, srv.Robots, &http.Client{}, srv.Base)
	})
	t.Run("in process", func(t *testing.T) {
		robots := wecomtest.New()
		test(t, robots, &http.Client{Transport: robots.Transport()}, "https://qyapi.weixin.qq.com")
	})
}

func TestTheRulesOfTheRealRobot(t *testing.T) {
	over(t, func(t *testing.T, robots *wecomtest.Robots, c *http.Client, base string) {
		key := robots.Key("ops")
		for name, want := range map[string]struct {
			body string
			code int
		}{
			"markdown":              {message("markdown", "你好"), 0},
			"markdown_v2":           {message("markdown_v2", "你好"), 0},
			"text":                  {message("text", "你好"), 0},
			"4096 bytes":            {message("markdown", strings.Repeat("<", 4096)), 0},
			"4097 bytes":            {message("markdown", strings.Repeat("<", 4097)), 40058},
			"bytes, not characters": {message("markdown", strings.Repeat("长", 1366)), 40058},
			"text of 2048 bytes":    {message("text", strings.Repeat("x", 2048)), 0},
			"text of 2049 bytes":    {message("text", strings.Repeat("x", 2049)), 40058},
			"empty":                 {message("markdown", ""), 44004},
			"content of another":    {`{"msgtype":"markdown","text":{"content":"x"}}`, 44004},
			"no JSON":               {`hello`, 40008},
			"no type":               {`{}`, 40008},
			"unknown type":          {message("carrier-pigeon", "x"), 40008},
		} {
			before := len(robots.Messages(key))
			code, err := post(t, c, wecomtest.URL(base, key), want.body)
			require.NoError(t, err, name)
			assert.Equal(t, want.code, code, name)
			shown := len(robots.Messages(key)) - before
			assert.Equal(t, want.code == 0, shown == 1, "%s: shown %d times", name, shown)
		}
		code, err := post(t, c, wecomtest.URL(base, "nobody"), message("markdown", "x"))
		require.NoError(t, err)
		assert.Equal(t, 93000, code)
		assert.Equal(t, 13, robots.Attempts(key))

		resp, err := c.Get(wecomtest.URL(base, key))
		require.NoError(t, err)
		raw, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		assert.Contains(t, string(raw), "43002")
	})
}

func TestNoWindowOfSixtySecondsHoldsMoreThanTwenty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		robots := wecomtest.New()
		c := &http.Client{Transport: robots.Transport()}
		a, b := robots.Key("a"), robots.Key("b")
		say := func(key string) int {
			code, err := post(t, c, wecomtest.URL("https://h", key), message("markdown", "x"))
			require.NoError(t, err)
			return code
		}
		for range 10 {
			require.Zero(t, say(a))
		}
		time.Sleep(59 * time.Second)
		for range 10 {
			require.Zero(t, say(a))
		}
		assert.Equal(t, 45009, say(a), "the 21st within 60 s")
		assert.Len(t, robots.Messages(a), 20, "is not shown")
		assert.Zero(t, say(b), "another robot has its own limit")
		time.Sleep(time.Second)
		for range 10 {
			assert.Zero(t, say(a), "the window slides")
		}
		assert.Equal(t, 45009, say(a))
		robots.Limit(0)
		for range 100 {
			require.Zero(t, say(a))
		}
	})
}

func TestFaultsComeOnePerRequestInOrder(t *testing.T) {
	over(t, func(t *testing.T, robots *wecomtest.Robots, c *http.Client, base string) {
		key := robots.Key("ops")
		robots.Fail(key, wecomtest.ErrCode(-1), wecomtest.OK(), wecomtest.HTTPStatus(502), wecomtest.Cut(), wecomtest.AcceptThenCut(), wecomtest.Hang(20*time.Millisecond), wecomtest.Reset(), wecomtest.Slow(20*time.Millisecond))
		try := func(content string) (int, error) {
			return post(t, c, wecomtest.URL(base, key), message("markdown", content))
		}
		code, err := try("1")
		require.NoError(t, err)
		assert.Equal(t, -1, code)
		code, err = try("2")
		require.NoError(t, err)
		assert.Zero(t, code)
		_, err = try("3")
		assert.ErrorContains(t, err, "502")
		for _, content := range []string{"4", "5", "6"} {
			_, err = try(content)
			assert.ErrorIs(t, err, io.EOF, content)
		}
		_, err = try("reset")
		assert.ErrorIs(t, err, syscall.ECONNRESET)
		start := time.Now()
		code, err = try("7")
		require.NoError(t, err)
		assert.Zero(t, code)
		assert.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond)

		robots.ExpectWithin(t, 0, key, "2")
		robots.ExpectWithin(t, 0, key, "5")
		robots.ExpectWithin(t, 0, key, "7")
		robots.ExpectNoMore(t, key, 0)
		assert.Equal(t, 8, robots.Attempts(key))
		assert.Equal(t, 1, robots.MaxInFlight(key))
	})
}

func TestASlowRobotShowsWhatItsSenderGaveUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		robots := wecomtest.New()
		key := robots.Key("ops")
		robots.Fail(key, wecomtest.Slow(30*time.Second), wecomtest.Hang(30*time.Second))
		c := &http.Client{Transport: robots.Transport(), Timeout: 10 * time.Second}
		for range 2 {
			_, err := post(t, c, wecomtest.URL("https://h", key), message("markdown", "x"))
			assert.ErrorContains(t, err, "deadline")
		}
		assert.Empty(t, robots.Messages(key))
		robots.ExpectWithin(t, 11*time.Second, key, "x")
		robots.ExpectNoMore(t, key, time.Minute)
	})
}

// verdicts records what an expectation says about a test.
type verdicts struct{ errors, fatals []string }

func (v *verdicts) Helper()        {}
func (v *verdicts) Cleanup(func()) {}
func (v *verdicts) Errorf(format string, args ...any) {
	v.errors = append(v.errors, fmt.Sprintf(format, args...))
}
func (v *verdicts) Fatalf(format string, args ...any) {
	v.fatals = append(v.fatals, fmt.Sprintf(format, args...))
}

func TestExpectationsFailOnMissingWrongAndExtra(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		robots := wecomtest.New()
		key := robots.Key("ops")
		c := &http.Client{Transport: robots.Transport()}
		say := func(content string) {
			_, err := post(t, c, wecomtest.URL("https://h", key), message("markdown", content))
			require.NoError(t, err)
		}

		var missing verdicts
		start := time.Now()
		robots.ExpectWithin(&missing, time.Second, key, "a")
		assert.Len(t, missing.fatals, 1)
		assert.Equal(t, time.Second, time.Since(start))

		say("only this")
		var wrong verdicts
		robots.ExpectWithin(&wrong, time.Second, key, "only", "that")
		assert.Len(t, wrong.errors, 1)

		time.AfterFunc(500*time.Millisecond, func() { say("late") })
		var extra, fine verdicts
		robots.ExpectNoMore(&fine, key, 400*time.Millisecond)
		robots.ExpectNoMore(&extra, key, time.Second)
		assert.Empty(t, fine)
		assert.Len(t, extra.errors, 1)
	})
}

func TestATextMessageCallsPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		robots := wecomtest.New()
		key := robots.Key("ops")
		c := &http.Client{Transport: robots.Transport()}
		say := func(kind string) {
			body := fmt.Sprintf(`{"msgtype":%q,%[1]q:{"content":"x","mentioned_list":["zhang"],"mentioned_mobile_list":["13800000000","@all"]}}`, kind)
			code, err := post(t, c, wecomtest.URL("https://h", key), body)
			require.NoError(t, err)
			require.Zero(t, code)
		}
		say("text")
		m := robots.ExpectCallWithin(t, 0, key, []string{"13800000000", "@all"}, "x")
		assert.Equal(t, "text", m.Type)
		assert.Equal(t, []string{"zhang"}, m.Users)
		say("text")
		var others, markdown verdicts
		robots.ExpectCallWithin(&others, 0, key, []string{"13900000000"})
		assert.Len(t, others.errors, 1)
		say("markdown")
		robots.ExpectCallWithin(&markdown, 0, key, nil)
		assert.Len(t, markdown.errors, 1)
		assert.Empty(t, robots.Messages(key)[2].Mobiles, "markdown has no lists")
	})
}

func TestThePageShowsTheMessagesAndNoKey(t *testing.T) {
	srv := wecomtest.Start(t)
	_, err := post(t, http.DefaultClient, srv.Webhook("交易群"), message("markdown", "</script><img src=x onerror=alert(1)>"))
	require.NoError(t, err)
	_, err = post(t, http.DefaultClient, srv.Webhook("交易群"), `{"msgtype":"text","text":{"content":"来","mentioned_list":["zhang"],"mentioned_mobile_list":["@all"]}}`)
	require.NoError(t, err)
	srv.Key("quiet")

	resp, err := http.Get(srv.Base + "/")
	require.NoError(t, err)
	html, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	assert.NotContains(t, string(html), "onerror")
	assert.NotContains(t, string(html), "innerHTML")
	for _, outside := range []string{" src=", "<link", "@import", "url("} {
		assert.NotContains(t, string(html), outside, "the page needs nothing from elsewhere")
	}
	assert.Contains(t, resp.Header.Get("Content-Security-Policy"), "script-src 'sha256-")

	resp, err = http.Get(srv.Base + "/messages.json")
	require.NoError(t, err)
	raw, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	assert.False(t, bytes.Contains(raw, []byte("test-robot-")), "no key on a page")
	var data struct {
		Groups []struct {
			Name     string
			Total    int
			Messages []struct {
				Type, Content string
				People        []string
			}
		}
	}
	require.NoError(t, json.Unmarshal(raw, &data))
	require.Len(t, data.Groups, 2)
	assert.Equal(t, "交易群", data.Groups[0].Name)
	assert.Equal(t, "</script><img src=x onerror=alert(1)>", data.Groups[0].Messages[0].Content)
	assert.Empty(t, data.Groups[0].Messages[0].People)
	assert.Equal(t, "text", data.Groups[0].Messages[1].Type)
	assert.Equal(t, []string{"@zhang", "@all"}, data.Groups[0].Messages[1].People)
	assert.Equal(t, 0, data.Groups[1].Total)
}
