package wecom_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/wecom"
)

// mentioning is a brief as the store makes it where the policy names people.
func mentioning(b alerting.Brief, users ...string) alerting.Brief {
	b.Mention.Users = users
	return b
}

func TestMentionsLookAsTheyShould(t *testing.T) {
	for name, b := range map[string]alerting.Brief{
		"firing_mention":        mentioning(scenes()["firing"], "zhang.san", "li_si"),
		"not_recovered_mention": mentioning(scenes()["not_recovered"], "zhang.san"),
		"hostile_mention":       mentioning(scenes()["hostile"], "zhang.san"),
	} {
		for _, lang := range []alerting.Language{alerting.Chinese, alerting.English} {
			t.Run(name+"."+string(lang), func(t *testing.T) {
				p := wecom.RenderOptions{Language: lang, Location: shanghai, PublicURL: "http://10.0.0.5:5005/"}
				golden(t, name+"."+string(lang)+".md", wecom.Render(b, p, now))
			})
		}
	}
}

func TestAMentionAddsOneLineAndChangesNothingElse(t *testing.T) {
	for name, b := range scenes() {
		without := wecom.Render(b, wecom.RenderOptions{}, now)
		with := wecom.Render(mentioning(b, "zhang.san"), wecom.RenderOptions{}, now)
		assert.Equal(t, without+"\n请关注：<@zhang.san>", with, name)
	}
}

func TestOnlyUserIDsAreMentioned(t *testing.T) {
	got := wecom.Render(mentioning(scenes()["firing"], "all", "@all", "a> <@all", "张三", "", "zhang"), wecom.RenderOptions{}, now)
	assert.Equal(t, 1, strings.Count(got, "<@"))
	assert.True(t, strings.HasSuffix(got, "请关注：<@zhang>"), got)
}

func TestTheLongestEventLeavesRoomForAllMentions(t *testing.T) {
	var users []string
	for i := range alerting.MaxMentions + 1 {
		users = append(users, fmt.Sprintf("%064d", i))
	}
	for name, filler := range map[string]string{"ascii": "x", "chinese": "长", "emoji": "😀", "markup": "<", "mentions": "<@all>"} {
		t.Run(name, func(t *testing.T) {
			b := mentioning(brief(alerting.Outcome, func(b *alerting.Brief) {
				b.Alert.Type, b.Alert.Service, b.Alert.Title = strings.Repeat(filler, 50), strings.Repeat(filler, 100), strings.Repeat(filler, 200)
				b.Alert.Message = strings.Repeat(filler, 65_535/len(filler))
				b.Alert.Metadata, _ = json.Marshal(map[string]string{"k" + strings.Repeat(filler, 100): strings.Repeat(filler, 5000)})
				b.Remediation = remediation(alerting.Failed, alerting.Reason{Code: "engine_error", Detail: strings.Repeat(filler, 5000)})
			}), users...)
			got := wecom.Render(b, wecom.RenderOptions{PublicURL: "https://monitor.example"}, now)
			assert.LessOrEqual(t, len(got), wecom.MaxMarkdown)
			for _, user := range users[:alerting.MaxMentions] {
				assert.Contains(t, got, "<@"+user+">", "every one of them, whole")
			}
			assert.Equal(t, alerting.MaxMentions, strings.Count(got, "<@"), "the event mentions nobody")
			assert.True(t, strings.HasSuffix(got, ">"))
			assert.Equal(t, strings.Count(got, "<font"), strings.Count(got, "</font>"))
		})
	}
}

func FuzzMention(f *testing.F) {
	f.Add("zhang", "标题", "<@all>")
	f.Add("a> <@all", "<@zhang", "\n请关注：<@boss>")
	f.Fuzz(func(t *testing.T, user, title, message string) {
		b := mentioning(brief(alerting.Firing, func(b *alerting.Brief) { b.Alert.Title, b.Alert.Message = title, message }), user)
		got := wecom.Render(b, wecom.RenderOptions{}, now)
		mentioned := strings.Count(got, "<@")
		if len(got) > wecom.MaxMarkdown || mentioned > 1 || (mentioned == 1) != alerting.UserID(user) {
			t.Fatalf("%d bytes: %q", len(got), got)
		}
		if mentioned == 1 && !strings.HasSuffix(got, "<@"+user+">") {
			t.Fatalf("%q", got)
		}
	})
}
