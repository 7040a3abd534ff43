package main

import (
	"regexp"
	"strings"
	"time"
)

// message is what people in the group see.
type message struct {
	At      time.Time `json:"at"`
	Content string    `json:"content"`
}

var markup = regexp.MustCompile(`<[^>]*>|(?m)^### `)

// plain is the text without the robot's markdown, which is for colours.
func (m message) plain() string { return markup.ReplaceAllString(m.Content, "") }

// head is the first line: how it stands.
func (m message) head() string {
	head, _, _ := strings.Cut(m.plain(), "\n")
	return head
}

// over tells whether the message is of an end.
func (m message) over() bool { return strings.HasPrefix(m.head(), "已恢复") }

// How much of the event's own text the gist of a message shows.
const (
	gistFirst = 5
	gistLast  = 3
)

// gist is the first line, and when it ended or what was said of the failure.
func (m message) gist() string {
	var said []string
	for line := range strings.Lines(m.plain()) {
		line = strings.TrimRight(line, "\n")
		switch {
		case m.over() && strings.HasPrefix(line, "恢复："), !m.over() && strings.HasPrefix(line, ">"):
			said = append(said, line)
		}
	}
	if len(said) > gistFirst+gistLast {
		said = append(append(said[:gistFirst:gistFirst], "> …"), said[len(said)-gistLast:]...)
	}
	return strings.Join(append([]string{m.head()}, said...), "\n")
}
