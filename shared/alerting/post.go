package alerting

import "strings"

// Format is how messages to a robot are written.
type Format string

const (
	Markdown Format = "markdown"
	Text     Format = "text" // all that personal WeChat shows
)

// ParseFormat reads a format as people write it; empty is markdown. The second
// result is false when the word is not known: markdown then, too.
func ParseFormat(word string) (Format, bool) {
	switch f := Format(strings.ToLower(strings.TrimSpace(word))); f {
	case Markdown, Text:
		return f, true
	case "":
		return Markdown, true
	}
	return Markdown, false
}

// Post is what one request to a robot says.
type Post struct {
	Format  Format // empty: markdown
	Content string
	People  People // whom the lists of a text message name; markdown has none
}

// Post is the request that sends the message.
func (m Message) Post() Post { return Post{Format: m.Format, Content: m.Content, People: m.People} }

// RobotFormat is how messages to a robot are written: as the first enabled group
// that has it says, else as the first that has it. The robot of
// WECHAT_WEBHOOK_URL without a group is sent markdown.
func RobotFormat(groups []Group, robot string) Format {
	found, has := Markdown, false
	for _, g := range groups {
		if RobotID(g.Webhook) != robot || has && !g.Enabled {
			continue
		}
		found, has = g.Format(), true
		if g.Enabled {
			return found
		}
	}
	return found
}
