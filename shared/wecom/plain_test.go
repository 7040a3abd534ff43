package wecom_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/wecom"
	"trade-monitor/shared/wecom/wecomtest"
)

func asText(b alerting.Brief) alerting.Brief {
	b.Format = alerting.Text
	return b
}

func TestTextReadsAsMarkdownDoesWithoutItsMarkup(t *testing.T) {
	for _, name := range []string{"firing", "not_recovered", "recovered", "hostile", "firing_mention"} {
		for _, lang := range []alerting.Language{alerting.Chinese, alerting.English} {
			b := scenes()[strings.TrimSuffix(name, "_mention")]
			if strings.HasSuffix(name, "_mention") {
				b = mentioning(b, "zhang.san")
			}
			p := wecom.RenderOptions{Language: lang, Location: shanghai, PublicURL: "http://10.0.0.5:5005/"}
			golden(t, "text_"+name+"."+string(lang)+".txt", wecom.Render(asText(b), p, now))
		}
	}
	for _, name := range []string{"digest_mixed", "digest_storm", "digest_few"} {
		d := digests()[name]
		d.Format = alerting.Text
		golden(t, "text_"+name+".zh-CN.txt", wecom.RenderOptions{Location: shanghai, PublicURL: "http://10.0.0.5:5005/"}.Digest(d))
	}
	golden(t, "text_storm_over.zh-CN.txt", wecom.RenderOptions{Location: shanghai}.StormOver(alerting.Storm{From: opened, To: now, Events: 10_400, Alerts: 10_000, Messages: 24, Format: alerting.Text}))
	trial := wecom.Trials(wecom.RenderOptions{}, "host")(alerting.Group{Name: "**运维** `x`", Enabled: true, MessageFormat: "text"}, "me")
	assert.NotContains(t, trial, "**")
	assert.Contains(t, trial, "【测试】Trade Monitor 测试消息\n> 群：＊＊运维＊＊ ｀x｀\n")
}

var markup = regexp.MustCompile("<font|</font|<@|\\*\\*|`|\\]\\(|(?m:^#)")

func TestTheLongestEventLeavesRoomForWhatMustNotBeMissingInText(t *testing.T) {
	for name, filler := range map[string]string{"ascii": "x", "chinese": "长", "emoji": "😀", "markup": "**`<font color=\"info\">"} {
		b := asText(brief(alerting.Outcome, func(b *alerting.Brief) {
			b.Alert.Type, b.Alert.Service, b.Alert.Title = strings.Repeat(filler, 50), strings.Repeat(filler, 100), strings.Repeat(filler, 200)
			b.Alert.Message = strings.Repeat(filler, 65_535/len(filler))
			b.Alert.Metadata, _ = json.Marshal(map[string]string{"k": strings.Repeat(filler, 5000), "l": strings.Repeat(filler, 5000), "m": strings.Repeat(filler, 5000)})
			b.Remediation = remediation(alerting.Failed, alerting.Reason{Code: "engine_error", Detail: "no such thing"})
		}))
		got := wecom.Render(b, wecom.RenderOptions{PublicURL: "https://monitor.example"}, now)
		assert.LessOrEqual(t, len(got), wecom.MaxText, name)
		assert.Contains(t, got, "告警编号：1\n手动处置：curl -X POST https://monitor.example/api/alerts/1/handle", name)
		assert.NotRegexp(t, markup, got, name)
	}
}

func summoned(n int, title string) (words []alerting.DigestWord) {
	for i := range n {
		words = append(words, alerting.DigestWord{AlertID: int64(12 + i), Kind: alerting.Call, Severity: alerting.Severities[3-i%2], Type: "DISK", Service: fmt.Sprint("svc-", i), Title: title, At: opened})
	}
	return words
}

