package wecom

import (
	"regexp"
	"strings"

	"trade-monitor/shared/alerting"
)

// as gives a message in a format. The words are the same: what is markup in them
// is ours alone, since strangers' text is escaped, so that it can be taken out
// exactly.
func as(f alerting.Format, markdown string) string {
	if f != alerting.Text {
		return markdown
	}
	return plain(markdown)
}

var (
	ourHeading = regexp.MustCompile(`(?m)^#+ `)
	ourFont    = regexp.MustCompile(`<font color="[a-z]+">|</font>`)
	ourLink    = regexp.MustCompile(`\[([^\]\n]*)\]\(([^)\n]*)\)`)
	ourMarks   = strings.NewReplacer("**", "", "`", "")
)

// plain takes our markup out; it never makes a text longer. Quotes keep their
// sign: it says that the line is somebody else's.
func plain(s string) string {
	s = ourHeading.ReplaceAllString(s, "")
	s = ourFont.ReplaceAllString(s, "")
	s = ourLink.ReplaceAllString(s, "$1: $2")
	return ourMarks.Replace(s)
}
