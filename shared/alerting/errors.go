package alerting

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// The errors that callers tell apart. Each may be wrapped; use errors.Is.
var (
	// ErrNotFound: there is no such alert or group.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable: the database cannot be reached now; the same call may
	// succeed later.
	ErrUnavailable = errors.New("database unavailable")
	// ErrSchema: the database has no tables, or those of another version.
	ErrSchema = errors.New("database schema is missing or old: run `trade-monitor init-db`")
	// ErrIdempotency: the Idempotency-Key was used before with another body.
	ErrIdempotency = errors.New("idempotency key reused with another body")
	// ErrLeaseLost: another process took over what this one was working on.
	ErrLeaseLost = errors.New("lease lost")
)

// Problem is one thing wrong with one field of a request.
type Problem struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// InvalidError names everything that is wrong with a request at once.
type InvalidError struct {
	Problems []Problem
}

func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		parts[i] = p.Field + ": " + p.Message
	}
	return strings.Join(parts, "; ")
}

func (e *InvalidError) add(field, message string) {
	e.Problems = append(e.Problems, Problem{Field: field, Message: message})
}

// require notes an empty value, and one of more than limit characters when
// limit is not 0.
func (e *InvalidError) require(field, value string, limit int) {
	switch {
	case value == "":
		e.add(field, "必填 (required)")
	case limit > 0 && utf8.RuneCountInString(value) > limit:
		e.add(field, fmt.Sprintf("最多 %d 个字符 (at most %d characters)", limit, limit))
	}
}

func (e *InvalidError) orNil() error {
	if len(e.Problems) == 0 {
		return nil
	}
	return e
}

// RefusedError is a request that was understood and will not be carried out,
// with the reason that its author is told.
type RefusedError struct {
	Reason Reason
}

func (e *RefusedError) Error() string {
	return e.Reason.Text(Chinese, time.Time{})
}
