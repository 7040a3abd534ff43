package alerting

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// SilenceDraft is what a person wants a silence to be.
type SilenceDraft struct {
	AlertType       string
	Service         string
	Severity        string        // as people write it
	StartsAt        time.Time     // zero: now
	EndsAt          time.Time     // or
	Duration        time.Duration // from StartsAt
	Author          string
	Comment         string
	HoldRemediation bool
}

// The bounds of a silence: one that nobody remembers hides a failure.
const (
	MaxSilence      = 30 * 24 * time.Hour
	MaxSilenceAhead = 365 * 24 * time.Hour // until it begins
	MaxSilences     = 500                  // that are not over: every event is held against each of them
	maxSilenceWords = 300                  // characters of the comment
	maxAuthor       = 100
)

// Make is the silence that the draft describes, or names every problem at once.
func (d SilenceDraft) Make(now time.Time) (Silence, error) {
	p := &InvalidError{}
	s := Silence{Author: d.Author, Comment: oneLine(d.Comment), HoldRemediation: d.HoldRemediation, CreatedAt: now}
	d.matchers(&s, p)
	d.times(&s, now, p)
	p.require("author", s.Author, maxAuthor)
	p.require("comment", s.Comment, maxSilenceWords)
	return s, p.orNil()
}

// matchers are tidied as the words of events are, or none would match.
func (d SilenceDraft) matchers(s *Silence, p *InvalidError) {
	s.AlertType, s.Service = strings.ToUpper(oneLine(d.AlertType)), oneLine(d.Service)
	if word := strings.TrimSpace(d.Severity); word != "" {
		severity, known := ParseSeverity(word)
		if s.Severity = severity; !known {
			p.add("severity", "只能是 INFO、WARNING、ERROR 或 CRITICAL (one of these)")
		}
	}
	switch {
	case strings.Contains(s.AlertType, "*"):
		p.add("alertType", "须写完整的告警类型，不支持 * (the whole type; * is for serviceName)")
	case utf8.RuneCountInString(s.AlertType) > MaxType:
		p.add("alertType", fmt.Sprintf("最多 %d 个字符 (at most %d characters)", MaxType, MaxType))
	}
	switch star := strings.IndexByte(s.Service, '*'); {
	case s.Service == "*":
		p.add("serviceName", "* 之前要有名称的开头；静默所有服务请省略 serviceName (a prefix before the *; leave serviceName out for all services)")
	case star >= 0 && star < len(s.Service)-1:
		p.add("serviceName", "* 只能在末尾 (* only at the end)")
	case utf8.RuneCountInString(s.Service) > MaxService:
		p.add("serviceName", fmt.Sprintf("最多 %d 个字符 (at most %d characters)", MaxService, MaxService))
	}
	if s.AlertType == "" && s.Service == "" && strings.TrimSpace(d.Severity) == "" {
		p.add("serviceName", "serviceName、alertType、severity 至少给出一个 (give at least one of serviceName, alertType and severity)")
	}
}

// times takes a start that is past for now: nothing can be kept back that was
// said already.
func (d SilenceDraft) times(s *Silence, now time.Time, p *InvalidError) {
	s.StartsAt, s.EndsAt = d.StartsAt, d.EndsAt
	if s.StartsAt.Before(now) {
		s.StartsAt = now
	}
	field := "endsAt"
	switch {
	case d.Duration != 0 && !d.EndsAt.IsZero():
		p.add("duration", "与 endsAt 只给一个 (not together with endsAt)")
		return
	case d.Duration == 0 && d.EndsAt.IsZero():
		p.add("endsAt", "必填：endsAt 或 duration（如 2h） (required: endsAt, or duration, such as 2h)")
		return
	case d.Duration != 0:
		field, s.EndsAt = "duration", s.StartsAt.Add(d.Duration)
	}
	s.StartsAt, s.EndsAt = s.StartsAt.UTC().Truncate(time.Microsecond), s.EndsAt.UTC().Truncate(time.Microsecond) // as they are stored
	switch {
	case s.StartsAt.Sub(now) > MaxSilenceAhead:
		p.add("startsAt", "最多提前 365 天 (at most 365 days ahead)")
	case !s.EndsAt.After(now):
		p.add(field, "必须晚于现在 (must be in the future)")
	case !s.EndsAt.After(s.StartsAt):
		p.add(field, "必须晚于 startsAt (must be after startsAt)")
	case s.EndsAt.Sub(s.StartsAt) > MaxSilence:
		p.add(field, "最长 30 天，到期前可再建 (at most 30 days; make another one before it ends)")
	}
}
