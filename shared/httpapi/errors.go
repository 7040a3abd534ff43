package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"trade-monitor/shared/alerting"
)

// Handler answers one request. An error that it returns becomes the answer, so
// it must not have written anything by then.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Error is an answer that is no success: what the caller is told, and nothing
// of what the cause may hold.
type Error struct {
	Status  int
	Code    string
	Message string
	Details []Detail
	Header  [2]string // one header that belongs to the answer: name, value
}

// Detail is one thing that an error names.
type Detail struct {
	Field   string `json:"field,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	RetryAt string `json:"retryAt,omitempty"` // RFC 3339, UTC
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Invalid is a request with one problem; field is where.
func Invalid(field, message string) error {
	return &alerting.InvalidError{Problems: []alerting.Problem{{Field: field, Message: message}}}
}

// Wrap makes an http.Handler of a Handler: the one place where errors become
// answers. The cause of a 500 is logged with the request id and never shown.
func Wrap(h Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			fail(w, r, err, log)
		}
	})
}

func fail(w http.ResponseWriter, r *http.Request, err error, log *slog.Logger) {
	ctx := r.Context()
	answer := answerTo(err, time.Now())
	switch {
	case errors.Is(err, context.Canceled):
		log.DebugContext(ctx, "caller left", "requestId", RequestID(ctx), "path", r.URL.Path)
	case answer.Status == http.StatusInternalServerError:
		log.ErrorContext(ctx, "request failed", "requestId", RequestID(ctx), "method", r.Method, "path", r.URL.Path, "error", err)
		answer = internal(RequestID(ctx))
	case answer.Status >= http.StatusInternalServerError:
		log.WarnContext(ctx, "request refused for now", "requestId", RequestID(ctx), "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if x := exchangeOf(ctx); x != nil && x.status != 0 {
		return // the answer began; it cannot be taken back
	}
	answer.write(w)
}

// answerTo maps an error to its answer.
func answerTo(err error, now time.Time) *Error {
	var (
		answer  *Error
		invalid *alerting.InvalidError
		refused *alerting.RefusedError
	)
	switch {
	case errors.As(err, &answer):
		return answer
	case errors.As(err, &invalid):
		return fromInvalid(invalid)
	case errors.As(err, &refused):
		return fromRefused(refused.Reason, now)
	case errors.Is(err, alerting.ErrNotFound):
		return &Error{Status: http.StatusNotFound, Code: "not_found", Message: "没有这条记录 (no such record)"}
	case errors.Is(err, alerting.ErrIdempotency):
		return &Error{
			Status: http.StatusUnprocessableEntity, Code: "idempotency_mismatch",
			Message: "该 Idempotency-Key 已用于另一个请求体 (this Idempotency-Key was used with another body)",
		}
	case errors.Is(err, alerting.ErrSchema):
		return &Error{
			Status: http.StatusServiceUnavailable, Code: "schema",
			Message: "数据库表缺失或版本不符，请运行 `trade-monitor init-db` (tables are missing or of another version: run `trade-monitor init-db`)",
			Header:  [2]string{"Retry-After", "30"},
		}
	case errors.Is(err, alerting.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &Error{
			Status: http.StatusServiceUnavailable, Code: "unavailable",
			Message: "数据库暂时不可用，请稍后重试 (the database is unavailable; try again)",
			Header:  [2]string{"Retry-After", "2"},
		}
	}
	return internal("")
}

func fromInvalid(e *alerting.InvalidError) *Error {
	answer := &Error{Status: http.StatusBadRequest, Code: "invalid_argument", Message: "请求有误 (invalid request): " + e.Error()}
	for _, p := range e.Problems {
		answer.Details = append(answer.Details, Detail{Field: p.Field, Message: p.Message})
	}
	return answer
}

func fromRefused(why alerting.Reason, now time.Time) *Error {
	detail := Detail{Code: why.Code, Message: bilingual(why, now)}
	answer := &Error{Status: http.StatusConflict, Code: "refused", Message: detail.Message}
	if !why.Until.IsZero() {
		detail.RetryAt = why.Until.UTC().Format(time.RFC3339)
		wait := max(1, math.Ceil(why.Until.Sub(now).Seconds()))
		answer.Header = [2]string{"Retry-After", strconv.Itoa(int(wait))}
	}
	answer.Details = []Detail{detail}
	return answer
}

func bilingual(why alerting.Reason, now time.Time) string {
	return why.Text(alerting.Chinese, now) + " (" + why.Text(alerting.English, now) + ")"
}

func internal(id string) *Error {
	message := "内部错误 (internal error)"
	if id != "" {
		message = "内部错误，请求号 " + id + " (internal error, request id " + id + ")"
	}
	return &Error{Status: http.StatusInternalServerError, Code: "internal", Message: message}
}

func (e *Error) write(w http.ResponseWriter) {
	if e.Header[0] != "" {
		w.Header().Set(e.Header[0], e.Header[1])
	}
	details := e.Details
	if details == nil {
		details = []Detail{}
	}
	body := struct {
		Success bool     `json:"success"`
		Code    string   `json:"code"`
		Message string   `json:"message"`
		Details []Detail `json:"details"`
	}{false, e.Code, e.Message, details}
	// A failure to write is the connection's end: there is nobody to tell.
	_ = Write(w, e.Status, body)
}
