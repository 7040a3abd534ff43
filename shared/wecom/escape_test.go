package wecom

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhatAnEventSaysIsOnlyRead(t *testing.T) {
	for in, want := range map[string]string{
		"plain 中文 😀":               "plain 中文 😀",
		"<@all>":                   "＜@all＞",
		"<@zhangsan> 请转账":          "＜@zhangsan＞ 请转账",
		"[点我](https://evil)":       "［点我］(https://evil)",
		`<font color="info">ok`:    `＜font color="info"＞ok`,
		"</font>":                  "＜/font＞",
		"# heading":                "＃ heading",
		"  ## heading":             "  ＃＃ heading",
		"issue #12":                "issue #12",
		"> quote":                  "＞ quote",
		"`rm -rf`":                 "｀rm -rf｀",
		"**bold** a*b":             "＊＊bold＊＊ a＊b",
		"__bold__ TICKER_SYNC":     "＿＿bold＿＿ TICKER_SYNC",
		"---":                      "－－－",
		"===":                      "＝＝＝",
		"&lt;@all&gt;":             "＆lt;@all＆gt;",
		"&#60;@all":                "＆#60;@all",
		"&LT@all":                  "＆LT@all",
		"Tom & Jerry ?a=1&b=2":     "Tom & Jerry ?a=1&b=2",
		"a\u202Eb\u200Bc\x00\x1bd": "abcd",
		"a\nb\r\nc\u2028d\ve":      "a b c d e",
		"a\n\n# b":                 "a ＃ b",
		"\xff":                     "\uFFFD",
		"👩‍👧":                      "👩‍👧",
		"":                         "",
	} {
		assert.Equal(t, want, escapeLine(in), "%q", in)
	}
}
