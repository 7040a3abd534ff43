package wecom_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/wecom"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	shanghai = time.FixedZone("Asia/Shanghai", 8*3600)
	opened   = time.Date(2026, 2, 25, 2, 5, 0, 0, time.UTC)
	now      = opened.Add(6 * time.Minute)
)

// ticker is the guide's example alert.
func ticker() alerting.Alert {
	return alerting.Alert{
		ID: 1, Type: alerting.TickerSyncTimeout, Service: "aifuturetrade-async-service", Severity: alerting.Error,
		Title: "Ticker同步超时告警", Message: "Ticker数据同步已超过3分钟未输出日志",
		Metadata: json.RawMessage(`{"lastSyncTime":"2026-02-25T10:00:00","minutesSinceLastSync":5}`),
		Status:   alerting.Open, Occurrences: 1, CreatedAt: opened, UpdatedAt: opened, LastSeenAt: opened,
	}
}

func remediation(status alerting.RemediationStatus, why alerting.Reason) *alerting.Remediation {
	return &alerting.Remediation{ID: 1, AlertID: 1, Action: alerting.Restart, Container: "aifuturetrade-async-service", Status: status, Reason: why, RequestedAt: opened}
}

func brief(kind alerting.Kind, change func(*alerting.Brief)) alerting.Brief {
	b := alerting.Brief{Notification: alerting.Notification{ID: 1, AlertID: 1, Kind: kind, Severity: alerting.Error}, Alert: ticker()}
	if change != nil {
		change(&b)
	}
	return b
}

// evidence is how the container was before it was restarted.
func evidence() *alerting.Evidence {
	return &alerting.Evidence{
		TakenAt: opened.Add(time.Second), State: "running", StartedAt: opened.Add(-2 * time.Hour), Health: alerting.NoHealth, OOMKilled: true, RestartCount: 2,
		Lines: []string{"first", "dialing 10.0.0.9:3306", "dial tcp: i/o timeout", "giving up for now"},
	}
}

func over(b *alerting.Brief) {
	b.Alert.Status, b.Alert.ResolvedAt = alerting.Resolved, now
}

// escalation is one after a quarter of an hour; of the two groups that were told
// one got it.
func escalation(b *alerting.Brief) {
	b.Alert.Severity, b.Alert.Words.First = alerting.Critical, opened.Add(time.Second)
	b.Notification.CreatedAt = b.Alert.Words.First.Add(15*time.Minute + 300*time.Millisecond)
	b.Before = []alerting.ToldGroup{{Name: "交易值班群", Sent: true}, {Name: "WECHAT_WEBHOOK_URL"}}
}

