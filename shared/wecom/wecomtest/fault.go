package wecomtest

import (
	"context"
	"time"
)

// Fault is one thing that goes wrong with one request.
type Fault struct {
	kind  kind
	code  int
	delay time.Duration
}

type kind int

const (
	none kind = iota
	refuse
	page
	cut
	takeAndCut
	reset
)

// OK is no fault: for a request between two that fail.
func OK() Fault { return Fault{} }

// ErrCode answers HTTP 200 with an errcode; nothing is shown.
func ErrCode(code int) Fault { return Fault{kind: refuse, code: code} }

// HTTPStatus answers with this status and an HTML page, as a broken proxy does;
// nothing is shown.
func HTTPStatus(status int) Fault { return Fault{kind: page, code: status} }

// Hang gives no answer for d and then cuts the connection; nothing is shown.
func Hang(d time.Duration) Fault { return Fault{kind: cut, delay: d} }

// Cut ends the connection before any answer; nothing is shown.
func Cut() Fault { return Fault{kind: cut} }

// Reset breaks the connection before any answer, as a firewall or a crash does;
// nothing is shown.
func Reset() Fault { return Fault{kind: reset} }

// AcceptThenCut shows the message and ends the connection without an answer.
func AcceptThenCut() Fault { return Fault{kind: takeAndCut} }

// Slow takes d to look at the message. It is shown then, even if its sender has
// stopped waiting.
func Slow(d time.Duration) Fault { return Fault{delay: d} }

// wait lets the delay pass. A hanging request ends when its sender gives up; a
// slow one goes on.
func (f Fault) wait(ctx context.Context) {
	if f.delay <= 0 {
		return
	}
	if f.kind != cut {
		ctx = context.WithoutCancel(ctx)
	}
	timer := time.NewTimer(f.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
