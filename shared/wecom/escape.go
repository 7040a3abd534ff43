package wecom

import (
	"regexp"
	"strings"
	"unicode"
)

// What an event says is data. WeCom's markdown has no escape character that its
// clients agree on, so that every character which could begin a mention
// (<@…>), a link ([…](…)), a colour (<font>), a quote, code or bold is replaced
// by its full-width twin: people read the same, and no client sees syntax.
// Single underscores stay, since names such as TICKER_SYNC_TIMEOUT are copied
// from messages and one underscore means nothing to the robot.
var twins = strings.NewReplacer(
	"<", "＜", ">", "＞", "[", "［", "]", "］", "`", "｀", "*", "＊",
)

var (
	// entity finds what a client that decodes HTML would turn back into syntax.
	entity = regexp.MustCompile(`(?i)&(#|[a-z][a-z0-9]*;|lt|gt|amp)`)
	// underscores in a row mean bold in other dialects.
	underscores = regexp.MustCompile(`__+`)
	// heading and rule begin a heading, or turn the line above into one.
	heading = regexp.MustCompile(`^\s*#+`)
	rule    = regexp.MustCompile(`^[\s=~_-]*$`)
)

// escapeLine makes one line of a stranger's text.
func escapeLine(s string) string {
	return strings.Join(escapeLines(s), " ")
}

// escapeLines makes lines of a stranger's text, without the empty ones.
func escapeLines(s string) []string {
	var lines []string
	for line := range strings.SplitSeq(readable(s), "\n") {
		line = strings.TrimRightFunc(line, unicode.IsSpace)
		if strings.TrimSpace(line) == "" {
			continue
		}
		lines = append(lines, neutral(line))
	}
	return lines
}

func neutral(line string) string {
	line = twins.Replace(line)
	line = entity.ReplaceAllString(line, "＆$1")
	line = heading.ReplaceAllStringFunc(line, func(m string) string { return strings.ReplaceAll(m, "#", "＃") })
	if rule.MatchString(line) {
		line = strings.NewReplacer("-", "－", "=", "＝", "~", "～").Replace(line)
	}
	return underscores.ReplaceAllStringFunc(line, func(m string) string { return strings.Repeat("＿", len(m)) })
}

// readable drops what no reader should meet: control characters and the
// invisible ones that hide or reorder text. Every kind of line end becomes \n.
// Rows that people wrote by SQL come here without any other check.
func readable(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		const joiner = '\u200D' // holds emoji together
		switch {
		case r == '\n', r == '\r', r == '\v', r == '\f', r == '\u0085', r == '\u2028', r == '\u2029':
			return '\n'
		case r == '\t':
			return ' '
		case unicode.IsControl(r), r != joiner && unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, s)
}
