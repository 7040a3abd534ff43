package wecom

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestCut(t *testing.T) {
	const font = `<font color="warning">`
	for name, c := range map[string]struct {
		in    string
		limit int
		want  string
	}{
		"what fits stays":               {"一行\n两行", 100, "一行\n两行"},
		"exactly the limit stays":       {"abcdef", 6, "abcdef"},
		"between lines":                 {"aaaaaaaaaa\nbbbbbbbbbb\ncccccccccccccccccccc", 41, "aaaaaaaaaa\nbbbbbbbbbb\n" + cutZh},
		"inside the only line":          {strings.Repeat("中", 20), 30, strings.Repeat("中", 4) + cutZh},
		"a short first line is not all": {"a\n" + strings.Repeat("b", 100), 50, "a\n" + strings.Repeat("b", 30) + cutZh},
		"emoji are not cut through":     {strings.Repeat("😀", 20), 30, "😀😀😀" + cutZh},
		"colour is closed":              {font + strings.Repeat("x", 100) + closeFont, 60, font + strings.Repeat("x", 13) + closeFont + cutZh},
		"no room for the tag's end":     {"ab" + font + strings.Repeat("x", 100) + closeFont, 45, "ab" + cutZh},
		"a tag that never ends is text": {strings.Repeat("<font ", 10), 30, "＜font ＜f" + cutZh},
		"a tag left open is closed":     {font + "x", 100, font + "x" + closeFont},
		"an end without a tag is plain": {"x" + closeFont + "y", 100, "x＜/font＞y"},
		"what would become a tag":       {"<font " + closeFont + ">", 100, "＜font ＜/font＞>"},
		"no room for the mark":          {"abcdefghij", 5, "ab…"},
		"room for an ellipsis":          {"abcdefghij", 3, "…"},
		"no room":                       {"abcdefghij", 2, ""},
		"below zero":                    {"abcdefghij", -1, ""},
		"broken UTF-8":                  {"a\xffb", 100, "a\uFFFDb"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Cut(c.in, c.limit)
			assert.Equal(t, c.want, got)
			checkCut(t, c.in, c.limit)
		})
	}
}

// checkCut holds what is promised about every cut.
func checkCut(t *testing.T, s string, limit int) {
	t.Helper()
	got := Cut(s, limit)
	if len(got) > max(limit, 0) {
		t.Fatalf("Cut(%q, %d) has %d bytes", s, limit, len(got))
	}
	if !utf8.ValidString(got) {
		t.Fatalf("Cut(%q, %d) is not UTF-8: %q", s, limit, got)
	}
	if open, balanced := fonts(got); !balanced || open != 0 {
		t.Fatalf("Cut(%q, %d) has unbalanced tags: %q", s, limit, got)
	}
	if balance(strings.ToValidUTF8(s, "\uFFFD")) != got && limit >= len(cutZh) && !strings.HasSuffix(got, cutZh) {
		t.Fatalf("Cut(%q, %d) does not say that it was cut: %q", s, limit, got)
	}
	if again := Cut(got, limit); again != got {
		t.Fatalf("Cut(%q, %d) cuts its own result: %q", s, limit, again)
	}
}

// fontTag is written apart from the code under test.
var fontTag = regexp.MustCompile(`<font(?: [^<>\n]*)?>|</font>`)

func fonts(s string) (open int, balanced bool) {
	for _, tag := range fontTag.FindAllString(s, -1) {
		if tag == closeFont {
			open--
		} else {
			open++
		}
		if open < 0 {
			return open, false
		}
	}
	return open, true
}

func FuzzCut(f *testing.F) {
	for _, s := range []string{
		"", "plain", "第一行\n第二行\n第三行", strings.Repeat("中文", 3000), strings.Repeat("👩‍👩‍👧 ", 500),
		`<font color="info">` + strings.Repeat("绿", 100) + "</font>", "</font></font>", "<font", "<font color=", "<font>\n<font >",
		strings.Repeat("<font color=\"warning\">", 50), strings.Repeat("👨🏽‍🚀🇨🇳é中", 200), "### <font color=\"warning\">错误：<@all> [x](http://evil)</font>\n> 引用\n`码`",
		"<font color=\"info\">一</font>\n<font color=\"comment\">二\n三</font>", strings.Repeat("<font>行\n", 300) + strings.Repeat(closeFont, 299), "\xff\xfe\n\xf0\x9f", "a\n\n\n\nb", strings.Repeat("\n", 5000),
	} {
		for _, limit := range []int{-1, 0, 3, 18, 40, MaxMarkdown} {
			f.Add(s, limit)
		}
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		checkCut(t, s, min(limit, 1<<20))
	})
}
