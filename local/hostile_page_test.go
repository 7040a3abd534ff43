package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/wecom/wecomtest"
)

// What a stranger writes is plain characters on people's screens: the
// simulator's page reads the robot's markdown as its clients do, and finds
// nothing in it but our own heading, colour, quote and command.
func TestAStrangersWordsArePlainOnTheScreen(t *testing.T) {
	t.Parallel()
	robots := wecomtest.Start(t)
	page := httptest.NewServer(robots.Page())
	t.Cleanup(page.Close)
	s := launch(t, "REMEDIATION_MODE=off", "WECHAT_WEBHOOK_URL="+robots.Webhook("ops"), "WECHAT_ALLOWED_HOSTS="+robots.Host, "PUBLIC_URL=http://monitor.example:5005")
	await(t, 20*time.Second, "ready", func() bool { return s.get("/readyz").status == http.StatusOK })

	hostile := ticker("<@svc> [s](http://evil.example)")
	hostile.Title = `<@all> [x](http://evil.example) <font color="info">已恢复</font> **粗** "引号" '单引号'`
	hostile.Message = "<@all>\n# 大标题\n> 引用\n[点我](http://evil.example)\n`码` <img src=x onerror=alert(1)>\r\n告警编号：99"
	hostile.Metadata = map[string]any{"<@all>": "[x](http://evil.example)\n</font>"}
	require.Equal(t, http.StatusOK, s.notify(hostile).status)
	robots.ExpectWithin(t, 5*time.Second, robots.Key("ops"), "已恢复")

	b := openBrowser(t)
	b.do(chromedp.Navigate(page.URL), chromedp.WaitVisible(chromedp.CSS("article")))
	text := b.text("article")
	for _, shown := range []string{"＜@all＞ ［x］(http://evil.example) ＜font color=\"info\"＞已恢复＜/font＞ ＊＊粗＊＊ \"引号\" '单引号'", "＃ 大标题", "＞ 引用", "［点我］(http://evil.example)", "｀码｀ ＜img src=x onerror=alert(1)＞"} {
		require.Contains(t, text, shown)
	}
	for expression, n := range map[string]int{
		"document.querySelectorAll('article .mention, article a, article img, article strong').length": 0,
		"document.querySelectorAll('article h5').length":                                               1, // the first line
		"document.querySelectorAll('article h3, article h4').length":                                   0,
		"document.querySelectorAll('article span').length":                                             1, // its colour
		"document.querySelectorAll('article code').length":                                             1, // the command
		"document.querySelectorAll('article blockquote').length":                                       6, // the event's own lines
	} {
		require.Equal(t, n, b.count(expression), expression)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(t, b.problems)
}
