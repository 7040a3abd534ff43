package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
)

// Error is a call that brought nothing. It names neither the engine's address
// nor the request.
type Error struct {
	op     string
	status int // of the engine's answer; 0: there was none
	sent   bool
	text   string
	cause  error // only a context's error, for errors.Is
}

func (e *Error) Error() string { return "docker " + e.op + ": " + e.text }

// Unwrap gives the context's error when the caller's context ended the call.
func (e *Error) Unwrap() error { return e.cause }

// Unreachable tells that the engine gave no answer: it is away, did not answer
// in time, or the connection or a proxy in between failed.
func (e *Error) Unreachable() bool { return e.status == 0 }

// Sent tells that the engine may have received the call, and may carry it out,
// although it gave no answer.
func (e *Error) Sent() bool { return e.sent }

// Refused tells that the engine answered, and that the answer was no.
func (e *Error) Refused() bool { return e.status != 0 }

// Unreadable tells that the container's log driver hands nothing back: only the
// place that it writes to has the log.
func (e *Error) Unreadable() bool {
	return e.Refused() && (e.status == http.StatusNotImplemented || strings.Contains(e.text, "does not support reading"))
}

// Detail is the cause alone, for people.
func (e *Error) Detail() string { return e.text }

// isRefusal tells whether the engine, or a socket proxy in front of it, said no.
func isRefusal(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Refused()
}

func isNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.status == http.StatusNotFound
}

// trip is what the transport saw of one call. The client's own errors hide it:
// they keep neither the cause nor the status.
type trip struct {
	sent   atomic.Bool
	status int
	cause  error
}

type (
	tripKey struct{}
	logKey  struct{} // marks the request for a log
)

// record runs one call of the client and turns its error into an *Error.
func record(ctx context.Context, op string, do func(context.Context) error) error {
	t := &trip{}
	traced := httptrace.WithClientTrace(context.WithValue(ctx, tripKey{}, t), &httptrace.ClientTrace{
		WroteHeaders: func() { t.sent.Store(true) },
	})
	err := do(traced)
	if err == nil {
		return nil
	}
	if t.status >= http.StatusBadRequest && !fromGateway(t.status) {
		return &Error{op: op, status: t.status, sent: true, text: answerText(err)}
	}
	e := &Error{op: op, sent: t.sent.Load(), text: t.text(err), cause: ctx.Err()}
	return e
}

// fromGateway tells statuses that a proxy between us and the engine answers
// with when it got no answer itself.
func fromGateway(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// maxText bounds what is kept of the engine's own words.
const maxText = 300

// answerText is the engine's message on one line.
func answerText(err error) string {
	return oneLine(strings.TrimPrefix(err.Error(), "Error response from daemon: "), maxText)
}

// oneLine is a foreign text as one line of at most limit characters.
func oneLine(text string, limit int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit-1]) + "…"
	}
	return text
}

func (t *trip) text(err error) string {
	cause := t.cause
	if cause == nil {
		cause = err
	}
	var number syscall.Errno
	var op *net.OpError
	switch {
	case fromGateway(t.status):
		return fmt.Sprintf("a proxy answered %d", t.status)
	case errors.Is(cause, context.Canceled):
		return "the call was given up"
	case errors.As(cause, &op) && op.Op == "dial" && errors.As(cause, &number):
		return "connect: " + number.Error()
	case isTimeout(cause):
		return "no answer in time"
	case errors.Is(cause, io.EOF), errors.Is(cause, io.ErrUnexpectedEOF), errors.As(cause, &number):
		return "the connection was cut"
	}
	return "the connection failed"
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// recorder notes on a call's trip what the transport saw.
type recorder struct {
	next http.RoundTripper
	logs http.RoundTripper // takes the requests for logs
}

// RoundTrip implements http.RoundTripper.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	next := r.next
	if req.Context().Value(logKey{}) != nil {
		next = r.logs
	}
	resp, err := next.RoundTrip(req)
	if t, ok := req.Context().Value(tripKey{}).(*trip); ok {
		t.cause, t.status = err, 0
		if resp != nil {
			t.status = resp.StatusCode
		}
	}
	return resp, err
}
