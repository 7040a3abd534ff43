package wecom_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/wecom"
)

// folded are n words of some services and types.
func folded(n, services, types int) (words []alerting.DigestWord) {
	for i := range n {
		words = append(words, alerting.DigestWord{
			AlertID: int64(i + 1), Kind: alerting.Firing, Severity: alerting.Severities[i%3], Type: fmt.Sprintf("TYPE_%d", i%types),
			Service: fmt.Sprintf("svc-%d", i%services), Title: fmt.Sprintf("第 %d 次失败", i), At: opened.Add(time.Duration(i) * time.Millisecond),
		})
	}
	return words
}

func digests() map[string]alerting.Digest {
	few := folded(5, 3, 2)
	few[1].Over = true
	mixed := append(folded(30, 14, 1),
		alerting.DigestWord{AlertID: 3, Kind: alerting.Over, Severity: alerting.Warning, Type: "TYPE_0", Service: "svc-2", Title: "恢复", At: opened.Add(time.Second)},
		alerting.DigestWord{AlertID: 41, Kind: alerting.Outcome, Severity: alerting.Error, Type: alerting.TickerSyncTimeout, Service: "async", Title: "重启容器 async：未恢复", At: opened.Add(2 * time.Second)})
	escalated := append(folded(3, 3, 1), folded(5, 2, 2)...)
	for i := range escalated[3:] {
		escalated[3+i].Kind, escalated[3+i].Over = alerting.Escalation, i == 1
	}
	hostile := folded(2, 1, 1)
	for i := range hostile {
		hostile[i].Type, hostile[i].Service, hostile[i].Title, hostile[i].Severity = "<@all>", "[x](https://evil.example)", "# <font color=\"info\">**好**</font>\n> `ok` <@zhang>", "<@z>"
	}
	critical := alerting.Fold(few, true, alerting.FullDigest)
	critical.Mention.Users = []string{"zhang.san"}
	return map[string]alerting.Digest{
		"digest_few":       critical,
		"digest_mixed":     alerting.Fold(mixed, false, alerting.FullDigest),
		"digest_storm":     alerting.Fold(folded(10_000, 10_000, 3), false, alerting.FullDigest),
		"digest_types":     alerting.Fold(folded(10_000, 100, 500), false, alerting.FullDigest),
		"digest_short":     alerting.Fold(folded(10_000, 10_000, 3), false, alerting.ShortDigest),
		"digest_bare":      alerting.Fold(hostile, false, alerting.BareDigest),
		"digest_hostile":   alerting.Fold(hostile, false, alerting.FullDigest),
		"digest_escalated": alerting.Fold(escalated, false, alerting.FullDigest),
		"digest_over":      alerting.Fold(mixed[30:31], false, alerting.FullDigest),
		"digest_no_words":  alerting.Fold(nil, false, alerting.FullDigest),
	}
}

func TestDigestsReadAsTheyShould(t *testing.T) {
	for name, d := range digests() {
		for _, lang := range []alerting.Language{alerting.Chinese, alerting.English} {
			t.Run(name+"."+string(lang), func(t *testing.T) {
				golden(t, name+"."+string(lang)+".md", wecom.RenderOptions{Language: lang, Location: shanghai, PublicURL: "http://10.0.0.5:5005/"}.Digest(d))
			})
		}
	}
	for name, s := range map[string]alerting.Storm{
		"storm_over": {From: opened, To: now, Events: 10_400, Alerts: 10_000, Messages: 24},
		"storm_lost": {From: opened, To: now, Events: 2, Alerts: 2, Messages: 1, Lost: 1},
	} {
		for _, lang := range []alerting.Language{alerting.Chinese, alerting.English} {
			golden(t, name+"."+string(lang)+".md", wecom.RenderOptions{Language: lang, Location: shanghai}.StormOver(s))
		}
	}
}