func scenes() map[string]alerting.Brief {
	return map[string]alerting.Brief{
		"firing": brief(alerting.Firing, func(b *alerting.Brief) {
			b.Remediation = remediation(alerting.Requested, alerting.Reason{Code: "policy_ladder"})
		}),
		"firing_skipped": brief(alerting.Firing, func(b *alerting.Brief) {
			b.Remediation = remediation(alerting.Skipped, alerting.Reason{Code: "cooldown", Until: now.Add(200 * time.Second)})
		}),
		"firing_no_action": brief(alerting.Firing, func(b *alerting.Brief) {
			b.Alert.Type, b.Alert.Severity, b.Alert.Title, b.Alert.Metadata = "DISK_FULL", alerting.Info, "磁盘 91%", nil
		}),
		"firing_repeated": brief(alerting.Firing, func(b *alerting.Brief) {
			b.Alert.Occurrences, b.Alert.LastSeenAt, b.Alert.Severity, b.Alert.Status = 7, now, alerting.Critical, alerting.Acknowledged
			b.Latest = &alerting.KeptEvent{Title: "Ticker同步仍然超时", Message: "已超过8分钟", Metadata: json.RawMessage(`{"minutesSinceLastSync":8}`)}
			b.Remediation = remediation(alerting.Verifying, alerting.Reason{Code: "restarted"})
		}),
		"firing_late": brief(alerting.Firing, func(b *alerting.Brief) { over(b) }),
		"recovered": brief(alerting.Outcome, func(b *alerting.Brief) {
			over(b)
			b.Remediation = remediation(alerting.Succeeded, alerting.Reason{Code: "stable", Detail: "30s"})
			b.Remediation.EndedAt, b.Remediation.Evidence = opened.Add(42*time.Second), evidence()
			b.Alert.RecheckAt = now.Add(time.Minute) // it is over: nothing is decided again
		}),
		"not_recovered": brief(alerting.Outcome, func(b *alerting.Brief) {
			b.Remediation = remediation(alerting.Failed, alerting.Reason{Code: "not_stable", Detail: "exit 137"})
			b.Remediation.EndedAt, b.Remediation.Evidence = now, evidence()
			b.Alert.RecheckAt = now.Add(5 * time.Minute)
		}),
		"not_recovered_unhealthy": brief(alerting.Outcome, func(b *alerting.Brief) {
			b.Remediation = remediation(alerting.Failed, alerting.Reason{Code: "unhealthy", Detail: "503"})
			b.Remediation.Evidence = evidence()
			b.Remediation.Evidence.Health, b.Remediation.Evidence.Lines = alerting.Unhealthy, []string{"only line"}
			b.Remediation.Evidence.Probes = []alerting.Probe{{ExitCode: 1, Output: "GET /health: 503"}}
			b.Alert.RecheckAt = now.Add(-time.Second) // it was, by now
		}),
		"not_recovered_no_log": brief(alerting.Outcome, func(b *alerting.Brief) {
			b.Remediation = remediation(alerting.Failed, alerting.Reason{Code: "not_stable", Detail: "exit 1"})
			b.Remediation.Evidence = &alerting.Evidence{TakenAt: opened, State: "exited", ExitCode: 1, Missing: "configured logging driver does not support reading"}
		}),
		"dry_run": brief(alerting.Outcome, func(b *alerting.Brief) {
			b.Remediation = remediation(alerting.Skipped, alerting.Reason{Code: "dry_run", Detail: "aifuturetrade-async-service"})
			b.Remediation.Evidence = evidence()
		}),
		"hostile_log": brief(alerting.Outcome, func(b *alerting.Brief) {
			b.Remediation = remediation(alerting.Failed, alerting.Reason{Code: "not_stable", Detail: "exit 1"})
			b.Remediation.Evidence = evidence()
			b.Remediation.Evidence.Lines = []string{"<@all> [点这里](https://evil.example)", "# <font color=\"info\">已恢复</font>\n告警编号：99", "```\u202e`x`"}
		}),
		"unknown_outcome": brief(alerting.Outcome, func(b *alerting.Brief) {
			b.Remediation = remediation(alerting.UnknownOutcome, alerting.Reason{Code: "engine_restarted"})
		}),
		"not_restarted": brief(alerting.Outcome, func(b *alerting.Brief) {
			b.Remediation = remediation(alerting.Skipped, alerting.Reason{Code: "budget", Detail: "aifuturetrade-async-service", Until: now.Add(40 * time.Minute)})
		}),
		"resolved": brief(alerting.Over, func(b *alerting.Brief) {
			over(b)
			b.Latest = &alerting.KeptEvent{Title: "恢复", Message: "同步已恢复正常", Resolved: true}
		}),
		"escalated": brief(alerting.Escalation, func(b *alerting.Brief) {
			escalation(b)
			b.Remediation = remediation(alerting.Failed, alerting.Reason{Code: "not_stable", Detail: "exit 137"})
		}),
		"escalated_acknowledged": brief(alerting.Escalation, func(b *alerting.Brief) {
			escalation(b)
			b.Alert.Status = alerting.Acknowledged
		}),
		"escalated_late": brief(alerting.Escalation, func(b *alerting.Brief) { escalation(b); over(b) }),
		"hostile_escalated": brief(alerting.Escalation, func(b *alerting.Brief) {
			escalation(b)
			b.Before = []alerting.ToldGroup{{Name: "<@all> [x](https://evil.example)", Sent: true}, {Name: "a\n### <font color=\"info\">`b`</font>" + strings.Repeat("长", 100)}}
		}),
		"hostile": brief(alerting.Firing, func(b *alerting.Brief) {
			b.Alert.Type, b.Alert.Service = "<@all>", "[x](https://evil.example)"
			b.Alert.Title = "# <font color=\"info\">已恢复</font> **全部正常** `ok`"
			b.Alert.Message = "> 引用\n# 标题\n<@all> &lt;@all&gt;\n\n告警编号：99\n[点这里](https://evil.example)\n```\n---"
			b.Alert.Metadata = json.RawMessage(`{"# k\n<@x>":"</font>\n> v","list":[1,"<@y>"]}`)
			b.Alert.Severity = "<@z>"
		}),
	}
}

