package alerts

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"trade-monitor/shared/alerting"
	"trade-monitor/shared/httpapi"
)

const (
	defaultPageSize = 20
	maxPageSize     = 200
	maxPage         = 100_000_000 // times maxPageSize still fits everywhere
	maxText         = 200         // characters of q
)

// query reads parameters and collects everything that is wrong with them.
type query struct {
	url.Values
	location *time.Location
	invalid  alerting.InvalidError
}

func (q *query) bad(field, message string) {
	q.invalid.Problems = append(q.invalid.Problems, alerting.Problem{Field: field, Message: message})
}

func (q *query) word(name string) string { return strings.TrimSpace(q.Get(name)) }

// parseFilter reads the query of the list; every problem is named at once.
func parseFilter(values url.Values, location *time.Location) (alerting.Filter, error) {
	q := &query{Values: values, location: location}
	f := alerting.Filter{
		Type:     strings.ToUpper(q.limited("alertType", alerting.MaxType)),
		Service:  q.limited("serviceName", alerting.MaxService),
		Text:     q.limited("q", maxText),
		Status:   q.status(),
		Severity: q.severity(),
		From:     q.from(),
		To:       q.to(),
		Page:     q.number("page", 1, maxPage),
		PageSize: q.number("pageSize", defaultPageSize, maxPageSize),
		Before:   q.cursor(),
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		q.bad("from", "必须早于 to (must be before to)")
	}
	if f.Before > 0 && f.Page > 1 {
		q.bad("page", "不能与 cursor 同时使用 (not together with cursor)")
	}
	if len(q.invalid.Problems) > 0 {
		return alerting.Filter{}, &q.invalid
	}
	return f, nil
}

func (q *query) limited(name string, limit int) string {
	text := q.word(name)
	if utf8.RuneCountInString(text) > limit || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		q.bad(name, fmt.Sprintf("最多 %d 个 UTF-8 字符 (at most %d UTF-8 characters)", limit, limit))
		return ""
	}
	return text
}

func (q *query) number(name string, fallback, limit int) int {
	text := q.word(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > limit {
		q.bad(name, fmt.Sprintf("必须是 1 到 %d 的整数 (an integer from 1 to %d)", limit, limit))
		return fallback
	}
	return n
}

func (q *query) status() alerting.AlertStatus {
	status := alerting.AlertStatus(strings.ToUpper(q.word("status")))
	if status != "" && !slices.Contains(alerting.Statuses, status) {
		q.bad("status", "只能是 OPEN、ACKNOWLEDGED 或 RESOLVED (one of these)")
	}
	return status
}

func (q *query) severity() alerting.Severity {
	word := q.word("severity")
	if word == "" {
		return ""
	}
	severity, known := alerting.ParseSeverity(word)
	if !known {
		q.bad("severity", "只能是 INFO、WARNING、ERROR 或 CRITICAL (one of these)")
	}
	return severity
}

func (q *query) cursor() int64 {
	text := q.word("cursor")
	if text == "" {
		return 0
	}
	id, ok := httpapi.ParseCursor(text)
	if !ok {
		q.bad("cursor", "不是本接口给出的 nextCursor (not a nextCursor of this endpoint)")
	}
	return id
}

func (q *query) from() time.Time {
	at, _ := q.time("from")
	return at
}

// to is exclusive; a bare date means that the whole day is in.
func (q *query) to() time.Time {
	at, day := q.time("to")
	if day {
		return at.AddDate(0, 0, 1)
	}
	return at
}

// localLayouts are the ways to write a time without an offset.
var localLayouts = []string{"2006-01-02T15:04:05", time.DateTime, "2006-01-02T15:04", "2006-01-02 15:04"}

// time reads a time with an offset, or one as the clocks of the configured
// place show it; day tells that only a date was given.
func (q *query) time(name string) (at time.Time, day bool) {
	text := q.word(name)
	if text == "" {
		return time.Time{}, false
	}
	at, day, ok := readTime(text, q.location)
	if !ok {
		q.bad(name, badTime)
	}
	return at, day
}

const badTime = "时间格式应为 2026-02-25、2026-02-25 10:00:00 或 2026-02-25T10:00:00+08:00 (a time written like these)"

func readTime(text string, location *time.Location) (at time.Time, day, ok bool) {
	// A + that was not escaped arrives as a space: 10:00:00 08:00.
	if at, err := time.Parse(time.RFC3339, plusAgain(text)); err == nil {
		return at, false, true
	}
	for _, layout := range localLayouts {
		if at, err := time.ParseInLocation(layout, text, location); err == nil {
			return at, false, true
		}
	}
	if at, err := time.ParseInLocation(time.DateOnly, text, location); err == nil {
		return at, true, true
	}
	return time.Time{}, false, false
}

func plusAgain(text string) string {
	if i := strings.LastIndexByte(text, ' '); strings.Contains(text, "T") && i > 0 {
		return text[:i] + "+" + text[i+1:]
	}
	return text
}