func TestADigestIsCompleteWithoutItsLink(t *testing.T) {
	for name, d := range digests() {
		plain := wecom.RenderOptions{}.Digest(d)
		assert.NotContains(t, plain, "](", name)
		assert.Contains(t, plain, fmt.Sprintf("%d 条告警，%d 个服务", d.Alerts, d.Services), name)
	}
}

var (
	sectionCount = regexp.MustCompile(`(?m)^\*\*.*\*\* .*：(\d+) 条，\d+ 个服务$`)
	typesLeft    = regexp.MustCompile(`(?m)^另有 \d+ 类，(\d+) 条$`)
)

// TestADigestCountsEveryWord adds up what a digest says, whatever it folds: the
// sections, and what it has no room for, are all of the words.
func TestADigestCountsEveryWord(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 5))
		n := 1 + random.IntN(3000)
		words := folded(n, 1+random.IntN(n), 1+random.IntN(200))
		for i := range words {
			words[i].Kind = []alerting.Kind{alerting.Firing, alerting.Firing, alerting.Over, alerting.Outcome}[random.IntN(4)]
			words[i].Title = strings.Repeat([]string{"x", "长", "😀", "<@all>", "<font>"}[random.IntN(5)], random.IntN(100))
		}
		got := wecom.RenderOptions{}.Digest(alerting.Fold(words, false, alerting.DigestForm(random.IntN(2))))
		require.LessOrEqual(t, len(got), wecom.MaxMarkdown)
		require.True(t, utf8.ValidString(got))
		counted := 0
		for _, found := range append(sectionCount.FindAllStringSubmatch(got, -1), typesLeft.FindAllStringSubmatch(got, -1)...) {
			some, err := strconv.Atoi(found[1])
			require.NoError(t, err)
			counted += some
		}
		require.Equal(t, n, counted, got)
	}
}

func TestADigestOfStrangersWordsCanDoNothing(t *testing.T) {
	for name, d := range digests() {
		for _, lang := range []alerting.Language{alerting.Chinese, alerting.English} {
			got := wecom.RenderOptions{Language: lang}.Digest(d)
			assert.LessOrEqual(t, len(got), wecom.MaxMarkdown, name)
			assert.Equal(t, len(d.Mention.Users), strings.Count(got, "<@"), name)
			assert.Equal(t, 1, strings.Count(got, "<font"), name)
			assert.Equal(t, 1, strings.Count(got, "</font>"), name)
			assert.NotContains(t, got, "](", name)
			if d.Form == alerting.BareDigest {
				assert.NotContains(t, got, "evil")
			}
		}
	}
}

func TestAWordThatWasTooLongIsHalfAsLong(t *testing.T) {
	b := brief(alerting.Firing, func(b *alerting.Brief) { b.Alert.Message = strings.Repeat("长", 4000) })
	whole := wecom.Render(b, wecom.RenderOptions{}, now)
	b.Short = true
	half := wecom.Render(b, wecom.RenderOptions{}, now)
	assert.Greater(t, len(whole), wecom.MaxMarkdown-10)
	assert.LessOrEqual(t, len(half), wecom.MaxMarkdown/2)
	assert.Contains(t, half, "告警编号：1")
}

func FuzzDigest(f *testing.F) {
	f.Add("DISK_FULL", "svc", "标题", 3)
	f.Add("<@all>", "[x](http://evil)", "\n> <font color=\"info\">", 500)
	f.Fuzz(func(t *testing.T, alertType, service, title string, n int) {
		words := folded(max(1, n%300), 7, 3)
		for i := range words {
			words[i].Type, words[i].Title = alertType+words[i].Type, title
			words[i].Service += service
		}
		got := wecom.RenderOptions{}.Digest(alerting.Fold(words, false, alerting.FullDigest))
		if len(got) > wecom.MaxMarkdown || !utf8.ValidString(got) || strings.Contains(got, "<@") || strings.Contains(got, "](") || strings.Count(got, "<font") != 1 {
			t.Fatalf("%d bytes: %q", len(got), got)
		}
	})
}
