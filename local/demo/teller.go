package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// teller prints the story: each line with the time since the beginning, Chinese
// first.
type teller struct {
	w     io.Writer
	began time.Time
	gone  func() // is called when nobody listens any more
}

func newTeller(w io.Writer, gone func()) *teller {
	return &teller{w: w, began: time.Now(), gone: gone}
}

// lineWidth is how many columns a line may take before the English gets a line
// of its own.
const lineWidth = 110

// say prints one line; both languages take the same arguments.
func (t *teller) say(zh, en string, args ...any) {
	text, english := fmt.Sprintf(zh, args...), fmt.Sprintf(en, args...)
	switch {
	case width(text)+width(english)+len(margin) <= lineWidth:
		text += "  (" + english + ")"
	default:
		text += "\n" + margin + "(" + english + ")"
	}
	t.print("[%6.1fs] %s\n", time.Since(t.began).Seconds(), text)
}

// heading begins a part of the story.
func (t *teller) heading(zh, en string) {
	t.print("\n━━ %s\n   (%s)\n", zh, en)
}

func (t *teller) print(format string, args ...any) {
	if _, err := fmt.Fprintf(t.w, format, args...); err != nil {
		t.gone()
	}
}

// width is how many columns a text takes: what is not Latin takes two.
func width(text string) int {
	columns := 0
	for _, r := range text {
		columns++
		if r >= 0x2E80 {
			columns++
		}
	}
	return columns
}

// margin is as wide as the time in front of a line.
const margin = "           "

// quote prints what something else said, line by line.
func (t *teller) quote(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		t.print("%s│ %s\n", margin, strings.TrimRight(line, "\n"))
	}
}

// mark prints a verdict of the checks.
func (t *teller) mark(good bool, text string) {
	sign := "✗"
	if good {
		sign = "✓"
	}
	t.print("%s%s %s\n", margin, sign, text)
}
