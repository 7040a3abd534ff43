package alerting

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of the columns that hold an event, in characters except MaxMessage,
// which is in bytes (a TEXT column of MySQL).
const (
	MaxType    = 50
	MaxService = 100
	MaxTitle   = 200
	MaxMessage = 65_535
)

// Posted is an event as a caller wrote it, before anything was tidied.
type Posted struct {
	EventType   string          `json:"eventType"`
	ServiceName string          `json:"serviceName"`
	Severity    string          `json:"severity"`
	Title       string          `json:"title"`
	Message     string          `json:"message"`
	Metadata    json.RawMessage `json:"metadata"`
	Status      string          `json:"status"`
}

// Event is one report by a service: normalised and valid.
type Event struct {
	Type     string
	Service  string
	Severity Severity
	Title    string
	Message  string
	Metadata json.RawMessage // a JSON object, or nil
	Resolved bool            // the service says that it is well again
	Original string          // the whole title, when it had to be cut
	Notes    []string        // what normalisation changed, for the trail
	Caller   string          // the name of the token that it was posted with; empty: none
}

// from says who posted the event, where that is known.
func (ev *Event) from(lang Language) string {
	if ev.Caller == "" {
		return ""
	}
	return lang.Pick("由令牌 "+ev.Caller+" 上报", "posted with the token "+ev.Caller)
}

// Normalise tidies an event and checks it. An alarm is never refused for
// untidiness: words are trimmed, cut and mapped, with a note of what was done.
// What cannot be mended is returned as one *InvalidError naming every problem.
func Normalise(p Posted) (Event, error) {
	ev := Event{
		Type:    strings.ToUpper(oneLine(p.EventType)),
		Service: oneLine(p.ServiceName),
		Title:   oneLine(p.Title),
		Message: plain(p.Message),
	}
	var bad InvalidError
	bad.require("eventType", ev.Type, MaxType)
	bad.require("serviceName", ev.Service, MaxService)
	bad.require("severity", strings.TrimSpace(p.Severity), 0)
	bad.require("title", ev.Title, 0)
	bad.require("message", ev.Message, 0)

	ev.tidySeverity(p.Severity)
	ev.tidyWords()
	switch status := strings.ToUpper(strings.TrimSpace(p.Status)); status {
	case "", "FIRING", "OPEN":
	case "RESOLVED", "OK":
		ev.Resolved = true
	default:
		bad.add("status", "只能省略或为 RESOLVED (omit it, or RESOLVED)")
	}
	ev.Metadata = metadata(p.Metadata, &bad)
	return ev, bad.orNil()
}

func (ev *Event) tidySeverity(word string) {
	severity, known := ParseSeverity(word)
	if !known {
		severity = Error
		ev.Notes = append(ev.Notes, fmt.Sprintf("severity %q 未知，按 ERROR 处理 (unknown, taken as ERROR)", clip(oneLine(word), 20)))
	}
	ev.Severity = severity
}

func (ev *Event) tidyWords() {
	if utf8.RuneCountInString(ev.Title) > MaxTitle {
		ev.Original = ev.Title
		ev.Title = clip(ev.Title, MaxTitle)
		ev.Notes = append(ev.Notes, "title 超过 200 字，已截断，原文保留 (cut, original kept)")
	}
	if len(ev.Message) > MaxMessage {
		ev.Message = clipBytes(ev.Message, MaxMessage)
		ev.Notes = append(ev.Notes, "message 超过 65535 字节，已截断 (cut)")
	}
}

func metadata(raw json.RawMessage, bad *InvalidError) json.RawMessage {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil
	}
	if raw[0] != '{' {
		bad.add("metadata", "必须是 JSON 对象 (must be a JSON object)")
		return nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		bad.add("metadata", "不是合法的 JSON (not valid JSON)")
		return nil
	}
	return bytes.ToValidUTF8(compact.Bytes(), []byte("\uFFFD"))
}

// oneLine makes a single trimmed line of readable characters.
func oneLine(s string) string {
	return strings.Join(strings.Fields(plain(s)), " ")
}

// plain drops what no reader should meet: invalid UTF-8, control characters
// (NUL among them; line breaks and tabs stay), and the invisible characters
// that reorder or hide text on a page.
func plain(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return '\n'
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u200B', r == '\u2060', r == '\uFEFF':
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// clip cuts to at most n characters, the last one an ellipsis.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// clipBytes cuts to at most n bytes, never inside a character.
func clipBytes(s string, n int) string {
	const mark = "…"
	if len(s) <= n {
		return s
	}
	cut := n - len(mark)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + mark
}