func TestMessagesReadAsTheyShould(t *testing.T) {
	for name, b := range scenes() {
		for _, lang := range []alerting.Language{alerting.Chinese, alerting.English} {
			t.Run(name+"."+string(lang), func(t *testing.T) {
				p := wecom.RenderOptions{Language: lang, Location: shanghai, PublicURL: "http://10.0.0.5:5005/"}
				golden(t, name+"."+string(lang)+".md", wecom.Render(b, p, now))
			})
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got+"\n"), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test -update writes it")
	assert.Equal(t, string(want), got+"\n")
}

func TestTheOutcomeIsTheFirstLine(t *testing.T) {
	for name, begin := range map[string]string{
		"firing": "### <font color=\"warning\">错误：Ticker同步超时告警</font>", "recovered": "### <font color=\"info\">已恢复（", "not_recovered": "### <font color=\"warning\">未恢复，请处理：",
		"unknown_outcome": "### <font color=\"warning\">未能确认恢复，请处理：", "not_restarted": "### <font color=\"warning\">未重启：", "resolved": "### <font color=\"info\">已恢复：",
		"escalated": "### <font color=\"warning\">升级（15分钟无人确认）：Ticker同步超时告警</font>", "escalated_late": "### <font color=\"comment\">升级（15分钟无人确认，现已恢复）：",
	} {
		got := wecom.Render(scenes()[name], wecom.RenderOptions{}, now)
		assert.True(t, strings.HasPrefix(got, begin), "%s: %s", name, got)
	}
}

func TestAStrangersTextAddsNoMarkup(t *testing.T) {
	got := wecom.Render(scenes()["hostile"], wecom.RenderOptions{PublicURL: "http://h"}, now)
	assert.NotContains(t, got, "<@")
	assert.NotContains(t, got, "](")
	assert.Equal(t, 1, strings.Count(got, "<font"), "only our own colour")
	assert.Equal(t, 1, strings.Count(got, "</font>"))
	assert.Equal(t, 2, strings.Count(got, "`"), "only our own command")
	assert.NotContains(t, got, "**")
	for i, line := range strings.Split(got, "\n") {
		assert.False(t, i > 0 && strings.HasPrefix(strings.TrimSpace(line), "#"), "a heading: %q", line)
	}
	assert.Contains(t, got, "\n> 告警编号：99\n", "what looks like our line is marked as a quote")
}

func TestTheLongestEventLeavesRoomForWhatMatters(t *testing.T) {
	for name, filler := range map[string]string{"ascii": "x", "chinese": "长", "emoji": "😀", "markup": "<", "lines": "行行行\n", "quotes": "> "} {
		t.Run(name, func(t *testing.T) {
			b := brief(alerting.Outcome, func(b *alerting.Brief) {
				b.Alert.ID = 1<<63 - 1
				b.Alert.Type, b.Alert.Service, b.Alert.Title = strings.Repeat(filler, 50), strings.Repeat(filler, 100), strings.Repeat(filler, 200)
				b.Alert.Message = strings.Repeat(filler, 65_535/len(filler))
				fields := map[string]string{}
				for _, k := range "abcdefghijklmnop" {
					fields[string(k)+strings.Repeat(filler, 500)] = strings.Repeat(filler, 5000)
				}
				b.Alert.Metadata, _ = json.Marshal(fields)
				b.Remediation = remediation(alerting.Failed, alerting.Reason{Code: "engine_error", Detail: strings.Repeat(filler, 5000)})
				b.Remediation.Evidence = evidence()
				b.Remediation.Evidence.Lines = slices.Repeat([]string{strings.Repeat(filler, 5000)}, 50)
				b.Alert.RecheckAt = now.Add(time.Minute)
			})
			got := wecom.Render(b, wecom.RenderOptions{PublicURL: "https://monitor.example"}, now)
			assert.LessOrEqual(t, len(got), wecom.MaxMarkdown)
			assert.Greater(t, len(got), wecom.MaxMarkdown*8/10, "the room is used")
			assert.True(t, utf8.ValidString(got))
			assert.Contains(t, got, "告警编号：9223372036854775807\n")
			assert.Contains(t, got, "现场：")
			assert.Contains(t, got, "下一次判断：02:12:00\n")
			assert.True(t, strings.HasSuffix(got, "/handle`"), got[len(got)-200:])
			assert.Contains(t, got, "…（已截断）")
			assert.Contains(t, got, "（另有")
		})
	}
}

func TestTheCommandGoesToTheAddressThatIsKnown(t *testing.T) {
	firing := brief(alerting.Firing, nil)
	got := wecom.Render(firing, wecom.RenderOptions{}, now)
	assert.True(t, strings.HasSuffix(got, "告警编号：1"), "the number is enough")
	got = wecom.Render(firing, wecom.RenderOptions{LocalURL: "http://127.0.0.1:5005"}, now)
	assert.True(t, strings.HasSuffix(got, "\n手动处置（在服务所在主机上）：`curl -X POST http://127.0.0.1:5005/api/alerts/1/handle`"), got)
	got = wecom.Render(firing, wecom.RenderOptions{Language: alerting.English, PublicURL: "https://h", LocalURL: "http://127.0.0.1:5005", Token: true}, now)
	assert.True(t, strings.HasSuffix(got, "\nHandle it: `curl -X POST -H \"Authorization: Bearer $TOKEN\" https://h/api/alerts/1/handle`"), got)
}

// Whoever reads what became of an alert must see which of the messages before it
// is meant.
func TestWhatComesAfterTheFirstMessageHasItsWords(t *testing.T) {
	for name, kind := range map[string]alerting.Kind{"recovered": alerting.Outcome, "resolved": alerting.Over} {
		b := scenes()[name]
		b.Notification.Kind, b.Latest = kind, &alerting.KeptEvent{Title: "别的标题", Message: "m"}
		got := wecom.Render(b, wecom.RenderOptions{}, now)
		assert.Contains(t, got, "Ticker同步超时告警")
		assert.NotContains(t, got, "别的标题")
	}
}

// Without an address of ours the path is enough for whoever is to acknowledge.
func TestAnEscalationSaysHowToAcknowledge(t *testing.T) {
	b := scenes()["escalated"]
	assert.True(t, strings.HasSuffix(wecom.Render(b, wecom.RenderOptions{PublicURL: "http://h/"}, now), "\n确认：`curl -X POST http://h/api/alerts/1/acknowledge`"))
	assert.True(t, strings.HasSuffix(wecom.Render(b, wecom.RenderOptions{}, now), "\n确认：`POST /api/alerts/1/acknowledge`"))
	b.Remediation.Status = alerting.Verifying
	assert.Contains(t, wecom.Render(b, wecom.RenderOptions{}, now), "acknowledge")
	b.Alert.Status = alerting.Acknowledged
	assert.NotContains(t, wecom.Render(b, wecom.RenderOptions{}, now), "acknowledge", "somebody did")
}

func TestAnEscalationNamesSomeOfVeryManyGroups(t *testing.T) {
	b := scenes()["escalated"]
	b.Before = slices.Repeat([]alerting.ToldGroup{{Name: strings.Repeat("群", 100)}}, 20)
	b.Alert.Message = strings.Repeat("长", 5_000)
	got := wecom.Render(b, wecom.RenderOptions{}, now)
	assert.LessOrEqual(t, len(got), wecom.MaxMarkdown)
	assert.Equal(t, 8, strings.Count(got, "（未送达）"))
	assert.Contains(t, got, "（未送达）等\n")
	assert.Contains(t, got, "\n> 长长")
}

func TestAnOpenBreakerNamesTheCommandThatReArmsIt(t *testing.T) {
	b := scenes()["not_restarted"]
	assert.True(t, strings.HasSuffix(wecom.Render(b, wecom.RenderOptions{PublicURL: "http://h/"}, now), "\n复位熔断：`curl -X POST http://h/api/remediation/containers/aifuturetrade-async-service/rearm`"))
	assert.True(t, strings.HasSuffix(wecom.Render(b, wecom.RenderOptions{}, now), "\n复位熔断（在服务所在主机上）：`trade-monitor rearm aifuturetrade-async-service`"))
	b.Remediation.Container = "a` <@all>](x" // a row that a person wrote
	got := wecom.Render(b, wecom.RenderOptions{}, now)
	assert.Contains(t, got, "`trade-monitor rearm a%60%20%3C@all%3E%5D%28x`")
	b.Notification.Kind = alerting.Firing
	assert.NotContains(t, wecom.Render(b, wecom.RenderOptions{}, now), "rearm")
}

// Rows that people wrote by hand have none of our columns.
func TestAnEmptyAlertCanBeRendered(t *testing.T) {
	for _, kind := range []alerting.Kind{alerting.Firing, alerting.Over, alerting.Outcome, alerting.Escalation, "", "NEW"} {
		got := wecom.Render(alerting.Brief{Notification: alerting.Notification{Kind: kind}}, wecom.RenderOptions{}, time.Time{})
		assert.Contains(t, got, "次数：1")
	}
}

func FuzzRender(f *testing.F) {
	f.Add("T", "标题", "消息\n# x", `{"a":1}`, uint8(0))
	f.Add("<@all>", "</font>", "<font color=\"info\">", `{"<@x>":"[a](b)"}`, uint8(1))
	f.Add("", "\xff", strings.Repeat("中", 3000), `{"a":`, uint8(2))
	f.Add("群\n# <@all>", "[x](y)", "`", `{}`, uint8(3))
	f.Fuzz(func(t *testing.T, kind, title, message, metadata string, which uint8) {
		b := brief([]alerting.Kind{alerting.Firing, alerting.Over, alerting.Outcome, alerting.Escalation}[which%4], func(b *alerting.Brief) {
			b.Before = []alerting.ToldGroup{{Name: kind}, {Name: title, Sent: true}}
			b.Alert.Type, b.Alert.Title, b.Alert.Message, b.Alert.Metadata = kind, title, message, json.RawMessage(metadata)
			b.Remediation = remediation(alerting.Failed, alerting.Reason{Code: "engine_error", Detail: message})
			b.Remediation.Evidence = &alerting.Evidence{State: kind, Lines: []string{message, title}, Missing: metadata}
		})
		got := wecom.Render(b, wecom.RenderOptions{PublicURL: "http://h"}, now)
		if len(got) > wecom.MaxMarkdown || !utf8.ValidString(got) {
			t.Fatalf("%d bytes: %q", len(got), got)
		}
		if strings.Contains(got, "<@") || strings.Contains(got, "](") || strings.Count(got, "<font") != 1 || !strings.Contains(got, "告警编号：1") {
			t.Fatalf("markup of a stranger: %q", got)
		}
	})
}

func TestATrialSaysWhereItComesFromAndCannotMention(t *testing.T) {
	how := wecom.RenderOptions{Language: alerting.Chinese}
	text := wecom.Trials(how, "host-1")(alerting.Group{Name: "<@all> [x](http://evil)", Enabled: false}, "oncall <@all>")
	assert.Contains(t, text, "测试消息")
	assert.Contains(t, text, "host-1")
	assert.Contains(t, text, "发起：oncall")
	assert.Contains(t, text, "已停用")
	assert.NotContains(t, text, "<@")
	assert.NotContains(t, text, "](")
	assert.Contains(t, wecom.Trials(wecom.RenderOptions{Language: alerting.English}, "h")(alerting.Group{Name: "ops", Enabled: true}, "cli"), "test message")
}
