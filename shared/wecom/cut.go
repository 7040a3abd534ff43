package wecom

import (
	"strings"
	"unicode/utf8"

	"trade-monitor/shared/alerting"
)

// MaxMarkdown is the limit of a markdown message: bytes of UTF-8 of the decoded
// content (official page of group robots, 2025-08-07).
const MaxMarkdown = 4096

// MaxText is the limit of a text message by the same page. (The server takes
// more; what the page says is what holds.)
const MaxText = 2048

// limit is how much a message of a format may hold.
func limit(f alerting.Format) int {
	if f == alerting.Text {
		return MaxText
	}
	return MaxMarkdown
}

const (
	cutZh = "…（已截断）"
	cutEn = "…(truncated)"

	closeFont = "</font>"
)

// Cut shortens a markdown text to at most limit bytes and says so at its end.
// It cuts between lines where that keeps at least half of the room, else between
// characters, and never inside a font tag. The result is valid UTF-8 and its
// font tags are balanced, whatever the input was.
func Cut(s string, limit int) string { return cut(s, limit, cutZh) }

func cut(s string, limit int, mark string) string {
	s = balance(strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= limit {
		return s
	}
	for _, m := range []string{mark, "…"} {
		if len(m) <= limit {
			return shorten(s, limit, m)
		}
	}
	return ""
}

// shorten keeps as much of s as leaves room for the tags that must be closed
// and the mark. The mark fits: the caller made sure.
func shorten(s string, limit int, mark string) string {
	var char, line, open, charOpen, lineOpen int
	for i := 0; i < len(s); {
		n, nest := token(s[i:])
		if s[i] == '\n' && i+1+open*len(closeFont)+len(mark) <= limit {
			line, lineOpen = i, open
		}
		i, open = i+n, open+nest
		if i > limit {
			break
		}
		if i+open*len(closeFont)+len(mark) <= limit {
			char, charOpen = i, open
		}
	}
	if line > 0 && line >= char/2 {
		return s[:line] + strings.Repeat(closeFont, lineOpen) + "\n" + mark
	}
	return s[:char] + strings.Repeat(closeFont, charOpen) + mark
}

// balance closes what is open, and makes plain characters of what begins like a
// font tag and is none, or closes nothing: left out or left alone, it could
// become one with what is around it.
func balance(s string) string {
	if !strings.Contains(s, "font") {
		return s
	}
	var b strings.Builder
	open := 0
	for i := 0; i < len(s); {
		n, nest := token(s[i:])
		stray := open+nest < 0 || nest == 0 && (strings.HasPrefix(s[i:], "<font") || strings.HasPrefix(s[i:], "</font"))
		if stray {
			b.WriteString(twins.Replace(s[i : i+n]))
		} else {
			open += nest
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	b.WriteString(strings.Repeat(closeFont, open))
	return b.String()
}

// token measures what must not be cut through at the start of s: a font tag or
// a character. nest is how it changes the number of open tags.
func token(s string) (n, nest int) {
	const openFont = "<font"
	switch {
	case strings.HasPrefix(s, closeFont):
		return len(closeFont), -1
	case strings.HasPrefix(s, openFont+" "), strings.HasPrefix(s, openFont+">"):
		if end := strings.IndexAny(s[1:], "<>\n"); end >= 0 && s[1+end] == '>' {
			return end + 2, 1
		}
	}
	_, n = utf8.DecodeRuneInString(s)
	return n, 0
}
