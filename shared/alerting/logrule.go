package alerting

import (
	"bytes"
	"regexp"
	"time"
)

// LogRule says what is expected of a container's log: a line that shows
// progress, again and again.
type LogRule struct {
	Container string
	Progress  LinePattern
	Timeout   time.Duration // without such a line: silent
	Interval  time.Duration // between two checks, and two events, while silent
	AlertType string
	Severity  Severity
	Service   string // of the event; empty: the container's name
	Required  bool   // somebody asked for this very container: that it was never there is told
}

// Grace is what a container is given on top of the time-out after each start.
func (r LogRule) Grace() time.Duration { return min(r.Timeout, time.Minute) }

// ServiceName is the service of the events. A name that is too long for one is
// cut so that it is no other container's.
func (r LogRule) ServiceName() string {
	if r.Service != "" {
		return r.Service
	}
	return clip(r.Container, MaxService)
}

// LinePattern tells the lines that show progress from all others.
type LinePattern struct {
	text   string
	match  *regexp.Regexp
	except *regexp.Regexp // lines that match and yet show none; nil: all do
	hints  [][]byte       // one of them is in every matching line; empty: unknown
}

// NewLinePattern makes the pattern of a regular expression.
func NewLinePattern(match *regexp.Regexp) LinePattern {
	return LinePattern{text: match.String(), match: match}
}

// TickerLine is the default pattern: a line about a ticker (行情) and its sync
// (同步), in Chinese or English, that speaks neither of a failure nor of a
// beginning: a sync that only ever starts or fails is no progress. Counts of
// zero ("失败 0", "0 errors") are not taken for failures.
func TickerLine() LinePattern {
	return LinePattern{
		text: "ticker sync | ticker 同步", match: tickerSync, except: noProgress,
		hints: [][]byte{[]byte("icker"), []byte("ICKER"), []byte("行情")},
	}
}

var (
	tickerSync = regexp.MustCompile(`(?i)(ticker|行情).*(sync|同步)|(sync|同步).*(ticker|行情)`)
	noProgress = regexp.MustCompile(`(?i)fail|error|exception|time(d )?[ -]?out|start|begin|abort|失败|错误|异常|超时|开始|启动|中止|未完成|停滞`)
	zeroCount  = regexp.MustCompile(`(?i)(失败|错误|异常|超时|failed|failures?|errors?|timeouts?)\s*[数个次条]?\s*[:：=]?\s*0\b|\b0\s*[个次条]?\s*(失败|错误|异常|超时|failed|failures?|errors?|timeouts?)`)
)

// Matches tells whether a line shows progress.
func (p LinePattern) Matches(line []byte) bool {
	if p.match == nil || !p.hinted(line) || !p.match.Match(line) {
		return false
	}
	return p.except == nil || !p.except.Match(line) || !p.except.Match(zeroCount.ReplaceAll(line, nil))
}

// hinted is a look that costs a hundredth of the regular expression: most of a
// busy log is about something else.
func (p LinePattern) hinted(line []byte) bool {
	for _, hint := range p.hints {
		if bytes.Contains(line, hint) {
			return true
		}
	}
	return len(p.hints) == 0
}

// String is the pattern for people.
func (p LinePattern) String() string { return p.text }

// Source is the regular expression that a person wrote; empty for the default
// pattern, which is more than one.
func (p LinePattern) Source() string {
	if p.except != nil {
		return ""
	}
	return p.text
}
