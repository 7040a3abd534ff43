package wecom_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/wecom"
	"trade-monitor/shared/wecom/wecomtest"
)

func TestEveryErrcodeIsExplainedWithItsMend(t *testing.T) {
	for code, words := range map[int][2]string{
		-1:    {"系统繁忙", "稍后再试"},
		45033: {"并发调用过多", "其他程序"},
		45009: {"每分钟 20 条", "至少 60 秒"},
		93000: {"key 无效或机器人已被移除", "重新添加机器人"},
		93004: {"已被停用", "启用它"},
		93008: {"不在群里", "重新加入群"},
		40058: {"参数不合法", "报告此问题"},
		45002: {"内容过长", "报告此问题"},
		40008: {"消息类型或 JSON", "报告此问题"},
		44004: {"内容为空", "报告此问题"},
		777:   {"未知的 errcode 777", "devtool/query?e=777"},
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			what, mend := wecom.Explain(alerting.Verdict{Status: alerting.Refused, ErrCode: code})
			inBothLanguages(t, what, words[0])
			inBothLanguages(t, mend, words[1])
		})
	}
	what, mend := wecom.Explain(alerting.Verdict{Status: alerting.Accepted, Class: alerting.ClassOK})
	inBothLanguages(t, what, "成功")
	assert.Empty(t, mend)
}

// inBothLanguages checks for the Chinese first and the English after it.
func inBothLanguages(t *testing.T, text, want string) {
	t.Helper()
	assert.Contains(t, text, want)
	assert.Regexp(t, `[\p{Han}\d，：].* \([A-Za-z].*`, text)
}

// What goes wrong on the way, made to go wrong by real parts.
func TestEveryFailureOnTheWayIsExplainedWithItsMend(t *testing.T) {
	const key = "test-robot-explain"
	robot := wecomtest.Start(t)
	private := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(private.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	path := "/cgi-bin/webhook/send?key=" + key

	for name, c := range map[string]struct {
		webhook    string
		fault      wecomtest.Fault
		what, mend string
	}{
		"a certificate of a private CA": {private.URL + path, wecomtest.OK(), "证书不受信任，未发出；私有 CA 用 SSL_CERT_FILE", "网络"},
		"a name that nobody knows":      {"https://robot.invalid" + path, wecomtest.OK(), "无法解析 robot.invalid，未发出", "DNS"},
		"a port where nobody listens":   {"http://" + closed.Addr().String() + path, wecomtest.OK(), "无法连接，未发出", "防火墙"},
		"a host that is not allowed":    {"https://elsewhere.invalid" + path, wecomtest.OK(), "elsewhere.invalid", "WECHAT_ALLOWED_HOSTS"},
		"the page of a proxy":           {"", wecomtest.HTTPStatus(http.StatusOK), "应答无法识别", "HTTPS_PROXY"},
		"a broken server":               {"", wecomtest.HTTPStatus(http.StatusBadGateway), "HTTP 502", "HTTPS_PROXY"},
		"a connection that is cut":      {"", wecomtest.Cut(), "结果未知，群里可能已经收到", "到群里查看"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.webhook == "" {
				c.webhook = robot.Webhook("ops")
				robot.Fail(robot.Key("ops"), c.fault)
			}
			client := wecom.New(wecom.Options{AllowedHosts: []string{robot.Host, "127.0.0.1", "robot.invalid"}})
			what, mend := wecom.Explain(client.Send(t.Context(), alerting.Secret(c.webhook), alerting.Post{Content: "x"}))
			assert.Contains(t, what, c.what)
			inBothLanguages(t, mend, c.mend)
			for _, secret := range []string{key, robot.Key("ops")} {
				assert.False(t, strings.Contains(what+mend, secret), "the key is in what people read")
			}
		})
	}
}
