package watchdog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	tryLimit   = 10 * time.Second // one try
	firstWait  = time.Second      // before the second try; doubles from there
	answerRead = 64 << 10         // bytes of an answer that are read, to keep the connection
)

// refusedError is an answer that trying the same again will not change.
type refusedError struct{ status int }

func (e refusedError) Error() string {
	return fmt.Sprintf("trade monitor refused the event: HTTP %d", e.status)
}

// laterError is an answer that asks to come again.
type laterError struct {
	status int
	after  time.Duration
}

func (e laterError) Error() string {
	return fmt.Sprintf("trade monitor is not ready: HTTP %d", e.status)
}

// try posts what is owed once and settles it or sets the time of the next try.
func (l *loop) try(ctx context.Context) {
	o := l.owed
	o.try++
	// Set before the post: a panic must not make the next try come at once.
	o.next = time.Now().Add(l.w.backoff(o.try))
	status, err := l.w.post(ctx, o)
	if ctx.Err() != nil {
		return
	}
	var refused refusedError
	var later laterError
	switch {
	case err == nil:
		l.owed = nil
		l.w.o.Log.Info("watchdog: posted", "resolved", o.resolved, "try", o.try)
	case errors.As(err, &refused):
		l.owed = nil
		l.w.o.Log.Error("watchdog: refused", "resolved", o.resolved, "error", err)
	default:
		wait := l.w.backoff(o.try)
		if errors.As(err, &later) {
			wait = max(wait, min(later.after, l.w.o.CheckInterval))
		}
		o.next = time.Now().Add(wait)
		l.w.o.Log.Warn("watchdog: will try again", "resolved", o.resolved, "try", o.try, "in", wait.String(), "error", err)
	}
	l.w.o.OnPost(Post{Resolved: o.resolved, Key: o.key, Try: o.try, Status: status, Err: err})
}

// backoff is the wait after the n-th try: doubling, at most CheckInterval, and
// a fifth of it by chance so that many services do not come back at once.
func (w *Watchdog) backoff(n int) time.Duration {
	wait := min(firstWait<<min(n-1, 10), w.o.CheckInterval)
	return wait - time.Duration(rand.Int64N(int64(wait)/5+1))
}

func (w *Watchdog) post(ctx context.Context, o *owed) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.o.URL, bytes.NewReader(o.body))
	if err != nil {
		return 0, errors.New("watchdog: cannot make the request")
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("Idempotency-Key", o.key)
	req.Header.Set("User-Agent", "trade-monitor-watchdog")
	if w.o.Token != "" {
		req.Header.Set("Authorization", "Bearer "+w.o.Token)
	}
	resp, err := w.o.Client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("reach trade monitor: %w", withoutURL(err))
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, answerRead)) // only to reuse the connection
	return resp.StatusCode, verdict(resp)
}

// withoutURL drops the URL that net/http writes into its errors.
func withoutURL(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		return withURL.Err
	}
	return err
}

// verdict tells an accepted event from a refused one and from one that may be
// tried again.
func verdict(resp *http.Response) error {
	switch status := resp.StatusCode; {
	case status/100 == 2:
		return nil
	case status/100 == 5, status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // absent or a date: our own backoff does
		seconds = min(max(seconds, 0), int(longest/time.Second))
		return laterError{status: status, after: time.Duration(seconds) * time.Second}
	default:
		return refusedError{status: status}
	}
}
