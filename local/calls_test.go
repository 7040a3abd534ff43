package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/wecom/wecomtest"
)

// People are called by phone: those of WECHAT_MENTION_MOBILES, or whom the policy
// names instead, behind the message itself; in a group of text, by it. Nobody's
// number is printed, logged or shown.
func TestPeopleAreCalledByPhone(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(file, []byte("types:\n  EVERYBODY:\n    mention: {CRITICAL: ['@all', li.si]}\n"), 0o600))
	robots := wecomtest.Start(t)
	s := launch(t, "POLICY_FILE="+file, "REMEDIATION_MODE=off", "WECHAT_ALLOWED_HOSTS="+robots.Host, "WECHAT_WEBHOOK_URL="+robots.Webhook("值班"), "WECHAT_MENTION_MOBILES=13812345678")
	ops := robots.Key("值班")

	id := s.notify(plain("DISK", "CRITICAL", "磁盘 91%")).number("alertId")
	require.Equal(t, "markdown", robots.ExpectWithin(t, soon, ops, "严重：磁盘 91%").Type)
	robots.ExpectCallWithin(t, soon, ops, []string{"13812345678"}, "严重：磁盘 91%", "服务：orders", fmt.Sprint("告警编号：", id))
	add := func(name, format, types string) (int64, string) {
		made := s.post("/api/alerts/wechat-groups", fmt.Sprintf(`{"groupName":%q,"webhookUrl":%q,"messageFormat":%q,"alertTypes":%q}`, name, robots.Webhook(name), format, types))
		require.Equal(t, http.StatusOK, made.status, made.text)
		require.Equal(t, format, made.object("data")["messageFormat"])
		return int64(made.object("data")["id"].(float64)), robots.Key(name)
	}
	_, all := add("全员", "markdown", "EVERYBODY")
	s.notify(plain("EVERYBODY", "CRITICAL", "撮合停止"))
	robots.ExpectWithin(t, soon, all, "撮合停止", "<@li.si>")
	assert.Empty(t, robots.ExpectCallWithin(t, soon, all, []string{"@all"}, "撮合停止").Users, "they were mentioned in the message before it")

	calls := func() []map[string]any {
		story := s.story(id)
		return append(objects(story, "notifications")[1:], objects(story, "messages")[1:]...)
	}
	await(t, soon, "the call is on record", func() bool { c := calls(); return len(c) == 2 && c[0]["status"] == "SENT" })
	require.Equal(t, "CALL", calls()[0]["kind"])
	require.Equal(t, []any{"CALL", "text", "ACCEPTED"}, []any{calls()[1]["kind"], calls()[1]["format"], calls()[1]["status"]})

	wechat, text := add("微信", "text", "CPU")
	s.notify(plain("CPU", "ERROR", "CPU 100%"))
	m := robots.ExpectCallWithin(t, soon, text, []string{"13812345678"}, "错误：CPU 100%\n类型：CPU\n", "> ＜@all＞")
	assert.NotContains(t, m.Content, "<font")
	require.Equal(t, http.StatusOK, s.post(fmt.Sprintf("/api/alerts/wechat-groups/%d/test", wechat), "").status)
	require.Equal(t, "text", robots.ExpectWithin(t, soon, text, "测试消息").Type)
	for _, key := range []string{ops, all, text} {
		robots.ExpectNoMore(t, key, 100*time.Millisecond)
	}

	require.Equal(t, 0, s.stop())
	log, err := os.ReadFile(filepath.Join(s.dir, "logs", "alert.log"))
	require.NoError(t, err)
	assert.Contains(t, string(log), "呼叫")
	assert.Contains(t, s.output.String(), "138****5678")
	assert.NotContains(t, s.output.String()+string(log), "13812345678", "nobody's number is in a log")
}

func TestTheDoctorSeesFormatsThatAreNotUsed(t *testing.T) {
	group := func(id int64, name, key, format string) alerting.Group {
		return alerting.Group{ID: id, Name: name, Webhook: alerting.Secret("https://example.com/send?key=" + key), Enabled: true, MessageFormat: format}
	}
	assert.Empty(t, oddFormats([]alerting.Group{group(1, "a", "x", "markdown"), group(2, "b", "y", "text"), group(3, "c", "y", "Text ")}))
	found := oddFormats([]alerting.Group{group(1, "a", "x", "html"), group(2, "b", "y", "markdown"), group(3, "c", "y", "text")})
	require.Len(t, found, 2)
	assert.Contains(t, found[0].What, `"html"`)
	assert.Contains(t, found[1].What, "“c” (id 3)")
}