func TestASummonsIsCompleteByItself(t *testing.T) {
	zh, en := wecom.RenderOptions{}, wecom.RenderOptions{Language: alerting.English}
	one := summoned(1, "磁盘 91%")
	assert.Equal(t, "严重：磁盘 91%\n服务：svc-0\n告警编号：12", zh.Summons(alerting.Summon(one, alerting.FullDigest)))
	assert.Equal(t, "Critical: 磁盘 91%\nService: svc-0\nAlert id: 12", en.Summons(alerting.Summon(one, alerting.FullDigest)))
	one[0].Action = "重启容器 svc-0：未恢复"
	assert.Contains(t, zh.Summons(alerting.Summon(one, alerting.FullDigest)), "\n处置：重启容器 svc-0：未恢复\n")
	assert.Equal(t, "3 条告警需要处理：\n严重：t（svc-0） #12\n严重：t（svc-2） #14\n错误：t（svc-1） #13", zh.Summons(alerting.Summon(summoned(3, "t"), alerting.FullDigest)))
	assert.Equal(t, "3 alerts need somebody:\nCritical: t (svc-0) #12\nCritical: t (svc-2) #14\nError: t (svc-1) #13", en.Summons(alerting.Summon(summoned(3, "t"), alerting.FullDigest)))
	assert.True(t, strings.HasSuffix(zh.Summons(alerting.Summon(summoned(300, "t"), alerting.FullDigest)), "\n另有 290 条"))
	assert.Equal(t, "300 条告警需要处理", zh.Summons(alerting.Summon(summoned(300, "evil"), alerting.BareDigest)))
}

func TestASummonsOfStrangersWordsCanDoNothing(t *testing.T) {
	for _, title := range []string{"<@all> [x](http://evil) **b** `c`\n# d", strings.Repeat("😀", 5000), strings.Repeat("长\n", 5000)} {
		for _, form := range []alerting.DigestForm{alerting.FullDigest, alerting.ShortDigest, alerting.BareDigest} {
			for _, n := range []int{1, 2, 40} {
				got := wecom.RenderOptions{}.Summons(alerting.Summon(summoned(n, title), form))
				most := wecom.MaxText
				if form != alerting.FullDigest {
					most /= 2
				}
				assert.LessOrEqual(t, len(got), most)
				assert.True(t, utf8.ValidString(got))
				assert.NotRegexp(t, markup, got)
			}
		}
	}
}

func TestATextRequestHasItsListsAndMarkdownNone(t *testing.T) {
	people := alerting.People{Users: []string{"zhang"}, Mobiles: []alerting.Mobile{"13800000000"}, All: true}
	srv := wecomtest.Start(t)
	c, key := wecom.New(wecom.Options{AllowedHosts: []string{srv.Host}}), alerting.Secret(srv.Webhook("lists"))
	require.Equal(t, alerting.ClassOK, c.Send(t.Context(), key, alerting.Post{Format: alerting.Text, Content: "a<b>&", People: people}).Class)
	require.Equal(t, alerting.ClassOK, c.Send(t.Context(), key, alerting.Post{Content: "b", People: people}).Class)
	require.Equal(t, alerting.ClassOK, c.Send(t.Context(), key, alerting.Post{Format: alerting.Text, Content: "c"}).Class)
	shown := srv.Messages(srv.Key("lists"))
	assert.JSONEq(t, `{"msgtype":"text","text":{"content":"a<b>&","mentioned_list":["zhang"],"mentioned_mobile_list":["13800000000","@all"]}}`, string(shown[0].Raw))
	assert.JSONEq(t, `{"msgtype":"markdown","markdown":{"content":"b"}}`, string(shown[1].Raw))
	assert.JSONEq(t, `{"msgtype":"text","text":{"content":"c"}}`, string(shown[2].Raw))
}

func FuzzText(f *testing.F) {
	f.Add("标题", "<@all> **x**", "`y`")
	f.Add("[a](http://evil)", "# h\n## i", "</font>")
	f.Fuzz(func(t *testing.T, title, message, service string) {
		b := asText(brief(alerting.Firing, func(b *alerting.Brief) { b.Alert.Title, b.Alert.Message, b.Alert.Service = title, message, service }))
		got := wecom.Render(b, wecom.RenderOptions{PublicURL: "https://monitor.example"}, now)
		if len(got) > wecom.MaxText || !utf8.ValidString(got) || markup.MatchString(got) || !strings.Contains(got, "告警编号：1") {
			t.Fatalf("%d bytes: %q", len(got), got)
		}
	})
}
